# shellcheck shell=bash
# shellcheck disable=SC2034 # most of the names are for the scripts that source this
# Common to the scripts of this folder: paths, progress, the cache. Sourced, never run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=versions.env
. "$here/versions.env"

cluster=zoneward
bridge=zoneward0
cache=${ZONEWARD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zoneward}
out=$root/target/kind
logs=$out/log
built_node=zoneward.local/node:$K8S
mkdir -p "$cache" "$logs"
# A network of our own: other kind clusters on this machine keep theirs, and its bridge can be fenced by name.
# /usr/sbin: not every shell of root's has it.
export KUBECONFIG=$out/kubeconfig KIND_EXPERIMENTAL_DOCKER_NETWORK=zoneward PATH=$out/bin:$PATH:/usr/sbin

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step TITLE COMMAND...: one line with the seconds it took; the output goes to a log, whose end is shown if it fails.
step() {
  local title=$1 begun=$SECONDS pid log ticks=0; shift
  log=$logs/${title//[^a-zA-Z0-9.]/-}.log
  # a process group of its own, so that ^C reaches all of it
  set -m; ("$@") > "$log" 2>&1 < /dev/null & pid=$!; set +m
  trap 'kill -- -$pid 2> /dev/null || :; exit 130' INT TERM
  while kill -0 "$pid" 2> /dev/null; do
    sleep 0.1; ticks=$((ticks + 1))
    if [ -t 1 ]; then
      [ $((ticks % 10)) != 0 ] || printf '\r  %-58s %4d s ...' "$title" $((SECONDS - begun))
    elif [ $((ticks % 300)) = 0 ]; then
      printf '  %-58s %4d s, still at it\n' "$title" $((SECONDS - begun))
    fi
  done
  trap - INT TERM
  [ ! -t 1 ] || printf '\r'
  if wait "$pid"; then
    printf '  %-58s %4d s    \n' "$title" $((SECONDS - begun))
  else
    printf '  %-58s %4d s: FAILED, the end of %s:\n' "$title" $((SECONDS - begun)) "$log" >&2
    tail -n 20 "$log" | sed 's/^/    /' >&2
    exit 1
  fi
}

# key FILE...: names what is built out of these files
key() { cat -- "$@" | sha256sum | cut -c1-12; }

# lock: one run at a time on this machine; what an interrupted run left half built goes
lock() {
  [ -z "${ZONEWARD_LOCKED-}" ] || return 0
  exec 9> "$cache/lock"
  flock -n 9 || { say "waiting for another run to end ($cache/lock)"; flock 9; }
  export ZONEWARD_LOCKED=1
  rm -rf "$cache"/kind-tmp.*
}

# (bash's locals are seen by COMMAND: it may use none of the names below)
# cached TITLE NAME KEY COMMAND...: makes $cache/NAME-KEY by COMMAND PATH unless it is there. It appears whole or not at all.
cached() {
  local title=$1 name=$2 path=$cache/$2-$3 work; shift 3
  if [ ! -e "$path" ]; then
    work=$(mktemp -d "$cache/kind-tmp.XXXXXX")
    step "$title" "$@" "$work/it"
    mv "$work/it" "$path"
    rm -rf "$work"
    # other versions that no run asked for in two weeks
    find "$cache" -maxdepth 1 -name "$name-*" -mtime +14 -exec rm -rf {} +
  fi
  touch "$path"
}

# need COMMAND-OR-FILE=PACKAGE...: installs the packages whose command is missing, or says what is missing and stops
need() {
  local pair missing=()
  for pair; do
    command -v "${pair%%=*}" > /dev/null || [ -e "${pair%%=*}" ] || [ -x "/usr/sbin/${pair%%=*}" ] || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} != 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    die "missing on this machine: ${missing[*]} (Debian's names; installed without asking only by root on Debian and its like)"
  fi
  step "apt: installing ${missing[*]}" apt_install "${missing[@]}"
}
apt_install() {
  local install=(apt-get install -y --no-install-recommends "$@")
  export DEBIAN_FRONTEND=noninteractive
  # the lists of a fresh machine are absent or old
  "${install[@]}" || { apt-get update && "${install[@]}"; }
}

# image_key IMAGE: the key that an image of ours was built with; empty without such an image
image_key() { docker image inspect -f '{{index .Config.Labels "zoneward.key"}}' "$1" 2> /dev/null || :; }

# prune: the images of ours that newer ones took the name from
prune() { docker image prune -f --filter label=zoneward.key > /dev/null; }

# nodes [STATE]: the names of the cluster's containers
nodes() { docker ps -a --filter "label=io.x-k8s.kind.cluster=$cluster" ${1:+--filter "status=$1"} --format '{{.Names}}'; }
