#!/usr/bin/env bash
# Installs the Debian programs that the tests compare varve with. Usage: scripts/install-peers.sh (as root, or with sudo)
set -euo pipefail

peers=(
  docker-registry skopeo umoci buildah podman runc bubblewrap proot uidmap busybox-static mmdebstrap
  golang-github-containers-common git attr zstd xz-utils bzip2 libarchive-tools
  pigz python3
)

missing=()
for peer in "${peers[@]}"; do
  if [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$peer" 2>/dev/null || true)" != installed ]; then
    missing+=("$peer")
  fi
done
if [ "${#missing[@]}" -eq 0 ]; then
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo -n)
fi
# a sudo that resets the environment must not make apt ask
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o Dpkg::Lock::Timeout=300)

echo "install-peers: ${missing[*]}"
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
