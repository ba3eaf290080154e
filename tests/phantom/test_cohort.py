"""Who has how many images, and that nothing but the opacity depends on the label."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from medtrimix.phantom.cohort import NORMAL, OPACITY, Appointment, appointments
from medtrimix.phantom.options import PhantomOptions
from medtrimix.phantom.radiograph import radiograph


def cohort(seed: int = 0, **changes: float) -> list[Appointment]:
    return list(appointments(PhantomOptions(**{"patients": 1000, **changes}), seed=seed))


def by_patient(plan: list[Appointment]) -> dict[int, list[Appointment]]:
    people = defaultdict(list)
    for appointment in plan:
        people[appointment.patient].append(appointment)
    return people


def test_number_of_images_and_balance() -> None:
    people = by_patient(plan := cohort())
    assert len(people) == 1000
    assert len(plan) / 1000 == pytest.approx(2.5, abs=4 * np.sqrt(1.5 / 1000))  # 1 + Poisson(1.5)
    assert sum(len(images) > 1 for images in people.values()) > 650  # 1 - exp(-1.5) = .78
    # Labels repeat in a person (about 2 independent ones each), hence 1,000 rather than 2,500 in the deviation.
    share = np.mean([appointment.label == OPACITY for appointment in plan])
    assert share == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(1000))


def test_a_study_has_one_label_and_some_people_have_both() -> None:
    people = by_patient(cohort())
    for images in people.values():
        assert len({(image.study, image.label, image.day, image.device) for image in images}) == images[-1].study + 1
        assert [image.image for image in images] == list(range(len(images)))
        assert [image.day for image in images] == sorted(image.day for image in images)
    assert 100 < sum(len({image.label for image in images}) == 2 for images in people.values()) < 500


def test_findings_that_always_persist_never_change() -> None:
    people = by_patient(cohort(persistence=1.0))
    assert all(len({image.label for image in images}) == 1 for images in people.values())
    assert all(image.episode == 0 for images in people.values() for image in images)


@pytest.mark.parametrize(("prevalence", "label"), [(0.0, NORMAL), (1.0, OPACITY)])
def test_prevalence_at_its_ends(prevalence: float, label: str) -> None:
    assert {appointment.label for appointment in cohort(prevalence=prevalence)} == {label}


def test_a_larger_cohort_begins_with_the_smaller_one() -> None:
    assert cohort(patients=40) == cohort(patients=60)[: len(cohort(patients=40))]
    assert cohort(seed=1) != cohort(seed=2)


def test_paths_are_unique() -> None:
    assert max(Counter(appointment.path for appointment in cohort()).values()) == 1


def shortcut_auc(plan: list[Appointment], feature: str) -> float:
    """AUC of knowing a property only: each of its values scores the share of opacities among the other half's."""
    value = np.array([str(getattr(appointment, feature)) for appointment in plan])
    target = np.array([appointment.label == OPACITY for appointment in plan])
    half = np.array([appointment.patient % 2 == 0 for appointment in plan])
    known = {one: target[half & (value == one)].mean() for one in set(value[half])}
    score = [known.get(one, 0.5) for one in value[~half]]
    return float(roc_auc_score(target[~half], score))


@pytest.mark.parametrize("feature", ["encoding", "device", "image", "study", "instance"])
def test_the_label_is_not_in_the_file_s_form(feature: str) -> None:
    # 2,500 images of 1,000 people in the scored half: standard deviation at most .5 / sqrt(3 * 1000 / 4) = .018.
    assert shortcut_auc(cohort(patients=2000), feature) == pytest.approx(0.5, abs=0.055)


def test_a_shortcut_would_be_seen() -> None:
    cheating = [
        replace(one, encoding="rle_8") if one.label == OPACITY and one.patient % 3 == 0 else one for one in cohort()
    ]
    assert shortcut_auc(cheating, "encoding") > 0.6


def trivial_aucs(options: PhantomOptions) -> dict[str, float]:
    plan = list(appointments(options, seed=3))
    pictures = [np.clip(radiograph(one, options=options, seed=3), 0, 1) for one in plan]
    target = [one.label == OPACITY for one in plan]
    features = {
        "mean": [picture.mean() for picture in pictures],
        "spread": [picture.std() for picture in pictures],
        "dark": [np.quantile(picture, 0.25) for picture in pictures],
        "middle": [np.median(picture) for picture in pictures],
        "bright": [(picture > 0.9).mean() for picture in pictures],
        "rows": [picture.shape[0] for picture in pictures],
        "columns": [picture.shape[1] for picture in pictures],
    }
    return {name: float(roc_auc_score(target, feature)) for name, feature in features.items()}


def test_trivial_features_know_nothing() -> None:
    # About 400 images of 160 people: standard deviation about .04 for images that share a person.
    aucs = trivial_aucs(PhantomOptions(patients=160, image_px=32))
    assert all(abs(auc - 0.5) < 0.12 for auc in aucs.values()), aucs


def test_trivial_features_would_see_a_white_lung() -> None:
    aucs = trivial_aucs(
        PhantomOptions(patients=40, image_px=32, opacity_radius_mm=(150.0, 160.0), opacity_density=(2.0, 2.0))
    )
    assert max(abs(auc - 0.5) for auc in aucs.values()) > 0.3, aucs


@pytest.mark.parametrize(("density", "seen"), [(1e-12, False), (0.5, True)])
def test_the_label_decides_nothing_but_the_opacity(density: float, seen: bool) -> None:
    # Pose, anatomy and noise are the same under both labels, so an opacity of no density leaves no trace.
    options = PhantomOptions(patients=4, image_px=48, opacity_density=(density, density))
    for appointment in appointments(options, seed=5):
        normal, ill = (
            radiograph(replace(appointment, label=label), options=options, seed=5) for label in (NORMAL, OPACITY)
        )
        assert (np.abs(ill - normal).max() > 0.05) == seen


def test_options_refuse_a_range_that_falls() -> None:
    with pytest.raises(ValidationError, match="opacity_radius_mm"):
        PhantomOptions(opacity_radius_mm=(30.0, 20.0))


def test_options_import_nothing_heavy() -> None:
    code = (
        "import sys, medtrimix.phantom.options; print([m for m in ('numpy', 'pydicom', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
