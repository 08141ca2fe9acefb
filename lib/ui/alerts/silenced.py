"""Which alerts are silenced now, and by which silence."""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd

from lib.alerts.silences import Silence, muting
from lib.ui import clock
from lib.ui.alerts import asked


def active() -> tuple[Silence, ...]:
    """The silences that count at this moment."""
    moment = clock.now()
    return tuple(silence for silence in asked.silences() if silence.holds(moment))


def muted(found: pd.DataFrame) -> pd.Series[bool]:
    """Whether each of these alerts is silenced now."""
    return pd.Series([silence is not None for silence in _by(found)], index=found.index, dtype=bool)


def names(found: pd.DataFrame) -> dict[Hashable, str]:
    """By whom and until when those that are silenced are, by their place in the frame."""
    return {
        place: f"by {silence.who} until {clock.stamp(silence.ends_at)}"
        for place, silence in zip(found.index, _by(found), strict=True)
        if silence is not None
    }


def _by(found: pd.DataFrame) -> list[Silence | None]:
    return muting(active(), list(found["labels"]))
