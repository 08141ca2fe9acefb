"""F4 and F6: rotation storms, by a random walk over what can happen to log files and by the real logrotate."""

import os
import random
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.collect.log_files import Desk, line_of


class Walk:
    """Does one random thing after another to a family of log files, as rotations do it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.desk, self.dice = Desk(folder, budget=4096), random.Random(seed)
        self.written: list[str] = []
        self.rotated = 0
        self.half = b""

    def step(self) -> None:
        act = self.dice.choice(
            [self.write] * 4 + [self.poll] * 4 + [self.rename, self.copytruncate, self.restart, self.part]
        )
        act()

    def write(self) -> None:
        self._finish_half()
        self.written += self.desk.write(self.dice.randint(1, 60))

    def part(self) -> None:
        """Half a line now, the other half before anything else is written."""
        if self.half:
            return
        message = f"part {len(self.written)}"
        line = line_of(message)
        cut = self.dice.randint(1, len(line) - 1)
        with self.desk.path().open("ab") as file:
            file.write(line[:cut])
        self.half = line[cut:]
        self.written.append(message)

    def _finish_half(self) -> None:
        if self.half:
            with self.desk.path().open("ab") as file:
                file.write(self.half)
            self.half = b""

    def poll(self) -> None:
        self.desk.poll(self.dice.randint(1, 3))
        self.desk.time_s += self.dice.choice([0.3, 5, 30])

    def rename(self) -> None:
        if not self.desk.path().exists():
            return
        self._finish_half()
        self.rotated += 1
        self.desk.path().rename(self.desk.path(f"combined.log.{self.rotated}"))

    def copytruncate(self) -> None:
        if not self.desk.path().exists():
            return
        self._finish_half()
        self.rotated += 1
        copy = self.desk.path(f"combined.log.{self.rotated}")
        whole = self.desk.path().read_bytes()
        for end in sorted({self.dice.randint(0, len(whole)), len(whole)}):
            copy.write_bytes(whole[:end])
            if self.dice.random() < 0.4:
                self.desk.poll()
        os.truncate(self.desk.path(), 0)

    def restart(self) -> None:
        self.desk.restart()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_rotation_does_each_line_is_read_once(tmp_path: Path, seed: int):
    walk = Walk(tmp_path, seed)
    for _ in range(60):
        walk.step()
    walk.write()

    for _ in range(200):
        walk.desk.tail.poll()
    walk.desk.settle()

    assert sorted(walk.desk.sink.messages) == sorted(walk.written)
    assert [gap for gap in walk.desk.sink.told if gap.kind == "lost"] == []


def test_two_hundred_renames_while_writing_lose_nothing(tmp_path: Path):
    desk = Desk(tmp_path)
    stop = threading.Event()
    reader = threading.Thread(target=desk.tail.run, args=(stop,))
    reader.start()

    written = []
    for turn in range(200):
        written += desk.write(20)
        desk.path().rename(desk.path(f"combined.log.{turn}"))
        time.sleep(0.005)
    deadline = time.monotonic() + 30
    while len(desk.sink.rows) < len(written) and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.set()
    reader.join()

    assert sorted(desk.sink.messages) == sorted(written)


@pytest.mark.live
@pytest.mark.parametrize("way", ["create", "copytruncate", "compress\n  delaycompress"])
def test_the_real_logrotate_under_a_writer(tmp_path: Path, way: str):
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    desk = Desk(logs)
    configuration = tmp_path / "rotate.conf"
    configuration.write_text(f"{logs}/combined.log {{\n  su root root\n  rotate 50\n  size 1\n  {way}\n}}\n")
    stop, reader = threading.Event(), None
    reader = threading.Thread(target=desk.tail.run, args=(stop,))
    reader.start()

    written: list[str] = []
    for _ in range(12):
        for _ in range(20):
            written += desk.write(10)
            time.sleep(0.002)
        wait_for(lambda: len(desk.sink.rows) == desk.count)
        command = ["/usr/sbin/logrotate", "-f", "-s", str(tmp_path / "state"), str(configuration)]
        subprocess.run(command, check=True, capture_output=True)
    wait_for(lambda: len(desk.sink.rows) >= len(written))
    time.sleep(1)  # for lines that would come a second time
    stop.set()
    reader.join()

    assert sorted(desk.sink.messages) == sorted(written)


def wait_for(condition, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)
