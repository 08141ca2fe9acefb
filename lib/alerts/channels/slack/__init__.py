"""Slack by an incoming webhook: blocks, with the guide's colour bar; nothing in an alert is markup (A5)."""

from __future__ import annotations

from typing import Any

import orjson

from lib.alerts import words
from lib.alerts.channels.outbound import Outbound
from lib.alerts.model import Links, Notice, Receipt, Rendered
from lib.errors import DeliveryError

MOST_ALERTS = 10
LONGEST_BLOCK = 3000
_COLOURS = {"critical": "danger", "warning": "warning", "info": "good"}
_OTHER, _RESOLVED = "#808080", "good"
_HINTS = {
    0: "Slack was not reached: check the network, the proxy and HALO_OPS_ALERT_HOSTS.",
    400: "Slack does not take this message; if tests fail too, make a new webhook and set SLACK_WEBHOOK_URL.",
    403: "The webhook's app may not post to this channel: look at it in Slack's app settings.",
    404: "The webhook was removed: make a new one and set SLACK_WEBHOOK_URL.",
    410: "The channel is archived: make a webhook for another one and set SLACK_WEBHOOK_URL.",
    429: "Slack asks for fewer messages; it is tried again when Slack said so.",
}


class SlackChannel:
    """Posts to one incoming webhook, whose address is a secret."""

    name = "slack"

    def __init__(self, url: str, outbound: Outbound, zone: str = "UTC") -> None:
        self._url = url
        self._outbound = outbound
        self._zone = zone

    def render(self, notice: Notice) -> Rendered:
        """See Channel."""
        payload = self._payload(notice)
        pretty = orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()
        body = orjson.dumps(payload)
        return Rendered(body, "application/json", pretty, words.headline(notice), notice.key)

    def send(self, rendered: Rendered) -> Receipt:
        """See Channel. Slack has accepted only where it says "ok"."""
        headers = {"content-type": rendered.content_type}
        receipt = self._outbound.post(self._url, rendered.body, headers)
        if receipt.reply.strip() != "ok":
            raise DeliveryError(f"HTTP {receipt.code}, but not Slack's “ok”", permanent=False, code=receipt.code)
        return receipt

    def hint(self, code: int, reply: str) -> str:
        """See Channel."""
        return _HINTS.get(code, "Slack has trouble of its own; it is tried again." if code >= 500 else "")

    def _payload(self, notice: Notice) -> dict[str, Any]:
        shown = words.lines(notice, self._zone, MOST_ALERTS)
        severity = words.severity(notice)
        sign = words.sign(notice)
        title = f"{sign} *{_plain(_head(notice))}* {_code(words.name(notice))}"
        blocks = [
            _fields(("Severity", severity), ("Time", words.moment(notice.at, self._zone)), *_count(notice)),
            *(_section(text) for text in map(_told, shown)),
            *_links(notice.links),
            {"type": "context", "elements": [_text(_plain(" · ".join(words.footers(notice, len(shown)))))]},
        ]
        return {
            "text": _plain(f"{sign} {words.in_short(notice)}"),
            "mrkdwn": False,
            "link_names": 0,
            "unfurl_links": False,
            "unfurl_media": False,
            "blocks": [_section(title)],
            "attachments": [
                {"color": _colour(notice, severity), "fallback": _plain(words.headline(notice)), "blocks": blocks}
            ],
        }


def _colour(notice: Notice, severity: str) -> str:
    if not notice.firing and notice.resolved:
        return _RESOLVED
    return _COLOURS.get(severity, _OTHER)


def _head(notice: Notice) -> str:
    return f"{words.TEST_MARK} {words.state(notice)}" if notice.test else words.state(notice)


def _count(notice: Notice) -> list[tuple[str, str]]:
    count = words.counted(notice)
    return [("Alerts", count)] if count else []


def _told(one: words.Line) -> str:
    """An alert: what it is in code, so that nothing in it is markup or a link."""
    parts = [f"*{one.state}* · {_code(one.name)}"]
    if one.value:
        parts.append(f"*Value* {_code(one.value)}")
    if one.scope:
        parts.append(f"*Scope* {_code(one.scope)}")
    parts.append(_code(one.since))
    told = "\n".join(text for text in (one.summary, one.description) if text)
    if told:
        parts.append(f"*Description*\n{_block(told)}")
    return "\n".join(parts)


def _links(links: Links) -> list[dict[str, Any]]:
    named = (("View", links.view), ("Silence", links.silence), ("Runbook", links.runbook))
    told = ""
    for name, url in named:
        link = f"<{_escaped(words.web_link(url))}|{name}>"
        if words.web_link(url) and "|" not in url and len(told) + len(link) + 3 <= LONGEST_BLOCK:
            told = f"{told} · {link}" if told else link
    return [_section(told)] if told else []


def _fields(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"type": "section", "fields": [_text(f"*{name}*\n{_code(value)}") for name, value in pairs]}


def _section(markup: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(markup)}


def _text(markup: str) -> dict[str, Any]:
    """`verbatim`: Slack makes no links of what only looks like an address or a channel."""
    return {"type": "mrkdwn", "text": markup, "verbatim": True}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """Text of ours with a foreign word in it: no markup characters."""
    return _escaped(_cut(text.translate(str.maketrans("`*~", "ˋ∗∼")), 1000))


def _code(text: str) -> str:
    """Foreign text on one line, in a code span that it cannot leave."""
    return f"`{_escaped(_cut(' '.join(text.replace('`', 'ˋ').split()) or '–', 300))}`"


def _block(text: str) -> str:
    return f"```{_escaped(_cut(text.replace('`', 'ˋ'), 1500))}```"


def _cut(text: str, limit: int) -> str:
    """Cut so that it fits once escaped: & is five characters then."""
    if len(_escaped(text)) <= limit:
        return text
    room = limit - 1
    for at, char in enumerate(text):
        room -= len(_escaped(char))
        if room < 0:
            return text[:at] + "…"
    return text
