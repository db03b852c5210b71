"""
Bursts of `true` on the real engine with each fixed limit of launches in flight, with `auto`, with none, and by the
official worker, in turns, on the host's network and on the engine's bridge.

What is compared: starts a second from when the runs fell due to the last start, since a worker that asks the server
for everything before its first start has not saved that time; beside it the rate from the first start to the last,
which leaves it out. And how long the engine took for a start as the worker saw it (create and start calls of the state
file's `attempts`; the official worker keeps no such record, so for all of them also the time from the engine's own
create event to its start event).
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from burst import create_runs, wait_for_reports, wait_for_starts
from place import Place, end_worker
from support.starts import Starts

NETWORKS = ("host", "bridge")
SETTINGS = ("1", "2", "4", "8", "16", "all", "auto", "official")
CALLS = "SELECT took_ms FROM attempts WHERE stage = ? AND outcome = 'ok'"


@dataclass
class Burst:
    network: str
    setting: str
    started: int
    rate: float  # from when they were due
    rate_from_first: float
    create_ms: list[float]
    start_ms: list[float]
    between_ms: list[float]  # from create to start, by the engine's events
    learned: str


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def one_burst(place: Place, network: str, setting: str, runs: int) -> Burst:
    kind = "official" if setting == "official" else "sluice"
    with place.rig(kind) as rig:
        config = None
        if kind == "sluice":
            config = f"[limits]\nlaunching = {runs if setting == 'all' else setting}\n"
        worker = rig.start_worker("--prefetch-seconds", "0", config=config)
        starts = Starts(place.engine.host, rig.pool)
        try:
            ids, due_s = create_runs(rig, runs, network)
            time.sleep(max(0.0, due_s - time.time()))
            wait_for_starts(starts, runs, due_s)
            wait_for_reports(rig, ids)
            firsts = [times[0] for times in starts.started.values()]
            rate = len(firsts) / (max(firsts) - due_s) if firsts else 0.0
            rate_from_first = (len(firsts) - 1) / (max(firsts) - min(firsts)) if len(firsts) > 1 else 0.0
            between = [1000 * (starts.started[run][0] - at_s) for run, at_s in starts.created.items() if run in starts.started]
            result = Burst(network, setting, len(firsts), rate, rate_from_first, [], [], between, "")
            if kind == "sluice":
                result.create_ms = [row[0] for row in worker.ask_state(CALLS, "create")]
                result.start_ms = [row[0] for row in worker.ask_state(CALLS, "start")]
                rows = worker.ask_state("SELECT kind, learned_value FROM limits WHERE kind LIKE 'launching:%'")
                result.learned = ", ".join(f"{kind.partition(':')[2]} {value:g}" for kind, value in rows if value is not None)
            end_worker(worker)
            return result
        finally:
            starts.close()


def print_burst(burst: Burst) -> None:
    print(
        f"| {burst.network} | {burst.setting} | {burst.started} | {burst.rate:.2f} | {burst.rate_from_first:.2f} "
        f"| {quantile(burst.create_ms, 0.5):.0f} / {quantile(burst.create_ms, 0.99):.0f} "
        f"| {quantile(burst.start_ms, 0.5):.0f} / {quantile(burst.start_ms, 0.99):.0f} "
        f"| {quantile(burst.between_ms, 0.5):.0f} / {quantile(burst.between_ms, 0.99):.0f} | {burst.learned} |",
        flush=True,
    )


def of(bursts: list[Burst], network: str, setting: str) -> list[Burst]:
    return [burst for burst in bursts if burst.network == network and burst.setting == setting]


def median_rate(bursts: list[Burst], network: str, setting: str) -> float:
    return statistics.median(burst.rate for burst in of(bursts, network, setting))


def start_p99(bursts: list[Burst], network: str, setting: str) -> float:
    return statistics.median(quantile(burst.start_ms, 0.99) for burst in of(bursts, network, setting))


def print_verdict(bursts: list[Burst]) -> None:
    """The two promises of `auto`: its rate against the best fixed one, its start p99 against all at once."""
    for network in dict.fromkeys(burst.network for burst in bursts):
        fixed = {s: median_rate(bursts, network, s) for s in SETTINGS if s not in ("auto", "official")}
        best = max(fixed, key=lambda setting: fixed[setting])
        auto = median_rate(bursts, network, "auto")
        print(
            f"{network}: auto {auto:.2f} starts/s, {auto / fixed[best]:.2f} of the best fixed limit ({best}: {fixed[best]:.2f}), "
            f"{auto / median_rate(bursts, network, 'official'):.2f} of the official worker's; start p99 "
            f"{start_p99(bursts, network, 'auto') / start_p99(bursts, network, 'all'):.2f} of that of all at once"
        )


def plot(bursts: list[Burst], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(NETWORKS), figsize=(10, 6), sharex=True, layout="constrained")
    for column, network in enumerate(NETWORKS):
        rate_axis, latency_axis = axes[0][column], axes[1][column]
        rate_axis.set_title(f"{network} network")
        rate_axis.bar(SETTINGS, [median_rate(bursts, network, s) for s in SETTINGS], color="#4878a8")
        ours = [s for s in SETTINGS if s != "official"]
        for share, colour, label in ((0.5, "#4878a8", "p50"), (0.99, "#c05020", "p99")):
            values = [statistics.median(quantile(b.start_ms, share) for b in of(bursts, network, s)) for s in ours]
            latency_axis.plot(ours, values, "o-", color=colour, label=label)
        latency_axis.set_yscale("log")
        latency_axis.legend()
        latency_axis.set_xlabel("launches in flight")
    axes[0][0].set_ylabel("starts a second")
    axes[1][0].set_ylabel("start call, ms")
    figure.savefig(path, dpi=110)
    print(f"\nplot: {path}")


def measure(place: Place, runs: int, turns: int, settings: Sequence[str], networks: Sequence[str], plot_path: Path | None) -> None:
    print(f"\n## Launches in flight: bursts of {runs} `true`, {turns} turns; {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC\n")
    print("| network | launching | started | starts/s | from the first on | create p50 / p99, ms | start p50 / p99, ms ", end="")
    print("| created to started, ms | learned |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    bursts = []
    for _ in range(turns):
        for network in networks:
            for setting in settings:
                bursts.append(one_burst(place, network, setting, runs))
                print_burst(bursts[-1])
    print()
    if set(SETTINGS) <= set(settings):
        print_verdict(bursts)
    if plot_path is not None:
        plot(bursts, plot_path)
