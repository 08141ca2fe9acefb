"""A table of a page: sorted by a click on a column, filtered by words, one row whole, and a file of what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pandas as pd
import streamlit as st

from lib.ui import address, clock, text, time_range
from lib.ui.panel import filtered_out

FEW_ROWS = 20
"""So many rows are shown whole; a longer table scrolls."""

FILTERED_FROM = 10
"""A table of more rows than this can be filtered."""

_CELL, _ROW = "single-cell", "single-row"


def table(
    frame: pd.DataFrame, *, key: str, topic: str, columns: Mapping[str, Any] | None = None, select: bool = False,
    height: int | None = None, keep: str = "",
) -> pd.Series[Any] | None:  # fmt: skip
    """Rows to sort and filter, times on the viewer's clock, with a CSV of those shown. Gives the row chosen by a click.

    The columns that `columns` names come first, in its order. `height` (px) is for a table of more rows than that holds. Without
    `select` the chosen row is shown whole under the table, to be copied as JSON. `keep` names the column whose value of
    the chosen row the address keeps, under that name: the row is open again for whoever follows a link.
    """
    shown = visible(localised(frame))
    rows = _filtered(shown, key)
    if not len(rows) and len(shown):
        filtered_out(len(shown), lambda: address.put(_filter_key(key), ""))
        return None
    if keep:
        address.unseen(keep)
    place = _drawn(shown.iloc[rows], frame.iloc[rows], key=key, topic=topic, columns=columns, select=select, height=height,
                   keep=keep)  # fmt: skip
    chosen = frame.iloc[int(rows[place])] if place is not None else None
    _foot(shown.iloc[rows], len(shown), key, topic)
    if place is not None and not select:
        _whole(shown.iloc[int(rows[place])])
    return chosen


def _filter_key(key: str) -> str:
    return f"find_{key}"


def _filtered(shown: pd.DataFrame, key: str) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The places of the rows that hold every word of the table's filter, whose field is drawn where there are many rows."""
    name = _filter_key(key)
    if len(shown) <= FILTERED_FROM and not address.value(name):
        return np.arange(len(shown))
    words = st.text_input(
        f"Filter {text.rows(len(shown))}", key=name, bind="query-params", placeholder=f"Filter {text.rows(len(shown))}",
        label_visibility="collapsed", max_chars=address.LONGEST, width=260, icon=":material/filter_list:",
    )  # fmt: skip
    return matching(shown, words)


def matching(shown: pd.DataFrame, words: str) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The places of the rows in which every word stands somewhere, whatever its case."""
    wanted = words.casefold().split()
    if not wanted:
        return np.arange(len(shown))
    lines = ("\x1f".join(map(str, row)).casefold() for row in shown.itertuples(index=False, name=None))
    return np.flatnonzero([all(word in line for word in wanted) for line in lines])


def _drawn(
    shown: pd.DataFrame, frame: pd.DataFrame, *, key: str, topic: str, columns: Mapping[str, Any] | None, select: bool,
    height: int | None, keep: str,
) -> int | None:  # fmt: skip
    """Draws the rows; the place of the one that is chosen."""
    named = [name for name in columns or () if name in shown]
    more: dict[str, Any] = (
        {"height": "content"} if len(shown) <= FEW_ROWS and not height else {"height": height or "auto"}
    )
    ids = frame[keep].astype(str).tolist() if keep else []
    held = address.value(keep) if keep else ""
    if keep:
        key = f"{key}_{hash((tuple(ids), edition(keep)))}"
        more["on_select"] = lambda: address.put(keep, _kept(key, ids))
        if held in ids and key not in st.session_state:
            more["selection_default"] = {"selection": {"rows": [ids.index(held)]}}
    event = st.dataframe(
        shown, key=key, hide_index=True, column_config=dict(columns or {}), width="stretch", placeholder=text.NONE,
        column_order=[*named, *(name for name in shown.columns if name not in named)], alt=topic.capitalize(),
        **{"on_select": "rerun", "selection_mode": [_ROW, _CELL] if select else _CELL, **more},
    )  # fmt: skip
    if keep:
        return ids.index(held) if held in ids else None
    return _place(event["selection"], len(shown))


def _place(selection: Mapping[str, Any], rows: int) -> int | None:
    """The chosen row; a table may have become shorter since."""
    found = [*(cell[0] for cell in selection.get("cells", ())), *selection.get("rows", ())]
    return int(found[0]) if found and found[0] < rows else None


def _kept(key: str, ids: list[str]) -> str:
    place = _place(st.session_state[key]["selection"], len(ids))
    return ids[place] if place is not None else ""


def edition(keep: str) -> int:
    """Differs after every `go_to`: a table whose chosen row the address keeps takes it into its key, as what is chosen in
    a table that is drawn already can only be changed by a click."""
    return int(st.session_state.get(f"_edition_{keep}", 0))


def go_to(keep: str, kept: str) -> None:
    """Chooses another row of the table that keeps this in the address. For callbacks."""
    address.put(keep, kept)
    st.session_state[f"_edition_{keep}"] = edition(keep) + 1


def _foot(shown: pd.DataFrame, every: int, key: str, topic: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            f"CSV, {text.rows(len(shown))}", lambda: text.csv_bytes(shown), text.csv_name(topic, time_range.time_window()),
            "text/csv", key=f"csv_{key}", type="tertiary", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        if len(shown) < every:
            st.caption(f"Showing {text.number(len(shown))} of {text.number(every)}", width="content")


def _whole(row: pd.Series[Any]) -> None:
    """One row with all its columns; the block has a button that copies it."""
    held = {str(name): value for name, value in row.items()}
    written = orjson.dumps(held, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY, default=str).decode()
    st.code(text.visible(written), language="json", wrap_lines=True)


def localised(frame: pd.DataFrame, zone: str = "") -> pd.DataFrame:
    """The frame with its UTC times on the viewer's clock, or that of a `zone`: a file that is made when it is clicked for
    knows no viewer any more."""
    zone = zone or clock.display_zone()
    times = {c: frame[c].dt.tz_convert(zone) for c in frame.columns if isinstance(frame[c].dtype, pd.DatetimeTZDtype)}
    return frame.assign(**times)


def visible(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what could steer or reorder its foreign texts made visible."""
    texts = [c for c in frame.columns if pd.api.types.is_object_dtype(frame[c]) or frame[c].dtype == "str"]
    return frame.assign(**{c: frame[c].map(lambda v: text.visible(v) if isinstance(v, str) else v) for c in texts})
