"""Slack's JSON as a page of HTML, about as Slack draws it: its own marks are drawn, every word is escaped, nothing is loaded."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from lib.alerts.console.mail_view import SHUT

_COLOURS = {"danger": "#a30200", "warning": "#daa038", "good": "#2eb886"}
"""Slack's own for its three names."""

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_MARK = re.compile(
    r"```(?P<block>.*?)```|`(?P<code>[^`\n]*)`|(?<![\w*])\*(?P<bold>[^*\n]+)\*(?![\w*])|<(?P<url>[^<>|]*)\|(?P<words>[^<>|]*)>",
    re.DOTALL,
)
_STYLE = """
body { margin: 12px 16px; font: 15px/1.46 Lato, "Helvetica Neue", Arial, sans-serif; color: #1d1c1d; background: #fff;
       overflow-wrap: anywhere; }
.sender { font-weight: 900; } .app { font-size: 10px; background: #e8e8e8; border-radius: 2px; padding: 1px 3px; margin: 0 4px; }
.small { font-size: 12px; color: #616061; } .section { margin: 4px 0 8px; white-space: pre-wrap; }
.bar { border-left: 4px solid; border-radius: 2px; padding-left: 12px; margin-top: 8px; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px; margin: 4px 0 8px; white-space: pre-wrap; }
code { font: 12px/1.5 Menlo, Consolas, monospace; color: #c01343; background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px;
       padding: 1px 3px; white-space: pre-wrap; }
pre { font: 12px/1.5 Menlo, Consolas, monospace; background: #f6f6f6; border: 1px solid #ddd; border-radius: 4px; padding: 8px;
      margin: 4px 0; white-space: pre-wrap; }
.link { color: #1264a3; text-decoration: underline; }
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  body { color: #d1d2d3; background: #1a1d21; }
  .app { background: #35373b; } .small { color: #ababad; } .link { color: #1d9bd1; }
  code { color: #e8912d; background: #222529; border-color: #35373b; }
  pre { background: #222529; border-color: #35373b; }
}
"""


def drawn(payload: str | bytes) -> str:
    """The message of a webhook's JSON, as a whole page for a frame that may do nothing."""
    message: Mapping[str, Any] = orjson.loads(payload)
    head = '<div><span class="sender">Halo Ops</span><span class="app">APP</span></div>'
    top = "".join(_block(block) for block in message.get("blocks", ()))
    attached = "".join(_attachment(one) for one in message.get("attachments", ()))
    return f"{SHUT}<style>{_STYLE}</style>{head}{top}{attached}"


def _attachment(one: Mapping[str, Any]) -> str:
    told = str(one.get("color", ""))
    colour = _COLOURS.get(told, told if _HEX.fullmatch(told) else "#808080")
    return f'<div class="bar" style="border-color:{colour}">{"".join(map(_block, one.get("blocks", ())))}</div>'


def _block(block: Mapping[str, Any]) -> str:
    if block.get("type") == "context":
        said = " ".join(marked(one["text"]) for one in block.get("elements", ()) if "text" in one)
        return f'<div class="small">{said}</div>'
    parts = []
    if fields := block.get("fields"):
        cells = "".join(f"<div>{marked(one['text'])}</div>" for one in fields)
        parts.append(f'<div class="fields">{cells}</div>')
    if text := (block.get("text") or {}).get("text", ""):
        parts.append(f'<div class="section">{marked(text)}</div>')
    return "".join(parts)


def marked(text: str) -> str:
    """A mrkdwn text as HTML. A link shows its words and, to the pointer, its address; it leads nowhere."""
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    at = 0
    for found in _MARK.finditer(text):
        yield _escaped(text[at : found.start()])
        at = found.end()
        if found["block"] is not None:
            yield f"<pre>{_escaped(found['block'].strip(chr(10)))}</pre>"
        elif found["code"] is not None:
            yield f"<code>{_escaped(found['code'])}</code>"
        elif found["bold"] is not None:
            yield f"<b>{_escaped(found['bold'])}</b>"
        else:
            yield f'<span class="link" title="{_escaped(found["url"])}">{_escaped(found["words"])}</span>'
    yield _escaped(text[at:])


def _escaped(part: str) -> str:
    """Slack's three entities are read as Slack reads them; then everything is text."""
    plain = part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return html.escape(plain)
