# Goes after smoke.sh: waits for somebody to log in.
for _ in $(seq 3000); do
    [ -s /tmp/logged-in ] && break
    sleep 0.2
done
say logged_in "$(cat /tmp/logged-in)"
