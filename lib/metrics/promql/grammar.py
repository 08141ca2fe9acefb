"""The one call into promql-parser, whose Rust panics on some inputs instead of raising."""

from __future__ import annotations

from typing import Any

import promql_parser


def parsed(text: str) -> Any:
    """The syntax tree. Raises ValueError for everything that is not PromQL."""
    try:
        return promql_parser.parse(text)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # it cannot be imported, and is no Exception
            raise
        raise ValueError(str(error)) from None  # `x offset NaN`
