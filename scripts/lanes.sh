# Integration scenarios in lanes: pytest several times side by side, each with a Prefect server and a database of its own.
# Most scenarios wait most of the time, for a lease, a grace time, the end of an outage. Sourced after lib.sh, never run.

# The lanes: which scenarios each runs, as pytest's -m and -k take it; of which folder, if not tests/integration.
declare -A LANE_MARKS LANE_NAMES LANE_FOLDERS
LANE_PIDS=()

stop_lanes() {
    local pid
    for pid in "${LANE_PIDS[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true # pytest ends in order: it stops what it started
    done
    wait
    exit 130
}

# run_lanes DIR ARGUMENTS... - output and results go to DIR/LANE.log and DIR/LANE.xml; fails if one lane does
run_lanes() {
    local directory=$1 lane pid status=0 started=$SECONDS
    shift
    trap stop_lanes INT TERM
    for lane in "${!LANE_MARKS[@]}"; do
        PYTHONUNBUFFERED=1 "$VENV/bin/python" -m pytest -v "$ROOT/${LANE_FOLDERS[$lane]:-tests/integration}" -m "${LANE_MARKS[$lane]}" \
            -k "${LANE_NAMES[$lane]}" --basetemp="$directory/$lane" -o junit_family=xunit1 -o junit_duration_report=call \
            --junitxml="$directory/$lane.xml" "$@" >"$directory/$lane.log" 2>&1 </dev/null &
        LANE_PIDS+=($!)
    done
    for pid in "${LANE_PIDS[@]}"; do
        while kill -0 "$pid" 2>/dev/null; do
            sleep 1
            (((SECONDS - started) % 60 != 0)) || show_lanes "$directory" $((SECONDS - started))
        done
        wait "$pid" || status=$?
    done
    LANE_PIDS=()
    trap - INT TERM
    return "$status"
}

# show_lanes DIR SECONDS - where each lane is
show_lanes() {
    local lane
    for lane in "${!LANE_MARKS[@]}"; do
        printf '    %4d s, %s: %s\n' "$2" "$lane" "$(tail -n 1 "$1/$lane.log" | cut -c 1-100)" >&2
    done
}
