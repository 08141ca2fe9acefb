"""`python -m lib.simulator.past --dir DIR --days 7`: writes the past and names each finished folder on a line."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lib.simulator.past.chunks import Past


def main(arguments: list[str]) -> int:
    """Writes the chunks, newest first; prints one folder per line as soon as it is whole."""
    given = _parser().parse_args(arguments)
    past = Past(
        folder=given.dir.absolute(),
        until=given.until or time.time(),
        days=given.days,
        instances=tuple(given.instances.split(",")),
        seed=given.seed,
        pace=given.pace,
    )
    for folder in past.write(given.only):
        print(folder, flush=True)  # noqa: T201 - this is what the command answers
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.simulator.past", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="folder to write past/<chunk>/ into")
    parser.add_argument("--days", type=float, default=7, help="how far back (default 7)")
    parser.add_argument("--until", type=float, default=0, help="end, seconds since the epoch (default now)")
    parser.add_argument("--only", choices=("all", "newest", "older"), default="all", help="which chunks to write")
    parser.add_argument("--instances", default="127.0.0.1:9101,127.0.0.1:9102", help="host:port of the two instances")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same past")
    parser.add_argument("--pace", type=float, default=1.0, help="traffic, as a multiple of the usual")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
