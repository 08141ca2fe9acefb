"""Six line charts of five series and three hundred points, which differ at every drawing."""

import time

import numpy as np
import pandas as pd

from lib.ui.charts import base
from lib.window import Window

COUNT, SERIES = 6, 5


def figures(window: Window) -> list[base.Figure]:
    index = pd.date_range(window.start, window.end, periods=301, inclusive="left").as_unit("ms")[:300]
    index = pd.date_range(index[0], periods=300, freq=window.length / 300)
    wave = np.arange(300) / 20 + time.time() % 100
    frames = [
        pd.DataFrame({f"series {s}": 50 + 20 * np.sin(wave + s + c) for s in range(SERIES)}, index=index)
        for c in range(COUNT)
    ]
    return [base.threshold(base.lines(frame, window, unit="ms"), 65, "p95 > 65 ms") for frame in frames]
