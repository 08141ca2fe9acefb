"""A run as rows, as CSV and as Markdown: what was to be done, who did it when, and what they saw."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from lib.checklists.model import Event, Evidence, ItemState, Run, RunItem, RunState
from lib.ui import text
from lib.ui.checklists import words
from lib.ui.checklists.words import ITEMS, RUNS, VERDICTS

HEADS = ("Item", "State", "Who and when", "Seen", "Normal", "Before")
BEHIND = "The figures behind it"


@dataclass(frozen=True, slots=True)
class Report:
    """A run at the moment `at`, with its items and all that was done in it."""

    run: Run
    items: Sequence[RunItem]
    journal: Sequence[Event]
    at: datetime

    def local(self, moment: datetime) -> str:
        """A moment on the run's clock."""
        return f"{moment.astimezone(ZoneInfo(self.run.zone)):%Y-%m-%d %H:%M}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is said of the run as a whole, as plain text."""
        run = self.run
        signed = f"{run.signed_by}, {self.local(run.signed_at)}" if run.signed_by and run.signed_at else "nobody yet"
        return [
            ("Period", f"{words.days(run)} ({run.zone})"),
            ("State", words.plain(RUNS[run.state]) + self._until),
            ("Items", f"{run.done} done, {run.skipped} skipped, {run.total - run.settled} not done, of {run.total}"),
            ("Signed off by", signed),
            ("Written", f"{self.local(self.at)}; items {f'of version {run.version}' if run.version else 'as shipped'}"),
        ]

    @property
    def _until(self) -> str:
        return f" until {self.local(self.run.ends_at)}" if self.run.state is RunState.OPEN else ""

    def done(self, one: RunItem) -> str:
        """Who did it and when; "" while nobody did."""
        settled = one.last is not None and one.state in (ItemState.DONE, ItemState.SKIPPED)
        return f"{one.last.who}, {self.local(one.last.at)}" if settled and one.last is not None else ""

    def whose(self, one: RunItem) -> str:
        """Who did it and when; while nobody did, whose it is and until when."""
        has = f"for {one.assignee}, " if one.assignee else ""
        return self.done(one) or f"{has}due {self.local(one.due_at)}"

    def notes(self, one: RunItem) -> list[str]:
        """What was written to it: the reason of a skip, the note of a tick, and the notes."""
        own = [f"{self.done(one)}: {one.last.words}"] if one.last and one.last.words and self.done(one) else []
        return own + [f"{note.who}, {self.local(note.at)}: {note.words}" for note in one.notes]

    def journal_lines(self) -> list[str]:
        """All that was done, oldest first."""
        titles = {one.item.key: one.item.title for one in self.items}
        return [f"{self.local(e.at)} {e.who} {words.did(e, titles.get(e.item, e.item))}" for e in self.journal]


def seen(one: RunItem) -> Evidence | None:
    """The evidence as it stood when it was done; None where it was not, or nothing had been collected."""
    return one.last.evidence if one.last is not None and one.state is not ItemState.OPEN else None


def details(report: Report) -> list[tuple[str, list[str]]]:
    """Title and lines of every item that has more to say than fits into a table: the figures behind its verdict."""
    known = [(one.item.title, found.detail.splitlines()) for one in report.items if (found := seen(one)) is not None]
    return [(title, lines) for title, lines in known if lines]


def cells(report: Report, one: RunItem) -> tuple[str, ...]:
    """A row of HEADS, as plain text."""
    found = seen(one)
    before = one.previous.evidence.value if one.previous else ""
    return (
        one.item.title, words.plain(ITEMS[one.state]), report.whose(one), told(found), found.normal if found else "", before,
    )  # fmt: skip


def frame(report: Report) -> pd.DataFrame:
    """One row per item, times on the run's clock."""
    run = report.run
    rows = []
    for one in report.items:
        found, previous = seen(one), one.previous
        rows.append(
            {
                "checklist": run.checklist, "first_day": run.first_day.isoformat(), "last_day": run.last_day.isoformat(),
                "zone": run.zone, "item": one.item.title, "state": one.state.value, "assigned_to": one.assignee,
                "due": report.local(one.due_at), "who": one.last.who if report.done(one) and one.last else "",
                "at": report.local(one.last.at) if report.done(one) and one.last else "",
                "value": found.value if found else "", "number": found.number if found else None,
                "unit": found.unit if found else "", "verdict": found.verdict.value if found else "",
                "normal": found.normal if found else "", "reason": found.reason if found else "",
                "detail": found.detail if found else "",
                "previous_value": previous.evidence.value if previous else "", "notes": "\n".join(report.notes(one)),
                "signed_off_by": run.signed_by,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def csv(report: Report) -> bytes:
    """The rows as a spreadsheet reads them, formulas made harmless."""
    return text.csv_bytes(frame(report))


def markdown(report: Report) -> str:
    """The run as a document; nothing in a foreign text is a link, an image or a heading."""
    esc = _escaped
    lines = [f"# {esc(report.run.title)}: {esc(words.days(report.run))}", ""]
    lines += [f"- **{name}:** {esc(said)}" for name, said in report.facts]
    lines += ["", f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for one in report.items:
        lines.append("| " + " | ".join(esc(cell) or text.NONE for cell in cells(report, one)) + " |")
    noted = [f"- **{esc(one.item.title)}:** {esc(note)}" for one in report.items for note in report.notes(one)]
    lines += ["", "## Notes and reasons", "", *noted] if noted else []
    lines += _behind(report)
    journal = [f"- {esc(line)}" for line in report.journal_lines()]
    lines += ["", "## All that was done", "", *(journal or ["- nothing"])]
    return "\n".join(lines) + "\n"


def _behind(report: Report) -> list[str]:
    told = details(report)
    lines = ["", f"## {BEHIND}"] if told else []
    for title, figures in told:
        lines += ["", f"### {_escaped(title)}", "", *(f"- {_escaped(line)}" for line in figures)]
    return lines


_ACTIVE = re.compile(r"([\\`*_\[\]<>|~$&])")


def _escaped(foreign: object) -> str:
    """Foreign text inside a line of a document that is also read as it is: what cannot make anything there stays plain."""
    unlinked = text.unlinked(text.visible(foreign).replace("\n", " "))
    return _ACTIVE.sub(r"\\\1", unlinked)


def told(found: Evidence | None) -> str:
    """Verdict, value, and why it is not ok, as plain text."""
    if found is None:
        return ""
    why = [reason] if (reason := words.why(found)) else []
    value = [found.value] if found.value not in ("", text.NONE) else []
    return f"{words.plain(VERDICTS[found.verdict])}: {'; '.join([*value, *why]) or text.NONE}"
