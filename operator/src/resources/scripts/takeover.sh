#!/bin/sh
# Makes this follower lead its shard without a vote. For a human, where recovery.quorumLoss is Manual
# and status asks for it: kubectl exec POD -c redis -- sh /etc/zoneward/takeover.sh
#
# Where the passwords of Zoneward's own users were changed since the pod's start, the current one is
# given through standard input, and the script a "-".
#
# Refuses where its leader is heard: two would lead. POSIX sh, with cat.
set -eu

fail() {
    printf 'zoneward: %s\n' "$1" >&2
    exit 1
}

for name in valkey-cli redis-cli; do
    if command -v "$name" >/dev/null 2>&1; then
        cli=$name
        break
    fi
done
[ -n "${cli:-}" ] || fail 'the image has neither valkey-cli nor redis-cli'

# In the environment, not in the arguments, which everybody in the container can read.
if [ "${1:-}" = - ]; then
    read -r REDISCLI_AUTH || :
else
    REDISCLI_AUTH=$(cat /etc/zoneward-secret/operator)
fi
VALKEYCLI_AUTH=$REDISCLI_AUTH
export REDISCLI_AUTH VALKEYCLI_AUTH

# As everybody, where all speak TLS.
tls=
if [ -e /etc/zoneward-tls/ca.crt ]; then
    tls='--tls --cacert /etc/zoneward-tls/ca.crt'
fi

ask() {
    # shellcheck disable=SC2086 # tls is several words, or none
    "$cli" $tls -h "$POD_IP" -p 6379 --user zoneward --no-auth-warning "$@"
}

case $(ask INFO replication) in
*role:master*) fail 'it leads already' ;;
*master_link_status:up*) fail 'its leader feeds it: two would lead' ;;
*role:slave*) ;;
*) fail 'it does not answer' ;;
esac
ask CLUSTER FAILOVER TAKEOVER
