# Says what became of disks, at two boots.
step=$(cat /var/lib/step 2>/dev/null || echo 0)
echo $((step + 1)) >/var/lib/step
say() { printf '%s.%s=%s\n' "$step" "$1" "$2"; }
type() { findmnt --noheadings --output FSTYPE "$1"; }
say failed "$(systemctl list-units --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
say root "$(type /)"
say root_bytes "$(findmnt --bytes --noheadings --output SIZE /)"
say swap "$(sed -n 2p /proc/swaps | tr -s ' \t' ' ' | cut -d' ' -f2,3)"
[ "$step" = 0 ] && echo -n "kept " >/var/lib/many/kept
say many "$(type /var/lib/many) $(cat /var/lib/many/kept)$(cat /var/lib/many/file)"
say mirror "$(type /var/lib/mirror) $(grep -A1 '^md' /proc/mdstat | grep -oE 'raid1|\[U+\]' | tr '\n' ' ')"
say secret "$(type /var/lib/secret) $(dmsetup table secret | cut -d' ' -f4)"
say sealed "$(type /var/lib/sealed) $(dmsetup table sealed | cut -d' ' -f4) $(
    cryptsetup luksDump /dev/disk/by-partlabel/sealed | sed -n '/^Tokens:/,/^Digests:/s/^  [0-9]*: /tokens=/p') $(
    cryptsetup luksDump /dev/disk/by-partlabel/sealed | grep -c '^  [0-9]*: luks2$' | sed 's/^/slots=/')"
say registers "$(cryptsetup luksDump /dev/disk/by-partlabel/sealed | sed -n 's/^[[:space:]]*tpm2-hash-pcrs:[[:space:]]*//p')"
say arguments "$(sed 's/.* flagstone.arguments \(.*\) flagstone.arguments.end.*/\1/' /proc/cmdline)"
say hello "$(cat /var/lib/hello)"
say end yes
if [ "$step" = 0 ]; then systemctl --no-block reboot; else systemctl --force poweroff; fi
