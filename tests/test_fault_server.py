"""The server that misbehaves on purpose ends well."""

import contextlib
import gc
import socket
import sys

import pytest

from tests.fault_server import FaultServer


def test_a_connection_that_comes_as_the_server_ends_is_not_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be told when the garbage is collected, and fail the test that runs then: test_queries_are_timed_by_their_kind."""
    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: told.append(f"{found.exc_value} {found.object}"))
    clients: list[socket.socket] = []

    def come_and_end() -> None:
        clients.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        server._loop.call_soon(server._stop.set)  # it is taken in the very turn of the loop that ends it

    with FaultServer() as server:
        server._loop.call_soon_threadsafe(come_and_end)
        server._thread.join(10)
    with clients[0] as client, contextlib.suppress(ConnectionResetError):
        client.recv(1)
    gc.collect()

    assert told == []
