"""The buttons that give a run away as a file, built when they are clicked."""

from __future__ import annotations

import importlib
from typing import Any

import streamlit as st

from lib.checklists import questions
from lib.checklists.model import Run
from lib.ui import clock, text
from lib.ui.checklists import book, report_text
from lib.ui.checklists.report_text import Report


def buttons(run: Run) -> None:
    """PDF, CSV and Markdown of the run as it is at the click."""
    name = text.csv_name(f"checklist {run.checklist}", run.window).removesuffix(".csv")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="checklist_report"):
        st.caption("Report", width="content")
        st.download_button("PDF", lambda: _pdf(run.id), f"{name}.pdf", "application/pdf", **_common("pdf"))
        st.download_button("CSV", lambda: report_text.csv(_now(run.id)), f"{name}.csv", "text/csv", **_common("csv"))
        st.download_button(
            "Markdown",
            lambda: report_text.markdown(_now(run.id)).encode(),
            f"{name}.md",
            "text/markdown",
            **_common("md"),
        )


def _common(kind: str) -> dict[str, Any]:
    return {"key": f"report_{kind}", "type": "tertiary", "icon": ":material/download:", "on_click": "ignore"}


def _now(run_id: int) -> Report:
    now = clock.now()
    run, items = questions.items(book.state(), run_id, now)
    return Report(run, items, questions.journal(book.state(), run_id), now)


def _pdf(run_id: int) -> bytes:
    made: bytes = importlib.import_module("lib.ui.checklists.report_pdf").pdf(_now(run_id))  # its library is large
    return made
