"""A scriptable HTTP server that misbehaves in the ways that real ones do."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]
METRICS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came in; `at` is monotonic seconds, header names are lower case."""

    method: str
    path: str
    at: float
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FaultServer:
    """`with FaultServer() as server: server.says("/metrics", fault, fault)`: each fault serves once, the last goes on.

    What was not scripted is a 404. `url(path)` is the address; `seen(path)` the requests so far.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    requests: list[Seen] = field(default_factory=list)
    _scripts: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    _ready: threading.Event = field(default_factory=threading.Event)

    def says(self, path: str, *faults: Fault) -> None:
        """Sets what `path` does from now on."""
        self._scripts[path] = list(faults)

    def url(self, path: str = "/", userinfo: str = "") -> str:
        """The address of `path`, with `user:password@` where wanted."""
        return f"{'https' if self.tls else 'http'}://{userinfo}{self.host}:{self.port}{path}"

    @property
    def instance(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"

    def seen(self, path: str) -> list[Seen]:
        """The requests for `path`, oldest first."""
        return [request for request in list(self.requests) if request.path == path]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10), "the fault server did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await self._end(server)

    async def _end(self, server: asyncio.Server) -> None:
        """Leaves no socket open: it would be told by whichever test runs when the garbage is collected, and fail that one."""
        me = asyncio.current_task()
        while taken := asyncio.all_tasks() - self._tasks - {me}:  # connections on their way to `_accept`
            await asyncio.wait(taken)
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:  # a task that was cancelled before it began did not get to its own end
            writer.transport.abort()
        await asyncio.sleep(0)  # aborted transports close themselves in the next turn of the loop

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._handle(reader, writer))
        self._tasks.add(task)
        self._writers.add(writer)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                request = await _request(reader)
                self.requests.append(request)
                script = self._scripts.get(request.path.partition("?")[0]) or [answer(b"not found\n", 404)]
                fault = script.pop(0) if len(script) > 1 else script[0]
                await fault(writer)
                await writer.drain()
            with suppress(ConnectionError):
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            self._writers.discard(writer)


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, path, time.monotonic(), headers, body)


def _head(status: int, headers: Mapping[str, object]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join([*lines, "connection: close"]) + "\r\n\r\n").encode()


def answer(
    body: bytes | str, status: int = 200, content_type: str = METRICS, headers: Mapping[str, object] | None = None
) -> Fault:
    """A whole answer."""
    raw = body.encode() if isinstance(body, str) else body

    async def serve(writer: asyncio.StreamWriter) -> None:
        fields = {"content-type": content_type, "content-length": len(raw), **(headers or {})}
        writer.write(_head(status, fields) + raw)

    return serve


def json_answer(content: Any, status: int = 200) -> Fault:
    """A whole JSON answer."""
    return answer(json.dumps(content), status, "application/json")


def too_many(retry_after_s: int = 30) -> Fault:
    """429 with Retry-After."""
    return answer(b"slow down\n", 429, "text/plain", {"retry-after": retry_after_s})


def redirect(to: str, status: int = 301) -> Fault:
    """A redirect to another address."""
    return answer(b"", status, "text/plain", {"location": to})


def hang() -> Fault:
    """Takes the request and never says a word."""
    return _then_silence(b"")


def hang_after_headers(content_type: str = METRICS) -> Fault:
    """Sends the headers and never the body."""
    return _then_silence(_head(200, {"content-type": content_type, "content-length": 100}))


def _then_silence(first: bytes) -> Fault:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await asyncio.sleep(3600)

    return serve


def drip(body: bytes, gap_s: float = 0.05) -> Fault:
    """One byte at a time: each read is quick, the whole is not."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"content-type": METRICS, "content-length": len(body)}))
        for i in range(len(body)):
            writer.write(body[i : i + 1])
            await writer.drain()
            await asyncio.sleep(gap_s)

    return serve


def reset() -> Fault:
    """Answers with a TCP reset."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return serve


def close_mid_body(body: bytes) -> Fault:
    """Promises twice the body and closes after half of that."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"content-type": METRICS, "content-length": 2 * len(body)}) + body)

    return serve


def half_without_length(body: bytes) -> Fault:
    """Sends half of the body without a length and closes: only its form can tell."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"content-type": METRICS}) + body[: len(body) // 2])

    return serve


def cut_chunked(body: bytes) -> Fault:
    """A chunked body whose last chunk never comes."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        head = _head(200, {"content-type": METRICS, "transfer-encoding": "chunked"})
        writer.write(head + f"{len(body):x}\r\n".encode() + body + b"\r\n")

    return serve


def not_http() -> Fault:
    """Speaks another protocol."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    return serve


def packed(body: bytes, *, cut: bool = False) -> Fault:
    """A gzip body, whole or cut off."""
    raw = gzip.compress(body)
    return answer(raw[: len(raw) // 2] if cut else raw, headers={"content-encoding": "gzip"})


def gzip_bomb(size: int) -> Fault:
    """A small answer that unpacks to `size` bytes."""
    packer = zlib.compressobj(9, wbits=31)
    block = b"x" * 1_000_000
    raw = b"".join(packer.compress(block) for _ in range(size // len(block))) + packer.flush()
    return answer(raw, headers={"content-encoding": "gzip"})


def huge(size: int, line: bytes = b"a_metric 1\n") -> Fault:
    """An endless-looking plain body of `size` bytes, without a length."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"content-type": METRICS}))
        block = line * (65_536 // len(line))
        for _ in range(size // len(block) + 1):
            writer.write(block)
            await writer.drain()

    return serve


@contextmanager
def refuses_tls() -> Iterator[int]:
    """The port of a server that speaks plain HTTP and says so to whoever begins otherwise, as real ones do."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            with suppress(OSError):  # the door was closed
                while True:
                    client, _ = door.accept()
                    with client:
                        client.recv(4096)
                        client.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield int(door.getsockname()[1])
        door.shutdown(socket.SHUT_RDWR)
