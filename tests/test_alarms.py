"""Alarms: on time, never too late, and one thread for all."""

from __future__ import annotations

import threading
import time

import pytest

from lib import alarms
from lib.alarms import Alarms


def test_an_alarm_goes_off_while_its_block_runs_and_an_earlier_one_first() -> None:
    rang, done, watch = [], threading.Event(), Alarms()
    began = time.monotonic()

    with (
        watch.at(began + 0.3, lambda: (rang.append("late"), done.set())),
        watch.at(began + 0.1, lambda: rang.append("early")),
    ):
        assert done.wait(5)

    assert rang == ["early", "late"]
    assert time.monotonic() - began >= 0.3


def test_what_has_ended_is_left_alone() -> None:
    rang, done, watch = [], threading.Event(), Alarms()
    moment = time.monotonic() + 0.05

    with watch.at(moment, lambda: rang.append("ended")):
        pass
    with watch.at(moment + 0.1, done.set):
        assert done.wait(5)

    assert rang == []


def test_all_alarms_share_a_thread_which_ends_when_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "_REST_S", 0.05)
    watch, done, others = Alarms(), threading.Event(), set(threading.enumerate())
    with watch.at(time.monotonic() + 0.3, list):
        for _ in range(20):
            with watch.at(time.monotonic() + 0.2, list):
                threads = [thread for thread in threading.enumerate() if thread not in others]
                assert [thread.name for thread in threads] == ["alarms"]

    threads[0].join(5)
    assert not threads[0].is_alive()
    with watch.at(time.monotonic(), done.set):
        assert done.wait(5), "it does not begin anew"
