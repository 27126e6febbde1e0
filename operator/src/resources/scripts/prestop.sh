#!/bin/sh
# Holds a leader that is asked to go until the operator has handed its slots to a follower: a
# pause of some 45 ms and no write lost, instead of an election. The container's preStop hook.
#
# The operator answers by making users that cannot log in; see labels.rs. POSIX sh, with cat and
# sleep; timeout where there is one. Never fails: a hook that fails only hides the pod's end.
set -u

# Without an answer from the operator for so long, nobody will switch over.
patience_seconds=5
# Set by the pod, some seconds short of its grace period: the server needs time to end, too.
hold_seconds=${ZONEWARD_HOLD_SECONDS:-30}

for name in valkey-cli redis-cli; do
    if command -v "$name" >/dev/null 2>&1; then
        cli=$name
        break
    fi
done
[ -n "${cli:-}" ] || exit 0

# In the environment, not in the arguments, which everybody in the container can read.
REDISCLI_AUTH=$(cat /etc/zoneward-secret/hook)
VALKEYCLI_AUTH=$REDISCLI_AUTH
export REDISCLI_AUTH VALKEYCLI_AUTH

# As everybody, where all speak TLS.
tls=
if [ -e /etc/zoneward-tls/ca.crt ]; then
    tls='--tls --cacert /etc/zoneward-tls/ca.crt'
fi

# A server that hangs must not hang the hook.
limit=
if command -v timeout >/dev/null 2>&1; then
    limit='timeout 5'
fi

ask() {
    # shellcheck disable=SC2086 # the limit is two words, or none, and so is tls
    $limit "$cli" $tls -h "$POD_IP" -p 6379 --user hook "$@" 2>/dev/null
}

is_leader() {
    case $(ask ROLE) in
    master*) return 0 ;;
    esac
    return 1
}

has_follower_online() {
    case $(ask INFO replication) in
    *state=online*) return 0 ;;
    esac
    return 1
}

user_exists() {
    case $(ask ACL GETUSER "$1") in
    flags*) return 0 ;;
    esac
    return 1
}

# Seconds since the host's start: no clock that somebody sets.
now() {
    read -r uptime _ </proc/uptime
    printf '%s' "${uptime%%.*}"
}

start=$(now)
while is_leader && has_follower_online; do
    if user_exists zoneward-departure-released; then
        break
    fi
    waited=$(($(now) - start))
    if [ "$waited" -ge "$hold_seconds" ]; then
        break
    fi
    if [ "$waited" -ge "$patience_seconds" ] && ! user_exists zoneward-departure-acknowledged; then
        break
    fi
    sleep 0.1
done
exit 0
