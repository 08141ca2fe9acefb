"""Rules edited in the app: versions over the shipped file, kept with who and why, on both databases."""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lib.alerts import editing
from lib.alerts.editing import Standing, Why
from lib.alerts.rulebook import Rulebook
from lib.alerts.rules import RuleFile
from lib.errors import Refused
from lib.identity.roles import Actor, Role, Via
from lib.state import audit
from lib.state.audit import Deed
from lib.state.database import State
from lib.window import Window

SHIPPED = [RuleFile.read(Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml")]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC)
BORIS = Actor("boris@example.com", Role.ADMIN, Via.OIDC)
WHY = Why("less noise", AT, date(2026, 4, 1))
OWN = "alert: Mine\nexpr: up == 0\n"


def standing(state: State, name: str = "QueueBacklog") -> Standing:
    return editing.standings(state, SHIPPED)[name]


def raised(state: State, limit: int = 2000, why: Why = WHY) -> Deed:
    """The threshold of QueueBacklog raised."""
    now = standing(state)
    return editing.save(now, re.sub(r"queue_size > \d+", f"queue_size > {limit}", now.text), why, files=SHIPPED)


def numbers(state: State, name: str = "QueueBacklog") -> list[int]:
    return [version.number for version in editing.history(state, name)]


def test_a_saved_rule_is_in_force_with_who_why_and_when_to_look_again(state: State) -> None:
    audit.act(state, ANNA, raised(state))

    now = standing(state)
    assert now.edited and now.number == 1 and now.newest is not None
    assert "> 2000" in now.text
    assert (now.newest.who, now.newest.note, now.newest.at, now.review_by) == (
        ANNA.name,
        "less noise",
        AT,
        WHY.review_by,
    )
    assert now.group == "halopsa_integration"


def test_the_audit_tells_the_difference(state: State) -> None:
    audit.act(state, ANNA, raised(state, 2000))
    audit.act(state, BORIS, raised(state, 3000))

    now = datetime.now(UTC)
    told = audit.search(state, ANNA, Window(now - timedelta(hours=1), now + timedelta(hours=1)))
    assert list(told["action"]) == ["rule.edit", "rule.edit"]
    details = json.loads(told["details"].iloc[0])
    assert (details["version"], details["note"], details["review_by"]) == (2, "less noise", "2026-04-01")
    assert "-expr: queue_size > 2000\n+expr: queue_size > 3000" in details["diff"]


def test_the_second_of_two_editors_is_told_who_was_first(state: State) -> None:
    first, second = raised(state, 2000), raised(state, 3000)
    audit.act(state, ANNA, first)

    with pytest.raises(Refused, match=r"anna@example\.com saved version 1 while you were editing"):
        audit.act(state, BORIS, second)

    assert "> 2000" in standing(state).text
    assert numbers(state) == [1]


def test_of_many_that_save_at_once_one_wins_and_the_others_are_told(state: State) -> None:
    deeds = [raised(state, 2000 + place) for place in range(4)]
    ready, refused = threading.Barrier(len(deeds)), list[Refused]()

    def save(deed: Deed) -> None:
        ready.wait()
        try:
            audit.act(state, ANNA, deed)
        except Refused as error:
            refused.append(error)

    threads = [threading.Thread(target=save, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == len(deeds) - 1
    assert numbers(state) == [1]


def test_an_older_version_comes_back_as_the_newest(state: State) -> None:
    audit.act(state, ANNA, raised(state, 2000))
    audit.act(state, BORIS, raised(state, 3000))
    oldest = editing.history(state, "QueueBacklog")[-1]

    audit.act(state, BORIS, editing.restore(standing(state), oldest, Why("3000 was too much", AT)))

    assert "> 2000" in standing(state).text
    assert numbers(state) == [3, 2, 1]


def test_reset_is_the_shipped_rule_again_and_follows_the_file(state: State, tmp_path: Path) -> None:
    audit.act(state, ANNA, raised(state))
    audit.act(state, ANNA, editing.reset(standing(state), WHY))
    newer = tmp_path / "rules.yml"
    newer.write_text(SHIPPED[0].text.replace("queue_size > 1000", "queue_size > 1234"))

    now = editing.standings(state, [RuleFile.read(newer)])["QueueBacklog"]

    assert not now.edited
    assert "> 1234" in now.text


def test_editing_back_to_the_shipped_text_is_a_reset(state: State) -> None:
    audit.act(state, ANNA, raised(state))
    now = standing(state)
    assert now.shipped is not None

    audit.act(state, ANNA, editing.save(now, now.shipped.text, WHY, files=SHIPPED))

    assert not standing(state).edited


def test_a_removed_rule_is_marked_and_comes_back_as_it_was(state: State) -> None:
    audit.act(state, ANNA, raised(state))
    audit.act(state, ANNA, editing.remove(standing(state), WHY))
    assert standing(state).removed and "QueueBacklog" not in editing.export(editing.standings(state, SHIPPED), SHIPPED)

    audit.act(state, ANNA, editing.enable(standing(state), WHY))

    assert not standing(state).removed
    assert "> 2000" in standing(state).text


def test_a_new_rule_stands_beside_the_shipped_ones(state: State) -> None:
    audit.act(state, ANNA, editing.save(None, OWN, WHY, files=SHIPPED))

    now = standing(state, "Mine")
    assert (now.shipped, now.group, now.number) == (None, editing.OWN_GROUP, 1)
    with pytest.raises(Refused, match="nothing shipped to go back to"):
        editing.reset(now, WHY)


def test_another_name_makes_another_rule(state: State) -> None:
    now = standing(state)

    audit.act(state, ANNA, editing.save(now, now.text.replace("QueueBacklog", "Deep"), WHY, files=SHIPPED))

    assert not standing(state).edited
    assert standing(state, "Deep").text.startswith("alert: Deep\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("alert: QueueBacklog\nexpr: sum(\n", "line 2: rule 'QueueBacklog': expr is not PromQL"),
        ("alert: X\nfor: soon\nexpr: up\n", "line 2: rule 'X': `for` must be a duration"),
        ("alert: X\nexpr: up\ncolour: red\n", "line 3: unknown key 'colour'"),
        ("- alert: X\n  expr: up\n", "line 1: must be one rule"),
        ("alert: [\n", "this is not YAML"),
        ("", "the rule is empty"),
        ("record: a:b\nexpr: up\n", "not a recording rule"),
        ("alert: HighErrorRate\nexpr: up\n", "there is a rule HighErrorRate already"),
        ("alert: " + "x" * 300 + "\nexpr: up\n", "longer than 200"),
        ("alert: X\nexpr: up #" + "x" * 50_000, "longer than 40,000"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_line_and_reason(state: State, text: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        editing.save(standing(state), text, WHY, files=SHIPPED)

    assert reason in str(refused.value)


def test_nothing_changed_and_no_reason_are_refused(state: State) -> None:
    now = standing(state)
    with pytest.raises(Refused, match="nothing is changed"):
        editing.save(now, now.text, Why("x", AT), files=SHIPPED)
    with pytest.raises(Refused, match="say why"):
        editing.save(now, now.text + "# more\n", Why("  ", AT), files=SHIPPED)
    with pytest.raises(Refused, match="the shipped rule already"):
        editing.reset(now, WHY)
    with pytest.raises(Refused, match="not removed"):
        editing.enable(now, WHY)


def test_a_new_date_to_look_again_alone_is_a_version(state: State) -> None:
    now = standing(state)

    audit.act(state, ANNA, editing.save(now, now.text, WHY, files=SHIPPED))

    assert (standing(state).review_by, standing(state).edited, standing(state).number) == (WHY.review_by, False, 1)


def test_an_operator_cannot_change_a_rule(state: State) -> None:
    with pytest.raises(Refused, match="needs the role admin"):
        audit.act(state, Actor("olga", Role.OPERATOR, Via.OIDC), raised(state))

    assert numbers(state) == []


def test_what_the_page_shows_as_in_force_is_what_the_engine_evaluates(state: State) -> None:
    book = Rulebook([file.path for file in SHIPPED], state=state)
    shipped = book.rules
    audit.act(state, ANNA, raised(state, 2000))
    audit.act(state, ANNA, editing.save(None, OWN, WHY, files=SHIPPED))
    audit.act(state, ANNA, editing.remove(standing(state, "SlowResponseTime"), WHY))

    assert book.follow()
    assert book.problem == ""
    shown = {name: one for name, one in editing.standings(state, SHIPPED).items() if not one.removed}
    assert {rule.name: rule.expression for rule in book.rules} == {
        name: rule.expression for name, one in shown.items() if (rule := editing.read(one.text, one)[0])
    }

    audit.act(state, ANNA, editing.reset(standing(state), WHY))
    audit.act(state, ANNA, editing.enable(standing(state, "SlowResponseTime"), WHY))
    audit.act(state, ANNA, editing.remove(standing(state, "Mine"), WHY))

    assert book.follow()
    assert sorted(map(repr, book.rules)) == sorted(map(repr, shipped))
    assert book.problem == ""
