"""The faults that live inside an instance: a leak, and jobs that keep the database connections."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeout

from lib.simulator import catalogue as c
from lib.simulator.child import Command
from lib.simulator.database import Database

MIB = 1024 * 1024
LEAK_PER_S = 3 * MIB
LEAK_AT_MOST = 240 * MIB
HANDLES_AT_MOST = 200
HOLD_S = 4.0


class Breakage:
    """What is broken in this process at the moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    def command(self, command: Command) -> None:
        """Switches one fault: {"fault": "leak", "on": true}."""
        kinds: dict[str, Callable[[], list[Coroutine[Any, Any, None]]]] = {
            "leak": lambda: [_leak()],
            "exhausted_pool": lambda: [self._hold() for _ in range(c.POOL_SIZE + c.POOL_OVERFLOW)],
        }
        for task in self._tasks.pop(command["fault"], []):
            task.cancel()
        if command["on"]:
            self._tasks[command["fault"]] = [asyncio.ensure_future(job) for job in kinds[command["fault"]]()]

    def mend(self) -> None:
        """Everything is well again."""
        for name in list(self._tasks):
            self.command({"fault": name, "on": False})

    async def _hold(self) -> None:
        """A job that takes a connection, keeps it for seconds, and comes again."""
        while True:
            try:
                connection = await asyncio.to_thread(self._database.engine.connect)
            except PoolTimeout:
                continue
            try:
                await asyncio.sleep(HOLD_S)
            finally:
                connection.close()


async def _leak() -> None:
    """Memory and file handles that nobody gives back until the task is cancelled."""
    kept: list[bytearray] = []
    handles: list[int] = []
    try:
        while True:
            if len(kept) * LEAK_PER_S < LEAK_AT_MOST:
                kept.append(bytearray(os.urandom(4096)) * (LEAK_PER_S // 4096))
            if len(handles) < HANDLES_AT_MOST:
                handles.append(os.open(os.devnull, os.O_RDONLY))
            await asyncio.sleep(1)
    finally:
        for handle in handles:
            os.close(handle)
