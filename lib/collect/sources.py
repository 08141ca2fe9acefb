"""The files that an import reads: plain or packed, in pieces, with bounds on what a packed one may unfold to."""

from __future__ import annotations

import glob
import gzip
import os
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from lib.errors import OpsError

PIECE = 1 << 20
"""Bytes read at a time. Parts of an import begin at multiples of it, so that they are the same each time."""
MOST_UNPACKED = 100 << 20
MOST_RATIO = 100
_PORTION = 1 << 16
_GZIP = b"\x1f\x8b"
_PACKED = {b"\xfd7zXZ\0": "xz", b"(\xb5/\xfd": "zstd", b"BZh": "bzip2", b"PK\x03\x04": "zip"}
_EXPOSITION = (b"# HELP ", b"# TYPE ")
_TAR, _TAR_AT = b"ustar", 257
_CONTROLS = bytes(code for code in range(1, 32) if code not in b"\b\t\n\f\r\x1b")
_MOST_CONTROLS = 0.05
"""Share of control characters from which on something is no text; NUL does not count: a truncated log may begin with many."""


class BadSource(OpsError):  # noqa: N818 - a file and its state, read so where it is caught
    """A file of an import that cannot be read (further); what was read of it before counts."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file: `kind` is logs, metrics or health, by its name, or as it begins like a /metrics answer."""

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
                if raw.peek(2)[:2] == _GZIP:
                    yield from self._unfolded(raw)
                    return
                while piece := raw.read(PIECE):
                    if raw.tell() == len(piece):
                        self._refuse_what_is_no_text(piece)
                    yield piece, raw.tell()
        except (OSError, EOFError, zlib.error) as error:
            raise BadSource(f"{self.path}: {_reason(error)}") from None

    def _unfolded(self, raw: BufferedReader) -> Iterator[tuple[bytes, int]]:
        unpacked = 0
        with gzip.GzipFile(fileobj=raw) as file:
            for piece in _unpacked(file):
                if not unpacked:
                    self._refuse_what_is_no_text(piece)
                unpacked += len(piece)
                if unpacked > MOST_UNPACKED and unpacked > MOST_RATIO * raw.tell():
                    raise BadSource(
                        f"{self.path}: unfolds to over {MOST_RATIO} times its size; the rest is left out "
                        "(a file that is known to be honest can be unpacked first)"
                    )
                yield piece, raw.tell()

    def _refuse_what_is_no_text(self, first: bytes) -> None:
        """Thousands of lines of nonsense would be stored otherwise."""
        for mark, name in _PACKED.items():
            if first.startswith(mark):
                raise BadSource(f"{self.path}: is packed with {name} and is left out; unpack it first")
        if first[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
            raise BadSource(f"{self.path}: is a tar archive and is left out; unpack it first")
        sample = first[:_PORTION]
        if len(sample) - len(sample.translate(None, _CONTROLS)) > _MOST_CONTROLS * len(sample):
            raise BadSource(f"{self.path}: is no text and is left out")


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
    return "the packed file is cut off or damaged: what comes before is in, and a whole copy brings the rest"


def find(patterns: Sequence[str]) -> tuple[list[Source], list[str]]:
    """The files that paths and globs name, each once, in that order; and what is wrong with those that are left out."""
    found: dict[Path, Source] = {}
    problems: list[str] = []
    for pattern in map(os.path.expanduser, patterns):
        paths = sorted(glob.glob(pattern, recursive=True)) or [pattern]  # noqa: PTH207 - may be absolute
        for path in map(Path, paths):
            try:
                status = path.stat()
            except OSError as error:
                problems.append(f"{path}: {_unreached(error, pattern)}")
                continue
            if stat.S_ISREG(status.st_mode):
                found.setdefault(path.resolve(), Source(path, _kind(path), status.st_size))
            elif stat.S_ISDIR(status.st_mode):
                problems.append(f"{path}: is a folder; name the files in it, such as '{path / 'combined*.log*'}'")
            else:
                problems.append(f"{path}: is neither a file nor a folder")
    return _without_second_copies(found, problems), problems


def _unreached(error: OSError, pattern: str) -> str:
    if not isinstance(error, FileNotFoundError):
        return error.strerror or type(error).__name__
    return "no file has such a name" if glob.has_magic(pattern) else "there is no such file"


def _without_second_copies(found: Mapping[Path, Source], problems: list[str]) -> list[Source]:
    """Without the error logs that stand beside a combined one, which holds their lines too."""
    whole = {
        path.parent for path, source in found.items() if source.kind == "logs" and path.name.startswith("combined")
    }
    kept = list[Source]()
    for path, source in found.items():
        if source.kind == "logs" and path.name.startswith("error") and path.parent in whole:
            problems.append(
                f"{source.path}: left out: combined.log beside it holds the same errors, and each would count twice "
                "(to bring it in nevertheless, name it alone)"
            )
        else:
            kept.append(source)
    return kept


def _kind(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    if name.endswith(".prom") or _beginning(path).startswith(_EXPOSITION):
        return "metrics"
    return "health" if name == "health.jsonl" else "logs"


def _beginning(path: Path) -> bytes:
    """The first unpacked bytes; none where they cannot be read, which is told when the file is."""
    try:
        with path.open("rb") as raw:
            head = raw.read(1024)
        return zlib.decompressobj(wbits=31).decompress(head, 64) if head.startswith(_GZIP) else head[:64]
    except (OSError, zlib.error):
        return b""
