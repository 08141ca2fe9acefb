"""The Alerts page: what it says when nothing fires, when much does, and why somebody was not told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from lib import wiring
from lib.alerts.tables import AlertRow, SilenceRow
from lib.identity.roles import Actor, Role, Via
from lib.metrics.base import epoch_ms
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.settings import Settings
from lib.state.database import State
from lib.ui import cache, identity, runtime
from lib.ui.alerts import asked
from lib.ui.pages import entry
from tests.alerts.seeded import alert, channel, line, put, rule, told, waiting
from tests.alerts.worlds import bad_night
from tests.seed import RULES

SHELL = str(Path(__file__).parents[2] / "lib" / "ui" / "shell.py")
OLGA = Actor("olga@example.com", Role.OPERATOR, Via.OIDC)
VERA = Actor("vera@example.com", Role.VIEWER, Via.OIDC)


def moment() -> datetime:
    """This moment: the page looks at the machine's clock."""
    return datetime.now(UTC)


Drawn = Callable[..., AppTest]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[wiring.OpenStores]:
    settings = Settings(data_dir=tmp_path, rules_file=RULES)
    stores = wiring.open_stores(settings)
    cache.forget()
    runtime.install(runtime.Runtime(settings, stores.stores, lambda: None, stores.state))
    yield stores
    runtime.install(None)
    cache.forget()
    stores.close()


@pytest.fixture
def state(opened: wiring.OpenStores) -> State:
    return opened.state


