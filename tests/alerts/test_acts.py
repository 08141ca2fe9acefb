"""What people do to alerts: who may, what changes, and that the alert's own story and the audit both tell of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lib.alerts import acts, book
from lib.alerts.matchers import Matcher, Op
from lib.alerts.silences import every
from lib.alerts.tables import AlertRow
from lib.errors import Refused
from lib.identity.roles import Actor, Role, Via
from lib.state import audit
from lib.state.audit import Deed
from lib.state.database import State
from lib.window import Window
from tests.alerts.seeded import alert, ended, put

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OPERATOR = Actor("olga@example.com", Role.OPERATOR, Via.OIDC)
VIEWER = Actor("vera@example.com", Role.VIEWER, Via.OIDC)
ADMIN = Actor("anna@example.com", Role.ADMIN, Via.OIDC)
ALL: dict[str, Callable[[int], Deed]] = {
    "acknowledge": lambda alert_id: acts.acknowledge(alert_id, "A", "on it", NOW),
    "resolve": lambda alert_id: acts.resolve(alert_id, "A", "fixed", NOW),
    "silence": lambda _: acts.silence((Matcher("alertname", Op.IS, "A"),), NOW + timedelta(hours=1), "known", NOW),
    "rearm": lambda _: acts.rearm("slack", NOW),
    "judge": lambda alert_id: acts.judge(alert_id, "A", "noise", NOW),
}


@pytest.fixture
def pushed(state: State) -> int:
    """An open alert that a program pushed."""
    return put(state, [alert("A", NOW - timedelta(hours=1), origin="api", value=None)])[0]


def kept(state: State, alert_id: int) -> AlertRow:
    with state.reading() as session:
        found = session.get(AlertRow, alert_id)
        assert found is not None
        session.expunge(found)
        return found


def stories(state: State, alert_id: int) -> list[str]:
    found = book.story(state, [kept(state, alert_id).fingerprint], NOW - timedelta(days=1), NOW + timedelta(days=1))
    return list(found["words"])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("who", [VIEWER, Actor("", Role.ADMIN, Via.NAME)], ids=["viewer", "nameless"])
def test_who_may_not_changes_nothing_and_leaves_no_line(state: State, pushed: int, name: str, who: Actor) -> None:
    with pytest.raises(Refused):
        audit.act(state, who, ALL[name](pushed))

    after = kept(state, pushed)
    assert (after.state, after.acked_at, after.noise) == ("firing", None, "")
    assert stories(state, pushed) == []


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("who", [OPERATOR, ADMIN], ids=["operator", "admin"])
def test_who_may_does_it_in_their_own_name_and_both_records_tell(
    state: State, pushed: int, name: str, who: Actor
) -> None:
    audit.act(state, who, ALL[name](pushed))

    moment = datetime.now(UTC)
    told = audit.search(state, ADMIN, Window(moment - timedelta(hours=1), moment + timedelta(minutes=1)))
    assert list(told["who"]) == [who.name]
    assert list(told["subject"]) == [{"silence": "silence 1", "rearm": "channel slack"}.get(name, "A")]
    assert [who.name in words for words in stories(state, pushed)] == ([] if name in ("silence", "rearm") else [True])


def test_an_acknowledgement_says_who_when_and_why_and_can_be_given_back(state: State, pushed: int) -> None:
    audit.act(state, OPERATOR, acts.acknowledge(pushed, "A", "  looking at it ", NOW))
    taken = kept(state, pushed)
    audit.act(state, ADMIN, acts.unacknowledge(pushed, "A", NOW))
    given = kept(state, pushed)

    assert (taken.acked_by, taken.acked_at, taken.ack_note) == (OPERATOR.name, NOW, "looking at it")
    assert (given.acked_by, given.acked_at, given.ack_note) == ("", None, "")
    assert stories(state, pushed) == [
        "olga@example.com took it up: looking at it",
        "anna@example.com took it from olga@example.com",
    ]


def test_what_nobody_acknowledged_cannot_be_given_back(state: State, pushed: int) -> None:
    with pytest.raises(Refused, match="nobody has acknowledged"):
        audit.act(state, OPERATOR, acts.unacknowledge(pushed, "A", NOW))


def test_a_pushed_alert_is_resolved_by_hand_with_who_and_why(state: State, pushed: int) -> None:
    audit.act(state, OPERATOR, acts.resolve(pushed, "A", "restarted it", NOW))

    after = kept(state, pushed)
    assert (after.state, after.resolved_at, after.resolved_why) == (
        "resolved", NOW, "by olga@example.com: restarted it",
    )  # fmt: skip


@pytest.mark.parametrize("origin", ["engine", "prometheus"])
def test_an_evaluated_alert_cannot_be_resolved_by_hand(state: State, origin: str) -> None:
    alert_id = put(state, [alert("A", NOW - timedelta(hours=1), origin=origin)])[0]

    with pytest.raises(Refused, match="ends when its condition does"):
        audit.act(state, OPERATOR, acts.resolve(alert_id, "A", "", NOW))

    assert kept(state, alert_id).state == "firing"


@pytest.mark.parametrize("name", ["acknowledge", "resolve"])
def test_what_has_ended_is_not_acknowledged_or_resolved_again(state: State, name: str) -> None:
    alert_id = put(state, [ended("A", NOW - timedelta(hours=3), timedelta(hours=1), origin="api")])[0]

    with pytest.raises(Refused, match="ended already"):
        audit.act(state, OPERATOR, ALL[name](alert_id))


def test_an_ended_alert_can_still_be_called_noise_and_the_word_taken_back(state: State) -> None:
    alert_id = put(state, [ended("A", NOW - timedelta(hours=3), timedelta(hours=1))])[0]

    audit.act(state, OPERATOR, acts.judge(alert_id, "A", "noise", NOW))
    said = kept(state, alert_id).noise
    audit.act(state, OPERATOR, acts.judge(alert_id, "A", "", NOW))

    assert (said, kept(state, alert_id).noise) == ("noise", "")


def test_what_is_not_kept_any_more_is_refused(state: State) -> None:
    with pytest.raises(Refused, match="not kept"):
        audit.act(state, OPERATOR, acts.acknowledge(7, "A", "", NOW))


@pytest.mark.parametrize("wrong", [{"reason": "  "}, {"ends_at": NOW}, {"ends_at": NOW + timedelta(days=400)}])
def test_a_silence_that_makes_no_sense_is_refused(state: State, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"ends_at": NOW + timedelta(hours=1), "reason": "known"} | wrong

    with pytest.raises(Refused):
        audit.act(state, OPERATOR, acts.silence((Matcher("a", Op.IS, "b"),), at=NOW, **given))

    with state.reading() as session:
        assert every(session, NOW) == []


def test_a_silence_is_ended_by_whoever_may(state: State) -> None:
    audit.act(state, OPERATOR, ALL["silence"](0))
    with state.reading() as session:
        kept_silence = every(session, NOW)[0]

    with pytest.raises(Refused):
        audit.act(state, VIEWER, acts.end_silence(kept_silence, NOW + timedelta(minutes=1)))
    audit.act(state, ADMIN, acts.end_silence(kept_silence, NOW + timedelta(minutes=1)))

    with state.reading() as session:
        assert every(session, NOW)[0].ends_at == NOW + timedelta(minutes=1)
