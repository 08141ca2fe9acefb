"""How many items are overdue, beside the page's name in the menu."""

from __future__ import annotations

from lib.ui import runtime, text


def overdue_words(title: str) -> str:
    """The title, with the count of overdue items where there are any: what the collection counted last, no store is asked."""
    status = runtime.current().status()
    late = status.checklist_overdue if status is not None else None
    return f"{text.esc_md(title)} :red-badge[▲ {late}]" if late else text.esc_md(title)
