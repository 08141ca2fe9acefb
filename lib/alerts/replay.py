"""A rule over the past, through the same step and the same decisions as live: what it would have done, and who was told.

Between two moments at which something can change, the step only renews values; those evaluations are left out. A test
holds that nothing else differs from evaluating every single one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from lib.alerts.delivery.dispatch import Plan as Telling
from lib.alerts.engine.asking import Plan, answer_of, holding
from lib.alerts.engine.state import Change, Episode, Health, RuleState
from lib.alerts.engine.step import Answer, Data, step
from lib.alerts.model import AlertState
from lib.alerts.replay_notices import Notices, Sent
from lib.alerts.replay_samples import Piece
from lib.alerts.rules import Rule
from lib.alerts.silences import Silence

MOST_SPANS = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """One alert of the replay: since when it was pending, when it fired and when it ended (None: it did not)."""

    labels: tuple[tuple[str, str], ...]
    active_at: datetime
    fired_at: datetime | None = None
    ended_at: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule would have done between `start` and `end`.

    `spans` are the newest alerts in the order of their start, `pending`, `fired` and `resolved` the true numbers.
    `notices` are the newest that would have left, `told` counts all of them by channel and kind; `held` counts episodes
    per reason why nothing left (cooldown, muted, …).
    `notes` say what the replay could not know. `seen`: False where its metrics were never there, so that nothing is known.
    """

    rule: Rule
    start: datetime
    end: datetime
    evaluations: int
    pending: int
    fired: int
    resolved: int
    spans: tuple[Span, ...]
    notices: tuple[Sent, ...]
    told: Mapping[tuple[str, str], int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    firing_s: float = 0.0
    seen: bool = True

    def by_channel(self) -> Mapping[tuple[str, str], int]:
        """How many notices of which kind would have gone to which channel: {(channel, kind): count}."""
        return self.told

    @property
    def sent(self) -> int:
        """How many notices would have gone out in all."""
        return sum(self.told.values())


class Walk:
    """One rule on its way through the past. Give it the pieces in their order, then ask for the outcome.

    `every` evaluates each moment, as live; otherwise those that change nothing are left out.
    """

    def __init__(self, rule: Rule, telling: Telling, silences: Sequence[Silence] = (), *, every: bool = False) -> None:
        self._rule = rule
        self._state = RuleState()
        self._notices = Notices(rule, telling, silences)
        self._every = every or any("{{" in text for text in rule.labels.values())
        self._spans: dict[tuple[str, datetime], Span] = {}
        self._counts: Counter[str] = Counter()
        self._notes: dict[str, None] = {}
        self._firing_s = 0.0
        self._evaluations = 0
        self.changes: list[Change] = []

    @property
    def state(self) -> RuleState:
        """How the rule stands after the pieces so far."""
        return self._state

    def take(self, asked: Plan, piece: Piece) -> None:
        """Evaluates a piece of the past."""
        count = len(piece.at_ms)
        self._evaluations += count
        self._notes |= dict.fromkeys(piece.notes)
        holds = holding(asked, piece.result.present, piece.result.values)
        moments = np.arange(count) if self._every or piece.error else _changing(holds, piece)
        place = 0
        while place < count:
            at = _moment(piece.at_ms[place])
            self._step(_answer(asked, piece, holds, place, ever_seen=self._state.ever_seen), at)
            place = self._next(piece, moments, place)

    def _step(self, answer: Answer, at: datetime) -> None:
        self._notices.until(at)
        turn = step(self._rule, self._state, answer, at)
        self._state = turn.state
        for change in turn.changes:
            self._note(change)
        self._notices.look(turn.changes, at)

    def _next(self, piece: Piece, moments: Ints, place: int) -> int:
        """The next moment at which the step may do more than renew values."""
        if self._every or piece.error or self._unsettled():
            return place + 1
        found = np.searchsorted(moments, place, side="right")
        then = int(moments[found]) if found < len(moments) else len(piece.at_ms)
        due = self._due()
        if due is not None:
            due_ms = (due - _EPOCH) / timedelta(milliseconds=1)
            then = min(then, max(int(np.searchsorted(piece.at_ms, due_ms)), place + 1))
        return min(then, len(piece.at_ms))

    def _unsettled(self) -> bool:
        """Whether the next evaluation counts by itself: something is missing, kept or counted."""
        if self._state.errors or self._state.troubles:
            return True
        at = self._state.last_eval
        return any(one.last_seen != at or one.missed or one.keep_since is not None for one in self._state.open.values())

    def _due(self) -> datetime | None:
        hold = timedelta(seconds=self._rule.for_s)
        waiting = [one.active_at + hold for one in self._state.open.values() if one.state is AlertState.PENDING]
        return min(waiting, default=None)

    def _note(self, change: Change) -> None:
        self.changes.append(change)
        episode = change.episode
        if episode is None or change.kind not in ("pending", "firing", "dropped", "resolved"):
            return
        key = (episode.fingerprint, episode.active_at)
        if episode.labels.get("alertname") == self._rule.name:
            self._counts[change.kind] += 1
            self._counts["begun"] += key not in self._spans
        ended = change.at if change.kind in ("dropped", "resolved") else None
        self._spans[key] = _span(episode, ended, change.words)
        if change.kind == "resolved" and episode.fired_at is not None:
            self._firing_s += (change.at - episode.fired_at).total_seconds()
        while len(self._spans) > MOST_SPANS:
            del self._spans[next(iter(self._spans))]

    def outcome(self, start: datetime, end: datetime) -> Outcome:
        """What it did, with what is still open."""
        self._notices.until(end)
        open_s = sum(
            (end - one.fired_at).total_seconds()
            for one in self._state.open.values()
            if one.state is AlertState.FIRING and one.fired_at is not None
        )
        told = self._notices
        seen = self._state.ever_seen or self._state.health is not Health.NO_DATA or bool(self._spans)
        return Outcome(
            self._rule, start, end, self._evaluations, self._counts["begun"], self._counts["firing"],
            self._counts["resolved"], tuple(self._spans.values()), tuple(told.sent), dict(told.told), dict(told.held),
            tuple(self._notes), self._firing_s + open_s, seen,
        )  # fmt: skip


def _span(episode: Episode, ended: datetime | None, words: str) -> Span:
    told = tuple(sorted((name, value) for name, value in episode.labels.items()))
    return Span(told, episode.active_at, episode.fired_at, ended, words if ended else "")


def _changing(holds: Bools, piece: Piece) -> Ints:
    """The moments at which another set of series holds or is there, and the last one before each."""
    changed = np.zeros(len(piece.at_ms) - 1, dtype=bool)
    for rows in (holds, piece.result.present, piece.gone):
        changed |= (rows[:, 1:] != rows[:, :-1]).any(axis=0)
    at = np.flatnonzero(changed) + 1
    return np.unique(np.concatenate((at, at - 1, [0, len(piece.at_ms) - 1])))


def _answer(asked: Plan, piece: Piece, holds: Bools, place: int, *, ever_seen: bool) -> Answer:
    if piece.error:
        return Answer(error=piece.error)
    missing = piece.missing(place)
    data = Data.THERE if not missing else Data.GONE if ever_seen else Data.NEVER
    return answer_of(asked, piece.result, place, data=data, missing=", ".join(missing), holds=holds[:, place])


def _moment(at_ms: float) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(at_ms))
