"""Means, paired intervals and the opening sentence."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.metrics.interval import metric_estimate
from medtrimix.metrics.multiplicity import holm
from medtrimix.report.efficiency import efficiencies
from medtrimix.report.figures.efficiency import label_efficiency
from medtrimix.report.headline import headline
from medtrimix.report.study import CellRow, Study
from medtrimix.report.summary import control, differences, majority_accuracy, summarise, summary_table
from medtrimix.report.wording import arm_title, count, interval, labels_needed, number, p_in_words, signed_interval


def only(study: Study, *arms: str) -> Study:
    return dataclasses.replace(study, cells=tuple(cell for cell in study.cells if cell.arm in arms))


def test_a_summary_is_the_mean_over_label_seeds_with_the_interval_of_averaged_draws(study: Study) -> None:
    row = next(row for row in summarise(study) if (row.arm, row.strategy, row.budget) == ("simclr", "linear", "10%"))
    cells = [c for c in study.cells if (c.arm, c.strategy, c.budget) == ("simclr", "linear", "10%")]
    values = [cell.metrics["auc"].value for cell in cells]
    assert (row.pretrain_seeds, row.label_seeds) == (1, len(cells)) == (1, 3)
    assert row.metrics["auc"].value == pytest.approx(sum(values) / 3)
    assert row.sd["auc"] == pytest.approx(np.std(values, ddof=1))
    averaged = sum(cell.draws["auc"] for cell in cells) / 3
    expected = metric_estimate("auc", averaged, sum(values) / 3, n=400, patients_K=(), n_patients=cells[0].n_patients)
    assert (row.metrics["auc"].low, row.metrics["auc"].high) == pytest.approx((expected.low, expected.high))


def test_every_combination_has_one_row(study: Study) -> None:
    keys = [(row.strategy, row.budget, row.arm) for row in summarise(study)]
    assert len(keys) == len(set(keys)) == 4 * 2 * 3
    assert [budget for strategy, budget, arm in keys if (strategy, arm) == ("linear", "trimix")] == [
        "1%",
        "10%",
        "100%",
    ]


def test_a_difference_is_paired(study: Study) -> None:
    gap = next(g for g in differences(study) if (g.other, g.strategy, g.budget) == ("simclr", "linear", "1%"))
    rows = {row.arm: row for row in summarise(study) if (row.strategy, row.budget) == ("linear", "1%")}
    ours, theirs = rows["trimix"].metrics["auc"], rows["simclr"].metrics["auc"]
    assert gap.estimate.value == pytest.approx(ours.value - theirs.value)
    unpaired = np.hypot(ours.high - ours.low, theirs.high - theirs.low)
    assert gap.estimate.high - gap.estimate.low < 0.8 * unpaired


def test_an_arm_minus_its_copy_is_exactly_zero(study: Study) -> None:
    original = [cell for cell in study.cells if cell.arm == "trimix"]
    copy = [dataclasses.replace(cell, arm="copy") for cell in original]
    gaps = differences(dataclasses.replace(study, cells=(*original, *copy)))
    assert {(gap.estimate.value, gap.estimate.low, gap.estimate.high) for gap in gaps} == {(0.0, 0.0, 0.0)}


def test_differences_have_p_values_of_their_family(study: Study) -> None:
    gaps = differences(study)
    assert len(gaps) == 3 * 2 * 3
    for gap in gaps:
        excludes_zero = not gap.estimate.low <= 0 <= gap.estimate.high
        assert excludes_zero == (gap.p_value < 0.05)
        assert gap.p_value <= gap.p_holm <= 1
    np.testing.assert_allclose([gap.p_holm for gap in gaps], holm([gap.p_value for gap in gaps]))
    copy = [dataclasses.replace(cell, arm="copy") for cell in study.cells if cell.arm == "trimix"]
    twin = differences(dataclasses.replace(only(study, "trimix"), cells=(*only(study, "trimix").cells, *copy)))
    assert {(gap.p_value, gap.p_holm) for gap in twin} == {(1.0, 1.0)}


def test_label_seeds_that_one_arm_lacks_are_not_compared(study: Study) -> None:
    cells = tuple(cell for cell in study.cells if (cell.arm, cell.label_seed) != ("scratch", 2))
    gaps = differences(dataclasses.replace(study, cells=cells))
    assert {gap.label_seeds for gap in gaps if gap.other == "scratch"} == {2}
    assert {gap.label_seeds for gap in gaps if gap.other == "simclr"} == {3}


def pretrained_often(study: Study, *, shifts: list[float]) -> Study:
    """The same cells from several pretrainings, which differ by these constants."""
    cells = [
        dataclasses.replace(
            cell,
            pretrain_seed=seed,
            metrics={n: dataclasses.replace(found, value=found.value + shift) for n, found in cell.metrics.items()},
            draws={name: value_R + shift for name, value_R in cell.draws.items()},
        )
        for seed, shift in enumerate(shifts)
        for cell in study.cells
    ]
    return dataclasses.replace(study, cells=tuple(cells))


def test_pretrainings_are_averaged_and_their_spread_widens_the_interval(study: Study) -> None:
    shifts = [-0.06, -0.03, 0.0, 0.03, 0.06]
    once, often = (summarise(pretrained_often(study, shifts=each))[0] for each in ([0.0], shifts))
    assert (often.pretrain_seeds, often.label_seeds) == (5, 3)
    one, many = (row.metrics["auc"] for row in (once, often))
    assert many.value == pytest.approx(one.value)
    # Five values of variance .00225: their mean has the variance .00225 / 5, and t with 4 degrees of freedom is 2.78.
    spread = np.hypot(one.high - one.low, 2 * 2.78 * np.sqrt(0.00225 / 5))
    assert many.high - many.low == pytest.approx(spread, rel=0.1)
    assert summary_table(pretrained_often(study, shifts=shifts))[0].seeds == "5 x 3"


def test_arms_meet_the_same_pretrainings(study: Study) -> None:
    """What all arms share, such as lucky first weights, is no part of their difference."""
    alone, shifted = (
        [gap.estimate for gap in differences(pretrained_often(study, shifts=shifts))]
        for shifts in ([0.0] * 5, [-0.06, -0.03, 0.0, 0.03, 0.06])
    )
    for one, other in zip(alone, shifted, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_the_headline_names_smallest_budget_reference_and_what_the_control_needs(study: Study) -> None:
    rows = {(row.arm, row.strategy): row for row in summarise(study) if row.budget == "1%"}
    found = headline(study)
    needed = next(
        one for one in efficiencies(study) if (one.arm, one.strategy, one.budget) == ("trimix", "linear", "1%")
    )
    assert found.answer == (
        "With 10 labelled images of 8 to 9 patients (1% of the training labels), TriMix (linear probe) reaches an AUC "
        f"of {interval(rows['trimix', 'linear'].metrics['auc'])}; the same network from scratch (finetuned) "
        f"needs {labels_needed(needed.needed)} for that."
    )
    scratch = interval(rows["scratch", "finetune"].metrics["auc"])
    assert f"With the same 10 labels, the same network from scratch (finetuned) reaches {scratch}" in found.verdict
    assert "advantage" in found.verdict
    assert f"400 test images of {study.cells[0].n_patients} patients" in " ".join(found.cannot_say)


def test_the_headline_does_not_follow_the_best_number(study: Study) -> None:
    worst_first = dataclasses.replace(study, cells=tuple(sorted(study.cells, key=lambda cell: cell.arm != "scratch")))
    assert "the same network from scratch (linear probe)" in headline(worst_first).answer
    assert "TriMix (linear probe) reaches that with no more labels" in headline(worst_first).answer
    assert "disadvantage" in headline(worst_first).verdict


def test_patients_with_labels_are_told_only_where_they_are_known(study: Study) -> None:
    once = dataclasses.replace(study, cells=tuple(cell for cell in study.cells if cell.label_seed == 0))
    assert headline(once).answer.startswith("With 10 labelled images of 9 patients (1%")
    unknown = dataclasses.replace(study, cohort=dataclasses.replace(study.cohort, without_patient=1600))
    assert headline(unknown).answer.startswith("With 10 labelled images (1%")
    assert "all numbers come from 400 test images of one data set" in " ".join(headline(unknown).cannot_say)
    partly = dataclasses.replace(study, cohort=dataclasses.replace(study.cohort, without_patient=7))
    assert headline(partly).answer.startswith("With 10 labelled images of 8 to 9 patients (1%")
    assert "7 images have no patient number" in " ".join(headline(partly).cannot_say)
    volumes = dataclasses.replace(once, cohort=dataclasses.replace(study.cohort, unit="volume"))
    assert headline(volumes).answer.startswith("With 10 labelled volumes of 9 patients (1%")


def test_an_auc_that_the_control_never_reaches_is_said_to_be(study: Study) -> None:
    last = dataclasses.replace(study, cells=tuple(c for c in study.cells if c.arm != "scratch" or c.budget != "100%"))
    assert "does not reach that with 96 labelled images, the most that were tried" in headline(last).answer
    assert "above 96: nothing is extrapolated" in " ".join(headline(last).cannot_say)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"source": "phantom"}, "the images are simulated"), ({"without_patient": 1600}, "has no patient numbers")],
)
def test_what_a_source_leaves_open_is_said(study: Study, changes: dict[str, Any], words: str) -> None:
    of_source = dataclasses.replace(study, cohort=dataclasses.replace(study.cohort, **changes))
    assert words in " ".join(headline(of_source).cannot_say)
    folder = dataclasses.replace(study, cohort=dataclasses.replace(study.cohort, source="folder"))
    assert words not in " ".join(headline(folder).cannot_say)


def renamed(study: Study, names: dict[str, str]) -> Study:
    """The same study, whose strategies have names of their own."""
    cells = tuple(dataclasses.replace(cell, strategy=names[cell.strategy]) for cell in study.cells)
    learners = {names[name]: kind for name, kind in study.learners.items()}
    return dataclasses.replace(study, cells=cells, learners=learners)


def test_the_control_is_what_finetunes_whatever_it_is_called(study: Study) -> None:
    assert control(study) == ("scratch", "finetune")
    assert control(renamed(study, {"linear": "probe", "finetune": "full"})) == ("scratch", "full")
    assert control(renamed(study, {"linear": "finetune", "finetune": "linear"})) == ("scratch", "linear")


def test_a_checkpoint_is_one_pretraining_of_another_network(study: Study) -> None:
    often = pretrained_often(study, shifts=[0.0, 0.01])
    cells = tuple(dataclasses.replace(c, method="checkpoint" if c.arm == "trimix" else c.method) for c in often.cells)
    brought = dataclasses.replace(often, cells=cells)
    row = summarise(brought)[0]
    assert (row.arm, row.pretrain_seeds) == ("trimix", 1)
    assert "; a network from scratch (finetuned)" in headline(brought).answer
    cannot_say = " ".join(headline(brought).cannot_say)
    assert "the checkpoint of trimix has seen images of validation or test patients" in cannot_say
    assert headline(often).averaged == "averaged over 3 draws of the labelled images and 2 pretrainings"
    assert headline(brought).averaged == "averaged over 3 draws of the labelled images"


def test_too_few_whole_draws_are_said_and_give_no_range(study: Study) -> None:
    def mostly_undefined(cell: CellRow) -> CellRow:
        auc_R = cell.draws["auc"].copy()
        auc_R[1:] = np.nan
        found = metric_estimate("auc", auc_R, cell.metrics["auc"].value, n=400, patients_K=(), n_patients=9)
        assert found.undefined_draws == len(auc_R) - 1
        return dataclasses.replace(cell, metrics={**cell.metrics, "auc": found}, draws={**cell.draws, "auc": auc_R})

    rare = dataclasses.replace(study, cells=tuple(mostly_undefined(cell) for cell in study.cells))
    assert "[not known]" in headline(rare).answer
    assert "this test set cannot tell the two apart" in headline(rare).verdict
    assert "100% of the draws of test patients lack a class" in " ".join(headline(rare).cannot_say)
    assert {math.isnan(one.needed.low) for one in efficiencies(rare)} == {True}
    assert label_efficiency(rare) is not None


def test_one_budget_has_no_learning_curve(study: Study) -> None:
    one = dataclasses.replace(study, cells=tuple(cell for cell in study.cells if cell.budget == "1%"))
    assert efficiencies(one) == ()
    assert headline(one).answer.endswith("].")


def test_arms_that_cannot_be_told_apart_are_said_to_be(study: Study) -> None:
    close = only(study, "trimix", "simclr")
    linear = dataclasses.replace(close, cells=tuple(cell for cell in close.cells if cell.strategy == "linear"))
    assert "cannot tell the two apart" in headline(linear).verdict


def test_a_single_arm_is_compared_with_nothing(study: Study) -> None:
    found = headline(only(study, "trimix"))
    assert found.answer.endswith("].")
    assert found.verdict == ""
    assert differences(only(study, "trimix")) == ()
    assert efficiencies(only(study, "trimix")) == ()


@pytest.mark.parametrize(
    ("p", "text"), [(0.0123, "p = .012"), (0.0004, "p < .001"), (1.0, "p = 1.000"), (math.nan, "")]
)
def test_p_values_in_words(p: float, text: str) -> None:
    assert p_in_words(p) == text


def test_the_majority_class_is_that_of_the_training_set(study: Study) -> None:
    accuracy = majority_accuracy(study)
    assert accuracy is not None
    assert accuracy.value == pytest.approx(np.mean(study.predictions[0].target_N == 0))
    assert accuracy.low < accuracy.value < accuracy.high
    assert majority_accuracy(dataclasses.replace(study, predictions=())) is None


def test_no_number_of_the_table_is_bare(study: Study) -> None:
    for row in summary_table(study):
        assert "[" in row.auc
        assert "[" in row.accuracy
        assert "[" in row.balanced_accuracy
        assert "[" in row.difference or row.difference == "reference"
        assert row.n == f"400 ({study.cells[0].n_patients})"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9531, ".953"), (-0.0042, "-.004"), (1.0, "1.000"), (0.0, ".000"), (-0.0001, ".000"), (40.5, "40.500")],
)
def test_numbers_as_in_papers(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(-2, 2))
def test_a_printed_number_reads_back(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, abs=5.001e-4)


def test_signs_are_always_shown_on_differences() -> None:
    assert signed_interval(Estimate(0.031, -0.004, 0.059, 10, 5)) == "+.031 [-.004, +.059]"


def test_names() -> None:
    assert arm_title("trimix", method="trimix") == "TriMix"
    assert arm_title("barlow-twins", method="barlow_twins") == "Barlow Twins"
    assert arm_title("scratch", method="none") == "from scratch"
    assert arm_title("trimix-unmix", method="trimix") == "trimix-unmix (TriMix)"
    assert (count(1, "patient"), count(1200, "patient")) == ("1 patient", "1,200 patients")
