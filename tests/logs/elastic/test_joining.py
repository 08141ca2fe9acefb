"""Searches that wait go out together, and nobody pays for another's mistake."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from lib.errors import SourceRejected, SourceUnavailable
from lib.logs.elastic.joining import MOST_LINES, Joined

Lines = Sequence[dict[str, Any]]


def lines(*names: str) -> list[dict[str, Any]]:
    return [line for name in names for line in ({"index": "i"}, {"name": name})]


class Cluster:
    """Answers each search with its name; the first request waits until it is let go."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def send(self, asked: Lines) -> list[dict[str, Any]]:
        names = [body["name"] for body in asked[1::2]]
        self.requests.append(names)
        if len(self.requests) == 1:
            self.begun.set()
            assert self.go.wait(10)
        if "wrong" in names:
            raise SourceRejected("HTTP 400", "logs")
        if "down" in names:
            raise SourceUnavailable("no connection", "logs")
        return [{"name": name} for name in names]


def asked_behind(cluster: Cluster, joined: Joined, *questions: Sequence[str]) -> list[Future[list[dict[str, Any]]]]:
    """The first goes out and waits; the others are asked meanwhile; then it is let go."""
    with ThreadPoolExecutor(len(questions)) as threads:
        first = threads.submit(joined.ask, lines(*questions[0]))
        assert cluster.begun.wait(10)
        others = [threads.submit(joined.ask, lines(*names)) for names in questions[1:]]
        deadline = time.monotonic() + 10
        while len(joined._waiting) < len(others):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        cluster.go.set()
    return [first, *others]


def names(future: Future[list[dict[str, Any]]]) -> list[str]:
    return [answer["name"] for answer in future.result(10)]


def test_what_waits_goes_out_in_one_request_and_each_gets_its_own_answers() -> None:
    cluster = Cluster()

    found = asked_behind(cluster, Joined(cluster.send, under_way=1), ["a"], ["b"], ["c", "d"], ["e"])

    assert [names(one) for one in found] == [["a"], ["b"], ["c", "d"], ["e"]]
    assert [sorted(one) for one in cluster.requests] == [["a"], ["b", "c", "d", "e"]]


def test_another_request_goes_out_at_once_while_there_is_room() -> None:
    cluster = Cluster()
    joined = Joined(cluster.send, under_way=2)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(joined.ask, lines("long"))
        assert cluster.begun.wait(10)

        assert joined.ask(lines("short")) == [{"name": "short"}]

        cluster.go.set()
        assert names(first) == ["long"]


def test_a_refused_search_costs_only_the_one_who_asked_it() -> None:
    cluster = Cluster()

    first, wrong, good = asked_behind(cluster, Joined(cluster.send, under_way=1), ["a"], ["wrong"], ["b"])

    assert names(first) == ["a"]
    assert names(good) == ["b"]
    with pytest.raises(SourceRejected):
        wrong.result(10)


def test_no_connection_is_told_to_all_and_the_next_is_asked_again() -> None:
    cluster = Cluster()
    joined = Joined(cluster.send, under_way=1)

    _, down, other = asked_behind(cluster, joined, ["a"], ["down"], ["b"])

    for one in (down, other):
        with pytest.raises(SourceUnavailable):
            one.result(10)
    assert joined.ask(lines("c")) == [{"name": "c"}]


def test_a_joined_request_has_a_bound() -> None:
    cluster = Cluster()
    many = [[f"q{n}"] for n in range(MOST_LINES)]

    found = asked_behind(cluster, Joined(cluster.send, under_way=1), ["a"], *many)

    assert [names(one) for one in found[1:]] == many
    assert max(map(len, cluster.requests)) == MOST_LINES // 2
