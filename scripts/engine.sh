# A Docker Engine for the tests. Sourced after lib.sh, never run.
# Docker 20.10 can lock itself up for good (docs/engine-facts.md): it then answers pings, but no `docker info` and no
# start. It is not ours to restart, so the tests go on with an engine of their own, which keeps its images in the cache.

OWN_ENGINE=
OWN_ENGINE_HOME=
OWN_BRIDGE=sluice-test

# The bridge has addresses from the block for documentation, so that no network of the machine has them too.
make_own_bridge() {
    ip link show "$OWN_BRIDGE" >/dev/null 2>&1 || ip link add "$OWN_BRIDGE" type bridge
    ip address replace 192.0.2.1/24 dev "$OWN_BRIDGE"
    ip link set "$OWN_BRIDGE" up
}

# start_own_engine WHY - from here on DOCKER_HOST is an engine that stop_own_engine ends
start_own_engine() {
    have dockerd && [ "$(id -u)" = 0 ] || fail "$1; to start another, dockerd must be installed and this script be run by root"
    stop_own_engine
    say "$1: starting an engine for the tests alone"
    OWN_ENGINE_HOME=$(mktemp -d /tmp/sluice-engine-XXXXXX)
    make_own_bridge
    echo '{}' >"$OWN_ENGINE_HOME/daemon.json" # the machine's is not for this one
    dockerd --config-file "$OWN_ENGINE_HOME/daemon.json" --host "unix://$OWN_ENGINE_HOME/docker.sock" \
        --data-root "$CACHE/engine" --exec-root "$OWN_ENGINE_HOME/exec" --pidfile "$OWN_ENGINE_HOME/pid" \
        --bridge "$OWN_BRIDGE" --iptables=false --ip6tables=false --ip-masq=false >"$OWN_ENGINE_HOME/log" 2>&1 </dev/null &
    OWN_ENGINE=$!
    export DOCKER_HOST=unix://$OWN_ENGINE_HOME/docker.sock
    local tries
    for tries in $(seq 120); do
        ! engine_works || return 0
        kill -0 "$OWN_ENGINE" 2>/dev/null || break
        sleep 0.5
    done
    tail -n 20 "$OWN_ENGINE_HOME/log" >&2
    fail "the engine of the tests does not start; its last lines are above"
}

stop_own_engine() {
    [ -n "$OWN_ENGINE" ] || return 0
    kill "$OWN_ENGINE" 2>/dev/null || true
    # One that has locked itself up does not go by itself.
    timeout 20 tail --pid="$OWN_ENGINE" -f /dev/null || kill -KILL "$OWN_ENGINE" 2>/dev/null || true
    wait "$OWN_ENGINE" 2>/dev/null || true
    OWN_ENGINE=
    ip link delete "$OWN_BRIDGE" 2>/dev/null || true
    # dockerd leaves these mounted, and the folder could not be removed.
    umount "$OWN_ENGINE_HOME/exec/netns/default" "$CACHE/engine" 2>/dev/null || true
    rm -rf "$OWN_ENGINE_HOME" || true
}

# ensure_test_engine - the machine's, or one of our own if that one answers without working
ensure_test_engine() {
    if engine_answers && ! engine_works; then
        start_own_engine "the Docker Engine at ${DOCKER_HOST:-/var/run/docker.sock} answers, but does not work"
    else
        ensure_engine
    fi
}
