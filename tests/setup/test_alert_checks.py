"""The checks of alert channels and of the alert API: what is unset says what to set, and nothing is ever sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.alerts.api import TALLY, Tally
from lib.settings import Settings
from lib.setup import checks
from lib.setup.base import Grade, Row
from lib.stores import Stores
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.mail_server import mail_server
from tests.seed import RULES, empty_stores

SECRET_PATH = "/services/T00/B00/abcdefghijklmnop"
MAIL = {"smtp_host": "127.0.0.1", "smtp_from": "alerts@example.com", "smtp_to": "ops@example.com"}


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with empty_stores(tmp_path) as opened:
        yield opened


def run(stores: Stores, key: str = "alert_channels", **settings: object) -> dict[str, Row]:
    given = Settings(rules_file=RULES, _env_file=None, **settings)  # type: ignore[arg-type]
    return {row.what: row for row in next(check for check in checks(given, stores) if check.key == key).ask()}


def test_a_channel_that_is_not_set_up_says_what_to_set(stores: Stores) -> None:
    found = run(stores)

    assert {name: row.grade for name, row in found.items()} == dict.fromkeys(("Slack", "Mail", "Webhook"), Grade.OFF)
    assert "SLACK_WEBHOOK_URL" in found["Slack"].hint
    assert "HALO_OPS_SMTP_HOST" in found["Mail"].hint


@pytest.mark.parametrize(
    "answer", [faults.answer(b"", 404), faults.answer(b"x", 200), faults.redirect("https://slack.com/", 302)]
)
def test_slack_is_reached_at_its_root_and_the_secret_path_is_never_asked(stores: Stores, answer: faults.Fault) -> None:
    with FaultServer() as slack:
        slack.says("/", answer)
        row = run(stores, slack_webhook_url=slack.url(SECRET_PATH), alert_private_hosts=slack.instance)["Slack"]
        asked = [request.path for request in slack.requests]

    assert (row.grade, "is reached and trusted" in row.said) == (Grade.OK, True)
    assert asked == ["/"]
    assert "abcdef" not in str(row)


@pytest.mark.parametrize(
    ("url", "hint"),
    [("https://evil.example/x", "HALO_OPS_ALERT_HOSTS"), ("http://hooks.slack.com/services/x", "https://")],
)
def test_an_address_that_may_not_be_asked_is_named_with_what_to_do(stores: Stores, url: str, hint: str) -> None:
    row = run(stores, slack_webhook_url=url)["Slack"]

    assert row.grade is Grade.FAILED
    assert hint in row.hint


def test_nobody_listens_has_a_hint(stores: Stores) -> None:
    row = run(stores, slack_webhook_url="http://127.0.0.1:9/x", alert_private_hosts="127.0.0.1:9")["Slack"]

    assert (row.grade, "Nothing listens" in row.hint) == (Grade.FAILED, True)


def test_the_mail_server_is_greeted_and_gets_no_mail(stores: Stores) -> None:
    with mail_server() as mail:
        row = run(stores, smtp_port=mail.port, smtp_security="none", **MAIL)["Mail"]

    assert (row.grade, "answers with 250 over no TLS, without sign-in" in row.said) == (Grade.OK, True)
    assert (mail.commands, mail.taken) == (["EHLO"], [])


def test_a_wrong_password_is_told_without_it(stores: Stores) -> None:
    with mail_server(sign_in=True) as mail:
        signed = {"smtp_user": "halo", "smtp_port": mail.port, "smtp_security": "none", **MAIL}
        wrong = run(stores, smtp_password="wrong-one", **signed)["Mail"]
        right = run(stores, smtp_password="right", **signed)["Mail"]

    assert (wrong.grade, right.grade) == (Grade.FAILED, Grade.OK)
    assert "HALO_OPS_SMTP_PASSWORD" in wrong.hint
    assert "wrong-one" not in str(wrong)
    assert "signed in as halo" in right.said


def test_a_server_without_starttls_is_never_used_in_the_clear(stores: Stores) -> None:
    with mail_server() as mail:
        row = run(stores, smtp_port=mail.port, smtp_security="starttls", **MAIL)["Mail"]

    assert (row.grade, "HALO_OPS_SMTP_SECURITY" in row.hint) == (Grade.FAILED, True)


def test_no_mail_server_there_has_a_hint(stores: Stores) -> None:
    row = run(stores, smtp_port=9, **MAIL)["Mail"]

    assert (row.grade, "HALO_OPS_SMTP_PORT" in row.hint) == (Grade.FAILED, True)


def test_the_api_is_off_until_its_token_is_set(stores: Stores) -> None:
    [off] = run(stores, "alert_api").values()
    [on] = run(stores, "alert_api", api_token="t" * 24).values()

    assert (off.grade, "HALO_OPS_API_TOKEN" in off.hint) == (Grade.OFF, True)
    assert on.grade is Grade.OK
    assert "t" * 24 not in str(on)


def test_refusals_and_alerts_that_alertmanager_left_out_are_shown(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Tally()
    tally.add("kept", last_at=datetime(2026, 3, 2, 12, tzinfo=UTC))
    tally.add("refused", last_refusal="401 send the token", truncated=7)
    monkeypatch.setattr(sys.modules["lib.setup.alert_api"], "TALLY", tally)

    found = run(stores, "alert_api", api_token="t" * 24)

    assert "the last at 2026-03-02 12:00:00 UTC" in next(iter(found.values())).said
    assert (found["last refusal"].said, found["Alertmanager"].grade) == ("401 send the token", Grade.WARNING)
    assert TALLY.counts.truncated == 0
