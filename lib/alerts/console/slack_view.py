"""Slack's JSON taken apart into plain texts, so that a page can draw it about as Slack would and nothing in it is markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

_COLOURS = {"danger": "#a30200", "warning": "#daa038", "good": "#2eb886"}
"""Slack's own for its three names."""

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_LINK = re.compile(r"<([^<>|]*)\|([^<>|]*)>")
_BLOCK = re.compile(r"```(.*?)```", re.DOTALL)
_MARK = re.compile(r"`([^`\n]*)`|(?<![\w*])\*([^*\n]+)\*(?![\w*])")


class Form(StrEnum):
    """How a piece stands."""

    TITLE = "title"  # large
    TEXT = "text"
    CODE = "code"  # a block of its own
    FIELDS = "fields"  # name and value, side by side
    LINKS = "links"
    SMALL = "small"  # under everything


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing to draw: plain `text`, or `pairs` of names and values (links: words and addresses)."""

    form: Form
    text: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A message: what stands above, and what stands beside the bar in `colour` (a hex value)."""

    top: tuple[Piece, ...]
    colour: str
    body: tuple[Piece, ...]


def drawn(payload: str | bytes) -> Drawn:
    """The pieces of a webhook's JSON."""
    message: Mapping[str, Any] = orjson.loads(payload)
    top = tuple(piece for block in message.get("blocks", ()) for piece in _block(block, title=True))
    attachments = message.get("attachments", ())
    told = str(attachments[0].get("color", "")) if attachments else ""
    colour = _COLOURS.get(told, told if _HEX.fullmatch(told) else "#808080")
    body = tuple(piece for one in attachments for block in one.get("blocks", ()) for piece in _block(block))
    return Drawn(top, colour, body)


def _block(block: Mapping[str, Any], *, title: bool = False) -> Iterator[Piece]:
    if block.get("type") == "context":
        yield Piece(Form.SMALL, " ".join(plain(one["text"]) for one in block.get("elements", ()) if "text" in one))
        return
    if fields := block.get("fields"):
        yield Piece(Form.FIELDS, pairs=tuple(_pair(one["text"]) for one in fields))
    if text := (block.get("text") or {}).get("text", ""):
        yield from _section(text, Form.TITLE if title else Form.TEXT)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("\n")
    return plain(name), plain(value)


def _section(text: str, form: Form) -> Iterator[Piece]:
    links = tuple((plain(words), html.unescape(url)) for url, words in _LINK.findall(text))
    if links and not _LINK.sub("", text).strip(" ·\n"):
        yield Piece(Form.LINKS, pairs=links)
        return
    for at, part in enumerate(_BLOCK.split(text)):
        if at % 2:
            yield Piece(Form.CODE, html.unescape(part))
        elif part.strip():
            yield Piece(form, plain(part.strip("\n")))


def plain(markup: str) -> str:
    """The words of a mrkdwn text without its marks."""
    return html.unescape(_MARK.sub(lambda found: found[1] if found[1] is not None else found[2], markup))
