"""F2: a sender that is killed loses nothing, and sends at most one copy more per kill; each copy has the same key."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL, select

from lib.alerts.delivery.stored import to_json
from lib.alerts.delivery.trial import trial_notice
from lib.alerts.tables import OutboxRow
from lib.state.database import State
from lib.state.migrate import open_state
from tests import fault_server as faults
from tests.alerts.delivery.world import alert
from tests.fault_server import FaultServer

ROOT = Path(__file__).parents[3]


def queue(state: State, count: int) -> set[str]:
    """Notices for single recipients of a group: nothing is decided about them again."""
    now, keys = datetime.now(UTC), set[str]()
    with state.writing() as session:
        for number in range(count):
            notice = trial_notice(alert(f"N{number}"), now, key=f"k{number}")
            session.add(
                OutboxRow(
                    key=notice.key, channel="webhook", group_key="*", kind="firing", state="waiting", created_at=now,
                    notice={"notice": to_json(notice), "covers": []}, due_at=now, token=0, attempts=0, test=False,
                )
            )  # fmt: skip
            keys.add(notice.key)
    return keys


def waiting(state: State) -> int:
    with state.reading() as session:
        return len(session.scalars(select(OutboxRow.id).where(OutboxRow.state != "sent")).all())


def run(url: URL, kills: int) -> tuple[Counter[str], int]:
    """How often each key came while the sender was killed so many times; and how many were asked for."""
    state, dice = open_state(url), random.Random(7)
    with FaultServer() as server:
        server.says("/hook", faults.answer("ok"))
        command = [
            sys.executable,
            "-m",
            "tests.alerts.delivery.counting",
            url.render_as_string(False),
            server.url("/hook"),
        ]
        keys = queue(state, 12 * kills)
        for _ in range(kills):
            child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
            assert child.stdout is not None
            child.stdout.readline()
            seen = len(server.requests)
            while len(server.requests) < seen + 2:
                time.sleep(0.005)
            time.sleep(dice.random() / 10)
            child.kill()
            child.wait(10)
            child.stdout.close()
        last = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while waiting(state) and time.monotonic() < deadline:
            time.sleep(0.05)
        last.kill()
        last.wait(10)
        assert waiting(state) == 0
        told = Counter(json.loads(one.body)["headline"] for one in server.requests)
        same_key = {(json.loads(one.body)["headline"], one.headers["x-halo-ops-key"]) for one in server.requests}
    state.close()
    assert len(same_key) == len(told)
    return told, len(keys)


@pytest.mark.timeout(180)
def test_a_killed_sender_loses_nothing_and_repeats_at_most_one_per_kill_f2(state_url: URL) -> None:
    told, asked = run(state_url, 3)

    assert len(told) == asked
    assert sum(told.values()) - asked <= 3


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_sender_killed_a_hundred_times_loses_nothing_f2(state_url: URL) -> None:
    told, asked = run(state_url, 100)

    assert len(told) == asked
    assert sum(told.values()) - asked <= 100
