"""Canaries in every place that pydicom and Pillow are known to quote: nothing of them comes out."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
from dicom_files import CANARIES, noise, radiograph, write
from PIL import Image, PngImagePlugin
from pydicom import config, dcmread

from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.source import ingest
from medtrimix.ingest.verdict import Verdict


def _tree(root: Path) -> int:
    """Files in folders named by patient, whose values provoke warnings and errors; returns how many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(radiograph(noise()), root / "MRN0001" / "CANARY.dcm")
        write(radiograph(noise(seed=1), WindowCenter=5, WindowWidth=9), root / "MRN0001" / "quiet")
        bad = _with_bad_values(root / "MRN0002" / "bad-values.dcm")
        (root / "MRN0002" / "cut.dcm").write_bytes(bad[:-300])
        (root / "MRN0002" / "uid.dcm").write_bytes(
            bad.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.CANARY.9.2.1\0"[:20])
        )
        ds = radiograph(noise(bits=8))
        ds.compress("1.2.840.10008.1.2.4.80", generate_instance_uid=False)
        stream = write(ds, root / "MRN0003" / "jls").read_bytes()
        (root / "MRN0003" / "jls").write_bytes(stream[:-80] + b"CANARY" * 10 + stream[-20:])
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", "CANARY^NAME MRN0001")
    Image.fromarray(noise((16, 16), bits=8)).save(root / "MRN0003" / "CANARY.png", pnginfo=text)
    (root / "MRN0003" / "CANARY.txt").write_text("CANARY")
    return 8


def _with_bad_values(path: Path) -> bytes:
    """Values that break their representation, which pydicom warns about, quoting them."""
    ds = radiograph(noise(seed=2), PatientID="MRN" + "9" * 70)
    mode = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        ds.add_new("StudyInstanceUID", "UI", "1.2.CANARY.3")
        ds.add_new("WindowCenter", "DS", "12.345678901234567890")
        ds.add_new("WindowWidth", "DS", "900.00000000000000001")
        data = write(ds, path).read_bytes()
    finally:
        config.settings.writing_validation_mode = mode
    return data


def test_nothing_identifying_comes_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    root = tmp_path / "CANARY"
    count = _tree(root)
    capfd.readouterr()
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = DataOptions(source=str(root), missing_patient="by_study")
        outcome = list(ingest(options, pseudonyms=Pseudonyms(b"\x01" * 32), workers=2))
    captured = capfd.readouterr()
    said = captured.out + captured.err + caplog.text + "".join(str(warning.message) for warning in caught)
    accepted = [sample.record for item in outcome for sample in item.samples]
    refused = [refusal for item in outcome for refusal in item.refusals]
    returned = repr((accepted, refused))
    assert len(outcome) == count
    assert said == ""
    for canary in (*CANARIES, "1.2.3", str(tmp_path)):
        assert canary not in returned
    assert len(accepted) >= 4
    assert {Verdict.truncated, Verdict.not_an_image} <= {refusal.verdict for refusal in refused}


def test_the_canaries_would_be_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Companion: the same files, read with pydicom in this process, do quote their values."""
    _tree(tmp_path)
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        str(dcmread(tmp_path / "MRN0002" / "bad-values.dcm"))
    assert "CANARY" in caplog.text + "".join(str(warning.message) for warning in caught)
