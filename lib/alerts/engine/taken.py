"""Rules and alerts of a Prometheus that evaluates already: taken from its API, kept and notified like our own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy.orm import Session

from lib.alerts.engine.evaluator import Dispatch
from lib.alerts.engine.keeping import Batch, Book, RuleFigures, Told, taken_key
from lib.alerts.engine.state import Change, Episode, Health, RuleState
from lib.alerts.lease import Lease
from lib.alerts.model import AlertState, Origin, fingerprint
from lib.alerts.rules import Rule
from lib.collect.cadence import Clock, utc_now
from lib.errors import SourceError, SourceRejected
from lib.metrics.prometheus_refusal import NAME
from lib.state.database import State

NO_LONGER = "Prometheus no longer reports it"
NOT_ASKED = "alerts are no longer taken from Prometheus"
_HEALTH = {"ok": Health.OK, "err": Health.ERROR}
Found = dict[str, tuple[Rule, Episode]]


class RuleSource(Protocol):
    """Who is asked."""

    def rules(self) -> list[dict[str, Any]]:
        """The rule groups as /api/v1/rules has them. Raises SourceError."""


class _Theirs(NamedTuple):
    """A rule as the server tells it: whether it was evaluated well, its open alerts, its row."""

    rule: Rule
    well: bool
    episodes: list[Episode]
    figures: RuleFigures


class Taken:
    """Call `turn` once an interval. Without a source it ends what was taken before.

    While the source does not answer, or says that a rule has an error or was not evaluated yet, its alerts stay as they are.
    """

    def __init__(
        self, state: State, source: RuleSource | None, lease: Lease, dispatch: Dispatch, *, clock: Clock = utc_now
    ) -> None:
        self._state = state
        self._source = source
        self._lease = lease
        self._dispatch = dispatch
        self._clock = clock
        self._book = Book(Origin.PROMETHEUS)
        self._open: Found = {}
        self._keys: dict[str, str] = {}
        self._rules: set[str] = set()
        self._token = 0
        self._lost = ""

    @property
    def takes(self) -> bool:
        """Whether a Prometheus evaluates the service's rules."""
        return self._source is not None

    def turn(self) -> None:
        """Takes over what is there now. Raises SourceError: of Prometheus, or of the state."""
        if not self._lease.held:
            return
        if self._lease.token != self._token:
            self._begin()
        if self._source is None and not self._open and not self._keys:
            return
        now = self._clock()
        try:
            rules = _read(self._source.rules() if self._source is not None else [], now)
        except SourceError as error:
            self._lose(f"not taken from Prometheus: {error}", now)
            raise
        found, told = self._differences(rules, now)
        token, self._token = self._token, 0  # what fails may be there none the less: then it is read again
        with self._state.writing() as session:
            self._lease.check(session)
            self._write(session, rules, found, told, now=now)
        self._book.accept()
        self._token, self._lost = token, ""
        self._open = found
        self._keys = {mark: self._keys[mark] for mark in found}

    def _lose(self, why: str, now: datetime) -> None:
        """No rule of the server can be judged: none may look well until it answers again."""
        if why == self._lost:
            return
        with self._state.writing() as session:
            self._lease.check(session)
            self._book.lose_rules(session, why, now)
        self._lost = why

    def _begin(self) -> None:
        with self._state.reading() as session:
            token = self._lease.token
            kept = self._book.load(session)
        self._open, self._keys = {}, {}
        for key, state in kept.items():
            for episode in state.open.values():
                self._open[episode.fingerprint] = (Rule(episode.labels.get("alertname", ""), ""), episode)
                self._keys[episode.fingerprint] = key
        self._rules = set(kept)
        self._token = token

    def _write(
        self,
        session: Session,
        rules: Mapping[str, _Theirs],
        found: Found,
        told: Sequence[Told],
        *,
        now: datetime,
    ) -> None:
        changed = {one.change.episode.fingerprint for one in told if one.change.episode is not None}
        newer = [item for mark, item in found.items() if mark not in changed and mark in self._open]
        figures = {key: theirs.figures for key, theirs in rules.items()}
        self._book.write(session, Batch(told, newer, figures))
        self._book.forget_rules(session, self._rules - set(rules))
        self._rules = set(rules)
        self._dispatch(session, now)

    def _differences(self, rules: Mapping[str, _Theirs], now: datetime) -> tuple[Found, list[Told]]:
        found: Found = {}
        told: list[Told] = []
        for key, (rule, _, episodes, _) in rules.items():
            for episode in episodes:
                mark = episode.fingerprint
                before = self._open.get(mark)
                after = _continued(before[1] if before else None, episode, now)
                if before is None or before[1].state is not after.state:
                    told.append(
                        Told(key, rule, Change(now, after.state.value, after, f"Prometheus: {after.state.value}"))
                    )
                found[mark], self._keys[mark] = (rule, after), key
        for mark, (rule, episode) in self._open.items():
            if mark in found:
                continue
            key = self._keys[mark]
            there = rules.get(key)
            if there is not None and not there.well:
                found[mark] = (rule, episode)
                continue
            told.append(Told(key, rule, self._ended(episode, now)))
        return found, told

    def _ended(self, episode: Episode, now: datetime) -> Change:
        why = NO_LONGER if self._source is not None else NOT_ASKED
        if episode.state is AlertState.PENDING:
            return Change(now, "dropped", episode, why)
        return Change(now, "resolved", episode.ended(now, why), why)


