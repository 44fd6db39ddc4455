# What check.sh and images.sh share, sourced with their words SUITE PACKAGES WORK: what these say, and Debian roots of the release
# SUITE that debootstrap makes below WORK.
suite=$1
packages=$(realpath -- "$2")
mkdir -p -- "$3"
work=$(realpath -- "$3")
source=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
root=$work/$suite
pristine=$work/$suite.tar

say() { printf '== %s\n' "$*" >&2; }

# The mirror that this machine is configured with.
mirror() {
  apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "main" && $3 !~ /security/ { print $3; exit }'
}

unmount() {
  if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
}
trap unmount EXIT

# An archive of a pristine Debian, in a folder of the suite's name; what debootstrap fetched once is kept.
make_pristine() {
  if [ -e "$pristine" ]; then return; fi
  say "debootstrap $suite"
  rm -rf --one-file-system "$root"
  debootstrap --variant=minbase "$suite" "$root" "$(mirror)" >"$work/$suite.log" 2>&1 || {
    tail -n 20 "$work/$suite.log" >&2
    exit 1
  }
  tar -C "$work" -cf "$pristine.part" "$suite"
  mv "$pristine.part" "$pristine"
}

# A root with a pristine Debian in it.
make_root() {
  unmount
  make_pristine
  rm -rf --one-file-system "$root"
  tar -C "$work" -xf "$pristine"
  mount -t proc proc "$root/proc"
  # The services of packages are not started.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  printf 'APT::Install-Recommends "false";\nAPT::Sandbox::User "root";\n' >"$root/etc/apt/apt.conf.d/00check"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  cp /etc/hosts "$root/etc/hosts"
}

inside() {
  chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@"
}

quietly() {
  local log=$work/$suite.log
  "$@" >"$log" 2>&1 </dev/null || {
    tail -n 40 "$log" >&2
    say "failed: $*"
    exit 1
  }
}

expect() {
  local what=$1 wanted=$2 found=$3
  [ "$found" = "$wanted" ] || {
    say "$what: wanted \"$wanted\", found \"$found\""
    exit 1
  }
  say "$what: $found"
}
