"""What is made once and kept: by whom, for how long, and what becomes of a failure."""

from __future__ import annotations

import threading

import pytest

from app.providers.kept import Kept


def test_a_value_is_made_once_by_one_of_many_threads() -> None:
    made: list[int] = []
    begin = threading.Barrier(8)

    def make() -> int:
        made.append(1)
        return len(made)

    kept, got = Kept(make), []

    def ask() -> None:
        begin.wait()
        got.append(kept())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got, made) == ([1] * 8, [1])


def test_a_stale_value_is_made_again_and_a_fresh_one_is_not() -> None:
    numbers = iter(range(5))
    kept = Kept(lambda: next(numbers), lambda number: number >= 2)
    assert [kept() for _ in range(4)] == [0, 1, 2, 2]


def test_a_failure_is_told_and_not_kept() -> None:
    tries: list[int] = []

    def make() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not now")
        return "made"

    kept = Kept(make)
    with pytest.raises(OSError, match="not now"):
        kept()
    assert kept() == "made"
