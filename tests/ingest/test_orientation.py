"""Orientation codes and turning against nibabel, on volumes that lie anyhow in the scanner."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtrimix.ingest.fit.orientation import orientation_of, oriented

ORIENTATIONS = ["".join(letters) for sides in permutations(("LR", "AP", "IS")) for letters in product(*sides)]


def _affine(seed: int) -> np.ndarray:
    """Any rotation and mirroring, spacings from 0.3 to 6 mm, a little shear."""
    random = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    shear = np.eye(3) + np.triu(random.uniform(-0.1, 0.1, (3, 3)), 1)
    affine = np.eye(4)
    affine[:3, :3] = rotation @ shear * random.uniform(0.3, 6, 3)
    affine[:3, 3] = random.uniform(-200, 200, 3)
    return affine


def test_all_48_orientations_exist() -> None:
    assert len(set(ORIENTATIONS)) == 48


def test_dicom_axial_slices_are_lps() -> None:
    assert orientation_of(np.diag([-0.7, -0.7, 3, 1])) == "LPS"
    assert orientation_of(np.eye(4)) == "RAS"


@given(st.integers(0, 2**32))
def test_codes_are_nibabels(seed: int) -> None:
    assert orientation_of(_affine(seed)) == "".join(nib.aff2axcodes(_affine(seed)))


@given(st.integers(0, 2**32), st.sampled_from(ORIENTATIONS))
def test_turning_is_nibabels(seed: int, to: str) -> None:
    affine = _affine(seed)
    values_CDHW = np.random.default_rng(seed).integers(0, 99, (2, 3, 4, 5))
    turned, new = oriented(values_CDHW, affine=affine, to=to)
    image = nib.Nifti1Image(values_CDHW.transpose(3, 2, 1, 0).astype(np.int32), affine)
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(to))
    )
    truth = image.as_reoriented(change)
    np.testing.assert_array_equal(turned.transpose(3, 2, 1, 0), np.asarray(truth.dataobj))
    np.testing.assert_allclose(new, truth.affine, atol=1e-9)
    assert orientation_of(new) == to
    assert np.shares_memory(turned, values_CDHW)


@pytest.mark.parametrize("to", ORIENTATIONS)
def test_turning_back_and_forth(to: str) -> None:
    values_CDHW = np.arange(60).reshape(1, 3, 4, 5)
    there, affine = oriented(values_CDHW, affine=_affine(7), to=to)
    back, again = oriented(there, affine=affine, to=orientation_of(_affine(7)))
    np.testing.assert_array_equal(back, values_CDHW)
    np.testing.assert_allclose(again, _affine(7))
