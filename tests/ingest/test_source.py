"""Folders and manifests: which files, which labels, which refusals, and what errors say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest
from dicom_files import noise, radiograph, write
from PIL import Image

from medtrimix.errors import SourceError
from medtrimix.ingest.listing import list_source, would_read
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Finished, OtherUnits, Outcome, Sample
from medtrimix.ingest.source import content_digest, ingest, stat_fingerprint
from medtrimix.ingest.verdict import Verdict

NAMES = Pseudonyms(b"\x01" * 32)


def _png(path: Path, *, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise((16, 16), bits=8, seed=seed)).save(path, "png")
    return path


def _ingest(options: DataOptions) -> dict[str, Sample | Verdict]:
    """What became of each file, by its name."""
    outcomes = list(ingest(options, pseudonyms=NAMES, workers=1))
    found: dict[str, Sample | Verdict] = {}
    for file, outcome in zip(list_source(options).files, outcomes, strict=True):
        assert len(outcome.samples) + len(outcome.refusals) == 1
        assert outcome.accepted_files == len(outcome.samples)
        found[file.relative] = outcome.samples[0] if outcome.samples else outcome.refusals[0].verdict
    return found


def _labels(outcome: dict[str, Sample | Verdict], *names: str) -> list[str]:
    samples = [outcome[name] for name in names]
    return [sample.record.label if isinstance(sample, Sample) else str(sample) for sample in samples]


def test_every_file_of_a_folder_gets_one_verdict(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _png(root / "b" / "picture")  # no ending: by its content
    write(radiograph(noise()), root / "a" / "image.dcm")
    (root / "notes.txt").write_text("CANARY")
    (root / "empty.png").touch()
    (root / "fake.dcm").write_text("not DICOM")
    (root / "brain.nii.gz").write_bytes(b"\x1f\x8b\x08" + bytes(100))
    os.mkfifo(root / "pipe")
    outside = _png(tmp_path / "outside.png")
    (root / "link.png").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    (root / "locked.png").write_bytes(b"")
    outcome = _ingest(DataOptions(source=str(root)))
    expected = {
        "notes.txt": Verdict.not_an_image,
        "empty.png": Verdict.not_an_image,
        "locked.png": Verdict.not_an_image,
        "fake.dcm": Verdict.not_dicom,
        "brain.nii.gz": Verdict.is_volume,
        "pipe": Verdict.special_file,
        "link.png": Verdict.symlink,
        "folder": Verdict.symlink,
    }
    refused = {key: value for key, value in outcome.items() if isinstance(value, Verdict)}
    assert refused == expected
    accepted = [sample.record.encoding for sample in outcome.values() if isinstance(sample, Sample)]
    assert accepted == ["explicit_le", "png"], "in the order of paths"


def test_photographs_without_patients_are_a_patient_each(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        _png(tmp_path / name)
    records = [item.record for item in _ingest(DataOptions(source=str(tmp_path))).values() if isinstance(item, Sample)]
    assert len({record.patient_id for record in records}) == 2
    assert {record.label for record in records} == {""}
    assert len({record.pixel_sha256 for record in records}) == 1, "same pixels, but no SOP instance: kept, and seen"


def test_labels_by_path_are_relative_to_the_csv(tmp_path: Path) -> None:
    for number in range(3):
        _png(tmp_path / "images" / f"{number}.png", seed=number)
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / "labels.csv"
    table.write_text(
        "\ufeffpath,finding,patient_id,split\n"
        "../images/0.png,nodule,P1,train\n\n../images/1.png,normal, p1 ,test\n../images/absent.png,normal,P3,\n"
    )
    outcome = _ingest(DataOptions(source=str(tmp_path / "images"), labels=str(table), label="finding"))
    assert _labels(outcome, "0.png", "1.png", "2.png") == ["nodule", "normal", ""]
    first, second, third = (outcome[f"{number}.png"] for number in range(3))
    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    assert isinstance(third, Sample)
    assert first.record.patient_id == second.record.patient_id == NAMES.patient("P1")
    assert third.record.patient_id != first.record.patient_id
    assert [item.record.flags for item in (first, second, third)] == ["", "", "no_patient_number"]
    assert [item.record.split for item in (first, second, third)] == ["train", "test", ""]


def test_labels_by_patient_are_joined_without_their_numbers_coming_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(radiograph(noise(seed=1), PatientID="MRN0001", IssuerOfPatientID="CANARY"), root / "1")
    write(radiograph(noise(seed=2), PatientID="mrn0002 "), root / "2")
    write(radiograph(noise(seed=3), PatientID="MRN0003"), root / "3")
    (root / "labels.csv").write_text("patient_id,label\nMRN0001,sick\nMRN0002,well\n")
    outcome = _ingest(DataOptions(source=str(root), labels=str(root / "labels.csv")))
    assert _labels(outcome, "1", "2", "3") == ["sick", "well", ""]
    assert "labels.csv" not in outcome, "the label file is no file of the source"
    assert "MRN" not in repr(outcome)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,other\nCANARY.png,1\n", "no column 'label'"),
        ("file,label\nCANARY.png,1\n", "none of the columns 'path', 'series_uid'"),
        ("path,label\nCANARY.png,1\nb.png,2\nCANARY.png,2\n", "rows 2 and 4"),
        ("path,label,label\nCANARY.png,1,2\n", "columns 2 and 3 have the same heading"),
        ("CANARY,x,CANARY\n", "columns 1 and 3 have the same heading"),
        ("path,label\nCANARY.png\n", "row 2 has 1 cells under 2 headings"),
        ("path,label,split\nCANARY.png,1,CANARY\n", "row 2: column 'split'"),
        ("path,label\n,CANARY\n", "row 2: column 'path' is empty"),
        ("path,label\nCANARY.png,1\n", "no row of the labels fits any image by 'path'"),
        ("patient_id,label\nCANARY,1\n", "no row of the labels fits any image by 'patient_id'"),
        ("", "empty"),
        ('path,label\n"CANARY,1\n', "neither a CSV"),
    ],
)
def test_label_errors_name_columns_and_rows_only(tmp_path: Path, text: str, message: str) -> None:
    _png(tmp_path / "images" / "a.png")
    (tmp_path / "CANARY.csv").write_text(text)
    options = DataOptions(source=str(tmp_path / "images"), labels=str(tmp_path / "CANARY.csv"))
    with pytest.raises(SourceError) as error:
        list(ingest(options, pseudonyms=NAMES, workers=1))
    assert message in str(error.value)
    assert error.value.where == "data.labels"
    _assert_says_nothing(error.value)


def _assert_says_nothing(error: BaseException) -> None:
    link: BaseException | None = error
    while link is not None:
        assert "CANARY" not in f"{link} {link!r} {link.args}"
        link = link.__cause__ or link.__context__


def test_labels_that_are_absent_or_not_text(tmp_path: Path) -> None:
    _png(tmp_path / "a.png")
    (tmp_path / "CANARY-binary.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("CANARY-absent.csv", "CANARY-binary.csv"):
        with pytest.raises(SourceError) as error:
            ingest(DataOptions(source=str(tmp_path), labels=str(tmp_path / name)), pseudonyms=NAMES, workers=1)
        _assert_says_nothing(error.value)


def test_spelling_of_a_patient_and_a_site_contradicts_nothing(tmp_path: Path) -> None:
    write(radiograph(noise(), PatientID="MRN0001"), tmp_path / "1")
    (tmp_path / "labels.csv").write_text("patient_id,label,site,,\nmrn0001,sick,North,,\nMRN0001 ,sick,north,,\n")
    assert _labels(_ingest(DataOptions(source=str(tmp_path), labels=str(tmp_path / "labels.csv"))), "1") == ["sick"]


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_letters_with_marks_are_the_same_however_they_are_written(tmp_path: Path, on_disk: str, in_table: str) -> None:
    root = tmp_path / normalize(on_disk, "Jörg")
    _png(root / normalize(on_disk, "Röntgen") / normalize(on_disk, "Ärm.png"))
    table = root / "labels.csv"
    for name in ("Röntgen/Ärm.png", "Röntgen"):
        table.write_text(f"path,label\n{normalize(in_table, name)},sick\n", encoding="utf-8")
        for options in (DataOptions(source=str(root), labels=str(table)), DataOptions(source=str(table))):
            (sample,) = _ingest(options).values()
            assert isinstance(sample, Sample)
            assert sample.record.label == "sick"


def test_another_spelling_leads_outside_no_more_than_the_first(tmp_path: Path) -> None:
    _png(tmp_path / "outside" / "1.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "Rö").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "m.csv").write_text(f"path,label\n{normalize('NFD', 'Rö')}/1.png,a\n", encoding="utf-8")
    outcome = _ingest(DataOptions(source=str(tmp_path / "root" / "m.csv")))
    assert set(outcome.values()) == {Verdict.outside_root}


@pytest.mark.parametrize(("issuer", "patients"), [("ignore", 1), ("separate", 2)])
def test_a_patient_with_and_without_an_issuer(tmp_path: Path, issuer: str, patients: int) -> None:
    """A DX file that names who issued the number, a CR file that does not, and a photograph with it in a table."""
    write(radiograph(noise(seed=1), PatientID="MRN0001", IssuerOfPatientID="CANARY"), tmp_path / "1")
    write(radiograph(noise(seed=2), PatientID="mrn0001"), tmp_path / "2")
    _png(tmp_path / "3")
    (tmp_path / "labels.csv").write_text("path,label,patient_id\n3,sick,MRN0001\n")
    options = DataOptions.model_validate(
        {"source": str(tmp_path), "labels": str(tmp_path / "labels.csv"), "issuer": issuer}
    )
    records = [sample.record for sample in _ingest(options).values() if isinstance(sample, Sample)]
    assert len(records) == 3
    assert len({record.patient_id for record in records}) == patients


def test_a_manifest_reads_its_own_files_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in range(3):
        _png(root / f"{number}.png", seed=number)
    _png(tmp_path / "secret.png")
    (root / "out").symlink_to(tmp_path)
    (root / "link.png").symlink_to(root / "0.png")
    (root / "m.csv").write_text(
        "path,label,split\n1.png,a,train\n./0.png,b,val\nabsent.png,a,\n../secret.png,a,\n"
        f"{tmp_path}/secret.png,a,\nout/secret.png,a,\nlink.png,a,\n"
    )
    outcome = list(ingest(DataOptions(source=str(root / "m.csv")), pseudonyms=NAMES, workers=1))
    samples = [sample.record for item in outcome for sample in item.samples]
    assert [(record.label, record.split) for record in samples] == [("b", "val"), ("a", "train")]
    assert Counter(refusal.verdict for item in outcome for refusal in item.refusals) == {
        Verdict.missing_file: 1,
        Verdict.outside_root: 3,
        Verdict.symlink: 1,
    }


def test_sites_are_kept_as_pseudonyms_and_never_as_they_are_written(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in range(4):
        _png(root / f"{number}.png", seed=number)
    rows = "0.png,a,CANARY North\n1.png,a,canary north \n2.png,b,CANARY South\n3.png,b,\n"
    (root / "m.csv").write_text(f"path,label,site\n{rows}")
    outcome = list(ingest(DataOptions(source=str(root / "m.csv")), pseudonyms=NAMES, workers=1))
    sites = [sample.record.site for item in outcome for sample in item.samples]
    assert sites == [NAMES.site("CANARY North"), NAMES.site("CANARY North"), NAMES.site("CANARY South"), ""]
    assert len(set(sites)) == 3
    assert {len(site) for site in sites} == {0, 8}
    assert "canary" not in repr(outcome).lower()
    (root / "m.csv").write_text(f"path,label,site\n{rows}0.png,a,elsewhere\n")
    with pytest.raises(SourceError, match="rows 2 and 6"):
        list(ingest(DataOptions(source=str(root / "m.csv")), pseudonyms=NAMES, workers=1))


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "CANARY.txt").write_text("x")
    (tmp_path / "m.csv").write_text("path,label\n")
    for name, message in [
        ("empty", "no files"),
        ("CANARY", "no such"),
        ("CANARY" * 50, "can't be read"),
        ("CANARY.txt", "neither"),
        ("m.csv", "no files"),
    ]:
        with pytest.raises(SourceError, match=message) as error:
            ingest(DataOptions(source=str(tmp_path / name)), pseudonyms=NAMES, workers=1)
        _assert_says_nothing(error.value)
    with pytest.raises(SourceError, match="joined to a folder"):
        ingest(DataOptions(source=str(tmp_path / "m.csv"), labels="x.csv"), pseudonyms=NAMES, workers=1)


def test_copies_of_an_instance_are_duplicates_only_with_the_same_pixels(tmp_path: Path) -> None:
    first = radiograph(noise())
    write(first, tmp_path / "1")
    write(first, tmp_path / "2")
    write(radiograph(noise(seed=5), SOPInstanceUID=first.SOPInstanceUID), tmp_path / "3")
    write(radiograph(noise(), SOPInstanceUID="1.2.3.99"), tmp_path / "4")
    outcome = _ingest(DataOptions(source=str(tmp_path)))
    assert [outcome[name] == Verdict.duplicate for name in "1234"] == [False, True, False, False]


def test_missing_patients(tmp_path: Path) -> None:
    for name, study in (("1", "1.2.1"), ("2", "1.2.1"), ("3", "1.2.3")):
        write(radiograph(noise(seed=int(name)), PatientID="", StudyInstanceUID=study), tmp_path / name)
    write(radiograph(noise(seed=4), PatientID=None, StudyInstanceUID=None), tmp_path / "4")
    refused = _ingest(DataOptions(source=str(tmp_path)))
    assert set(refused.values()) == {Verdict.missing_patient}
    grouped = _ingest(DataOptions(source=str(tmp_path), missing_patient="by_study"))
    patients = [item.record.patient_id for item in grouped.values() if isinstance(item, Sample)]
    assert {item.record.flags for item in grouped.values() if isinstance(item, Sample)} == {"no_patient_number"}
    assert len(patients) == 3
    assert len(set(patients)) == 2
    assert grouped["4"] == Verdict.missing_patient
    (tmp_path / "labels.csv").write_text("path,label,patient_id\n4,sick,P4\n")
    labelled = _ingest(DataOptions(source=str(tmp_path), labels=str(tmp_path / "labels.csv")))
    sample = labelled["4"]
    assert isinstance(sample, Sample)
    assert sample.record.patient_id == NAMES.patient("P4")


def test_digests_see_names_bytes_and_labels(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _png(root / "a.png")
    (root / "labels.csv").write_text("path,label\na.png,x\n")
    options = DataOptions(source=str(root), labels=str(root / "labels.csv"))

    def both() -> tuple[str, str]:
        return content_digest(options, pseudonyms=NAMES), stat_fingerprint(options, pseudonyms=NAMES)

    seen = [both()]
    assert both() == seen[0]
    content, fingerprint = seen[0]
    os.utime(root / "a.png", ns=(1, 1))
    assert content_digest(options, pseudonyms=NAMES) == content
    assert stat_fingerprint(options, pseudonyms=NAMES) != fingerprint
    for change in (
        lambda: (root / "labels.csv").write_text("path,label\na.png,yy\n"),
        lambda: (root / "a.png").rename(root / "b.png"),
        lambda: _png(root / "b.png", seed=9),
        lambda: _png(root / "c.png"),
    ):
        change()
        seen.append(both())
    assert len({content for content, _ in seen}) == 5
    assert len({fingerprint for _, fingerprint in seen}) == 5
    assert content_digest(options, pseudonyms=Pseudonyms(b"\x02" * 32)) != seen[-1][0]


def test_exports_of_one_listing_are_told_apart(tmp_path: Path) -> None:
    """Archives restore names, sizes and times."""
    for name, content in (("a", b"1"), ("b", b"2"), ("tables/a", b"1"), ("tables/b", b"2")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.csv").write_bytes(content)
        os.utime(tmp_path / name / "x.csv", ns=(0, 0))
    folders = [DataOptions(source=str(tmp_path / name)) for name in "ab"]
    labelled = [folders[0].model_copy(update={"labels": str(tmp_path / "tables" / name / "x.csv")}) for name in "ab"]
    for pair in (folders, labelled):
        first, second = (stat_fingerprint(options, pseudonyms=NAMES) for options in pair)
        assert first != second
    before = stat_fingerprint(folders[0], pseudonyms=NAMES)
    (tmp_path / "a" / "x.csv").write_bytes(b"3")
    os.utime(tmp_path / "a" / "x.csv", ns=(0, 0))
    assert stat_fingerprint(folders[0], pseudonyms=NAMES) != before


@pytest.mark.parametrize(
    ("source", "folder", "expected"),
    [
        ("root", "root", True),
        ("root", "root/a/workspace", True),
        ("root", "rooted", False),
        ("root", ".", False),
        ("m.csv", "root/a/b", True),
        ("m.csv", "root/a", True),
        ("m.csv", "root/c", False),
        ("m.csv", "workspace", False),
        ("absent", "absent2", False),
    ],
)
def test_folders_that_would_be_read(tmp_path: Path, source: str, folder: str, expected: bool) -> None:
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "m.csv").write_text("path,label\nroot/./a/,x\nroot/c/1.png,y\n")
    assert would_read(tmp_path / folder, options=DataOptions(source=str(tmp_path / source))) is expected


def test_digests_and_options_load_nothing_heavy(tmp_path: Path) -> None:
    _png(tmp_path / "a.png")
    script = (
        "import sys\n"
        "from medtrimix.ingest.source import content_digest, stat_fingerprint\n"
        "from medtrimix.ingest.options import DataOptions\n"
        "from medtrimix.ingest.pseudonym import Pseudonyms\n"
        f"options = DataOptions(source={str(tmp_path)!r})\n"
        "for digest in (content_digest, stat_fingerprint): digest(options, pseudonyms=Pseudonyms(b'x' * 32))\n"
        "heavy = {'numpy', 'pandas', 'pydicom', 'PIL', 'torch'} & set(sys.modules)\n"
        "import numpy\n"
        "assert 'numpy' in sys.modules and not heavy, heavy\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_image_options_reach_the_pictures(tmp_path: Path) -> None:
    Image.fromarray(noise((40, 20, 3), bits=8)).save(tmp_path / "a.png")
    options = DataOptions(source=str(tmp_path), image_size=(32, 48), channels="rgb", fit="crop")
    (sample,) = _ingest(options).values()
    assert isinstance(sample, Sample)
    assert sample.image.array.shape == (3, 32, 48)
    assert (sample.record.rows, sample.record.columns) == (40, 20)
    assert np.isnan(sample.record.spacing_mm)


def test_an_interrupted_ingest_goes_on_where_it_was(tmp_path: Path) -> None:
    first = radiograph(noise())
    for name in "13":
        write(first, tmp_path / name)
    write(radiograph(noise(seed=5), SOPInstanceUID=first.SOPInstanceUID), tmp_path / "2")
    write(radiograph(noise(seed=5), SOPInstanceUID=first.SOPInstanceUID), tmp_path / "4")
    options = DataOptions(source=str(tmp_path))
    whole = list(ingest(options, pseudonyms=NAMES, workers=1))
    assert [len(outcome.samples) for outcome in whole] == [1, 1, 0, 0]
    for units in range(5):
        accepted = {s.record.sample_id: s.record.pixel_sha256 for outcome in whole[:units] for s in outcome.samples}
        rest = ingest(
            options, pseudonyms=NAMES, workers=1, finished=Finished([o.unit for o in whole[:units]], accepted)
        )
        assert [_said(outcome) for outcome in rest] == [_said(outcome) for outcome in whole[units:]]


def test_a_file_that_was_there_for_a_moment_hides_no_other(tmp_path: Path) -> None:
    for name in "bcd":
        _png(tmp_path / f"{name}.png", seed=ord(name))
    options = DataOptions(source=str(tmp_path))
    (tmp_path / "a.tmp").touch()
    names = [outcome.unit for outcome in ingest(options, pseudonyms=NAMES, workers=1)]
    assert len(set(names)) == 4
    (tmp_path / "a.tmp").unlink()
    with pytest.raises(OtherUnits):
        ingest(options, pseudonyms=NAMES, workers=1, finished=Finished(names[:2]))
    (left,) = ingest(options, pseudonyms=NAMES, workers=1, finished=Finished([names[1], names[3]]))
    assert left.unit == names[2]


def _said(outcome: Outcome) -> str:
    return repr(([sample.record for sample in outcome.samples], outcome.refusals, outcome.accepted_files))


def test_labels_of_several_findings(tmp_path: Path) -> None:
    for number in range(4):
        _png(tmp_path / f"{number}.png", seed=number)
    table = tmp_path / "labels.csv"
    table.write_text("path,edema,nodule\n0.png,1,1\n1.png,0,0\n2.png,0.0,1.0\n3.png,,\n")
    options = DataOptions(source=str(tmp_path), labels=str(table), label=("edema", "nodule"))
    assert _labels(_ingest(options), "0.png", "1.png", "2.png", "3.png") == ["edema|nodule", "none", "nodule", ""]
    chosen = options.model_copy(update={"finding": "edema"})
    assert _labels(_ingest(chosen), "0.png", "1.png", "2.png", "3.png") == ["yes", "no", "no", ""]
    for cell, message in (("CANARY", "takes 0, 1 or nothing"), ("", "is empty while others are not")):
        table.write_text(f"path,edema,nodule\n0.png,{cell},1\n")
        with pytest.raises(SourceError, match=f"row 2: column 'edema' {message}") as error:
            ingest(options, pseudonyms=NAMES, workers=1)
        _assert_says_nothing(error.value)


@pytest.mark.parametrize(("column", "value"), [("study_uid", "1.2.3.4"), ("series_uid", "1.2.3.4.5")])
def test_labels_by_study_and_by_series(tmp_path: Path, column: str, value: str) -> None:
    write(radiograph(noise(seed=1)), tmp_path / "1")
    write(radiograph(noise(seed=2), StudyInstanceUID="9.9", SeriesInstanceUID="9.9.9"), tmp_path / "2")
    (tmp_path / "labels.csv").write_text(f"{column},label\n{value},sick\n")
    outcome = _ingest(DataOptions(source=str(tmp_path), labels=str(tmp_path / "labels.csv")))
    assert _labels(outcome, "1", "2") == ["sick", ""]
    assert value not in repr(outcome)


def test_a_folder_of_the_labels_stands_for_all_in_it(tmp_path: Path) -> None:
    for name in ("a/b/1.png", "a/2.png", "c/3.png", "ab/4.png"):
        _png(tmp_path / name)
    (tmp_path / "labels.csv").write_text("path,label\na,sick\na/b/1.png,well\n")
    outcome = _ingest(DataOptions(source=str(tmp_path), labels=str(tmp_path / "labels.csv")))
    assert _labels(outcome, "a/b/1.png", "a/2.png", "c/3.png", "ab/4.png") == ["well", "sick", "", ""]


def test_a_parquet_manifest_is_a_csv_of_another_kind(tmp_path: Path) -> None:
    for number in range(3):
        _png(tmp_path / f"{number}.png", seed=number)
    table = pd.DataFrame(
        {"path": ["0.png", "1.png", "2.png"], "label": [1.0, 0.0, None], "split": ["train", "val", ""]}
    )
    table.to_parquet(tmp_path / "m.parquet")
    outcome = _ingest(DataOptions(source=str(tmp_path / "m.parquet")))
    assert _labels(outcome, "0.png", "1.png", "2.png") == ["1", "0", ""]


def test_a_manifest_may_name_folders(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/b/2.png", "c/3.png", "d.png"):
        _png(tmp_path / name)
    (tmp_path / "m.csv").write_text("path,label,patient_id\na,sick,P1\na/b/2.png,well,P2\nd.png,well,P3\n")
    outcome = _ingest(DataOptions(source=str(tmp_path / "m.csv")))
    assert _labels(outcome, "a/1.png", "a/b/2.png", "d.png") == ["sick", "well", "well"]
    assert "c/3.png" not in outcome
