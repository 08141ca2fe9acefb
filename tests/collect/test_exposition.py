"""The text format: what counts as a sample, what stops a scrape."""

import math
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lib.collect.exposition import SeriesCache, parse_exposition
from lib.metrics.ingest import Samples

NOW = 1_700_000_000_000


def parse(text: str, cache: SeriesCache | None = None, **given_: object) -> Samples:
    options: dict = {"extra": {}, "default_ts_ms": NOW, "max_samples": 50_000} | given_
    return parse_exposition(text.encode(), cache={} if cache is None else cache, **options)


def rows(samples: Samples) -> list[tuple[dict, int, float]]:
    return [
        (dict(samples.labels[s]), int(t), float(v))
        for s, t, v in zip(samples.series, samples.ts_ms, samples.values, strict=True)
    ]


def test_a_sample_has_its_labels_its_time_and_its_value():
    text = '# HELP up x\n# TYPE up gauge\nup 1\nqueue_size{queue_name="a b"} 2.5 1700000000123\n'

    found = rows(parse(text))

    assert found == [
        ({"__name__": "up"}, NOW, 1.0),
        ({"__name__": "queue_size", "queue_name": "a b"}, 1700000000123, 2.5),
    ]


def test_the_second_reading_with_a_warm_cache_says_the_same():
    text = 'a{x="1 2",y="} 3"} 4\na{x="}"} 5 6\nb 7\n b 8 9\n'
    cache: SeriesCache = {}

    first, second = rows(parse(text, cache)), rows(parse(text, cache))

    assert first == second
    assert [row[2] for row in first] == [4, 5, 7, 8]


def test_escapes_in_label_values_are_resolved():
    found = rows(parse(r'm{a="q\"\\\n{x}",b="\x"} 1'))

    assert found[0][0] == {"__name__": "m", "a": 'q"\\\n{x}', "b": r"\x"}


@pytest.mark.parametrize(
    ("text", "check"),
    [("NaN", math.isnan), ("+Inf", lambda v: v == math.inf), ("-Inf", lambda v: v == -math.inf)],
)
def test_values_that_are_no_finite_number_are_samples(text, check):
    samples = parse(f"m {text}")

    assert check(float(samples.values[0]))


def test_scraped_labels_that_clash_are_exported():
    found = rows(parse('m{job="theirs",exported_job="older"} 1', extra={"job": "ours", "instance": "i"}))

    assert found[0][0] == {
        "__name__": "m", "job": "ours", "instance": "i", "exported_job": "theirs", "exported_exported_job": "older",
    }  # fmt: skip


def test_an_empty_label_is_no_label():
    assert rows(parse('m{a="",b="x",} 1'))[0][0] == {"__name__": "m", "b": "x"}


def test_one_series_written_in_two_ways_is_one_series():
    samples = parse('m{a="1",b="2"} 1 1000\nm{ b="2" , a="1" } 2 2000\n')

    assert len(samples.labels) == 1
    assert samples.series.tolist() == [0, 0]


def test_open_metrics_text_is_read_without_its_exemplars_and_with_times_in_seconds():
    text = 'h_bucket{le="1"} 2 # {trace="a"} 0.5 1700000000.1\nc_total 3 1700000000.5\n# EOF\n'

    found = rows(parse(text))

    assert [(row[1], row[2]) for row in found] == [(NOW, 2.0), (1700000000500, 3.0)]


@pytest.mark.parametrize(
    "line",
    [
        "<html>", "m", "m ", "m x", "m 1_0", 'm{a="1} 1', "m{a=1} 1", "m 1 2 3", "m 1 2.5", '{a="b"} 1', "1m 1",
        'm{a="1"', 'm{a="1",a="2"} 1', 'm{a="1"}} 1', "m 1 99999999999999999999", 'm{__name__="x"} 1', 'm{"a"} 1',
    ],
)  # fmt: skip
def test_a_malformed_line_stops_the_scrape_and_is_named(line):
    cache: SeriesCache = {}
    parse("m 1\n", cache)

    with pytest.raises(ValueError, match=r"line 2: .*" + re.escape(ascii(line)[1:-1][:10])):
        parse(f"ok 1\n{line}\n", cache)


@pytest.mark.parametrize("labels", [",".join(f'l{n}="v"' for n in range(100_000)), 'a="' + "x" * 9_000_000 + '"'])
def test_a20_a_series_of_a_hundred_thousand_labels_is_refused_at_once(labels):
    began = time.perf_counter()

    with pytest.raises(ValueError, match="line 2: labels of over 64 KiB"):
        parse(f"fine 1\nm{{{labels}}} 1\n")

    assert time.perf_counter() - began < 3  # once each label cost a copy of the rest: minutes


def test_an_import_keeps_the_good_lines_and_lists_the_bad():
    errors: list[str] = []

    found = rows(parse("a 1\nb x\nc 3\n", errors=errors))

    assert [row[0]["__name__"] for row in found] == ["a", "c"]
    assert len(errors) == 1


def test_bytes_that_are_no_text_stop_the_scrape():
    with pytest.raises(ValueError, match="line 1"):
        parse_exposition(b'm{a="\xff"} 1\n', extra={}, default_ts_ms=0, max_samples=9, cache={})


def test_too_many_samples_are_refused():
    with pytest.raises(ValueError, match="more than 2 samples"):
        parse("a 1\nb 1\nc 1\n", max_samples=2)


def test_blank_lines_carriage_returns_and_tabs_are_no_samples():
    assert [row[2] for row in rows(parse("\n  \n# c\na\t1\r\n  # d\nb 2\r\n"))] == [1, 2]


def test_nothing_is_an_empty_answer():
    samples = parse("")

    assert (len(samples.labels), len(samples.series), len(samples.ts_ms), len(samples.values)) == (0, 0, 0, 0)


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)  # "__" is reserved
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=8)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), st.floats()), min_size=1, max_size=5))
def test_it_reads_what_the_reference_parser_reads(series):
    def line(name: str, labels: dict[str, str], value: float) -> str:
        inner = ",".join(f'{k}="{v.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
                         for k, v in labels.items())  # fmt: skip
        return f"{name}{{{inner}}} {value!r} 5\n"

    text = "".join(line(*one) for one in series)

    found = sorted((sorted(labels.items()), repr(value)) for labels, _, value in rows(parse(text)))

    expected = [
        (sorted(({"__name__": s.name} | s.labels).items()), repr(float(s.value)))
        for family in text_string_to_metric_families(text)
        for s in family.samples
    ]
    assert found == sorted(expected)
