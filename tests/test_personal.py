"""Who a record is about is hidden, and nothing else."""

from __future__ import annotations

import time

import pytest

from lib.personal import hide, hide_text, hide_value


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("email", "jane.roe@example.com", "j***@example.com"),
        ("lead.email", "x", "x***"),
        ("company", "Acme", "A***"),
        ("companyName", "Acme", "A***"),
        ("ip", "203.0.113.9", "203.0.***"),
        ("clientIp", "2001:db8::1", "2***"),
        ("zip", "12345", "12345"),
        ("script", "x", "x"),
        ("source", "apollo", "apollo"),
        ("email", "", ""),
        ("note", "from a@b.example, to c%40d.example", "from a***@b.example, to c***%40d.example"),
    ],
)
def test_a_value_is_hidden_by_its_name_or_by_its_form(field: str, value: str, shown: str) -> None:
    assert hide_value(field, value) == shown
    assert hide_value(field, shown) == shown or field != "note"


def test_values_at_any_depth_are_hidden() -> None:
    record = {"lead": {"email": "a.b@c.example", "tags": ["x@y.example", 5]}, "company": None, "company ": "kept"}

    assert hide(record) == {
        "lead": {"email": "a***@c.example", "tags": ["x***@y.example", 5]}, "company": None, "company ": "kept",
    }  # fmt: skip


@pytest.mark.bench
def test_the_time_is_linear_in_the_text() -> None:
    def took(text: str) -> float:
        began = time.perf_counter()
        hide_text(text)
        return time.perf_counter() - began

    short, long = (min(took("a." * n + "@" + "b." * n) for _ in range(3)) for n in (5_000, 50_000))

    assert long < 60 * max(short, 1e-4)
