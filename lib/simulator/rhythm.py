"""How busy the simulated company is: a working day in Europe and America, and a quiet weekend."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DAY_S = 86_400
_HOURLY = np.array(
    [0.58, 0.55, 0.53, 0.53, 0.55, 0.60, 0.68, 0.78, 0.88, 0.95, 0.98, 0.97,
     0.94, 0.97, 1.00, 1.00, 0.98, 0.94, 0.88, 0.82, 0.76, 0.70, 0.65, 0.61, 0.58]
)  # fmt: skip
_WEEKDAY = np.array([0.96, 1.0, 1.0, 0.98, 0.94, 0.68, 0.63])
_THURSDAY = 3  # the epoch began on one


def busyness(epoch_s: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The share (0–1] of the busiest hour's load at these moments (seconds since the epoch, UTC)."""
    moments = np.asarray(epoch_s, dtype=np.float64)
    hour = np.interp(moments % DAY_S / 3600, np.arange(25), _HOURLY)
    weekday = _WEEKDAY[(moments // DAY_S + _THURSDAY).astype(np.int64) % 7]
    return np.asarray(hour * weekday, dtype=np.float64)


def busyness_now(epoch_s: float) -> float:
    """The same for one moment."""
    return float(busyness(np.array([epoch_s]))[0])
