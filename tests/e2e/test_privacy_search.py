"""Whatever identifies a patient goes in and never comes out: every byte that a run leaves is searched for it."""

from __future__ import annotations

import base64
import csv
import gzip
import os
import re
import shutil
import sqlite3
import traceback
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread

from medtrimix.cli import main
from medtrimix.config.files import read_json
from medtrimix.errors import SourceError
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.phantom.dicom import write_dicom_tree
from medtrimix.phantom.options import PhantomOptions
from medtrimix.pipeline.source import source_content

from .conftest import REPO, SMOKE, Ran, medtrimix
from .search import IDENTIFIERS, found_in, leaks

_TINY = {
    "data.image_size": "[32, 32]",
    "pretrain.encoder": "{name: resnet10, width: 0.125}",
    "pretrain.image_budget": "512",
    "pretrain.arms": "{trimix: {method: trimix}, scratch: {method: none}}",
    "learn.strategies": "[linear, {strategy: finetune, epochs: 1, min_steps: 2, max_steps: 3}]",
    "learn.label_budgets": "[10]",
    "learn.label_seeds": "1",
    "evaluate.bootstrap": "100",
}
_CANARY_VALUES = {
    "name": "CANARY^NAME00061",
    "patient number": "MRN00000061",
    "accession number": "ACC31433605",
    "study date": "19010203",
    "uid": "1.2.826.0.1.3680043.10.1437.1.61.12",
}


def _set(settings: Mapping[str, object]) -> Iterator[str]:
    for key, value in settings.items():
        yield from ("--set", f"{key}={value}")


def _run_and_keep_all(
    pipeline: Path, *, settings: Mapping[str, object], workspace: Path, data: Path | None = None
) -> Ran:
    """Runs with all that it writes below one folder: temporary files and what it said lie beside the workspace."""
    temporary = workspace.parent / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    env = {"TMPDIR": str(temporary)} | ({"MEDTRIMIX_DATA": str(data)} if data else {})
    ran = medtrimix("run", pipeline, *_set(settings), workspace=workspace, env=env)
    with (workspace.parent / "terminal.txt").open("a") as terminal:
        terminal.write(ran.output)
    return ran


# A whole study of real images.


@dataclass(frozen=True)
class Nih:
    """The finished study, where its images came from, and everything that would give a patient or a place away."""

    ran: Ran
    source: Path
    patterns: Mapping[str, bytes]


