"""What the Errors page and the Performance page ask of the log store."""

from __future__ import annotations

from lib.logs.base import LogQuery, Match
from lib.logs.duckdb import DuckLogs
from lib.window import Window
from tests.bench.bare_count import Questions

ERRORS = (Match("level", ("error",)),)


def errors_page(logs: DuckLogs, window: Window) -> Questions:
    """Its questions over the window, by name."""
    step, every, errors = window.step(), LogQuery(window), LogQuery(window, ERRORS)
    return {
        "trend by level": lambda: logs.totals(every, by=["level"], step=step),
        "errors now": lambda: logs.totals(errors),
        "errors before": lambda: logs.totals(LogQuery(window.previous(), ERRORS)),
        "errors by route": lambda: logs.totals(errors, by=["route", "operation"]),
        "error patterns": lambda: logs.patterns(errors),
        "newest errors": lambda: logs.search(errors, limit=50),
    }


def performance_page(logs: DuckLogs, window: Window) -> Questions:
    """Its questions over the window, by name."""
    step, every = window.step(), LogQuery(window)
    return {
        "latency": lambda: logs.durations(every),
        "latency over time": lambda: logs.durations(every, step=step),
        "slowest routes": lambda: logs.durations(every, by=["method", "route"]),
        "distribution": lambda: logs.duration_histogram(every, [0, 100, 500, 1000, 5000]),
    }
