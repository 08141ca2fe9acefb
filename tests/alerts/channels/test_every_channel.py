"""What every channel promises: the registry is whole, and hostile, empty and plain notices become safe messages."""

from __future__ import annotations

import ast
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import orjson
import pytest

from lib.alerts import channels as registry
from lib.alerts.channels.email import EmailChannel, MailServer
from lib.alerts.channels.outbound import Allowed, Outbound
from lib.alerts.channels.slack import SlackChannel
from lib.alerts.channels.webhook import WebhookChannel
from lib.alerts.model import Channel, Kind, Links, Notice, Rendered
from lib.errors import DeliveryError
from lib.settings import Settings
from tests.alerts.channels.hostile import CANARY, EVIL, notice, plain
from tests.alerts.delivery.world import at

ROOT = Path(__file__).parents[3]
OUT = Outbound(Allowed(frozenset({"hooks.slack.com"})), resolve=lambda host, port: [])
EVERY: list[Channel] = [
    SlackChannel("https://hooks.slack.com/services/T/B/x", OUT, "Europe/London"),
    EmailChannel(
        MailServer("localhost", 1, "none", "ops@example.com", ("a@example.com", "b@example.com")), "Europe/London"
    ),
    WebhookChannel("https://hooks.slack.com/x", "s" * 24, OUT),
]


def text_of(rendered: Rendered) -> str:
    """All that a person or program reads of it."""
    if rendered.content_type != "message/rfc822":
        return rendered.body.decode()
    mail = message_from_bytes(rendered.body, policy=default)
    return "\n".join(
        [*map(str, mail.values()), *(str(part.get_content()) for part in mail.walk() if not part.is_multipart())]
    )


def test_every_channel_has_a_folder_of_its_own_and_is_in_the_table_and_in_the_guide() -> None:
    made = set()
    for path in (ROOT / "lib/alerts/channels").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(n, ast.FunctionDef) and n.name == "hint" for n in node.body
            ):
                made.add(path.parent.name)

    guide = (ROOT / "docs/channels.md").read_text(encoding="utf-8")
    assert made == set(registry.NAMES) == {channel.name for channel in EVERY}
    assert [name for entry in registry.CHANNELS for name in entry.fields if name not in Settings.model_fields] == []
    assert [name for name in registry.NAMES if f"## {name.capitalize()}" not in guide] == []


@pytest.mark.parametrize("channel", EVERY, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "made",
    [
        notice(),
        notice(test=True),
        plain(),
        plain(Kind.REPEAT, 180),
        plain(Kind.RESOLVED),
        Notice("k", {}, Kind.TEST, at(0)),
    ],
    ids=["hostile", "hostile test", "plain", "repeat", "resolved", "empty"],
)
def test_any_notice_is_rendered_the_same_each_time(channel: Channel, made: Notice) -> None:
    first, second = channel.render(made), channel.render(made)

    assert first.body == second.body
    assert first.key == made.key
    assert first.preview


@pytest.mark.parametrize("channel", EVERY, ids=lambda one: one.name)
def test_no_secret_of_an_alert_leaves(channel: Channel) -> None:
    rendered = channel.render(notice())

    for told in (text_of(rendered), rendered.preview, rendered.subject):
        assert CANARY not in told


@pytest.mark.parametrize("channel", EVERY, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (plain(), ["FIRING", "HighErrorRate", "critical", "7.31 % (limit", "instance=app-1:3000"]),
        (plain(Kind.REPEAT, 180), ["STILL FIRING 3 h"]),
        (plain(Kind.RESOLVED), ["RESOLVED after 12 min"]),
        (plain(test=True), ["[TEST] FIRING", ]),
    ],
)  # fmt: skip
def test_the_state_comes_first_and_value_scope_and_links_are_there(
    channel: Channel, made: Notice, words: list[str]
) -> None:
    rendered = channel.render(made)

    told = text_of(rendered)
    assert rendered.subject.lstrip("🚨✅ ").startswith(words[0])
    assert [word for word in words if word not in told and "=" not in word] == []
    for url in (made.links.view, made.links.runbook):
        assert url in told


@pytest.mark.parametrize("test", [False, True], ids=["real", "test"])
@pytest.mark.parametrize("kind", [Kind.FIRING, Kind.REPEAT, Kind.RESOLVED])
@pytest.mark.parametrize(("severity", "sign"), [("critical", "🚨"), ("warning", "⚠️"), ("info", "ℹ️"), ("page", "🔔")])
def test_slack_and_mail_bear_the_same_sign_of_how_severe_it_is(
    severity: str, sign: str, kind: Kind, test: bool
) -> None:
    """Regression: mail had 🚨 for a warning, where Slack had ⚠️, and none for a test."""
    made = plain(kind, test=test)
    made = replace(made, **{
        part: tuple(replace(one, labels={**one.labels, "severity": severity}) for one in getattr(made, part))
        for part in ("firing", "resolved")
    })  # fmt: skip
    slack, mail = (channel.render(made) for channel in EVERY[:2])
    expected = "✅" if kind is Kind.RESOLVED else sign

    assert orjson.loads(slack.body)["text"].startswith(f"{expected} {'[TEST] ' if test else ''}{made_state(made)}")
    assert orjson.loads(slack.body)["blocks"][0]["text"]["text"].startswith(f"{expected} *")
    sent = message_from_bytes(mail.body, policy=default)
    assert str(sent["Subject"]).startswith(f"{expected} {'[TEST] ' if test else ''}{made_state(made)}")


def made_state(made: Notice) -> str:
    return {Kind.FIRING: "FIRING", Kind.REPEAT: "STILL FIRING", Kind.RESOLVED: "RESOLVED"}[made.kind]


