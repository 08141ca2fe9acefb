"""`python -m lib.contract`: checks a service against the contract, for its own CI. 0 fine, 1 not, 2 could not check."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from lib.alerts.rules import load_rules
from lib.contract.base import Finding, Verdict
from lib.contract.checks import heard_by_checks
from lib.contract.direct import CannotCheck, check
from lib.contract.panels import shown_by
from lib.contract.uses import derive
from lib.errors import OpsError
from lib.signals import SIGNALS
from lib.ui.pages import PAGES

ROOT = Path(__file__).parents[2]
FINE, NOT_FINE, UNCHECKED = 0, 1, 2
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def main(arguments: Sequence[str]) -> int:
    """Prints the findings; the exit code of the process."""
    given = _parser().parse_args(arguments)
    if not (given.metrics or given.logs or given.health):
        print("Nothing to check: give --metrics, --logs or --health.", file=sys.stderr)  # noqa: T201
        return UNCHECKED
    try:
        rules = load_rules(given.rules)
        shown = shown_by({page.title: page.path for page in PAGES})
        uses = derive(SIGNALS, rules, shown, heard_by_checks(rules))
        found = check(uses, metrics=given.metrics, logs=given.logs, health=given.health)
    except (CannotCheck, OpsError) as error:
        print(f"Could not check: {_plain(str(error))}", file=sys.stderr)  # noqa: T201
        return UNCHECKED
    code = NOT_FINE if any(finding.verdict is not Verdict.OK for finding in found) else FINE
    print(_json(found) if given.json else _table(found, whole=given.all))  # noqa: T201
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m lib.contract", description="Checks a service's telemetry.")
    parser.add_argument("--metrics", default="", metavar="URL_OR_FILE", help="its /metrics, or a file with the answer")
    parser.add_argument("--logs", action="append", default=[], metavar="GLOB", help="its log files; may be repeated")
    parser.add_argument("--health", default="", metavar="URL", help="its /health")
    parser.add_argument("--rules", type=Path, default=ROOT / "deploy" / "prometheus" / "rules.yml", metavar="FILE",
                        help="the alert rules that must be able to fire")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--all", action="store_true", help="list what is fine, too")
    return parser


def _json(found: Sequence[Finding]) -> str:
    told = {"ok": all(f.verdict is Verdict.OK for f in found), "counts": _counts(found)}
    return orjson.dumps(
        told | {"findings": [asdict(finding) for finding in found]}, option=orjson.OPT_INDENT_2
    ).decode()


def _table(found: Sequence[Finding], *, whole: bool) -> str:
    lines = []
    for finding in found:
        if finding.verdict is Verdict.OK and not whole:
            continue
        lines.append(f"{finding.verdict.upper():<12} {_plain(finding.item)}: {_plain(finding.said)}")
        lines += [f"{'':<12}   {_plain(text)}" for text in (finding.hint, _needed(finding)) if text]
    return "\n".join([*lines, ", ".join(f"{count} {verdict}" for verdict, count in _counts(found).items())])


def _needed(finding: Finding) -> str:
    if finding.verdict is Verdict.OK or not finding.dead:
        return ""
    more = f" and {len(finding.dead) - 4} more" if len(finding.dead) > 4 else ""
    return f"needed by {', '.join(finding.dead[:4])}{more}"


def _counts(found: Sequence[Finding]) -> dict[str, int]:
    counted = Counter(finding.verdict for finding in found)
    return {verdict.value: counted[verdict] for verdict in Verdict if counted[verdict] or verdict is Verdict.OK}


def _plain(text: str) -> str:
    """Foreign text without what a terminal would obey."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
