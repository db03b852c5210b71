# Shared by the scripts of this folder: where things are, how to say what happens, how to get what is missing.
# Sourced, never run. Progress goes to stderr, so that a script's result can be read from its stdout.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${SLUICE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sluice}
JOBS=$(nproc 2>/dev/null || echo 2)

say() {
    printf '==> %s\n' "$*" >&2
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# show_progress PID LABEL LOG - a line every ten seconds for as long as the process lives
show_progress() {
    local started=$SECONDS next=$((SECONDS + 10))
    while kill -0 "$1" 2>/dev/null; do
        sleep 0.2
        if ((SECONDS >= next)); then
            printf '    %.40s: %d s, %s\n' "$2" $((SECONDS - started)) "$(tail -n 1 "$3" | tr -d '\r' | cut -c 1-90)" >&2
            next=$((SECONDS + 10))
        fi
    done
}

# run_long LABEL COMMAND... - the command's output goes to a log that is shown only if it fails
run_long() {
    local label=$1 log started=$SECONDS status=0
    shift
    log=$(mktemp)
    say "$label"
    "$@" >"$log" 2>&1 </dev/null &
    local pid=$!
    show_progress "$pid" "$label" "$log"
    wait "$pid" || status=$?
    if ((status != 0)); then
        { grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$log" || true; } | tail -n 40 >&2
        rm -f "$log"
        fail "$label: failed (exit $status) after $((SECONDS - started)) s; its last lines are above"
    fi
    rm -f "$log"
}

require_root() {
    [ "$(id -u)" = 0 ] || fail "$1 needs root; run this script as root, or do it by hand: $2"
}

packages_missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# apt_install PACKAGE... - installs those that are not there yet; asks nothing of the network if none is missing
apt_install() {
    local missing
    have dpkg-query || fail "this is not a Debian system; install the equivalents of: $*"
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # package names have no blanks
    set -- $missing
    require_root "installing $*" "apt-get install $*"
    export DEBIAN_FRONTEND=noninteractive
    run_long "reading the package lists" apt-get update -q
    run_long "installing $*" apt-get install -q -y --no-install-recommends "$@"
}

python_is_usable() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

# find_python - prints a Python >= 3.10 that can make virtual environments; Debian's is installed if there is none
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if python_is_usable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    apt_install python3 python3-venv
    python_is_usable /usr/bin/python3 || fail "no Python >= 3.10 with venv and pip here; install python3 and python3-venv"
    echo /usr/bin/python3
}

# ensure_venv - sets VENV to a virtual environment with scripts/requirements.txt in it; one per list and Python
ensure_venv() {
    local python hash
    python=$(find_python)
    hash=$({ "$python" -VV && cat "$ROOT/scripts/requirements.txt"; } | sha256sum | cut -c 1-12)
    VENV=$CACHE/venv-$hash
    mkdir -p "$CACHE"
    exec 9>"$VENV.lock"
    flock 9
    if [ ! -e "$VENV/complete" ]; then
        rm -rf "$VENV"
        "$python" -m venv "$VENV" || fail "cannot make a virtual environment in $VENV"
        run_long "installing Prefect and pytest into $VENV" \
            "$VENV/bin/python" -m pip install --no-input -r "$ROOT/scripts/requirements.txt"
        touch "$VENV/complete"
    fi
    exec 9>&-
}

engine_answers() {
    timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# ensure_engine - a Docker Engine that answers, started if it is installed here and not running
ensure_engine() {
    have docker || fail "no docker command here: install a Docker Engine (Debian: apt-get install docker.io)"
    engine_answers && return
    [ -z "${DOCKER_HOST:-}" ] || fail "the engine at DOCKER_HOST=$DOCKER_HOST does not answer"
    if have dockerd && [ "$(id -u)" = 0 ]; then
        say "the Docker Engine is installed but not running: starting it"
        service docker start >/dev/null 2>&1 || nohup dockerd >/var/log/dockerd.log 2>&1 9>&- &
        local tries
        for tries in $(seq 60); do
            engine_answers && return
            sleep 0.5
        done
    fi
    fail "no Docker Engine answers at /var/run/docker.sock: start it (service docker start), set DOCKER_HOST, or get permission for the socket"
}

# ensure_postgres - sets PGHOST and PGPORT to a running PostgreSQL of this machine, in which `postgres` may make databases
ensure_postgres() {
    local version cluster port status rest
    have pg_lsclusters || fail "no PostgreSQL here; scripts/install-test-deps installs it"
    read -r version cluster port status rest < <(pg_lsclusters --no-header) || fail "PostgreSQL is installed without a cluster: pg_createcluster 15 main"
    : "$rest"
    if [ "${status%%,*}" != online ]; then
        require_root "starting PostgreSQL" "pg_ctlcluster $version $cluster start"
        say "starting PostgreSQL $version"
        pg_ctlcluster "$version" "$cluster" start || fail "PostgreSQL does not start; see /var/log/postgresql"
    fi
    export PGHOST=127.0.0.1 PGPORT=$port
}
