"""A run as PDF, to be kept or handed to an auditor."""

from __future__ import annotations

import re
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, TableBordersLayout, VAlign, XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from lib.ui import text
from lib.ui.checklists import words
from lib.ui.checklists.report_text import BEHIND, HEADS, Report, cells, details

_FONTS = Path(__file__).parent / "fonts"
_FAMILY, _GREY, _LINE = "DejaVu", (110, 110, 110), (190, 196, 204)
_WIDTHS = (32, 13, 26, 36, 20, 18)
_PADDING, _INDENT, _CELL_SIZE = 1.2, 4.0, 8.5
_LETTER = r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]"
_RIGHT_TO_LEFT = re.compile(rf"{_LETTER}+(?:[ '’.-]+{_LETTER}+)*")
_LONGEST_CELL = 600
"""Characters: a row has to fit on one page. What is longer stands whole in the CSV and the Markdown."""


class _Document(FPDF):
    """Landscape A4 with the page's number at its foot."""

    def __init__(self, foot: str) -> None:
        super().__init__("landscape", "mm", "A4")
        self._foot = foot
        for style, file in (("", "DejaVuSansCondensed.ttf"), ("B", "DejaVuSansCondensed-Bold.ttf")):
            self.add_font(_FAMILY, style, _FONTS / file)
        font = self.fonts[_FAMILY.lower()]
        assert isinstance(font, TTFFont)
        self.glyphs = frozenset(font.cmap)
        self.set_margin(14)
        self.set_auto_page_break(True, 16)

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font(_FAMILY, "", 8)
        self.set_text_color(*_GREY)
        self.cell(0, 5, f"{self._foot} · page {self.page_no()} of {{nb}}", align="R")
        self.set_text_color(0)

    def plain(self, value: str) -> str:
        """The text as the font can show it: what it has no sign for stands as its code."""
        return "".join(c if c == "\n" or ord(c) in self.glyphs else f"[U+{ord(c):04X}]" for c in text.visible(value))

    def fitted(self, value: str, width: float) -> str:
        """The text in the lines that it has at this width (mm). Words in Hebrew and Arabic stand as they are read, from right to
        left, and a date beside a name keeps its order."""
        shown = self.plain(value)
        if not _RIGHT_TO_LEFT.search(shown):
            return shown
        lines = self.multi_cell(width, text=shown, align="L", dry_run=True, output=MethodReturnValue.LINES)
        assert isinstance(lines, list), "lines were asked for, and nothing besides"
        return "\n".join(_RIGHT_TO_LEFT.sub(lambda words: words[0][::-1], str(one)) for one in lines)

    def cell_of(self, value: str, width: float) -> str:
        """The same for a cell of a table, at most as much as fits into a row."""
        shown = " ".join(value.split()) or text.NONE
        cut = len(self.plain(shown)) > _LONGEST_CELL
        return self.fitted(f"{self.plain(shown)[:_LONGEST_CELL]} …" if cut else shown, width)

    def line_of(self, value: str, size: float = 9, style: str = "") -> None:
        """A paragraph."""
        self.set_font(_FAMILY, style, size)
        shown = self.fitted(value, self.w - self.x - self.r_margin)
        self.multi_cell(0, size * 0.5, shown, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def point_of(self, value: str) -> None:
        """A paragraph of a list."""
        self.set_font(_FAMILY, "", 9)
        self.cell(_INDENT, 4.5, "•")
        self.set_left_margin(self.l_margin + _INDENT)
        self.line_of(value)
        self.set_left_margin(self.l_margin - _INDENT)
        self.set_x(self.l_margin)

    def heading_of(self, value: str, size: float) -> None:
        """A heading, never the last line of a page."""
        if self.will_page_break(4 * size * 0.5):
            self.add_page()
        self.line_of(value, size, "B")


def pdf(report: Report) -> bytes:
    """The run, its items, the notes and all that was done."""
    title = f"{report.run.title}: {words.days(report.run)}"
    document = _Document("Halo Ops")
    document.set_title(document.plain(title))
    document.set_creation_date(report.at)
    document.add_page()
    document.line_of(title, 16, "B")
    document.ln(2)
    for name, said in report.facts:
        document.line_of(f"{name}: {said}")
    document.ln(3)
    _table(document, report)
    _section(document, "Notes and reasons", [f"{o.item.title}: {n}" for o in report.items for n in report.notes(o)])
    _behind(document, report)
    _section(document, "All that was done", report.journal_lines() or ["nothing"])
    return bytes(document.output())


def _table(document: _Document, report: Report) -> None:
    document.set_font(_FAMILY, "", _CELL_SIZE)
    document.set_draw_color(*_LINE)
    document.set_line_width(0.1)
    head = FontFace(emphasis="BOLD", fill_color=(235, 238, 242))
    widths = [document.epw * part / sum(_WIDTHS) - 2 * _PADDING for part in _WIDTHS]
    with document.table(
        col_widths=_WIDTHS, headings_style=head, line_height=4.6, text_align="LEFT", padding=_PADDING, v_align=VAlign.T,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
    ) as table:  # fmt: skip
        table.row(HEADS)
        for one in report.items:
            table.row([document.cell_of(*cell) for cell in zip(cells(report, one), widths, strict=True)])


def _behind(document: _Document, report: Report) -> None:
    """The figures of each item, as they stood."""
    told = details(report)
    if not told:
        return
    document.ln(4)
    document.heading_of(BEHIND, 11)
    for title, figures in told:
        document.ln(2)
        document.heading_of(title, 9)
        for line in figures:
            document.line_of(line, 8)


def _section(document: _Document, heading: str, lines: list[str]) -> None:
    if not lines:
        return
    document.ln(4)
    document.heading_of(heading, 11)
    document.ln(1)
    for line in lines:
        document.point_of(line)
