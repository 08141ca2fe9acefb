"""The Rules page: the list, a rule as a sentence and as YAML, saving, two editors, history, and a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib import wiring
from lib.alerts import editing
from lib.alerts.editing import Standing, Why
from lib.alerts.rulebook import Rulebook
from lib.alerts.rules import RuleFile
from lib.alerts.tables import AlertRow, RuleStateRow, RuleVersionRow
from lib.identity.roles import Actor, Role, Via
from lib.settings import Settings
from lib.state import audit
from lib.ui import cache, clock, identity, runtime, time_range
from lib.ui.pages import entry
from lib.ui.rules import listing, replaying
from lib.ui.text import NONE
from tests.rule_past import write_days

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "lib" / "ui" / "shell.py")
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
FILES = [RuleFile.read(RULES)]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC)
BORIS = Actor("boris@example.com", Role.ADMIN, Via.OIDC)
VERA = Actor("vera@example.com", Role.VIEWER, Via.OIDC)


@dataclass
class Site:
    """The page's stores, and the page as somebody sees it."""

    stores: wiring.OpenStores
    draw: Callable[..., AppTest]

    def standing(self, name: str = "HighErrorRate") -> Standing:
        return editing.standings(self.stores.state, FILES)[name]

    def save(self, actor: Actor, change: tuple[str, str], name: str = "HighErrorRate", due: date | None = None) -> None:
        now = self.standing(name)
        deed = editing.save(now, now.text.replace(*change), Why("because", NOW, due), files=FILES)
        audit.act(self.stores.state, actor, deed)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, wiring.OpenStores]]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), rules_file=RULES, own_rules_file=None)
    stores = wiring.open_stores(settings)
    write_days(stores.metrics, NOW, 1.5)  # type: ignore[arg-type]
    yield settings, stores
    stores.close()


