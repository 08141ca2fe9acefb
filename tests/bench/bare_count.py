"""The unit that questions to the log store are measured in: one bare count of all its rows, asked in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from lib.logs.duckdb import DuckLogs
from tests.bench.log_week import END, LENGTH

Questions = dict[str, Callable[[], object]]

BARE = (
    "SELECT time_bucket(INTERVAL 5 minutes, ts) AS bucket, level, count(*) FROM records "
    "WHERE ts >= ? AND ts < ? GROUP BY ALL"
)


def bare_count(logs: DuckLogs) -> Questions:
    """The count by five minutes and level, over the raw rows of the week, under the name "bare"."""
    ends = [(END - LENGTH).replace(tzinfo=None), END.replace(tzinfo=None)]
    return {"bare": lambda: logs._db.columns(BARE, ends)}


def interleaved(
    questions: Questions, rounds: int, of: Callable[[list[float]], float] = statistics.median
) -> dict[str, float]:
    """Each question's median time (or what `of` makes of all) in seconds, asked in turn: what slows one down slows all."""
    took: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(rounds):
        for name, ask in questions.items():
            started = time.perf_counter()
            ask()
            took[name].append(time.perf_counter() - started)
    return {name: of(times) for name, times in took.items()}
