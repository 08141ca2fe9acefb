"""The arrows between the parts of the product point one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UI = ("streamlit", "plotly")
FORBIDDEN = {
    "lib/logs": ("lib.ui", "lib.signals", "lib.alerts", "lib.collect", "lib.simulator", *UI),
    "lib/metrics": ("lib.ui", "lib.signals", "lib.alerts", "lib.collect", "lib.logs", "lib.simulator", *UI),
    "lib/state": ("lib.ui", "lib.signals", "lib.alerts", "lib.collect", "lib.simulator", *UI),
    "lib/identity": ("lib.ui", "lib.state", "lib.signals", "lib.alerts", "lib.collect", "lib.simulator", *UI),
    "lib/collect": ("lib.ui", "lib.signals", "lib.simulator", *UI),
    "lib/signals": ("lib.ui", "lib.collect", "lib.simulator", "duckdb", "httpx", "elasticsearch", *UI),
    "lib/alerts": ("lib.ui", "lib.simulator", *UI),
    "lib/heartbeats": ("lib.ui", "lib.signals", "lib.alerts", "lib.simulator", *UI),
    "lib/capacity": ("lib.ui", "lib.alerts", "lib.simulator", "duckdb", "httpx", "elasticsearch", *UI),
    "lib/handover": ("lib.ui", "lib.simulator", "duckdb", "httpx", "elasticsearch", *UI),
    "lib/checklists": ("lib.ui", "lib.simulator", *UI),
    "lib/telemetry": ("lib.ui", "lib.signals", "lib.logs", "lib.metrics", "lib.collect", "lib.settings", *UI),
    "lib/simulator": ("lib.ui", "lib.signals", "lib.logs", "lib.metrics", "lib.collect", "lib.settings", *UI),
    "lib/contract": ("lib.ui.cache", "lib.ui.runtime", "lib.simulator", "lib.settings", *UI),
    "lib/setup": ("lib.ui", "lib.simulator", *UI),
    "lib/ui": ("lib.simulator", "duckdb", "httpx", "elasticsearch", "sqlalchemy"),
    "pages": ("lib.logs", "lib.metrics", "lib.collect", "lib.simulator", "lib.state", "duckdb", "httpx", "sqlalchemy"),
}
LISTS = {Path("lib/state/tables.py")}
"""Registries: they name whose each entry is, and nothing of that part but this name reaches the others."""


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_part_imports_nothing_from_beyond_its_arrows(folder: str) -> None:
    files = [path for path in sorted((ROOT / folder).rglob("*.py")) if path.relative_to(ROOT) not in LISTS]

    crossed = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path)
        for banned in FORBIDDEN[folder]
        if name == banned or name.startswith(banned + ".")
    ]

    assert files, f"{folder} has no Python file: the check would see nothing"
    assert crossed == []


def test_only_the_launcher_and_its_own_package_know_the_simulator() -> None:
    files = [p for p in (ROOT / "lib").rglob("*.py") if "simulator" not in p.parts]

    knowing = [str(p.relative_to(ROOT)) for p in files if any(n.startswith("lib.simulator") for n in imported(p))]

    assert knowing == []


def test_no_file_outgrows_three_hundred_and_fifty_lines() -> None:
    files = [ROOT / "app.py", *(ROOT / "lib").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]

    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text(encoding="utf-8").splitlines())) > 350}

    assert long == {}
