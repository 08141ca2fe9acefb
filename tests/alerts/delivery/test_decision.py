"""The decision: a generated table of every small case against the rules of the semantics, written down a second time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.alerts.delivery.decision import Cooling, Policy, Told, Why, decide, episode_of, needs_update
from lib.alerts.model import Alert, AlertState, Kind
from tests.alerts.delivery.ledger import Ledger
from tests.alerts.delivery.world import T0, alert, at

FP = {name: alert(name).fingerprint for name in "abc"}
SUBSETS = [frozenset(chosen) for chosen in ((), "a", "b", "ab")]
POLICY = Policy()


def fps(names: frozenset[str]) -> frozenset[str]:
    return frozenset(FP[name] for name in names)


def expected(
    told: tuple[frozenset[str], frozenset[str], int] | None, firing: frozenset[str], resolved: frozenset[str],
    send_resolved: bool,
) -> bool:  # fmt: skip
    """Alertmanager's needsUpdate, line by line, in its own shape: whether it goes on (for CLEARED too)."""
    if told is None:
        return len(firing) > 0
    was_firing, was_resolved, age = told
    if not firing.issubset(was_firing):
        return True
    if len(firing) == 0:
        return len(was_firing) > 0
    if send_resolved and not resolved.issubset(was_resolved):
        return True
    return age > 4 * 3600


def test_every_small_case_is_decided_as_alertmanager_does() -> None:
    cases = 0
    logs: list[tuple[frozenset[str], frozenset[str], int] | None] = [None]
    logs += [(f, r, age) for f, r, age in product(SUBSETS, SUBSETS, (0, 14_399, 14_400, 14_401))]
    for told, firing, resolved, send_resolved in product(logs, SUBSETS, SUBSETS, (True, False)):
        log = Told(told[0], told[1], T0 - timedelta(seconds=told[2])) if told else None

        why = needs_update(log, firing, resolved, Policy(send_resolved=send_resolved), T0)

        assert (why is not None) is expected(told, firing, resolved, send_resolved), (told, firing, resolved)
        assert (why is Why.CLEARED) is (why is not None and not send_resolved and not firing)
        cases += 1
    assert cases == 2080


def case(name: str, state: str, episode: int = 1) -> Alert:
    return alert(name, state, -600, episode)


STATES = ("absent", "pending", "firing", "resolved", "firing again")
TOLD = ("no", "firing", "resolved")
COOL = ("none", "fresh", "old", "future")


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("muted", [False, True])
def test_one_alert_in_every_state_record_mute_and_cooldown(told: str, muted: bool) -> None:
    """What semantics §2 says about a group of one alert."""
    for state, cool, repeat_due in product(STATES, COOL, (False, True)):
        sent_at = T0 - timedelta(hours=5 if repeat_due else 1)
        log = None if told == "no" else Told(
            fps(frozenset("a" if told == "firing" else "")), fps(frozenset("a" if told == "resolved" else "")), sent_at
        )  # fmt: skip
        age = {"fresh": 299, "old": 300, "future": -3600}.get(cool)
        cooldowns = {} if age is None else {FP["a"]: Cooling(1, T0 - timedelta(seconds=age))}
        alerts = [] if state == "absent" else [case("a", state.split()[0], 2 if "again" in state else 1)]

        found = decide(log, alerts, fps(frozenset("a" if muted else "")), cooldowns, policy=POLICY, now=T0)

        wanted = _wanted(told, muted, state, cool, repeat_due)
        assert (found.send, found.kind) == wanted, (state, cool, repeat_due)
        assert len(found.firing) + len(found.resolved) == wanted[0]
        if muted and told == "firing":
            assert found.told(T0).firing == fps(frozenset("a"))


def _wanted(told: str, muted: bool, state: str, cool: str, repeat_due: bool) -> tuple[bool, Kind | None]:
    silent = (False, None)
    if muted or state in ("absent", "pending"):
        return silent
    if state == "resolved":
        return (True, Kind.RESOLVED) if told == "firing" else silent
    if told != "firing":
        return silent if cool == "fresh" else (True, Kind.FIRING)
    if state == "firing again" and cool in ("old", "future"):
        return True, Kind.FIRING
    return (True, Kind.REPEAT) if repeat_due else silent


