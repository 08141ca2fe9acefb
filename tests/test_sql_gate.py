"""A11 (ASVS 5.0 1.2.4): no value is ever written into SQL; what is put in besides constants was looked at, one by one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEYWORDS = re.compile(
    r"\b(SELECT|INSERT INTO|DELETE|UPDATE|WHERE|FROM|GROUP BY|ORDER BY|UNION|CREATE|PRAGMA|ATTACH|COPY|SET GLOBAL|WITH|LIMIT)\b|\bIN \("
)

# Each is a name of our own: a table or column from this project's lists, a count of question marks, or SQL made of these.
# A value of a person, a log or a label must never stand here: bind it.
REVIEWED = {
    "lib/logs/conditions.py": {"column", "marks", "word"},
    "lib/logs/duckdb.py": {"_RECORD"},
    "lib/logs/newest.py": {"', '.join(columns)"},
    "lib/logs/questions.py": {
        "field", "held", "', '.join((*keys, *sums))", "', '.join(columns)", "columns", "table",
        "less", "'<' if newer else '>'", "place", "order",  # of `beside`: two signs, a word, and SQL made of them
        "', '.join((*(('ts',) if step else ()), *by))",
    },
    "lib/logs/rollup.py": {
        "_BY.replace('status', \"coalesce(CAST(status AS VARCHAR), '')\")",
        "_NEW",
        "_LATENCY_BY.replace('status', \"coalesce(CAST(status AS VARCHAR), '')\")",
        "_LATENCY_BY", "_BY", "_ADDED", "_ADDED_LATENCY", "RESOLVED_LATENCY", "table", "*select", "chosen",
    },
    "lib/logs/schema.py": {"name", "columns"},
    "lib/metrics/reading.py": {"sql"},
    "lib/metrics/re2.py": {"columns"},
    "lib/state/database.py": {"pragma", "1000 * LOCK_WAIT_S"},
    "lib/state/append_only.py": {"table", "words", "change.lower()", "change"},
    "lib/state/migrate.py": {"_LOCK"},
}  # fmt: skip


def put_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What stands beside constants of SQL in f-strings, sums of strings, joins, formats and %."""
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values):
                if _is_sql(values):
                    yield from (
                        (ast.unparse(v.value), node.lineno) for v in values if isinstance(v, ast.FormattedValue)
                    )
            case ast.BinOp(op=ast.Add() | ast.Mod(), left=left, right=right):
                if _is_sql([left, right]):
                    yield from ((ast.unparse(v), node.lineno) for v in (left, right) if _is_open(v))
            case ast.Call(func=ast.Attribute(attr="join"), args=[ast.Tuple(elts=parts) | ast.List(elts=parts)]):
                if _is_sql(parts):
                    yield from ((ast.unparse(v), node.lineno) for v in parts if _is_open(v))
            case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="format" | "replace") as func, args=args):
                if _is_sql([func.value]):
                    yield from ((ast.unparse(v), node.lineno) for v in args)


def _is_sql(parts: list[ast.expr]) -> bool:
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(KEYWORDS.search(text) for text in texts)


def _is_open(part: ast.expr) -> bool:
    """Neither a constant nor a Sql, which carries its own bound values."""
    return not isinstance(part, ast.Constant | ast.JoinedStr | ast.BinOp) and "Sql(" not in ast.unparse(part)


def found_in(folder: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for path in sorted([*folder.glob("lib/**/*.py"), *folder.glob("pages/*.py"), *folder.glob("app.py")]):
        name = str(path.relative_to(folder))
        if not name.startswith("lib/simulator"):  # its database is its own, and no part of the product
            for put, line in put_in(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(name, {})[put] = line
    return found


def test_nothing_is_put_into_sql_that_was_not_reviewed() -> None:
    found = found_in(ROOT)

    unknown = [f"{f}:{line} puts {put} into SQL" for f, puts in found.items() for put, line in puts.items()
               if put not in REVIEWED.get(f, set())]  # fmt: skip
    assert unknown == []
    assert {name for name in REVIEWED if name in found} == set(REVIEWED), "a reviewed file has no SQL left: take it out"


def test_the_gate_sees_every_way_to_put_a_value_in(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "bad.py").write_text(
        "a = f'SELECT {x} FROM t'\nb = 'SELECT * FROM t WHERE a = ' + y\nc = 'SELECT * FROM t WHERE a = %s' % z\n"
        "d = ' '.join(('DELETE FROM', u))\ne = 'SELECT {}'.format(v)\ng = 'SELECT ? FROM t', [w]\n"
    )

    assert set(found_in(tmp_path)["lib/bad.py"]) == {"x", "y", "z", "u", "v"}


def test_one_module_opens_databases_of_duckdb() -> None:
    """Every other connection would not be locked down."""
    opening = [p for p in (ROOT / "lib").rglob("*.py") if "duckdb.connect(" in p.read_text(encoding="utf-8")]

    assert [str(path.relative_to(ROOT)) for path in opening] == ["lib/duck.py"]


def test_regular_expressions_of_people_are_run_by_re2_alone() -> None:
    """A14: Python's re gets only patterns that stand in the source or are made of such."""
    asked = []
    for path in (ROOT / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_re = isinstance(node, ast.Call) and ast.unparse(node.func) in {
                f"re.{name}"
                for name in ("compile", "match", "search", "fullmatch", "sub", "findall", "finditer", "split")
            }
            if is_re and not isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.Call):
                asked.append(f"{path.relative_to(ROOT)}: {ast.unparse(node.args[0])}")

    assert set(asked) == {  # their own, a few lines above
        "lib/redact.py: pattern", "lib/redact_named.py: KEYS", "lib/checklists/calendar.py: _TIME",
    }  # fmt: skip
