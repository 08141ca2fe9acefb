"""Reads YAML by its nodes, which know their lines, so that every mistake is told with file, line and reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from lib.errors import SettingsError


class Problem(NamedTuple):
    """What is wrong in a text: `line` and `column` count from 1, None where the whole text is meant."""

    line: int | None
    column: int | None
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.words}" if self.line is not None else self.words


def refuse(path: Path | str, problems: Sequence[Problem]) -> None:
    """Raises SettingsError that tells every problem with file and line, where there is any."""
    if problems:
        raise SettingsError("\n".join(f"{path}{_line(problem)}: {problem.words}" for problem in problems))


def _line(problem: Problem) -> str:
    return "" if problem.line is None else f":{problem.line}"


NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What the parser raises for a text that is no YAML, or that is nested beyond what it can read."""


def not_yaml(error: Exception) -> Problem:
    """What one of NOT_YAML says, with its place where the parser knows it."""
    mark = getattr(error, "problem_mark", None)
    said = str(getattr(error, "problem", None) or error).partition("\n")[0]
    words = f"this is not YAML: {'it is nested too deep' if isinstance(error, RecursionError) else said}"
    return Problem(None, None, words) if mark is None else Problem(mark.line + 1, mark.column + 1, words)


def composed(text: str, path: Path | str) -> yaml.Node | None:
    """The document's root node, None where it is empty. Raises SettingsError that names the file and the line."""
    try:
        return yaml.compose(text, yaml.SafeLoader)
    except NOT_YAML as error:
        problem = not_yaml(error)
        raise SettingsError(f"{path}{_line(problem)}: {problem.words}") from error


def text_of(path: Path) -> str:
    """What the file holds. Raises SettingsError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error


def is_null(node: yaml.Node) -> bool:
    """Whether nothing stands there, or one of the words for it."""
    return node.tag == "tag:yaml.org,2002:null"


class NodeReader:
    """Collects every problem on the way. `_place` is put before each problem: in which part of the file it is."""

    def __init__(self) -> None:
        self._place = ""
        self.problems: list[Problem] = []

    def _mapping(self, node: yaml.Node, keys: frozenset[str] | None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, f"must be a mapping of {', '.join(sorted(keys or {'names to texts'}))}")
            return {}
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, "a key must be a text, not a list or a mapping")
                continue
            if keys is not None and key.value not in keys:
                self._wrong(key, f"unknown key {key.value!r}: known are {', '.join(sorted(keys))}")
            if key.value in fields:
                self._wrong(key, f"key {key.value!r} is there twice")
            fields[str(key.value)] = value
        return fields

    def _items(self, node: yaml.Node | None, name: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self._wrong(node, f"`{name}:` must be a list" if node is not None else f"`{name}:` is missing")
        return []

    def _text(self, fields: Mapping[str, yaml.Node], key: str, parent: yaml.Node) -> str:
        node = fields.get(key)
        if isinstance(node, yaml.ScalarNode) and str(node.value).strip() and not is_null(node):
            return str(node.value)
        self._wrong(node or parent, f"`{key}` is missing" if node is None else f"`{key}` must be a text")
        return ""

    def _wrong(self, node: yaml.Node | None, problem: str) -> None:
        mark = None if node is None else node.start_mark
        line, column = (None, None) if mark is None else (mark.line + 1, mark.column + 1)
        self.problems.append(Problem(line, column, f"{self._place}{problem}"))
