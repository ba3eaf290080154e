"""MedMNIST archives, streamed."""

from __future__ import annotations

import hashlib
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from dicom_files import noise

from medtrimix.errors import SourceError
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Sample
from medtrimix.ingest.source import content_digest, ingest
from medtrimix.ingest.verdict import Verdict

COUNTS = {"train": 5, "val": 2, "test": 3}
NAMES = Pseudonyms(b"\x01" * 32)


def _archive(path: Path, *, shape: tuple[int, ...] = (28, 28), classes: int = 2, **change: object) -> Path:
    arrays: dict[str, object] = {}
    for seed, (split, count) in enumerate(COUNTS.items()):
        arrays[f"{split}_images"] = noise((count, *shape), bits=8, seed=seed)
        arrays[f"{split}_labels"] = (np.arange(count) % classes)[:, None].astype(np.uint8)
    arrays |= change
    np.savez_compressed(path, **{name: value for name, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    return path


def _ingest(path: Path, **options: object) -> list[Sample]:
    parsed = DataOptions(source=str(path), **options)  # type: ignore[arg-type]
    outcomes = list(ingest(parsed, pseudonyms=NAMES, workers=1))
    assert all(outcome.accepted_files == 1 and not outcome.refusals for outcome in outcomes)
    samples = [sample for outcome in outcomes for sample in outcome.samples]
    assert all(sample.image.array.shape == parsed.stored_shape for sample in samples)
    return samples


@pytest.mark.parametrize("shape", [(28, 28), (16, 20, 3)])
def test_pictures_labels_and_splits(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = _archive(tmp_path / "a.npz", shape=shape, classes=3)
    channels = "rgb" if len(shape) == 3 else "grey"
    samples = _ingest(path, image_size=shape[:2], channels=channels)
    with np.load(path, allow_pickle=False) as arrays:
        for split in ("train", "val", "test"):
            mine = [sample for sample in samples if sample.record.split == split]
            assert [sample.record.label for sample in mine] == [str(n) for n in arrays[f"{split}_labels"][:, 0]]
            for sample, picture in zip(mine, arrays[f"{split}_images"], strict=True):
                np.testing.assert_array_equal(np.squeeze(np.moveaxis(sample.image.array, 0, -1)), picture)
                assert sample.record.pixel_sha256 == hashlib.sha256(picture.tobytes()).hexdigest()
    assert len({sample.record.sample_id for sample in samples}) == 10
    assert len({sample.record.patient_id for sample in samples}) == 10
    assert {sample.record.encoding for sample in samples} == {"npz"}
    assert {sample.record.flags for sample in samples} == {"no_patient_number"}


def test_images_without_a_patient_number_can_be_left_out(tmp_path: Path) -> None:
    options = DataOptions(source=str(_archive(tmp_path / "a.npz")), exclude=(Flag.no_patient_number,))
    outcomes = list(ingest(options, pseudonyms=NAMES, workers=1))
    assert {refusal.verdict for outcome in outcomes for refusal in outcome.refusals} == {Verdict.excluded}
    assert not [sample for outcome in outcomes for sample in outcome.samples]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((5, 9, 8, 7), np.uint8)}, r"volumes: set `data.volume: {size: \[9, 8, 7\]}`"),
        ({"train_images": np.zeros((5, 8), np.uint8)}, r"\(N, H, W\)"),
        ({"train_labels": np.full((5, 14), 2)}, "0 or 1"),
        ({"train_labels": np.zeros((5, 1))}, "whole numbers"),
        ({"train_images": np.zeros((5, 8, 8))}, "uint8"),
        ({"train_images": np.zeros((4, 8, 8), np.uint8)}, "as many"),
        ({"test_labels": None}, "complete"),
        ({"train_images": np.asfortranarray(np.zeros((5, 8, 8), np.uint8))}, "C order"),
        ({"train_images": np.array([{"pickle": 1}] * 5, dtype=object)}, "must be"),
    ],
)
def test_archives_that_are_not_read(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        _ingest(_archive(tmp_path / "a.npz", **change))


def test_damage(tmp_path: Path) -> None:
    path = _archive(tmp_path / "CANARY.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match="complete") as error:
        _ingest(path)
    assert "CANARY" not in repr(error.value.__context__)


def test_pneumoniamnist(real_data: Path) -> None:
    path = real_data / "pneumoniamnist.npz"
    samples = _ingest(path, image_size=(28, 28))
    counts = Counter((sample.record.split, sample.record.label) for sample in samples)
    assert counts == {
        ("train", "0"): 1214,
        ("train", "1"): 3494,
        ("val", "0"): 135,
        ("val", "1"): 389,
        ("test", "0"): 234,
        ("test", "1"): 390,
    }
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(samples[-1].image.array[0], arrays["test_images"][-1])
    assert len(content_digest(DataOptions(source=str(path)), pseudonyms=NAMES)) == 64


# --- several findings ---


def test_several_findings_are_named_by_their_columns(tmp_path: Path) -> None:
    findings = np.zeros((5, 14), np.uint8)
    findings[0, [0, 3]] = findings[1, 13] = findings[3] = 1
    labels = {f"{split}_labels": findings[:count] for split, count in COUNTS.items()}
    samples = _ingest(_archive(tmp_path / "a.npz", **labels), image_size=(28, 28))
    everything = "|".join(str(number) for number in range(14))
    assert [sample.record.label for sample in samples[:5]] == ["0|3", "13", "none", everything, "none"]


# --- volumes ---

SHAPE = (6, 7, 8)


def test_volumes(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.npz", shape=SHAPE)
    samples = _ingest(path, volume=VolumeOptions(size=SHAPE))
    with np.load(path, allow_pickle=False) as arrays:
        volumes = np.concatenate([arrays[f"{split}_images"] for split in ("train", "val", "test")])
    for sample, volume in zip(samples, volumes, strict=True):
        np.testing.assert_array_equal(sample.image.array[0], volume)
        assert sample.record.pixel_sha256 == hashlib.sha256(volume.tobytes()).hexdigest()
        assert (sample.record.slices, sample.record.rows, sample.record.columns) == SHAPE
        assert sample.image.affine is None
        assert sample.image.spacing_mm is None
    assert len({sample.record.sample_id for sample in samples}) == 10


@pytest.mark.parametrize("channels", ["grey", "rgb"])
def test_volumes_of_another_size(tmp_path: Path, channels: str) -> None:
    ramp = np.broadcast_to(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], (24, 12, 12))
    archive = _archive(tmp_path / "a.npz", shape=(24, 12, 12), train_images=np.stack([ramp] * 5))
    sample = _ingest(archive, volume=VolumeOptions(size=(12, 12, 12)), channels=channels)[0]
    assert len(sample.image.array) == (1 if channels == "grey" else 3)
    for channel in sample.image.array:
        assert channel[:, :, [0, 1, 2, -3, -2, -1]].max() == 0, "padded: the volume is twice as deep as it is wide"
        np.testing.assert_array_equal(channel[1:-1, 6, 6], np.arange(25, 225, 20), "the mean of two slices")


def test_slices_of_volumes(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.npz", shape=(6, 16, 16), train_images=np.zeros((5, 6, 16, 16), np.uint8))
    samples = _ingest(path, volume=VolumeOptions(samples="slices"), image_size=(16, 16))
    assert len(samples) == 60
    assert [sample.record.frame for sample in samples[:7]] == [0, 1, 2, 3, 4, 5, 0]
    assert len({sample.record.sample_id for sample in samples}) == 60
    assert len({sample.record.patient_id for sample in samples}) == 10
    # The five volumes of train are equal, and so are all of their slices; only copies at the same place count as such.
    assert len({sample.record.pixel_sha256 for sample in samples}) == 6 + 5 * 6
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(samples[-2].image.array[0], arrays["test_images"][-1, 4])


def test_slices_without_end_are_refused(tmp_path: Path) -> None:
    options = DataOptions(
        source=str(_archive(tmp_path / "a.npz", shape=SHAPE)),
        volume=VolumeOptions(samples="slices"),
        image_size=(64, 64),
        max_megavoxels=0.001,
    )
    outcomes = list(ingest(options, pseudonyms=NAMES, workers=1))
    assert {refusal.verdict for outcome in outcomes for refusal in outcome.refusals} == {Verdict.too_large}
    assert len(outcomes) == 10
    assert not any(outcome.samples or outcome.accepted_files for outcome in outcomes)


@pytest.mark.parametrize(
    ("shape", "volume", "message"),
    [
        ((28, 28), {}, "leave `data.volume` out"),
        ((28, 28, 3), {}, "leave `data.volume` out"),
        (SHAPE, {"spacing_mm": (1, 1, 1)}, "unknown size"),
        (SHAPE, {"fourth_axis": "channels", "channels": 2}, "one channel"),
    ],
)
def test_volume_options_that_don_t_fit(
    tmp_path: Path, shape: tuple[int, ...], volume: dict[str, object], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        _ingest(_archive(tmp_path / "a.npz", shape=shape), volume=VolumeOptions(**volume))  # type: ignore[arg-type]


def test_an_archive_takes_the_memory_of_one_volume(tmp_path: Path) -> None:
    images, labels = np.zeros((60, 64, 64, 64), np.uint8), np.zeros((60, 1), np.uint8)
    path = _archive(tmp_path / "a.npz", shape=(64, 64, 64), train_images=images, train_labels=labels)
    options = DataOptions(source=str(path), volume=VolumeOptions(size=(8, 8, 8)))
    tracemalloc.start()
    try:
        for _ in ingest(options, pseudonyms=NAMES, workers=1):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 64**3, "the archive has 65 volumes"


def test_adrenalmnist(real_data: Path) -> None:
    path = real_data / "adrenalmnist3d_64.npz"
    samples = _ingest(path, volume=VolumeOptions(size=(32, 32, 32)))
    counts = Counter((sample.record.split, sample.record.label) for sample in samples)
    with zipfile.ZipFile(path) as archive:
        expected = Counter(
            (split, str(label))
            for split in COUNTS
            for label in np.load(archive.open(f"{split}_labels.npy"))[:, 0].tolist()
        )
    assert counts == expected
    assert Counter(sample.record.split for sample in samples) == {"train": 1188, "val": 98, "test": 298}
    with zipfile.ZipFile(path) as archive:
        last = np.load(archive.open("val_images.npy"))[-1].astype(np.float32)
    found = next(sample for sample in reversed(samples) if sample.record.split == "val").image.array[0]
    truth = _halved(_halved(_halved(last, axis=0), axis=1), axis=2)
    np.testing.assert_allclose(found, truth, atol=0.51)


def _halved(volume: np.ndarray, *, axis: int) -> np.ndarray:
    """Pillow's way along one axis: weights 1, 3, 3, 1 of four neighbours, and what is left of them at the ends."""
    padded = np.moveaxis(volume, axis, -1)
    padded = np.pad(padded, ((0, 0), (0, 0), (1, 1)))
    total = np.pad(np.ones(volume.shape[axis]), 1)
    four = [slice(start, start + volume.shape[axis] - 1, 2) for start in range(4)]
    summed = sum(weight * padded[..., part] for weight, part in zip((1, 3, 3, 1), four, strict=True))
    share = sum(weight * total[part] for weight, part in zip((1, 3, 3, 1), four, strict=True))
    return np.moveaxis(summed / share, -1, axis)
