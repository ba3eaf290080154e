"""A cohort of made-up pictures as files with a split of their own, and leaks planted into it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from medtrimix.ingest.pseudonym import Pseudonyms

PATIENTS = {"train": range(30), "val": range(30, 40), "test": range(40, 54)}
SIDE = 64


@dataclass(frozen=True)
class Leaky:
    """The pipeline file, and for each planted leak the images as `(path, patient)`."""

    pipeline: Path
    planted: dict[str, tuple[tuple[str, str], tuple[str, str]]]

    def names(self, kind: str, *, secret: Path) -> set[str]:
        """The pseudonyms of patients and images of a leak."""
        pseudonyms = Pseudonyms(secret.read_bytes())
        pairs = self.planted[kind]
        return {pseudonyms.file(path) for path, _ in pairs} | {pseudonyms.patient(patient) for _, patient in pairs}


def plant(folder: Path, *, leaks: bool) -> Leaky:
    """Writes learning data, pretraining data and a pipeline file below `folder`; without leaks the cohort is clean."""
    learning, pretraining = folder / "learning", folder / "pretraining"
    rows: list[tuple[str, str, str, str]] = []

    def add(content: Image.Image | bytes, *, path: str, patient: str, side: str, root: Path = learning) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            content.save(file)
        if root == learning:
            rows.append((path, ("no", "yes")[len(rows) % 2], patient, side))

    for side, numbers in PATIENTS.items():
        for number in numbers:
            add(picture(number), path=f"L{number:03}.png", patient=f"P{number:03}", side=side)
    for number in range(100, 130):
        add(picture(number), path=f"Q{number:03}.png", patient="", side="", root=pretraining)
    planted: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
    if leaks:
        add(picture(200), path="again.png", patient="P001", side="test")
        planted["same_patient"] = (("L001.png", "P001"), ("again.png", "P001"))
        add(picture(41), path="copy.png", patient="X1", side="train")
        planted["same_pixels"] = (("L041.png", "P041"), ("copy.png", "X1"))
        add(jpeg(picture(2)), path="encoded.jpg", patient="X2", side="test")
        planted["near_duplicate jpeg"] = (("L002.png", "P002"), ("encoded.jpg", "X2"))
        add(noisy(picture(3)), path="noise.png", patient="X3", side="val")
        planted["near_duplicate noise"] = (("L003.png", "P003"), ("noise.png", "X3"))
        add(picture(42), path="pretrained.png", patient="", side="", root=pretraining)
        planted["pretrained_pixels"] = (("L042.png", "P042"), ("pretrained.png", "file pretrained.png"))
        add(jpeg(picture(43)), path="pretrained.jpg", patient="", side="", root=pretraining)
        planted["pretrained_near_duplicate"] = (("L043.png", "P043"), ("pretrained.jpg", "file pretrained.jpg"))
    table = ["path,label,patient_id,split", *(",".join(row) for row in rows)]
    (learning / "labels.csv").write_text("\n".join(table) + "\n")
    pipeline = folder / "leaky.yaml"
    pipeline.write_text(
        _PIPELINE.format(
            learning=json.dumps(str(learning)),
            labels=json.dumps(str(learning / "labels.csv")),
            pretraining=json.dumps(str(pretraining)),
        )
    )
    return Leaky(pipeline, planted)


def picture(number: int) -> Image.Image:
    """A picture of its own for each number: bright where smooth noise and a common shape are."""
    rng = np.random.default_rng(number)
    noise = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 5)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    grey = 110 + 60 * np.cos(4 * rows) * np.cos(5 * columns) + 25 * noise / noise.std()
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    """The same picture, compressed with loss."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70)
    return file.getvalue()


def noisy(image: Image.Image) -> Image.Image:
    """The same picture with 2% noise."""
    grey = np.asarray(image) + np.random.default_rng(0).normal(0, 0.02 * 255, (SIDE, SIDE))
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


_PIPELINE = """\
name: leaky
data:
  source: {learning}
  labels: {labels}
  image_size: [32, 32]
audit: {{on_leak: fail}}
pretrain:
  data:
    source: {pretraining}
  encoder: {{name: resnet10, width: 0.125}}
  batch_size: 16
  image_budget: 300
  arms:
    simclr: {{method: simclr}}
learn:
  strategies: [linear]
  label_budgets: [3, 1.0]
  label_seeds: 2
evaluate: {{bootstrap: 100}}
"""
