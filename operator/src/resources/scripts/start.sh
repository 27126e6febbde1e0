#!/bin/sh
# Starts a member. The container's command.
#
# Runs in Debian's, Alpine's and our own images: POSIX sh, with sed, sha256sum, cut, cat and mv.
# Tested with real servers by operator/tests/server_config.rs.
set -eu
umask 077

data=/data
secret=/etc/zoneward-secret
run=/run/zoneward

fail() {
    printf 'zoneward: %s\n' "$1" >&2
    exit 1
}

# The name of the server in this image.
server() {
    for name in valkey-server redis-server; do
        if command -v "$name" >/dev/null 2>&1; then
            printf '%s' "$name"
            return
        fi
    done
}

password() {
    [ -s "$secret/$1" ] || fail "the Secret has no key $1"
    cat "$secret/$1"
}

digest() {
    value=$(password "$1")
    printf '%s' "$value" | sha256sum | cut -d ' ' -f 1
}

# Blanks the addresses that the body remembers of the others: they may be given out to another
# cluster's members by now. With ":0@0" it dials nobody until the operator introduces it by MEET;
# ids, roles, slots and epochs stay. The flag noaddr must not be there: such peers count as
# reachable, and a lone leader would take writes.
blank_addresses() {
    [ -s "$data/nodes.conf" ] || return 0
    sed -e '/^vars /b' -e '/^[^ ]* [^ ]* [^ ]*myself/b' \
        -e 's/^\([^ ]*\) [^ ,]*/\1 :0@0/' -e 's/^\([^ ]* [^ ]* [^ ]*\),noaddr/\1/' \
        "$data/nodes.conf" >"$data/nodes.conf.blank"
    # Whole on the disk before it takes the place of the old one: an empty nodes.conf is a new id.
    sync "$data/nodes.conf.blank" 2>/dev/null || :
    mv -f "$data/nodes.conf.blank" "$data/nodes.conf"
}

# A process starts closed: nobody but the operator and the preStop hook can log in, so nobody can
# read from it, write to it or copy its data, until the operator has seen that it may be opened.
write_users() {
    replication=$(digest replication)
    operator=$(digest operator)
    hook=$(digest hook)
    upstream=$(password replication)
    {
        printf 'user default off\n'
        printf 'user replication off #%s resetchannels -@all +psync +replconf +ping\n' "$replication"
        printf 'user zoneward on #%s ~* &* +@all\n' "$operator"
        printf 'user hook on #%s resetchannels -@all +role +ping +info +acl|getuser\n' "$hook"
        printf 'masteruser replication\n'
        printf 'masterauth "%s"\n' "$upstream"
    } >"$run/users.conf"
}

[ -n "${POD_IP:-}" ] || fail 'POD_IP is not set'
server=$(server)
# A server may say cluster_state:ok, and take writes, from 2 s after its start (its writable delay).
# A body's peers cannot be reached until they are introduced: they must count as failed before that,
# on a busy machine too. The operator sets the timeout that is wanted.
set --
[ ! -s "$data/nodes.conf" ] || set -- --cluster-node-timeout 1000
[ -n "$server" ] || fail 'the image has neither valkey-server nor redis-server'
blank_addresses
write_users
exec "$server" /etc/zoneward/redis.conf --cluster-announce-ip "$POD_IP" "$@"
