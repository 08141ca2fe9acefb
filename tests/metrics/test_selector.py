from __future__ import annotations

import pytest

from lib.metrics.selector import series_names, told_apart

A = {"__name__": "queue_size", "instance": "a:1", "job": "crm", "queue_name": "leads"}
OTHER = {**A, "queue_name": "mail", "instance": "b:1"}


@pytest.mark.parametrize(
    ("series", "names"),
    [
        ([A, OTHER], ["queue_name=leads, instance=a:1", "queue_name=mail, instance=b:1"]),
        ([A], ["queue_name=leads, instance=a:1, job=crm"]),
        ([{"__name__": "up", "job": "x"}, {"__name__": "down", "job": "x"}], ["up", "down"]),
        ([{"route": "/x"}, {}], ["route=/x", "value"]),
        ([{}], ["value"]),
        ([{"a": "1"}, {"a": "1"}, {"a": "1"}], ["a=1", "a=1 #2", "a=1 #3"]),
        ([], []),
    ],
)
def test_series_are_told_apart_by_what_differs(series: list[dict[str, str]], names: list[str]) -> None:
    assert told_apart(series) == names


def test_no_two_names_are_alike() -> None:
    assert series_names([{"__name__": "up", "job": 'a"b'}, {}, {}]) == ['up{job="a\\"b"}', "value", "value #2"]
