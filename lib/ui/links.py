"""Links between pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lib.ui.pages import entry


def link(url_path: str, words: str, params: Mapping[str, str] | None = None, **how: Any) -> None:
    """A link to the page at this address, which keeps the range; `params` are what else the page's address is to say.

    `words` is markdown: foreign text goes through `text.esc_md` first. `how` is as `st.page_link` takes it.
    """
    st.page_link(str(entry(url_path).path), label=words, query_params=dict(params or {}), **{"width": "content", **how})
