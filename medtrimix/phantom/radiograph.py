"""An appointment of the cohort becomes a radiograph."""

from __future__ import annotations

from medtrimix.phantom.cohort import OPACITY, Appointment, stream
from medtrimix.phantom.lungs import opacity
from medtrimix.phantom.options import PhantomOptions
from medtrimix.phantom.solids import Floats
from medtrimix.phantom.swarm import Swarm
from medtrimix.phantom.thorax import Build, Thorax, build_thorax, draw_build
from medtrimix.phantom.xray import draw_pose, expose

_INSPIRATION_MM = 7.0
"""Spread of the depth of breath from image to image."""


def person(patient: int, *, variety: float, seed: int) -> Build:
    """The build of a person of the cohort, the same in every image."""
    return draw_build(stream(seed, "build", patient), variety=variety)


def radiograph(appointment: Appointment, *, options: PhantomOptions, seed: int) -> Floats:
    """Brightness as `xray.grey_scale` returns it, `(H, W)`.

    The person, the pose and the noise come from streams that know nothing of the label: the same appointment with
    the other label is the same image with, or without, the opacity.
    """
    patient, image = appointment.patient, appointment.image
    moment = stream(seed, "pose", patient, image)
    thorax = build_thorax(
        person(patient, variety=options.anatomy_variety, seed=seed),
        stream(seed, "detail", patient),
        inspiration_mm=moment.normal(0, _INSPIRATION_MM) - (0 if appointment.device.from_behind else _INSPIRATION_MM),
        mottle=options.lung_mottle,
    )
    return expose(
        thorax,
        _findings(appointment, thorax, options=options, seed=seed),
        stream(seed, "noise", patient, image),
        device=appointment.device,
        pose=draw_pose(moment, device=appointment.device),
        image_px=options.image_px,
        quanta_per_mm2=options.quanta_per_mm2,
    )


def _findings(appointment: Appointment, thorax: Thorax, *, options: PhantomOptions, seed: int) -> tuple[Swarm, ...]:
    """The opacities of this episode, in the same places in all of its images; nothing in a normal chest."""
    if appointment.label != OPACITY:
        return ()
    rng = stream(seed, "finding", appointment.patient, appointment.episode)
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
