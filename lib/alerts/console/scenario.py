"""Plays a scenario on a simulated clock: the evaluation's own `step` and the delivery's own `decide`, and nothing in between.

What is played leaves no trace: no row, no record, no message. A message that would go is in the step that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lib.alerts import words
from lib.alerts.console.draft import Draft
from lib.alerts.console.stories import HOLD_S, Event, Story
from lib.alerts.delivery.decision import Cooling, Decision, Policy, Reason, Told, Why, decide
from lib.alerts.delivery.options import policy_of
from lib.alerts.delivery.outbox import links
from lib.alerts.delivery.sender import FIRST_WAIT_S, LONGEST_WAIT_S
from lib.alerts.engine.state import RuleState
from lib.alerts.engine.step import Answer, step
from lib.alerts.model import Alert, AlertState, Kind, Notice
from lib.alerts.rules import Rule

EVALUATE = timedelta(seconds=15)
SECOND = timedelta(seconds=1)
DECISIONS = {
    Why.FIRST: "first of its group", Why.NEW: "new in its group", Why.EPISODE: "it ended and fires again",
    Why.RESOLVED: "what was told has ended", Why.SOME_RESOLVED: "a part of what was told has ended",
    Why.REPEAT: "nothing changed for the repeat time", Why.CLOCK: "the clock was put back", Why.CLEARED: "the rule does not announce ends",
    Why.COOLDOWN: "told of this alert less than 5 minutes ago", Why.WAITING: "waits for others of its group",
    Why.MUTED: "silenced", Why.KNOWN: "the channel was told, nothing changed", Why.UNSEEN: "ended before anybody was told",
    Why.NOTHING: "nothing to tell",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One line of what happened. `after` is the time since the start, `state` the alert's, `decision` what was decided and why.

    `notice` is the message that goes (None: none does). A step of the world around has neither state nor decision.
    """

    after: timedelta
    what: str
    state: str = ""
    decision: str = ""
    reason: str = ""
    notice: Notice | None = None


def play(story: Story, draft: Draft, start: datetime, *, public_url: str = "") -> list[Step]:
    """Every step at which something changed, oldest first. `start` is when the simulated clock begins."""
    return [_together(steps) for steps in _Stage(draft, start, public_url).play(story) if steps]


def _together(steps: Sequence[Step]) -> Step:
    """What happened in the same second, in one line: what the world did says more than what the evaluation made of it."""
    what = next((one.what for one in steps if one.what and not one.state), "") or next(
        (one.what for one in steps if one.what), ""
    )
    merged = steps[0]
    for one in steps[1:]:
        merged = Step(
            one.after, what, one.state or merged.state, one.decision or merged.decision, one.reason or merged.reason,
            one.notice or merged.notice,
        )  # fmt: skip
    return replace(merged, what=what)


