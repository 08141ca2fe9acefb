"""Old deliveries are dropped; what a decision still needs stays."""

from __future__ import annotations

from sqlalchemy import func, select

from lib.alerts.delivery.history import DeliveryHistory
from lib.alerts.tables import CooldownRow, NoticeLogRow, OutboxRow, StoryRow
from lib.state.database import State
from tests.alerts.delivery.world import World, at

TABLES = (OutboxRow, StoryRow, CooldownRow, NoticeLogRow)


def counts(state: State) -> list[int]:
    with state.reading() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


def test_what_is_old_and_over_goes_and_what_fires_stays_known(state: State) -> None:
    world = World(state)
    ended = world.fire("Ended")
    world.fire("Open")
    world.turn().go(60).resolve(ended)
    world.turn()

    kept = DeliveryHistory(state).retain(at(-100))
    dropped = DeliveryHistory(state).retain(at(3 * 86_400))

    assert kept == 0
    assert dropped > 0
    assert counts(state) == [0, 0, 1, 1]
    world.restart()
    world.go(7200).turn()
    assert world.slack.kinds == ["firing", "firing", "resolved"]


def test_a_notice_that_waits_stays(state: State) -> None:
    world = World(state)
    world.fire()

    DeliveryHistory(state).retain(at(30 * 86_400))

    assert counts(state)[0] == 1
