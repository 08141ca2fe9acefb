"""What a log store on a cluster tells of its indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `oldest` is its oldest record's time (None: empty), `bytes` with replicas (None: not told).

    `managed` None: whether a lifecycle policy has it is not known, and `unknown` says why; `error` is why its lifecycle
    stands still ("": it does not).
    """

    name: str
    records: float | None = None
    bytes: float | None = None
    oldest: datetime | None = None
    managed: bool | None = None
    phase: str = ""
    policy: str = ""
    error: str = ""
    unknown: str = ""


@runtime_checkable
class Inventoried(Protocol):
    """A store that keeps its records in indices."""

    def inventory(self) -> Sequence[Index]:
        """Each index with what is known of it, by name. Raises SourceError where the cluster does not answer."""
