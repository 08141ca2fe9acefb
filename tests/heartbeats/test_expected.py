"""Which heartbeats are expected, and when one is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import SettingsError
from lib.heartbeats.expected import Expected, Standing, expected, standing
from lib.settings import Settings, load

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("backup=24h/2h", Expected("backup", DAY, timedelta(hours=2))),
        (" backup = 1d / 30m ", Expected("backup", DAY, timedelta(minutes=30))),
        ("nightly-report_2=7d", Expected("nightly-report_2", 7 * DAY)),
    ],
)
def test_a_heartbeat_is_a_name_a_period_and_a_grace(text: str, found: Expected) -> None:
    assert Expected.parse(text) == found


@pytest.mark.parametrize(
    "text", ["", "backup", "backup=", "=24h", "Backup=24h", "a b=24h", "a/b=24h", "backup=24h/", "backup=soon",
             "backup=0h", "x" * 65 + "=1h", "backup=9999d", "backup=24h/2h/1h", "backup=999999w"],
)  # fmt: skip
def test_anything_else_is_refused_with_the_form_that_it_must_have(text: str) -> None:
    with pytest.raises(ValueError, match=r"heartbeat|backup=24h/2h"):
        Expected.parse(text)


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        expected(["backup=1h", "backup=2h"])


@pytest.mark.parametrize(
    ("age", "how"),
    [
        (timedelta(0), Standing.ON_TIME),
        (DAY, Standing.ON_TIME),  # exactly the period
        (DAY + timedelta(seconds=1), Standing.DUE),
        (DAY + timedelta(hours=2), Standing.DUE),  # exactly the end of its grace
        (DAY + timedelta(hours=2, seconds=1), Standing.LATE),
        (timedelta(hours=-1), Standing.ON_TIME),  # its clock is ahead
    ],
)
def test_a_heartbeat_is_late_only_after_its_grace(age: timedelta, how: Standing) -> None:
    assert standing(Expected("backup", DAY, timedelta(hours=2)), NOW - age, NOW) is how


def test_one_that_was_never_heard_of_is_neither_late_nor_on_time() -> None:
    assert standing(Expected("backup", DAY), None, NOW) is Standing.NEVER


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        found = Expected.parse(text)
    except ValueError:
        return
    assert found.period > timedelta(0)


@pytest.mark.parametrize(
    ("given_settings", "words"),
    [
        ({"heartbeats": ("backup=24h",)}, "needs HALO_OPS_HEARTBEAT_TOKEN"),
        ({"heartbeat_token": "short-canary"}, "24 or more"),
        ({"heartbeat_token": "canary with spaces in the middle"}, "without spaces"),
        ({"heartbeat_token": "t" * 24, "heartbeats": ("backup",)}, "backup=24h/2h"),
        ({"backup_metric": "max("}, "is not PromQL"),
        ({"backup_files": ("backups/*.dump",)}, "must be absolute"),
    ],
)
def test_a_wrong_setting_is_refused_in_plain_words(given_settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        load(**given_settings)

    assert "canary" not in str(refused.value)


def test_the_settings_read_their_heartbeats() -> None:
    loaded = Settings(heartbeat_token="t" * 24, heartbeats="backup=24h/2h, report=7d")  # type: ignore[arg-type]

    assert [one.name for one in loaded.expected_heartbeats] == ["backup", "report"]
