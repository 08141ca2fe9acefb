"""What the stores say about an item, for the person who looks at it."""

from __future__ import annotations

from collections.abc import Mapping

from lib.checklists.model import Evidence, Previous, Verdict
from lib.stores import Stores
from lib.window import Window


def collect(
    key: str, stores: Stores, run_window: Window, previous: Previous | None, limits: Mapping[str, float]
) -> Evidence:
    """The evidence named `key` (a key of `evidence_keys`) over the run's period; `limits` override its usual parameters.

    Never raises for a source that is down: that is no data, with the reason.
    """
    return Evidence("", None, "", "", Verdict.NO_DATA, "nothing is collected for this yet")
