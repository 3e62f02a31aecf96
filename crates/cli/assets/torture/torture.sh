. /usr/lib/os-release
echo "version=$IMAGE_VERSION"
payload=/dev/disk/by-id/virtio-payload-part1
if [ -e $payload ]; then
    mkdir -p /run/payload
    mount -o ro $payload /run/payload
    flagstone-agent update --payload /run/payload/update.payload >/run/said 2>&1
    echo "update=$?"
    echo "said=$(tr '\n' ' ' </run/said)"
fi
