"""What the phantom's cohort looks like and how hard its task is."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from medtrimix.config.model import Config

Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
"""Smallest and largest value of a uniform draw."""


class PhantomOptions(Config):
    """A made-up cohort of chest radiographs, `normal` or with an `opacity` in a lung.

    By measurement, the defaults let a small ResNet from scratch reach an AUC above .9 with all labels and little more
    than chance with one label in a hundred. Opacities also move the grey-level histogram (AUC .74 by that alone).

    Attributes:
        patients: number of people.
        images_per_patient: mean number of images of one person; at least one each.
        image_px: pixels along the longer side of an image.
        prevalence: share of studies with an opacity.
        persistence: chance that the next study of a person shows the same finding (or none) again; otherwise a new
            finding is drawn at `prevalence`.
        anatomy_variety: how far people differ from the average build, 1 = as adults do. What tells people apart is
            what pretraining by instance learns first, so more variety makes a harder cohort for it.
        opacities: fewest and most opacities of a study that has any, spread over both lungs.
        opacity_radius_mm: overall radius of one.
        opacity_density: its attenuation at the core, 0 = aerated lung, 1 = water (consolidation).
        lung_mottle: standard deviation of uneven aeration, which every lung has, in the same units.
        quanta_per_mm2: detected X-ray quanta where nothing is in the beam; fewer is noisier.
    """

    patients: int = Field(default=640, ge=1, le=100_000)
    images_per_patient: float = Field(default=2.5, ge=1, le=50)
    image_px: int = Field(default=96, ge=32, le=1024)
    prevalence: float = Field(default=0.5, ge=0, le=1)
    persistence: float = Field(default=0.5, ge=0, le=1)
    anatomy_variety: float = Field(default=0.25, ge=0, le=1.5)
    opacities: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1, le=20)]] = (1, 5)
    opacity_radius_mm: Range = (30.0, 60.0)
    opacity_density: Range = (0.6, 1.0)
    lung_mottle: float = Field(default=0.06, ge=0, le=1)
    quanta_per_mm2: float = Field(default=2500.0, ge=1)

    @model_validator(mode="after")
    def _ranges_rise(self) -> Self:
        for name in ("opacities", "opacity_radius_mm", "opacity_density"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the first number must not be larger than the second")
        return self
