"""A door in front of a server: shut, nobody answers at its address; open again, the server is there as it was."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_BLOCK = 65_536


class Gate:
    """Passes connections on to the server at `url` while it is open. `url` of the gate is what clients are given."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._behind = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._door: socket.socket | None = None
        self._port = 0
        self._passing: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where clients ask."""
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Lets clients in, always at the same address."""
        self._door = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._port = self._door.getsockname()[1]
        threading.Thread(target=self._admit, args=(self._door,), daemon=True).start()

    def shut(self) -> None:
        """Ends every connection and refuses new ones, as a server that was stopped."""
        with self._lock:
            door, self._door = self._door, None
            passing, self._passing = self._passing, set()
        for one in (*([door] if door else []), *passing):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.shut()

    def _admit(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was shut
            while True:
                client, _ = door.accept()
                server = socket.create_connection(self._behind)
                with self._lock:
                    self._passing |= {client, server}
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := one.recv(_BLOCK):
                other.sendall(part)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._passing -= {one, other}
        for end in (one, other):
            end.close()
