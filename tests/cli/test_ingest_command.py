"""`medtrimix ingest` as it is typed: what it leaves, what it says, and how it goes on."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_commands import typed

from medtrimix.data.store import ArrayStore
from medtrimix.data.store_writer import JOURNAL
from medtrimix.errors import Interrupted
from medtrimix.ingest import source as source_module
from medtrimix.ingest.sample import Finished, Record

PARTS = {"manifest.csv", "manifest.parquet", "quality.html", "refusals.csv", "store", "verdicts.json"}


def photographs(folder: Path, *, count: int) -> Path:
    """`count` pictures and one file that is none; labels beside the folder."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    lines = ["path,label,patient_id"]
    for number in range(count):
        Image.fromarray(generator.integers(0, 256, (16, 12), dtype=np.uint8)).save(folder / f"{number:04d}.png")
        lines.append(f"{folder.name}/{number:04d}.png,{'ab'[number % 2]},P{number // 2}")
    (folder / "notes.txt").write_text("CANARY")
    (folder.parent / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(autouse=True)
def _quick_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second; one test does it."""
    if request.node.name != "test_everything_that_was_promised_is_there":

        def write(store: Path, *, verdicts: dict[str, int], out: Path) -> None:
            out.write_text(json.dumps([str(ArrayStore.open(store).image_shape), verdicts]))

        monkeypatch.setattr("medtrimix.report.quality.page.write_quality", write)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a source `raw` of six pictures."""
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "raw", count=6)
    return tmp_path


COMMAND = ("ingest", "raw", "--labels", "labels.csv", "--out", "out", "--workers", "1", "--set", "image_size=[8,8]")


def parts(folder: Path) -> dict[str, bytes]:
    """Content of every file but those that only this ingest needs."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".ingest" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_everything_that_was_promised_is_there(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, *COMMAND) == 0
    told = capsys.readouterr().out
    assert {path.name for path in (here / "out").iterdir()} == PARTS | {".ingest"}
    assert "accepted" in told
    assert "not_an_image" in told
    assert "6 samples of 1 x 8 x 8, from 3 patients" in told
    assert "a 3, b 3" in told
    assert b"<h2>Grey values</h2>" in (here / "out" / "quality.html").read_bytes()
    assert json.loads((here / "out" / "verdicts.json").read_text()) == {"accepted": 6, "not_an_image": 1}
    assert len((here / "out" / "refusals.csv").read_text().splitlines()) == 2
    assert not any(b"CANARY" in content or b"raw/" in content for content in parts(here / "out").values())


def test_the_manifest_is_the_index_with_the_place_of_each_image(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medtrimix.data.store_writer._SHARD_BYTES", 4 * 64)
    assert typed(monkeypatch, *COMMAND) == 0
    manifest = pd.read_parquet(here / "out" / "manifest.parquet")
    assert list(manifest.columns) == [*Record.__dataclass_fields__, "shard", "row"]
    store = ArrayStore.open(here / "out" / "store")
    pd.testing.assert_frame_equal(manifest[list(store.index.columns)], store.index)
    for number, (shard, row) in enumerate(manifest[["shard", "row"]].to_numpy()):
        image = np.load(here / "out" / "store" / f"images-{shard:05d}.npy", mmap_mode="r")[row]
        np.testing.assert_array_equal(image, store.images(np.array([number]))[0])
    with (here / "out" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sample_id"] for row in rows] == manifest["sample_id"].tolist()
    assert {row["spacing_mm"] for row in rows} == {""}, "gaps are empty"


def test_a_finished_ingest_is_recognised(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, *COMMAND) == 0
    before = {path: path.stat().st_mtime_ns for path in (here / "out").rglob("*") if ".ingest" not in path.parts}
    capsys.readouterr()
    assert typed(monkeypatch, *COMMAND) == 0
    told = capsys.readouterr().out
    assert "Nothing to do" in told
    assert "6 samples" in told
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize("part", sorted(PARTS - {"store"}))
def test_a_lost_part_is_made_again(here: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    assert typed(monkeypatch, *COMMAND) == 0
    whole = parts(here / "out")
    (here / "out" / part).unlink()
    assert typed(monkeypatch, *COMMAND) == 0
    assert parts(here / "out") == whole


_KILLABLE = (
    "from medtrimix.data.store_writer import StoreWriter;"
    "StoreWriter.__init__.__kwdefaults__['commit_every_s'] = 0.0;"
    "from medtrimix.cli import main; main()"
)


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `here`, with enough pictures to be interrupted among them."""
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "raw", count=250)
    return tmp_path


