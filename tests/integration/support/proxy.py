"""
A proxy for HTTP/1.1 that counts calls and makes chosen ones, or a share of all, go wrong.

It stands between a worker and the Prefect server (tcp) or the engine (tcp or unix socket). Without rules it is
transparent: connections are kept alive, bodies are streamed, upgrades (101) become plain pipes. It knows nothing of
TLS or HTTP/2. Tests run it in a thread (`with Proxy(...) as proxy`); benches run it as a program that prints its counts
as JSON when it gets SIGTERM:

    python3 -m support.proxy --listen 127.0.0.1:4300 --target 127.0.0.1:4200
    python3 -m support.proxy --listen unix:///tmp/engine.sock --target unix:///var/run/docker.sock
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter

from .faults import Call, RandomFaults, Rule

MAX_KEPT_BODY = 64 * 1024
CLIENT_CHECK_S = 1.0  # how often a silent stream is checked for a client that has gone
HOLD_CHECK_S = 0.02  # how often a held call is checked for having been let go
TLS_HANDSHAKE = b"\x16"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")


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
        first = await reader.readexactly(1)
        # An engine that asks a registry tries TLS first: without an answer it would wait for 10 s.
        return None if first == TLS_HANDSHAKE else Head(first + await reader.readuntil(b"\r\n\r\n"))
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
        self._late: set[asyncio.Task[None]] = set()
        self._faults: RandomFaults | None = None
        self.calls: list[Call] = []
        self._connections = 0
        self.failed: Counter[str] = Counter()  # calls that were not just passed on, by action
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
        asyncio.run_coroutine_threadsafe(self._end_late(), self._loop).result()
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
            self._faults = None

    def fail_randomly(self, faults: RandomFaults | None) -> None:
        """From now on these faults befall calls that no rule is for."""
        with self._lock:
            self._faults = faults

    def cut(self) -> None:
        """Cut all connections that are open, and go on listening."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

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
        await self._cut()
        if self._listen.startswith("unix://") and os.path.exists(self._listen.removeprefix("unix://")):
            os.unlink(self._listen.removeprefix("unix://"))

    async def _cut(self) -> None:
        for task, writer in list(self._open.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _end_late(self) -> None:
        """What was to be carried out late is not carried out any more."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _connect(self) -> Streams:
        if self._target.startswith("unix://"):
            return await asyncio.open_unix_connection(self._target.removeprefix("unix://"))
        host, _, port = self._target.removeprefix("http://").rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        client = (reader, writer)
        self._connections += 1
        connection = self._connections
        upstream: Streams | None = None
        call: Call | None = None
        try:
            while (head := await read_head(reader)) is not None:
                body = await read_request_body(reader, head)
                call = Call(head.first[0], head.first[1], body[:MAX_KEPT_BODY], begun_s=time.monotonic())
                call.connection = connection
                rule = self._take_rule(call)
                if rule.delay_s:
                    await asyncio.sleep(rule.delay_s)
                if rule.action == "answer":
                    await self._answer(writer, call, rule)
                    call.ended_s = time.monotonic()
                    continue
                if not await self._arrives(client, call, rule, head.raw + body):
                    break
                if upstream is None or upstream[0].at_eof():
                    if upstream is not None:
                        upstream[1].close()
                    upstream = await self._connect()
                upstream[1].write(head.raw + body)
                await upstream[1].drain()
                if not await self._relay(client, upstream, call, rule):
                    break
                call.ended_s = time.monotonic()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # either side has gone or does not speak HTTP: the other one sees its connection end
        except asyncio.CancelledError:
            pass  # close() wants it; asyncio's streams would print a cancelled task as a failure
        finally:
            if call is not None and call.ended_s is None:
                call.ended_s = time.monotonic()
            del self._open[task]
            writer.close()
            if upstream is not None:
                upstream[1].close()

    def _take_rule(self, call: Call) -> Rule:
        with self._lock:
            self.calls.append(call)
            chosen = next((rule for rule in self._rules if rule.matches(call)), None)
            if chosen is None and self._faults is not None:
                chosen = self._faults.choose(call)
            if chosen is None:
                return Rule("", "")
            if chosen.times is not None:
                chosen.times -= 1
            if chosen.action != "pass":
                self.failed[chosen.action] += 1
            if chosen.action != "hold_answer":
                chosen.caught.append(call)
            return chosen

    async def _arrives(self, client: Streams, call: Call, rule: Rule, request: bytes) -> bool:
        """Whether the request is now to be passed on; if not, the connection is done with."""
        if rule.action == "refuse":
            return False
        if rule.action == "reset":
            self._reset(client[1])
            return False
        if rule.action == "stall":
            await client[0].read()  # until the client gives up: it sends nothing before it has an answer
            return False
        if rule.action == "late":
            self._carry_out_later(call, request, rule.late_s)
            return False
        if rule.action == "hold":
            while not rule.decision:
                await asyncio.sleep(HOLD_CHECK_S)
            if rule.decision == "let_go" and client[0].at_eof():
                self._carry_out_later(call, request, 0.0)
            return rule.decision == "let_go" and not client[0].at_eof()
        return True

    def _carry_out_later(self, call: Call, request: bytes, after_s: float) -> None:
        async def carry_out() -> None:
            await asyncio.sleep(after_s)
            try:
                upstream = await self._connect()
                upstream[1].write(request)
                await upstream[1].drain()
                head = await read_head(upstream[0])
                call.status = int(head.first[1]) if head is not None else None
                upstream[1].close()
            except OSError:
                pass  # the target has gone: then it never arrives

        task = asyncio.ensure_future(carry_out())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    @staticmethod
    def _reset(writer: asyncio.StreamWriter) -> None:
        """Close so that the peer gets a reset; a unix socket has none, and just closes."""
        raw = writer.get_extra_info("socket")
        if raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    @staticmethod
    async def _answer(writer: asyncio.StreamWriter, call: Call, rule: Rule) -> None:
        call.status = rule.status
        fields = {"Content-Type": "application/json", "Content-Length": str(len(rule.answer)), **rule.headers}
        lines = [f"HTTP/1.1 {rule.status} By the test", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + rule.answer)
        await writer.drain()

    async def _relay(self, client: Streams, upstream: Streams, call: Call, rule: Rule) -> bool:
        """Pass one answer on; False: both connections are done with."""
        head = await read_head(upstream[0])
        if head is None or not await self._returns(client, call, rule):
            return False
        call.status = int(head.first[1])
        client[1].write(head.raw)
        await client[1].drain()
        if call.status == 101:
            await self._pipe(client, upstream)
            return False
        if call.method == "HEAD" or call.status in (204, 304):
            return rule.action != "half_answer"
        if head.is_chunked:
            return await self._relay_chunks(client, upstream, half=rule.action == "half_answer")
        left = head.length
        if rule.action == "half_answer" and left is not None:
            client[1].write(await upstream[0].readexactly(left // 2))
            await client[1].drain()
            return False
        while left is None or left > 0:
            data = await self._read(client, upstream[0].read(min(left or 65536, 65536)))
            if not data:
                return False
            client[1].write(data)
            await client[1].drain()
            left = None if left is None else left - len(data)
        return head.fields.get("connection", "").lower() != "close"

    async def _returns(self, client: Streams, call: Call, rule: Rule) -> bool:
        """Whether the answer that has come is now to be passed on."""
        if rule.action == "drop_answer":
            return False
        if rule.action == "reset_answer":
            self._reset(client[1])
            return False
        if rule.action == "stall_answer":
            await client[0].read()
            return False
        if rule.action == "hold_answer":
            rule.caught.append(call)
            while not rule.decision:
                await asyncio.sleep(HOLD_CHECK_S)
            return rule.decision == "let_go"
        return True

    async def _relay_chunks(self, client: Streams, upstream: Streams, half: bool) -> bool:
        while True:
            chunk = await self._read(client, read_chunk(upstream[0]))
            if half:
                client[1].write(chunk[: len(chunk) // 2])
                await client[1].drain()
                return False
            client[1].write(chunk)
            await client[1].drain()
            if chunk.startswith(b"0\r\n"):
                return True

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
