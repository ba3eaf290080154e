"""Many small ellipsoids at once: vessels, vertebrae, opacities.

Hundreds of solids that cover a few pixels each are cheap when only the rays that may meet them are looked at, and
all of them in one pass of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from medtrimix.phantom.beam import Beam
from medtrimix.phantom.solids import Ellipsoid, Floats, Region

_CORNERS_83 = np.array(list(product((-1.0, 1.0), repeat=3)))


@dataclass(frozen=True, eq=False)
class Swarm:
    """Ellipsoids that add `mu_S` (1/mm) each; `centre_S3` in mm, `to_unit_S33` in 1/mm as in `Ellipsoid`."""

    centre_S3: Floats
    to_unit_S33: Floats
    mu_S: Floats

    def chosen(self, mask_S: npt.NDArray[np.bool_]) -> Swarm:
        """Those where `mask_S` is true."""
        return Swarm(self.centre_S3[mask_S], self.to_unit_S33[mask_S], self.mu_S[mask_S])

    def regions(self) -> list[Region]:
        """The same ellipsoids one by one."""
        parts = zip(self.centre_S3, self.to_unit_S33, self.mu_S, strict=True)
        return [Region(float(mu), (Ellipsoid(centre, to_unit),)) for centre, to_unit, mu in parts]


def together(swarms: Sequence[Swarm]) -> Swarm:
    """One swarm of all."""
    return Swarm(
        np.concatenate([swarm.centre_S3 for swarm in swarms]),
        np.concatenate([swarm.to_unit_S33 for swarm in swarms]),
        np.concatenate([swarm.mu_S for swarm in swarms]),
    )


def spheroids(*, centre_S3: Floats, axis_S3: Floats, along_S: Floats, across_S: Floats, mu_S: Floats) -> Swarm:
    """Ellipsoids of revolution: semi-axis `along_S` in the direction of the unit vectors `axis_S3`, `across_S` around.

    `to_unit` is the symmetric matrix (1/across)(I - aa') + (1/along) aa', so no second axis need be chosen.
    """
    outer_S33 = axis_S3[:, :, None] * axis_S3[:, None, :]
    to_unit_S33 = np.eye(3) / across_S[:, None, None] + (1 / along_S - 1 / across_S)[:, None, None] * outer_S33
    return Swarm(centre_S3, to_unit_S33, mu_S)


def swarm_integral(swarm: Swarm, beam: Beam) -> Floats:
    """Sum of all line integrals, `(P,)`, as `line_integral` over `swarm.regions()` would return."""
    low_S2, high_S2 = _shadows(swarm, beam)
    size_S2 = np.maximum(high_S2 - low_S2, 0)
    count_S = size_S2[:, 0] * size_S2[:, 1]
    of = np.repeat(np.arange(len(count_S)), count_S)  # which solid each candidate (solid, ray) belongs to
    within = np.arange(len(of)) - np.repeat(np.cumsum(count_S) - count_S, count_S)
    row = low_S2[of, 0] + within // size_S2[of, 1]
    ray = row * beam.shape[1] + low_S2[of, 1] + within % size_S2[of, 1]

    start_S3 = np.einsum("sij,sj->si", swarm.to_unit_S33, beam.source - swarm.centre_S3)
    step = np.einsum("pij,pj->pi", swarm.to_unit_S33[of], beam.directions[ray])
    a, b = np.einsum("pi,pi->p", step, step), np.einsum("pi,pi->p", step, start_S3[of])
    c = (np.einsum("si,si->s", start_S3, start_S3) - 1)[of]
    chord = 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a
    total: Floats = np.bincount(ray, weights=swarm.mu_S[of] * chord, minlength=beam.shape[0] * beam.shape[1]).astype(
        np.float64
    )
    return total


def _shadows(swarm: Swarm, beam: Beam) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Half-open boxes of rows and columns, `(S, 2)` each, that hold the shadow of each ellipsoid."""
    from_unit_S33 = np.linalg.inv(swarm.to_unit_S33)
    extent_S3 = np.linalg.norm(from_unit_S33, axis=2)  # half the axis-parallel box around an ellipsoid
    corner_S83 = swarm.centre_S3[:, None] + _CORNERS_83 * extent_S3[:, None]
    shadow_S82 = beam.project(corner_S83.reshape(-1, 3)).reshape(-1, 8, 2)
    low_S2 = np.ceil(shadow_S82.min(axis=1)).astype(np.int64)
    high_S2 = np.floor(shadow_S82.max(axis=1)).astype(np.int64) + 1
    limit = np.array(beam.shape)
    return np.clip(low_S2, 0, limit), np.clip(high_S2, 0, limit)
