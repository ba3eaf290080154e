"""An appointment of the cohort becomes a radiograph."""

from __future__ import annotations

from medtrimix.phantom.cohort import Appointment, stream
from medtrimix.phantom.options import PhantomOptions
from medtrimix.phantom.person import INSPIRATION_MM, chest, findings
from medtrimix.phantom.solids import Floats
from medtrimix.phantom.xray import draw_pose, expose


def radiograph(appointment: Appointment, *, options: PhantomOptions, seed: int) -> Floats:
    """Brightness as `xray.grey_scale` returns it, `(H, W)`.

    The person, the pose and the noise come from streams that know nothing of the label: the same appointment with
    the other label is the same image with, or without, the opacity.
    """
    patient, image = appointment.patient, appointment.image
    moment = stream(seed, "pose", patient, image)
    breath = moment.normal(0, INSPIRATION_MM) - (0 if appointment.device.from_behind else INSPIRATION_MM)
    thorax = chest(patient, options=options, inspiration_mm=breath, seed=seed)
    return expose(
        thorax,
        findings(
            patient,
            label=appointment.label,
            episode=appointment.episode,
            thorax=thorax,
            options=options,
            seed=seed,
        ),
        stream(seed, "noise", patient, image),
        device=appointment.device,
        pose=draw_pose(moment, device=appointment.device),
        image_px=options.image_px,
        quanta_per_mm2=options.quanta_per_mm2,
    )