@pytest.fixture
def site(opened: tuple[Settings, wiring.OpenStores], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    settings, stores = opened
    cache.forget()
    runtime.install(runtime.Runtime(settings, stores.stores, lambda: None, stores.state, rulebook=stores.rulebook))
    for module in (time_range, clock, cache):
        monkeypatch.setattr(module, "now", lambda: NOW)

    def draw(actor: Actor, **address: str) -> AppTest:
        monkeypatch.setattr(identity, "connection", lambda: actor)
        page = AppTest.from_file(SHELL, default_timeout=30)
        for name, value in {"zone": "UTC", **address}.items():
            page.query_params[name] = value
        return well(page.run().switch_page(str(entry("rules").path)).run())

    yield Site(stores, draw)
    runtime.install(None)
    cache.forget()
    with stores.state.writing() as session:
        for table in (RuleVersionRow, AlertRow, RuleStateRow):
            session.query(table).delete()


def well(page: AppTest) -> AppTest:
    assert [str(e) for e in page.exception] == []
    return page


def blank(page: AppTest, name: str) -> object:
    """The field of the form, whatever kind it is."""
    found = [one for kind in (page.text_input, page.text_area, page.selectbox) for one in kind if one.label == name]
    assert len(found) == 1, name
    return found[0]


def fill(page: AppTest, name: str, value: str) -> AppTest:
    return well(blank(page, name).set_value(value).run())  # type: ignore[attr-defined]


def submit(page: AppTest, why: tuple[str, str], label: str) -> AppTest:
    """Presses the button of a small form whose reason was written."""
    blank(page, why[0]).set_value(why[1])  # type: ignore[attr-defined]
    return press(page, label)


def yaml_of(page: AppTest) -> str:
    return str(blank(page, "YAML").value)  # type: ignore[attr-defined]


def said(page: AppTest) -> str:
    return "\n".join(
        str(one.value) for kind in (page.caption, page.markdown, page.code, page.warning, page.error) for one in kind
    )


def press(page: AppTest, label: str) -> AppTest:
    return well(next(button for button in page.button if button.label == label).click().run())


def test_the_list_says_how_every_rule_is_the_worst_first(site: Site) -> None:
    site.save(ANNA, ("> 1000", "> 800"), "QueueBacklog", date(2026, 2, 1))
    with site.stores.state.writing() as session:
        for name, health, seen in (("HighErrorRate", "ok", True), ("SlowResponseTime", "no-data", False)):
            session.add(RuleStateRow(rule=f"g/{name}/x", name=name, health=health, health_since=NOW, reason="", ever_seen=seen,
                                     last_eval=NOW, took_ms=2.0, skipped=0))  # fmt: skip
        for place in range(2):
            session.add(AlertRow(origin="engine", fingerprint=str(place), rule="g/HighErrorRate/x", name="HighErrorRate",
                                 severity="critical", labels={}, annotations={}, state="firing", active_at=NOW, last_seen=NOW))  # fmt: skip

    rows = site.draw(VERA).dataframe[0].value

    assert next(iter(rows["rule"])) == "HighErrorRate"
    told = rows.set_index("rule")
    assert told.loc["HighErrorRate", "state"] == "▲ firing (2)"
    assert told.loc["SlowResponseTime", "state"] == "○ never seen"
    assert told.loc["QueueBacklog", "state"] == "○ not evaluated"
    assert told.loc["QueueBacklog", "edited"] == "v1, anna@example.com"
    assert told.loc["QueueBacklog", "review"] == "◆ overdue 01 Feb"
    assert told.loc["HighErrorRate", "edited"] == "as shipped"
    assert 0 < rows.set_index("rule")["over"].astype(float)["HighErrorRate"] < 0.2
    assert told["over"].isna()["SlowResponseTime"]


def test_what_one_looks_for_first_is_seen_beside_the_menu_without_scrolling() -> None:
    """Regression: “Look again by” stood beyond the edge of a screen of 1440 pixels, where 1,120 are left for columns."""
    names = list(listing.COLUMNS)
    first = names[: names.index("review") + 1]

    assert first == ["state", "rule", "severity", "when", "for", "over", "review"]
    assert sum(listing.COLUMNS[name]["width"] for name in first) <= 1120
    assert sum(listing.COLUMNS[name]["width"] for name in ("state", "rule")) <= 310  # a phone's


def test_more_viewers_of_the_list_ask_the_state_database_nothing_more(site: Site) -> None:
    site.save(ANNA, ("> 1000", "> 800"), "QueueBacklog")
    with site.stores.state.statements() as first:
        site.draw(VERA)

    with site.stores.state.statements() as others:
        for _ in range(3):
            site.draw(VERA)

    assert first
    assert len(others) <= len(first), "answers grow old after five seconds: once, for all three"


def test_the_form_and_the_yaml_follow_each_other(site: Site) -> None:
    page = site.draw(ANNA, rule="HighErrorRate")

    page = fill(page, "limit", "0.07")
    page = fill(page, "tell", "warning")
    assert "> 0.07\n" in yaml_of(page) and "severity: warning" in yaml_of(page)
    page = fill(page, "YAML", yaml_of(page).replace("> 0.07", "<= 0.5").replace("for: 5m", "for: 90s"))

    assert [blank(page, name).value for name in ("it", "limit", "for", "tell")] == ["<=", "0.5", "1m30s", "warning"]  # type: ignore[attr-defined]
    assert "is at most 0\\.5 for 1m30s, tell warning" in said(page)


def test_saving_shows_the_difference_asks_why_and_keeps_the_version(site: Site) -> None:
    page = fill(site.draw(ANNA, rule="HighErrorRate"), "limit", "0.07")
    assert any("+expr:" in code.value and "> 0.07" in code.value for code in page.code)
    assert "The limit is another one; the notice still says “the limit is 5%”." in said(page)

    page = press(page, "Save")
    assert "say why" in said(page)
    page = submit(page, ("Why", "less noise"), "Save")

    now = site.standing()
    assert (now.number, now.newest and now.newest.who, now.newest and now.newest.note) == (1, ANNA.name, "less noise")
    assert "> 0.07\n" in now.text
    assert "  # " not in now.text and "humanizePercentage" in now.text
    assert not [button for button in page.button if button.label == "Drop the change"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("limit", "five", "the limit must be a number, such as 0.05: five"),
        ("When", "sum(rate(up", "line 2: rule 'HighErrorRate': expr is not PromQL"),
        ("for", "soon", "line 3: rule 'HighErrorRate': `for` must be a duration"),
        ("When", "", "write what is measured"),
        ("When", "absent_over_time(up[5m]) + holt_winters(up[5m], 0.1, 0.1)", "holt_winters"),
        ("YAML", "alert: [", "this is not YAML"),
        ("Title of the notice", "{{ $value of requests fail", "is no template: “{{” without “}}”"),
        ("YAML", "alert: HighErrorRate\nexpr: up\ncolour: red", "line 3: unknown key 'colour'"),
    ],
)
def test_what_is_no_rule_says_so_with_its_place_and_cannot_be_saved(
    site: Site, name: str, value: str, words: str
) -> None:
    page = fill(site.draw(ANNA, rule="HighErrorRate"), name, value)

    assert words in said(page)
    assert next(button for button in page.button if button.label == "Save").disabled


