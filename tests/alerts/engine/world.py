"""An engine over real stores on a clock of the test's own: samples in, rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.alerts.engine.evaluator import Dispatch, Evaluator
from lib.alerts.lease import Lease
from lib.alerts.rules import Rule
from lib.alerts.tables import AlertRow, RuleStateRow, StoryRow
from lib.collect.cadence import phase_s
from lib.metrics.base import Labels
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.state.database import State

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
BACKLOG = Rule("Backlog", "queue_size > 1000", for_s=30, labels={"severity": "warning"}, group="g")


class Inline(Executor):
    """Does everything at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def quiet(_: Session, __: datetime) -> None:
    """A dispatcher with nothing to tell."""


class World:
    """`turn` lets 15 s pass, with these values of series, and has every rule evaluated and kept."""

    def __init__(self, state: State, metrics: DuckMetrics, *rules: Rule, dispatch: Dispatch = quiet) -> None:
        self.state, self.metrics = state, metrics
        self.rules: tuple[Rule, ...] = rules or (BACKLOG,)
        self.now = T0 + timedelta(seconds=phase_s("g", 15), milliseconds=5)  # just after the group's turn
        self.dispatch = dispatch
        self.restart()

    def restart(self, *, lanes: tuple[Executor, Executor] | None = None) -> None:
        """Another process takes over what is kept."""
        self.lease = Lease(self.state, clock=lambda: self.now, monotonic=self._seconds, ttl_s=10)
        self.engine = Evaluator(
            self.state, self.metrics, lambda: self.rules, self.lease, self.dispatch,
            clock=lambda: self.now, lanes=lanes or (Inline(), Inline()),
        )  # fmt: skip

    def _seconds(self) -> float:
        return self.now.timestamp()

    def write(self, *points: tuple[Labels, float]) -> None:
        ts_ms = round(self.now.timestamp() * 1000) - 1000
        self.metrics.append(
            Samples(
                tuple(labels for labels, _ in points),
                np.arange(len(points), dtype=np.int32),
                np.full(len(points), ts_ms, dtype=np.int64),
                np.array([value for _, value in points]),
            )
        )

    def turn(self, *values: float | None, name: str = "queue_size", times: int = 1) -> World:
        for _ in range(times):
            self.now += STEP
            points = [
                ({"__name__": name, "queue_name": chr(97 + place)}, value)
                for place, value in enumerate(values)
                if value is not None
            ]
            if points:
                self.write(*points)
            self.lease.renew()
            self.engine.look()
            self.engine.keep()
        return self

    def alerts(self) -> Sequence[AlertRow]:
        with self.state.reading() as session:
            rows = session.scalars(select(AlertRow).order_by(AlertRow.id)).all()
            session.expunge_all()
        return rows

    def stories(self) -> list[str]:
        with self.state.reading() as session:
            return list(session.scalars(select(StoryRow.kind).order_by(StoryRow.id)))

    def rule_rows(self) -> Sequence[RuleStateRow]:
        with self.state.reading() as session:
            rows = session.scalars(select(RuleStateRow).order_by(RuleStateRow.rule)).all()
            session.expunge_all()
        return rows


@contextmanager
def world(folder: Path, state: State, *rules: Rule, dispatch: Dispatch = quiet) -> Iterator[World]:
    """A world whose metrics lie in `folder`."""
    metrics = DuckMetrics(folder / "metrics.duckdb")
    try:
        yield World(state, metrics, *rules, dispatch=dispatch)
    finally:
        metrics.close()
