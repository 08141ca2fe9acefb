"""Tables: filtered by words, and what is filtered is what the file holds."""

import pandas as pd
import pytest

from lib.ui.table import matching

FRAME = pd.DataFrame(
    {"route": ["/api/leads", "/api/reports", "/webhooks"], "errors": [12, 0, 120], "note": ["", None, "Slow"]}
)


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("", [0, 1, 2]),
        ("API", [0, 1]),
        ("api 12", [0]),
        ("12", [0, 2]),
        ("slow", [2]),
        ("nothing", []),
        ("leads12", []),
    ],
)
def test_a_row_stays_that_holds_every_word_somewhere(words: str, rows: list[int]) -> None:
    assert matching(FRAME, words).tolist() == rows
