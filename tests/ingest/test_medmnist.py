"""MedMNIST archives, streamed."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from dicom_files import noise

from medtrimix.errors import SourceError
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Sample
from medtrimix.ingest.source import content_digest, ingest

NAMES = Pseudonyms(b"\x01" * 32)


def _archive(path: Path, *, shape: tuple[int, ...] = (28, 28), classes: int = 2, **change: object) -> Path:
    arrays: dict[str, object] = {}
    for seed, (split, count) in enumerate({"train": 5, "val": 2, "test": 3}.items()):
        arrays[f"{split}_images"] = noise((count, *shape), bits=8, seed=seed)
        arrays[f"{split}_labels"] = (np.arange(count) % classes)[:, None].astype(np.uint8)
    arrays |= change
    np.savez_compressed(path, **{name: value for name, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    return path


def _ingest(path: Path, **options: object) -> list[Sample]:
    options = DataOptions(source=str(path), **options)  # type: ignore[arg-type,assignment]
    return [item for item in ingest(options, pseudonyms=NAMES, workers=1) if isinstance(item, Sample)]  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((5, 8, 8, 8), np.uint8)}, "volumes"),
        ({"train_labels": np.zeros((5, 14), np.uint8)}, "several labels"),
        ({"train_labels": np.zeros((5, 1))}, "whole numbers"),
        ({"train_images": np.zeros((5, 8, 8))}, "uint8"),
        ({"train_images": np.zeros((4, 8, 8), np.uint8)}, "as many"),
        ({"test_labels": None}, "complete"),
        ({"train_images": np.asfortranarray(np.zeros((5, 8, 8), np.uint8))}, "C order"),
        ({"train_images": np.array([{"pickle": 1}] * 5, dtype=object)}, "volumes|uint8"),
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


def test_volumes_are_refused_by_name(real_data: Path) -> None:
    with pytest.raises(SourceError, match="volumes are not read yet"):
        _ingest(real_data / "adrenalmnist3d_64.npz")