def interrupted(folder: Path, *, by: signal.Signals) -> int:
    """Exit code of the command, interrupted when its journal has some lines."""
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLABLE, *COMMAND], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    journal = folder / "out" / "store" / JOURNAL
    while process.poll() is None and (not journal.is_file() or journal.read_bytes().count(b"\n") < 50):
        time.sleep(0.005)
    process.send_signal(by)
    return process.wait()


@pytest.mark.parametrize(("by", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 1)])
def test_an_interrupted_ingest_goes_on(
    many: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: signal.Signals, code: int
) -> None:
    assert interrupted(many, by=by) == code
    assert not (many / "out" / "store" / "store.json").exists()
    told: list[Finished] = []
    ingest = source_module.ingest

    def watched(*arguments: object, finished: Finished, **named: object) -> Iterator[object]:
        told.append(finished)
        return ingest(*arguments, finished=finished, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(source_module, "ingest", watched)
    assert typed(monkeypatch, *COMMAND) == 0
    assert "Going on" in capsys.readouterr().out
    assert 49 <= len(told[0].units) < 251
    assert len(told[0].accepted) in (len(told[0].units), len(told[0].units) - 1)
    resumed = parts(many / "out")
    monkeypatch.setattr(source_module, "ingest", ingest)
    assert typed(monkeypatch, *COMMAND[:4], "--out", "other", *COMMAND[6:]) == 0
    assert resumed == parts(many / "other")


def test_what_can_not_be_continued_is_begun_anew_and_said(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file is listed before the others, and gone when the same command is given again."""
    ingest = source_module.ingest

    def with_another(*arguments: object, **named: object) -> Iterator[object]:
        (here / "raw" / "0000.tmp").touch()
        yield from itertools.islice(ingest(*arguments, **named), 2)  # type: ignore[arg-type]
        (here / "raw" / "0000.tmp").unlink()
        raise Interrupted("Stopped.")

    monkeypatch.setattr(source_module, "ingest", with_another)
    assert typed(monkeypatch, *COMMAND) == 1
    monkeypatch.setattr(source_module, "ingest", ingest)
    capsys.readouterr()
    assert typed(monkeypatch, *COMMAND) == 0
    assert "all are read once more" in " ".join(capsys.readouterr().out.split())
    assert typed(monkeypatch, *COMMAND[:4], "--out", "other", *COMMAND[6:]) == 0
    assert parts(here / "out") == parts(here / "other")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent", "--out", "out"], "no such folder or file"),
        (["x" * 300, "--out", "out"], "it can't be read"),
        (["raw", "--out", "x" * 300], "can't be written"),
        (["empty", "--out", "out"], "there are no files in it"),
        (["raw", "--out", "raw/out"], "lies in the source"),
        (["raw", "--out", "full"], "not empty"),
        (["raw", "--out", "full/file"], "can't be written"),
        (["raw", "--out", "out", "--labels", "absent.csv"], "can't be"),
        (["raw", "--out", "out", "--labels", "contradicting.csv"], "rows 2 and 3"),
        (["raw", "--out", "out", "--labels", "of_nobody.csv"], "no row of the labels fits any image by 'path'"),
        (["raw", "--out", "out", "--labels", "of_no_patient.csv"], "fits any image by 'patient_id'"),
        (["raw", "--out", "out", "--labels", "labels.csv", "--label", "finding"], "no column 'finding'"),
        (["text", "--out", "out"], "No image could be read: 1 not_an_image"),
        (["raw", "--out", "out", "--set", "volum.size=3"], "data.volum: unknown key; did you mean 'volume'?"),
        (["raw", "--out", "out", "--set", "volume.size=[0,8,8]"], "data.volume.size.0"),
        (["raw", "--out", "out", "--set", "data.image_size=8"], "data.image_size"),
        (["raw", "--out", "out", "--set", "image_size"], "a.b=c"),
        (["raw", "--out", "out", "--pipeline", "absent.yaml"], "There is no file"),
    ],
)
def test_bad_input_is_told_in_one_message_and_leaves_nothing(
    words: list[str], told: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty").mkdir()
    (here / "full").mkdir()
    (here / "full" / "file").touch()
    (here / "text").mkdir()
    (here / "text" / "a.txt").write_text("CANARY")
    (here / "contradicting.csv").write_text("path,label\nraw/0001.png,CANARY\nraw/0001.png,b\n")
    (here / "of_nobody.csv").write_text("path,label\nCANARY.png,a\n")
    (here / "of_no_patient.csv").write_text("patient_id,label\nCANARY,a\n")
    before = sorted(here.rglob("*"))
    assert typed(monkeypatch, "ingest", *words, "--workers", "1") == 2
    error = capsys.readouterr().err
    assert told in error.replace("\n", " ")
    assert "Traceback" not in error
    assert "CANARY" not in error
    assert sorted(here.rglob("*")) == before


def test_options_come_from_a_pipeline_file_whose_own_source_is_not_here(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "study.yaml").write_text("data: {source: elsewhere, labels: gone.csv, image_size: [10, 12], fit: crop}\n")
    words = ("--pipeline", "study.yaml", "--set", "fit=stretch", "--workers", "1")
    assert typed(monkeypatch, "ingest", "raw", "--out", "out", *words) == 0
    assert ArrayStore.open(here / "out" / "store").image_shape == (1, 10, 12)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda here: Image.new("L", (9, 9)).save(here / "raw" / "more.png"), "files have changed"),
        (lambda here: (here / "labels.csv").write_text("path,label\nraw/0001.png,c\n"), "files have changed"),
        (lambda here: os.environ.update(MEDTRIMIX_SECRET_FILE=str(here / "other.secret")), "another site secret"),
    ],
)
def test_the_folder_of_another_ingest_is_left_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: object, told: str
) -> None:
    assert typed(monkeypatch, *COMMAND) == 0
    whole = parts(here / "out")
    change(here)  # type: ignore[operator]
    assert typed(monkeypatch, *COMMAND) == 2
    assert told in capsys.readouterr().err
    assert parts(here / "out") == whole
    assert typed(monkeypatch, *COMMAND, "--set", "fit=crop") == 2


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("source", ["absent", "empty"])
def test_a_mistaken_source_costs_nothing_that_was_done(
    many: Path, monkeypatch: pytest.MonkeyPatch, source: str, finished: bool
) -> None:
    (many / "empty").mkdir()
    if finished:
        assert typed(monkeypatch, *COMMAND) == 0
    else:
        assert interrupted(many, by=signal.SIGINT) == 1
    whole = parts(many / "out")
    assert typed(monkeypatch, "ingest", source, *COMMAND[2:]) == 2
    assert parts(many / "out") == whole


def test_two_at_once_are_kept_apart(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    (here / "out" / ".ingest").mkdir(parents=True)
    with (here / "out" / ".ingest" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert typed(monkeypatch, *COMMAND) == 2
    assert typed(monkeypatch, *COMMAND) == 0


def test_a_source_that_can_not_be_read_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scandir = os.scandir

    def denied(path: str) -> object:
        if str(path).endswith("raw"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert typed(monkeypatch, *COMMAND) == 2
    error = capsys.readouterr().err
    assert "the folder can't be read. Check the permissions." in error.replace("\n", " ")
    monkeypatch.undo()
    assert not (here / "out").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize("ballast", [0, 60, 112])
def test_a_full_disk_is_told_and_the_next_call_goes_on(
    many: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ballast: int,
) -> None:
    (small_disk / "ballast").write_bytes(bytes(ballast << 10))
    command = (*COMMAND[:4], "--out", "disk/out", *COMMAND[6:])
    assert typed(monkeypatch, *command) == 1
    error = capsys.readouterr().err
    assert "The disk is full. Make room and give the same command again" in error.replace("\n", " ")
    assert "Traceback" not in error
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    assert typed(monkeypatch, *command) == 0
    assert typed(monkeypatch, *COMMAND) == 0
    assert parts(small_disk / "out") == parts(many / "out")


def test_slices_that_were_read_as_pictures_are_pointed_out(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def as_slice(record: Record) -> dict[str, object]:
        return asdict(replace(record, modality="CT", series_id="one"))

    monkeypatch.setattr("medtrimix.steps.ingest.asdict", as_slice)
    monkeypatch.setattr("medtrimix.cli.ingest._SLICES_OF_A_SERIES", 5)
    assert typed(monkeypatch, *COMMAND) == 0
    assert "Hint: 6 slices of CT series were read as pictures. Volumes: --set volume.size=[64,64,64]" in (
        capsys.readouterr().out.replace("\n", " ")
    )
