"""F21 against a real mail server: greylisting, single recipients, TLS that is never given up."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.alerts.channels.email import EmailChannel, MailServer
from lib.errors import DeliveryError
from tests.alerts.channels.hostile import notice, plain
from tests.certificates import self_signed
from tests.mail_server import Mailbox, mail_server

TO = ("a@example.com", "b@example.com")


def channel(box: Mailbox, security: str = "none", **more: Any) -> EmailChannel:
    server = MailServer("127.0.0.1", box.port, security, "ops@example.com", TO)
    return EmailChannel(replace(server, **more), timeout_s=2)


def test_one_mail_reaches_every_recipient_with_both_parts() -> None:
    with mail_server() as box:
        mail = channel(box)
        receipt = mail.send(mail.render(plain()))

    [(recipients, message)] = box.taken
    assert (receipt.code, list(receipt.later)) == (250, [])
    assert recipients == list(TO)
    assert message["Subject"] == "🚨 FIRING: HighErrorRate (critical): 7.3% of requests fail"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize("farewell", ["421 going down", "500 what?", "250 OK"])
def test_a_mail_that_was_taken_stays_taken_whatever_is_answered_to_the_farewell(farewell: str) -> None:
    """Else it is sent again, or breaks the channel although everybody has it."""
    with mail_server() as box:
        box.farewell = farewell
        mail = channel(box)
        receipt = mail.send(mail.render(plain()))
        checked = mail.check()

    assert (receipt.code, checked.code, len(box.taken)) == (250, 250, 1)


def test_an_alert_cannot_add_a_recipient_or_a_header_a6() -> None:
    with mail_server() as box:
        mail = channel(box)
        mail.send(mail.render(notice()))

    [(recipients, message)] = box.taken
    assert recipients == list(TO)
    assert message["Bcc"] is None
    assert "Bcc: evil@example.net" in message["Subject"]


def test_a_recipient_who_is_refused_for_now_is_named_and_the_other_gets_it() -> None:
    with mail_server() as box:
        box.refuse = {"b@example.com": "451 greylisted, come back"}
        mail = channel(box)
        receipt = mail.send(mail.render(plain()))
        assert list(receipt.later) == ["b@example.com"]
        assert "greylisted" in receipt.reply

        box.refuse = {}
        mail.send(replace(mail.render(plain()), to=receipt.later))

    assert [to for to, _ in box.taken] == [["a@example.com"], ["b@example.com"]]
    assert box.taken[0][1]["Message-ID"] == box.taken[1][1]["Message-ID"]


def test_a_recipient_who_is_refused_for_good_is_told_and_not_tried_again() -> None:
    with mail_server() as box:
        box.refuse = {"b@example.com": "550 no such user"}
        mail = channel(box)
        receipt = mail.send(mail.render(plain()))

    assert list(receipt.later) == []
    assert "b@example.com: 550 no such user" in receipt.reply
    assert [to for to, _ in box.taken] == [["a@example.com"]]


@pytest.mark.parametrize(
    ("answer", "permanent", "code"),
    [("451 try later", False, 451), ("452 full", False, 452), ("552 too big", True, 552), ("554 no", True, 554)],
)
def test_the_answer_to_the_mail_decides_whether_it_is_tried_again(answer: str, permanent: bool, code: int) -> None:
    with mail_server() as box:
        box.data = answer
        mail = channel(box)
        with pytest.raises(DeliveryError) as failed:
            mail.send(mail.render(plain()))

    assert (failed.value.permanent, failed.value.code) == (permanent, code)


@pytest.mark.parametrize(("answer", "permanent"), [("450 later", False), ("550 unknown", True)])
def test_where_every_recipient_is_refused_the_codes_decide(answer: str, permanent: bool) -> None:
    with mail_server() as box:
        box.refuse = dict.fromkeys(TO, answer)
        mail = channel(box)
        with pytest.raises(DeliveryError) as failed:
            mail.send(mail.render(plain()))

    assert failed.value.permanent is permanent


def test_without_starttls_nothing_is_sent_f21() -> None:
    with mail_server() as box:
        mail = channel(box, "starttls", user="ops", password="right")
        with pytest.raises(DeliveryError, match="does not offer") as failed:
            mail.send(mail.render(plain()))

    assert failed.value.permanent
    assert box.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_tls_is_used_with_a_trusted_certificate_and_refused_with_another_f21(tmp_path: Path, security: str) -> None:
    made = self_signed(tmp_path)
    context = made.server_context()
    with mail_server(**{security: context}) as box:  # type: ignore[arg-type]
        trusting, other = channel(box, security, ca=str(made.certificate)), channel(box, security)
        trusting.send(trusting.render(plain()))
        with pytest.raises(DeliveryError, match="certificate") as failed:
            other.send(other.render(plain()))

    assert box.tls_seen == [True]
    assert failed.value.permanent


def test_tls_to_a_port_that_does_not_speak_it_is_refused_for_good() -> None:
    with mail_server() as box:
        mail = channel(box, "tls")
        with pytest.raises(DeliveryError) as failed:
            mail.send(mail.render(plain()))

    assert failed.value.permanent


def test_a_wrong_password_is_refused_for_good_and_never_told(tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    with mail_server(starttls=made.server_context(), sign_in=True) as box:
        mail = channel(box, "starttls", ca=str(made.certificate), user="ops", password="hunter2canary")
        with pytest.raises(DeliveryError) as failed:
            mail.send(mail.render(plain()))

    assert (failed.value.permanent, failed.value.code) == (True, 535)
    assert "canary" not in str(failed.value)


def test_a_server_that_hangs_with_the_mail_in_hand_may_have_taken_it_f21() -> None:
    with mail_server() as box:
        box.hang_s = 1.0
        mail = EmailChannel(MailServer("127.0.0.1", box.port, "none", "ops@example.com", TO), timeout_s=0.3)
        with pytest.raises(DeliveryError) as failed:
            mail.send(mail.render(plain()))

    assert (failed.value.permanent, failed.value.code, failed.value.unknown) == (False, 0, True)


def test_a_server_that_is_not_there_or_hangs_is_tried_again_f21() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port in (1, silent.getsockname()[1]):
            mail = EmailChannel(MailServer("127.0.0.1", port, "none", "ops@example.com", TO), timeout_s=0.3)
            with pytest.raises(DeliveryError) as failed:
                mail.send(mail.render(plain()))

            assert (failed.value.permanent, failed.value.code, failed.value.unknown) == (False, 0, False)
