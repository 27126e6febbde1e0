# shellcheck shell=bash
# Root file systems out of Debian packages, without a container. Sourced, never run.

# mirror: where this machine's own apt takes Debian from; empty leaves the choice to mmdebstrap
mirror() {
  # shellcheck disable=SC2016 # apt's words, not the shell's
  ! command -v apt-get > /dev/null ||
    apt-get indextargets --format '$(SITE) $(LABEL)' 'Created-By: Packages' | awk '$2 == "Debian" { print $1; exit }'
}

# debian SUITE PACKAGES FILES: the packages, unpacked only, with the folder FILES laid over them, as a tar on stdout.
# PACKAGES: one a line. /etc/passwd and the like come from FILES: no package's script is run.
debian() {
  local site options=()
  site=$(mirror)
  # a machine behind a proxy, or with a frozen mirror, says so in apt's settings
  mapfile -t options < <(apt-config dump 2> /dev/null |
    sed -n 's/^\(Acquire::\(https\{0,1\}::Proxy\|Check-Valid-Until\|Check-Date\) .*\);$/--aptopt=\1/p')
  # "--variant=extract" leaves customize hooks out silently
  mmdebstrap --quiet --variant=extract --include="$(paste -sd, "$2")" --extract-hook="cp -a '$3/.' \"\$1\"" \
    --dpkgopt=path-exclude='/usr/share/doc/*' --dpkgopt=path-exclude='/usr/share/man/*' \
    --dpkgopt=path-exclude='/usr/share/locale/*' "${options[@]}" "$1" - ${site:+"$site"}
}

need_debian() {
  need mmdebstrap=mmdebstrap /usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring
}
