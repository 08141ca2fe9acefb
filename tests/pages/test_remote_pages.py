"""Every page says the same on a real Elasticsearch and a real Prometheus as on the embedded stores with the same data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.settings import Settings
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from lib.stores import Stores
from lib.ui import cache, handover, runtime
from lib.ui.pages import PAGES, entry
from tests.logs.indices import Indices
from tests.prometheus_server import prometheus
from tests.seed import HOUR, NOW, RULES, empty_stores, fill, log_records, metric_samples

pytestmark = pytest.mark.live
SHELL = str(Path(__file__).parents[2] / "lib" / "ui" / "shell.py")
ERRORS = "level:error operation:apollo*"
STATES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("logs", {"q": ERRORS}),
    ("logs", {"q": ERRORS, "columns": ["operation", "version"], "top": "error"}),
    ("logs", {"follow": "lead_id:L4"}),
    ("logs", {"q": "status:[500 TO *] AND route:\\/api\\/reports"}),
    ("logs", {"q": "nowhere_to_be_found"}),
    ("logs", {"q": "level:error AND (x"}),
    ("explore", {"expr": "sum by (status_code) (rate(http_requests_total[5m]))"}),
    ("explore", {"expr": "topk(1, queue_size)"}),
    ("explore", {"expr": "never_exported"}),
)
"""What a person opened or typed."""

SHOWN = ("title", "header", "markdown", "caption", "text", "code", "metric", "dataframe", "bidi_component", "error",
         "warning", "info", "success", "button", "download_button", "selectbox", "multiselect")  # fmt: skip
TODAY = re.compile(
    r"updated [^·]*· |printed from the state of .*|\*\*\d\d:\d\d:\d\d\*\*|checked \d\d:\d\d|Date: [^\n]*"
    r"|2\d{3}-(?!03-02)\d\d-\d\d.\d\d:\d\d:\d\d[.\d]*"
)
"""The real clock: what differs between any two drawings."""


@dataclass(frozen=True)
class World:
    """The same data embedded and on servers, and one state database for what people do."""

    embedded: Stores
    remote: Stores
    state: State


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, elasticsearch9: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("remote")
    with empty_stores(folder) as embedded, prometheus(folder / "prometheus") as server:
        fill(embedded)
        logs = Indices(elasticsearch9, fresh_s=60, extent_s=60)
        logs.write(log_records())
        server.write(metric_samples())
        metrics = PrometheusMetrics(Access(server.url), clock=lambda: NOW)
        state = open_state(sqlite_url(folder / "people.sqlite"))
        yield World(embedded, replace(embedded, logs=logs, metrics=metrics, remote=True), state)
        for opened in (state, metrics, logs):
            opened.close()


def drawn(
    world: World, stores: Stores, folder: Path, url_path: str, chosen: Mapping[str, Any] | None = None
) -> AppTest:
    """The page over the seeded hour, with what a person chose on it."""
    cache.forget()
    settings = Settings(data_dir=folder, rules_file=RULES)
    runtime.install(runtime.Runtime(settings, stores, lambda: None, world.state))
    try:
        test = AppTest.from_file(SHELL, default_timeout=60)
        test.query_params["range"] = f"{HOUR.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
        test.query_params["zone"] = "UTC"
        test.query_params[handover.KEY] = handover.RANGE  # by itself it looks at the last hours of the real clock
        test.run()
        for key, value in (chosen or {}).items():
            test.session_state[key] = value
        if url_path:
            test.switch_page(str(entry(url_path).path)).run()
    finally:
        runtime.install(None)
        cache.forget()
    assert [str(e) for e in test.exception] == []
    return test


def said(test: AppTest) -> list[str]:
    """All that a page says, element by element: words, figures, controls, tables cell by cell, the data of its charts."""
    return [f"{e.type}: {TODAY.sub('', _words(e))}" for e in test.main if e.type in SHOWN and not _of_a_store(e)]


def _words(element: Any) -> str:
    if element.type == "dataframe":
        return str(element.value.to_csv(index=False, float_format="%.9g"))
    if element.type == "metric":
        return f"{element.label} {element.value} {element.delta}"
    if element.type == "bidi_component":
        return str(element.proto)
    if element.type in ("selectbox", "multiselect"):
        return f"{element.label} {element.value} of {element.options}"
    return str(element.label if "button" in element.type else element.value)


def _of_a_store(element: Any) -> bool:
    """Capacity lists the stores themselves: files or indices. Everything else is about the data."""
    return element.type == "dataframe" and "declared_days" in element.value.columns


@pytest.mark.parametrize("url_path", [page.url_path for page in PAGES])
def test_a_page_does_not_tell_the_stores_apart(url_path: str, world: World, tmp_path: Path) -> None:
    ours = said(drawn(world, world.embedded, tmp_path, url_path))
    theirs = said(drawn(world, world.remote, tmp_path, url_path))

    assert theirs == ours


@pytest.mark.parametrize("mixed", ["logs", "metrics"])
@pytest.mark.parametrize("url_path", ["", "errors", "performance", "logs", "contract"])
def test_nor_where_only_one_of_the_two_is_on_a_server(mixed: str, url_path: str, world: World, tmp_path: Path) -> None:
    some = replace(world.remote, **{mixed: getattr(world.embedded, mixed)})

    ours, theirs = (said(drawn(world, stores, tmp_path, url_path)) for stores in (world.embedded, some))

    assert theirs == ours


@pytest.mark.parametrize(("url_path", "chosen"), STATES)
def test_nor_does_what_a_person_opened_or_typed(
    url_path: str, chosen: Mapping[str, Any], world: World, tmp_path: Path
) -> None:
    ours = said(drawn(world, world.embedded, tmp_path, url_path, chosen))
    theirs = said(drawn(world, world.remote, tmp_path, url_path, chosen))

    assert theirs == ours


def test_a_wrong_expression_is_pointed_at_in_the_words_of_each_parser(world: World, tmp_path: Path) -> None:
    chosen = {"expr": "rate(queue_size[5m]"}

    ours, theirs = (
        next(e.value for e in drawn(world, stores, tmp_path, "explore", chosen).code if e.value.startswith("rate"))
        for stores in (world.embedded, world.remote)
    )

    assert ours.splitlines()[:2] == theirs.splitlines()[:2] == ["rate(queue_size[5m]", " " * 19 + "^"]


def test_the_comparison_is_of_something(world: World, tmp_path: Path) -> None:
    """Or pages that say nothing at all would be found equal."""
    words = said(drawn(world, world.remote, tmp_path, "errors"))

    assert any("HaloPSA rejected lead" in one for one in words if one.startswith("dataframe"))
    assert sum(one.startswith("bidi_component") for one in words) >= 2
    assert "metric: Errors, last hour 9 before: 3" in words


def test_capacity_lists_the_stores_that_there_are(world: World, tmp_path: Path) -> None:
    def kept(stores: Stores) -> dict[str, Any]:
        lines = next(e.value for e in drawn(world, stores, tmp_path, "capacity").dataframe if _of_a_store(e))
        return {what.split(" ")[0]: str(oldest) for what, oldest in zip(lines["what"], lines["oldest"], strict=True)}

    ours, theirs = kept(world.embedded), kept(world.remote)

    assert theirs["Index"] == ours["Log"] != ""
    assert theirs["Metric"] == ours["Metric"] != ""
