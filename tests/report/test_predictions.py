"""Figures of predictions: reliability by hand, ROC bands that hold their curve, examples of their kind, steady maps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from medtrimix.report.figures.calibration import calibration, reliability
from medtrimix.report.figures.embedding import POINTS, coloured, glimpse, plane
from medtrimix.report.figures.examples import example_sheet, saliency_sheet, small
from medtrimix.report.figures.roc import roc_curves
from medtrimix.report.study import Prediction, Study


def prediction(score: list[float], target: list[int]) -> Prediction:
    score_N = np.array(score)
    patient_N = np.array([f"p{place}" for place in range(len(score))])
    return Prediction("a", "linear", "1%", 0, np.stack([1 - score_N, score_N], axis=1), np.array(target), patient_N)


def test_reliability_by_hand() -> None:
    """Bin .1 to .2 has .12 and .18, one positive; the last bin takes 1 too."""
    found = reliability([prediction([0.12, 0.18, 0.95, 1.0], [0, 1, 1, 1])])
    assert [one.low for one in found] == pytest.approx([0.1, 0.9])
    assert [one.predicted for one in found] == pytest.approx([0.15, 0.975])
    assert [one.observed for one in found] == [0.5, 1.0]
    assert [one.n for one in found] == [2, 2]
    # 1 of 2 patients: variance (.25 + .25) / 2^2 * 2 / 1 = .25, that of one image; half width of Wilson's interval
    # 1.96 sqrt(.25 + 1.96^2 / 4) / (1 + 1.96^2) = .4454
    assert found[0].observed_low == pytest.approx(0.5 - 0.4454, abs=1e-4)
    assert found[0].observed_high == pytest.approx(0.5 + 0.4454, abs=1e-4)


def test_a_second_seed_brings_no_further_patients() -> None:
    one = prediction([0.12, 0.18, 0.95, 0.97], [0, 1, 1, 0])
    single, pooled = reliability([one]), reliability([one, one])
    assert [each.n for each in pooled] == [2 * each.n for each in single]
    assert [each.n_patients for each in pooled] == [each.n_patients for each in single]
    assert pooled[0].observed_low == pytest.approx(single[0].observed_low)


def test_several_classes_ask_whether_the_call_is_right() -> None:
    probability_NK = np.array([[0.62, 0.28, 0.1], [0.1, 0.65, 0.25]])
    several = dataclasses.replace(prediction([0, 0], [0, 2]), probability_NK=probability_NK)
    [found] = reliability([several])
    assert (found.predicted, found.observed) == (pytest.approx(0.635), 0.5)


def test_several_findings_ask_for_each() -> None:
    said = dataclasses.replace(
        prediction([0, 0], [0, 0]),
        probability_NK=np.array([[0.95, 0.15], [0.12, 0.18]]),
        target_N=np.array([[1, 0], [0, 1]]),
    )
    low, high = reliability([said])
    assert (low.n, low.n_patients, low.observed) == (3, 2, pytest.approx(1 / 3))
    assert (high.n, high.n_patients, high.observed) == (1, 1, 1.0)


def test_calibration_shows_the_two_that_the_answer_compares(study: Study) -> None:
    figure = calibration(study)
    assert figure is not None
    names = [name.splitlines()[0] for name in figure.axes[0].get_legend_handles_labels()[1]]
    assert names == ["TriMix, linear probe", "from scratch, finetuned"]
    heights = [bar.get_height() for bar in figure.axes[3].patches]
    assert sum(heights) == pytest.approx(2 * 400)  # every test image once for each of the two
    assert calibration(dataclasses.replace(study, predictions=())) is None


def test_bands_hold_their_curves(study: Study) -> None:
    figure = roc_curves(study)
    assert figure is not None
    panel = figure.axes[0]
    assert len(panel.collections) == 2  # the reference and the control
    curve = np.asarray(panel.lines[1].get_ydata(), dtype=float)
    band = panel.collections[0].get_paths()[0].vertices
    for x in (0.1, 0.3, 0.6):
        edge = band[np.isclose(band[:, 0], x)][:, 1]
        assert edge.min() <= curve[round(100 * x)] <= edge.max()
        assert 0.01 < np.ptp(edge) < 0.3


@pytest.mark.parametrize(
    ("shape", "small_shape"),
    [((2, 1, 28, 28), (2, 1, 28, 28)), ((2, 3, 224, 200), (2, 3, 74, 66)), ((2, 1, 5, 97, 97), (2, 1, 48, 48))],
)
def test_pictures_are_made_small(shape: tuple[int, ...], small_shape: tuple[int, ...]) -> None:
    image = np.full(shape, 77, dtype=np.uint8)
    found = small(image)
    assert found.shape == small_shape
    assert (found == 77).all()


def test_a_map_keeps_groups_apart_and_is_the_same_again() -> None:
    generator = np.random.default_rng(0)
    target_N = np.arange(60) % 2
    feature_NE = generator.normal(size=(60, 16)) + 8 * target_N[:, None]
    place_N2 = plane(feature_NE)
    assert place_N2.shape == (60, 2)
    distance_NN = np.linalg.norm(place_N2[:, None] - place_N2[None], axis=2) + 1e9 * np.eye(60)
    assert (target_N[distance_NN.argmin(axis=1)] == target_N).mean() > 0.95
    assert (plane(feature_NE) == place_N2).all()


def test_features_without_any_spread_have_a_map() -> None:
    """A collapsed encoder must not end the report."""
    assert plane(np.full((20, 4), 0.3)).tolist() == [[0, 0]] * 20


def test_a_glimpse_is_spread_over_all_rows() -> None:
    assert glimpse(np.arange(10)).tolist() == list(range(10))
    rows = glimpse(np.arange(10_000))
    assert (len(rows), rows[0], rows[-1]) == (POINTS, 0, 9999)


def test_maps_of_evidence_lie_on_their_pictures(study: Study) -> None:
    figure = saliency_sheet(study)
    assert figure is not None
    first = study.examples[0]
    picture, evidence = figure.axes[0].images
    assert picture.get_extent() == evidence.get_extent()
    np.testing.assert_allclose(np.asarray(evidence.get_array()), first.evidence_BYX[0])
    assert -evidence.norm.vmin == evidence.norm.vmax == pytest.approx(np.abs(first.evidence_BYX[0]).max())
    peak = first.evidence_BYX[0].flat[np.abs(first.evidence_BYX[0]).argmax()]
    assert f"{peak:+.1f}" in figure.axes[0].texts[1].get_text()


def test_a_map_of_nearly_nothing_is_not_made_to_look_like_something(study: Study) -> None:
    flat = dataclasses.replace(study.examples[0], evidence_BYX=np.full((8, 8, 8), 1e-4))
    figure = saliency_sheet(dataclasses.replace(study, examples=(flat,)))
    assert figure is not None
    assert np.asarray(figure.axes[0].images[1].get_alpha()).max() < 0.01


def test_examples_of_findings_name_the_finding_that_they_were_chosen_for(study: Study) -> None:
    first = dataclasses.replace(
        study.examples[0],
        kind="missed",
        probability_BK=np.full((8, 3), 0.04),
        target_B=np.tile([0, 1, 0], (8, 1)),
        column_B=np.full(8, 1),
    )
    named = dataclasses.replace(study, classes=("edema", "effusion", "mass"), examples=(first,))
    pictures, maps = example_sheet(named), saliency_sheet(named)
    assert pictures is not None
    assert maps is not None
    assert [text.get_text() for text in pictures.axes[0].texts[:2]] == ["probability .040", "effusion: yes"]
    assert maps.axes[0].texts[0].get_text() == "effusion: yes"
    assert maps.axes[0].texts[1].get_text().startswith("effusion: ")


def test_points_are_coloured_by_class_or_by_how_many_findings_there_are() -> None:
    target_N, names = coloured(np.array([1, 0]), classes=("normal", "opacity"))
    assert (target_N.tolist(), names) == ([1, 0], ("normal", "opacity"))
    several_NL = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    target_N, names = coloured(several_NL, classes=("edema", "effusion", "mass"))
    assert [names[number] for number in target_N] == ["no finding", "one finding", "two or more", "two or more"]
