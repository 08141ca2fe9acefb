"""What the engine knows, as rows: written with the transaction that also decides about notices, and read at a start."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from lib.alerts.engine.state import Change, Episode, Health, RuleState
from lib.alerts.model import AlertState, Origin, fingerprint
from lib.alerts.rules import Rule
from lib.alerts.tables import AlertRow, DrillRow, RuleStateRow, StoryRow

MOST_CHARS = 255
TAKEN = "prometheus:"
STORIES = frozenset({"pending", "firing", "dropped", "resolved", "kept", "recurred", "ok", "error", "no-data"})
_ABOUT_RULES = frozenset(health.value for health in Health)
_OPEN = (AlertState.PENDING.value, AlertState.FIRING.value)


class Told(NamedTuple):
    """A change of a rule's state that is not written yet. `rule` has the key `key`."""

    key: str
    rule: Rule
    change: Change


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written at once: changes in their order, open alerts with a newer value, rules by key with their figures."""

    told: Sequence[Told] = ()
    newer: Sequence[tuple[Rule, Episode]] = ()
    rules: Mapping[str, RuleFigures] = field(default_factory=dict)


class RuleFigures(NamedTuple):
    """A rule as its row has it."""

    name: str
    state: RuleState
    took_ms: float
    skipped: int


def rule_key(rule: Rule) -> str:
    """The key of a rule's row: its group, its name, and a digest of its labels."""
    digest = fingerprint(rule.labels)[:8]
    return f"{rule.group[:120]}/{rule.name[:120]}/{digest}"


def taken_key(rule: Rule) -> str:
    """The key of a rule that a Prometheus evaluates."""
    return f"{TAKEN}{rule_key(rule)}"[:MOST_CHARS]


def is_taken(key: str) -> bool:
    """Whether a rule's key says that a Prometheus evaluates it."""
    return key.startswith(TAKEN)


@dataclass(slots=True)
class _Work:
    """One episode on its way into the table. `row` 0: not there yet."""

    key: str
    rule: Rule
    episode: Episode
    row: int = 0
    dropped: bool = False


