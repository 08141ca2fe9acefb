from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path

import pytest

from lib.alerts.engine.templates import FUNCTIONS, broken, expand, unknown
from tests.metrics.promtool import tool

VALUES = [
    0.0, 1.0, -1.0, 1.5, 1e6, 1234567.0, 123456.0, 12345.678, 1e20, 1e-4, 1e-5, 0.00012345, 123456789.0, 0.1, 1 / 3, 3661.0,
    90061.5, 59.9996, 60.0, -3661.0, 999.96, 999.95, 1023.0, 1024.0, 1048576.0, 1e16, 5e-7, math.inf, -math.inf, math.nan,
    -0.00001, 100.0, 1e15, 2.5e-9, 999999.9, 0.0612, 0.05, 21.75, 86399.0, 172800.0, 1e-24, 7e24,
]  # fmt: skip
FORMS = [
    "{{ $value }}", "{{$value}}", "{{ .Value }}", "{{ $labels.n }}", "{{ .Labels.n }}", "{{ $labels.__name__ }}",
    "{{ $labels.missing }}", *(f"{{{{ $value | {name} }}}}" for name in FUNCTIONS if name != "humanizeTimestamp"),
    "{{ humanize $value }}", '{{ printf "%.2f" $value }}', '{{ $value | printf "%.3g" }}', '{{ printf "%e" $value }}',
    '{{ printf "%8.1f%%" $value }}', '{{ printf "%g" $value }}', "no braces", "{ {x} }",
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}", "{{ $labels }}", "{{ $value | safeHtml }}", "{{ range $i, $e := query \"up\" }}x{{ end }}",
        "{{ $externalURL }}", "{% if x %}", "{{ $labels.a-b }}", "{{ config }}", '{{ printf "%d" $value }}', "{{ $value", "}}{{",
        '{{ printf "%1000000f" $value }}',
    ],
)  # fmt: skip
def test_what_is_no_placeholder_is_no_code_either_a21(text: str) -> None:
    assert expand(text, {"a": "b"}, 1.0) == text


def test_what_a_label_holds_is_not_expanded_again() -> None:
    assert expand("{{ $labels.a }}", {"a": "{{ $value }}"}, 1.0) == "{{ $value }}"


def test_a_timestamp_is_a_moment_in_utc() -> None:
    assert expand("{{ $value | humanizeTimestamp }}", {}, 1435065584.128) == "2015-06-23 13:19:44.128 +0000 UTC"


def test_what_nothing_fills_in_is_found() -> None:
    told = '{{ $value }} of {{ $lables.x }}, {{ $value | safeHtml }} {{ printf "%.1f" $value }} {{ end }}'

    assert unknown(told) == ["{{ $lables.x }}", "{{ $value | safeHtml }}", "{{ end }}"]
    assert unknown("no braces, { {x} } }}") == []


TEMPLATES = {
    "{{ $value": False, "a {{ $labels.x }} {{": False, "{{}}": False, "{{ }}": False, "{{- -}}": False, "{{ $value }}": True, "}} {": True,
    "{{ $value | humanize }} {{ $labels.x }}": True, "none": True, "{ { $value } }": True,
}  # fmt: skip


@pytest.mark.live
@pytest.mark.parametrize("text", TEMPLATES)
def test_braces_that_prometheus_refuses_are_refused_here(text: str, tmp_path: Path) -> None:
    rule = {"alert": "A", "expr": "x", "annotations": {"summary": text}}
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))

    ran = subprocess.run([tool(), "check", "rules", tmp_path / "rules.yml"], capture_output=True, check=False)

    assert (ran.returncode == 0, broken(text) == "") == (TEMPLATES[text], TEMPLATES[text])


@pytest.mark.live
def test_every_form_says_of_every_value_what_prometheus_says(tmp_path: Path) -> None:
    annotations = {f"f{number}": form for number, form in enumerate(FORMS)}
    rule = {"alert": "A", "expr": "x", "annotations": annotations}
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
    series = [{"series": f'x{{n="{number}"}}', "values": written(value)} for number, value in enumerate(VALUES)]
    wrong = [{"eval_time": "0s", "alertname": "A", "exp_alerts": [{"exp_labels": {"no": "such"}}]}]
    test = {"interval": "15s", "input_series": series, "alert_rule_test": wrong}
    asked = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [test]}
    (tmp_path / "test.yml").write_text(json.dumps(asked))

    ran = subprocess.run([tool(), "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False)
    said = (ran.stdout + ran.stderr).partition("got:")[2]
    found = re.findall(r'Labels:\{alertname="A", n="(\d+)"\}\s+Annotations:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}', said)
    theirs = {
        int(number): {name: json.loads(f'"{text}"') for name, text in re.findall(r'(f\d+)="((?:[^"\\]|\\.)*)"', texts)}
        for number, texts in found
    }

    assert len(theirs) == len(VALUES)
    for number, value in enumerate(VALUES):
        ours = {name: expand(form, {"n": str(number), "__name__": "x"}, value) for name, form in annotations.items()}
        # A length beyond 64 bits has no meaning in either; theirs overflows.
        skipped = {f"f{FORMS.index('{{ $value | humanizeDuration }}')}"} if abs(value) > 2**63 else set()
        expected = {name: theirs[number].get(name, "") for name in ours}
        assert {k: v for k, v in ours.items() if k not in skipped} == {
            k: v for k, v in expected.items() if k not in skipped
        }


def written(value: float) -> str:
    return "NaN" if math.isnan(value) else "Inf" if value == math.inf else "-Inf" if value == -math.inf else repr(value)
