"""What the phantom's cohort looks like and how hard its task is."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from medtrimix.config.model import Config

Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
"""Smallest and largest value of a uniform draw."""
Count = Annotated[int, Field(ge=1, le=20)]


class CohortOptions(Config):
    """The people, `normal` or with an `opacity` in a lung, whatever takes their images.

    Attributes:
        patients: number of people.
        prevalence: share of studies with an opacity.
        persistence: chance that the next study of a person shows the same finding (or none) again; otherwise a new
            finding is drawn at `prevalence`.
        anatomy_variety: how far people differ from the average build, 1 = as adults do. What tells people apart is
            what pretraining by instance learns first, so more variety makes a harder cohort for it.
        opacities: fewest and most opacities of a study that has any, spread over both lungs.
        opacity_radius_mm: overall radius of one.
        opacity_density: its attenuation at the core, 0 = aerated lung, 1 = water (consolidation).
        lung_mottle: standard deviation of uneven aeration, which every lung has, in the same units.
    """

    patients: int = Field(default=640, ge=1, le=100_000)
    prevalence: float = Field(default=0.5, ge=0, le=1)
    persistence: float = Field(default=0.5, ge=0, le=1)
    anatomy_variety: float = Field(default=0.25, ge=0, le=1.5)
    opacities: tuple[Count, Count] = (1, 5)
    opacity_radius_mm: Range = (30.0, 60.0)
    opacity_density: Range = (0.6, 1.0)
    lung_mottle: float = Field(default=0.06, ge=0, le=1)

    @model_validator(mode="after")
    def _ranges_rise(self) -> Self:
        for name in ("opacities", "opacity_radius_mm", "opacity_density"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the first number must not be larger than the second")
        return self


class PhantomOptions(CohortOptions):
    """A made-up cohort of chest radiographs.

    By measurement, the defaults let a small ResNet from scratch reach an AUC above .9 with all labels and little more
    than chance with one label in a hundred. Opacities also move the grey-level histogram (AUC .74 by that alone).

    Attributes:
        kind: `radiograph`, or `ct` for `CTOptions`.
        images_per_patient: mean number of images of one person; at least one each.
        image_px: pixels along the longer side of an image.
        quanta_per_mm2: detected X-ray quanta where nothing is in the beam; fewer is noisier.
    """

    kind: Literal["radiograph"] = "radiograph"
    images_per_patient: float = Field(default=2.5, ge=1, le=50)
    image_px: int = Field(default=96, ge=32, le=1024)
    quanta_per_mm2: float = Field(default=2500.0, ge=1)


class CTOptions(CohortOptions):
    """The same people, with the same findings, in CT scanners: series of axial slices.

    By measurement, a narrow 3D ResNet-10 from scratch reaches an AUC of .92 with 240 scans of 32 x 32 pixels and 14 mm;
    the mean grey value alone has .54.

    Attributes:
        kind: `ct`.
        studies_per_patient: mean number of scans of one person; at least one each.
        matrix: rows and columns of a slice.
        slice_mm: distance of slices. A scan covers about 340 mm, 48 slices of 7 mm.
        noise_hu: standard deviation of the noise of an average scanner, in Hounsfield units.
    """

    kind: Literal["ct"] = "ct"
    patients: int = Field(default=120, ge=1, le=100_000)
    studies_per_patient: float = Field(default=1.4, ge=1, le=50)
    matrix: int = Field(default=64, ge=32, le=512)  # JPEG 2000 encoders refuse smaller ones
    slice_mm: float = Field(default=7.0, ge=1, le=15)
    noise_hu: float = Field(default=20.0, ge=0, le=500)


def _kind(given: Any) -> str:
    """Radiographs need not be named."""
    kind = given.get("kind", "radiograph") if isinstance(given, dict) else getattr(given, "kind", "radiograph")
    return str(kind)


AnyPhantom = Annotated[
    Annotated[PhantomOptions, Tag("radiograph")] | Annotated[CTOptions, Tag("ct")], Discriminator(_kind)
]
"""The `phantom:` section of a pipeline file."""
