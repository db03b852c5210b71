"""What /proc says of a process."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """utime + stime of all its threads, those that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


@dataclass
class Memory:
    anon_kb: int  # private: RssAnon
    all_kb: int  # VmRSS
    peak_kb: int  # VmHWM: the highest VmRSS since its start


def memory(pid: int) -> Memory:
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    fields = {name: value.split()[0] for name, _, value in lines if value.strip()}
    return Memory(int(fields["RssAnon"]), int(fields["VmRSS"]), int(fields["VmHWM"]))


class Watch:
    """Looks at a process's private memory ten times a second for its peak, which the kernel does not keep."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peak_anon_kb = 0
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            try:
                self.peak_anon_kb = max(self.peak_anon_kb, memory(self._pid).anon_kb)
            except (OSError, KeyError):
                return

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self.peak_anon_kb
