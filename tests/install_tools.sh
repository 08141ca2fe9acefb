#!/usr/bin/env bash
# Installs what the tests need from the operating system; without root on Debian it says what to install.
set -euo pipefail

declare -A packages=(
  [chromium]=chromium [promtool]=prometheus [prometheus]=prometheus [logrotate]=logrotate
  [node]=nodejs [npm]=npm [amtool]=prometheus-alertmanager [nginx]=nginx-light [openssl]=openssl
  [systemd-analyze]=systemd [strace]=strace [faketime]=faketime [mvn]=maven [javac]=default-jdk-headless [initdb]=postgresql
)
missing=()
off_path=$(printf ':%s' /usr/lib/postgresql/*/bin)  # where Debian keeps PostgreSQL's programs
for program in "${!packages[@]}"; do
  PATH="$PATH:/usr/sbin$off_path" command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  # The tests start a server of their own: none has to run on this machine.
  [ -e /etc/postgresql-common ] || install -D -m 644 <(echo 'create_main_cluster = false') /etc/postgresql-common/createcluster.conf
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" fonts-noto-core fonts-noto-color-emoji </dev/null >/dev/null
else
  echo "The tests need these Debian packages (or their like): ${missing[*]}" >&2
  exit 1
fi
