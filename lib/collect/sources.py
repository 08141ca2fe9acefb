"""The files that an import reads: plain or packed, in pieces, with bounds on what a packed one may unfold to."""

from __future__ import annotations

import glob
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.errors import OpsError

PIECE = 1 << 20
"""Bytes read at a time. Parts of an import begin at multiples of it, so that they are the same each time."""
MOST_UNPACKED = 100 << 20
MOST_RATIO = 100
_PORTION = 1 << 16


class BadSource(OpsError):  # noqa: N818 - a file and its state, read so where it is caught
    """A file of an import that cannot be read (further); what was read of it before counts."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file: `kind` is logs, metrics or health, by its name."""

    path: Path
    kind: str
    size: int

    @property
    def name(self) -> str:
        """The file, for people."""
        return self.path.name

    def pieces(self) -> Iterator[tuple[bytes, int]]:
        """The unpacked bytes, PIECE at a time, each with how far in the file on disk that is. Raises BadSource."""
        try:
            with self.path.open("rb") as raw:
                if self.path.suffix != ".gz":
                    while piece := raw.read(PIECE):
                        yield piece, raw.tell()
                    return
                unpacked = 0
                with gzip.GzipFile(fileobj=raw) as file:
                    for piece in _unpacked(file):
                        unpacked += len(piece)
                        if unpacked > MOST_UNPACKED and unpacked > MOST_RATIO * raw.tell():
                            raise BadSource(
                                f"{self.path}: unfolds to over {MOST_RATIO} times its size; the rest is left out "
                                "(a file that is known to be honest can be unpacked first)"
                            )
                        yield piece, raw.tell()
        except (OSError, EOFError, zlib.error) as error:
            raise BadSource(f"{self.path}: {_reason(error)}") from None


def _unpacked(file: gzip.GzipFile) -> Iterator[bytes]:
    """Pieces of PIECE bytes; what comes before a fault is a shorter last one."""
    held, fault = bytearray(), None
    while True:
        try:
            part = file.read1(_PORTION)
        except (OSError, EOFError, zlib.error) as error:
            part, fault = b"", error
        if not part:
            break
        held += part
        if len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)
    if fault is not None:
        raise fault


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the packed file is cut off or damaged"


def find(patterns: Sequence[str]) -> tuple[list[Source], list[str]]:
    """The files that paths and globs name, each once, in that order; and what is wrong with those that name none."""
    found: dict[Path, Source] = {}
    problems: list[str] = []
    for pattern in patterns:
        paths = sorted(glob.glob(pattern, recursive=True)) or [pattern]  # noqa: PTH207 - may be absolute
        for path in map(Path, paths):
            if path.is_file():
                found.setdefault(path.resolve(), Source(path, _kind(path), path.stat().st_size))
            elif not path.exists():
                problems.append(f"{pattern}: there is no such file")
    return list(found.values()), problems


def _kind(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    if name.endswith(".prom"):
        return "metrics"
    return "health" if name == "health.jsonl" else "logs"
