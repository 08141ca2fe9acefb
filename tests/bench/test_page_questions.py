"""What one page asks of the log store costs less than five bare counts of the raw rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lib.logs.duckdb import DuckLogs
from lib.window import Window
from tests.bench.bare_count import Questions, bare_count, interleaved
from tests.bench.log_week import END, LENGTH, week
from tests.bench.page_questions import errors_page, performance_page

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

RECORDS = 1_000_000


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckLogs]:
    """A store with a week of records, compacted as the worker does."""
    store = DuckLogs(Path(tmp_path_factory.mktemp("bench")) / "logs.duckdb")
    parts = list(week(RECORDS))
    started = time.perf_counter()
    for part in parts:
        store.write(part)
    taken = time.perf_counter() - started
    print(f"\ningest: {RECORDS / taken:,.0f} records/s, {store.size_bytes() / RECORDS:.0f} bytes/record")
    store.compact()
    yield store
    store.close()


def test_each_page_of_questions_over_a_week_costs_less_than_five_bare_counts(logs: DuckLogs) -> None:
    window = Window(END - LENGTH, END)
    pages = {"errors": errors_page(logs, window), "performance": performance_page(logs, window)}
    medians = interleaved(bare_count(logs) | pages["errors"] | pages["performance"], rounds=15)

    ratios = _ratios(pages, medians)
    print("\n" + "\n".join(f"{name:22s} {took * 1000:7.1f} ms" for name, took in medians.items()))
    print("ratios", {name: round(ratio, 2) for name, ratio in ratios.items()}, f"both {sum(ratios.values()):.2f}")
    assert max(ratios.values()) < 5


def test_a_day_in_minutes_is_as_quick(logs: DuckLogs) -> None:
    window = Window(END - timedelta(days=1), END)
    pages = {"errors": errors_page(logs, window), "performance": performance_page(logs, window)}
    medians = interleaved(bare_count(logs) | pages["errors"] | pages["performance"], rounds=10)

    ratios = _ratios(pages, medians)
    print("\nover 24 h, in bare counts of a week:", {name: round(ratio, 2) for name, ratio in ratios.items()})
    assert max(ratios.values()) < 5


def test_a_small_write_costs_about_a_count_of_all(logs: DuckLogs) -> None:
    late = next(week(10, seed=2)).slice(0, 1)
    now = late.set_column(0, late.schema.field(0), pa.array([END], late.schema.field(0).type))
    tenfold = pa.concat_tables([now] * 10)

    took = interleaved(
        bare_count(logs) | {"newest minute": lambda: logs.write(tenfold), "a past hour": lambda: logs.write(late)},
        rounds=30,
    )

    print("\nwrite of a few records:", {name: f"{median * 1000:.1f} ms" for name, median in took.items()})
    assert took["newest minute"] < 1.5 * took["bare"]
    assert took["a past hour"] < 3 * took["bare"]  # makes that hour's sums anew


def _ratios(pages: dict[str, Questions], medians: dict[str, float]) -> dict[str, float]:
    """What each page's questions cost together, in bare counts."""
    return {name: sum(medians[question] for question in page) / medians["bare"] for name, page in pages.items()}
