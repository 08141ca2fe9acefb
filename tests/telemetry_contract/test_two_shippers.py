"""The same log through two shippers into one Elasticsearch: each has its own form, and the contract tells all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lib.contract.base import Finding, Verdict
from lib.contract.judge_logs import Logs
from lib.contract.uses import Uses
from lib.redact import redact
from tests.logs.elastic.test_shapes import AROUND, FORMS, records
from tests.logs.indices import Document, Indices

pytestmark = pytest.mark.live


@pytest.fixture
def indices(elasticsearch9: str) -> Iterator[Indices]:
    opened = Indices(elasticsearch9, "winston", clean=lambda value: redact(value)[0])
    yield opened
    opened.close()


def shipped(indices: Indices, form: str, some: list[Document]) -> None:
    indices.put((one["timestamp"][:10].replace("-", "."), "", FORMS[form](one)) for one in some)


def told(indices: Indices) -> Finding:
    found = {finding.item: finding for finding in Logs(indices, AROUND, Uses()).findings()}
    return found["every record: message"]


@pytest.mark.parametrize("second", ["fluentd", "winston", "winston_nested"])
def test_two_shippers_are_told_whatever_each_makes_of_a_record(indices: Indices, second: str) -> None:
    for form in ("fluentd", second):
        shipped(indices, form, records())

    found = told(indices)

    assert found.verdict is Verdict.DOUBTFUL
    assert "of the newest records are there twice" in found.said
    assert "stop one" in found.hint


def test_error_log_beside_combined_log_is_told(indices: Indices) -> None:
    """The guide's Fluentd reads *.log."""
    shipped(indices, "fluentd", records())
    shipped(indices, "fluentd", [one for one in records() if one["level"] == "ERROR"])

    assert "errors are there twice, other records once" in told(indices).said


@pytest.mark.parametrize("form", list(FORMS))
def test_one_shipper_is_fine(indices: Indices, form: str) -> None:
    shipped(indices, form, records())

    assert told(indices).verdict is Verdict.OK
