"""Numbers and foreign text as people read them."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.ui import text
from lib.window import Window

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("nan"), "–"), (0, "0"), (12431, "12\u202f431"), (0.00421, "0.00421"), (3.14159, "3.14")],
)
def test_a_number_is_short_and_a_missing_one_is_never_zero(value: float | None, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 %"), (1, "100 %"), (0.00001, "<0.01 %"), (0.0042, "0.42 %"), (0.123, "12.3 %")]
)
def test_a_share_is_a_percentage_and_a_small_one_is_not_none(value: float, shown: str) -> None:
    assert text.ratio(value) == shown


def test_latency_has_one_unit_whatever_the_source_counts_in() -> None:
    assert text.duration_ms(87.4) == text.duration_s(0.0874) == "87 ms"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(8, "8 s"), (240, "4 min"), (11520, "3 h 12 min"), (187200, "2 d 4 h"), (3600, "1 h")]
)
def test_a_span_has_its_two_largest_units(seconds: int, shown: str) -> None:
    assert text.span(timedelta(seconds=seconds)) == shown


def test_one_row_is_no_rows() -> None:
    assert [text.rows(count) for count in (0, 1, 2, 36312)] == [
        "0 rows",
        "1 row",
        "2 rows",
        f"{text.number(36312)} rows",
    ]


def test_an_age_tells_never_from_now() -> None:
    assert text.age(None, NOW) == "never"
    assert text.age(NOW + timedelta(seconds=3), NOW) == "now"
    assert text.age(NOW - timedelta(seconds=12), NOW) == "12 s ago"


def test_escaped_text_has_no_live_markup_left() -> None:
    shown = text.esc_md("![a](https://e.example/x.png) :red[x] <b> \u202eevil user@e.example www.e.example")

    assert "https://" not in shown.replace("\\", "")
    assert "www." not in shown.replace("\\", "")
    assert "\u202e" not in shown
    assert "\\!\\[a\\]\\(" in shown


def test_a18_what_steers_or_reorders_a_text_is_made_visible_and_its_lines_stay() -> None:
    """ASVS 5.0 1.2.9: ANSI sequences, carriage returns, direction changes, odd line ends."""
    shown = text.visible("a\x1b[2Jb\rFAKE\u202egpj.exe\u2066\u2028\x9b31m\n\tat x (Zürich.js:1)")

    assert shown == "aU+001B[2JbU+000DFAKEU+202Egpj.exeU+2066U+2028U+009B31m\n\tat x (Zürich.js:1)"


@given(st.text(alphabet=st.sampled_from("=+-@\t\r\x00a1,\"\n'"), max_size=12))
def test_no_cell_of_a_csv_file_is_a_formula(value: str) -> None:
    written = text.csv_bytes(pd.DataFrame({"note": pd.Series([value], dtype="str")})).decode("utf-8-sig")

    cell = (
        next(row for number, row in enumerate(csv.reader(io.StringIO(written, newline=""))) if number == 1)
        if value
        else [""]
    )
    assert not cell or not cell[0].startswith(("=", "+", "-", "@", "\t", "\r", "\x00"))


def test_numbers_stay_numbers_in_a_csv_file() -> None:
    assert b"-2.5" in text.csv_bytes(pd.DataFrame({"change": [-2.5]}))
    assert b"'-2" not in text.csv_bytes(pd.DataFrame({"change": [-2.5]}))


def test_a_csv_name_says_what_when_and_in_which_zone() -> None:
    window = Window(NOW - timedelta(hours=6), NOW, "Europe/London")

    assert text.csv_name("Errors by route", window) == "errors-by-route_20260329-0700_20260329-1300_Europe-London.csv"
