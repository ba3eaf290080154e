"""Who comes to be X-rayed, how often, where, and with what: no pixels yet.

Every draw has a random stream of its own, named by what it decides. So a label decides nothing but the opacity, and a
larger cohort begins with the same people as a smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from medtrimix.config.digest import seed_from
from medtrimix.phantom.devices import DEVICES, Device
from medtrimix.phantom.encodings import ENCODINGS, Encoding
from medtrimix.phantom.options import PhantomOptions

NORMAL, OPACITY = "normal", "opacity"
EPOCH = date(1901, 1, 1)
"""Dates from before there were archives, so that nobody takes them for real ones."""
_NEW_STUDY = 0.75
"""Chance that the next image of a person belongs to another study."""


@dataclass(frozen=True)
class Appointment:
    """One image to be taken.

    Attributes:
        patient: number of the person, from 0.
        image: number among the person's images, from 0.
        study: number of the study among the person's, from 0.
        instance: number in the study, from 1.
        episode: number of the finding (or its absence) among the person's, from 0.
        label: `normal` or `opacity`, the same for all images of a study.
        day: date of the study.
        device: the unit that takes it.
        encoding: key of `ENCODINGS`.
    """

    patient: int
    image: int
    study: int
    instance: int
    episode: int
    label: str
    day: date
    device: Device
    encoding: str

    @property
    def how(self) -> Encoding:
        """The encoding itself."""
        return ENCODINGS[self.encoding]

    @property
    def path(self) -> str:
        """Place in the export, relative to its root."""
        folder = f"DICOM/PA{self.patient + 1:06d}/ST{self.study + 1:06d}/SE000001"
        return f"{folder}/IM{self.instance:06d}{self.device.ending}"


def stream(seed: int, *what: str | int) -> np.random.Generator:
    """The generator for one named purpose."""
    return np.random.default_rng(seed_from("phantom", seed, *what))


def appointments(options: PhantomOptions, *, seed: int) -> Iterator[Appointment]:
    """Every image of the cohort, person by person, in the order of time."""
    for patient in range(options.patients):
        yield from _visits(patient, options, seed=seed)


def _visits(patient: int, options: PhantomOptions, *, seed: int) -> Iterator[Appointment]:
    attendance, health = stream(seed, "attendance", patient), stream(seed, "health", patient)
    images = 1 + int(attendance.poisson(options.images_per_patient - 1))
    day = EPOCH + timedelta(days=int(attendance.integers(3000)))
    study, instance, episode = -1, 0, -1
    for image in range(images):
        new_study = attendance.random() < _NEW_STUDY or image == 0
        if new_study:
            study, instance = study + 1, 1
            day += timedelta(days=int(attendance.integers(1, 200)))
            device = DEVICES[attendance.integers(len(DEVICES))]
            persists, finding = health.random(2)
            if study == 0 or persists >= options.persistence:
                episode += 1
                label = OPACITY if finding < options.prevalence else NORMAL
        else:
            instance += 1
        encoding = device.encodings[attendance.integers(len(device.encodings))]
        yield Appointment(patient, image, study, instance, episode, label, day, device, encoding)
