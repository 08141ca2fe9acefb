"""What a page shows of a message: plain texts, whatever is in it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from lib.alerts.channels.email import EmailChannel
from lib.alerts.channels.slack import SlackChannel
from lib.alerts.channels.webhook import WebhookChannel
from lib.alerts.console import desk, draft, hints, mail_view, slack_view
from lib.alerts.model import Channel, fingerprint
from lib.alerts.rules import Rule
from lib.metrics.base import MetricStore
from lib.metrics.duckdb import DuckMetrics
from lib.settings import Settings
from tests import seed

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOSTILE = "<img src=http://evil.example/a.png onerror=alert(1)> ![x](http://evil.example/b) `b` *c* <!channel>"


@pytest.fixture
def channels() -> dict[str, Channel]:
    return desk.for_preview(Settings(_env_file=None))  # type: ignore[call-arg]


def test_a_preview_needs_no_configuration(channels: dict[str, Channel]) -> None:
    assert [type(channels[name]) for name in desk.TITLES] == [SlackChannel, EmailChannel, WebhookChannel]
    assert set(desk.WHAT_TO_SET) == set(desk.TITLES) == set(channels)


def test_slack_is_drawn_with_its_colour_title_fields_code_and_links(channels: dict[str, Channel]) -> None:
    notice = draft.notice(draft.free("QueueBacklog", "warning", "too many"), NOW, "https://ops.example.com")

    shown = slack_view.drawn(channels["slack"].render(notice).body)

    assert 'style="border-color:#daa038"' in shown
    assert "⚠️ <b>[TEST] FIRING</b> <code>QueueBacklog</code>" in shown
    assert "<b>Severity</b>\n<code>warning</code>" in shown
    assert "<b>Time</b>\n<code>2026-03-02 12:00:00 UTC</code>" in shown
    assert "<pre>too many</pre>" in shown
    assert re.findall(r'class="link" title="(https://ops[^"]+)">(\w+)<', shown) == [
        (f"https://ops.example.com/alerts?alert={fingerprint(notice.firing[0].labels)}", "View"),
        ("https://ops.example.com/alerts?silence=alertname%3D%22QueueBacklog%22%2Cseverity%3D%22warning%22", "Silence"),
    ]


def test_hostile_text_in_slack_is_drawn_as_text_and_nothing_can_be_loaded(channels: dict[str, Channel]) -> None:
    notice = draft.notice(draft.Draft({"alertname": HOSTILE, "severity": HOSTILE}, {"description": HOSTILE}), NOW, "")

    shown = slack_view.drawn(channels["slack"].render(notice).body)

    assert shown.startswith('<meta http-equiv="Content-Security-Policy" content="default-src \'none\'')
    assert f"<pre>{html.escape(HOSTILE.replace('`', 'ˋ'))}</pre>" in shown
    assert not re.search(r"<(?!/?(meta|style|div|span|b|code|pre)\b)", shown)


@pytest.mark.parametrize(
    ("markup", "drawn"),
    [
        ("*a* `b` *c", "<b>a</b> <code>b</code> *c"),
        ("```x\n*y*```", "<pre>x\n*y*</pre>"),
        ("&lt;img&gt; &amp;amp;", "&lt;img&gt; &amp;amp;"),
        ('<javascript:x|"><b>>', '<span class="link" title="javascript:x">&quot;</span>&lt;b&gt;&gt;'),
        ('<https://a"onload=x|w>', '<span class="link" title="https://a&quot;onload=x">w</span>'),
        ("2*3*4", "2*3*4"),
    ],
)
def test_slacks_marks_are_drawn_as_slack_reads_them(markup: str, drawn: str) -> None:
    assert slack_view.marked(markup) == drawn


def test_a_mail_is_shown_with_both_parts_and_may_load_nothing(channels: dict[str, Channel]) -> None:
    notice = draft.notice(draft.free(HOSTILE, "critical", HOSTILE), NOW, "https://ops.example.com", resolved=True)

    mail = mail_view.opened(channels["email"].render(notice).body)

    assert dict(mail.headers)["Subject"].startswith("✅ [TEST] RESOLVED after 12 min")
    assert mail.shut.startswith('<meta http-equiv="Content-Security-Policy"')
    assert "default-src 'none'" in mail.shut
    assert "<img" not in mail.html
    assert "\r" not in mail.text


RULE = Rule(
    "Backlog",
    'queue_size{job="x"} > 5',
    60,
    0,
    {"severity": "warning"},
    {"summary": "{{ $labels.queue_name }}: {{ $value }}"},
)


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[MetricStore]:
    """Two queues, of 3 and 4."""
    store = DuckMetrics(tmp_path / "metrics.duckdb")
    name, job = ("__name__", "queue_size"), ("job", "x")
    series = {(name, job, ("queue_name", "a")): np.array(3.0), (name, job, ("queue_name", "b")): np.array(4.0)}
    store.append(seed.samples(series))
    yield store
    store.close()


def test_a_rule_is_tried_with_the_series_nearest_to_its_limit(metrics: MetricStore) -> None:
    found = draft.of_rule(RULE, "", metrics, NOW)

    assert found.labels == {"alertname": "Backlog", "severity": "warning", "job": "x", "queue_name": "b"}
    assert (found.value, found.annotations["summary"]) == (4.0, "b: 4")
    assert found.measure is not None and found.measure.limit == 5.0


def test_a_rule_that_watches_for_too_little_takes_the_lowest(metrics: MetricStore) -> None:
    low = Rule("Idle", 'queue_size{job="x"} < 2', labels={"severity": "info"})

    assert draft.of_rule(low, "critical", metrics, NOW).labels["queue_name"] == "a"


def test_a_rule_without_data_says_so_and_invents_no_value(metrics: MetricStore) -> None:
    found = draft.of_rule(
        Rule("Gone", "nothing_there > 5", annotations={"summary": "{{ $value }}"}), "info", metrics, NOW
    )

    assert (found.value, found.labels) == (None, {"alertname": "Gone", "severity": "info"})
    assert "measures nothing" in found.said
    assert found.annotations["summary"] == "5"


@pytest.mark.parametrize(
    ("channel", "code", "reply", "hint"),
    [
        ("slack", 404, "HTTP 404: no_service", "make a new one in Slack"),
        ("slack", 403, "HTTP 403: action_prohibited", "admin of the workspace"),
        ("slack", 400, "HTTP 400: invalid_payload", "does not take this message"),
        ("slack", 410, "HTTP 410: channel_is_archived", "archived"),
        ("slack", 0, "no answer in time: it may have arrived or not", "may have arrived"),
        ("slack", 0, "its certificate is not trusted: self-signed", "HALO_OPS_ALERT_CA"),
        ("slack", 0, "cannot connect: [Errno 111] Connection refused", "Nothing listens"),
        ("slack", 0, "the host hooks.slack.com has no address now", "DNS"),
        ("slack", 302, "HTTP 302: redirects are not followed", "redirect"),
        ("slack", 500, "HTTP 500", "trouble of its own"),
        ("webhook", 401, "HTTP 401", "HALO_OPS_WEBHOOK_SECRET"),
        ("email", 535, "SMTP 535: authentication failed", "HALO_OPS_SMTP_PASSWORD"),
        ("email", 550, "SMTP 550: no such user", "HALO_OPS_SMTP_TO"),
        ("email", 451, "SMTP 451: greylisted", "try again later"),
        ("email", 0, "the mail server does not offer what the settings ask for (STARTTLS or sign-in)", "HALO_OPS_SMTP_SECURITY"),
        ("email", 0, "the mail server's certificate is not trusted: self-signed certificate", "HALO_OPS_SMTP_CA"),
        ("email", 0, "the mail server does not speak TLS here: check HALO_OPS_SMTP_SECURITY and port", "465 is tls"),
        ("email", 0, "no mail server there or the connection broke: [Errno 111] Connection refused", "HALO_OPS_SMTP_PORT"),
    ],
)  # fmt: skip
def test_every_typical_failure_has_a_hint(
    channels: dict[str, Channel], channel: str, code: int, reply: str, hint: str
) -> None:
    assert hint in hints.hint(channels[channel], code, reply)


def test_what_was_accepted_needs_no_hint(channels: dict[str, Channel]) -> None:
    assert {hints.hint(one, 250 if one.name == "email" else 200, "certificate") for one in channels.values()} == {""}
