"""F2, F3: a process that is killed between any two steps loses no alert, and sends at most one copy per kill in mid-send."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import URL, select

from lib.alerts.tables import AlertRow, OutboxRow
from lib.state.database import State
from lib.state.migrate import open_state

ROOT = Path(__file__).parents[3]
POINTS = sorted(
    {name for file in (ROOT / "lib" / "alerts").rglob("*.py") for name in re.findall(r'reach\("([a-z-]+)"\)', file.read_text())}
)  # fmt: skip
IN_MID_SEND = {"notice-handed-over", "notice-noted"}
"""Killed here the other side has it and we do not know."""


class Nursery:
    """Lets lives begin, and counts how they ended."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder
        self.killed: Counter[str] = Counter()

    def live(self, number: int, second: float, point: str = "-") -> bool:
        """Whether the life of this round was lived to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{number} {second} {point}\n")
        self._process.stdin.flush()
        ended = self._process.stdout.readline().strip()
        assert ended in ("killed", "done"), f"round {number} after {dict(self.killed)}: {ended or 'the nursery ended'}"
        self.killed[point] += ended == "killed"
        return ended == "done"

    def told(self) -> list[dict[str, list[str]]]:
        return [json.loads(line) for line in (self._folder / "told.txt").read_text(encoding="utf-8").splitlines()]


@contextmanager
def nursery(url: URL, folder: Path) -> Iterator[Nursery]:
    command = [
        sys.executable, "-m", "tests.alerts.engine.nursery", url.render_as_string(hide_password=False), str(folder)
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process, folder)


def judged(lives: Nursery, state: State, rounds: int) -> int:
    """Nothing was lost and nothing doubled in the database; how many notices came twice."""
    told = lives.told()
    names = [f"{name} {number}" for name in ("Depth", "Pushed") for number in range(rounds)]
    begun = Counter(name for one in told for name in one["firing"])
    over = Counter(name for one in told for name in one["resolved"])
    assert sorted(begun) == sorted(names)
    assert set(over) == {name for name in names if not name.endswith(f" {rounds - 1}")}
    with state.reading() as session:
        rows = Counter(f"{row.name} {row.labels['n']}" for row in session.scalars(select(AlertRow)))
        assert rows == Counter(names), "an alert is one row"
        assert set(session.scalars(select(OutboxRow.state))) <= {"sent", "superseded"}
    copies = len(told) - len({json.dumps(one["key"]) for one in told})
    assert sum(begun.values()) + sum(over.values()) - len(begun) - len(over) == copies, "a copy has the same key"
    return copies


def test_no_point_is_forgotten() -> None:
    assert len(POINTS) >= 10
    assert set(POINTS) > IN_MID_SEND


@pytest.mark.timeout(300)
def test_killed_once_at_each_point_nothing_is_lost_and_each_copy_has_its_kill_f2_f3(
    state_url: URL, tmp_path: Path
) -> None:
    state = open_state(state_url)
    with nursery(state_url, tmp_path) as lives:
        for number, point in enumerate(POINTS):
            assert not lives.live(number, 0, point), f"{point} was not reached"
            assert lives.live(number, 5)
        assert lives.live(len(POINTS), 0)

        copies = judged(lives, state, len(POINTS) + 1)

    state.close()
    assert copies == sum(lives.killed[point] for point in IN_MID_SEND) == len(IN_MID_SEND)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_killed_a_thousand_times_nothing_is_lost_and_each_copy_has_its_kill_f2_f3(
    state_url: URL, tmp_path: Path
) -> None:
    state, dice, rounds = open_state(state_url), random.Random(11), 0
    with nursery(state_url, tmp_path) as lives:
        for number in count():
            for second in count(0, 5):
                point = dice.choice([*(f"{name}:{dice.choice((1, 1, 1, 2))}" for name in POINTS), "-"])
                if lives.live(number, second, point):
                    break
            rounds = number + 1
            if sum(lives.killed.values()) >= 1000:
                break

        copies = judged(lives, state, rounds)

    state.close()
    in_mid_send = sum(kills for point, kills in lives.killed.items() if point.partition(":")[0] in IN_MID_SEND)
    print(f"{sum(lives.killed.values())} kills in {rounds} rounds: {copies} copies, {in_mid_send} kills in mid-send")
    assert copies <= in_mid_send
