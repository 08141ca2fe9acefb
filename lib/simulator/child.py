"""The child's end of the line to its parent: commands come as JSON lines on stdin; its end means the parent is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import uvicorn

Command = dict[str, Any]
GRACE_S = 3.0


def follow_parent(on_command: Callable[[Command], None] | None = None) -> None:
    """Reads stdin in a thread: each command is handed to the running loop; at the end this process stops itself."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin.buffer:
            if on_command is not None and line.strip():
                loop.call_soon_threadsafe(on_command, orjson.loads(line))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(1)  # whatever still runs: nobody is left to wait for it

    threading.Thread(target=read, name="parent", daemon=True).start()


class Server(uvicorn.Server):
    """A server that leaves the signals to the process: uvicorn's own would end it by the signal, not by an exit code."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    def stop(self) -> None:
        """Lets it end; what is being answered has a second."""
        self.should_exit = True


def on_stop(stop: Callable[[], None]) -> None:
    """Calls `stop` in the running loop at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def server(app: Any, port: int) -> Server:
    """A quiet server on loopback."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1,
        timeout_keep_alive=65, ws="none",
    )  # fmt: skip
    return Server(config)
