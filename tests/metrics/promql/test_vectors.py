"""Answers of a real Prometheus 3, kept as data: on the scrape grid and off it, over gaps, resets and short histories."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lib.metrics.duckdb import DuckMetrics
from lib.metrics.promql.values import LabelSet, key_of
from tests.metrics import promtool
from tests.metrics.worlds import Points, World

FILE = Path(__file__).with_name("prometheus3.json")
MOST_BYTES = 1_000_000
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def store(vectors: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckMetrics]:
    opened = DuckMetrics(tmp_path_factory.mktemp("vectors") / "metrics.duckdb")
    world = World([(_labels(name), _points(values)) for name, values in vectors["series"]])
    opened.append(world.samples(), live=False)
    yield opened
    opened.close()


def _labels(text: str) -> LabelSet:
    name, _, inner = text.partition("{")
    return {"__name__": name} | dict(_LABEL.findall(inner))


def _points(text: str) -> Points:
    return [None if word == "_" else word if word == "stale" else float(word) for word in text.split()]


@pytest.mark.slow
def test_every_answer_equals_that_of_prometheus_3(vectors: dict[str, Any], store: DuckMetrics) -> None:
    moments = [timedelta(milliseconds=ms) for ms in vectors["moments_ms"]]
    texts = [text for text, _ in vectors["answers"]]
    keys = [key_of(labels) for labels in vectors["labels"]]
    theirs: list[promtool.Answer] = [
        "refused" if answer is None else {keys[int(number)]: float(value) for number, value in answer.items()}
        for _, answers in vectors["answers"]
        for answer in answers
    ]

    ours = [answer for text in texts for answer in promtool.ours(store, text, moments)]

    wrong = promtool.wrong(texts, moments, theirs, ours)
    assert not wrong, f"{len(wrong)} of {len(theirs)} differ:\n" + "\n".join(wrong[:20])


def test_the_vectors_say_what_they_are_and_cover_what_is_particular(vectors: dict[str, Any]) -> None:
    answers = [answer for _, answers in vectors["answers"] for answer in answers]

    assert vectors["prometheus"].startswith("v0.3")  # 0.3xx of the module is 3.x of the server
    assert FILE.stat().st_size < MOST_BYTES
    assert any(ms % 15_000 == 0 for ms in vectors["moments_ms"]) and any(ms % 15_000 for ms in vectors["moments_ms"])
    assert sum(bool(answer) for answer in answers) > len(answers) // 2
    assert sum(answer is None for answer in answers) > 100
