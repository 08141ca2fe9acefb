"""One evaluation of one rule: what it was, what the store said, and the time give what it is now. Pure: no clock, no store.

The states and their order are Prometheus' own; where this product differs on purpose, the docstring says "ours".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from lib.alerts.engine.labels import Labelled, labelled
from lib.alerts.engine.state import Change, Episode, Health, RuleState, Turn
from lib.alerts.model import AlertState
from lib.alerts.rules import Rule
from lib.alerts.words import lasting
from lib.metrics.base import Labels

PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED
MISSED_UNTIL_GONE = 2
"""Evaluations without its series until a firing alert resolves (ours)."""

ERRORS_UNTIL_TOLD = 3
NO_LONGER, KEPT_OUT, GONE = "the condition no longer holds", "it did not come back while it was kept", "MissingSeries"


class NoData(StrEnum):
    """What a rule does when its metric is not there any more (ours): its `no_data` label or annotation."""

    OK = "ok"  # as Prometheus: nothing holds
    ALERT = "alert"  # NoData is told with the rule's own severity
    KEEP = "keep"  # the alerts stay as they are, NoData is told as a warning


_CHOICES = frozenset(choice.value for choice in NoData)


class Data(StrEnum):
    """Whether the metrics that a rule asks for have any sample."""

    THERE = "there"
    GONE = "gone"  # there once, not now
    NEVER = "never"  # never seen


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store said: the elements for which the condition holds, `labels` n label sets with `values`.

    `others` are series of the same question for which it does not hold; None where only those that hold were asked for.
    `error` is why there is no answer, `doubtful` why it may be incomplete ("": neither), `missing` names metrics without data.
    """

    labels: Sequence[Labels] = ()
    values: Sequence[float] = ()
    others: Sequence[Labels] | None = None
    data: Data = Data.THERE
    missing: str = ""
    error: str = ""
    doubtful: str = ""


def step(rule: Rule, state: RuleState, answer: Answer, at: datetime) -> Turn:
    """The state after the evaluation at `at`, and what changed, in the order in which it did."""
    state = _clock_went_back(state, at)
    if answer.error:
        return _failed(rule, state, answer.error, at)
    found, twice = labelled(rule, answer.labels, answer.values)
    if twice:
        return _failed(rule, state, twice, at)
    if not found and not state.open and not state.troubles and state.settled(answer.data is Data.THERE):
        return Turn(replace(state, last_eval=at) if at != state.last_eval else state)
    return _answered(rule, state, answer, found, at)


def no_data_of(rule: Rule) -> NoData:
    """The rule's choice; keep where it makes none that is known."""
    told = rule.labels.get("no_data") or rule.annotations.get("no_data") or NoData.KEEP
    return NoData(told) if told in _CHOICES else NoData.KEEP


def _answered(rule: Rule, state: RuleState, answer: Answer, found: dict[str, Labelled], at: datetime) -> Turn:
    missing = not found and answer.data is not Data.THERE and no_data_of(rule) is not NoData.OK
    changes: list[Change] = []
    refused = _refused(rule, state, found)
    kept = _present(rule, state, {fp: item for fp, item in found.items() if fp not in refused}, at, changes)
    gone = [episode for fp, episode in state.open.items() if fp not in found]
    if missing or answer.doubtful:
        kept |= {episode.fingerprint: episode for episode in gone}
    elif gone:
        kept |= _absent(rule, gone, answer, at, changes)
    reason = _reason(rule, answer, refused, missing=missing)
    health = Health.ERROR if refused else Health.NO_DATA if missing or answer.data is Data.NEVER else Health.OK
    after = RuleState(  # not `replace`: a replay does it for every evaluation
        kept, state.troubles, health, state.health_since if health is state.health else at, reason, 0,
        state.ever_seen or answer.data is Data.THERE, at,
    )  # fmt: skip
    return _with_troubles(rule, after, answer, at, changes, refused=bool(refused), was=state)


def _reason(rule: Rule, answer: Answer, refused: set[str], *, missing: bool) -> str:
    if refused:
        return f"more than the {rule.limit} alerts that the rule's limit allows: {len(refused)} new ones are refused"
    if answer.data is Data.NEVER:
        return f"never seen: {answer.missing}"
    if missing:
        return f"no data: {answer.missing}"
    return f"doubtful: {answer.doubtful}" if answer.doubtful else ""


