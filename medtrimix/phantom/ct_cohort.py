"""Who is scanned, how often, where, and with what: no voxels yet. As `cohort`, for CT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from medtrimix.phantom.cohort import EPOCH, NORMAL, OPACITY, stream
from medtrimix.phantom.options import CTOptions
from medtrimix.phantom.scanners import SCANNERS, Scanner


@dataclass(frozen=True)
class Scan:
    """One series to be taken.

    Attributes:
        patient: number of the person, from 0.
        study: number of the study among the person's, from 0; it has this one series.
        episode: number of the finding (or its absence) among the person's, from 0.
        label: `normal` or `opacity`.
        day: date of the study.
        scanner: the unit that takes it.
        encoding: key of `CT_ENCODINGS`.
        localizer: whether the scout image is exported with the slices.
    """

    patient: int
    study: int
    episode: int
    label: str
    day: date
    scanner: Scanner
    encoding: str
    localizer: bool

    @property
    def folder(self) -> str:
        """Place of its files in the export, relative to its root."""
        return f"DICOM/PA{self.patient + 1:06d}/ST{self.study + 1:06d}/SE000001"


def scans(options: CTOptions, *, seed: int) -> Iterator[Scan]:
    """Every series of the cohort, person by person, in the order of time."""
    for patient in range(options.patients):
        yield from _visits(patient, options, seed=seed)


def _visits(patient: int, options: CTOptions, *, seed: int) -> Iterator[Scan]:
    attendance, health = stream(seed, "ct attendance", patient), stream(seed, "ct health", patient)
    day = EPOCH + timedelta(days=int(attendance.integers(3000)))
    episode = -1
    for study in range(1 + int(attendance.poisson(options.studies_per_patient - 1))):
        day += timedelta(days=int(attendance.integers(1, 200)))
        scanner = SCANNERS[attendance.integers(len(SCANNERS))]
        encoding = scanner.encodings[attendance.integers(len(scanner.encodings))]
        localizer = bool(attendance.random() < scanner.localizer)
        persists, finding = health.random(2)
        if study == 0 or persists >= options.persistence:
            episode += 1
            label = OPACITY if finding < options.prevalence else NORMAL
        yield Scan(patient, study, episode, label, day, scanner, encoding, localizer)