def _continued(before: Episode | None, episode: Episode, now: datetime) -> Episode:
    """The episode as it is now, with the time at which we first saw it fire.

    What fires goes on firing while its condition holds: a server that was started again has forgotten since when, and
    lets it wait for its `for` once more.
    """
    if before is not None and before.state is AlertState.FIRING:
        began = min(before.active_at, episode.active_at)
        return replace(episode, state=AlertState.FIRING, active_at=began, fired_at=before.fired_at or now)
    if episode.state is AlertState.PENDING:
        return episode
    return replace(episode, fired_at=max(now, episode.active_at))


def _read(groups: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, _Theirs]:
    """Every alert rule as the server has it, by key. Raises SourceRejected for an answer in another form."""
    try:
        found = [
            _Theirs(
                _rule(said, str(group["name"]), float(group.get("interval", 0))), said.get("health") == "ok",
                list(_episodes(said, now)), _figures(str(said["name"]), said, now),
            )
            for group in groups for said in group["rules"] if said.get("type") == "alerting"
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceRejected(f"its rules are not in Prometheus' form ({type(error).__name__})", NAME) from None
    return {taken_key(theirs.rule): theirs for theirs in found}


def _rule(said: Mapping[str, Any], group: str, interval_s: float) -> Rule:
    return Rule(
        str(said["name"]), str(said["query"]), float(said.get("duration", 0)), float(said.get("keepFiringFor", 0)),
        {str(k): str(v) for k, v in (said.get("labels") or {}).items()},
        {str(k): str(v) for k, v in (said.get("annotations") or {}).items()}, group, interval_s,
    )  # fmt: skip


def _episodes(said: Mapping[str, Any], now: datetime) -> Iterator[Episode]:
    for alert in said.get("alerts") or ():
        if alert.get("state") not in ("pending", "firing"):
            continue
        labels = {str(name): str(value) for name, value in alert["labels"].items() if value}
        annotations = {str(name): str(value) for name, value in (alert.get("annotations") or {}).items()}
        yield Episode(
            fingerprint(labels), labels, AlertState(alert["state"]), _moment(alert.get("activeAt"), now),
            _number(alert.get("value")), last_seen=now, annotations=annotations,
        )  # fmt: skip


def _figures(name: str, said: Mapping[str, Any], now: datetime) -> RuleFigures:
    health = _HEALTH.get(str(said.get("health")), Health.UNKNOWN)
    at = _moment(said.get("lastEvaluation"), now)
    state = RuleState(health=health, reason=str(said.get("lastError") or ""), ever_seen=True, last_eval=at)
    return RuleFigures(name, state, float(said.get("evaluationTime") or 0) * 1000, 0)


def _moment(text: Any, now: datetime) -> datetime:
    """An RFC 3339 time; `now` for what is none, or Prometheus' year 1 for "never"."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return now
    usable = moment.tzinfo is not None and moment.year > 1970
    return min(moment, now) if usable else now


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
