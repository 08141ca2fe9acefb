"""A typed query selects the same records in a real Elasticsearch as in the embedded store, however they are mapped."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lib import notes
from lib.errors import QueryError
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.window import DAY, Window
from tests.logs.batches import NOON, batch
from tests.logs.indices import Indices
from tests.logs.lucene_world import WORDS, queries

pytestmark = pytest.mark.live

SPAN = Window(NOON - DAY, NOON + DAY)
TEXTS = ("message", "error", "url", "service", "request_id")


def rows() -> list[dict[str, Any]]:
    """Records of every word in every field; each of their own fields is always of one kind, as a mapping has it."""
    dice, found = random.Random(5), []
    for n in range(150):
        row: dict[str, Any] = {name: dice.choice(["", *WORDS]) for name in TEXTS}
        own = {"n": dice.choice([None, -7, 5, 100, 500]), "odd/~key": dice.choice([None, *WORDS]),
               "context": dice.choice([None, {}, {"n": dice.choice(WORDS)}]), "flag": [None, True, False][n % 3]}  # fmt: skip
        found.append(row | {
            "id": f"{n:03}", "ts": NOON - dice.randrange(3) * timedelta(minutes=30), "fields": json.dumps(own),
            "level": dice.choice(["ERROR", "WARN", "INFO"]), "status": dice.choice([None, 5, 200, 500]),
            "duration_ms": dice.choice([None, 0.0, 5.0, 100.5]),
        })  # fmt: skip
    return found


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckLogs]:
    store = DuckLogs(tmp_path_factory.mktemp("typed") / "logs.duckdb")
    store.write(batch(rows()))
    yield store
    store.close()


@pytest.fixture(scope="module", params=["elasticsearch8 winston", "elasticsearch9 template"])
def remote(request: pytest.FixtureRequest) -> Iterator[Indices]:
    server, _, style = request.param.partition(" ")
    store = Indices(request.getfixturevalue(server), style, fresh_s=600, extent_s=600)
    store.write(batch(rows()))
    yield store
    store.close()


@pytest.mark.parametrize(
    ("text", "selected"), [(r"n:<\\", 0), ("n:<a", 0), ("n:>a", 0), ("n:<5", 30), (r"odd\/\~key:<a", 85)]
)
def test_a_number_is_neither_above_nor_below_a_word(
    embedded: DuckLogs, remote: Indices, text: str, selected: int
) -> None:
    """Regression: the embedded store compared a number with a word as if it were one."""
    query = LogQuery(SPAN, lucene=text)

    assert (embedded.count(query), remote.count(query)) == (selected, selected)


@pytest.mark.parametrize("text", ['n:"1e2"', 'n:"100.0"', 'n:"100"', "n:1e2"])
def test_a_number_in_quotes_is_a_number_where_the_field_holds_numbers(
    embedded: DuckLogs, remote: Indices, text: str
) -> None:
    """Regression: only the cluster took it for one."""
    query = LogQuery(SPAN, lucene=text)

    assert embedded.count(query) == remote.count(query) > 0


def test_a_text_that_looks_like_a_number_is_a_text(embedded: DuckLogs, remote: Indices) -> None:
    """Regression: the embedded store took "5.0" for a 5."""
    five, other = (LogQuery(SPAN, lucene=text) for text in ("context.n:5", r"context.n:5.0"))

    assert embedded.count(five) == remote.count(five) > 0
    assert embedded.count(other) == remote.count(other) > 0


@pytest.mark.parametrize(
    ("text", "selected"),
    [("_exists_:flag", 100), ('flag:""', 50), ("flag:true", 50), ("flag:yes", 0), ("NOT flag:yes", 150), ("flag:tr*", 50),
     ("flag:f?lse", 50), ("flag:>a", 100), ("flag:{false TO true]", 50), ("flag:<5", 0)],
)  # fmt: skip
def test_true_and_false_are_compared_as_words(embedded: DuckLogs, remote: Indices, text: str, selected: int) -> None:
    """Regression: the cluster refused all but true and false, even to say whether the field is there."""
    query = LogQuery(SPAN, lucene=text)

    assert (embedded.count(query), remote.count(query)) == (selected, selected)


@pytest.mark.parametrize(
    ("text", "selected"),
    [("n:<1e30", 118), ("n:>1e30", 0), ("n:[-9223372036854775808 TO 100]", 93), ("n:<9223372036854775807", 118),
     ("n:9223372036854775808", 0), ("status:[5 TO 3000000000]", 112), ("status:3000000000", 0), ("response_bytes:<1e20", 0)],
)  # fmt: skip
def test_a_number_beyond_what_the_field_can_hold_is_compared(
    embedded: DuckLogs, remote: Indices, text: str, selected: int
) -> None:
    """Regression: the cluster refused it."""
    query = LogQuery(SPAN, lucene=text)

    assert (embedded.count(query), remote.count(query)) == (selected, selected)


@given(st.lists(queries, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_a_typed_query_selects_the_same_records(embedded: DuckLogs, remote: Indices, texts: list[str]) -> None:
    for text in texts:
        query = LogQuery(SPAN, lucene=text)
        try:
            expected = embedded.search(query)["id"].tolist()
            found = remote.search(query)["id"].tolist()
        except QueryError as refused:
            assert refused.position is not None or "Elasticsearch" in str(refused) or "at most" in str(refused)
            continue

        assert found == expected, text
        assert remote.count(query) == len(expected), text


@pytest.mark.parametrize(
    "field", [*TEXTS, "level", "status", "duration_ms", "n", "context.n", "odd/~key", "flag", "id?"]
)
def test_the_values_of_a_field_are_counted_alike(embedded: DuckLogs, remote: Indices, field: str) -> None:
    query = LogQuery(SPAN, lucene="NOT level:info")

    ours, theirs = (store.top(query, field, 10) for store in (embedded, remote))

    assert len(ours)
    assert theirs.to_dict("list") == ours.to_dict("list")


def test_a12_no_question_is_costly_and_each_tells_how_it_was_asked(
    remote: Indices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A12: no query string, no script; every search is bounded; what is too much is refused before."""
    monkeypatch.setattr(notes, "MOST_TEXT", 1_000_000)
    for text in ("*:*", "_exists_:message", "message:a* OR n:>5", "NOT (url:a* AND message:halo)"):
        query = LogQuery(SPAN, lucene=text)
        with notes.questions() as put:
            remote.search(query, limit=10_000)
            remote.count(query)
            remote.top(query, "request_id")
            remote.totals(query, ("level", "route"), timedelta(hours=1))
            remote.trace("request_id", "a")

        asked = "\n".join(question.text for question in put)
        bodies = [json.loads(line) for line in asked.splitlines() if line.startswith("{")]
        assert {question.source for question in put} == {remote.name}
        assert len(bodies) >= 5
        assert not re.search(r'query_string|"script"|"regexp": *{"message', asked)
        assert max(body["size"] for body in bodies) <= 500
        assert all(body["timeout"] == "8s" for body in bodies if "pit" not in body)
    for text in ("/(a+)+/", " OR ".join("a" * 100), "NOT " * 12 + "a", "*foo", "a" * 257):
        with notes.questions() as put, pytest.raises(QueryError):
            remote.count(LogQuery(SPAN, lucene=text))
        assert put == []
