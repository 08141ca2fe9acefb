"""Which alerts are silenced now, and by which silence."""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd


def muted(found: pd.DataFrame) -> pd.Series[bool]:
    """Whether each of these alerts is silenced now."""
    return pd.Series(data=False, index=found.index, dtype=bool)


def names(found: pd.DataFrame) -> dict[Hashable, str]:
    """By whom and until when those that are silenced are, by their place in the frame."""
    return {}
