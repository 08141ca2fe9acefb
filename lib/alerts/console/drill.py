"""A drill: something is really wrong for a while, on purpose, and everybody can watch how it is told. It ends by itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import event
from sqlalchemy.orm import Session

from lib.alerts import drills
from lib.alerts.console.drill_view import SOURCE, Seen, seen
from lib.alerts.drills import Drill, Kind, Phase
from lib.collect.cadence import Clock, utc_now
from lib.errors import OpsError
from lib.identity.roles import Action
from lib.state.audit import Deed
from lib.state.database import State

METRIC = "halo_ops_drill"
"""Our own figure that is 1 during a drill. The rule that watches it is real, so that everything between is."""

SHORTEST, STAY, SETTLE = timedelta(seconds=20), timedelta(seconds=30), timedelta(minutes=12)
LOOK_S, SAY_S = 1.0, 1.0
LEFT_S = 5.0
"""A drill of which nothing was heard for so long has lost its process: whoever sees that goes on with it."""

OWN = Kind("", f"our own figure {METRIC} is 1, which the rule {drills.RULE} watches", timedelta(minutes=4))
_log = logging.getLogger(__name__)

Switch = Callable[[bool], None]
"""Switches what goes wrong on and off. Raises OpsError."""


class Range:
    """Where drills take place: one at a time, in one of the processes; it outlives that process."""

    def __init__(self, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._lock = threading.Lock()
        self._drill: Drill | None = None
        self._number = 0
        self._runs = False
        self._seen: tuple[int, int] | None = None
        self._seen_since = 0.0
        self._elsewhere = False

    @property
    def drill(self) -> Drill | None:
        """The drill that is on, or the last one; None: there never was one."""
        return self._drill

    def collect(self) -> Iterable[Metric]:
        """Our own figure: 1 while it is to be wrong, else 0. After a restart as well, until the drill is gone on with."""
        drill = self._drill
        wrong = drill is not None and not drill.kind.name and drill.phase is Phase.ON and not self._elsewhere
        family = GaugeMetricFamily(METRIC, "1 while a drill of the alerts is on.")
        family.add_metric((), float(wrong))
        yield family

    def deed(self, kind: Kind, who: str, switch: Switch, state: State) -> Deed:
        """What begins a drill, for `lib.state.audit.act`. Raises Refused while one is on."""

        def change(session: Session) -> None:
            drill = Drill(kind, who, self._clock())
            number = drills.begin(session, drill)
            event.listen(session, "after_commit", lambda _: self._start(number, drill, switch, state), once=True)

        return Deed(Action.DRILL, f"drill: {kind.name or METRIC}", change, {"at_most_s": kind.at_most.total_seconds()})

    def stop_deed(self) -> Deed:
        """What ends a drill early."""
        return Deed(Action.DRILL, "drill ended early", drills.stop)

    def follow(self, state: State, switch_of: Callable[[Kind], Switch]) -> None:
        """Once a second: which drill is on, and goes on with one that its process has left. Raises SourceUnavailable."""
        with state.reading(SOURCE) as session:
            kept = drills.newest(session)
        with self._lock:
            if self._runs or kept is None or not self._left(kept):
                return
        with state.writing(SOURCE) as session:
            mine = drills.adopt(session, kept)
        if mine:
            self._start(kept.id, kept.drill, switch_of(kept.drill.kind), state)

    def _left(self, kept: drills.Kept) -> bool:
        """Whether nobody runs it any more: its row stands still, by our own monotonic clock."""
        self._drill = kept.drill
        now, mark = self._monotonic(), (kept.id, kept.looks)
        if kept.drill.phase is Phase.OVER:
            self._seen = None
            return False
        if mark != self._seen:
            self._elsewhere = self._seen is not None and self._seen[0] == kept.id
            self._seen, self._seen_since = mark, now
        return now - self._seen_since >= LEFT_S

    def _start(self, number: int, drill: Drill, switch: Switch, state: State) -> None:
        with self._lock:
            self._number, self._drill, self._runs, self._elsewhere = number, drill, True, False
        threading.Thread(target=self._run, args=(switch, state), name="drill", daemon=True).start()

    def _run(self, switch: Switch, state: State) -> None:
        try:
            self._go(switch, state)
        finally:
            with self._lock:
                self._runs, self._seen = False, None

    def _go(self, switch: Switch, state: State) -> None:
        stop, said = threading.Event(), self._monotonic()

        def wait() -> None:
            nonlocal said
            stop.wait(LOOK_S) if not stop.is_set() else time.sleep(LOOK_S)
            if self._monotonic() - said < SAY_S:
                return
            said = self._monotonic()
            with suppress(OpsError), state.writing(SOURCE) as session:
                if drills.look(session, self._number):
                    stop.set()

        if self._phase is Phase.ON and not self._enough(state, stopped=False):
            try:
                switch(True)
            except OpsError as error:
                now = self._clock()
                self._end(state, problem=f"it could not be switched on: {error}", switched_off=now, over=now)
                return
        if self._phase is Phase.ON:
            while not (why := self._enough(state, stopped=stop.is_set())):
                wait()
            self._switch_off(switch, why, state)
        while not self._settled(state):
            wait()
        self._end(state, over=self._clock())

    @property
    def _phase(self) -> Phase:
        return self._drill.phase if self._drill is not None else Phase.OVER

    def _switch_off(self, switch: Switch, why: str, state: State) -> None:
        """Off it goes, with a few tries: nothing may stay broken after a drill."""
        for _ in range(10):
            try:
                switch(False)
            except OpsError as error:
                self._set(state, problem=f"it could not be switched off yet: {error}")
                time.sleep(LOOK_S)
            else:
                self._set(state, problem="", switched_off=self._clock(), why=why)
                return
        self._set(state, switched_off=self._clock(), why=why)
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

    def _set(self, state: State, **changes: object) -> bool:
        """Whether it is kept, too; the next change keeps all of it again."""
        with self._lock:
            assert self._drill is not None, "only a drill that began changes"
            self._drill = drill = replace(self._drill, **changes)  # type: ignore[arg-type]
        try:
            with state.writing(SOURCE) as session:
                drills.keep(session, self._number, drill)
        except OpsError:
            return False
        return True

    def _end(self, state: State, **changes: object) -> None:
        """What was kept as on would be gone on with after the next start."""
        while not self._set(state, **changes):
            time.sleep(LOOK_S)


RANGE = Range()
"""The one of this process: every viewer sees the same drill."""


def _known_at(one: Seen) -> datetime | None:
    """When everybody knew of it: accepted by the last channel, or, where none is to be told, a while after it fired."""
    if one.firing is None:
        return None
    return max((at for _, at in one.delivered), default=one.firing + STAY)
