"""The step cache: what counts as done, and what code counts as the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from medtrimix.pipeline import code
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.code import digest_of_code

KEY = "0123456789abcdef" * 4


def finished(tmp_path: Path) -> tuple[StepCache, Path]:
    cache = StepCache(tmp_path / "steps")
    with cache.locked("embed", key=KEY) as folder:
        (folder / "features.npy").write_bytes(b"12345")
        (folder / "store").mkdir()
        (folder / "store" / "a.npy").write_bytes(b"1")
        cache.mark_done("embed", key=KEY, provenance={}, seconds=1.0)
    return cache, folder


def test_a_marked_task_is_done(tmp_path: Path) -> None:
    cache, _ = finished(tmp_path)
    assert cache.is_done("embed", key=KEY)
    assert not cache.is_done("embed", key=KEY[::-1])


@pytest.mark.parametrize("lost", ["features.npy", "store/a.npy", "done.json"])
def test_a_task_with_a_lost_file_is_not_done(tmp_path: Path, lost: str) -> None:
    cache, folder = finished(tmp_path)
    (folder / lost).unlink()
    assert not cache.is_done("embed", key=KEY)


def test_a_task_with_a_cut_file_is_not_done(tmp_path: Path) -> None:
    cache, folder = finished(tmp_path)
    os.truncate(folder / "features.npy", 3)
    assert not cache.is_done("embed", key=KEY)


def test_touching_an_output_changes_nothing(tmp_path: Path) -> None:
    cache, folder = finished(tmp_path)
    (folder / "features.npy").touch()
    assert cache.is_done("embed", key=KEY)


def test_leftovers_of_a_killed_task_are_removed_unless_it_can_go_on(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    with cache.locked("pretrain", key=KEY) as folder:
        (folder / "half.npy").write_bytes(b"1")
        cache.clear("pretrain", key=KEY)
        assert not (folder / "half.npy").exists()
        (folder / "checkpoint.pt").write_bytes(b"1")
        (folder / "curves.jsonl").write_text("{}")
        cache.clear("pretrain", key=KEY)
        assert (folder / "curves.jsonl").exists()


@pytest.mark.parametrize("sign", ["store/journal.jsonl", "store/store.json"])
def test_a_half_written_store_is_kept_unless_it_was_whole_once(tmp_path: Path, sign: str) -> None:
    cache = StepCache(tmp_path)
    with cache.locked("ingest", key=KEY) as folder:
        (folder / "store").mkdir()
        (folder / "store" / "images-00000.npy").write_bytes(b"1")
        (folder / sign).touch()
        cache.clear("ingest", key=KEY)
        assert (folder / "store" / "images-00000.npy").exists()
        cache.mark_done("ingest", key=KEY, provenance={}, seconds=1.0)
        (folder / "store" / "images-00000.npy").write_bytes(b"")
        cache.clear("ingest", key=KEY)
        assert not (folder / "store").exists()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package whose files can be edited."""
    copy = tmp_path / "medtrimix"
    shutil.copytree(Path(code.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "__file__", str(copy / "pipeline" / "code.py"))
    code._parsed.cache_clear()
    yield copy
    code._parsed.cache_clear()


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    code._parsed.cache_clear()


def test_an_edit_of_a_function_changes_the_steps_that_reach_it_and_no_other(package: Path) -> None:
    before = {step: digest_of_code(f"medtrimix.steps.{step}") for step in ("pretrain", "evaluate", "split")}
    edited(package / "schedule.py", "0.5 * (1.0", "0.6 * (1.0")  # imported inside a function
    after = {step: digest_of_code(f"medtrimix.steps.{step}") for step in before}
    assert after["pretrain"] != before["pretrain"]
    assert after["split"] == before["split"]


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = digest_of_code("medtrimix.steps.pretrain")
    path = package / "schedule.py"
    edited(path, '"""', '"""Said better. ')
    edited(path, "    if step < warmup_steps:", "    # why\n\n    if (step < warmup_steps):")
    assert digest_of_code("medtrimix.steps.pretrain") == before


def test_the_version_of_a_library_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_of_code("medtrimix.steps.split")
    monkeypatch.setattr(code, "_version", lambda package: "99" if package == "torch" else "1")
    assert digest_of_code("medtrimix.steps.split") != before