@pytest.mark.parametrize("channel", EVERY, ids=lambda one: one.name)
def test_a_number_of_held_back_notices_and_of_unlisted_alerts_is_told(channel: Channel) -> None:
    rendered = channel.render(replace(notice(), group={"alertname": "A"}))

    if channel.name == "webhook":
        told = orjson.loads(rendered.body)
        assert (told["firing_total"], told["suppressed"], len(told["alerts"])) == (4000, 7, 31)
    else:
        assert "more alerts, not listed here" in text_of(rendered)
        assert "fired 7 times since the last notice" in text_of(rendered)


@pytest.mark.parametrize("channel", EVERY, ids=lambda one: one.name)
def test_what_is_no_link_of_ours_is_none(channel: Channel) -> None:
    bad = Links("javascript:alert(1)", "https://ops.example@evil.example/", "http://x|y>z")

    told = text_of(channel.render(replace(plain(), links=bad)))

    if channel.name != "webhook":  # a program gets the text as it is
        assert [word for word in ("javascript:", "@evil", "x|y") if word in told] == []


@pytest.mark.parametrize("channel", EVERY, ids=lambda one: one.name)
def test_an_answer_has_a_hint_and_a_missing_one_too(channel: Channel) -> None:
    assert channel.hint(0, "")
    assert channel.hint(200, "ok") == ""


def test_slack_gets_nothing_that_it_would_read_as_markup_a5() -> None:
    payload = orjson.loads(EVERY[0].render(notice()).body)

    blocks = [*payload["blocks"], *payload["attachments"][0]["blocks"]]
    texts = [payload["text"], *_texts(blocks)]
    assert payload["link_names"] == 0
    assert (payload["unfurl_links"], payload["unfurl_media"]) == (False, False)
    assert all(len(text) <= 3000 for text in texts)
    assert len(blocks) <= 50
    links = {"<https://ops.example/alerts?alert=1|View>", "<https://ops.example/alerts?silence=a%3D%22b%22|Silence>"}
    for text in texts:
        bare = text.replace("<https://wiki.example/r|Runbook>", "")
        for link in links:
            bare = bare.replace(link, "")
        assert "<" not in bare
        assert ">" not in bare
        assert text.count("```") in (0, 2)
        outside = "".join(text.split("```")[::2])
        assert outside.count("`") % 2 == 0
        for part in outside.split("`")[::2]:  # nothing foreign stands outside of code
            assert "evil" not in part or text == payload["text"] or "key k/" in part


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [value["text"]] if isinstance(value.get("text"), str) else [t for v in value.values() for t in _texts(v)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else []


def test_slack_has_the_guides_colours_and_fields() -> None:
    for severity, colour in (("critical", "danger"), ("warning", "warning"), ("info", "good"), ("other", "#808080")):
        made = plain()
        one = replace(made.firing[0], labels={**made.firing[0].labels, "severity": severity})
        payload = orjson.loads(EVERY[0].render(replace(made, firing=(one,))).body)

        assert payload["attachments"][0]["color"] == colour
        fields = payload["attachments"][0]["blocks"][0]["fields"]
        assert [field["text"].split("\n")[0] for field in fields] == ["*Severity*", "*Time*"]
        assert any("*Description*" in text for text in _texts(payload["attachments"]))
    ended = orjson.loads(EVERY[0].render(plain(Kind.RESOLVED)).body)
    assert ended["attachments"][0]["color"] == "good"


def test_mail_has_the_guides_colours_both_parts_and_no_header_of_an_alert_a4_a6() -> None:
    mail = message_from_bytes(EVERY[1].render(notice()).body, policy=default)
    html, text = (mail.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None

    assert sorted(mail.keys()) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "References", "Subject", "To",
        "X-Halo-Ops-Key",
    ]  # fmt: skip
    assert mail["To"] == "a@example.com, b@example.com"
    content = html.get_content()
    assert "<script" not in content
    assert "<img" not in content
    assert "{{7*7}}" in content
    assert "49" not in text.get_content().replace("4,", "")
    assert [line for line in content.splitlines() if "href=" in line and "evil" in line] == []
    for severity, colour in (("critical", "#dc3545"), ("warning", "#ffc107"), ("info", "#17a2b8"), ("x", "#6c757d")):
        one = replace(plain().firing[0], labels={"alertname": "A", "severity": severity})
        assert f"solid {colour}" in EVERY[1].render(replace(plain(), firing=(one,))).preview


def test_a_runbook_that_a_program_pushed_is_no_link() -> None:
    from lib.alerts import words
    from lib.alerts.model import Origin

    one = plain().firing[0]

    assert words.runbook([one]) == "https://wiki.example/high-error-rate"
    assert words.runbook([replace(one, origin=Origin.API)]) == ""
    assert (
        words.web_link("https://u:p@wiki.example/")
        == words.web_link("javascript:alert(1)")
        == words.web_link(EVIL)
        == ""
    )
    assert (
        words.web_link('https://wiki.example/a b"<c>?q="x"#<y>')
        == "https://wiki.example/a%20b%22%3Cc%3E?q=%22x%22#%3Cy%3E"
    )


def test_an_unreachable_host_is_tried_again_and_a_forbidden_one_is_not() -> None:
    with pytest.raises(DeliveryError) as unknown:
        EVERY[0].send(Rendered(b"{}", "application/json", ""))
    with pytest.raises(DeliveryError) as forbidden:
        SlackChannel("https://elsewhere.example/x", OUT).send(Rendered(b"{}", "application/json", ""))

    assert (unknown.value.permanent, forbidden.value.permanent) == (False, True)
    assert "HALO_OPS_ALERT_HOSTS" in str(forbidden.value)
