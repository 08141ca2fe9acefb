"""Shows where in a typed query something is wrong."""

from __future__ import annotations

import unicodedata

import streamlit as st

from lib.errors import QueryError

_BEFORE = 60


def query_error(query: str, error: QueryError) -> None:
    """The words of the error, and the line of the query with a caret under the character; all of it as plain text."""
    st.markdown(":orange[◆] This cannot be asked:")
    st.code(pointed(query, error), language=None, wrap_lines=False)


def pointed(query: str, error: QueryError) -> str:
    """The line of the query that is wrong, a caret under the character, and the words."""
    if error.position is None:
        return str(error)
    start = query.rfind("\n", 0, error.position) + 1
    line = query[start:].split("\n", 1)[0].replace("\t", " ")
    at = min(error.position - start, len(line))
    cut = max(at - _BEFORE, 0)
    shown = line[cut : at + _BEFORE]
    width = sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line[cut:at])
    return f"{shown}\n{' ' * width}^\n{error}"