class _Stage:
    """The alert, the channel's record and the clock while a story is played."""

    def __init__(self, draft: Draft, start: datetime, public_url: str) -> None:
        alert = draft.alert(start)
        self._draft, self._start, self._url = draft, start, public_url
        self._rule = Rule(alert.name, "scenario > 0", HOLD_S, 0.0, draft.labels, draft.annotations)
        self._series = {name: text for name, text in draft.labels.items() if name not in ("alertname", "severity")}
        self._policy = policy_of(alert, Policy())
        self._rule_state = RuleState(ever_seen=True)
        self._told: Told | None = None
        self._cooldowns: Mapping[str, Cooling] = {}
        self._ended: dict[str, Alert] = {}
        self._holds = self._silenced = self._away = False
        self._tries, self._due = 0, start
        self._last = Reason(Why.NOTHING)
        self._ask_at: datetime | None = None

    def play(self, story: Story) -> Iterator[list[Step]]:
        """The steps of each second in which anything was looked at."""
        events = list(story.events)
        now = self._start
        while now <= self._start + story.lasts:
            happened = [event for event in events if event.at <= now - self._start]
            events = events[len(happened) :]
            steps = [self._happen(event, now) for event in happened]
            evaluated = (now - self._start) % EVALUATE == timedelta(0)
            if evaluated:
                steps += self._evaluate(now)
            if happened or evaluated or self._is_due(now):
                steps += self._decide(now)
            yield steps
            now += SECOND

    def _is_due(self, now: datetime) -> bool:
        return now >= self._due if self._tries else self._ask_at is not None and now >= self._ask_at

    def _happen(self, event: Event, now: datetime) -> Step:
        self._holds = self._holds if event.holds is None else event.holds
        self._silenced = self._silenced if event.silenced is None else event.silenced
        self._away = self._away if event.away is None else event.away
        return Step(now - self._start, event.words)

    def _evaluate(self, now: datetime) -> Iterator[Step]:
        value = self._draft.value if self._draft.value is not None else 1.0
        answer = Answer([self._series], [value]) if self._holds else Answer(others=[self._series])
        turn = step(self._rule, self._rule_state, answer, now)
        self._rule_state = turn.state
        self._last = Reason(Why.NOTHING) if turn.changes else self._last
        for change in turn.changes:
            if change.episode is None:
                continue
            alert = change.episode.alert(self._rule)
            if alert.state is AlertState.RESOLVED:
                self._ended[alert.fingerprint] = alert
            state = "pending dropped" if change.kind == "dropped" else change.kind
            yield Step(now - self._start, change.words, state)

    def _decide(self, now: datetime) -> Iterator[Step]:
        firing = [episode.alert(self._rule) for episode in self._rule_state.open.values()]
        told = self._told.firing if self._told else frozenset()
        alerts = firing or [one for fp, one in self._ended.items() if fp in told or one.resolved_at == now]
        muted = {alert.fingerprint for alert in alerts} if self._silenced else set()
        decision = decide(self._told, alerts, muted, self._cooldowns, policy=self._policy, now=now)
        self._ask_at = decision.ask_again_at
        if decision.send:
            yield from self._hand_over(decision, now)
        else:
            self._tries = 0
            yield from self._held(decision, now)

    def _held(self, decision: Decision, now: datetime) -> Iterator[Step]:
        """A decision to say nothing; told where it is another one than before."""
        reason = next(iter(decision.reasons.values()), Reason(Why.NOTHING))
        before, self._last = self._last, reason
        if reason in (before, Reason(Why.NOTHING)):
            return
        until = f", until {_clock(reason.until - self._start)}" if reason.until else ""
        yield Step(now - self._start, "", "", "nothing is sent", DECISIONS[reason.why] + until)

    def _hand_over(self, decision: Decision, now: datetime) -> Iterator[Step]:
        if self._tries and now < self._due:
            return
        if self._away:
            self._tries += 1
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (self._tries - 1))
            self._due = now + timedelta(seconds=wait_s)
            reason = f"{DECISIONS[decision.why]}; try {self._tries} was not answered, the next in {wait_s:g} s"
            yield Step(now - self._start, "", "", "not delivered", reason)
            return
        self._tries, self._last = 0, Reason(Why.NOTHING)
        self._told = decision.told(now)
        self._cooldowns = {**self._cooldowns, **decision.cooling(now)}
        yield Step(now - self._start, "", "", "sent", DECISIONS[decision.why], self._notice(decision, now))

    def _notice(self, decision: Decision, now: datetime) -> Notice:
        about = (*decision.firing, *decision.resolved)
        group = {"alertname": self._rule.name}
        measure = self._draft.measure
        return Notice(
            key="test/scenario", group=group, kind=decision.kind or Kind.TEST, at=now, firing=decision.firing,
            resolved=decision.resolved, firing_total=len(decision.firing), resolved_total=len(decision.resolved),
            links=links(self._url, group, about, len(about)), test=True, measures={self._rule.name: measure} if measure else {},
        )  # fmt: skip


def headline(one: Step) -> str:
    """The message of a step in one line; "" where it has none."""
    return words.headline(one.notice) if one.notice is not None else ""


def messages(steps: Sequence[Step]) -> list[Notice]:
    """The messages that a played scenario would send, in their order."""
    return [one.notice for one in steps if one.notice is not None]


def _clock(after: timedelta) -> str:
    total = int(after.total_seconds())
    hours, rest = divmod(total, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def clock(one: Step) -> str:
    """The time of a step since the start: "2:30" is two and a half minutes."""
    return _clock(one.after)
