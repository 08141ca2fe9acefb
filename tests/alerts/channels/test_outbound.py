"""A1: notices go to named hosts, to the address that was checked, and nowhere else; F19 and F20 on a real socket."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from lib.alerts.channels.outbound import Allowed, Outbound, is_public
from lib.alerts.channels.slack import SlackChannel
from lib.alerts.channels.webhook import WebhookChannel
from lib.errors import DeliveryError
from tests import fault_server as faults
from tests.alerts.channels.hostile import plain
from tests.certificates import self_signed
from tests.fault_server import Fault, FaultServer

NAMED = frozenset(
    {"hooks.slack.com", "127.0.0.1", "::1", "169.254.169.254", "0x7f000001", "10.0.0.1", "xn--pypal-4ve.com"}
)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.says("/hook", faults.answer("ok"))
        yield running


def outbound(server: FaultServer, timeout_s: float = 2.0) -> Outbound:
    return Outbound(Allowed(frozenset(), frozenset({server.instance})), timeout_s=timeout_s)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data", "https://0x7f000001/",
        "https://10.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://127.1/", "https://localhost/",
        "https://[64:ff9b::7f00:1]/", "https://metadata.google.internal/", "http://hooks.slack.com/services/x",
        "https://hooks.slack.com@evil.example/", "https://user:pw@hooks.slack.com/", "https://hooks.slack.com.evil.example/",
        "https://evil.example/?hooks.slack.com", "https://xn--hoks-slack-x.com/", "https://hооks.slack.com/",
        "https://hooks.slack.com\\@evil.example/", "ftp://hooks.slack.com/", "file:///etc/passwd", "gopher://127.0.0.1/",
        "https:///nowhere", "https://hooks.slack.com:99999/", "https://hooks.slack.com/\r\nX: y", "", "https://[::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_named_is_refused_before_anything_is_asked_a1(url: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(DeliveryError) as refused:
        Outbound(Allowed(frozenset({"hooks.slack.com"})), never).post(url, b"", {})

    assert refused.value.permanent


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["::1"], ["169.254.169.254"], ["10.0.0.1"], ["192.168.1.1"], ["172.16.0.1"], ["100.64.0.1"], ["0.0.0.0"],
        ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["2002:7f00:1::"], ["fe80::1%eth0"], ["fc00::1"], ["224.0.0.1"], ["::"],
        ["93.184.216.34", "127.0.0.1"],
    ],
)  # fmt: skip
def test_a_named_host_that_leads_inside_is_refused_a1(addresses: list[str]) -> None:
    with pytest.raises(DeliveryError, match="not public") as refused:
        Outbound(Allowed(frozenset({"hooks.slack.com"})), lambda host, port: addresses).post(
            "https://hooks.slack.com/", b"", {}
        )

    assert refused.value.permanent


def test_public_addresses_are_public() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")
    assert not is_public("not an address")


def test_the_name_is_looked_up_once_and_the_connection_goes_to_that_answer_a1(tmp_path: Path) -> None:
    """DNS rebinding: a second look would lead elsewhere."""
    answers = [["127.0.0.1"], ["203.0.113.9"]]
    made = self_signed(tmp_path, "hooks.test")
    with FaultServer(tls=made.server_context()) as server:
        server.says("/hook", faults.answer("ok"))
        out = Outbound(
            Allowed(frozenset(), frozenset({f"hooks.test:{server.port}"})), lambda host, port: answers.pop(0)
        )
        out.trust(str(made.certificate))
        receipt = out.post(f"https://hooks.test:{server.port}/hook", b"{}", {})

    assert receipt.code == 200
    assert len(answers) == 1
    assert server.seen("/hook")[0].headers["host"] == f"hooks.test:{server.port}"


def test_a_certificate_for_another_name_is_refused_for_good(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "other.test")
    with FaultServer(tls=made.server_context()) as server:
        out = Outbound(Allowed(frozenset(), frozenset({f"hooks.test:{server.port}"})), lambda host, port: ["127.0.0.1"])
        out.trust(str(made.certificate))
        with pytest.raises(DeliveryError, match="certificate") as refused:
            out.post(f"https://hooks.test:{server.port}/hook", b"{}", {})

    assert refused.value.permanent
    assert server.requests == []


def test_a_proxy_of_the_environment_is_not_used_and_a_named_one_is(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as other:
        other.says("http://inside.test/hook", faults.answer("ok"))
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, other.url())
        outbound(server).post(server.url("/hook"), b"{}", {})
        assert other.requests == []

        named = Outbound(Allowed(frozenset(), frozenset({"inside.test"}), other.url()), resolve=lambda host, port: [])
        named.post("http://inside.test/hook", b"{}", {})
        assert len(other.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_a1(server: FaultServer, status: int) -> None:
    server.says("/hook", faults.redirect(server.url("/inside"), status))

    with pytest.raises(DeliveryError, match="redirects") as refused:
        outbound(server).post(server.url("/hook"), b"{}", {})

    assert refused.value.permanent
    assert server.seen("/inside") == []


@pytest.mark.parametrize(
    ("fault", "permanent", "code", "wait"),
    [
        (faults.too_many(30), False, 429, 30),
        (faults.answer("x", 503, headers={"retry-after": "7"}), False, 503, 7),
        (faults.answer("x", 500), False, 500, 0),
        (faults.answer("x", 408), False, 408, 0),
        (faults.hang(), False, 0, 0),
        (faults.hang_after_headers(), False, 0, 0),
        (faults.reset(), False, 0, 0),
        (faults.close_mid_body(b"ok"), False, 0, 0),
        (faults.not_http(), False, 0, 0),
        (faults.answer("<html>login</html>"), False, 200, 0),
        (faults.answer("invalid_payload", 400), True, 400, 0),
        (faults.answer("invalid_token", 403), True, 403, 0),
        (faults.answer("no_service", 404), True, 404, 0),
        (faults.answer("channel_is_archived", 410), True, 410, 0),
    ],
)
def test_what_slack_answers_decides_whether_it_is_tried_again_f19_f20(
    server: FaultServer, fault: Fault, permanent: bool, code: int, wait: float
) -> None:
    server.says("/hook", fault)
    slack = SlackChannel(server.url("/hook"), outbound(server, 0.3))

    with pytest.raises(DeliveryError) as failed:
        slack.send(slack.render(plain()))

    error = failed.value
    assert (error.permanent, error.code, error.retry_after_s) == (permanent, code, wait)
    assert error.unknown is (code == 0)
    assert server.url("/hook") not in str(error)


def test_retry_after_may_be_a_date(server: FaultServer) -> None:
    until = datetime.now(UTC) + timedelta(seconds=100)
    server.says("/hook", faults.answer("x", 429, headers={"retry-after": format_datetime(until, usegmt=True)}))

    with pytest.raises(DeliveryError) as failed:
        outbound(server).post(server.url("/hook"), b"", {})

    assert 90 < failed.value.retry_after_s <= 100


def test_a_webhook_is_signed_over_time_and_body_and_names_its_key(server: FaultServer) -> None:
    secret = "a-secret-of-24-characters"
    hook = WebhookChannel(server.url("/hook"), secret, outbound(server), clock=lambda: datetime(2026, 3, 2, tzinfo=UTC))
    rendered = hook.render(plain())

    hook.send(rendered)
    hook.send(rendered)

    first, second = server.seen("/hook")
    stamp = first.headers["x-halo-ops-timestamp"]
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + first.body, hashlib.sha256).hexdigest()
    assert first.headers["x-halo-ops-signature"] == f"v1={expected}"
    assert first.headers["x-halo-ops-key"] == second.headers["x-halo-ops-key"]
    assert first.body == rendered.body


def test_an_endless_answer_is_cut(server: FaultServer) -> None:
    server.says("/hook", faults.huge(5_000_000))

    receipt = outbound(server).post(server.url("/hook"), b"", {})

    assert len(receipt.reply) <= 2000
