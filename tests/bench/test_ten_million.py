"""What a page asks of ten times the records takes less than twice as long: its questions read sums, not rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.window import Window
from tests.bench.bare_count import bare_count, interleaved
from tests.bench.log_week import END, LENGTH, week
from tests.bench.page_questions import errors_page, performance_page

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

RECORDS, TIMES = 1_000_000, 10
SUMS = ("minute_totals", "minute_latency", "written_minutes")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DuckLogs, DuckLogs]]:
    """The same week with a million records and with ten million, both compacted as the worker does."""
    folder = tmp_path_factory.mktemp("bench")
    small, large = DuckLogs(folder / "small.duckdb"), DuckLogs(folder / "large.duckdb")
    for part in week(RECORDS):
        small.write(part)
        large.write(part)
    _multiply(large)
    small.compact()
    large.compact()
    yield small, large
    small.close()
    large.close()


def _multiply(store: DuckLogs) -> None:
    """As if every write had come ten times, under other ids: rows, partial sums, and the note of what is to be merged."""
    for number in range(1, TIMES):
        with store._db.write() as writer:
            writer.execute(
                "INSERT INTO records SELECT * REPLACE (id || ? AS id) FROM records WHERE id NOT LIKE '%-%'",
                [f"-{number}"],
            )
    for table in SUMS:
        with store._db.write() as writer:
            writer.execute(" ".join(("INSERT INTO", table, "SELECT once.* FROM", table, "AS once, range(1, 10)")))


def test_a_pages_questions_over_ten_million_records_take_less_than_twice_as_long(
    stores: tuple[DuckLogs, DuckLogs],
) -> None:
    window = Window(END - LENGTH, END)
    small, large = stores
    assert [int(store.totals(LogQuery(window))["records"].sum()) for store in stores] == [RECORDS, TIMES * RECORDS]
    assert large.count(LogQuery(window)) == TIMES * RECORDS
    asked = {
        f"{page} {size}": questions
        for size, store in (("1 M", small), ("10 M", large))
        for page, questions in (
            ("errors", errors_page(store, window)),
            ("performance", performance_page(store, window)),
        )
    }

    medians = interleaved(
        {f"{page}: {name}": ask for page, questions in asked.items() for name, ask in questions.items()}
        | {
            f"{size} {name}": ask
            for size, store in (("1 M", small), ("10 M", large))
            for name, ask in bare_count(store).items()
        },
        rounds=11,
    )

    took = {page: sum(medians[f"{page}: {name}"] for name in questions) for page, questions in asked.items()}
    ratios = {page: took[f"{page} 10 M"] / took[f"{page} 1 M"] for page in ("errors", "performance")}
    print("\n" + "\n".join(f"{name:40s} {seconds * 1000:7.1f} ms" for name, seconds in medians.items()))
    print("10 M against 1 M:", {page: round(ratio, 2) for page, ratio in ratios.items()})
    assert max(ratios.values()) < 2
