"""Independent questions put at the same time, by a bounded number of threads that the whole process shares."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 12
"""Threads. They wait for servers, most of the time."""

_POOL = ThreadPoolExecutor(MOST, thread_name_prefix="at-once")


def at_once(*asks: Callable[[], T]) -> list[T]:
    """What each gives, in their order; raises the first error. Notes and questions are gathered as if asked one by one.

    What no thread has begun is done by the caller itself, so that questions may put questions: nobody waits for a
    thread that waits.
    """
    if not asks:
        return []
    begun = [begin(ask) for ask in asks[1:]]
    try:
        return [asks[0](), *(_own_or_begun(*pair) for pair in zip(asks[1:], begun, strict=True))]
    finally:
        for future in begun:
            future.cancel()


def begin(ask: Callable[[], T]) -> Future[T]:
    """Has a thread ask as soon as one is free, with the caller's context."""
    context: Any = copy_context()
    return _POOL.submit(context.run, ask)


def _own_or_begun(ask: Callable[[], T], begun: Future[T]) -> T:
    return ask() if begun.cancel() else begun.result()
