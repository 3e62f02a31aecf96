# Its first line is what the time is taken of; free memory, only after a while.
systemctl is-system-running --wait
systemd-analyze | head -n 1
sleep 10
free --mebi | sed -n 's/^Mem: */MiB: /p' | tr -s ' '
