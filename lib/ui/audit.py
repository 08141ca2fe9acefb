"""What the audit page asks: never shared between viewers, as the right to read is each one's own."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from lib.errors import SourceUnavailable
from lib.identity.roles import Action, require
from lib.state import audit
from lib.ui import cache, runtime
from lib.ui.clock import now
from lib.ui.identity import actor
from lib.ui.time_range import time_window
from lib.window import Window

ACTIONS = tuple(action.value for action in Action)
MOST_ROWS = audit.MOST_ROWS
_LATE = timedelta(minutes=6)


def entries(who: str, action: str, text: str) -> pd.DataFrame:
    """What was done in the page's range, as `lib.state.audit.search` gives it. Raises Refused, SourceError."""
    require(actor(), Action.READ_AUDIT)
    state = runtime.current().state
    if state is None:
        raise SourceUnavailable("this process has no state database", audit.SOURCE)
    wanted = audit.Filter(who.strip(), action, text.strip())
    found, told = cache.asking(lambda: audit.search(state, actor(), _until_now(time_window()), wanted))
    cache.tell("audit", told)
    return found


def _until_now(window: Window) -> Window:
    """A range that ends about now, with what was done since it was rounded down: one looks for what one just did."""
    moment = now()
    return Window(window.start, moment + _LATE, window.zone) if moment - window.end < _LATE else window
