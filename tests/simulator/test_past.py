import gzip
from pathlib import Path

import numpy as np
import orjson
import pytest

from lib.simulator import catalogue as c
from lib.simulator.past.chunks import Past
from lib.simulator.past.events import draw
from lib.simulator.past.metrics import write
from lib.simulator.past.story import DAY, HOUR, Story
from lib.simulator.rhythm import busyness

UNTIL = 1_795_449_600.0  # Monday 2026-11-23 16:00 UTC
INSTANCES = ("127.0.0.1:9314", "127.0.0.1:9315")


def past(folder: Path, days: float = 0.25, seed: int = 1, pace: float = 0.3) -> Past:
    return Past(folder=folder, until=UNTIL, days=days, instances=INSTANCES, seed=seed, pace=pace)


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(past(tmp_path_factory.mktemp("past"), days=4, pace=1).write("newest"))


def records(folder: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in (folder / "combined.log").read_bytes().splitlines()]


def samples(folder: Path) -> list[tuple[str, float, int]]:
    lines = [line for line in (folder / "metrics.prom").read_text().splitlines() if not line.startswith("#")]
    return [(head, float(value), int(stamp)) for head, value, stamp in (line.rsplit(" ", 2) for line in lines)]


def test_the_newest_chunk_ends_where_the_live_run_begins(newest: Path) -> None:
    stamps = {stamp for _, _, stamp in samples(newest)}

    assert max(stamps) < UNTIL * 1000 <= max(stamps) + 30_000
    assert min(stamps) == (UNTIL - 6 * HOUR) * 1000
    assert {b - a for a, b in zip(sorted(stamps), sorted(stamps)[1:], strict=False)} == {30_000}


def test_chunks_cover_the_whole_past_newest_first_without_overlap(tmp_path: Path) -> None:
    chunks = past(tmp_path, days=7).chunks()

    assert chunks[0].span.end == UNTIL
    assert [later.span.start for later in chunks[:-1]] == [earlier.span.end for earlier in chunks[1:]]
    assert chunks[-1].span.start == UNTIL - 7 * DAY


def test_every_line_is_a_flat_record_within_the_chunk_and_in_order(newest: Path) -> None:
    found = records(newest)

    stamps = [str(record["timestamp"]) for record in found]
    assert len(found) > 5_000
    assert stamps == sorted(stamps)
    assert all({"timestamp", "level", "message", "service", "version"} <= record.keys() for record in found)
    assert {record["message"] for record in found} >= {
        "HTTP Request", "API Request Started", "API Request Completed", "Lead Created", "Lead Converted to Prospect",
        "Opportunity Created", "Data Synchronization Completed", "Operation Failed",
    }  # fmt: skip


def test_no_credential_reaches_a_line(newest: Path) -> None:
    started = [record for record in records(newest) if record["message"] == "API Request Started"]

    assert {record["headers"]["authorization"] for record in started} == {"[REDACTED]"}  # type: ignore[index]


def test_logs_and_metrics_tell_the_same_number_of_requests(newest: Path) -> None:
    logged = sum(record["message"] == "HTTP Request" for record in records(newest))
    first, last = UNTIL * 1000 - 6 * HOUR * 1000, UNTIL * 1000 - 30_000

    counted = [(s, v, t) for s, v, t in samples(newest) if s.startswith("http_requests_total")]
    grown = sum(v for _, v, t in counted if t == last) - sum(v for _, v, t in counted if t == first)

    assert grown == pytest.approx(logged, rel=0.01)


def test_counters_fall_only_where_an_instance_was_redeployed() -> None:
    story = Story.before(UNTIL, 3, 2)
    grid = np.arange(UNTIL - 3 * DAY, UNTIL, 60.0)
    text = write(draw(story, 1, 0.2), grid, INSTANCES, 1).text()
    deploys_ms = [deploy * 1000 for deploy in story.deploys]

    falls, previous = set(), dict[str, float]()
    for line in text.splitlines():
        if line.startswith("prospects_created_total"):
            series, value, stamp = line.rsplit(" ", 2)
            if float(value) < previous.get(series, 0):
                falls.add(int(stamp))
            previous[series] = float(value)

    assert len(falls) == 2
    assert all(min(abs(fall - deploy) for deploy in deploys_ms) <= 120_000 for fall in falls)


def test_older_chunks_are_packed_and_have_the_incidents(tmp_path: Path) -> None:
    yesterday = next(past(tmp_path, days=2).write("older"))

    errors = [orjson.loads(line) for line in gzip.decompress((yesterday / "combined.log.gz").read_bytes()).splitlines()]
    refused = [
        record for record in errors if record.get("operation") == "apollo.sync" and "No connection" in record["error"]
    ]
    unwell = [orjson.loads(line) for line in (yesterday / "health.jsonl").read_bytes().splitlines()]
    backlog = max(v for s, v, _ in samples(yesterday) if s.startswith("queue_size") and "lead_sync" in s)

    assert len(refused) > 100
    assert all("Traceback" in record["stack"] for record in refused)
    assert any(
        answer["status_code"] == 503 and answer["body"]["checks"]["apollo"]["status"] == "unhealthy"
        for answer in unwell
    )
    assert backlog > 1000


def test_the_same_seed_writes_the_same_past_and_another_seed_does_not(tmp_path: Path) -> None:
    one, two, three = (
        next(past(tmp_path / name, seed=seed).write("newest")) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )

    for name in ("combined.log", "metrics.prom", "health.jsonl"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
        assert (one / name).read_bytes() != (three / name).read_bytes()


def test_nights_and_weekends_are_quieter() -> None:
    monday_noon, monday_night, sunday_noon = UNTIL - 4 * HOUR, UNTIL - 13 * HOUR, UNTIL - DAY - 4 * HOUR

    day, night, weekend = busyness(np.array([monday_noon, monday_night, sunday_noon]))

    assert night < 0.7 * day
    assert weekend < 0.8 * day


def test_an_instance_stays_below_the_series_that_a_page_can_bear(newest: Path) -> None:
    series = {head for head, _, _ in samples(newest)}

    assert 100 < len([head for head in series if INSTANCES[0] in head]) <= 250
    assert all(f'job="{c.JOB}"' in head for head in series)


def test_a_scrape_that_failed_leaves_up_at_zero_and_nothing_else() -> None:
    story = Story.before(UNTIL, 3, 2)
    at = story.deploys[0] + 10
    text = write(draw(story, 1, 0.2), np.array([at]), INSTANCES, 1).text()

    first = [line for line in text.splitlines() if INSTANCES[0] in line]

    assert [line.split("{")[0] for line in first] == ["up"]
    assert first[0].split(" ")[1] == "0"
