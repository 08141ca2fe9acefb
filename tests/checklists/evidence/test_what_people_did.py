"""Evidence that asks the state database, on both of its engines: heartbeats, reviews, what admins did, reveals, runs that ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.checklists.model import Verdict
from lib.identity.roles import Action, Actor, Role, Via
from lib.settings import Settings
from lib.state import audit
from lib.state.database import State
from lib.window import Window
from tests.checklists.evidence.test_monthly import runs
from tests.checklists.evidence.test_weekly import reviewed
from tests.checklists.evidence.world import DAY, HOUR, MINUTE, MONTH, NOW, WEEK, World
from tests.seed import empty_stores, record


def test_a_heartbeat_that_is_late(state: State, tmp_path: Path) -> None:
    with empty_stores(tmp_path) as stores:
        world = World(stores, state, Settings(data_dir=tmp_path))
        world.heartbeat(27 * HOUR)

        found = world.ask("backup")

    assert (found.verdict, found.reason) == (Verdict.LOOK, "backup: 1 d 3 h old, late")


def test_a_rule_whose_review_is_due(state: State, tmp_path: Path) -> None:
    with empty_stores(tmp_path) as stores:
        world = World(stores, state, Settings(data_dir=tmp_path))
        reviewed(world, NOW.date())

        found = world.ask("thresholds", WEEK)

    assert (found.verdict, found.reason) == (Verdict.LOOK, "QueueBacklog was to be reviewed by 2026-03-02")


def test_what_admins_did_and_who_revealed(state: State, tmp_path: Path) -> None:
    now = datetime.now(UTC)  # the audit keeps its own time
    for who, role in (("anna", Role.ADMIN), ("boris", Role.OPERATOR), ("anna", Role.ADMIN)):
        audit.act(state, Actor(who, role, Via.NAME), audit.Deed(Action.REVEAL, "record 7"))
    with empty_stores(tmp_path) as stores:
        world = World(stores, state, Settings(data_dir=tmp_path))
        world.logs([record(now - HOUR, message="HTTP Request", pattern="p", route="/", status=200, duration_ms=1.0)])
        period = Window(now - 7 * DAY, now + DAY)

        done = world.ask("security_events", period, now=now + MINUTE).detail
        revealed = world.ask("compliance", period, now=now + MINUTE).detail

    assert "admin actions: personal_data.reveal (2)" in done
    assert "reveals: 3 (anna: 2, boris: 1)" in revealed


@pytest.mark.parametrize(("done", "verdict"), [(20, Verdict.OK), (18, Verdict.LOOK), (10, Verdict.BAD)])
def test_the_items_of_the_runs_that_ended(state: State, tmp_path: Path, done: int, verdict: Verdict) -> None:
    with empty_stores(tmp_path) as stores:
        world = World(stores, state, Settings(data_dir=tmp_path))
        runs(world, done)

        found = world.ask("compliance", MONTH)

    assert (found.verdict, found.number) == (verdict, done * 5)
