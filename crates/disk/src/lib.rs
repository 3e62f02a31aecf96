//! Disks: GPT, the partition layout, the EFI system partition.
