"""Links between pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lib.ui import time_range
from lib.ui.pages import entry


def link(url_path: str, words: str, params: Mapping[str, str] | None = None, **how: Any) -> None:
    """A link to the page at this address, which keeps the range; `params` are what else the page's address is to say.

    `words` is markdown: foreign text goes through `text.esc_md` first. `how` is as `st.page_link` takes it.
    """
    st.page_link(str(entry(url_path).path), label=words, query_params=dict(params or {}), **{"width": "content", **how})


def link_over(url_path: str, words: str, params: Mapping[str, str], *, key: str) -> None:
    """A link to the page at this address over a range of its own (`params["range"]`); the one before can be gone back to.

    A plain link would keep the range that the viewer has, whatever its address says.
    """
    page, rest = entry(url_path), dict(params)
    chosen = rest.pop(time_range.RANGE, None)
    if st.button(words, key=key, icon=page.icon, type="tertiary", on_click=_take, args=(chosen,)):
        st.switch_page(page.path, query_params=rest)


def _take(chosen: str | None) -> None:
    if chosen:
        time_range.set_range(chosen)
