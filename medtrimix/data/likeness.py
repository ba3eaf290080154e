"""How alike pictures are, whatever became of their files: near-duplicates, found among all pairs.

Two chests are alike because both are chests. What counts here is what sets a picture apart from the others of its
cohort: thumbnails, standardised so that brightness and contrast don't matter, are whitened by the cohort's own
covariance, and the likeness of two pictures is the cosine of what is left (ZCA whitening, as in Kessy, Lewin and
Strimmer, Am. Stat. 2018, here with a share of noise). Noise, compression and resizing leave it near 1; other pictures
are near 0.

Cohorts differ in how alike their members are, so the bar does too: a near-duplicate is closer to 1 by a factor of ten
than nearly all pairs of the cohort are (`required_likeness`).

Every pair is looked at, in blocks: nothing is missed as with hashes, memory stays bounded, and time grows with the
square of the number of pictures (`docs/audit.md` says what was measured).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_SIDE = {2: 12, 3: 8}
"""Side of a thumbnail, of pictures and of volumes."""
_NOISE = 0.01
"""Share of the cohort's variance that counts as noise in every direction."""
_COMMON = 0.999
"""Share of the pairs that says how alike pictures of this cohort are anyhow."""
_CLOSER = 10.0
"""How much closer near-duplicates are than those pairs."""
_NOTHING = 2.0
"""Standard deviation, in grey values, below which a thumbnail is blank: such pictures are alike in all patients."""
_SHORT = 1e-6
_SAMPLE = 2000
_CHUNK_PIXELS = 2**22
_BLOCK = 2048


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of pictures that are nearly the same.

    Attributes:
        row_P: the first of each pair.
        other_P: the second.
        likeness_P: how alike they are, up to 1.
        required: likeness from which on two pictures of this cohort count as nearly the same.
    """

    row_P: Rows
    other_P: Rows
    likeness_P: Floats
    required: float

    @classmethod
    def none(cls) -> NearDuplicates:
        """No pairs: nobody looked."""
        nobody = np.zeros(0, dtype=np.int64)
        return cls(nobody, nobody, np.zeros(0, dtype=np.float32), required=1.0)

    def mirrored(self) -> NearDuplicates:
        """Each pair in both orders."""
        return NearDuplicates(
            np.concatenate([self.row_P, self.other_P]),
            np.concatenate([self.other_P, self.row_P]),
            np.concatenate([self.likeness_P, self.likeness_P]),
            self.required,
        )


def thumbnails(images: Callable[[Rows], npt.NDArray[np.generic]], *, count: int) -> Iterator[Floats]:
    """Small pictures as vectors of mean 0 and length 1 (a blank one is all 0), a chunk of rows at a time: `(B, T)`.

    Args:
        images: row numbers to images (B, C, H, W) or volumes (B, C, D, H, W); channels are averaged.
        count: number of rows.
    """
    size = max(1, _CHUNK_PIXELS // images(np.zeros(1, dtype=np.int64)).size)
    for start in range(0, count, size):
        small = images(np.arange(start, min(start + size, count))).mean(axis=1, dtype=np.float32)
        side = _SIDE[small.ndim - 1]
        for axis in range(1, small.ndim):
            weights = _area_weights(small.shape[axis], side=side)
            small = np.moveaxis(np.tensordot(weights, small, axes=(1, axis)), 0, axis)
        flat_BT = small.reshape(len(small), -1)
        shown_B1 = flat_BT.std(axis=1, keepdims=True) >= _NOTHING
        yield _unit(np.where(shown_B1, flat_BT - flat_BT.mean(axis=1, keepdims=True), 0))


def near_duplicates(
    thumbnail_NT: Floats,
    *,
    group_N: Rows,
    at_least: float,
    first: int | None = None,
    told: Callable[[int, int], None] | None = None,
) -> NearDuplicates:
    """All pairs of different groups that are nearly the same, the first row below the second, in the order of rows.

    Args:
        thumbnail_NT: from `thumbnails`.
        group_N: number of each picture's group (`groups.connected_groups`); within a group nobody looks.
        at_least: the smallest likeness that can count, in any cohort.
        first: only pairs between the first so many rows and the rest.
        told: called now and then with how many rows are compared with all others, of how many.
    """
    descriptor_NT = distinctive(thumbnail_NT)
    required = required_likeness(descriptor_NT, group_N=group_N, at_least=at_least)
    found = [np.zeros((0, 3))]
    split = len(descriptor_NT) if first is None else first
    for top in range(0, split, _BLOCK):
        if told is not None:
            told(top, split)
        rows = slice(top, min(top + _BLOCK, split))
        for left in range(top if first is None else first, len(descriptor_NT), _BLOCK):
            others = slice(left, left + _BLOCK)
            likeness = descriptor_NT[rows] @ descriptor_NT[others].T
            row, other = (likeness >= required).nonzero()
            pair = np.stack([row + top, other + left, likeness[row, other]], axis=1)
            found.append(pair[(pair[:, 0] < pair[:, 1]) & (group_N[row + top] != group_N[other + left])])
    pair_P3 = np.concatenate(found)
    pair_P3 = pair_P3[np.lexsort((pair_P3[:, 1], pair_P3[:, 0]))]
    row_P, other_P = pair_P3[:, 0].astype(np.int64), pair_P3[:, 1].astype(np.int64)
    return NearDuplicates(row_P, other_P, np.minimum(pair_P3[:, 2], 1.0).astype(np.float32), required)


def distinctive(thumbnail_NT: Floats) -> Floats:
    """What sets each picture apart from the cohort, as a vector of length 1, of a blank one all 0: `(N, T)`."""
    shown_N1 = thumbnail_NT.any(axis=1, keepdims=True)
    shown = max(1, int(shown_N1.sum()))
    centred_NT = np.where(shown_N1, thumbnail_NT - thumbnail_NT.sum(axis=0) / shown, 0).astype(np.float32)
    covariance_TT = (centred_NT.T @ centred_NT).astype(np.float64) / shown
    variance_T, direction_TT = np.linalg.eigh(covariance_TT)
    variance_T = np.maximum(variance_T, 0)
    noise = _NOISE * variance_T.sum() + np.finfo(np.float32).tiny
    whitening_TT = (direction_TT / np.sqrt(variance_T + noise)) @ direction_TT.T  # symmetric: signs are not arbitrary
    return _unit(centred_NT @ whitening_TT.astype(np.float32))


def required_likeness(descriptor_NT: Floats, *, group_N: Rows, at_least: float) -> float:
    """The likeness of near-duplicates in a cohort: ten times closer to 1 than 99.9% of its pairs, and `at_least`.

    The most alike pairs, as many as there are pictures, don't count, or in a small cohort copies would be the measure
    themselves. Of a large cohort 2,000 pictures are asked, chosen by what they show and not by their order.
    """
    direction_T = np.random.default_rng(0).standard_normal(descriptor_NT.shape[1], dtype=np.float32)
    order = np.argsort(descriptor_NT @ direction_T, kind="stable")
    sample = order[:: -(-len(order) // _SAMPLE)]
    row, other = np.triu_indices(len(sample), 1)
    apart = group_N[sample[row]] != group_N[sample[other]]
    likeness_P = (descriptor_NT[sample] @ descriptor_NT[sample].T)[row[apart], other[apart]]
    if len(likeness_P) <= len(sample):
        return at_least
    usual = float(np.quantile(likeness_P, min(_COMMON, 1 - len(sample) / len(likeness_P))))
    return max(at_least, 1 - (1 - usual) / _CLOSER)


def _unit(vector_NT: Floats) -> Floats:
    """Of length 1, but all 0 where there is nothing."""
    length_N1 = np.linalg.norm(vector_NT, axis=1, keepdims=True)
    unit_NT: Floats = (vector_NT / np.maximum(length_N1, _SHORT)).astype(np.float32)
    return unit_NT


def _area_weights(length: int, *, side: int) -> Floats:
    """`(side, length)`: what each of `length` pixels gives to the mean over each of `side` equal stretches."""
    edge = np.linspace(0, length, side + 1)
    pixel = np.arange(length)
    shared = np.minimum(edge[1:, None], pixel + 1) - np.maximum(edge[:-1, None], pixel)
    weights: Floats = (np.maximum(shared, 0) * side / length).astype(np.float32)
    return weights