def test_a_second_alert_that_cools_down_is_left_out_of_the_notice_about_the_first() -> None:
    cooldowns = {FP["b"]: Cooling(1, at(-100))}

    found = decide(None, [case("a", "firing"), case("b", "firing", 2)], set(), cooldowns, policy=POLICY, now=T0)

    assert [one.name for one in found.firing] == ["a"]
    assert found.reasons[FP["b"]].why is Why.COOLDOWN
    assert found.reasons[FP["b"]].until == found.ask_again_at == at(200)


def test_a_part_of_the_group_that_ends_is_told_with_what_still_fires() -> None:
    log = Told(fps(frozenset("ab")), frozenset(), at(-60))

    found = decide(log, [case("a", "firing"), case("b", "resolved")], set(), {}, policy=POLICY, now=T0)

    assert (found.why, found.kind) == (Why.SOME_RESOLVED, Kind.REPEAT)
    assert [one.name for one in found.resolved] == ["b"]
    assert found.cooling(T0) == {}


def test_an_end_that_nobody_saw_begin_is_never_told() -> None:
    log = Told(fps(frozenset("a")), frozenset(), at(-60))

    found = decide(log, [case("a", "firing"), case("b", "resolved")], set(), {}, policy=POLICY, now=T0)

    assert not found.send
    assert found.reasons[FP["b"]].why is Why.UNSEEN


def test_a_group_waits_from_its_first_alert_and_old_ones_flush_at_once() -> None:
    policy = Policy(group_wait=timedelta(seconds=20))
    new = replace(case("a", "firing"), fired_at=at(-5))
    old = replace(case("b", "firing"), fired_at=at(-21))

    waiting = decide(None, [new], set(), {}, policy=policy, now=T0)
    flushed = decide(None, [new, old], set(), {}, policy=policy, now=T0)
    ahead = decide(None, [replace(new, fired_at=at(3600))], set(), {}, policy=policy, now=T0)

    assert (waiting.send, waiting.why, waiting.ask_again_at) == (False, Why.WAITING, at(15))
    assert len(flushed.firing) == 2
    assert ahead.send  # the clock was put back: not an hour's wait


def test_the_policy_keeps_its_own_limits() -> None:
    policy = Policy(repeat=timedelta(seconds=1), group_wait=timedelta(hours=1))

    assert policy.repeat == policy.cooldown
    assert policy.group_wait == timedelta(seconds=30)


CHANGES = st.lists(st.tuples(st.integers(0, 400), st.sampled_from("ab"), st.booleans()), max_size=40)


@given(CHANGES)
def test_whatever_happens_the_channel_knows_in_the_end_and_no_alert_fires_twice_in_five_minutes(
    changes: list[tuple[int, str, bool]],
) -> None:
    ledger, now, open_ = Ledger(), T0, dict[str, Alert]()
    firing_told: dict[str, list[datetime]] = {"a": [], "b": []}
    episode = 0

    def step(alerts: list[Alert]) -> None:
        decision = ledger.step(alerts, now)
        for one in decision.firing if decision.send else ():
            if one.fingerprint in decision.fresh:
                firing_told[one.name].append(now)

    for gap, name, up in changes:
        now += timedelta(seconds=gap)
        ended = []
        if up and name not in open_:
            episode += 1
            open_[name] = replace(alert(name, episode=episode), fired_at=now, active_at=now)
        elif not up and name in open_:
            ended = [replace(open_.pop(name), state=AlertState.RESOLVED, resolved_at=now)]
        step([*open_.values(), *ended])
    now += timedelta(seconds=301)
    step(list(open_.values()))

    known = ledger.told.firing if ledger.told else frozenset()
    assert known == {one.fingerprint for one in open_.values()}
    for times in firing_told.values():
        assert all((b - a).total_seconds() >= 300 for a, b in pairwise(times))
    assert all(ledger.cooldowns[one.fingerprint].episode <= episode_of(one) for one in open_.values())
