"""Extracts a payload with a public reader, and shows what the published schema sees in it."""
import sys
from payload_dumper import core, source

payload = source.FileSource(sys.argv[1])
read = core.parse_payload(payload)
core.validate_operations(read.manifest.partitions)
for partition in read.manifest.partitions:
    core.extract_partition(payload, read.data_offset, partition, sys.argv[2])
    kinds = ",".join(core.partition_op_types(partition))
    print(partition.partition_name, partition.new_partition_info.size, partition.version, kinds)
manifest = read.manifest
print(manifest.block_size, manifest.minor_version, manifest.max_timestamp)
data = open(sys.argv[1], "rb").read()
for start, size in [
    (24 + int.from_bytes(data[12:20], "big"), int.from_bytes(data[20:24], "big")),
    (read.data_offset + manifest.signatures_offset, manifest.signatures_size),
]:
    signatures = core.um.Signatures()
    signatures.ParseFromString(data[start : start + size])
    for signature in signatures.signatures:
        print(len(signature.data), signature.data[:8].hex())
