"""A run as a file: what PDF, CSV and Markdown say, in any language, and that nothing in them runs or links."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from lib.checklists import deeds, questions
from lib.checklists.model import Verdict
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from lib.ui.checklists import report_pdf, report_text
from lib.ui.checklists.report_text import Report
from tests.checklists.world import ANNA, BORIS, NOW, SEEN, act, item, opened

HOSTILE = '=HYPERLINK("http://evil") | ![x](http://evil/y.png) <script> \u202e Ünïcode Ελλ Жук'


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A run that was worked through, with hostile words in it."""
    state: State = open_state(sqlite_url(tmp_path / "state.sqlite"))
    run = opened(state)
    seen = replace(SEEN, value=HOSTILE, verdict=Verdict.BAD)
    act(state, deeds.tick(run, item(state, run), seen, clock=lambda: NOW))
    act(state, deeds.note(run, item(state, run), "-2+3 漢字", clock=lambda: NOW))
    act(state, deeds.skip(run, item(state, run, "backup"), "none today", clock=lambda: NOW), ANNA)
    act(state, deeds.sign_off(run, "done with it", clock=lambda: NOW), ANNA)
    found, items = questions.items(state, run.id, NOW)
    made = Report(found, items, questions.journal(state, run.id), NOW)
    state.close()
    return made


def test_the_pdf_has_the_words(report: Report) -> None:
    pages = PdfReader(io.BytesIO(report_pdf.pdf(report))).pages
    said = " ".join(" ".join(page.extract_text() for page in pages).split())

    for words in (
        "Daily checks: Mon 2 Mar 2026", "Europe/London", "Review error logs", "▲ Bad", BORIS.name, "2026-03-02 09:00",
        "✚ Skipped", "none today", f"Signed off by: {ANNA.name}", "Ünïcode Ελλ Жук", "signed off: done with it",
        "page 1 of 1",
    ):  # fmt: skip
        assert words in said, words
    assert "[U+6F22][U+5B57]" in said  # the font has no sign for these: their codes stand for them
    assert "U+202E" in said


def test_a_long_run_goes_on_on_the_next_page(report: Report) -> None:
    long = replace(report, journal=list(report.journal) * 60)

    assert len(PdfReader(io.BytesIO(report_pdf.pdf(long))).pages) > 3


def test_a_text_that_is_longer_than_a_page_makes_no_row_too_high(tmp_path: Path) -> None:
    state: State = open_state(sqlite_url(tmp_path / "state.sqlite"))
    run = opened(state)
    reasons = "; ".join(f"index 2026.03.{n:02d} is kept {n} d longer than declared" for n in range(90))
    seen = replace(SEEN, value="漢字" * 400, reason=reasons, detail="\n".join(f"line {n}" for n in range(200)))
    act(state, deeds.tick(run, item(state, run), seen, "x" * 2000, clock=lambda: NOW))
    found, items = questions.items(state, run.id, NOW)
    long = Report(found, items, questions.journal(state, run.id), NOW)
    state.close()

    pages = PdfReader(io.BytesIO(report_pdf.pdf(long))).pages

    said = " ".join(page.extract_text() for page in pages)
    assert "line 0" in said and "line 199" in said  # the figures behind it are whole
    assert reasons in report_text.csv(long).decode("utf-8-sig")
    assert "line 199" in report_text.markdown(long)


def test_a_hebrew_name_is_read_from_right_to_left_and_the_date_beside_it_is_not(tmp_path: Path) -> None:
    state: State = open_state(sqlite_url(tmp_path / "state.sqlite"))
    run = opened(state)
    act(state, deeds.tick(run, item(state, run), SEEN, clock=lambda: NOW), replace(ANNA, name="שרה כהן"))
    found, items = questions.items(state, run.id, NOW)
    told = Report(found, items, questions.journal(state, run.id), NOW)
    state.close()

    said = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(report_pdf.pdf(told))).pages)

    assert "שרה כהן" in said  # the reader turns what stands from right to left round again
    assert "2026-03-02 09:00" in " ".join(said.split())


def test_an_item_that_is_not_done_says_whose_it_is_and_until_when(tmp_path: Path) -> None:
    state: State = open_state(sqlite_url(tmp_path / "state.sqlite"))
    run, items = questions.items(state, opened(state).id, NOW)
    state.close()

    whose = [Report(run, items, [], NOW).whose(one) for one in items]

    assert whose == ["for ops, due 2026-03-02 10:00", "due 2026-03-02 18:00"]


def test_a_spreadsheet_runs_nothing_of_the_csv_and_numbers_stay_numbers(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(report_text.csv(report).decode("utf-8-sig"))))

    first, second = rows
    assert first["value"].startswith("'=HYPERLINK")
    assert (first["item"], first["state"], first["who"]) == ("Review error logs", "done", BORIS.name)
    assert (first["at"], first["zone"], first["number"], first["verdict"]) == (
        "2026-03-02 09:00",
        "Europe/London",
        "3.0",
        "bad",
    )
    assert (second["state"], second["notes"]) == ("skipped", f"{ANNA.name}, 2026-03-02 09:00: none today")
    assert {row["signed_off_by"] for row in rows} == {ANNA.name}


def test_nothing_foreign_is_a_link_or_an_image_in_the_markdown(report: Report) -> None:
    made = report_text.markdown(report)

    assert "![x](" not in made
    assert "<script>" not in made
    assert "\u202e" not in made
    assert "# Daily checks: Mon 2 Mar 2026" in made
    assert "2026-03-02 09:00" in made  # read as it is, too: nothing is escaped that makes nothing
    table = [line for line in made.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert all(line.replace("\\|", "").count("|") == 7 for line in table)


def test_a_run_that_nobody_touched_says_so(tmp_path: Path) -> None:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    run, items = questions.items(state, opened(state).id, NOW)
    state.close()

    empty = Report(run, items, [], NOW)

    assert "nothing" in report_text.markdown(empty)
    assert report_text.frame(empty)["state"].tolist() == ["open", "open"]
    assert report_pdf.pdf(empty).startswith(b"%PDF")