@pytest.fixture(scope="module")
def nih(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Nih:
    """1,000 files whose every identifier is a canary, in a folder that is one too."""
    base = tmp_path_factory.mktemp("nih")
    archive = base / "CANARY-archive"
    archive.symlink_to(real_data)
    ran = _run_and_keep_all(
        REPO / "pipelines" / "nih_cxr.yaml", settings=_TINY, workspace=base / "left" / "workspace", data=archive
    )
    assert ran.code == 0, ran.output
    places = {
        "path": re.escape(str(real_data)).encode(),
        "link": re.escape(str(archive)).encode(),
        "folder": b"nih_cxr",
    }
    return Nih(ran, real_data / "nih_cxr", {**IDENTIFIERS, **places})


@pytest.mark.slow
def test_nothing_of_a_patient_is_left_anywhere(nih: Nih) -> None:
    everything = nih.ran.workspace.parent
    assert leaks(everything, patterns=nih.patterns) == set()
    control = leaks(everything, patterns={"arm": b"trimix", "class": b"pneumonia", "encoding": b"jpeg2000"})
    kinds = {Path(name).suffix for name, _ in control}
    assert {".db", ".html", ".parquet", ".json", ".csv", ".yaml", ".txt"} <= kinds, "the search saw too little"


@pytest.mark.slow
def test_what_is_hidden_in_the_finished_workspace_is_found(nih: Nih, tmp_path: Path) -> None:
    """Companion: the same search over a copy into which someone leaked."""
    copy = tmp_path / "workspace"
    shutil.copytree(nih.ran.workspace, copy)
    with closing(sqlite3.connect(copy / "mlflow" / "mlflow.db")) as database, database:
        database.execute("update tags set value = value || ' MRN00000061' where rowid = (select max(rowid) from tags)")
    predictions = next(copy.glob("steps/learn/*/test.npz"))
    with np.load(predictions) as archive:
        np.savez_compressed(predictions, **{**archive, "patient_N": np.array(["CANARY^NAME00061"])})
    index = next(copy.glob("steps/ingest/*/store/index.parquet"))
    pd.read_parquet(index).assign(accession="ACC31433605").to_parquet(index, compression="zstd")
    page = next(copy.glob("results/*/report.html"))
    picture = base64.b64encode(b"\x89PNG comment 19010203 ").decode()
    page.write_text(page.read_text().replace("</body>", f'<img src="data:image/png;base64,{picture}"></body>'))
    log = copy / "sources" / "log"
    log.write_text(f"opened {nih.source}/images".encode().hex())
    planted = {predictions: "name", index: "accession number", page: "study date", log: "folder"}
    expected = {(str(path.relative_to(copy)), name) for path, name in planted.items()}
    expected |= {("mlflow/mlflow.db", "patient number"), ("sources/log", "path")}
    assert leaks(copy, patterns=nih.patterns) == expected


@pytest.mark.slow
def test_every_file_is_accepted_and_shown_right(nih: Nih) -> None:
    cohort = read_json(nih.ran.workspace / "results" / "nih-cxr" / "results.json")["cohort"]
    assert cohort["verdicts"] == {"accepted": 1000, "not_an_image": 1}  # truth.csv
    [index] = nih.ran.workspace.glob("steps/ingest/*/store/index.parquet")
    shown = sorted(pd.read_parquet(index)["pixel_sha256"])
    assert shown == sorted(row["pixel_sha256"] for row in _rows(nih.source / "truth.csv"))


@pytest.mark.slow
def test_no_patient_is_on_two_sides(nih: Nih) -> None:
    """By the true numbers of the patients, joined by the pictures: the pseudonyms have no say in it."""
    split = _rows(nih.ran.workspace / "results" / "nih-cxr" / "split.csv")
    sides = _sides_of_patients(split, source=nih.source)
    assert len(sides) == 682
    assert set().union(*sides.values()) == {"train", "val", "test"}
    assert [patient for patient, found in sides.items() if len(found) > 1] == []
    patient_of = _patient_of_picture(nih.source)
    several = next(
        row for row in split if sum(patient_of[row["pixel_sha256"]] == one for one in patient_of.values()) > 1
    )
    several["split"] = "val" if several["split"] == "test" else "test"
    sides = _sides_of_patients(split, source=nih.source)
    assert sum(len(found) > 1 for found in sides.values()) == 1, "a leak would go unnoticed"


def _sides_of_patients(split: list[dict[str, str]], *, source: Path) -> dict[str, set[str]]:
    patient_of = _patient_of_picture(source)
    sides = defaultdict(set)
    for row in split:
        sides[patient_of[row["pixel_sha256"]]].add(row["split"])
    return sides


def _patient_of_picture(source: Path) -> dict[str, str]:
    patient_of_path = {row["path"]: row["patient_id"] for row in _rows(source / "labels.csv")}
    return {row["pixel_sha256"]: patient_of_path[row["path"]] for row in _rows(source / "truth.csv")}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Sources that can't be used: the moments in which libraries like to quote what they stumble over.


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good export, a damaged one and odd tables; canaries in every name and header."""
    root = tmp_path_factory.mktemp("broken") / "CANARY"
    good, damaged = root / "MRN00000061", root / "MRN00000062"
    write_dicom_tree(good, options=PhantomOptions(patients=2, images_per_patient=1, image_px=32), seed=0)
    damaged.mkdir()
    for number, path in enumerate(sorted(path for path in good.rglob("*") if path.suffix != ".csv" and path.is_file())):
        dataset = dcmread(path)
        dataset.PatientName, dataset.PatientID = _CANARY_VALUES["name"], _CANARY_VALUES["patient number"]
        dataset.AccessionNumber, dataset.StudyDate = _CANARY_VALUES["accession number"], _CANARY_VALUES["study date"]
        dataset.StudyInstanceUID = _CANARY_VALUES["uid"]
        dataset.save_as(path)
        data = path.read_bytes()
        (damaged / f"CANARY{number}.dcm").write_bytes(data[: len(data) * 3 // 4])
        (damaged / f"ACC3143360{number}").write_bytes(data.replace(b"1.2.840.10008.1.2", b"1.2.CANARY.08.1.2"))
        shutil.copy(path, root / "CANARY.csv")
    (root / "nobody.csv").write_text("patient_id,label\nMRN99999999,CANARY\n")
    (damaged / "CANARY.txt").write_text("CANARY")
    return root


_BROKEN: dict[str, tuple[str, str | None, str]] = {
    "no such folder": ("CANARY-gone", None, "data.source: there is no such folder or file"),
    "labels are a folder": ("MRN00000061", "MRN00000062", "data.labels: there is no such file"),
    "labels of somebody else": ("MRN00000061", "nobody.csv", "no row of the labels fits any image by 'patient_id'"),
    "labels are a DICOM file": ("MRN00000061", "CANARY.csv", "data.labels: the file is neither a CSV in UTF-8"),
    "only damaged files": ("MRN00000062", None, "data.source: No image could be read"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", _BROKEN)
def test_a_source_that_cannot_be_used_is_not_quoted(case: str, export: Path) -> None:
    source, labels, says = _BROKEN[case]
    settings = {"data.source": export / source, "data.labels": export / labels if labels else "null"}
    workspace = export.parent / "left" / "workspace"
    ran = _run_and_keep_all(SMOKE, settings=settings, workspace=workspace)
    assert ran.code == 2, ran.output
    last = ran.output.rstrip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert says in last
    assert "Traceback" not in ran.output
    path = {"path": re.escape(str(export)).encode()}
    assert leaks(workspace.parent, patterns={**IDENTIFIERS, **path}) == set()


def test_a_folder_that_cannot_be_listed_is_not_quoted(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match="be read") as caught:
        source_content(DataOptions(source=str(export)), pseudonyms=Pseudonyms(b"\1" * 32), workspace=export.parent)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_a_bug_is_told_without_its_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    who = _CANARY_VALUES["name"]

    def stumble() -> None:
        raise KeyError(who)

    monkeypatch.setattr("medtrimix.cli.app.app", stumble)
    with pytest.raises(SystemExit) as caught:
        main()
    said = "".join(capsys.readouterr())
    assert caught.value.code == 1
    assert "KeyError" in said
    assert "test_privacy_search.py" in said
    assert "CANARY" not in said


# Companions of the search itself: it finds each identifier in each spelling and in each container.


_SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "utf-32-le": lambda text: text.encode("utf-32-le"),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "hex of utf-16": lambda text: text.encode("utf-16-le").hex().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, one byte on": lambda text: base64.b64encode(b"\xff" + text.encode()),
    "base64, two bytes on": lambda text: base64.b64encode(b"\xff\xfe" + text.encode()),
    "base64 of utf-16": lambda text: base64.b64encode(text.encode("utf-16")),
    "base64 in lines": lambda text: base64.encodebytes(b"x" * 50 + text.encode()),
    "base64 in UTF-32 of numpy": lambda text: base64.b64encode(text.encode()).decode().encode("utf-32-le"),
}


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_every_spelling_is_seen_through(spelling: str, identifier: str) -> None:
    said = _SPELLINGS[spelling](_CANARY_VALUES[identifier])
    for before in (b"", b"\0", b"\xfe\xff\n", b"<p>", b"key: "):  # any alignment
        assert found_in(before + said + b"\n", patterns=IDENTIFIERS) == {identifier}


def test_innocent_bytes_are_innocent() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(256, size=200_000, dtype=np.uint8).tobytes()
    for data in (
        noise,
        noise.hex().encode(),
        base64.b64encode(noise),
        b"canary MRN0 ACC1234567 1901-02-03 1.2.826.0.1",
    ):
        assert found_in(data, patterns=IDENTIFIERS) == set()


def _in_sqlite(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table tags (key text, value)")
        database.execute("insert into tags values (?, ?)", ("note", "x" * 9000 + text))
        database.execute("insert into tags values (?, ?)", ("blob", text.encode("utf-16-le")))


def _in_npz(path: Path, text: str) -> None:
    np.savez_compressed(path, patient_N=np.array([text, "b" * 40] * 50))


def _in_parquet(path: Path, text: str) -> None:
    pd.DataFrame({"patient": [text, "b"] * 50}).to_parquet(path, compression="gzip")


def _in_checkpoint(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", text.encode() * 3)


def _in_page(path: Path, text: str) -> None:
    svg = base64.b64encode(f"<svg><title>{text}</title></svg>".encode()).decode()
    path.write_text(f'<html><img src="data:image/svg+xml;base64,{svg}"></html>')


def _in_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode() * 3))


def _in_name(path: Path, text: str) -> None:
    (path.parent / text).mkdir()


def _in_link(path: Path, text: str) -> None:
    path.symlink_to(path.parent / f"{text}-gone")


_CONTAINERS = {
    "mlflow.db": _in_sqlite,
    "test.npz": _in_npz,
    "index.parquet": _in_parquet,
    "checkpoint.pt": _in_checkpoint,
    "report.html": _in_page,
    "log.gz": _in_gzip,
    ".folder": _in_name,
    ".link": _in_link,
    ".curves.jsonl.tmp": lambda path, text: path.write_text(f'{{"step": 1, "who": "{text}"}}'),
}


@pytest.mark.parametrize("container", _CONTAINERS)
@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_every_container_is_opened(container: str, identifier: str, tmp_path: Path) -> None:
    folder = tmp_path / "steps" / "learn" / "0a1b"
    folder.mkdir(parents=True)
    _CONTAINERS[container](folder / container, _CANARY_VALUES[identifier])
    assert {name for _, name in leaks(tmp_path, patterns=IDENTIFIERS)} == {identifier}