def test_a_placeholder_that_nothing_fills_in_is_pointed_at(site: Site) -> None:
    page = fill(site.draw(ANNA, rule="HighErrorRate"), "Title of the notice", "{{ $vlaue }} fail")

    assert "nothing is filled in: {{ $vlaue }}" in said(page).replace("\\", "")
    assert "nothing is filled in" not in said(fill(page, "Title of the notice", "{{ $value }} fail"))


def test_a_form_of_what_cannot_be_read_changes_nothing_and_comes_back(site: Site) -> None:
    page = fill(site.draw(ANNA, rule="HighErrorRate"), "YAML", "alert: [")
    page = fill(page, "limit", "0.07")
    assert yaml_of(page) == "alert: ["

    page = press(page, "Drop the change")

    assert yaml_of(page) == site.standing().text
    assert blank(page, "limit").value == "0.05"  # type: ignore[attr-defined]


def test_the_second_editor_sees_what_the_first_one_saved_and_goes_on(site: Site) -> None:
    page = fill(site.draw(BORIS, rule="HighErrorRate"), "limit", "0.09")
    site.save(ANNA, ("for: 5m", "for: 10m"))

    page = well(page.run())
    assert "anna\\@\u2060example\\.com saved version 1" in said(page).replace(
        "@\u2060", "\\@\u2060"
    ) or "saved version 1" in said(page)
    assert next(button for button in page.button if button.label == "Save").disabled
    page = press(page, "Go on from theirs, drop mine")

    assert "for: 10m" in yaml_of(page) and "> 0.05\n" in yaml_of(page)


def test_a_viewer_reads_everything_and_can_change_nothing(site: Site) -> None:
    page = site.draw(VERA, rule="HighErrorRate")

    assert all(blank(page, name).disabled for name in ("When", "it", "limit", "for", "tell", "YAML"))  # type: ignore[attr-defined]
    assert not {button.label for button in page.button} & {"Save", "Duplicate", "Remove", "Evaluate it again"}
    assert "Only admins can change rules" in said(page)


def test_history_shows_each_change_and_brings_a_version_back(site: Site) -> None:
    site.save(ANNA, ("> 0.05", "> 0.06"))
    site.save(BORIS, ("> 0.06", "> 0.20"))
    page = site.draw(ANNA, rule="HighErrorRate", rule_view="History")
    assert list(page.dataframe[0].value["version"]) == [2, 1]
    assert any("-expr" in code.value and "> 0.20" in code.value for code in page.code)

    page = submit(page, ("Why go back", "as it was"), "Back to the shipped rule")

    assert site.standing().number == 3 and not site.standing().edited
    assert list(page.dataframe[0].value["what"]) == ["as shipped", "edited", "edited"]


def test_a_new_rule_is_made_and_listed(site: Site) -> None:
    page = press(site.draw(ANNA), "New rule")
    page = fill(page, "Name", "Deep")
    page = fill(fill(page, "When", "queue_size"), "limit", "1200")
    page = submit(page, ("Why", "seen on Monday"), "Save")

    assert site.standing("Deep").text.startswith("alert: Deep\nexpr: queue_size == 1200\n")
    assert "Deep" in list(press(page, "All rules").dataframe[0].value["rule"])


