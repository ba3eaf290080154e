"""Ingest over DICOMweb from a real PACS, Orthanc, as it is typed: the same manifest as from the folder."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from dicom_files import CANARIES, noise, radiograph, write
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medtrimix.data.store import ArrayStore

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PROGRAMS = ("Orthanc", "storescu", "unshare", "nsenter", "ip")
SERVICE = "dicomweb+http://127.0.0.1:8042/dicom-web"
STUDIES = 20
PROPOSED = {"raw": "-xe", RLELossless: "-xr", JPEGLSLossless: "-xt", JPEG2000Lossless: "-xv"}
"""Option of storescu that proposes a transfer syntax."""


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc, alone with its loopback in a network namespace: it listens on every interface it has."""

    process: subprocess.Popen[bytes]

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command beside it."""
        enter = ("nsenter", f"--target={self.process.pid}", "--user", "--net", "--preserve-credentials")
        return subprocess.run(
            [*enter, *command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        )

    def store(self, files: Sequence[Path], *, proposing: str) -> None:
        sent = self.run("storescu", proposing, "-aec", "ORTHANC", "127.0.0.1", "4242", *map(str, files))
        assert sent.returncode == 0, sent.stderr

    def ingest(self, source: str, out: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "medtrimix", "ingest", source, "--out", str(out), "--workers", "2", *more)
        return self.run(*command, **environment)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Filled by nobody yet."""
    missing = [name for name in PROGRAMS if not shutil.which(name)] + [PLUGIN.name] * (not PLUGIN.is_file())
    if missing:
        pytest.skip(
            f"no PACS to ask, {', '.join(missing)} missing: apt-get install orthanc orthanc-dicomweb dcmtk iproute2"
        )
    if subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PACS to ask: this system allows no network namespaces")
    folder = tmp_path_factory.mktemp("orthanc")
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"anna": "secret"},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    start = f"ip link set lo up && exec Orthanc {folder}/orthanc.json"
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--map-root-user", "--net", "sh", "-c", start], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 30
        while b"Orthanc has started" not in (folder / "orthanc.log").read_bytes():
            assert process.poll() is None, (folder / "orthanc.log").read_text()
            assert time.monotonic() < deadline, "Orthanc did not start in time"
            time.sleep(0.05)
        yield Orthanc(process)
    finally:
        process.kill()
        process.wait()


def _study(number: int) -> Dataset:
    return radiograph(
        noise((64, 80), seed=number),
        StudyInstanceUID=f"1.2.66.{number}",
        SeriesInstanceUID=f"1.2.66.{number}.1",
        SOPInstanceUID=f"1.2.66.{number}.1.1",
        PatientID=f"MRN{number // 2:04d}",
        Modality="DX" if number % 2 else "CR",
        StudyDate=f"20{number:02d}0615",
        PhotometricInterpretation="MONOCHROME1" if number % 3 else "MONOCHROME2",
    )


def _export(folder: Path) -> dict[str, list[Path]]:
    """The studies as files, by transfer syntax; one study has a second instance."""
    files: dict[str, list[Path]] = {syntax: [] for syntax in PROPOSED}
    for number in range(STUDIES):
        syntax = list(PROPOSED)[number % len(PROPOSED)]
        ds = _study(number)
        if syntax != "raw":
            ds.compress(syntax, generate_instance_uid=False)
        files[syntax].append(write(ds, folder / f"CANARY{number}.dcm"))
    second = _study(0)
    second.SOPInstanceUID = "1.2.66.0.1.2"
    second.PixelData = second.PixelData[::-1]
    files["raw"].append(write(second, folder / "CANARY-second.dcm"))
    return files


def _manifest(out: Path) -> list[dict[str, str]]:
    """Rows by sample, without their place in the store: instances are read in the order of their UIDs or names."""
    with (out / "manifest.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["sample_id"])
    return [{name: cell for name, cell in row.items() if name not in ("shard", "row")} for row in rows]


def _images(out: Path) -> dict[str, bytes]:
    store = ArrayStore.open(out / "store")
    names = store.columns("sample_id")["sample_id"]
    images = store.images(np.arange(len(store)))
    return {name: image.tobytes() for name, image in zip(names, images, strict=True)}


@pytest.mark.slow
def test_the_manifest_is_that_of_the_folder(orthanc: Orthanc, tmp_path: Path) -> None:
    files = _export(tmp_path / "export")
    for syntax, paths in files.items():
        orthanc.store(paths, proposing=PROPOSED[syntax])
    (tmp_path / "labels.csv").write_text("patient_id,label\nMRN0000,sick\nMRN0001,well\n")
    labels = ("--labels", str(tmp_path / "labels.csv"))
    anna = {"MEDTRIMIX_DICOMWEB_USER": "anna", "MEDTRIMIX_DICOMWEB_PASSWORD": "secret"}

    over_network = orthanc.ingest(SERVICE, tmp_path / "pacs", *labels, **anna)
    from_folder = orthanc.ingest(str(tmp_path / "export"), tmp_path / "folder", *labels)
    assert over_network.returncode == from_folder.returncode == 0, over_network.stderr + from_folder.stderr
    rows = _manifest(tmp_path / "pacs")
    assert rows == _manifest(tmp_path / "folder")
    assert _images(tmp_path / "pacs") == _images(tmp_path / "folder")
    assert len(rows) == STUDIES + 1
    assert len({row["study_id"] for row in rows}) == STUDIES
    assert {row["encoding"] for row in rows} == {"explicit_le", "rle", "jpegls", "jpeg2000"}
    said = over_network.stdout + over_network.stderr + repr(rows)
    assert not any(word in said for word in (*CANARIES, "1.2.66", "secret"))

    refused = orthanc.ingest(SERVICE, tmp_path / "none", MEDTRIMIX_DICOMWEB_TOKEN="wrong")
    assert refused.returncode == 2
    assert "data.source: the DICOMweb service refuses the credentials (HTTP 401)." in " ".join(refused.stderr.split())
    assert not (tmp_path / "none").exists()

    count = (
        "from medtrimix.ingest.pacs.dicomweb import instances\n"
        "from medtrimix.ingest.pacs.service import parse_service\n"
        f"print(len(instances(parse_service('{SERVICE}?Modality=DX&StudyDate=20050101-20121231'))))"
    )
    filtered = orthanc.run(sys.executable, "-c", count, **anna)
    assert int(filtered.stdout) == sum(number % 2 for number in range(5, 13)), filtered.stderr
