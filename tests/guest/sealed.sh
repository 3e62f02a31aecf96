# Goes after smoke.sh: what ROOT is encrypted by.
partition=$(readlink -f /dev/disk/by-partlabel/ROOT)
say root_source "$(findmnt --noheadings --output SOURCE /)"
say luks "$(cryptsetup luksDump --dump-json-metadata "$partition" >/run/luks.json
    version=$(cryptsetup luksDump "$partition" | sed -n 's/^Version:[[:space:]]*//p')
    slots=$(cryptsetup luksDump "$partition" | grep -c '^  [0-9]*: luks2$')
    tokens=$(cryptsetup luksDump "$partition" | sed -n '/^Tokens:/,/^Digests:/s/^  [0-9]*: //p')
    echo "$version slots=$slots tokens=$tokens label=$(blkid --probe --match-tag LABEL --output value "$partition")")"
say cipher "$(dmsetup table root | cut -d' ' -f4)"
say left "$(ls /run/flagstone/*.key 2>/dev/null)"
