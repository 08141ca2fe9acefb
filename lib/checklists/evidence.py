"""What the stores say about an item, for the person who looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lib.checklists.model import Evidence, Previous, Verdict
from lib.settings import Settings
from lib.state.database import State
from lib.status import WorkerStatus
from lib.stores import Stores
from lib.window import Window


@dataclass(frozen=True, slots=True)
class Around:
    """What an evidence may look at besides the stores."""

    settings: Settings | None = None
    state: State | None = None
    status: WorkerStatus | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def collect(
    key: str, stores: Stores, run_window: Window, previous: Previous | None, limits: Mapping[str, float],
    *, around: Around | None = None,
) -> Evidence:  # fmt: skip
    """The evidence named `key` (a key of `evidence_keys`) over the run's period; `limits` override its usual parameters.

    Never raises for a source that is down: that is no data, with the reason.
    """
    return Evidence("", None, "", "", Verdict.NO_DATA, "nothing is collected for this yet")
