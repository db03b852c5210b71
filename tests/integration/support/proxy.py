"""
A proxy for HTTP/1.1 that counts calls and makes chosen ones go wrong.

It stands between a worker and the Prefect server (tcp) or the engine (tcp or unix socket). Without rules it is
transparent: connections are kept alive, bodies are streamed, upgrades (101) become plain pipes. It knows nothing of
TLS or HTTP/2. Tests run it in a thread (`with Proxy(...) as proxy`); benches run it as a program that prints its counts
as JSON when it gets SIGTERM:

    python3 proxy.py --listen 127.0.0.1:4300 --target 127.0.0.1:4200
    python3 proxy.py --listen unix:///tmp/engine.sock --target unix:///var/run/docker.sock
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

MAX_KEPT_BODY = 64 * 1024
CLIENT_CHECK_S = 1.0  # how often a silent stream is checked for a client that has gone
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")


@dataclass
class Call:
    method: str
    path: str
    body: bytes
    status: int | None = None  # None: no answer was passed on


@dataclass
class Rule:
    """What to do with calls that match; the first matching rule that is not used up counts."""

    method: str
    path: str  # a regular expression, searched in the path with its query
    action: Literal["pass", "refuse", "drop_answer", "answer"] = "pass"
    body: str = ""  # must be found in the request's body
    times: int | None = 1  # None: always
    delay_s: float = 0.0
    status: int = 503
    answer: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)

    def matches(self, call: Call) -> bool:
        return (
            self.times != 0
            and self.method == call.method
            and re.search(self.path, call.path) is not None
            and self.body.encode() in call.body
        )


class Head:
    """The head of a request or an answer, kept as the bytes that came."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.first = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:] if line)
        self.fields = {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def is_chunked(self) -> bool:
        return "chunked" in self.fields.get("transfer-encoding", "").lower()

    @property
    def length(self) -> int | None:
        value = self.fields.get("content-length")
        return int(value) if value is not None else None


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """One chunk with its framing; the last one starts with b"0" and includes the trailer."""
    size_line = await reader.readuntil(b"\r\n")
    size = int(size_line.split(b";")[0], 16)
    return size_line + await reader.readexactly(size + 2)


async def read_request_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    if not head.is_chunked:
        return await reader.readexactly(head.length or 0)
    parts = []
    while not parts or not parts[-1].startswith(b"0\r\n"):
        parts.append(await read_chunk(reader))
    return b"".join(parts)


class Proxy:
    def __init__(self, target: str, listen: str = "127.0.0.1:0") -> None:
        self._target = target
        self._listen = listen
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.calls: list[Call] = []
        self.address = ""  # set by start(): "127.0.0.1:PORT" or "unix:///PATH"

    # For tests: a thread with a loop of its own

    def __enter__(self) -> "Proxy":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self) -> None:
        """Listen (again), at the same address as before."""
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result()

    def shut(self) -> None:
        """Refuse new connections and cut those that are open, as a dead peer would."""
        asyncio.run_coroutine_threadsafe(self.close(), self._loop).result()

    def add(self, rule: Rule) -> Rule:
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def seen(self, method: str, path: str, body: str = "") -> list[Call]:
        """The calls so far of this method, whose path matches the expression and whose body holds the text."""
        wanted = Rule(method, path, body=body, times=None)
        with self._lock:
            return [call for call in self.calls if wanted.matches(call)]

    def counts(self) -> dict[str, int]:
        """Calls by method and path; ids and queries are cut out, so that like calls count together."""
        with self._lock:
            names = (f"{call.method} {UUID.sub('ID', call.path.split('?')[0])}" for call in self.calls)
            return dict(Counter(names).most_common())

    # The proxy itself

    async def start(self) -> None:
        if self._listen.startswith("unix://"):
            path = self._listen.removeprefix("unix://")
            if os.path.exists(path):
                os.unlink(path)
            self._server = await asyncio.start_unix_server(self._serve, path)
            self.address = self._listen
            return
        host, _, port = (self.address or self._listen).rpartition(":")
        self._server = await asyncio.start_server(self._serve, host, int(port))
        self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        for task, writer in list(self._open.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._listen.startswith("unix://") and os.path.exists(self._listen.removeprefix("unix://")):
            os.unlink(self._listen.removeprefix("unix://"))

    async def _connect(self) -> Streams:
        if self._target.startswith("unix://"):
            return await asyncio.open_unix_connection(self._target.removeprefix("unix://"))
        host, _, port = self._target.removeprefix("http://").rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        upstream: Streams | None = None
        try:
            while (head := await read_head(reader)) is not None:
                body = await read_request_body(reader, head)
                call = Call(head.first[0], head.first[1], body[:MAX_KEPT_BODY])
                rule = self._take_rule(call)
                if rule.delay_s:
                    await asyncio.sleep(rule.delay_s)
                if rule.action == "refuse":
                    break
                if rule.action == "answer":
                    await self._answer(writer, call, rule)
                    continue
                if upstream is None or upstream[0].at_eof():
                    if upstream is not None:
                        upstream[1].close()
                    upstream = await self._connect()
                upstream[1].write(head.raw + body)
                await upstream[1].drain()
                if not await self._relay((reader, writer), upstream, call, drop=rule.action == "drop_answer"):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # either side has gone or does not speak HTTP: the other one sees its connection end
        except asyncio.CancelledError:
            pass  # close() wants it; asyncio's streams would print a cancelled task as a failure
        finally:
            del self._open[task]
            writer.close()
            if upstream is not None:
                upstream[1].close()

    def _take_rule(self, call: Call) -> Rule:
        with self._lock:
            self.calls.append(call)
            for rule in self._rules:
                if rule.matches(call):
                    if rule.times is not None:
                        rule.times -= 1
                    return rule
        return Rule("", "")

    @staticmethod
    async def _answer(writer: asyncio.StreamWriter, call: Call, rule: Rule) -> None:
        call.status = rule.status
        fields = {"Content-Type": "application/json", "Content-Length": str(len(rule.answer)), **rule.headers}
        lines = [f"HTTP/1.1 {rule.status} By the test", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + rule.answer)
        await writer.drain()

    async def _relay(self, client: Streams, upstream: Streams, call: Call, drop: bool) -> bool:
        """Pass one answer on; False: both connections are done with."""
        head = await read_head(upstream[0])
        if head is None or drop:
            return False
        call.status = int(head.first[1])
        client[1].write(head.raw)
        await client[1].drain()
        if call.status == 101:
            await self._pipe(client, upstream)
            return False
        if call.method == "HEAD" or call.status in (204, 304):
            return True
        if head.is_chunked:
            while True:
                chunk = await self._read(client, read_chunk(upstream[0]))
                client[1].write(chunk)
                await client[1].drain()
                if chunk.startswith(b"0\r\n"):
                    return True
        left = head.length
        while left is None or left > 0:
            data = await self._read(client, upstream[0].read(min(left or 65536, 65536)))
            if not data:
                return False
            client[1].write(data)
            await client[1].drain()
            left = None if left is None else left - len(data)
        return head.fields.get("connection", "").lower() != "close"

    @staticmethod
    async def _read(client: Streams, reading) -> bytes:  # noqa: ANN001 - any coroutine that gives bytes
        """Wait for bytes from upstream, but not for a client that has left."""
        task = asyncio.ensure_future(reading)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=CLIENT_CHECK_S)
                if not task.done() and client[0].at_eof():
                    raise ConnectionError("the client has gone")
            return task.result()
        finally:
            task.cancel()

    @staticmethod
    async def _pipe(left: Streams, right: Streams) -> None:
        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

        copies = [asyncio.ensure_future(copy(left[0], right[1])), asyncio.ensure_future(copy(right[0], left[1]))]
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in copies:
                task.cancel()


async def run_until_told(proxy: Proxy) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await proxy.start()
    print(f"listening at {proxy.address}", file=sys.stderr, flush=True)
    await told.wait()
    await proxy.close()
    print(json.dumps(proxy.counts(), indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="count HTTP calls between a worker and its server or engine")
    parser.add_argument("--listen", required=True, help="HOST:PORT (port 0: any) or unix:///PATH")
    parser.add_argument("--target", required=True, help="HOST:PORT or unix:///PATH")
    options = parser.parse_args()
    asyncio.run(run_until_told(Proxy(options.target, options.listen)))
