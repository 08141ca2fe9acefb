"""What a page asks of its range, begun at once when it is drawn: it waits for its longest question, not for their sum."""

from __future__ import annotations

from collections.abc import Iterable

from lib.ui import cache, runtime
from lib.window import Window

_known: dict[str, frozenset[str]] = {}
"""Per page the signals that its last drawing asked of its range; what depends on a click or a typed text is not among them."""


def begin(page: str, window: Window) -> None:
    """Has the questions asked that this page put last time, so that its cards find their answers or wait for them.

    Only where a store is on a server: embedded ones compute here, and questions at once would only compete.
    """
    if runtime.installed() and runtime.current().stores.remote:
        for signal in _known.get(page, ()):
            cache.ask_ahead(signal, window)


def learn(page: str, window: Window, asked: Iterable[cache.Asked]) -> None:
    """Remembers what this drawing asked."""
    _known[page] = frozenset(one.signal for one in asked if one.window == window and not one.params)