class Book:
    """Writes batches. Remembers which row an open alert has and which rules have one; only `accept` makes that so.

    `origin` is who evaluates: only its alerts and rules are read and written.
    """

    def __init__(self, origin: Origin = Origin.ENGINE) -> None:
        self._origin = origin
        self._open: dict[str, int] = {}
        self._rules: set[str] = set()
        self._next: tuple[dict[str, int], set[str]] = ({}, set())

    @property
    def _taken(self) -> bool:
        return self._origin is Origin.PROMETHEUS

    def write(self, session: Session, batch: Batch) -> None:
        """All rows of the batch, flushed, so that whoever asks in this transaction sees them. `accept` when it is committed."""
        opened = dict(self._open)
        works = self._works(batch.told, opened)
        self._drop(session, works)
        self._add(session, works)
        self._change(session, works)
        for work in works:
            if work.episode.state is not AlertState.RESOLVED and not work.dropped:
                opened[work.episode.fingerprint] = work.row
        self._refresh(session, batch.newer, opened)
        self._stories(session, batch.told, works, opened)
        self._rule_rows(session, batch.rules)
        self._next = (opened, self._rules | set(batch.rules))

    def accept(self) -> None:
        """What was written last is committed."""
        self._open, self._rules = self._next

    @staticmethod
    def _works(told: Sequence[Told], opened: dict[str, int]) -> list[_Work]:
        """One work per episode, with its newest state; what began and ended unseen is left out."""
        current: dict[str, _Work] = {}
        works: list[_Work] = []
        for key, rule, change in told:
            episode = change.episode
            if episode is None or change.kind in _ABOUT_RULES:
                continue
            work = current.get(episode.fingerprint)
            if work is None:
                work = _Work(key, rule, episode, opened.pop(episode.fingerprint, 0))
                current[episode.fingerprint] = work
                works.append(work)
            work.episode, work.dropped = episode, change.kind == "dropped"
            if work.dropped or episode.state is AlertState.RESOLVED:
                del current[episode.fingerprint]
        return [work for work in works if work.row or not work.dropped]

    @staticmethod
    def _drop(session: Session, works: Iterable[_Work]) -> None:
        gone = [work.row for work in works if work.dropped]
        for start in range(0, len(gone), 500):
            session.execute(delete(AlertRow).where(AlertRow.id.in_(gone[start : start + 500])))

    def _add(self, session: Session, works: Iterable[_Work]) -> None:
        new = [work for work in works if not work.row and not work.dropped]
        if not new:
            return
        fixed = {"origin": self._origin.value, "repeats": 0, "acked_by": "", "ack_note": "", "noise": ""}
        rows = [{**fixed, **_identity(work), **_values(work.rule, work.episode)} for work in new]
        ids = session.scalars(insert(AlertRow).returning(AlertRow.id, sort_by_parameter_order=True), rows)
        for work, row in zip(new, ids, strict=True):
            work.row = row

    @staticmethod
    def _change(session: Session, works: Iterable[_Work]) -> None:
        rows = [{"id": w.row, "rule": w.key, **_values(w.rule, w.episode)} for w in works if w.row and not w.dropped]
        if rows:
            session.execute(update(AlertRow), rows)

    @staticmethod
    def _refresh(session: Session, newer: Sequence[tuple[Rule, Episode]], opened: Mapping[str, int]) -> None:
        rows = [
            {"id": opened[episode.fingerprint], **_values(rule, episode)}
            for rule, episode in newer
            if episode.fingerprint in opened
        ]
        if rows:
            session.execute(update(AlertRow), rows)

    @staticmethod
    def _stories(session: Session, told: Sequence[Told], works: Iterable[_Work], opened: Mapping[str, int]) -> None:
        ids = {work.episode.fingerprint: work.row for work in works} | dict(opened)
        rows = [
            {
                "at": change.at, "fingerprint": change.episode.fingerprint, "channel": "", "kind": change.kind,
                "alert_id": ids.get(change.episode.fingerprint, 0), "words": _words(change)[:2000],
            }
            for _, _, change in told
            if change.episode is not None and change.kind in STORIES
        ]  # fmt: skip
        if rows:
            session.execute(insert(StoryRow), rows)

    def _rule_rows(self, session: Session, rules: Mapping[str, RuleFigures]) -> None:
        rows = [_rule_row(key, figures) for key, figures in rules.items()]
        new = [row for row in rows if row["rule"] not in self._rules]
        if new:
            session.execute(insert(RuleStateRow), new)
        if known := [row for row in rows if row["rule"] in self._rules]:
            session.execute(update(RuleStateRow), known)

    def load(self, session: Session) -> dict[str, RuleState]:
        """Every kept rule with its open alerts, by key. A rule that has only alerts is there too."""
        rules = session.scalars(select(RuleStateRow))
        states = {row.rule: _rule_state(row) for row in rules if is_taken(row.rule) == self._taken}
        self._rules = set(states)
        query = select(AlertRow).where(AlertRow.origin == self._origin.value, AlertRow.state.in_(_OPEN))
        self._open = {}
        for row in session.scalars(query):
            self._open[row.fingerprint] = row.id
            states[row.rule] = _with(states.get(row.rule, RuleState(last_eval=row.last_seen)), _episode(row))
        self._next = (self._open, self._rules)
        return states

    @staticmethod
    def lose_rules(session: Session, why: str, now: datetime) -> None:
        """Every rule that a Prometheus evaluates has an error, for this reason; when it was evaluated stays."""
        taken = RuleStateRow.rule.startswith(TAKEN, autoescape=True)
        fell = taken & (RuleStateRow.health != Health.ERROR.value)
        session.execute(update(RuleStateRow).where(fell).values(health_since=now))
        session.execute(update(RuleStateRow).where(taken).values(health=Health.ERROR.value, reason=why[:2000]))

    @staticmethod
    def forget_rules(session: Session, keys: Iterable[str]) -> None:
        """Drops the rows of rules that are no more."""
        session.execute(delete(RuleStateRow).where(RuleStateRow.rule.in_(list(keys))))