def _refused(rule: Rule, state: RuleState, found: Mapping[str, Labelled]) -> set[str]:
    """The new alerts of a rule that is over its limit (ours: those that are there stay)."""
    new = {fp for fp in found if fp not in state.open}
    over = rule.limit and len(state.open) + len(new) > rule.limit
    return new if over else set()


def _present(
    rule: Rule, state: RuleState, found: Mapping[str, Labelled], at: datetime, changes: list[Change]
) -> dict[str, Episode]:
    hold, kept = timedelta(seconds=rule.for_s), {}
    for fp, item in found.items():
        before = state.open.get(fp)
        if before is None:
            episode = Episode(fp, item.labels, PENDING, at, item.value, item.series, last_seen=at)
        else:
            episode = before.seen(item, at)
            if before.keep_since is not None:
                changes.append(Change(at, "recurred", episode, "the condition holds again"))
        after = _timed(episode, hold, at)
        if before is None and after.state is PENDING:
            changes.append(
                Change(at, "pending", after, f"its condition came true; it fires once that has lasted {lasting(hold)}")
            )
        elif after.state is not episode.state:
            words = "the condition held long enough" if after.state is FIRING else "the rule now waits longer"
            changes.append(Change(at, after.state.value, after, words))
        kept[fp] = after
    return kept


def _timed(episode: Episode, hold: timedelta, at: datetime) -> Episode:
    """Pending becomes firing when it held long enough; firing becomes pending when `for` was raised meanwhile."""
    held = at - episode.active_at
    if episode.state is PENDING and held >= hold:
        return episode.fired(at)
    if episode.state is FIRING and held < hold and episode.waited < hold:
        return replace(episode, state=PENDING, fired_at=None)
    return episode


def _absent(
    rule: Rule, gone: Sequence[Episode], answer: Answer, at: datetime, changes: list[Change]
) -> dict[str, Episode]:
    kept = {}
    there = _still_there(rule, answer)
    for before in gone:
        if before.state is PENDING:
            changes.append(Change(at, "dropped", before, NO_LONGER))
            continue
        stale = there is not None and before.fingerprint not in there
        missed = before.missed + 1 if stale else 0
        episode = before if missed == before.missed else replace(before, missed=missed)
        after = _kept_or_resolved(rule, episode, at, stale=stale)
        if after.state is RESOLVED:
            changes.append(Change(at, "resolved", after, after.resolved_why))
            continue
        if after.keep_since is not None and before.keep_since is None:
            changes.append(
                Change(at, "kept", after, f"recovering: kept for {timedelta(seconds=rule.keep_firing_for_s)}")
            )
        kept[after.fingerprint] = after
    return kept


def _still_there(rule: Rule, answer: Answer) -> set[str] | None:
    """The alerts whose series is there although their condition does not hold; None where nobody can say."""
    alone = not answer.others and not answer.labels  # nothing of the question remains: then it is no single series
    if answer.others is None or alone or no_data_of(rule) is NoData.OK:
        return None
    return set(labelled(rule, answer.others, [0.0] * len(answer.others), many=True)[0])


def _kept_or_resolved(rule: Rule, episode: Episode, at: datetime, *, stale: bool) -> Episode:
    if rule.keep_firing_for_s:
        since = episode.keep_since or at
        episode = replace(episode, keep_since=since)
        if at - since < timedelta(seconds=rule.keep_firing_for_s):
            return episode
    if stale and episode.missed < MISSED_UNTIL_GONE:
        return episode
    why = GONE if stale else KEPT_OUT if rule.keep_firing_for_s else NO_LONGER
    return episode.ended(at, why)


def _failed(rule: Rule, state: RuleState, reason: str, at: datetime) -> Turn:
    """No alert changes (ours: they are told as they were, and RuleError after a while)."""
    changes: list[Change] = []
    after = replace(state.with_health(Health.ERROR, reason, at), last_eval=at, errors=state.errors + 1)
    since = _since(state, "RuleError", at)
    told = after.errors >= ERRORS_UNTIL_TOLD and at - since >= timedelta(seconds=rule.for_s)
    error = _trouble(state.troubles.get("RuleError"), trouble(rule, "RuleError", reason, at), at, changes, fires=told)
    after = replace(after, troubles={**state.troubles, "RuleError": error})
    return Turn(after, (*_health_change(rule, state, after, at), *changes))


