"""How far an import is: a small file in the spool that the dashboard shows as a bar."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson

_NAME = "progress.json"


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Bytes are of the sources as they lie on disk; each second of a range of Prometheus counts as one. `oldest` and
    `newest` are the times of what was read so far (None: nothing yet). `done`: everything is in the stores."""

    job: str
    done_bytes: int
    total_bytes: int
    records: int
    started: datetime
    updated: datetime
    current: str = ""
    oldest: datetime | None = None
    newest: datetime | None = None
    done: bool = False

    def save(self, folder: Path) -> None:
        """Replaces what the folder said before."""
        part = folder / (_NAME + ".new")
        part.write_bytes(orjson.dumps(asdict(self)))
        part.replace(folder / _NAME)


def load_progress(folder: Path) -> ImportProgress | None:
    """The newest import that used this spool folder; None where none did or its note is not readable."""
    try:
        told = orjson.loads((folder / _NAME).read_bytes())
        for name in ("started", "updated", "oldest", "newest"):
            told[name] = None if told[name] is None else datetime.fromisoformat(told[name])
        return ImportProgress(**told)
    except (OSError, ValueError, TypeError, KeyError):
        return None
