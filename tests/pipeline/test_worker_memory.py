"""Workers keep the memory that they free."""

from __future__ import annotations

import ctypes

import pytest

from medtrimix.pipeline.worker import keep_freed_memory


def test_the_c_library_is_told_its_two_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[int, int] = {}

    class Library:
        def mallopt(self, what: int, value: int) -> int:
            told[what] = value
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Library())
    keep_freed_memory()
    assert told == {-3: 32 * 2**20, -1: 2**31 - 1}  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h


def test_a_c_library_without_them_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    keep_freed_memory()