def _with_troubles(
    rule: Rule, after: RuleState, answer: Answer, at: datetime, changes: list[Change], *, refused: bool, was: RuleState
) -> Turn:
    """The alerts about the rule itself: NoData after `for`, RuleLimit at once; those that are over end."""
    troubles = {}
    if after.health is Health.NO_DATA and (answer.data is Data.GONE or "NoData" in was.troubles):
        told = at - _since(was, "NoData", at) >= timedelta(seconds=rule.for_s)
        fresh = trouble(rule, "NoData", after.reason, at)
        troubles["NoData"] = _trouble(was.troubles.get("NoData"), fresh, at, changes, fires=told)
    if refused:
        fresh = trouble(rule, "RuleLimit", after.reason, at)
        troubles["RuleLimit"] = _trouble(was.troubles.get("RuleLimit"), fresh, at, changes, fires=True)
    for name, episode in was.troubles.items():
        if name not in troubles:
            changes.append(_over(episode, at))
    if troubles or was.troubles:
        after = replace(after, troubles=troubles)
    return Turn(after, (*_health_change(rule, was, after, at), *changes))


def _trouble(before: Episode | None, fresh: Episode, at: datetime, changes: list[Change], *, fires: bool) -> Episode:
    episode = replace(before or fresh, last_seen=at, annotations=fresh.annotations)
    words = episode.annotations["description"]
    if fires and episode.state is PENDING:
        episode = episode.fired(at)
        changes.append(Change(at, "firing", episode, words))
    elif before is None:
        changes.append(Change(at, "pending", episode, words))
    return episode


def trouble(rule: Rule, name: str, reason: str, at: datetime) -> Episode:
    """The alert that says what is wrong with a rule: labels `alertname` (NoData, RuleError, RuleLimit), `rule`, `group`,
    `rule_severity`, and the rule's own labels that are no templates."""
    own = {key: text for key, text in rule.labels.items() if "{{" not in text and key != "no_data"}
    severity = own.get("severity", "")
    loud = name == "NoData" and no_data_of(rule) is NoData.ALERT and severity
    labels = {
        **own, "alertname": name, "rule": rule.name, "group": rule.group,
        "rule_severity": severity, "severity": severity if loud else "warning",
    }  # fmt: skip
    words = {"NoData": "has no data", "RuleError": "cannot be evaluated", "RuleLimit": "has too many alerts"}[name]
    annotations = {"summary": f"Rule {rule.name} {words}", "description": reason}
    return Episode.about(labels, annotations, at)


def _since(was: RuleState, name: str, at: datetime) -> datetime:
    before = was.troubles.get(name)
    return before.active_at if before is not None else at


def _over(episode: Episode, at: datetime) -> Change:
    if episode.state is PENDING:
        return Change(at, "dropped", episode, NO_LONGER)
    return Change(at, "resolved", episode.ended(at, NO_LONGER), NO_LONGER)


def _health_change(rule: Rule, was: RuleState, after: RuleState, at: datetime) -> Iterator[Change]:
    if was.health is not after.health and not (was.health is Health.UNKNOWN and after.health is Health.OK):
        words = after.reason or "the rule is evaluated again"
        yield Change(at, after.health.value, None, words)
        for episode in list(after.open.values())[:100]:
            yield Change(at, after.health.value, episode, words)


def _clock_went_back(state: RuleState, at: datetime) -> RuleState:
    """What waits is moved with the clock, so that neither its progress nor its future is lost."""
    if state.last_eval is None or at >= state.last_eval:
        return state
    by = at - state.last_eval
    return replace(
        state,
        open={fp: episode.moved(by) for fp, episode in state.open.items()},
        troubles={name: episode.moved(by) for name, episode in state.troubles.items()},
    )


def restored(state: RuleState, at: datetime, gap_restarts: timedelta = timedelta(hours=1)) -> RuleState:
    """The kept state as it goes on after a gap until `at`: unseen time does not count for what is pending.

    After more than `gap_restarts` what is pending begins anew; what fires goes on and is marked as unobserved.
    """
    if state.last_eval is None or at <= state.last_eval:
        return state
    gap = at - state.last_eval

    def after(episode: Episode) -> Episode:
        if episode.state is PENDING:
            return replace(episode, active_at=at if gap > gap_restarts else episode.active_at + gap)
        return replace(episode, unobserved=episode.unobserved + gap) if gap > gap_restarts else episode

    return replace(
        state,
        open={fp: after(episode) for fp, episode in state.open.items()},
        troubles={name: after(episode) for name, episode in state.troubles.items()},
    )
