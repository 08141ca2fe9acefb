"""The menu: every page, one click away."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import Page

from lib.ui.checklists.badge import overdue_words
from lib.ui.header_alerts import firing_words
from lib.ui.identity import actor
from lib.ui.pages import PAGES

MENU_EVERY_S = 10
COUNTED = {"alerts": firing_words, "checklists": overdue_words}
"""The lines of the menu that say how many; each takes its title and gives what stands there now, as markdown."""


def chosen_page() -> Page:
    """Draws the menu and gives the page that the address asks for."""
    entries = [entry for entry in PAGES if entry.path.exists()]
    pages = [
        st.Page(entry.path, title=entry.title, icon=entry.icon, url_path=entry.url_path, default=not entry.url_path)
        for entry in entries
    ]
    chosen = st.navigation(pages, position="hidden")
    with st.sidebar, st.container(gap=None, key="menu"):
        heading = ""
        for page, entry in zip(pages, entries, strict=True):
            if not actor().role.covers(entry.role):
                continue
            if entry.group != heading:
                heading = entry.group
                st.caption(heading)
            with st.container(
                key=f"menu_{'on' if page.url_path == chosen.url_path else 'off'}_{entry.url_path or 'first'}"
            ):
                if entry.url_path in COUNTED:
                    _counted(page, entry.url_path, entry.description)
                else:
                    st.page_link(page, width="stretch", help=entry.description)
    return chosen


@st.fragment(run_every=MENU_EVERY_S)
def _counted(page: Page, url_path: str, words: str) -> None:
    """A line with a number on it: drawn anew by itself."""
    st.page_link(page, label=COUNTED[url_path](page.title), width="stretch", help=words)
