"""What helps to type PromQL: pick a metric, a label, a value and a shape, and insert it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib.errors import QueryError, SourceError
from lib.metrics.promql.parse import LONGEST_TEXT
from lib.metrics.selector import selector
from lib.ui import cache, text
from lib.window import Window

EXPRESSION = "expr"
SHAPES = {
    "as it is": "{}",
    "rate over 5 m": "rate({}[5m])",
    "increase over 1 h": "increase({}[1h])",
    "sum of the rates": "sum(rate({}[5m]))",
    "95th percentile of buckets": "histogram_quantile(0.95, sum by (le) (rate({}[5m])))",
    "highest 5": "topk(5, {})",
}
_METRIC, _LABEL, _VALUE, _SHAPE = "help_metric", "help_label", "help_value", "help_shape"


def expression_box(example: str) -> None:
    """Where the expression is typed; it is in the address."""
    st.text_area("PromQL", key=EXPRESSION, bind="query-params", max_chars=LONGEST_TEXT, height=80,
                 placeholder=f"{example}   (Ctrl+Enter asks)", label_visibility="collapsed")  # fmt: skip


def promql_help(window: Window, key: str = EXPRESSION, then: Callable[[], None] | None = None) -> None:
    """Choices from the store itself; a button puts their expression into the box `key`, and `then` hears of it."""
    try:
        names = cache.frame("metric_names", window)["names"]
        if not names:
            st.caption("The store has no metric yet.")
            return
        metric = st.selectbox("Metric", names, key=_METRIC)
        label = st.selectbox("Label", ["", *cache.frame("metric_labels", window, metric=metric)["names"]], key=_LABEL)
        values = cache.frame("label_values", window, metric=metric, label=label)["names"] if label else []
        value = st.selectbox("Value", values, key=f"{_VALUE}_{metric}_{label}", disabled=not label)
    except (SourceError, QueryError) as error:
        st.caption(f":orange[◆] {text.esc_md(error)}")
        return
    shape = st.selectbox("Shape", list(SHAPES), key=_SHAPE)
    added = SHAPES[shape].format(selector(metric or "", label or "", value or "")) if shape else ""
    st.code(added, language=None, wrap_lines=True)
    with st.container(horizontal=True):
        st.button("Use it", type="primary", on_click=_put, args=(added, key, then), key="help_use")
        st.button("Add it at the end", on_click=_append, args=(added, key, then), key="help_add")


def _put(expression: str, key: str, then: Callable[[], None] | None) -> None:
    st.session_state[key] = expression
    if then is not None:
        then()


def _append(expression: str, key: str, then: Callable[[], None] | None) -> None:
    _put(f"{st.session_state.get(key) or ''} {expression}".strip(), key, then)
