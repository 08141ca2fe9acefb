"""Evaluates every rule when it is due, keeps what changed, and lets notices be decided in the same transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lib.alerts.engine.asking import Asker, plan
from lib.alerts.engine.keeping import Batch, Book, RuleFigures, Told, rule_key
from lib.alerts.engine.schedule import INTERVAL_S, Turnus
from lib.alerts.engine.state import Change, Episode, RuleState
from lib.alerts.engine.step import Answer, restored, step
from lib.alerts.lease import Lease, LeaseLost
from lib.alerts.model import AlertState
from lib.alerts.rules import Rule
from lib.collect.cadence import Clock, utc_now
from lib.errors import SourceUnavailable
from lib.failpoints import reach
from lib.metrics.base import MetricStore
from lib.state.database import State
from lib.status import AlertingStatus

AT_ONCE = 4
"""Rules that are asked at the same time."""

SLOW_S = 1.0
"""A rule that took longer the last time is asked on a lane of its own kind, so that the others need not wait for it."""

WAIT_S = 0.2
KEEP_EVERY = timedelta(seconds=5)
"""Figures that only grow older are written this often; a change of state at once."""

MOST_NEWER = 500
"""Open alerts whose value is renewed in one transaction; the others have their turn in the next."""

MOST_WAITING = 100_000
REMOVED = "the rule was removed or its labels changed"
Dispatch = Callable[[Session, datetime], object]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """A rule that is evaluated."""

    rule: Rule
    turnus: Turnus
    state: RuleState
    took_ms: float = 0.0
    under_way: Future[tuple[Answer, float]] | None = None
    at: datetime | None = None
    fresh: bool = True  # the gap since its last evaluation is not known to be short


class Evaluator:
    """`look` evaluates what is due, `keep` writes it; each is called again and again, by one thread each.

    Only while the lease is held. While the state does not answer, evaluation goes on in memory and nothing is lost that
    still matters when it answers again. `dispatch` is called inside every writing transaction, after the alerts' rows.
    """

    def __init__(
        self,
        state: State,
        metrics: MetricStore,
        rules: Callable[[], tuple[Rule, ...]],
        lease: Lease,
        dispatch: Dispatch,
        *,
        interval_s: float = INTERVAL_S,
        clock: Clock = utc_now,
        lanes: tuple[Executor, Executor] | None = None,
    ) -> None:
        self._database = state
        self._asker = Asker(metrics)
        self._rules = rules
        self._lease = lease
        self._dispatch = dispatch
        self._interval_s = interval_s
        self._clock = clock
        self._lanes = lanes or (
            ThreadPoolExecutor(AT_ONCE, "rules"),
            ThreadPoolExecutor(AT_ONCE, "slow rules"),
        )
        self._lock = threading.Lock()
        self._book = Book()
        self._entries: dict[str, _Entry] = {}
        self._known: tuple[Rule, ...] | None = None
        self._token = 0
        self._waiting: list[Told] = []
        self._newer: dict[str, tuple[Rule, Episode]] = {}
        self._dirty: set[str] = set()
        self._gone: list[str] = []
        self._kept_at: datetime | None = None
        self._number = 0
        self._tried: tuple[int, list[str]] = (0, [])
        self._status = AlertingStatus()

    def status(self) -> AlertingStatus:
        """How evaluation stands; safe from any thread."""
        return replace(self._status, holder=self._lease.told_holder, evaluating=self._lease.held)

    def states(self) -> Mapping[str, tuple[Rule, RuleState]]:
        """Every rule with its state as it is in memory, by key."""
        with self._lock:
            return {key: (entry.rule, entry.state) for key, entry in self._entries.items()}

    def look(self) -> None:
        """Begins what is due, waits a moment, and takes in what is done. Raises SourceUnavailable where the kept state
        cannot be read at the start."""
        if not self._lease.held:
            return
        if self._lease.token != self._token:
            self._begin()
        if (rules := self._rules()) is not self._known:
            self._take_rules(rules)
        now = self._clock()
        for entry in self._entries.values():
            self._start(entry, now)
        asked = [entry.under_way for entry in self._entries.values() if entry.under_way is not None]
        wait(asked, timeout=WAIT_S)
        done = [(key, entry) for key, entry in self._entries.items() if entry.under_way and entry.under_way.done()]
        with self._lock:
            for key, entry in done:
                self._take(key, entry)
        self._tell(now)

    def keep(self) -> None:
        """Writes what changed, if anything did or it is time, and lets notices be decided. Raises SourceUnavailable."""
        if not self._lease.held or self._lease.token != self._token:
            return
        now = self._clock()
        due = self._kept_at is None or not timedelta(0) <= now - self._kept_at < KEEP_EVERY
        if not due and not self._waiting:
            return
        with self._lock:
            batch, told, gone = self._batch()
        try:
            with self._database.writing() as session:
                new = self._lease.first_time(session, self._number + 1)
                reach("alerts-begun")
                if new:
                    self._book.write(session, batch)
                    self._tried = (told, gone)
                    self._book.forget_rules(session, gone)
                    reach("alerts-written")
                    self._dispatch(session, now)
                    reach("alerts-dispatched")
        except LeaseLost:
            self._token = 0
            self._lease.lose()
            raise
        except SourceUnavailable as error:
            self._not_kept(batch, str(error), now)
            raise
        reach("alerts-committed")
        self._book.accept()
        self._number += 1
        with self._lock:
            told, gone = self._tried  # where it was there already: what was tried then
            del self._waiting[:told]
            del self._gone[: len(gone)]
            if not new:
                self._dirty |= set(batch.rules)
        self._kept_at = now if new else None
        self._status = replace(self._status, not_kept_since=None, not_kept_why="", waiting=len(self._waiting))

    def close(self) -> None:
        """Lets the threads go; what is under way in a store is not waited for."""
        for lane in self._lanes:
            lane.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        """Takes over what is kept: this process has become the one that evaluates."""
        with self._database.reading() as session:
            token = self._lease.token
            kept = self._book.load(session)
        with self._lock:
            self._entries = {}
            self._waiting, self._newer, self._dirty, self._gone = [], {}, set(), []
            self._known, self._kept_at, self._token, self._number = None, None, token, 0
        self._take_rules(self._rules(), kept)

    def _take_rules(self, rules: tuple[Rule, ...], kept: Mapping[str, RuleState] | None = None) -> None:
        """Goes on with these rules: a known one keeps its state, the alerts of one that is gone end."""
        kept = kept or {}
        with self._lock:
            before = self._entries
            self._entries = {}
            for rule in rules:
                key = rule_key(rule)
                entry = before.pop(key, None)
                if entry is None:
                    entry = _Entry(rule, Turnus.of(rule, self._interval_s), kept.get(key, RuleState()))
                elif rule != entry.rule:
                    turnus = Turnus.of(rule, self._interval_s)
                    if (turnus.interval_s, turnus.offset_s) != (entry.turnus.interval_s, entry.turnus.offset_s):
                        entry.turnus = turnus
                    entry.state = _rewritten(entry, rule)
                    entry.rule, entry.under_way = rule, None
                self._entries[key] = entry
            gone = {key: entry.state for key, entry in before.items()}
            gone |= {key: state for key, state in kept.items() if key not in self._entries}
            for key, state in gone.items():
                self._end(key, state)
            self._known = rules

    def _end(self, key: str, state: RuleState) -> None:
        """Ends every alert of a rule that is no more."""
        now = self._clock()
        self._gone.append(key)
        self._dirty.discard(key)
        for episode in (*state.open.values(), *state.troubles.values()):
            pending = episode.state is AlertState.PENDING
            after = episode if pending else episode.ended(now, REMOVED)
            change = Change(now, "dropped" if pending else "resolved", after, REMOVED)
            self._waiting.append(Told(key, Rule(key, ""), change))

    def _start(self, entry: _Entry, now: datetime) -> None:
        if entry.under_way is not None:
            entry.turnus.missed(now)
            return
        at = entry.turnus.due(now)
        if at is None:
            return
        lane = self._lanes[entry.took_ms > SLOW_S * 1000]
        entry.at = at
        entry.under_way = lane.submit(self._ask, entry.rule, at, entry.state.ever_seen)

    def _ask(self, rule: Rule, at: datetime, ever_seen: bool) -> tuple[Answer, float]:
        began = time.perf_counter()
        try:
            answer = self._asker.ask(rule, at, ever_seen=ever_seen)
        except Exception as error:  # noqa: BLE001 - one rule's mistake must not stop the others
            _log.exception("rule %s cannot be evaluated", rule.name)
            answer = Answer(error=f"{type(error).__name__}: {error}")
        return answer, (time.perf_counter() - began) * 1000

    def _take(self, key: str, entry: _Entry) -> None:
        assert entry.under_way is not None and entry.at is not None, "only what is done is taken"
        answer, entry.took_ms = entry.under_way.result()
        entry.under_way = None
        state = self._resumed(entry, entry.at)
        turn = step(entry.rule, state, answer, entry.at)
        entry.state = turn.state
        self._dirty.add(key)
        self._waiting += [Told(key, entry.rule, change) for change in turn.changes]
        for episode in (*turn.state.open.values(), *turn.state.troubles.values()):
            if episode.last_seen == entry.at:
                self._newer[episode.fingerprint] = (entry.rule, episode)
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[: len(self._waiting) - MOST_WAITING]

    def _resumed(self, entry: _Entry, at: datetime) -> RuleState:
        """The state across a gap: a restart, a machine that slept, a clock that was put forward."""
        last, long = entry.state.last_eval, timedelta(seconds=max(10 * entry.turnus.interval_s, 150))
        gap = last is not None and (at - last > long or (entry.fresh and at > last))
        entry.fresh = False
        if not gap or last is None:
            return entry.state
        usual = timedelta(seconds=entry.turnus.interval_s)
        state = replace(entry.state, last_eval=min(last + usual, at))  # one interval is no gap
        return restored(state, at)

    def _batch(self) -> tuple[Batch, int, list[str]]:
        told = list(self._waiting)
        newer = [self._newer.pop(mark) for mark in list(self._newer)[:MOST_NEWER]]
        figures = {}
        for key in self._dirty:
            entry = self._entries.get(key)
            if entry is not None:
                figures[key] = RuleFigures(entry.rule.name, entry.state, entry.took_ms, entry.turnus.skipped)
        self._dirty = set()
        return Batch(told, newer, figures), len(told), list(self._gone)

    def _not_kept(self, batch: Batch, why: str, now: datetime) -> None:
        with self._lock:
            self._dirty |= set(batch.rules)
        since = self._status.not_kept_since or now
        self._status = replace(self._status, not_kept_since=since, not_kept_why=why, waiting=len(self._waiting))

    def _tell(self, now: datetime) -> None:
        entries = list(self._entries.values())
        evaluated = [entry.state.last_eval for entry in entries if entry.state.last_eval is not None]
        self._status = replace(
            self._status,
            rules=len(entries),
            last_eval=max(evaluated, default=None),
            skipped=sum(entry.turnus.skipped for entry in entries),
            unwell={entry.rule.name: entry.state.reason for entry in entries if entry.state.reason},
            pending=_count(entries, AlertState.PENDING),
            firing=_count(entries, AlertState.FIRING),
        )


def _rewritten(entry: _Entry, rule: Rule) -> RuleState:
    """The state under another text: that its metrics were seen says nothing about others that it asks for now.

    Not while an alert is open: without a word of data that one has to be kept, and NoData to be told.
    """
    before, after = (frozenset(plan(one.expression).metrics) for one in (entry.rule, rule))
    if entry.state.open or after <= before:
        return entry.state
    return replace(entry.state, ever_seen=False)


def _count(entries: list[_Entry], state: AlertState) -> int:
    return sum(episode.state is state for entry in entries for episode in entry.state.open.values())