def test_a_metric_that_never_came_is_named(site: Site) -> None:
    page = site.draw(ANNA, rule="DBConnectionPoolExhausted")

    assert "db\\_connections\\_active, db\\_connections\\_max** has never been seen" in said(page)


def test_the_edited_rule_is_replayed_beside_the_one_in_force(site: Site) -> None:
    page = fill(site.draw(VERA.__class__("anna", Role.ADMIN, Via.OIDC), rule="HighErrorRate"), "limit", "0.5")
    page = well(page.segmented_control(key="rule_view").set_value("Replay").run())

    page = press(page, "Replay")
    asked = page.session_state[replaying._RUN]
    assert asked.run.wait(60)
    page = well(page.run())

    now, edited = asked.run.result.outcomes
    assert len(now.notices) > 0 and len(edited.notices) == 0
    assert f"In force now: **{len(now.notices)} notices** · Edited: **0 notices**" in said(page)
    assert "History covers 1\\.5 of 7 days" in said(page) or "History covers 1.5 of 7 days" in said(page)


def test_a_replay_without_a_sample_is_no_data_and_neither_zero_nor_good_news(site: Site) -> None:
    page = site.draw(ANNA, rule="SlowResponseTime", rule_view="Replay")

    page = press(page, "Replay")
    assert page.session_state[replaying._RUN].run.wait(60)
    page = well(page.run())

    assert "In force now: **no data**" in said(page)
    assert "Its metrics had no sample in this time" in said(page)
    assert "would not have been pending" not in said(page) and "Nobody would have been told" not in said(page)
    assert set(page.table[0].value["In force now"]) == {NONE}


def test_a_rule_that_is_gone_and_hostile_names_harm_nothing(site: Site) -> None:
    assert "no rule of this name" in said(site.draw(ANNA, rule="![x](http://evil)"))
    text = "alert: '[x](http://evil)'\nexpr: up == 0\nlabels: {a: '![i](http://evil)'}\n"
    audit.act(site.stores.state, ANNA, editing.save(None, text, Why("<b>x</b>", NOW), files=FILES))

    page = site.draw(ANNA, rule="[x](http://evil)")

    assert not any("](http" in str(one.value) for kind in (page.markdown, page.caption, page.header) for one in kind)


@pytest.mark.parametrize(
    ("mistake", "why"),
    [
        (("expr: queue_size > 1000", "expr: max by ("), "expr is not PromQL"),
        (("groups:", "groups: ["), "YAML"),
    ],
)
def test_a_refused_file_is_told_and_the_rules_that_go_on_are_shown(
    site: Site, tmp_path: Path, mistake: tuple[str, str], why: str
) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(FILES[0].text, encoding="utf-8")
    book = Rulebook([file], state=site.stores.state)
    runtime.install(replace(runtime.current(), rulebook=book))
    file.write_text(FILES[0].text.replace(*mistake), encoding="utf-8")
    assert file.read_text(encoding="utf-8") != FILES[0].text
    book.follow()

    page = site.draw(VERA)

    told = page.dataframe[0].value.set_index("rule")
    assert told.loc["QueueBacklog", "state"] == "○ not evaluated", "what the engine goes on with has no mistake"
    assert len(told) == len(FILES[0].rules())
    assert "Not taken in" in said(page) and str(file) in said(page) and why in said(page)
    page = site.draw(ANNA, rule="QueueBacklog")
    assert "Not taken in" in said(page) and "queue_size" in yaml_of(page) and "> 1000" in yaml_of(page)


def test_the_exported_file_holds_the_edits(site: Site) -> None:
    site.save(ANNA, ("> 1000", "> 800"), "QueueBacklog")

    assert b"expr: queue_size > 800\n" in listing.exported(editing.standings(site.stores.state, FILES))


def test_a_list_within_its_time_asks_the_rest_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_BUDGET_S", -1.0)

    rows = site.draw(VERA).dataframe[0].value

    assert rows["over"].isna().all()
