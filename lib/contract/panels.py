"""Which card shows which signal, read from the source of the pages."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ASKING = frozenset({"trend", "frame"})
"""`cards.trend("signal", …)` and `cache.frame("signal", …)` are how a page names a signal."""


@dataclass
class _Page:
    """What was found in a page: its functions, and the signals under each card title ("" for none)."""

    functions: dict[str, ast.FunctionDef]
    shown: dict[str, set[str]] = field(default_factory=dict)

    def add(self, card: str, signals: set[str]) -> None:
        self.shown.setdefault(card, set()).update(signals)


def shown_by(pages: Mapping[str, Path]) -> dict[str, list[str]]:
    """Signal → the cards that show it, as "Page › Card" ("Page" for a card without a title), in the pages' order.

    `pages` are titles with their files. A card is a `with panel("Title")`, with what its functions ask; a table of
    cards may name its titles in pairs `("Title", function)` or `("Title", partial(draw, "signal", …))`.
    """
    found: dict[str, list[str]] = {}
    for title, path in pages.items():
        for card, signals in _cards(ast.parse(path.read_text(encoding="utf-8"))).items():
            for signal in sorted(signals):
                place = f"{title} › {card}" if card else title
                found.setdefault(signal, []).append(place)
    return found


def _cards(tree: ast.Module) -> dict[str, set[str]]:
    page = _Page({node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)})
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and (card := _title(node)) is not None:
            page.add(card, {name for part in node.body for name in _asked(part, page, frozenset())})
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and (title := _text(node.elts[0])):
            page.add(title, set(_drawn(node.elts[1], page)))
    placed = {name for signals in page.shown.values() for name in signals}
    page.add("", set(_asked(tree, page, frozenset())) - placed)
    return page.shown


def _title(node: ast.With) -> str | None:
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "panel" and call.args:
            return _text(call.args[0])
    return None


def _drawn(node: ast.expr, page: _Page) -> Iterator[str]:
    """The signals that the second half of a pair draws; none where it is something else."""
    if isinstance(node, ast.Name) and node.id in page.functions:
        yield from _asked(page.functions[node.id], page, frozenset({node.id}))
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "partial":
        yield from filter(None, map(_text, node.args))


def _asked(node: ast.AST, page: _Page, inside: frozenset[str]) -> Iterator[str]:
    """The signals that a piece of a page names, in the functions that it calls as well."""
    for call in (child for child in ast.walk(node) if isinstance(child, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ASKING and call.args and (signal := _text(call.args[0])):
            yield signal
        elif name in page.functions and name not in inside:
            yield from _asked(page.functions[name], page, inside | {name})


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
