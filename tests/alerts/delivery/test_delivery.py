"""Alerts become notices, and notices arrive: dispatcher and sender together, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from lib.alerts.delivery.condition import statuses
from lib.alerts.delivery.trial import outcome, send_test, trial_notice
from lib.alerts.model import Receipt
from lib.alerts.tables import CooldownRow, NoticeLogRow, SilenceRow
from lib.errors import SourceUnavailable
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.alerts.delivery.world import World, alert, at, refusal, trouble
from tests.alerts.doubtful import Doubtful


@pytest.fixture
def world(state: State) -> World:
    return World(state)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[World]:
    """For tests of many rounds: what they ask of a database the others ask on both."""
    opened = open_state(sqlite_url(tmp_path / "state.sqlite"))
    yield World(opened)
    opened.close()


def silence(world: World, start: float, end: float, name: str = "A") -> None:
    with world.state.writing() as session:
        session.add(
            SilenceRow(
                matchers=[{"name": "alertname", "op": "=", "value": name}], starts_at=at(start), ends_at=at(end),
                reason="deploy", who="anna", created_at=world.now,
            )
        )  # fmt: skip


def test_an_alert_is_told_once_and_its_end_once(world: World) -> None:
    one = world.fire()
    world.tick(0, 5)
    world.go(720).resolve(one)
    world.tick(720, 730)

    assert world.slack.kinds == ["firing", "resolved"]
    assert world.slack.sent[0].firing[0].value == 7.0
    assert world.kinds() == ["queued", "sent", "queued", "sent"]
    assert list(world.told().values()) == [(0, 1)]


def test_the_record_and_the_cooldown_are_written_only_after_acceptance(world: World) -> None:
    world.slack.answers = [trouble()]
    world.fire()
    world.turn()

    with world.state.reading() as session:
        assert session.scalars(select(NoticeLogRow)).all() == []
        assert session.scalars(select(CooldownRow)).all() == []

    world.go(2).turn()

    assert world.slack.kinds == ["firing"]
    assert list(world.told().values()) == [(1, 0)]
    with world.state.reading() as session:
        assert session.scalars(select(CooldownRow)).one().sent_at == at(2)


def test_alerts_of_one_name_are_told_together(world: World) -> None:
    world.fire(instance="a")
    world.fire(instance="b")
    world.turn()

    [notice] = world.slack.sent
    assert (notice.firing_total, notice.group) == (2, {"alertname": "A"})
    assert [row.state for row in world.outbox()] == ["superseded", "sent"]


def test_what_fired_and_ended_before_it_was_sent_is_not_told(world: World) -> None:
    world.slack.answers = [trouble()]
    one = world.fire()
    world.turn()
    world.go(0.5).resolve(one)
    world.tick(1, 60)

    assert world.slack.sent == []
    assert world.kinds() == ["queued", "retry", "superseded"]
    assert world.stories()[-1] == ("superseded", "it ended before this could be sent")


def test_what_may_have_been_seen_is_sent_again_so_that_its_end_can_follow(world: World) -> None:
    world.slack.answers = [trouble(0)]
    one = world.fire()
    world.turn()
    world.go(0.5).resolve(one)
    world.tick(1, 10)

    assert world.slack.kinds == ["firing", "resolved"]


def test_a_second_alert_while_the_first_is_told_makes_one_more_notice_that_names_both(world: World) -> None:
    world.fire(instance="a")
    world.turn().go(20)
    world.fire(instance="b")
    world.turn()

    assert world.slack.kinds == ["firing", "firing"]
    assert world.slack.sent[1].firing[0].labels["instance"] == "b"
    assert world.slack.sent[1].firing_total == 2


def test_it_is_said_again_after_four_hours_and_not_before(world: World) -> None:
    world.fire()
    world.turn()

    world.go(4 * 3600).turn()
    assert world.slack.kinds == ["firing"]

    world.go(4 * 3600 + 1).turn()
    assert world.slack.kinds == ["firing", "repeat"]


def test_a_rule_says_how_often_it_is_repeated_how_long_it_waits_and_that_its_end_is_not_told(world: World) -> None:
    told = {"repeat_interval": "10m", "group_wait": "20s", "send_resolved": "false"}
    one = world.fire(annotations=told, instance="a")
    world.tick(0, 19)
    assert (world.slack.sent, world.kinds()) == ([], ["grouped"])

    world.tick(20, 21)
    world.tick(610, 630)
    world.go(640).resolve(one)
    world.tick(640, 700)

    assert world.slack.kinds == ["firing", "repeat"]
    assert list(world.told().values()) == [(0, 1)]


def test_a_silence_counts_from_its_first_moment_up_to_its_last_f31(world: World) -> None:
    silence(world, 0, 600)
    world.fire()
    world.tick(0, 599)
    assert (world.slack.sent, world.kinds()) == ([], ["silenced"])
    assert "anna" in world.stories()[0][1]

    world.go(600).turn()

    assert world.slack.kinds == ["firing"]


def test_a_silence_that_came_before_the_retry_stops_it(world: World) -> None:
    world.slack.answers = [trouble()]
    world.fire()
    world.turn()
    silence(world, 0.5, 100)
    world.tick(1, 99)
    assert world.slack.sent == []

    world.tick(100, 101)
    assert world.slack.kinds == ["firing"]


def test_the_end_of_a_told_alert_that_was_silenced_meanwhile_is_told_when_the_silence_ends(world: World) -> None:
    one = world.fire()
    world.turn()
    silence(world, 10, 100)
    world.go(20).resolve(one)
    world.tick(20, 99)
    assert world.slack.kinds == ["firing"]

    world.tick(100, 102)

    assert world.slack.kinds == ["firing", "resolved"]


def test_an_alert_that_flaps_for_an_hour_is_told_once_in_five_minutes_and_last_as_it_is_f28(quick: World) -> None:
    world = quick
    current: list[int] = []

    def flap(second: float) -> None:
        if second % 15 == 0:
            if current:
                world.resolve(current.pop())
            else:
                current.append(world.fire())

    world.tick(0, 3600, 15, flap)
    world.tick(3601, 4000, 10)

    times = [(one.kind.value, one.at) for one in world.slack.sent]
    for kind in ("firing", "resolved"):
        told = [when for what, when in times if what == kind]
        assert len(told) >= 11
        assert all((b - a).total_seconds() >= 300 for a, b in pairwise(told))
    assert times[-1][0] == ("firing" if current else "resolved")
    assert max(one.suppressed for one in world.slack.sent) >= 5


def test_a_new_severity_is_another_alert_and_does_not_cool_down(world: World) -> None:
    one = world.fire(severity="warning")
    world.turn().go(10).resolve(one)
    world.fire(severity="critical")
    world.turn()

    assert [notice.firing[0].severity for notice in world.slack.sent] == ["warning", "critical"]


def test_the_cooldown_outlives_a_restart(quick: World) -> None:
    world = quick
    one = world.fire()
    world.turn().go(10).resolve(one)
    world.turn()
    world.restart()
    world.go(20).fire()
    world.tick(20, 299)
    assert world.slack.kinds == ["firing", "resolved"]
    assert world.stories()[-1] == ("cooldown", "told less than 5 min ago; told again at 12:05:00 UTC if it still fires")

    world.tick(300, 301)
    assert world.slack.kinds == ["firing", "resolved", "firing"]
    assert world.slack.sent[-1].suppressed == 1


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_jumps_suppresses_nothing_f12(world: World, jump: float) -> None:
    world.go(7200).fire()
    world.turn()
    world.go(7200 + jump)
    world.fire(instance="b")
    world.turn()

    assert {one.labels.get("instance") for notice in world.slack.sent for one in notice.firing} == {None, "b"}


def test_a_record_from_the_future_counts_as_old_once(world: World) -> None:
    world.go(7200).fire()
    world.turn()

    world.tick(3600, 3700)

    assert world.slack.kinds == ["firing", "repeat"]
    assert "clock was put back" in world.stories()[-2][1]


def test_a_storm_of_ten_thousand_is_few_notices_with_true_totals_f27(quick: World) -> None:
    world = quick
    rows = [
        world.row({"alertname": f"Rule{number % 200}", "severity": "warning", "n": str(number)}, {})
        for number in range(10_000)
    ]
    with world.state.writing() as session:
        session.add_all(rows)
        session.flush()
        world.dispatcher.dispatch(session, world.now)

    world.tick(0, 59)

    assert len(world.slack.sent) <= 10
    assert sum(notice.firing_total for notice in world.slack.sent) == 10_000
    assert world.slack.sent[-1].groups == 195
    assert sum(firing for firing, _ in world.told().values()) == 10_000


def test_a_storm_that_comes_in_drops_stays_within_ten_a_minute(quick: World) -> None:
    world = quick
    world.tick(0, 150, then=lambda second: world.fire(f"Rule{second}"))

    moments = [notice.at for notice in world.slack.sent]
    assert all(sum(0 <= (other - one).total_seconds() < 60 for other in moments) <= 10 for one in moments)
    world.tick(151, 180)
    assert sum(notice.firing_total for notice in world.slack.sent) == 151


def test_too_many_requests_is_obeyed_and_then_delivered_f19(world: World) -> None:
    world.slack.answers = [trouble(429, 30)]
    world.fire()
    world.tick(0, 29)
    world.fire("B")
    world.tick(29, 29)
    assert world.slack.sent == []

    world.tick(30, 31)

    assert [notice.group["alertname"] for notice in world.slack.sent] == ["A", "B"]


def test_tries_come_after_one_two_four_seconds_up_to_five_minutes_for_a_day_f19(quick: World) -> None:
    world = quick
    world.slack.answers = [trouble() for _ in range(2000)]
    world.fire()
    due = []
    world.turn()
    for _ in range(20):
        row = world.outbox()[-1]
        due.append((row.due_at - world.now).total_seconds())
        world.now = row.due_at
        world.turn()

    assert due[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(due[10:]) == {300}
    while world.outbox()[-1].state == "waiting":  # every try of the day: time without one does not count
        world.now = world.outbox()[-1].due_at
        world.turn()
    assert 86_400 < (world.now - at(0)).total_seconds() < 86_400 + 900
    assert world.kinds()[:3] == ["queued", "retry", "failed"]


def test_a_refusal_for_good_breaks_the_channel_and_every_other_one_is_told_f20(state: State) -> None:
    world = World(state, "slack", "email", "webhook")
    world.slack.answers = [refusal()]
    world.fire()
    world.tick(0, 5)

    for name in ("email", "webhook"):
        told = [notice.group["alertname"] for notice in world.channels[name].sent]
        assert told == ["A", "ChannelBroken"]
    assert world.slack.sent == []
    broken = world.channels["email"].sent[1].firing[0]
    assert (broken.labels["channel"], broken.severity) == ("slack", "critical")


def test_a_part_of_the_recipients_is_tried_again_alone_f21(state: State) -> None:
    world = World(state, "email")
    mail = world.channels["email"]
    mail.answers = [Receipt(250, "accepted for 1 of 2", 1.0, ["late@example.com"]), trouble(451)]
    world.fire()
    world.tick(0, 10)

    assert [list(to) for to in mail.tos] == [[], ["late@example.com"]]
    assert [row.state for row in world.outbox()] == ["sent", "sent"]
    assert world.stories("email")[1:] == [
        ("sent", "accepted with 250: accepted for 1 of 2"),
        ("retry", "for late@example.com alone: not accepted, tried again: HTTP 451"),
        ("sent", "for late@example.com alone: accepted with 200"),
    ]


def test_a_recipient_who_is_refused_later_is_named_and_the_channel_is_well_f21(state: State) -> None:
    world = World(state, "email")
    mail = world.channels["email"]
    mail.answers = [Receipt(250, "accepted for 1 of 2", 1.0, ["late@example.com"]), refusal(550, "no such user")]
    world.fire()
    world.tick(0, 10)

    assert world.stories("email")[-1] == ("failed", "for late@example.com alone: HTTP 550: no such user")
    assert [row.state for row in world.outbox()] == ["sent", "failed"]
    with state.reading() as session:
        [status] = statuses(session, ["email"])
    assert (status.failing_since, status.broken) == (None, False), "the others get their mail"


def test_a_recipient_who_is_refused_for_a_day_is_given_up_although_others_get_their_mail_f21(state: State) -> None:
    world = World(state, "email")
    mail, day = world.channels["email"], 86_400
    mail.answers = [Receipt(250, "accepted for 1 of 2", 1.0, ["full@example.com"]), trouble(452)]
    world.fire(annotations={"repeat_interval": "48h"})
    world.tick(0, 1)
    for hour in range(1, 27):
        mail.answers = [trouble(452)]
        world.go(hour * 3600).turn()  # the one who is left over
        mail.answers = []
        world.go(hour * 3600 + 1).fire(f"B{hour}")
        world.turn()

    given_up = world.outbox()[1]
    assert (given_up.state, given_up.notice["to"]) == ("failed", ["full@example.com"])
    assert world.now > at(day)
    assert ("failed", "for full@example.com alone: refused for 24 h; last: HTTP 452") in world.stories("email")


def test_the_last_word_to_a_recipient_who_was_late_is_what_is_so_f21(state: State) -> None:
    """Greylisted when it fired; when it was over, the mail about that went to everybody."""
    world = World(state, "email")
    mail = world.channels["email"]
    mail.answers = [Receipt(250, "accepted for 1 of 2", 1.0, ["late@example.com"]), *[trouble(450)] * 3]
    fired = world.fire()
    world.tick(0, 10)
    world.go(11).resolve(fired)
    world.tick(12, 600)

    heard = [(notice.kind.value, list(to)) for notice, to in zip(mail.sent, mail.tos, strict=True)]
    assert heard == [("firing", []), ("resolved", [])]
    assert [row.state for row in world.outbox()] == ["sent", "superseded", "sent"]


def test_a_test_leaves_no_trace_in_records_cooldowns_and_stories(world: World) -> None:
    with world.state.writing() as session:
        number = send_test(session, "slack", trial_notice(alert("Drill"), world.now), world.now)
    world.turn()

    with world.state.reading() as session:
        found = outcome(session, number)
        assert found is not None
        assert (found.state, found.code, found.over) == ("sent", 200, True)
    assert world.slack.sent[0].test
    assert world.told() == {}
    assert world.stories() == []


def test_a_test_that_fails_is_tried_once_and_breaks_nothing(world: World) -> None:
    world.slack.answers = [refusal()]
    with world.state.writing() as session:
        number = send_test(session, "slack", trial_notice(alert("Drill"), world.now), world.now)
    world.tick(0, 5)

    with world.state.reading() as session:
        found = outcome(session, number)
        assert found is not None
        assert (found.state, found.code, found.reply) == ("failed", 404, "HTTP 404: no_service")
    world.fire()
    world.turn()
    assert world.slack.kinds == ["firing"]


def test_what_was_undone_leaves_nothing_behind_even_where_its_number_comes_again(world: World) -> None:
    row = world.row({"alertname": "Undone", "severity": "critical"}, {})
    with pytest.raises(RuntimeError), world.state.writing() as session:
        session.add(row)
        world.dispatcher.dispatch(session, world.now)
        raise RuntimeError

    world.fire("Kept", instance="a")
    world.turn()

    assert [(n.group["alertname"], n.firing[0].labels.get("instance")) for n in world.slack.sent] == [("Kept", "a")]
    assert world.kinds() == ["queued", "sent"]


def test_a_sender_whose_claim_ended_does_not_write_over_the_one_that_came_after(world: World) -> None:
    world.fire()
    slow = world.sender._claim("slack", world.now, decide=True)
    assert slow is not None
    assert world.sender.turn() == 0  # it is claimed
    world.go(46).turn()

    world.sender._failed("slack", slow, refusal())

    assert world.slack.kinds == ["firing"]
    assert [row.state for row in world.outbox()] == ["sent"]


def test_a_claim_that_was_told_as_failed_and_is_there_none_the_less_holds_up_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fire()
    for second in (1, 2):
        with monkeypatch.context() as doubtful, pytest.raises(SourceUnavailable):
            doubtful.setattr(world.sender, "_state", Doubtful(world.state))
            world.go(second).turn()
    claimed = [row.state for row in world.outbox()]

    world.go(3).turn()

    assert (claimed, world.slack.kinds) == (["sending"], ["firing"])


def test_what_may_have_been_sent_before_its_result_was_kept_waits_for_its_claim_to_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a database that fails would make a copy a second."""
    world.fire()
    with monkeypatch.context() as broken, pytest.raises(SourceUnavailable):
        broken.setattr(world.sender, "_accepted", lambda *_: (_ for _ in ()).throw(SourceUnavailable("full", "state")))
        world.go(1).turn()
    world.tick(2, 45)
    before = list(world.slack.kinds)

    world.tick(46, 48)

    assert (before, world.slack.kinds) == (["firing"], ["firing", "firing"])
    assert len({notice.key for notice in world.slack.sent}) == 1


def test_a_claim_ends_with_the_lease_that_it_was_made_under(world: World) -> None:
    """Whoever made it is gone, or at least may not send any more; what it still writes about the notice counts for nothing."""
    world.fire()
    world.sender._holds = lambda _: 1
    claimed = world.sender._claim("slack", world.go(1).now, decide=True)
    assert claimed is not None
    gone = world.sender
    world.restart()
    world.sender._holds = lambda _: 2
    world.go(2).turn()
    assert world.slack.kinds == ["firing"]
    sent = world.outbox()

    gone._failed("slack", claimed, refusal())

    assert (
        [(row.state, row.code) for row in world.outbox()] == [(row.state, row.code) for row in sent] == [("sent", 200)]
    )


def test_a_notice_that_cannot_even_be_made_does_not_hold_up_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    made = world.slack.render
    world.slack.render = lambda notice: made(notice) if notice.group["alertname"] != "Bad" else 1 / 0  # type: ignore[method-assign,return-value]
    world.fire("Bad")
    world.fire("Good")
    world.turn()

    assert [notice.group["alertname"] for notice in world.slack.sent] == ["Good"]
    assert "ZeroDivisionError" in world.outbox()[0].reply
