"""A card says of every source that it shows old values of."""

from streamlit.testing.v1 import AppTest


def card_of_two_sources() -> None:
    from datetime import UTC, datetime, timedelta

    from lib.ui import cache
    from lib.ui.panel import panel

    with panel("Failed requests"):
        for source, age_s in (("logs", 20), ("metrics", 40), ("logs", 60)):
            age = timedelta(seconds=age_s)
            cache.collect(cache.Asked("signal", None, datetime.now(UTC) - age, 1.0, "refused", source, age))


def test_a_card_names_each_source_that_is_down_once_with_its_oldest_value() -> None:
    test = AppTest.from_function(card_of_two_sources).run()

    assert [caption.value.split("] ")[1] for caption in test.caption] == [
        "logs does not answer: this is from 1 min ago.",
        "metrics does not answer: this is from 40 s ago.",
    ]
