"""The demo's Slack and mail server keep what they are told, and refuse what Slack would refuse."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lib.simulator.inbox import HOOK, MOST_KEPT, Inbox
from tests.proxy import free_ports


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def web(inbox: Inbox) -> TestClient:
    return TestClient(Starlette(routes=inbox.routes()))


def test_what_is_posted_can_be_read(inbox: Inbox, web: TestClient) -> None:
    answer = web.post(HOOK, json={"text": "FIRING\nHighErrorRate"})

    assert (answer.status_code, answer.text) == (200, "ok")
    [kept] = web.get("/inbox").json()["messages"]
    assert (kept["how"], kept["subject"]) == ("Slack", "FIRING HighErrorRate")
    shown = web.get("/inbox", headers={"accept": "text/html"})
    assert shown.headers["content-type"].startswith("text/plain")  # foreign text is never read as HTML
    assert "HighErrorRate" in shown.text


@pytest.mark.parametrize(("body", "words"), [(b"{", "invalid_payload"), (b"[]", "no_text"), (b"{}", "no_text")])
def test_what_slack_refuses_is_refused(inbox: Inbox, web: TestClient, body: bytes, words: str) -> None:
    answer = web.post(HOOK, content=body)

    assert (answer.status_code, answer.text, list(inbox.messages)) == (400, words, [])


def test_only_the_newest_are_kept(inbox: Inbox, web: TestClient) -> None:
    for number in range(MOST_KEPT + 1):
        web.post(HOOK, json={"text": str(number)})

    assert len(inbox.messages) == MOST_KEPT
    assert inbox.messages[0].subject == str(MOST_KEPT)


def test_a_mail_arrives_with_its_text_part(inbox: Inbox) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@demo.invalid", "b@demo.invalid", "FIRING é"
    mail.set_content("the text")
    mail.add_alternative("<p>the HTML</p>", subtype="html")
    [port] = free_ports(1)

    async def deliver() -> None:
        end = await inbox.serve_mail(port)
        await asyncio.to_thread(_send, port, mail)
        await end()

    asyncio.run(deliver())

    [kept] = inbox.messages
    assert (kept.how, kept.subject, kept.body.strip()) == ("mail", "FIRING é", "the text")


def _send(port: int, mail: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.send_message(mail)
