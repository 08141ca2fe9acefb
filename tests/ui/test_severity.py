"""A status looks the same everywhere and can be told apart by everyone."""

import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from lib.ui.severity import LOOKS, Status, status_of

THEME = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]


def luminance(colour: str) -> float:
    """WCAG 2.2 relative luminance."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_status_stands_out_from_the_page_in_both_themes(status: Status, theme: str) -> None:
    page = THEME[theme]["backgroundColor"]

    assert contrast(getattr(LOOKS[status], theme), page) >= 3
    assert contrast(getattr(LOOKS[status], f"{theme}_text"), page) >= 4.5


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_badges_have_the_same_colours_as_charts(status: Status, theme: str) -> None:
    look = LOOKS[status]

    assert THEME[theme][f"{look.badge}Color"] == getattr(look, theme)
    assert THEME[theme][f"{look.badge}TextColor"] == getattr(look, f"{theme}_text")


def test_no_two_statuses_share_a_colour_a_shape_or_a_word() -> None:
    for one, other in combinations(LOOKS.values(), 2):
        assert one.light != other.light
        assert one.dark != other.dark
        assert one.glyph != other.glyph
        assert one.symbol != other.symbol
        assert one.word != other.word


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_theme_has_exactly_the_ten_chart_colours_streamlit_needs(theme: str) -> None:
    assert len(set(THEME[theme]["chartCategoricalColors"])) == 10


def test_an_unknown_word_is_no_data_and_never_green() -> None:
    assert status_of("who knows") == Status.NO_DATA
    assert status_of("ERROR") == Status.CRITICAL
    assert status_of("healthy") == Status.OK
