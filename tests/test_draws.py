"""A run that decides whether a change lands is repeatable: what is generated is the same each time."""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from subprocess import run

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def drawn(profile: str) -> list[tuple[str, int]]:
    """What a property test of texts and numbers is given under a profile."""
    seen: list[tuple[str, int]] = []

    @settings(settings.get_profile(profile), max_examples=200)
    @given(st.text(), st.integers())
    def look(text: str, number: int) -> None:
        seen.append((text, number))

    look()
    return seen


def test_property_tests_draw_the_same_examples_again_whatever_was_loaded_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = drawn("repeatable")
    (tmp_path / "odd.py").write_text(f"ODD = {[f'odd {n}' for n in range(900)]}")
    found = spec_from_file_location("odd", tmp_path / "odd.py")
    assert found is not None
    monkeypatch.setitem(sys.modules, "odd", module_from_spec(found))

    assert drawn("repeatable") == before


def test_fresh_examples_are_others_each_time() -> None:
    assert drawn("fresh") != drawn("fresh")


def test_fresh_examples_are_so_on_a_build_server_too() -> None:
    """Where `CI` is set, Hypothesis itself starts with a default that draws the same."""
    here = f"{__file__}::{test_fresh_examples_are_others_each_time.__name__}"

    ran = run([sys.executable, "-m", "pytest", here], env=os.environ | {"CI": "true"}, capture_output=True, check=False)

    assert ran.returncode == 0, ran.stdout.decode()


def test_what_a_test_decides_itself_leaves_the_rest_to_the_profile() -> None:
    own = settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])

    assert own.derandomize is settings.default.derandomize
    assert own.deadline is None
