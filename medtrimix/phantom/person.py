"""A person of the cohort: the same build and, as long as a finding lasts, the same opacities in every image."""

from __future__ import annotations

from medtrimix.phantom.cohort import OPACITY, stream
from medtrimix.phantom.lungs import opacity
from medtrimix.phantom.options import CohortOptions
from medtrimix.phantom.swarm import Swarm
from medtrimix.phantom.thorax import Build, Thorax, build_thorax, draw_build

INSPIRATION_MM = 7.0
"""Spread of the depth of breath from image to image."""


def person(patient: int, *, variety: float, seed: int) -> Build:
    """The build of a person."""
    return draw_build(stream(seed, "build", patient), variety=variety)


def chest(patient: int, *, options: CohortOptions, inspiration_mm: float, seed: int) -> Thorax:
    """The person's chest at one depth of breath, without any finding."""
    return build_thorax(
        person(patient, variety=options.anatomy_variety, seed=seed),
        stream(seed, "detail", patient),
        inspiration_mm=inspiration_mm,
        mottle=options.lung_mottle,
    )


def findings(
    patient: int, *, label: str, episode: int, thorax: Thorax, options: CohortOptions, seed: int
) -> tuple[Swarm, ...]:
    """The opacities of this episode, in the same places in all of its images; nothing in a normal chest."""
    if label != OPACITY:
        return ()
    rng = stream(seed, "finding", patient, episode)
    fewest, most = options.opacities
    return tuple(
        opacity(
            thorax.lungs[rng.integers(2)],
            rng,
            radius_mm=rng.uniform(*options.opacity_radius_mm),
            density=rng.uniform(*options.opacity_density),
        )
        for _ in range(rng.integers(fewest, most + 1))
    )
