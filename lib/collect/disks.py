"""How full the disks are that this process can see: where its data, the logs and the backups lie."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from lib.settings import Settings
from lib.status import DiskStatus


def places(settings: Settings) -> dict[str, tuple[Path, ...]]:
    """What of ours lies where: words, and the folders that exist."""
    found = {"data": [settings.data_dir.absolute()]}
    for words, globs in (("logs", settings.log_files), ("backups", settings.backup_files)):
        found[words] = [folder for pattern in globs for folder in _folders(pattern)]
    return {words: tuple(f for f in dict.fromkeys(folders) if f.is_dir()) for words, folders in found.items()}


def _folders(pattern: str) -> list[Path]:
    """The folders that a pattern of files is in; a few are enough to find their mounts."""
    folder = str(Path(pattern).parent)
    if not glob.has_magic(folder):
        return [Path(folder)]
    return [Path(one) for _, one in zip(range(20), glob.iglob(folder), strict=False)]  # noqa: PTH207 - a whole pattern


def disks(found: Mapping[str, Iterable[Path]]) -> tuple[DiskStatus, ...]:
    """Each mount once, with all that lies on it. A folder that went away is left out."""
    held: dict[str, list[str]] = {}
    for words, folders in found.items():
        for folder in folders:
            try:
                mount = str(mount_of(folder))
            except OSError:
                continue
            held.setdefault(mount, []).append(words)
    mounts = ((mount, ", ".join(dict.fromkeys(words))) for mount, words in held.items())
    return tuple(one for mount, words in mounts if (one := _disk(mount, words)) is not None)


def mount_of(folder: Path) -> Path:
    """The highest folder on the same file system. Raises OSError."""
    place = folder.resolve()
    device = place.stat().st_dev
    while place != place.parent and place.parent.stat().st_dev == device:
        place = place.parent
    return place


def _disk(mount: str, words: str) -> DiskStatus | None:
    try:
        usage = psutil.disk_usage(mount)
    except OSError:
        return None
    usable = usage.used + usage.free  # without what is kept for root
    return DiskStatus(mount, words, usage.free, usable, usage.free / usable if usable else 0.0)
