"""Addresses in Prometheus, Grafana and Kibana: the query and the range are in them, and nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pydantic import ValidationError

from lib.logs.elastic.client import NAME as ELASTIC
from lib.metrics.prometheus_refusal import NAME as PROMETHEUS
from lib.settings import Settings
from lib.ui.open_in import LONGEST, links, rison
from lib.window import Window

END = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = Window(END - timedelta(hours=1), END)
HOSTILE = 'up{a="&x=1#y"}'


def settings_of(**more: Any) -> Settings:
    return Settings(_env_file=None, **more)  # type: ignore[call-arg]


def test_nothing_is_offered_that_the_settings_do_not_name() -> None:
    assert links(settings_of(), PROMETHEUS, "up", HOUR) == []
    assert links(settings_of(), ELASTIC, "GET /a/_search\n{}", HOUR) == []
    assert links(settings_of(kibana_url="http://k", grafana_url="http://g"), "logs (embedded)", "SELECT", HOUR) == []


def test_prometheus_and_grafana_get_the_expression_as_it_is_and_the_range() -> None:
    settings = settings_of(
        prometheus_url="http://prom:9090/x/", prometheus_external_url="https://prom.example/x", grafana_url="https://g.example/",
        grafana_datasource="main",
    )  # fmt: skip

    prometheus, grafana = links(settings, PROMETHEUS, HOSTILE, HOUR)

    asked = parse_qs(urlsplit(prometheus.url).query)
    assert prometheus.url.startswith("https://prom.example/x/graph?")
    assert (asked["g0.expr"], asked["g0.range_input"], asked["g0.end_input"]) == (
        [HOSTILE],
        ["3600s"],
        ["2026-03-10 12:00:00"],
    )
    pane = json.loads(parse_qs(urlsplit(grafana.url).query)["panes"][0])["ops"]
    assert pane["queries"][0]["expr"] == HOSTILE
    assert pane["datasource"] == "main"
    assert int(pane["range"]["to"]) - int(pane["range"]["from"]) == 3_600_000


def test_kibana_gets_the_first_searchs_filter_and_the_range() -> None:
    body = {"size": 0, "query": {"bool": {"filter": [{"term": {"level": "it's! (a) #1"}}]}}}
    question = f"GET /halopsa-*/_search\n{json.dumps(body)}\nGET /halopsa-*/_search\n{{}}"

    (link,) = links(settings_of(kibana_url="https://k.example/s/ops", kibana_data_view="abc"), ELASTIC, question, HOUR)

    place, _, state = link.url.partition("#")
    assert place == "https://k.example/s/ops/app/discover"
    assert "#" not in state
    shown = unquote(state)
    assert "time:(from:'2026-03-10T11:00:00.000Z',to:'2026-03-10T12:00:00.000Z')" in shown
    assert "query:(bool:(filter:!((term:(level:'it!'s!! (a) #1')))))" in shown
    assert "index:abc" in shown


def test_a_question_that_was_cut_off_or_is_too_long_opens_with_its_range_alone() -> None:
    settings = settings_of(kibana_url="https://k.example")
    long = 'GET /a/_search\n{"query":{"term":{"a":"%s"}}}' % ("x" * LONGEST)

    cut, kept = (links(settings, ELASTIC, text, HOUR)[0].url for text in ('GET /a/_search\n{"query":{"te', long))

    assert cut == kept
    assert "_a=%28%29" in cut


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, -2.5, True, None, "b c", ""]}, "(a:!(1,-2.5,!t,!n,'b c',''))"),
        ("12", "'12'"),
        ("a.b@c", "a.b@c"),
        ({}, "()"),
    ],
)
def test_rison_is_what_kibana_reads(value: Any, text: str) -> None:
    assert rison(value) == text


@pytest.mark.parametrize("name", ["kibana_url", "grafana_url", "prometheus_external_url"])
@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x", "data:text/html,x", "//x", "http://user:pw@x"])
def test_only_http_addresses_without_credentials_are_taken(name: str, url: str) -> None:
    with pytest.raises(ValidationError):
        settings_of(**{name: url})
