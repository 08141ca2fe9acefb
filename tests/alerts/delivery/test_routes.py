"""Who gets what, and who keeps quiet: read strictly, and applied as Alertmanager would."""

from __future__ import annotations

import pytest

from lib.alerts.delivery.decision import Policy
from lib.alerts.delivery.options import group_key, group_of, measures, policy_of
from lib.alerts.delivery.routes import channels_of, inhibited, read_inhibitions, read_routes
from lib.alerts.rules import Rule
from lib.errors import SettingsError
from lib.state.database import State
from tests.alerts.delivery.world import World, alert, at

KNOWN = ("slack", "email", "webhook")


def test_without_routes_everything_goes_everywhere() -> None:
    assert channels_of([alert()], read_routes("", KNOWN), KNOWN) == [KNOWN]


def test_the_first_route_that_matches_counts_and_none_is_nobody() -> None:
    routes = read_routes('critical=slack,email; {team="a;b=c",severity=~"warning|info"}=webhook; info=email', KNOWN)
    told = [
        alert(severity="critical"), alert(severity="warning", team="a;b=c"), alert(severity="info"), alert(severity="warning"),
    ]  # fmt: skip

    assert channels_of(told, routes, KNOWN) == [("slack", "email"), ("webhook",), ("email",), ()]


def test_a_broken_channel_is_told_to_every_other_whatever_the_routes_say() -> None:
    routes = read_routes("critical=slack", KNOWN)

    assert channels_of([alert("ChannelBroken", channel="slack")], routes, KNOWN) == [("email", "webhook")]


@pytest.mark.parametrize(
    "text",
    ["critical", "critical=", "=slack", "critical=pager", '{team="a"}', "critical=slack,pager", "{=slack", "a b=slack"],
)
def test_a_wrong_route_is_refused_by_its_setting(text: str) -> None:
    with pytest.raises(SettingsError, match="HALO_OPS_ROUTES"):
        read_routes(text, KNOWN)


@pytest.mark.parametrize(
    "text", ["severity=critical", "severity=critical > ", 'a="b" > c="d" by e f', "a > b > c by d"]
)
def test_a_wrong_inhibition_is_refused_by_its_setting(text: str) -> None:
    with pytest.raises(SettingsError, match="HALO_OPS_INHIBIT"):
        read_inhibitions(text)


def test_a_critical_alert_keeps_the_warning_of_the_same_instance_quiet() -> None:
    rules = read_inhibitions('severity="critical" > severity="warning" by alertname,instance')
    critical = alert(severity="critical", instance="a")
    same, other, bare = (alert(severity="warning", instance=name) for name in ("a", "b", ""))

    found = inhibited(rules, [critical, same, other, bare], [critical, same, other, bare])

    assert list(found) == [same.fingerprint]
    assert found[same.fingerprint] == critical


def test_missing_labels_count_as_empty_and_both_sides_spare_each_other() -> None:
    rules = read_inhibitions('team="x" > severity="warning" by instance')
    source, target, both = (
        alert("S", team="x"),
        alert("T", severity="warning"),
        alert("U", team="x", severity="warning"),
    )

    found = inhibited(rules, [source, target, both], [source, target, both])

    assert found[target.fingerprint].name in ("S", "U")
    assert found[both.fingerprint] == source
    assert inhibited(rules, [both, target], [both]) == {}


def test_an_inhibited_alert_is_told_when_its_source_has_ended(state: State) -> None:
    world = World(state, inhibitions=read_inhibitions("critical > warning by alertname"))
    source = world.fire(severity="critical")
    world.fire(severity="warning")
    world.tick(0, 5)
    assert [one.firing_total for one in world.slack.sent] == [1]
    assert "inhibited" in world.kinds()

    world.go(10).resolve(source)
    world.tick(10, 15)

    assert {one.severity for notice in world.slack.sent for one in notice.firing} == {"critical", "warning"}


def test_an_alert_without_a_route_says_so_in_its_story(state: State) -> None:
    world = World(state, routes=read_routes("critical=slack", ("slack",)))
    world.fire(severity="info")
    world.turn()

    assert world.slack.sent == []
    assert world.kinds("") == ["no_route"]


def test_a_rules_options_that_cannot_be_read_count_as_not_said() -> None:
    for told in ("soon", "5", "-5m", "9" * 40 + "s", ""):
        one = alert(group_wait=told, repeat_interval=told)

        assert policy_of(one, Policy()).group_wait == Policy().group_wait


def test_groups_of_other_labels_are_other_groups_with_short_keys() -> None:
    one, two = (alert("N" * 500, instance=name, group_by="alertname, instance") for name in ("a", "b"))

    keys = {group_key(group_of(each)) for each in (one, two)}

    assert len(keys) == 2
    assert max(map(len, keys)) < 100


def test_values_read_in_the_units_of_the_pages() -> None:
    rules = [Rule("SlowResponseTime", "x > 5"), Rule("Own", "y < 3", annotations={"unit": "jobs"}), Rule("Bare", "up")]

    found = measures(rules)

    assert (found["SlowResponseTime"].unit, found["SlowResponseTime"].factor, found["SlowResponseTime"].limit) == (
        "ms",
        1000,
        5,
    )
    assert (found["Own"].unit, found["Own"].operator) == ("jobs", "<")
    assert found["Bare"].limit is None


def test_the_value_against_the_limit_is_in_the_notice(state: State) -> None:
    rules = (Rule("SlowResponseTime", "x > 5"),)
    world = World(state, rules=lambda: rules, public_url="https://ops.example")
    world.fire("SlowResponseTime", value=6.2, instance="a")
    world.turn()

    [notice] = world.slack.sent
    assert notice.measures["SlowResponseTime"].limit == 5
    assert notice.links.view == f"https://ops.example/alerts?alert={notice.firing[0].fingerprint}"
    assert notice.links.silence.startswith("https://ops.example/alerts?silence=alertname%3D%22SlowResponseTime%22%2C")
    assert notice.at == at(0)
