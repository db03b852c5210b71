"""Where the benches take place: one Prefect server on PostgreSQL, one engine, a pool of its own for each measurement."""

import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from support.engine import Engine
from support.prefect_api import PrefectApi
from support.rig import Images, Rig
from support.servers import PostgresDatabase, PrefectServer
from support.workers import Kind, Setup, Worker

# The official worker may take minutes to leave after SIGTERM.
PATIENCE_S = 10.0


class Place:
    def __init__(self, directory: Path, binary: Path, image: str) -> None:
        self._directory = directory
        self._binary = binary
        self._images = Images(busybox=image, flow="")

    def __enter__(self) -> "Place":
        self.engine = Engine()
        self._database = PostgresDatabase()
        try:
            self._server = PrefectServer(self._directory / "server", self._database.url)
        except BaseException:
            self._database.drop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._server.stop()
        finally:
            self._database.drop()
            self.engine.close()

    @contextmanager
    def rig(self, kind: Kind) -> Iterator[Rig]:
        """A pool with the busybox image. Its workers and containers are gone afterwards."""
        name = f"bench-{kind}-{uuid.uuid4().hex[:6]}"
        directory = self._directory / name
        directory.mkdir()
        setup = Setup(kind, self._binary, directory, self._server.url, self.engine.host)
        rig = Rig(PrefectApi(self._server.url), self.engine, self._images, setup, name)
        rig.make_pool()
        try:
            yield rig
        finally:
            rig.close(check=False)


def end_worker(worker: Worker) -> str:
    """Ask it to leave; how it left."""
    try:
        return f"exit {worker.stop(PATIENCE_S)}"
    except AssertionError:
        worker.kill()
        return f"killed: SIGTERM had not ended it after {PATIENCE_S:g} s"
