"""A drill: something is really wrong for a while, on purpose, and everybody can watch how it is told. It ends by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from lib.alerts.model import AlertState
from lib.alerts.tables import AlertRow, StoryRow
from lib.collect.cadence import Clock, utc_now
from lib.errors import OpsError, Refused
from lib.identity.roles import Action
from lib.state.audit import Deed
from lib.state.database import State

METRIC, RULE = "halo_ops_drill", "Drill"
"""Our own figure that is 1 during a drill, and the rule that watches it: both are real, so that everything between is."""

SHORTEST, STAY, SETTLE = timedelta(seconds=20), timedelta(seconds=30), timedelta(minutes=12)
LOOK_S = 1.0
SOURCE = "drill"
_log = logging.getLogger(__name__)


class Phase(StrEnum):
    """How far a drill is."""

    ON = "on"  # something is wrong on purpose
    ENDING = "ending"  # it no longer is; its alerts still have to end
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Kind:
    """What goes wrong: `name` "" is our own figure, else a fault of the simulator. `at_most` is when it ends at the latest."""

    name: str
    about: str
    at_most: timedelta


OWN = Kind("", "our own figure halo_ops_drill is 1, which the rule Drill watches", timedelta(minutes=4))


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. Times are None until they come; `why` says why it ended, `problem` what went wrong with the drill itself."""

    kind: Kind
    who: str
    began: datetime
    switched_off: datetime | None = None
    over: datetime | None = None
    why: str = ""
    problem: str = ""

    @property
    def phase(self) -> Phase:
        """How far it is."""
        return Phase.OVER if self.over else Phase.ENDING if self.switched_off else Phase.ON


@dataclass(frozen=True, slots=True)
class Seen:
    """One alert that came up during a drill: when it was pending, fired, was accepted by which channel, and ended."""

    name: str
    severity: str
    scope: str
    pending: datetime
    firing: datetime | None
    delivered: tuple[tuple[str, datetime], ...]
    resolved: datetime | None
    told_end: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the time line: `channel` "" where none is meant."""

    at: datetime
    what: str
    channel: str = ""


Switch = Callable[[bool], None]
"""Switches what goes wrong on and off. Raises OpsError."""


class Range:
    """Where drills take place: one at a time in this process."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._drill: Drill | None = None
        self._stop = threading.Event()

    @property
    def drill(self) -> Drill | None:
        """The drill that is on, or the last one; None: none since the start."""
        return self._drill

    def collect(self) -> Iterable[Metric]:
        """Our own figure: 1 while it is to be wrong, else 0."""
        drill = self._drill
        wrong = drill is not None and not drill.kind.name and drill.phase is Phase.ON
        family = GaugeMetricFamily(METRIC, "1 while a drill of the alerts is on.")
        family.add_metric((), float(wrong))
        yield family

    def deed(self, kind: Kind, who: str, switch: Switch, state: State) -> Deed:
        """What begins a drill, for `lib.state.audit.act`. Raises Refused while one is on."""

        def change(session: Session) -> None:
            drill = self._drill
            if drill is not None and drill.phase is not Phase.OVER:
                raise Refused(f"a drill by {drill.who} is on: one at a time")
            event.listen(session, "after_commit", lambda _: self._begin(kind, who, switch, state), once=True)

        return Deed(Action.DRILL, f"drill: {kind.name or METRIC}", change, {"at_most_s": kind.at_most.total_seconds()})

    def stop_deed(self) -> Deed:
        """What ends a drill early."""
        return Deed(Action.DRILL, "drill ended early", lambda _: self._stop.set())

    def _begin(self, kind: Kind, who: str, switch: Switch, state: State) -> None:
        with self._lock:
            self._stop = threading.Event()
            self._drill = Drill(kind, who, self._clock())
            threading.Thread(target=self._run, args=(switch, state, self._stop), name="drill", daemon=True).start()

    def _run(self, switch: Switch, state: State, stop: threading.Event) -> None:
        try:
            switch(True)
        except OpsError as error:
            now = self._clock()
            self._set(problem=f"it could not be switched on: {error}", switched_off=now, over=now)
            return
        while not (why := self._enough(state, stopped=stop.is_set())):
            stop.wait(LOOK_S)
        self._switch_off(switch, why)
        while not self._settled(state):
            stop.clear()
            stop.wait(LOOK_S)
        self._set(over=self._clock())

    def _switch_off(self, switch: Switch, why: str) -> None:
        """Off it goes, with a few tries: nothing may stay broken after a drill."""
        for _ in range(10):
            try:
                switch(False)
            except OpsError as error:
                self._set(problem=f"it could not be switched off yet: {error}")
                threading.Event().wait(LOOK_S)
            else:
                self._set(problem="", switched_off=self._clock(), why=why)
                return
        self._set(switched_off=self._clock(), why=why)
        _log.error("a drill could not be switched off: %s", self._drill)

    def _enough(self, state: State, *, stopped: bool) -> str:
        """Why it may end; "" while it may not."""
        drill, now = self._drill, self._clock()
        assert drill is not None, "only a drill that began is looked at"
        if stopped:
            return "ended by hand"
        if now - drill.began > drill.kind.at_most or now < drill.began:
            return f"its longest time, {drill.kind.at_most}, was over"
        known = [_known_at(one) for one in self._looked(state)]
        told = [at for at in known if at is not None]
        done = told and len(told) == len(known) and now - max(told) > STAY and now - drill.began > SHORTEST
        return "it was fired and told" if done else ""

    def _settled(self, state: State) -> bool:
        drill = self._drill
        assert drill is not None and drill.switched_off is not None, "only a drill that was switched off is looked at"
        if self._clock() - drill.switched_off > SETTLE:
            return True
        found = self._looked(state)
        ended = all(one.resolved or not one.firing for one in found)
        told = all(len(one.told_end) >= len(one.delivered) for one in found)
        return ended and told and self._clock() - drill.switched_off > timedelta(seconds=2)

    def _looked(self, state: State) -> Sequence[Seen]:
        drill = self._drill
        try:
            return seen(state, drill) if drill else ()
        except OpsError:
            return ()  # looked at again in a moment

    def _set(self, **changes: object) -> None:
        with self._lock:
            if self._drill is not None:
                self._drill = replace(self._drill, **changes)  # type: ignore[arg-type]


