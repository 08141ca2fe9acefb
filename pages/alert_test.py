"""Alert test: see what would be sent, send it as a test, play a course of events, hold a drill."""

import streamlit as st

from lib.alerts.console import draft
from lib.ui import clock
from lib.ui.alert_test.compose import composed
from lib.ui.alert_test.drill import drill
from lib.ui.alert_test.preview import preview
from lib.ui.alert_test.receipts import sending
from lib.ui.alert_test.scenarios import scenarios
from lib.ui.panel import panel
from lib.ui.runtime import current

SEND, SCENARIOS, DRILL = "Send a test", "Scenarios", "Drill"

st.title("Alert test", anchor=False)
tab = st.segmented_control(
    "What to try", [SEND, SCENARIOS, DRILL], default=SEND, required=True, key="alert_test", bind="query-params",
    label_visibility="collapsed",
)  # fmt: skip
if tab == DRILL:
    with panel("Drill", help="Something goes wrong on purpose, and you watch how it is told. Kept in the audit."):
        drill()
else:
    with panel("The alert"):
        wanted = composed(to_send=tab == SEND)
    if tab == SEND:
        with panel("What would be sent"):
            notice = draft.notice(wanted.draft, clock.now(), current().settings.public_url, resolved=wanted.resolved)
            sending(wanted.draft.labels["alertname"], [notice], wanted.channels, "one")
            preview(notice)
    else:
        with panel("What would be told, and when"):
            scenarios(wanted.draft)
