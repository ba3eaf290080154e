"""What must stay on one side of a split: images that share a patient or a picture, directly or in a chain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from medtrimix.data.likeness import NearDuplicates


def connected_groups(index: pd.DataFrame, *, near: NearDuplicates | None = None) -> npt.NDArray[np.int64]:
    """Number of the group of each row (`group_N`): rows with one `patient_id` or one `pixel_sha256` share a group.

    So do rows that are nearly the same, if `near` names them. If A and B share a picture and B is of a patient with
    further images, all of these are one group.
    """
    patient_N, patients = pd.factorize(index["patient_id"])
    pixels_N, pictures = pd.factorize(index["pixel_sha256"])
    nodes = len(patients) + len(pictures)
    start, end = patient_N, len(patients) + pixels_N
    if near is not None:
        start = np.concatenate([start, patient_N[near.row_P]])
        end = np.concatenate([end, patient_N[near.other_P]])
    edges = coo_matrix((np.ones(len(start)), (start, end)), shape=(nodes, nodes))
    _, component_of_node = connected_components(edges, directed=False)
    group_N: npt.NDArray[np.int64] = component_of_node[patient_N].astype(np.int64)
    return group_N


def seeded_ranks(names: Iterable[str], *, seed: int) -> list[str]:
    """A random but reproducible sort key for each name.

    It depends on the seed and the name alone: other rows or another version of a random generator don't change it.
    Names are digests of pixels, so that two sites with different secrets deal the same pictures alike.
    """
    return [hashlib.sha256(f"{seed}/{name}".encode()).hexdigest() for name in names]
