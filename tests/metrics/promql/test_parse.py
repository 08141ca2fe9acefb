"""What people type: refused by name, with a place, and never with any other exception."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import QueryError
from lib.metrics.base import Result
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.metrics.promql.parse import parse
from lib.metrics.promql.text import quote, seconds, selector
from lib.window import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "word", "position"),
    [
        ("max_over_time(x[5m:1m])", "subquery", 18),
        ("x @ 5", "@ modifier", 2),
        ("1 + day_of_month(x)", "day_of_month()", 4),
        ("a atan2 b", "atan2", 2),
        ("sum(limitk(1, x))", "limitk()", 4),
        ('{a="b" or c="d"}', "or", 7),
        ('sum(x{l="holt_winters"}) + month()', "month()", 27),
    ],
)
def test_what_the_embedded_store_lacks_is_refused_by_name(text: str, word: str, position: int) -> None:
    with pytest.raises(QueryError, match="is not supported on the embedded store") as refused:
        parse(text)

    assert word in str(refused.value)
    assert refused.value.position == position


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("1 +", 3),
        ("a b", 2),
        ("sum(rate(x[5m])", 15),
        ("sum by (a)) x", 10),
        ("rate(x)", 0),
        ("1 + nosuch(x)", 4),
        ('up{job="a",,}', 11),
        ("up{job=}", 7),
        ("rate(x[5q])", 7),
        ("x + * y", 4),
        ("sum(x) bye (a)", 7),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, position: int) -> None:
    with pytest.raises(QueryError) as refused:
        parse(text)

    assert refused.value.position == position, str(refused.value)


@pytest.mark.parametrize(
    ("text", "said", "position"),
    [
        ("1 > 2", "not valid PromQL (comparisons between scalars must use BOOL modifier)", None),
        ('up{job=~"["}', "[ is no regular expression of RE2", 8),
        ("up{a=\"b\", job=~'(?=x)'}", "(?=x) is no regular expression of RE2", 15),
        ("{}", "not valid PromQL (vector selector must contain at least one non-empty matcher)", None),
        ("sum(up", "not valid PromQL (unclosed left parenthesis): the expression ends too early", 6),
    ],
)
def test_what_is_whole_but_means_nothing_is_not_said_to_end_too_early(
    text: str, said: str, position: int | None
) -> None:
    """Regression: that was added to every such reason, and the mark stood behind the last character."""
    with pytest.raises(QueryError) as error:
        parse(text)

    assert (str(error.value), error.value.position) == (said, position)


@pytest.mark.parametrize("text", ["(" * 4000 + "1" + ")" * 4000, "-" * 5000 + "x", "1+" * 2000 + "1", "a" * 9000])
def test_a_bottomless_expression_is_refused_at_once(text: str) -> None:
    before = time.perf_counter()

    with pytest.raises(QueryError, match=r"more than|longer than"):
        parse(text)

    assert time.perf_counter() - before < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "x[5m]",
        '"text"',
        "rate((x)[5m])",
        "x offset NaN",
        "x offset 1e300",
        "rate(x[200y])",
        "x offset -99y",
        "rate(x[0s])",
    ],
)
def test_what_is_no_answer_is_refused(store: DuckMetrics, text: str) -> None:
    with pytest.raises(QueryError):
        store.instant(text, EPOCH)


def test_a_label_value_cannot_leave_its_quotes() -> None:
    tree = parse(selector("up", job='"} or up{x="'))

    assert type(tree).__name__ == "VectorSelector"
    assert [(m.name, m.value) for m in tree.matchers.matchers] == [("job", '"} or up{x="')]


@given(value=st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40))
def test_a_quoted_value_reads_back_as_itself(value: str) -> None:
    assert parse(quote(value)).val == value


def test_durations_are_written_whole() -> None:
    assert (seconds(90), seconds(0.25), seconds(1.5)) == ("90s", "250ms", "1500ms")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckMetrics]:
    store = DuckMetrics(tmp_path_factory.mktemp("parse") / "m.duckdb")
    labels = tuple({"__name__": name, "a": a} for name in ("x", "y") for a in ("1", "2"))
    series = np.repeat(np.arange(4, dtype=np.int32), 20)
    store.append(Samples(labels, series, np.tile(np.arange(20) * 15_000, 4), np.arange(80.0)), live=False)
    yield store
    store.close()


_words = st.sampled_from(
    [
        "x",
        "y",
        "sum",
        "by",
        "without",
        "(",
        ")",
        "[5m]",
        "[5m:",
        "]",
        "{",
        "}",
        'a="1"',
        ",",
        'a=~"("',
        '"b"',
        "'",
        "`",
        "#",
        "+",
        "-",
        "*",
        "/",
        "^",
        "%",
        "==",
        ">",
        "bool",
        "and",
        "or",
        "unless",
        "on(a)",
        "group_left",
        "offset",
        "1m",
        "@",
        "0",
        "1",
        "NaN",
        "Inf",
        "-1",
        "rate(",
        "histogram_quantile(",
        "topk(",
        "label_replace(",
        "quantile_over_time(",
        "clamp(",
        "absent(",
        "scalar(",
        "vector(",
        "time()",
        "count_values(",
        "predict_linear(",
        "sort(",
        "round(",
        "\\",
        "1e400",
        "é",
        "\x00",
        "0x_",
        "9999999999y",
    ]
)
_texts = st.one_of(st.text(max_size=30), st.lists(_words, max_size=12).map(" ".join))
_calls = st.tuples(
    st.sampled_from(
        [
            "rate(@[1m])",
            "sum by(a)(@)",
            "topk(#,@)",
            "quantile(#,@)",
            "@ / on(a) @",
            "# ^ @",
            "@ > bool #",
            "histogram_quantile(#,@)",
            "-@",
            "(@ or @)",
            "clamp(@,#,#)",
            "scalar(@)",
            "vector(#)",
            "absent(@)",
            'label_replace(@,"a","$1","a","(.)")',
            'count_values("v",@)',
            "time()",
            "#",
            "x",
            "y",
        ]
    ),
    st.sampled_from(["x", "y", "nosuch", "(x + 1)", "sum(x)", "x offset 1m"]),
    st.sampled_from(["0", "NaN", "-Inf", "1e308", "0.5", "scalar(x)", "2"]),
).map(lambda parts: parts[0].replace("@", parts[1]).replace("#", parts[2]))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(_texts, _calls))
def test_any_text_is_answered_or_refused(filled: DuckMetrics, text: str) -> None:
    window = Window(EPOCH + timedelta(seconds=1), EPOCH + timedelta(minutes=7))

    for ask in (lambda: filled.instant(text, window.end), lambda: filled.range(text, window, timedelta(seconds=20))):
        try:
            result: object = ask()
        except QueryError as refused:
            result = refused

        assert isinstance(result, Result | QueryError)
        if isinstance(result, Result):
            assert result.values.shape == result.present.shape == (len(result.labels), result.ts_ms.size)
            assert np.isnan(result.values[~result.present]).all()
