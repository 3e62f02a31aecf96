# Goes with smoke.sh before it: extensions, containers, and an update of the machine below them. SERVER is replaced.
step=$(cat /var/lib/step 2>/dev/null || echo 0)
echo $((step + 1)) >/var/lib/step
say() { printf '%s.%s=%s\n' "$step" "$1" "$2"; }
# Makes a container image of programs of this machine, in the layout of OCI.
make_image() {
    local dir=/var/tmp/image files layer layers config manifest
    mkdir -p "$dir/root" "$dir/blobs/sha256"
    files=$(ldd /usr/bin/bash /usr/bin/cat /usr/bin/sleep | grep -o '/[^ ]*' | grep -v ':$')
    cp --parents -L /usr/bin/bash /usr/bin/cat /usr/bin/sleep $(echo "$files" | sort -u) "$dir/root"
    tar -C "$dir/root" -cf "$dir/layer" .
    blob() { digest=$(sha256sum "$1" | cut -d' ' -f1) size=$(stat -c %s "$1") && mv "$1" "$dir/blobs/sha256/$digest"; }
    blob "$dir/layer"
    layers="[\"blobs/sha256/$digest\"]"
    layer="{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:$digest\",\"size\":$size}"
    echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/usr/bin/bash\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$digest\"]}}" >"$dir/config"
    blob "$dir/config"
    # What docker looks for; containerd reads the index.
    echo "[{\"Config\":\"blobs/sha256/$digest\",\"RepoTags\":[\"web:1\"],\"Layers\":$layers}]" >"$dir/manifest.json"
    config="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:$digest\",\"size\":$size}"
    manifest=application/vnd.oci.image.manifest.v1+json
    echo "{\"schemaVersion\":2,\"mediaType\":\"$manifest\",\"config\":$config,\"layers\":[$layer]}" >"$dir/manifest"
    blob "$dir/manifest"
    echo "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"$manifest\",\"digest\":\"sha256:$digest\",\"size\":$size,\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/web:1\",\"org.opencontainers.image.ref.name\":\"1\"}}]}" >"$dir/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
    tar -C "$dir" -cf /var/lib/web.tar oci-layout index.json manifest.json blobs
    rm -r "$dir"
}
# Nobody is to update meanwhile.
systemctl stop flagstone-update.timer
. /usr/lib/os-release
say version "$IMAGE_VERSION"
say failed "$(systemctl list-units --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
say merged "$(systemd-sysext status --json=short | tr '\n' ' ')"
say group "$(getent group docker)"
say socket "$(systemctl is-active docker.socket) $(stat -c %G /run/docker.sock)"
say default "$(grep -ci docker /etc/default/docker)"
fetch='exec 3<>/dev/tcp/SERVER; printf "GET /files/hello HTTP/1.0\r\n\r\n" >&3; cat <&3'
case $step in
0)
    make_image
    ctr image import /var/lib/web.tar >/run/said 2>&1 || say import "$(tr '\n' ' ' </run/said)"
    systemctl start web.service
    docker load --input /var/lib/web.tar >/run/said 2>&1 || say load "$(tr '\n' ' ' </run/said)"
    rm /var/lib/web.tar
    ;;
esac
if [ "$step" = 0 ]; then
    for bad in /var/lib/bad/*; do
        cp "$bad" /var/lib/extensions/
        id=${bad%.sysext.raw} id=${id##*.}
        if systemctl reload systemd-sysext.service 2>/dev/null; then say "$id" merged; else say "$id" refused; fi
        rm "/var/lib/extensions/${bad##*/}"
    done
    say others "$(cat /usr/share/{plain,stranger,borrowed} 2>/dev/null | tr '\n' ' ')"
fi
# One that is merged while the machine runs, and is for the first version only.
cp /var/lib/later/*.tools.sysext.raw /var/lib/extensions/
systemctl reload systemd-sysext.service
say later "$(cat /usr/share/tools 2>/dev/null)"
say docker "$(docker run --rm web:1 bash -c "$fetch" 2>&1 | tail -n 1)"
for _ in {1..100}; do
    [ -s /run/web/said ] && break
    sleep 1
done
say web "$(systemctl is-active web.service) $(tail -n 1 /run/web/said)"
say storage "$(docker info --format '{{.Driver}} {{.CgroupDriver}}' 2>&1 | tail -n 1)"
case $step in
0)
    mkdir -p /etc/flagstone
    echo 'reboot = "off"' >/etc/flagstone/update.toml
    flagstone-agent poll >/run/said 2>&1
    say refused "$? $(tr '\n' ' ' </run/said)"
    rm /var/lib/extensions/*.tools.sysext.raw
    flagstone-agent poll >/run/said 2>&1
    say installed "$? $(tr '\n' ' ' </run/said)"
    systemctl --no-block reboot
    ;;
1)
    say end yes
    # In order: what runs in containers does not end by itself.
    systemctl --no-block poweroff
    ;;
esac
