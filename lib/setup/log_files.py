"""Checks the log files that are followed: which are there, readable, and how fresh."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib.collect.files import Found, discover, root_of
from lib.collect.parse import UNPARSED, Line, parse_lines
from lib.errors import SourceError
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row, off, size
from lib.stores import Stores

TAIL_BYTES = 128 * 1024
OLD = timedelta(minutes=15)
AHEAD = timedelta(seconds=5)
_SHOWN = 5


def log_files(settings: Settings, stores: Stores) -> Check:
    """A row per glob and one for what the store has."""

    def ask() -> list[Row]:
        if not settings.log_files:
            return off("log files", "HALO_OPS_LOG_FILES", " to the combined family of the service")
        now = datetime.now(UTC)
        rows = [row for glob in settings.log_files for row in _glob(glob, now)]
        return [*rows, *_both_families(settings.log_files), _store(stores, now)]

    return Check("log_files", "Log files", "What the service writes and this process follows.", ask)


def _glob(pattern: str, now: datetime) -> Iterator[Row]:
    found, refused = discover([pattern])
    for name, reason in refused.items():
        yield Row(name, Grade.FAILED, reason, _refused_hint(reason))
    files = sorted((Path(one.path) for one in found.values()), key=_changed, reverse=True)
    unreadable = [path for path in files if not os.access(path, os.R_OK)]
    for path in unreadable:
        yield Row(
            str(path),
            Grade.FAILED,
            "permission denied",
            f"Let user {os.getuid()} read it: setfacl -m u:…:r, or its group.",
        )
    readable = [path for path in files if path not in unreadable]
    if readable:
        yield _newest(pattern, readable, now)
    elif not refused and not unreadable:
        yield Row(pattern, Grade.FAILED, "names no file", _no_file_hint(pattern))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # it was rotated away meanwhile


def _refused_hint(reason: str) -> str:
    if "link" in reason:
        return "Name the folder that the link leads to in HALO_OPS_LOG_FILES."
    if "regular" in reason:
        return "Only files are followed, no pipes or devices."
    return "Let this process read the folder and its files."


def _no_file_hint(pattern: str) -> str:
    """What is wrong with a glob: a folder that is not there, one that may not be read, or names that do not fit."""
    folder = root_of(pattern)
    if not folder.exists():
        there = next((parent for parent in folder.parents if parent.exists()), Path("/"))
        return f"{folder} does not exist; {there} does. Is the volume mounted, and is the path right?"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"{folder} may not be read by user {os.getuid()}."
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"{folder} holds {shown or 'nothing'}: does the glob fit these names?"


def _newest(pattern: str, files: Sequence[Path], now: datetime) -> Row:
    """How fresh the newest file of a glob is, by its last records."""
    total = sum(path.stat().st_size for path in files if path.exists())
    said = f"{len(files)} file{'s' if len(files) > 1 else ''}, {size(total)}, newest {files[0].name}"
    newest, unread = _last_records(files, now)
    if newest is None:
        hint = "Let the JSON logger write to it, one object per line." if unread else "Is the service running?"
        return Row(pattern, Grade.WARNING, f"{said}, {'no line is JSON' if unread else 'no record yet'}", hint)
    age = now - newest
    if age < -AHEAD:
        ahead = f"its newest record is {-age.total_seconds():,.0f} s ahead of now"
        return Row(pattern, Grade.WARNING, f"{said}, {ahead}", "Set the clocks of both hosts by NTP.")
    said += f", newest record {max(age.total_seconds(), 0):,.0f} s old"
    if age > OLD:
        return Row(pattern, Grade.WARNING, said, "Nothing was written for a while: is the service running and in use?")
    return Row(pattern, Grade.OK, said)


def _last_records(files: Sequence[Path], now: datetime) -> tuple[datetime | None, bool]:
    """The time of the newest record at the end of the newest files, as the service wrote it; and whether lines of another
    kind are there."""
    unread = False
    for path in files[:3]:
        lines = _last_lines(path)
        # Judged a day later: a time ahead of ours would be replaced by ours.
        batch = parse_lines(lines, now + timedelta(days=1)).batch.to_pylist()
        stamps = [row["ts"] for row in batch if row["level"] != UNPARSED and not row["reason"]]
        unread = unread or bool(batch and not stamps)
        if stamps:
            return max(stamps), unread
    return None, unread


def _last_lines(path: Path) -> list[Line]:
    with path.open("rb") as file:
        start = max(path.stat().st_size - TAIL_BYTES, 0)
        file.seek(start)
        raw = file.read(TAIL_BYTES)
    pieces = raw.split(b"\n")[1 if start else 0 : -1][-200:]
    return [Line(str(path), number, path.name, piece) for number, piece in enumerate(pieces)]


def _both_families(globs: Sequence[str]) -> list[Row]:
    """error.log holds the errors of combined.log again."""
    found: dict[tuple[int, int], Found] = discover(globs)[0]
    folders: dict[Path, set[str]] = {}
    for one in found.values():
        path = Path(one.path)
        folders.setdefault(path.parent, set()).add(path.name)
    return [
        Row(str(folder), Grade.FAILED, "error.log is followed beside combined.log: every error counts twice",
            "Follow combined*.log only.")
        for folder, names in folders.items()
        if any(name.startswith("error") for name in names) and any(name.startswith("combined") for name in names)
    ]  # fmt: skip


def _store(stores: Stores, now: datetime) -> Row:
    try:
        newest = stores.logs.newest()
    except SourceError as error:
        return Row("in the store", Grade.FAILED, str(error), "See the data folder's check.")
    if newest is None:
        return Row(
            "in the store", Grade.WARNING, "no record yet", "Records come a few seconds after the file is found."
        )
    age_s = (now - newest).total_seconds()
    return Row(
        "in the store",
        Grade.OK if age_s < OLD.total_seconds() else Grade.WARNING,
        f"newest record {max(age_s, 0):,.0f} s old",
    )
