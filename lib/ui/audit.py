"""What the audit page asks: never shared between viewers, as the right to read is each one's own."""

from __future__ import annotations

import pandas as pd

from lib.errors import SourceUnavailable
from lib.identity.roles import Action
from lib.state import audit
from lib.ui import runtime
from lib.ui.identity import actor
from lib.ui.time_range import time_window

ACTIONS = tuple(action.value for action in Action)
MOST_ROWS = audit.MOST_ROWS


def entries(who: str, action: str, text: str) -> pd.DataFrame:
    """What was done in the page's range, as `lib.state.audit.search` gives it. Raises Refused, SourceError."""
    state = runtime.current().state
    if state is None:
        raise SourceUnavailable("this process has no state database", audit.SOURCE)
    return audit.search(state, actor(), time_window(), audit.Filter(who.strip(), action, text.strip()))
