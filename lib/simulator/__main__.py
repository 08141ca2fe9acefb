"""`python -m lib.simulator --dir DIR`: runs the simulated integration until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
from pathlib import Path

from lib.children import ChildDied
from lib.simulator import control
from lib.simulator.child import follow_parent, on_stop, server
from lib.simulator.inbox import Inbox
from lib.simulator.supervisor import Ports, Supervisor

NEEDED = 7


def main(arguments: list[str]) -> int:
    """Exit code 0 when asked to stop, 1 when a part of it ended by itself."""
    given = _parser().parse_args(arguments)
    folder = given.dir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_simulate(Supervisor(folder, Ports.of(_ports(given.port_base)), given.pace), given.follow_stdin))
    except (ChildDied, TimeoutError) as error:
        print(f"The simulator stopped: {error}", file=sys.stderr)  # noqa: T201 - a command's own words
        return 1
    return 0


async def _simulate(supervisor: Supervisor, follow_stdin: bool) -> None:
    if follow_stdin:
        follow_parent()
    inbox = Inbox()
    end_mail = await inbox.serve_mail(supervisor.ports.mail)
    answering = server(control.app(supervisor, inbox), supervisor.ports.control)
    on_stop(answering.stop)
    serving = asyncio.create_task(answering.serve())
    starting = asyncio.create_task(_run(supervisor))
    try:
        await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
    finally:
        answering.stop()
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, ChildDied, TimeoutError):
            await starting
        await supervisor.stop()
        await serving
        await end_mail()


async def _run(supervisor: Supervisor) -> None:
    await supervisor.start()
    print(supervisor.folder / "simulator.json", flush=True)  # noqa: T201 - tells a person where the addresses are
    await supervisor.run()


def _ports(base: int) -> list[int]:
    """Seven ports: from the base on, or free ones."""
    if base:
        return list(range(base, base + NEEDED))
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(NEEDED)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.simulator", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="folder for its logs, database and simulator.json")
    parser.add_argument("--port-base", type=int, default=0, help="first of seven ports (default: free ones)")
    parser.add_argument("--pace", type=float, default=1.0, help="traffic, as a multiple of the usual")
    parser.add_argument("--follow-stdin", action="store_true", help="end when stdin ends (for a parent process)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
