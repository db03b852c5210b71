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

# redraws - may one line of the terminal behind stderr be drawn again and again?
redraws() {
    [ -t 2 ] && [ -n "${TERM:-}" ] && [ "$TERM" != dumb ]
}

# draw_progress SECONDS LOG - one line in place: a bar, if the log's last line tells how far it is ("[12/200] ..."), the time
# that went by, and that line without what a terminal would obey
draw_progress() {
    local last columns bar="" size
    last=$(tail -n 1 "$2" | tr -d '\000-\037\177')
    columns=$(tput cols 2>/dev/null || echo 80)
    if [[ $last =~ ^\[([0-9]+)/([0-9]+)\]\ *(.*)$ ]] && ((BASH_REMATCH[2] > 0)); then
        size=$((20 * BASH_REMATCH[1] / BASH_REMATCH[2]))
        printf -v bar '[%-20.*s] %3d%% ' "$size" '####################' $((100 * BASH_REMATCH[1] / BASH_REMATCH[2]))
        last=${BASH_REMATCH[3]}
    fi
    printf -v last '    %s%d s  %s' "$bar" "$1" "$last"
    printf '\r\033[K%s' "${last:0:columns-1}" >&2
}

# show_progress PID LABEL LOG - for as long as the process lives: one line in place, or else a line every ten seconds
show_progress() {
    local started=$SECONDS next=$((SECONDS + 10)) in_place=""
    ! redraws || in_place=1
    while kill -0 "$1" 2>/dev/null; do
        sleep 0.2
        if [ -n "$in_place" ]; then
            draw_progress $((SECONDS - started)) "$3"
        elif ((SECONDS >= next)); then
            printf '    %.40s: %d s, %s\n' "$2" $((SECONDS - started)) "$(tail -n 1 "$3" | tr -d '\r' | cut -c 1-90)" >&2
            next=$((SECONDS + 10))
        fi
    done
    [ -z "$in_place" ] || printf '\r\033[K' >&2
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

# The mirror and the proxy that apt uses here also serve debootstrap.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
        awk '$2 == "bookworm" && $1 ~ /^http/ {print $1; exit}'
}

use_apt_proxy() {
    local proxy=""
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "$proxy" ] || export http_proxy=$proxy
}

# ensure_program PACKAGE PROGRAM - a program of a Debian package that would be a service which listens everywhere if it were
# installed: unpacked into the cache instead
ensure_program() {
    local package=$1 program=$2 home=$CACHE/$1 work
    ! have "$program" && [ ! -x "$home/usr/bin/$program" ] || return 0
    mkdir -p "$CACHE"
    work=$(mktemp -d "$CACHE/$package-XXXXXX")
    (
        cd "$work"
        apt-get download -q "$package" >log 2>&1 || { apt-get update -q && apt-get download -q "$package"; } >log 2>&1
    ) || fail "$package can't be downloaded: $(tail -n 3 "$work/log")"
    dpkg-deb -x "$work/$package"_*.deb "$work/unpacked"
    [ -d "$home" ] || mv "$work/unpacked" "$home"
    rm -rf "$work"
}

# find_program PACKAGE PROGRAM - prints where ensure_program has put it
find_program() {
    command -v "$2" || echo "$CACHE/$1/usr/bin/$2"
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

# make_venv NAME LIST - prints a virtual environment of the cache with this list of packages in it; one per list and Python
make_venv() {
    local python hash venv
    python=$(find_python)
    hash=$({ "$python" -VV && cat "$2"; } | sha256sum | cut -c 1-12)
    venv=$CACHE/$1-$hash
    mkdir -p "$CACHE"
    exec 9>"$venv.lock"
    flock 9
    if [ ! -e "$venv/complete" ]; then
        rm -rf "$venv"
        "$python" -m venv "$venv" || fail "cannot make a virtual environment in $venv"
        run_long "installing ${2#"$ROOT/"} into $venv" "$venv/bin/python" -m pip install --no-input -r "$2"
        touch "$venv/complete"
    fi
    exec 9>&-
    echo "$venv"
}

# ensure_venv - sets VENV to a virtual environment with scripts/requirements.txt in it
ensure_venv() {
    VENV=$(make_venv venv "$ROOT/scripts/requirements.txt")
}

engine_answers() {
    timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# One that has locked itself up (docs/engine-facts.md) answers, but not this.
engine_works() {
    timeout 20 docker info >/dev/null 2>&1
}

# ensure_engine - a Docker Engine that works, started if it is installed here and not running
ensure_engine() {
    have docker || fail "no docker command here: install a Docker Engine (Debian: apt-get install docker.io)"
    if engine_answers; then
        engine_works || fail "the Docker Engine answers, but not \`docker info\`: it has locked itself up and must be restarted (service docker restart)"
        return
    fi
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
