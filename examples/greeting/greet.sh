#!/bin/sh
# what the image runs: says what was built into it
cat /usr/share/greeting/version.txt
while read -r name; do echo "$GREETING, $name!"; done < /usr/share/greeting/all.txt
echo "($(cat /usr/share/greeting/count.txt) names, uid $(id -u))"
