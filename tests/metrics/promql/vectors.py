"""Regenerates prometheus3.json: `python -m tests.metrics.promql.vectors /path/to/promtool`, a promtool of Prometheus 3.

Built outside the project, for example by `go install github.com/prometheus/prometheus/cmd/promtool@v0.316.0`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.metrics import crowds, phrases, promtool

FILE = Path(__file__).with_name("prometheus3.json")
SEED, INSTANCES, EXPRESSIONS, MOST_SAMPLES = 31, 1, 1_000, 25
MOMENTS_MS = tuple(600_000 + 397_500 * n for n in range(4))
"""On the scrape grid and off it in turn, the first one with windows that reach before the first sample."""


def version(program: str) -> str:
    """What Go recorded of the module that the program was built from, or what the program says of itself."""
    said = subprocess.run(["go", "version", "-m", program], check=False, capture_output=True, text=True, timeout=20)
    built = [
        line.split()[2] for line in said.stdout.splitlines() if "\tmod\tgithub.com/prometheus/prometheus\t" in line
    ]
    return built[0] if built and built[0] != "(devel)" else promtool.version(program)


def vectors(program: str) -> dict[str, Any]:
    """The samples, and per expression the answer at each moment: {"series number": value}, or null where it was refused."""
    world = crowds.make(SEED, INSTANCES, free=True)
    source = phrases.Phrases(random.Random(SEED), crowds.families(INSTANCES), free=True)
    texts = list(dict.fromkeys(source.expression() for _ in range(EXPRESSIONS)))
    moments = [timedelta(milliseconds=ms) for ms in MOMENTS_MS]
    with tempfile.TemporaryDirectory() as folder:
        answers = promtool.ask(program, Path(folder), world, texts, moments)
    known: dict[promtool.Signature, int] = {}
    rows = []
    for number, text in enumerate(texts):
        found = answers[number * len(moments) : (number + 1) * len(moments)]
        if all(isinstance(answer, str) or len(answer) <= MOST_SAMPLES for answer in found):
            rows.append([text, [_coded(answer, known) for answer in found]])
    return {
        "prometheus": version(program),
        "moments_ms": MOMENTS_MS,
        "series": [[series["series"], series["values"]] for series in world.promtool_series()],
        "labels": [dict(key) for key in known],
        "answers": rows,
    }


def _coded(answer: promtool.Answer, known: dict[promtool.Signature, int]) -> dict[str, float | str] | None:
    if isinstance(answer, str):
        return None
    return {str(known.setdefault(key, len(known))): _number(value) for key, value in answer.items()}


def _number(value: float) -> float | str:
    """12 digits are a thousand times what the comparison looks at."""
    short = float(f"{value:.12g}")
    return short if short - short == 0 else str(short)  # NaN and the infinities are no JSON


def main(program: str) -> None:
    """Writes the file, an expression a line."""
    found = vectors(program)
    rows = found.pop("answers")
    head = json.dumps(found, separators=(",", ":"))
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    FILE.write_text(f'{head[:-1]},"answers":[\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{FILE.name}: {len(rows)} expressions, {FILE.stat().st_size / 1e6:.2f} MB, Prometheus {found['prometheus']}")


if __name__ == "__main__":
    main(sys.argv[1])