def _words(change: Change) -> str:
    """A pending alert that is dropped leaves only this line: it says which alert that was."""
    if change.kind != "dropped" or change.episode is None:
        return change.words
    labels = {name: text for name, text in change.episode.labels.items() if name != "alertname"}
    scope = ", ".join(f"{name}={text}" for name, text in sorted(labels.items()))
    return f"{change.words}, so it ended before it fired: {change.episode.labels.get('alertname', '')} {{{scope}}}"


def _identity(work: _Work) -> dict[str, Any]:
    labels = work.episode.labels
    return {
        "fingerprint": work.episode.fingerprint, "rule": work.key, "name": labels.get("alertname", "")[:MOST_CHARS],
        "severity": labels.get("severity", "")[:64], "labels": dict(labels),
    }  # fmt: skip


def _values(rule: Rule, episode: Episode) -> dict[str, Any]:
    value = episode.value
    return {
        "annotations": dict(episode.told(rule)), "state": episode.state.value, "active_at": episode.active_at,
        "value": value if value is None or math.isfinite(value) else None, "fired_at": episode.fired_at,
        "keep_since": episode.keep_since, "resolved_at": episode.resolved_at, "resolved_why": episode.resolved_why,
        "last_seen": episode.last_seen or episode.active_at, "missed": episode.missed,
        "unobserved_s": episode.unobserved.total_seconds(),
    }  # fmt: skip


def _rule_row(key: str, figures: RuleFigures) -> dict[str, Any]:
    state = figures.state
    assert state.last_eval is not None, "only a rule that was evaluated is written"
    return {
        "rule": key, "name": figures.name[:MOST_CHARS], "health": state.health.value,
        "health_since": state.health_since or state.last_eval, "reason": state.reason[:2000],
        "ever_seen": state.ever_seen, "last_eval": state.last_eval, "took_ms": figures.took_ms,
        "skipped": figures.skipped,
    }  # fmt: skip


def _rule_state(row: RuleStateRow) -> RuleState:
    return RuleState(
        health=Health(row.health), health_since=row.health_since, reason=row.reason, ever_seen=row.ever_seen,
        last_eval=row.last_eval,
    )  # fmt: skip


def _with(state: RuleState, episode: Episode) -> RuleState:
    if is_trouble(episode):
        return replace(state, troubles={**state.troubles, episode.labels["alertname"]: episode})
    return replace(state, open={**state.open, episode.fingerprint: episode})


def is_trouble(episode: Episode) -> bool:
    """Whether this is an alert about a rule itself."""
    return episode.labels.get("alertname") in ("NoData", "RuleError", "RuleLimit") and "rule" in episode.labels


def _episode(row: AlertRow) -> Episode:
    return Episode(
        row.fingerprint, row.labels, AlertState(row.state), row.active_at, row.value, None, row.fired_at, row.keep_since,
        row.resolved_at, row.resolved_why, row.last_seen, row.missed, timedelta(seconds=row.unobserved_s), row.annotations,
    )  # fmt: skip


def drop_old_alerts(session: Session, before: datetime) -> int:
    """Drops alerts that were resolved before, and drills that were over; how many alerts."""
    session.execute(delete(DrillRow).where(DrillRow.over < before))
    old = (AlertRow.state == AlertState.RESOLVED.value, AlertRow.resolved_at < before)
    return _count(session.execute(delete(AlertRow).where(*old)))


def _count(result: Any) -> int:
    return int(result.rowcount)
