"""From a chest to a radiograph: Beer-Lambert, scatter, quanta, electronics, and the vendor's grey scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from medtrimix.phantom.beam import Beam, frontal_beam
from medtrimix.phantom.devices import Device
from medtrimix.phantom.solids import Floats, line_integral
from medtrimix.phantom.swarm import Swarm, swarm_integral, together
from medtrimix.phantom.thorax import Thorax

_SCATTER_MM = 45.0
"""Standard deviation of the halo of scattered quanta at the detector."""


@dataclass(frozen=True)
class Pose:
    """How the person stands (or lies) for one image, and how the radiographer sets the tube."""

    turn_deg: tuple[float, float, float]
    shift_mm: tuple[float, float]
    exposure: float


def draw_pose(rng: np.random.Generator, *, device: Device) -> Pose:
    """A random pose; at the bedside people are turned and off centre about twice as much."""
    loose = 1.0 if device.from_behind else 1.8
    turn = loose * rng.normal(size=3) * (3, 1.5, 3.5)
    shift = loose * rng.normal(size=2) * (7, 8)
    exposure = float(np.exp(rng.normal(0, 0.3)))
    return Pose((turn[0], turn[1], turn[2]), (shift[0], shift[1] - 5), exposure)


def pixel_pitch(device: Device, *, image_px: int) -> float:
    """Pixel pitch on the detector in mm, for `image_px` along the longer side."""
    return max(device.field_mm) / image_px


def aim(device: Device, pose: Pose, *, image_px: int) -> Beam:
    """The device's beam for this pose."""
    pixel_mm = pixel_pitch(device, image_px=image_px)
    rows, columns = (round(side / pixel_mm) for side in device.field_mm)
    return frontal_beam(
        source_to_detector_mm=device.source_to_detector_mm,
        source_to_patient_mm=device.source_to_detector_mm - device.gap_mm,
        from_behind=device.from_behind,
        pixel_mm=pixel_mm,
        shape=(rows, columns),
        turn_deg=pose.turn_deg,
        shift_mm=pose.shift_mm,
    )


def transmission(thorax: Thorax, findings: tuple[Swarm, ...], beam: Beam) -> Floats:
    """Share of the quanta that come through unscattered, `(H, W)` in (0, 1]: exp(-line integral)."""
    large = line_integral(thorax.regions, source=beam.source, direction_P3=beam.directions)
    small = swarm_integral(together((thorax.swarm, *findings)), beam)
    primary: Floats = np.exp(-np.maximum(large + small, 0)).reshape(beam.shape)
    return primary


def detect(
    primary_HW: Floats, rng: np.random.Generator, *, device: Device, pixel_mm: float, quanta_per_mm2: float
) -> Floats:
    """Optical density as the detector reads it: minus log of the measured share of quanta, `(H, W)`.

    Scatter is a halo of the primary image; quanta are counted (Poisson) behind the detector's blur; the electronics
    add noise that does not depend on the signal. A pixel that reads less than one quantum counts as one.
    """
    scatter = device.scatter_ratio * gaussian_filter(primary_HW, _SCATTER_MM / pixel_mm, mode="nearest")
    signal = gaussian_filter(primary_HW + scatter, device.blur_mm / pixel_mm, mode="nearest")
    area = pixel_mm**2
    open_beam = quanta_per_mm2 * area * (1 + device.scatter_ratio)
    quanta = rng.poisson(quanta_per_mm2 * area * signal) + rng.normal(size=signal.shape) * device.readout_noise * area
    density: Floats = -np.log(np.maximum(quanta, 1) / open_beam)
    return density


def grey_scale(density_HW: Floats, *, curve: float) -> Floats:
    """Brightness for display: 0 = black, 1 = white, bone white; a little goes beyond both ends.

    As automatic exposure readings do, the ends come from the middle of the field: the darkest lung and the densest
    mediastinum there. The bend `u + curve * u * (1 - u)` keeps both ends.
    """
    rows, columns = density_HW.shape
    field = density_HW[rows // 6 : -rows // 6, columns // 6 : -columns // 6]
    black, white = np.quantile(field, (0.02, 0.85))
    span = white - black
    u = (density_HW - black + 0.2 * span) / (1.3 * span)
    brightness: Floats = u + curve * u * (1 - u)
    return brightness


def expose(
    thorax: Thorax,
    findings: tuple[Swarm, ...],
    rng: np.random.Generator,
    *,
    device: Device,
    pose: Pose,
    image_px: int,
    quanta_per_mm2: float,
) -> Floats:
    """One radiograph as `grey_scale` returns it, `(H, W)`."""
    primary = transmission(thorax, findings, aim(device, pose, image_px=image_px))
    density = detect(
        primary,
        rng,
        device=device,
        pixel_mm=pixel_pitch(device, image_px=image_px),
        quanta_per_mm2=quanta_per_mm2 * device.exposure * pose.exposure,
    )
    return grey_scale(density, curve=device.curve)
