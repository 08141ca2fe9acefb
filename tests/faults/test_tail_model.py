"""Hypothesis does anything to a family of log files, in any order: each line once, or told as lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from .log_world import World

SHM = Path("/dev/shm")  # truncating waits for a real disk
SHARES = st.sampled_from([0.0, 0.01, 0.2, 0.5, 0.9, 1.0])
COUNTS = st.sampled_from([1, 2, 7, 30])
ACTIONS = st.one_of(
    st.tuples(st.just("write"), COUNTS),
    st.tuples(st.just("poll"), st.sampled_from([1, 2, 5])),
    st.tuples(st.just("write"), COUNTS),
    st.tuples(st.just("half"), SHARES),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("rename")),
    st.tuples(st.just("move_away")),
    st.tuples(
        st.just("copytruncate"),
        st.lists(SHARES, max_size=2),
        st.lists(st.booleans(), min_size=2, max_size=2),
        st.sampled_from([0, 0, 1, 3]),
    ),
    st.tuples(st.just("empty")),
    st.tuples(st.just("delete"), st.integers(0, 3)),
    st.tuples(st.just("compress"), st.integers(0, 3)),
    st.tuples(st.just("refused")),
    st.tuples(st.just("unsure")),
    st.tuples(st.just("reopened")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 5.0, 11.0, 61.0])),
)


def live_out(actions: list[tuple]) -> None:
    """Does all of it, lets the tail come to rest, and checks."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        world = World(Path(folder))
        try:
            for name, *arguments in actions:
                getattr(world, name)(*arguments)
            world.settle()
            world.check()
        finally:
            world.close()


BOUND = settings(
    deadline=None, database=None, print_blob=False, suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)  # fmt: skip


@settings(BOUND, max_examples=200)
@example([("write", 1), ("write", 30), ("copytruncate", [], [False, True], 1), ("half", 0.0), ("unsure",)])
@given(st.lists(ACTIONS, min_size=5, max_size=40))
def test_whatever_happens_to_the_files_each_line_is_read_once_or_told_as_lost(actions: list[tuple]):
    live_out(actions)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@settings(BOUND, max_examples=5000)
@given(st.lists(ACTIONS, min_size=5, max_size=60))
def test_whatever_happens_in_five_thousand_lives(actions: list[tuple]):
    live_out(actions)
