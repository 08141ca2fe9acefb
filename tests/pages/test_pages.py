"""Every page in every state: quiet, busy, empty, and with its sources down. A new page is found by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from streamlit.testing.v1 import AppTest

from lib import notes, wiring
from lib.errors import SourceUnavailable
from lib.metrics.base import MetricStore
from lib.notes import Note
from lib.settings import Settings
from lib.stores import Stores
from lib.ui import cache, runtime, text
from lib.ui.pages import PAGES

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "lib" / "ui" / "shell.py")


class Down:
    """A store that never answers, whatever it is asked."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, asked: str) -> object:
        def refuse(*_: object, **__: object) -> object:
            raise SourceUnavailable(f"{self.name} does not answer", self.name)

        return refuse


class Doubtful:
    """A store that says something with every answer."""

    def __init__(self, store: object, note: Note) -> None:
        self._store, self._note = store, note

    def __getattr__(self, asked: str) -> object:
        notes.add(self._note)
        return getattr(self._store, asked)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, rules_file=ROOT / "deploy" / "prometheus" / "rules.yml")


@pytest.fixture
def stores(settings: Settings) -> Iterator[wiring.OpenStores]:
    opened = wiring.open_stores(settings)
    cache.forget()
    yield opened
    runtime.install(None)
    cache.forget()
    opened.close()


def drawn(settings: Settings, stores: Stores, url_path: str) -> AppTest:
    """The page of this address as a viewer sees it on these stores."""
    runtime.install(runtime.Runtime(settings, stores, lambda: None))
    test = AppTest.from_file(SHELL, default_timeout=30).run()
    if url_path:
        entry = next(page for page in PAGES if page.url_path == url_path)
        test = test.switch_page(str(entry.path)).run()
    return test


def test_every_page_has_its_file_and_every_file_its_line() -> None:
    files = {path.name for path in (ROOT / "pages").glob("*.py")}

    assert {page.file for page in PAGES} == files


@pytest.mark.parametrize("url_path", [page.url_path for page in PAGES])
def test_a_page_on_empty_stores_says_so_and_invents_no_zero(
    url_path: str, settings: Settings, stores: wiring.OpenStores
) -> None:
    test = drawn(settings, stores.stores, url_path)

    assert [str(e) for e in test.exception] == []
    assert [e.value for e in test.error] == []
    assert not [m for m in test.metric if m.value in {"0", "0 %", "0 ms"}]


@pytest.mark.parametrize("url_path", [page.url_path for page in PAGES])
@pytest.mark.parametrize("down", ["logs", "metrics", "health"])
def test_one_dead_source_never_blanks_a_page(
    url_path: str, down: str, settings: Settings, stores: wiring.OpenStores
) -> None:
    broken = replace(stores.stores, **{down: Down(down)})

    test = drawn(settings, broken, url_path)

    assert [str(e) for e in test.exception] == []
    assert [e.value for e in test.error] == []
    assert test.title[0].value == next(page.title for page in PAGES if page.url_path == url_path)


def test_what_the_contract_could_not_check_is_not_said_to_have_never_been_there(
    settings: Settings, stores: wiring.OpenStores
) -> None:
    test = drawn(settings, replace(stores.stores, metrics=Down("metrics")), "contract")

    lines = next(t.value for t in test.dataframe if "needed" in t.value.columns)
    unchecked = lines["status"].str.contains("Not checked")
    assert set(lines.loc[unchecked, "seen"]) == {text.NONE}
    assert set(lines.loc[~unchecked, "seen"]) == {"never"}


def test_a_card_says_that_its_answer_may_be_incomplete_in_the_stores_words(
    settings: Settings, stores: wiring.OpenStores
) -> None:
    metrics = Doubtful(stores.metrics, Note("Prometheus", "blocks are [missing](http://evil)"))

    page = drawn(settings, replace(stores.stores, metrics=cast("MetricStore", metrics)), "queues")

    said = [caption.value for caption in page.caption if "May be incomplete" in caption.value]
    assert said
    assert "Prometheus" in said[0]
    assert "](http" not in said[0]


def test_a_remark_without_doubt_costs_no_line_on_a_card(settings: Settings, stores: wiring.OpenStores) -> None:
    metrics = Doubtful(stores.metrics, Note("Prometheus", "metric might not be a counter", doubtful=False))

    page = drawn(settings, replace(stores.stores, metrics=cast("MetricStore", metrics)), "queues")

    assert not [caption.value for caption in page.caption if "incomplete" in caption.value]
