"""What is read again and what is not."""

from __future__ import annotations

import numpy as np

from lib.metrics.sample_cache import Columns, SampleCache


class _Table:
    """Two series with a sample at each of these times; remembers what was read."""

    def __init__(self, *times: int) -> None:
        self.times = list(times)
        self.asked: list[tuple[int, int]] = []

    def fetch(self, after_ms: int, until_ms: int) -> Columns:
        self.asked.append((after_ms, until_ms))
        found = np.array([t for t in self.times if after_ms < t <= until_ms], dtype=np.int64)
        both = np.concatenate((found, found))
        return Columns(np.array([0, found.size, both.size]), both, both * 1.0)


def test_a_refresh_reads_only_what_is_new() -> None:
    table, cache = _Table(1, 5, 9), SampleCache()
    cache.get("q", 0, 6, table.fetch)

    columns = cache.get("q", 4, 10, table.fetch)

    assert table.asked == [(0, 6), (6, 10)]
    assert columns.ts_ms.tolist() == [5, 9, 5, 9]
    assert columns.offsets.tolist() == [0, 2, 4]


def test_a_short_question_does_not_shrink_what_a_long_one_left() -> None:
    table, cache = _Table(1, 5, 9), SampleCache()
    cache.get("q", 0, 8, table.fetch)
    cache.get("q", 7, 9, table.fetch)

    columns = cache.get("q", 1, 9, table.fetch)

    assert table.asked == [(0, 8), (8, 9)]
    assert columns.ts_ms.tolist() == [5, 9, 5, 9]


def test_what_was_written_into_is_read_again() -> None:
    table, cache = _Table(1, 9), SampleCache()
    cache.get("q", 0, 10, table.fetch)
    table.times = [1, 5, 9]
    cache.written(5, 5)

    columns = cache.get("q", 0, 10, table.fetch)

    assert table.asked == [(0, 10), (4, 10)]
    assert columns.ts_ms.tolist() == [1, 5, 9, 1, 5, 9]


def test_a_write_while_reading_is_not_missed_by_the_next_question() -> None:
    table, cache = _Table(1), SampleCache()

    def overtaken(after_ms: int, until_ms: int) -> Columns:
        found = table.fetch(after_ms, until_ms)
        table.times = [1, 5]
        cache.written(5, 5)
        return found

    cache.get("q", 0, 10, overtaken)

    assert cache.get("q", 0, 10, table.fetch).ts_ms.tolist() == [1, 5, 1, 5]


def test_no_more_is_held_than_allowed() -> None:
    table, cache = _Table(1, 2, 3), SampleCache(most_samples=6)
    cache.get("first", 0, 3, table.fetch)
    cache.get("second", 0, 3, table.fetch)
    table.asked.clear()

    cache.get("second", 0, 3, table.fetch)
    cache.get("first", 0, 3, table.fetch)

    assert table.asked == [(0, 3)]


def test_two_who_read_the_same_at_the_same_time_both_get_it_and_neither_misses_a_write() -> None:
    table, cache = _Table(1, 9), SampleCache()

    def slower(after_ms: int, until_ms: int) -> Columns:
        read = table.fetch(after_ms, until_ms)
        cache.get("q", 0, 10, table.fetch)  # another asks the same meanwhile, and is done first
        table.times = [1, 5, 9]
        cache.written(5, 5)
        return read

    first = cache.get("q", 0, 10, slower)
    again = cache.get("q", 0, 10, table.fetch)

    assert first.ts_ms.tolist() == [1, 9, 1, 9]
    assert again.ts_ms.tolist() == [1, 5, 9, 1, 5, 9]
