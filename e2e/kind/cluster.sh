# shellcheck shell=bash disable=SC2154
# What up, down and check know of the cluster. Sourced after lib.sh, never run.

# config MODE: the cluster's configuration. The node image that is built here has no systemd, a resolver of its own and the
# root of its control groups to itself; an official one brings its own settings.
config() {
  if [ "$1" = pull ]; then
    cat "$root/kind-config.yaml"
  else
    sed '/^kubeadmConfigPatches:/r /dev/stdin' "$root/kind-config.yaml" <<- 'YAML'
	- |
	  kind: KubeletConfiguration
	  cgroupDriver: cgroupfs
	  cgroupRoot: /
	  resolvConf: /run/pods-resolv.conf
	YAML
  fi
}

# kubeconfig: of whichever checkout made the cluster
kubeconfig() {
  (umask 077; kind get kubeconfig --name "$cluster" > "$KUBECONFIG.new" 2> /dev/null) && mv "$KUBECONFIG.new" "$KUBECONFIG"
}
answers() { kubectl get --raw /readyz --request-timeout=4s > /dev/null 2>&1; }

# alive: the control plane runs and answers; a paused one is woken first
alive() {
  case $(docker inspect -f '{{.State.Status}}' "$cluster-control-plane" 2> /dev/null) in
    running) ;;
    paused) docker unpause "$cluster-control-plane" > /dev/null ;;
    *) return 1 ;;
  esac
  kubeconfig || return 1
  for _ in 1 2 3; do ! answers || return 0; sleep 1; done
  return 1
}

# revive: workers that a drill, or an engine that died, left behind
revive() {
  local gone
  mapfile -t gone < <(nodes paused)
  [ ${#gone[@]} = 0 ] || { say "  waking ${gone[*]}"; docker unpause "${gone[@]}" > /dev/null; }
  mapfile -t gone < <(nodes exited)
  [ ${#gone[@]} = 0 ] || { say "  starting ${gone[*]}"; docker start "${gone[@]}" > /dev/null; }
  [ "$(id -u)" != 0 ] || "$here/zone" heal
}

# fence: the cluster's network, out of which nothing gets past this machine
fence() {
  docker network inspect "$KIND_EXPERIMENTAL_DOCKER_NETWORK" > /dev/null 2>&1 ||
    docker network create --label zoneward -o "com.docker.network.bridge.name=$bridge" \
      -o com.docker.network.bridge.enable_ip_masquerade=false "$KIND_EXPERIMENTAL_DOCKER_NETWORK" > /dev/null
  if [ "$(id -u)" != 0 ]; then
    say "  note: only root can fence the cluster's network off with the packet filter; it is merely not masqueraded"
    return
  fi
  need nft=nftables ip=iproute2
  nft list table inet zoneward > /dev/null 2>&1 || nft -f - <<- NFT
	table inet zoneward {
	  chain forward {
	    type filter hook forward priority -5
	    iifname $bridge oifname != $bridge counter reject
	  }
	}
	NFT
}
# unfence: with the cuts between zones
unfence() {
  local table
  if [ "$(id -u)" = 0 ] && command -v nft > /dev/null; then
    nft list tables 2> /dev/null | sed -n 's/^table \(inet zoneward\|bridge zoneward_cut_.*\)$/\1/p' |
      while read -r table; do eval "nft delete table $table"; done
  fi
  docker network rm "$KIND_EXPERIMENTAL_DOCKER_NETWORK" > /dev/null 2>&1 || :
}

# limits: every process of every node counts against one limit, as their root is one user
limits() {
  local file=/proc/sys/fs/inotify/max_user_instances
  [ "$(cat $file)" -ge 1024 ] || echo 1024 2> /dev/null > $file ||
    say "  note: $file is $(cat $file): with less than 1024 some nodes may not come up"
}

remove() {
  local left
  ! command -v kind > /dev/null || kind delete cluster --name "$cluster" || :
  # what kind did not get rid of
  mapfile -t left < <(nodes)
  [ ${#left[@]} = 0 ] || docker rm -f -v "${left[@]}"
}
create() { # MODE NODE-IMAGE
  config "$1" > "$out/kind-config.yaml"
  kind create cluster --name "$cluster" --config "$out/kind-config.yaml" --image "$2" --retain
}
ready() {
  kubectl wait --for=condition=Ready nodes --all --timeout=180s &&
    kubectl wait -A --for=condition=Ready pods --all --timeout=180s
}
