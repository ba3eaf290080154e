"""Indexes of made-up cohorts, for hypothesis."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from hypothesis import strategies as st


def index_of(
    patients: list[str], labels: list[str], *, pixels: list[str] | None = None, split: list[str] | None = None
) -> pd.DataFrame:
    """An index with the columns that splits and audits read; every image has pixels of its own unless given."""
    names = pixels if pixels is not None else [f"picture {row}" for row in range(len(patients))]
    return pd.DataFrame(
        {
            "sample_id": [f"s{row:04}" for row in range(len(patients))],
            "patient_id": patients,
            "label": labels,
            "split": split if split is not None else [""] * len(patients),
            "pixel_sha256": [hashlib.sha256(name.encode()).hexdigest() for name in names],
        }
    )


@st.composite
def cohorts(draw: st.DrawFn) -> pd.DataFrame:
    """40 to 120 patients of one to four images; mixed classes, unlabelled images, some pictures under two names."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(40, 120))
    classes = draw(st.sampled_from([["a", "b"], ["a", "b", "c"]]))
    patients, labels, pixels = [], [], []
    for patient in range(count):
        own = classes[patient % len(classes)]
        for image in range(rng.integers(1, 5)):
            patients.append(f"p{patient:03}")
            labels.append(str(rng.choice([own, own, own, "", classes[0]])))
            shared = rng.random() < 0.03
            pixels.append(f"shared {rng.integers(4)}" if shared else f"{patient}/{image}")
    return index_of(patients, labels, pixels=pixels)
