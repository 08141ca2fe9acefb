"""The logger writes the integration's flat JSON lines, rotates without loss and never raises."""

import re
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.telemetry.logger import Logger, configure

from .conftest import Records


def test_a_record_is_one_flat_line_with_the_five_head_fields_first(logger: Logger, records: Records) -> None:
    logger.info("Lead Created", event="lead.created", leadId="L-1", stats={"processed": 3})

    [record] = records()

    assert list(record) == ["timestamp", "level", "message", "service", "version", "event", "leadId", "stats"]
    assert record["service"] == "halopsa-integration"
    assert record["version"] == "1.4.2"
    assert record["stats"] == {"processed": 3}


def test_the_time_is_now_in_iso_with_milliseconds_and_z(logger: Logger, records: Records) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    logger.info("now")
    after = datetime.now(UTC)

    stamp = records()[0]["timestamp"]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert before <= datetime.fromisoformat(stamp) <= after


def test_levels_are_upper_case_and_a_warning_is_called_warn(logger: Logger, records: Records) -> None:
    logger.info("a")
    logger.warn("b")
    logger.error("c")

    assert [(r["level"], r["message"]) for r in records()] == [("INFO", "a"), ("WARN", "b"), ("ERROR", "c")]


def test_errors_and_only_errors_are_in_error_log_too(logger: Logger, records: Records, tmp_path: Path) -> None:
    logger.warn("almost")
    logger.error("Operation Failed", error="no")

    lines = (tmp_path / "logs" / "error.log").read_bytes().splitlines()

    assert [orjson.loads(line) for line in lines] == records()[1:]


@pytest.mark.parametrize(("level", "expected"), [("debug", 4), ("info", 3), ("WARN", 2), ("error", 1), ("http", 3)])
def test_records_below_the_level_are_not_written(tmp_path: Path, level: str, expected: int) -> None:
    logger = configure(service="s", version="1", directory=tmp_path, level=level, console=False)

    for write in (logger.debug, logger.info, logger.warn, logger.error):
        write("x")
    logger.close()

    assert len((tmp_path / "combined.log").read_bytes().splitlines()) == expected


def test_a_wrong_level_or_too_few_files_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'loud' is none of silly, debug"):
        configure(service="s", version="1", directory=tmp_path, level="loud")
    with pytest.raises(ValueError, match="at least 2"):
        configure(service="s", version="1", directory=tmp_path, files=1)


def test_fields_cannot_forge_the_head_but_may_give_the_events_own_time(logger: Logger, records: Records) -> None:
    logger.info("true", **{"level": "x", "service": "x", "version": "x", "timestamp": "2026-01-01T00:00:00.000Z"})

    [record] = records()

    assert (record["level"], record["message"], record["service"]) == ("INFO", "true", "halopsa-integration")
    assert record["timestamp"] == "2026-01-01T00:00:00.000Z"


def test_credentials_never_reach_the_file(logger: Logger, tmp_path: Path) -> None:
    logger.error("token=hunter2", headers={"authorization": "hunter2"}, error="postgres://u:hunter2@db")

    written = b"".join(path.read_bytes() for path in (tmp_path / "logs").iterdir())

    assert b"REDACTED" in written
    assert b"hunter2" not in written


def test_rotation_keeps_every_line_once_under_names_that_the_glob_finds(tmp_path: Path) -> None:
    logger = configure(service="s", version="1", directory=tmp_path, console=False, max_bytes=4_000, files=50)
    workers = [threading.Thread(target=_write_many, args=(logger, name, 150)) for name in "abcd"]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    logger.close()

    files = list(tmp_path.glob("combined*.log"))
    seen = [orjson.loads(line)["number"] for path in files for line in path.read_bytes().splitlines()]
    assert len(files) > 10
    assert all(path.stat().st_size <= 4_000 for path in files)
    assert sorted(seen) == sorted(f"{name}{number}" for name in "abcd" for number in range(150))


def test_the_oldest_file_goes_when_there_are_enough(tmp_path: Path) -> None:
    logger = configure(service="s", version="1", directory=tmp_path, console=False, max_bytes=1_000, files=3)

    _write_many(logger, "n", 100)
    logger.close()

    names = sorted(path.name for path in tmp_path.glob("combined*.log"))
    assert names == ["combined.log", "combined1.log", "combined2.log"]
    newest = (tmp_path / "combined.log").read_bytes().splitlines()[-1]
    before = (tmp_path / "combined1.log").read_bytes().splitlines()[-1]
    assert orjson.loads(newest)["number"] == "n99"
    assert int(orjson.loads(before)["number"][1:]) < 99


def test_two_instances_in_one_process_write_apart(tmp_path: Path) -> None:
    one = configure(service="s", version="1", directory=tmp_path / "one", console=False)
    two = configure(service="s", version="2", directory=tmp_path / "two", console=False)

    one.info("from one")
    two.info("from two")
    one.close()
    two.close()

    assert orjson.loads((tmp_path / "one" / "combined.log").read_bytes())["message"] == "from one"
    assert orjson.loads((tmp_path / "two" / "combined.log").read_bytes())["version"] == "2"


def test_the_console_gets_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logger = configure(service="s", version="1", directory=None)

    logger.error("Operation Failed", operation="sync", error="no answer", stack="Traceback\n  line 1")

    shown = capsys.readouterr().out
    assert "error" in shown
    assert "Operation Failed" in shown
    assert "operation=sync" in shown
    assert shown.endswith("Traceback\n  line 1\n")
    assert not shown.startswith("{")


def test_a_bound_request_id_is_in_every_record_unless_the_record_has_its_own(logger: Logger, records: Records) -> None:
    with structlog.contextvars.bound_contextvars(requestId="r-1"):
        logger.info("inside")
        logger.info("own", requestId="r-2")
    logger.info("outside")

    assert [record.get("requestId") for record in records()] == ["r-1", "r-2", None]


def test_a_line_of_the_past_equals_what_would_have_been_written_then(logger: Logger) -> None:
    at = datetime(2026, 11, 20, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))

    line = logger.line(at, "info", "Lead Created", {"event": "lead.created", "token": "hunter2"})

    assert line == (
        b'{"timestamp":"2026-11-20T07:30:00.123Z","level":"INFO","message":"Lead Created",'
        b'"service":"halopsa-integration","version":"1.4.2","event":"lead.created","token":"[REDACTED]"}\n'
    )


@given(
    st.text(max_size=30),
    st.dictionaries(
        st.text(max_size=10), st.text(max_size=20) | st.integers() | st.floats() | st.binary(max_size=4), max_size=5
    ),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_logged_is_one_valid_json_line(logger: Logger, message: str, fields: dict[str, Any]) -> None:
    line = logger.line(datetime.now(UTC), "info", message, fields)

    assert line.count(b"\n") == 1
    assert orjson.loads(line)["level"] == "INFO"


def test_a_lone_surrogate_and_a_huge_number_are_written_and_stop_nothing(logger: Logger, records: Records) -> None:
    logger.info("odd \udc80", number=10**30, longest=10**6000, nothing=float("nan"))
    logger.info("next")

    odd, following = records()
    assert (odd["message"], odd["number"], odd["nothing"]) == ("odd ?", str(10**30), None)
    assert odd["longest"] == "[integer of 19932 bits]"
    assert following["message"] == "next"


def _write_many(logger: Logger, name: str, count: int) -> None:
    for number in range(count):
        logger.info("numbered", number=f"{name}{number}")
