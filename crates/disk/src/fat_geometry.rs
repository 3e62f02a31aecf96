use crate::FatError;

/// The size of a sector, in bytes.
pub(crate) const SECTOR: u32 = 512;
/// Sectors before the first FAT: boot sectors and room that every tool leaves; a multiple of 4 KiB.
pub(crate) const RESERVED_SECTORS: u32 = 32;
/// Numbers below this are not clusters (Microsoft's FAT specification, section 4).
pub(crate) const FIRST_CLUSTER: u32 = 2;
/// A volume with fewer than 65,525 clusters is FAT16 by definition; the specification asks to stay
/// 16 clear of the border (section 3.5).
const CLUSTERS_MIN: u32 = 65_525 + 16;
/// FATs are whole blocks of 4 KiB, so that clusters are aligned as the partition is.
const FAT_ALIGNMENT: u32 = 8;
/// Cluster sizes in sectors, preferred first.
const CLUSTER_SECTORS: [u32; 4] = [8, 4, 2, 1];
/// The smallest volume that [`Geometry::new`] accepts among multiples of 1 MiB.
pub(crate) const VOLUME_MIN: u64 = 33 << 20;
/// The largest volume: 64 GiB has 2²⁴ clusters and is more than any ESP.
const VOLUME_MAX: u64 = 64 << 30;

/// Where the parts of a FAT32 volume lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) sectors: u32,
    pub(crate) cluster_sectors: u32,
    pub(crate) fat_sectors: u32,
    pub(crate) clusters: u32,
}

impl Geometry {
    /// Divides a volume: clusters of 4 KiB if there are enough of them for FAT32, else smaller ones.
    pub(crate) fn new(size_bytes: u64) -> Result<Self, FatError> {
        if !size_bytes.is_multiple_of(SECTOR.into()) {
            return Err(FatError::VolumeSize { size_bytes, rule: "it is no multiple of 512" });
        }
        if size_bytes > VOLUME_MAX {
            return Err(FatError::VolumeSize { size_bytes, rule: "the limit is 64 GiB" });
        }
        let sectors = u32::try_from(size_bytes / u64::from(SECTOR))
            .expect("64 GiB have fewer than 2^32 sectors");
        CLUSTER_SECTORS
            .into_iter()
            .find_map(|cluster_sectors| Self::divide(sectors, cluster_sectors))
            .ok_or(FatError::VolumeTooSmall { size_bytes, minimum_bytes: VOLUME_MIN })
    }

    fn divide(sectors: u32, cluster_sectors: u32) -> Option<Self> {
        let space = sectors.checked_sub(RESERVED_SECTORS)?;
        // An upper bound of the clusters, since the FATs take from the same space; the few
        // entries too many do no harm.
        let entries = space / cluster_sectors + FIRST_CLUSTER;
        let fat_sectors = entries.div_ceil(SECTOR / 4).next_multiple_of(FAT_ALIGNMENT);
        let clusters = space.checked_sub(2 * fat_sectors)? / cluster_sectors;
        (clusters >= CLUSTERS_MIN).then_some(Self {
            sectors,
            cluster_sectors,
            fat_sectors,
            clusters,
        })
    }

    pub(crate) fn cluster_bytes(&self) -> u32 {
        self.cluster_sectors * SECTOR
    }

    /// Returns how many clusters hold `bytes` bytes.
    pub(crate) fn clusters_for(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster_bytes().into())
    }

    /// Returns where the given copy of the FAT, 0 or 1, starts in the volume, in bytes.
    pub(crate) fn fat_offset(&self, copy: u32) -> u64 {
        u64::from(RESERVED_SECTORS + copy * self.fat_sectors) * u64::from(SECTOR)
    }

    /// Returns where a cluster starts in the volume, in bytes.
    pub(crate) fn cluster_offset(&self, cluster: u32) -> u64 {
        self.fat_offset(2) + u64::from(cluster - FIRST_CLUSTER) * u64::from(self.cluster_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn clusters_are_as_large_as_fat32_allows() {
        for (mib, cluster_bytes) in
            [(33, 512), (64, 512), (70, 1024), (256, 2048), (260, 4096), (65_536, 4096)]
        {
            let geometry = Geometry::new(mib * MIB).unwrap();
            assert_eq!(geometry.cluster_bytes(), cluster_bytes, "{mib} MiB");
            let end = geometry.cluster_offset(FIRST_CLUSTER + geometry.clusters);
            assert!(end <= mib * MIB, "{mib} MiB");
            assert!(geometry.fat_sectors * 128 >= geometry.clusters + FIRST_CLUSTER);
            assert_eq!(geometry.cluster_offset(FIRST_CLUSTER) % 4096, 0);
        }
    }

    #[test]
    fn volumes_outside_of_fat32_are_refused() {
        assert!(Geometry::new(VOLUME_MIN).is_ok());
        for mib in 0..33 {
            let error = Geometry::new(mib * MIB).unwrap_err();
            assert!(matches!(error, FatError::VolumeTooSmall { .. }), "{mib} MiB");
        }
        for bytes in [VOLUME_MIN + 1, VOLUME_MAX + 512, u64::MAX] {
            assert!(matches!(Geometry::new(bytes), Err(FatError::VolumeSize { .. })), "{bytes}");
        }
    }
}