RANGE = Range()
"""The one of this process: every viewer sees the same drill."""


def _known_at(one: Seen) -> datetime | None:
    """When everybody knew of it: accepted by the last channel, or, where none is to be told, a while after it fired."""
    if one.firing is None:
        return None
    return max((at for _, at in one.delivered), default=one.firing + STAY)


def _about(drill: Drill, row: AlertRow) -> bool:
    return bool(drill.kind.name) or row.name == RULE


def seen(state: State, drill: Drill) -> list[Seen]:
    """The alerts that came up since the drill began, in the order in which they did. Raises SourceError."""
    with state.reading(SOURCE) as session:
        rows = _rows(session, drill)
        sent = _accepted(session, [row.id for row in rows])
        return [_seen(row, sent.get(row.id, [])) for row in rows]


def _rows(session: Session, drill: Drill) -> list[AlertRow]:
    asked = (
        select(AlertRow).where(AlertRow.active_at >= drill.began).order_by(AlertRow.active_at, AlertRow.id).limit(50)
    )
    return [row for row in session.scalars(asked) if _about(drill, row)]


def _accepted(session: Session, alerts: Sequence[int]) -> dict[int, list[StoryRow]]:
    asked = select(StoryRow).where(StoryRow.alert_id.in_(alerts), StoryRow.kind == "sent").order_by(StoryRow.at)
    found: dict[int, list[StoryRow]] = {}
    for row in session.scalars(asked):
        found.setdefault(row.alert_id, []).append(row)
    return found


def _seen(row: AlertRow, sent: Sequence[StoryRow]) -> Seen:
    first: dict[str, datetime] = {}
    ends: dict[str, datetime] = {}
    for one in sent:
        over = row.resolved_at is not None and one.at >= row.resolved_at
        (ends if over and one.channel in first else first).setdefault(one.channel, one.at)
    scope = ", ".join(f"{n}={v}" for n, v in sorted(row.labels.items()) if n not in ("alertname", "severity"))
    over = row.state == AlertState.RESOLVED
    return Seen(
        row.name, row.severity, scope, row.active_at, row.fired_at, tuple(first.items()), row.resolved_at if over else None,
        tuple(ends.items()),
    )  # fmt: skip


def line_of(state: State, drill: Drill) -> list[Line]:
    """Everything that happened, oldest first: the drill's own steps, and the story of its alerts. Raises SourceError."""
    lines = [Line(drill.began, f"{drill.who} began the drill: {drill.kind.about}")]
    if drill.switched_off:
        lines.append(Line(drill.switched_off, f"switched off: {drill.why or drill.problem}"))
    if drill.over:
        lines.append(Line(drill.over, "the drill is over"))
    with state.reading(SOURCE) as session:
        rows = {row.id: row for row in _rows(session, drill)}
        asked = select(StoryRow).where(StoryRow.alert_id.in_(list(rows))).order_by(StoryRow.at, StoryRow.id).limit(500)
        lines += [
            Line(one.at, f"{rows[one.alert_id].name}: {one.kind}, {one.words}", one.channel)
            for one in session.scalars(asked)
        ]
    return sorted(lines, key=lambda one: one.at)
