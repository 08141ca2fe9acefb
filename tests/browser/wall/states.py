"""The five things a card says instead of a blank chart, each with hostile text where text can come from outside."""

import streamlit as st

from lib.errors import QueryError, SourceRejected, SourceUnavailable
from lib.ui import panel as states
from lib.ui.panel import panel

HOSTILE = (
    "![x](https://evil.example/a.png) <img src=x onerror=alert(1)> :red[x] [l](https://evil.example) :material/home:"
)

st.title("States")
with panel("Quiet"):
    states.nothing_in_range(f"No {HOSTILE}")
with panel("Filtered"):
    states.filtered_out(12431, lambda: None)
with panel("Unknown"):
    states.never_seen(HOSTILE)
with panel("Dead"):
    raise SourceUnavailable(HOSTILE, "Prometheus")
with panel("Refused"):
    raise SourceRejected(HOSTILE, "Logs")
with panel("Typed"):
    raise QueryError(HOSTILE, 3)
with panel("Good"):
    states.all_good("0 errors in 24 h")