@pytest.fixture
def drawn(opened: wiring.OpenStores, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """`drawn(actor, alert=…)`: the page as this person sees it at this address."""

    def draw(actor: Actor = OLGA, **address: str) -> AppTest:
        monkeypatch.setattr(identity, "connection", lambda: actor)
        page = AppTest.from_file(SHELL, default_timeout=30).run()
        page.switch_page(str(entry("alerts").path))
        for name, value in address.items():
            page.query_params[name] = value
        return well(page.run())

    return draw


def well(page: AppTest) -> AppTest:
    assert [str(e) for e in page.exception] == []
    return page


def said(page: AppTest) -> str:
    """All words of the page, escapes taken out."""
    parts = [*page.markdown, *page.text, *page.caption, *page.error]
    return "\n".join(str(part.value) for part in parts).replace("\\", "").replace("*", "")


def header_link(page: AppTest) -> str:
    """What the top of the page says of alerts."""
    links = [str(link.proto.label) for link in page.get("page_link")]
    return next(label for label in links if label.endswith(("alert]", "judged]", "unknown]", "firing")))


def table(page: AppTest) -> pd.DataFrame:
    """The first table of the page itself; the header has one of the channels."""
    return next(frame.value for frame in page.dataframe if "name" in frame.value.columns)


def test_an_evaluator_that_never_ran_is_said_loudly_and_nothing_is_green(drawn: Drawn) -> None:
    page = drawn()

    assert "The evaluator does not run" in page.error[0].value
    assert "green-badge" not in said(page).replace(":green-badge[✓ Logs", "")


def test_a_quiet_night_says_that_nothing_fires_when_it_was_checked_and_how_many_rules(
    drawn: Drawn, state: State
) -> None:
    put(state, [rule("HighErrorRate", moment()), rule("QueueBacklog", moment())])

    page = drawn()

    assert "No alert fires" in said(page)
    assert "2 rules evaluated" in said(page)
    assert "✓ OK" in said(page)
    assert header_link(page) == ":green[✓ No alert]"
    assert not page.error


def test_nothing_that_fires_is_no_good_news_of_rules_that_cannot_be_judged(drawn: Drawn, state: State) -> None:
    put(state, [rule("HighErrorRate", moment()), rule("QueueBacklog", moment(), "error", "cannot connect")])

    page = drawn()

    assert "◆ 1 not judged] No alert fires" in said(page)
    assert "✓ OK" not in said(page)
    assert header_link(page) == ":orange[◆ No alert, as far as judged]"


def test_nothing_that_fires_is_no_good_news_where_hardly_a_rule_has_anything_to_look_at(
    drawn: Drawn, state: State
) -> None:
    unseen = [rule(name, moment(), "no-data", ever_seen=False) for name in ("HighErrorRate", "QueueBacklog")]
    put(state, [*unseen, rule("EvaluatorStall", moment())])

    page = drawn()

    assert "○ Unknown] No alert fires" in said(page)
    assert "3 rules evaluated, 2 of them wait for a metric that was never seen" in said(page)
    assert header_link(page) == ":gray[○ Alerts unknown]"


def test_what_fires_is_said_with_its_value_limit_since_flags_and_who_was_told(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())

    words = said(drawn())

    assert "▲ 1 critical" in words
    assert "◆ 2 warning" in words
    assert "1 acknowledged" in words
    assert "12.3 %, fires at > 5 %" in words
    assert "2\u202f412 items, fires at > 1\u202f000 items" in words
    assert "acknowledged by anna@\u2060example.com" in words or "acknowledged by anna" in words
    assert "recovering" in words
    assert "pending 2 min of 5 min" in words
    assert "told: slack" in words
    assert "nobody was told yet" in words


def test_the_worst_rule_comes_first_and_rules_that_cannot_be_judged_are_pointed_at(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())

    page = drawn()

    heads = [
        block.value for block in page.markdown if "firing · since" in block.value or "pending · since" in block.value
    ]
    assert [name in head for name, head in zip(
        ("HighErrorRate", "QueueBacklog", "NightlyExportFailed", "SlowResponseTime"), heads, strict=True)] == [True] * 4  # fmt: skip
    assert any(
        button.label == "Rules: 1 cannot be judged, 1 wait for a metric that was never seen" for button in page.button
    )


def test_what_is_silenced_stands_last_whatever_it_is(drawn: Drawn, state: State) -> None:
    now = moment()
    hour = timedelta(hours=1)
    quiet = SilenceRow(
        matchers=[{"name": "alertname", "op": "=", "value": "Loud"}], starts_at=now - hour, ends_at=now + hour,
        reason="known", who="olga", created_at=now, version=1,
    )  # fmt: skip
    put(state, [alert("Loud", now - hour), alert("Soft", now - hour / 2, severity="info"), quiet])

    heads = [block.value for block in drawn().markdown if "firing · since" in block.value]

    assert ["Loud" in head for head in heads] == [False, True]


def test_one_tap_acknowledges_and_a_second_gives_it_back(drawn: Drawn, state: State) -> None:
    rows = bad_night(state, moment())
    page = drawn()

    page = well(page.button(key=f"ack_{rows['errors'].id}").click().run())
    taken = said(page)
    page = well(page.button(key=f"unack_{rows['errors'].id}").click().run())

    assert "acknowledged by olga" in taken
    assert "acknowledged by olga" not in said(page)


def test_a_viewer_sees_all_of_it_and_changes_nothing(drawn: Drawn, state: State) -> None:
    rows = bad_night(state, moment())
    page = drawn(VERA)

    words, ack = said(page), page.button(key=f"ack_{rows['errors'].id}")
    off, ack.proto.disabled = ack.disabled, False  # as somebody who makes the browser send it all the same
    page = well(ack.click().run())

    assert off
    assert ack.help == "Needs the role operator; you act as viewer."
    assert "Acknowledge and Silence are off. Needs the role operator; you act as viewer." in words
    assert "acknowledged by vera" not in said(page)


ANYBODYS = {"All alerts", "Cancel", "Sign out", "Use these times", "Show the last 24h"}
"""What changes nothing but what one sees."""


ADDRESSES: list[dict[str, str]] = [
    {}, {"show": "Silences"}, {"silence": "new"}, {"alert": "leads"}, {"alert": "pushed"},
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda one: "-".join(one.values()) or "board")
def test_every_button_that_a_viewer_may_not_press_is_off_and_says_why(
    drawn: Drawn, state: State, address: dict[str, str]
) -> None:
    now, rows = moment(), bad_night(state, moment())
    put(state, [SilenceRow(matchers=[{"name": "a", "op": "=", "value": "b"}], reason="known", who="nadia", created_at=now,
                           starts_at=now - timedelta(hours=2), ends_at=now + end)
                for end in (timedelta(hours=1), -timedelta(hours=1))])  # fmt: skip
    told = {name: rows[value].fingerprint if name == "alert" else value for name, value in address.items()}

    def doing(page: AppTest) -> dict[str, bool]:
        ways = ("range_", "refresh_", "pause", "open_", "unwell", "silences_now")
        own = [one for one in page.main.button if one.label not in ANYBODYS and not str(one.key).startswith(ways)]
        return {one.label: one.disabled for one in own}

    viewer, operator = drawn(VERA, **told), drawn(OLGA, **told)

    assert doing(viewer)
    assert [label for label, off in doing(viewer).items() if not off] == []
    assert [label for label, off in doing(operator).items() if off] == []
    assert "Needs the role operator; you act as viewer." in said(viewer)
    assert "Needs the role" not in said(operator)


def test_a_silence_that_counts_is_named_though_nothing_fires_under_it(drawn: Drawn, state: State) -> None:
    now = moment()
    put(state, [rule("HighErrorRate", now), SilenceRow(
        matchers=[{"name": "a", "op": "=", "value": "b"}], reason="known", who="nadia", created_at=now,
        starts_at=now - timedelta(minutes=5), ends_at=now + timedelta(hours=1))])  # fmt: skip

    page = drawn()

    assert "1 rule evaluated" in said(page)
    assert any(button.label == "1 silence in force" for button in page.button)
    assert any(button.label == "New silence" for button in press(page, "1 silence in force").button)


def test_what_a_channel_was_told_of_the_time_before_is_not_taken_for_this_time(drawn: Drawn, state: State) -> None:
    now = moment()
    one = alert("QueueBacklog", now - timedelta(minutes=3))
    [one.id] = put(state, [one])
    earlier = told(one, "slack", now - timedelta(minutes=4))
    earlier.episode, earlier.suppressed = one.id + 100, 1
    held = "told less than 5 min ago; told again at 02:19:00 UTC if it still fires"
    put(state, [earlier, line(one, now - timedelta(minutes=1), "cooldown", held, "slack"),
                line(one, now - timedelta(minutes=1), "sent", "accepted with 250", "email"),
                line(one, now - timedelta(minutes=1), "silenced", "silenced by nadia until 12:00:00 UTC", "webhook")])  # fmt: skip

    board, whole = said(drawn()), said(drawn(alert=one.fingerprint))

    assert "the time before, told: slack" in board
    assert "\ntold: slack" not in board
    assert ", the time before · held back once since" in whole
    assert "In short: email was told at" in whole
    assert "slack was not told yet, webhook was not told yet." in whole
    assert "cooldown: told less than 5 min ago; told again at" in whole
    assert "silenced by nadia" in whole
    assert "silenced: silenced" not in whole


def test_a_channel_that_is_tried_again_says_when_on_the_alert_and_in_the_header(drawn: Drawn, state: State) -> None:
    now = moment()
    one = alert("QueueBacklog", now - timedelta(minutes=3))
    [one.id] = put(state, [one])
    again, due = "not accepted, tried again: HTTP 429: slow down", now + timedelta(seconds=20)
    put(state, [line(one, now, "retry", again, "slack"), waiting("k", "slack", now, due_at=due),
                channel("slack", failing_since=now, failing_why="HTTP 429: slow down", hold_until=due)])  # fmt: skip

    page = drawn(alert=one.fingerprint)

    assert f"retry: {again}; next try at {due:%H:%M:%S}" in said(page)
    assert f"slack · nobody told yet · fails · 1 waiting · next try {due:%H:%M:%S}\n" in said(page)
    assert "HTTP 429: slow down" in [str(part.value) for part in page.text]


def test_a_link_opens_one_alert_with_its_whole_time_line(drawn: Drawn, state: State) -> None:
    rows = bad_night(state, moment())

    words = said(drawn(alert=rows["errors"].fingerprint))

    assert "12.3% of requests fail" in words
    for part in ("pending: 12.3 % is over 5 %", "firing: the condition held", "answered 200 ok after 81 ms",
                 "no such recipient: 550", "held back: told 5 min ago"):  # fmt: skip
        assert part in words


def test_a_chart_without_a_sample_is_too_early_only_in_an_alerts_first_minutes(drawn: Drawn, state: State) -> None:
    young, old = (alert("QueueBacklog", moment() - age, labels={"queue_name": str(age)})
                  for age in (timedelta(seconds=5), timedelta(hours=1)))  # fmt: skip
    put(state, [young, old])

    assert "came true a moment ago: the first point of its chart is on its way" in said(drawn(alert=young.fingerprint))
    assert "No sample of QueueBacklog in this range" in said(drawn(alert=old.fingerprint))


def test_a_link_to_an_alert_that_is_over_still_tells_its_story(drawn: Drawn, state: State) -> None:
    rows = bad_night(state, moment())
    put(state, [alert("QueueBacklog", moment() - timedelta(hours=9), severity="warning", labels={"queue_name": "old"},
                      state="resolved", resolved_at=moment() - timedelta(hours=8), resolved_why="the series is gone")])  # fmt: skip
    with state.reading() as session:
        mark = session.scalars(select(AlertRow).where(AlertRow.resolved_why != "")).one().fingerprint

    words = said(drawn(alert=mark))

    assert "it ended: the series is gone" in words
    assert "This alert has ended" in words
    assert rows["errors"].fingerprint != mark


def test_a_link_to_what_is_not_known_says_so(drawn: Drawn) -> None:
    words = said(drawn(alert="0123456789abcdef"))

    assert "There is no such alert now" in words
    assert "Nothing is kept of it either" in words


def test_a_link_to_an_alert_that_was_only_pending_shows_when_it_was_and_that_nobody_was_told(
    drawn: Drawn, state: State
) -> None:
    began = moment() - timedelta(hours=2)
    gone = alert("SlowResponseTime", began)
    put(state, [line(gone, began, "pending", "its condition came true; it fires once that has lasted 5 min"),
                line(gone, began + timedelta(minutes=2), "dropped", "the condition no longer holds")])  # fmt: skip

    words = said(drawn(alert=gone.fingerprint))

    assert "it ended before it was due, so nobody was told" in words
    assert "it fires once that has lasted 5 min" in words
    assert "the condition no longer holds" in words
    assert "Nothing is kept" not in words


def test_what_two_channels_did_at_once_is_one_line(drawn: Drawn, state: State) -> None:
    rows = bad_night(state, moment())
    at = moment().replace(microsecond=0)
    put(state, [line(rows["leads"], at, "sent", "accepted with 200", channel) for channel in ("slack", "webhook")])

    page = drawn(alert=rows["leads"].fingerprint)

    assert [mark.value for mark in page.text].count("accepted with 200") == 1
    assert any(":gray-badge[slack] :gray-badge[webhook]" in block.value for block in page.markdown)


def test_a_pushed_alert_is_said_in_words_on_its_own_page_and_on_the_first_one(drawn: Drawn, state: State) -> None:
    put(state, [alert("UnhandledException", moment(), severity="warning", origin="api", value=None,
                      labels={"key": "exception/crm/KeyError@clients.py:_id", "exception": "KeyError"},
                      annotations={"description": "KeyError in clients.py:_id of crm: 'id'"})])  # fmt: skip

    page = drawn()
    labels = [button.label for button in page.button]
    links = [link.proto.url for link in page.get("link_button")]
    first = well(page.switch_page(str(entry("").path)).run())

    assert any("KeyError in clients" in label for label in labels)
    assert "/runbooks#unhandledexception" in links
    assert "key=exception" not in said(first)
    assert "– · firing" not in said(first)


def test_what_a_pushed_alert_says_is_no_empty_card(drawn: Drawn, state: State) -> None:
    """Regression: its only sentence stands in the head, and the card beside “What to do” was empty."""
    said_once = "Deploy 17 failed: exit code 1"
    one = alert(
        "DeployFailed",
        moment() - timedelta(minutes=3),
        origin="api",
        value=None,
        annotations={"description": said_once},
    )
    put(state, [one])

    page = drawn(alert=one.fingerprint)

    assert [block.value for block in page.text].count(said_once) == 2


def test_a_pushed_alert_is_resolved_by_hand_an_evaluated_one_is_not_offered_it(drawn: Drawn, state: State) -> None:
    rows = bad_night(state, moment())
    evaluated = drawn(alert=rows["errors"].fingerprint)
    page = drawn(alert=rows["pushed"].fingerprint)

    page.text_input(key=f"resolve_why_{rows['pushed'].id}").set_value("ran it again")
    page = well(next(button for button in page.button if button.label == "Resolve").click().run())

    assert not [button for button in evaluated.button if button.label == "Resolve"]
    assert "olga" in said(page)
    assert "ran it again" in said(page)
    assert "This alert has ended" in said(page)


def test_history_counts_what_fired_and_offers_it_as_csv(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())

    page = drawn(show="History")

    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Fired"] == "5"
    assert figures["Still open"] == "4"
    assert figures["Marked as noise"] == "0 %"
    assert table(page)["name"].iloc[0] == "HighErrorRate"
    assert any(button.proto.label.startswith("CSV") for button in page.get("download_button"))


def test_a_history_without_alerts_is_good_only_where_rules_were_evaluated(drawn: Drawn, state: State) -> None:
    unknown = said(drawn(show="History"))
    put(state, [rule("HighErrorRate", moment())])
    asked.forget()
    known = said(drawn(show="History"))

    assert "No rule was evaluated in this range" in unknown
    assert "No alert fired" not in unknown
    assert "No alert fired in 6 h" in known


def test_rules_say_which_cannot_be_judged_and_which_metric_was_never_seen(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())

    rules = table(drawn(show="Rules")).set_index("name")

    assert rules.loc["LeadSyncFailures", "health"] == "▲ Error"
    assert "timed out after 10 s" in rules.loc["LeadSyncFailures", "reason"]
    assert rules.loc["DBConnectionPoolExhausted", "health"] == "○ Never seen"
    assert "never seen" in rules.loc["DBConnectionPoolExhausted", "reason"]


def test_a_rule_that_never_fired_says_what_it_measured(drawn: Drawn, state: State) -> None:
    put(state, [rule("DBConnectionPoolExhausted", moment())])

    words = said(drawn(show="Rules", rule="DBConnectionPoolExhausted"))

    assert "It never fired in this range" in words
    assert "fires at > 90 %" in words


def test_a_rule_whose_every_value_is_infinite_says_so(drawn: Drawn, opened: wiring.OpenStores) -> None:
    put(opened.state, [rule("DBConnectionPoolExhausted", moment())])
    ts_ms = epoch_ms(moment()) - 15_000 * np.arange(40, dtype=np.int64)[::-1]
    labels = tuple({"__name__": f"db_connections_{name}", "instance": "a:3000"} for name in ("active", "max"))
    series, values = np.repeat(np.arange(2, dtype=np.int32), 40), np.repeat([3.0, 0.0], 40)
    assert isinstance(opened.metrics, DuckMetrics)
    opened.metrics.append(Samples(labels, series, np.tile(ts_ms, 2), values))

    words = said(drawn(show="Rules", rule="DBConnectionPoolExhausted"))

    assert "Lately inf %" in words and "fires at > 90 %" in words


def test_a_filter_that_hides_all_says_so(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())

    assert "The filter hides all 5 rows" in said(drawn(find="no such rule"))


def press(page: AppTest, label: str) -> AppTest:
    return well(next(button for button in page.button if button.label == label).click().run())


def test_a_silence_begun_from_a_link_shows_what_it_hits_and_then_mutes_it(drawn: Drawn, state: State) -> None:
    rows = bad_night(state, moment())
    page = drawn(silence=rows["leads"].fingerprint)
    before = said(page)

    page.text_input(key=f"silence_reason_{rows['leads'].fingerprint}").set_value("known, ticket 17")
    page = well(page.button(key=f"silence_do_{rows['leads'].fingerprint}").click().run())

    assert "It hits 1 of 5 open alerts now" in before
    assert "silenced by olga" in said(page)
    assert "1 silenced" in said(page)
    assert not [button for button in page.button if button.label == "Cancel"]
    assert "known, ticket 17" in said(drawn(show="Silences"))


@pytest.mark.parametrize(
    ("matchers", "hits"),
    [('alertname="QueueBacklog"', "2 of 5"), ('queue_name=~"mai.*"', "1 of 5"), ('queue_name="none"', "no open alert")],
)
def test_matchers_in_the_address_fill_the_form_and_the_preview_counts_them(
    drawn: Drawn, state: State, matchers: str, hits: str
) -> None:
    bad_night(state, moment())

    assert f"It hits {hits}" in said(drawn(silence=matchers))


@pytest.mark.parametrize("matchers", ["what is this", 'a=~"("', 'a=~".*"'])
def test_matchers_that_cannot_be_used_say_why_and_nothing_is_silenced(
    drawn: Drawn, state: State, matchers: str
) -> None:
    bad_night(state, moment())
    page = drawn(silence=matchers)

    page = press(page, "Silence")

    assert page.warning
    assert any("say whom to silence" in error.value for error in page.error)
    assert "Nothing is silenced" in said(drawn(show="Silences", silence=""))


def test_a_silence_needs_a_reason(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())

    page = press(drawn(silence='alertname="QueueBacklog"'), "Silence")

    assert any("needs a reason" in error.value for error in page.error)


def test_a_silence_is_changed_ended_and_made_again(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())
    page = drawn(silence='alertname="QueueBacklog"')
    next(field for field in page.text_input if field.label == "Why (needed)").set_value("first")
    press(page, "Silence")

    page = press(drawn(show="Silences", silence=""), "Change")
    next(field for field in page.text_input if field.label == "Why (needed)").set_value("second")
    page = press(page, "Change the silence")
    changed = said(page)
    page = press(page, "End it now")

    assert "second" in changed
    assert "hits 2 open alerts" in changed
    assert "ended" in said(page)
    assert "silenced by" not in said(drawn(show="Open"))
    page = press(drawn(show="Silences"), "Make it again")
    assert any(field.value == 'alertname="QueueBacklog"' for field in page.text_input)


def test_a_change_of_somebody_else_meanwhile_is_found_out(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())
    page = drawn(silence='alertname="QueueBacklog"')
    next(field for field in page.text_input if field.label == "Why (needed)").set_value("first")
    press(page, "Silence")
    page = press(drawn(show="Silences", silence=""), "Change")
    with state.writing() as session:
        kept = session.scalars(select(SilenceRow)).one()
        kept.version, kept.reason = 2, "of somebody else"
    asked.forget()

    next(field for field in page.text_input if field.label == "Why (needed)").set_value("mine")
    page = press(page, "Change the silence")

    assert any("changed by somebody else" in error.value.replace("\\", "") for error in page.error)
    assert "of somebody else" in said(page)


def test_an_end_that_waits_for_a_silence_says_so(drawn: Drawn, state: State) -> None:
    now = moment()
    over = alert("QueueBacklog", now - timedelta(hours=1), severity="warning", labels={"queue_name": "leads"},
                 state="resolved", resolved_at=now - timedelta(minutes=5))  # fmt: skip
    put(state, [over, SilenceRow(matchers=[{"name": "queue_name", "op": "=", "value": "leads"}], reason="known", who="nadia",
                                 created_at=now, starts_at=now - timedelta(minutes=30), ends_at=now + timedelta(hours=1)),
                line(over, now - timedelta(minutes=55), "sent", "accepted with 200", "slack")])  # fmt: skip

    words = said(drawn(alert=over.fingerprint))

    assert "it is silenced by nadia until" in words
    assert "that it has ended is told after that" in words


def test_a_viewer_cannot_silence(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())
    page = drawn(VERA, silence='alertname="QueueBacklog"')
    next(field for field in page.text_input if field.label == "Why (needed)").set_value("because")

    button = next(button for button in page.button if button.label == "Silence")
    off, button.proto.disabled = button.disabled, False
    page = press(page, "Silence")

    assert off
    assert "1 silenced" not in said(page)


def test_a_broken_channel_is_said_loudly_and_who_may_arms_it_again(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())
    page = drawn()
    loud = [error.value for error in page.error]

    page = press(page, "It works again")

    assert any("email is broken" in words and "unknown user" in words for words in loud)
    assert not page.error


def test_the_link_of_a_group_shows_only_its_rule(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())

    page = drawn(alertname="QueueBacklog")

    assert any(button.label == "Only QueueBacklog" for button in page.button)
    assert "2\u202f412 items" in said(page)
    assert "12.3 %, fires" not in said(page)


def test_the_overview_shows_what_fires_and_the_tab_and_menu_count_it(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())
    page = well(drawn().switch_page(str(entry("").path)).run())

    links = [link.proto.label for link in page.get("page_link")]

    assert any("HighErrorRate" in label for label in links)
    assert any(label.startswith("Alerts :red-badge[▲ 4]") for label in links)
    assert any(label.endswith("firing") for label in links)


@pytest.mark.parametrize(
    "address", [{}, {"show": "History"}, {"show": "Silences"}, {"show": "Rules"}, {"alert": "errors"}]
)
def test_what_more_viewers_see_is_not_asked_of_the_state_database_again(
    drawn: Drawn, state: State, address: dict[str, str]
) -> None:
    rows = bad_night(state, moment())
    address = {name: rows[value].fingerprint if value in rows else value for name, value in address.items()}
    now = moment()
    address["range"] = f"{now - timedelta(hours=6):%Y-%m-%dT%H:%M}/{now:%Y-%m-%dT%H:%M}"  # one that does not move on
    with state.statements() as first:
        drawn(**address)

    with state.statements() as others:
        for _ in range(3):
            drawn(**address)

    assert 4 <= len(first) <= 30
    assert len(others) <= len(first), "answers grow old after five seconds: once, for all three"


def test_the_page_says_how_the_state_database_was_asked(drawn: Drawn, state: State) -> None:
    bad_night(state, moment())
    page = drawn(how_asked="true")

    page.session_state["how_asked"] = True
    page = well(page.run())

    found = next(frame.value for frame in page.dataframe if "question" in frame.value.columns)
    assert "state" in set(found["store"])
    assert any("FROM alert" in text for text in found["question"])
