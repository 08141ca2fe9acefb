"""A gate in front of a server on loopback: it can be shut, and it can speak TLS to those outside."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from types import TracebackType
from typing import Self


class Gate:
    """Listens on a port of its own and passes everything to `port` behind; `shut` breaks what goes through and lets nobody in."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._behind, self._tls, self._open = port, tls, True
        self._through: set[socket.socket] = set()
        gate = self

        class Passing(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                gate._pass(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Passing)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._server.shutdown()
        self._server.server_close()

    def shut(self) -> None:
        """Nobody comes through any more."""
        self._open = False
        for one in list(self._through):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Those who come from now on do."""
        self._open = True

    def _pass(self, outside: socket.socket) -> None:
        if not self._open:
            return
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            if self._tls is not None:
                outside = held.enter_context(self._tls.wrap_socket(outside, server_side=True))
            inside = held.enter_context(socket.create_connection(("127.0.0.1", self._behind)))
            both = {outside, inside}
            self._through |= both
            held.callback(self._through.difference_update, both)
            back = threading.Thread(target=_copy, args=(inside, outside), daemon=True)
            back.start()
            _copy(outside, inside)
            back.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
