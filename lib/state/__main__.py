"""`python -m lib.state`: backup, restore, export and migrate of the state database."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import URL

from lib import settings as configuration
from lib.errors import OpsError
from lib.identity.roles import Actor, Role, Via
from lib.state import backup
from lib.state.database import url_of
from lib.state.migrate import head, open_state


def main(arguments: list[str]) -> int:
    """0: done; 1: not done, and nothing has changed, for the reason printed."""
    parser = argparse.ArgumentParser(prog="python -m lib.state", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, argument, what, does in (
        ("backup", "FILE", "everything, to a new SQLite file; the dashboard may run", backup.backup),
        ("restore", "FILE", "everything, from a backup; the dashboard must not run", _restore),
        ("export", "FOLDER", "what people wrote, as JSON lines", backup.export),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("path", metavar=argument, type=Path)
        command.set_defaults(run=does)
    commands.add_parser("migrate", help="brings the database to this version's schema").set_defaults(run=_migrate)
    given = vars(parser.parse_args(arguments))
    run: Callable[..., dict[str, int]] = given.pop("run")
    try:
        counts = run(url_of(configuration.load()), *given.values())
    except OpsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's own words
        return 1
    for table, rows in counts.items():
        print(f"{table}: {rows} rows")  # noqa: T201
    return 0


def _restore(url: URL, file: Path) -> dict[str, int]:
    return backup.restore(url, file, Actor(getpass.getuser(), Role.ADMIN, Via.COMMAND))


def _migrate(url: URL) -> dict[str, int]:
    open_state(url).close()
    print(f"The state database has schema {head()}.")  # noqa: T201
    return {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
