"""What every learner promises of images with several findings, each a question of its own."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from medtrimix.errors import InputError
from medtrimix.lowlabel.options import FinetuneOptions, KNNOptions, LinearOptions
from medtrimix.lowlabel.semi_options import (
    FixMatchOptions,
    FlexMatchOptions,
    ICTOptions,
    MeanTeacherOptions,
    PseudoLabelOptions,
)
from medtrimix.lowlabel.table import LEARNERS
from medtrimix.metrics.evaluate import evaluate

sys.path.insert(0, str(Path(__file__).parents[1] / "lowlabel"))
from toys import held_out_findings, quiet, toy_findings

SHORT = {"min_steps": 80, "max_steps": 80, "scratch_lr": 2e-2, "head_lr": 2e-2}
OPTIONS = {
    KNNOptions: KNNOptions(metric="euclidean", temperature=0.5),
    LinearOptions: LinearOptions(),
    FinetuneOptions: FinetuneOptions(**SHORT),
    PseudoLabelOptions: PseudoLabelOptions(**SHORT, unlabelled_batch=20, alignment="labels"),
    **{
        kind: kind(**SHORT, unlabelled_batch=20, ema=0.9)
        for kind in (FixMatchOptions, FlexMatchOptions, MeanTeacherOptions, ICTOptions)
    },
}
every_learner = pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)


@every_learner
def test_each_finding_is_learnt(kind: type) -> None:
    task = toy_findings(labels=40)
    rows, target_NL = held_out_findings(task)
    probability_NL = LEARNERS[kind](task, options=OPTIONS[kind], hooks=quiet())(rows)
    assert probability_NL.shape == (len(rows), 2)
    assert probability_NL.dtype == np.float64
    assert ((probability_NL >= 0) & (probability_NL <= 1)).all()
    # No distribution: images with both findings have both probabilities high.
    both = target_NL.all(axis=1)
    assert probability_NL[both].sum(axis=1).mean() > 1.2
    for finding in range(2):
        answers_N2 = np.stack([1 - probability_NL[:, finding], probability_NL[:, finding]], axis=1)
        assert evaluate(answers_N2, target_NL[:, finding])["auc"] > 0.9, finding


@every_learner
def test_the_same_twice(kind: type) -> None:
    rows, _ = held_out_findings(toy_findings())
    answers = []
    for elsewhere in (1, 2):
        torch.manual_seed(elsewhere)
        answers.append(LEARNERS[kind](toy_findings(), options=OPTIONS[kind], hooks=quiet())(rows))
    np.testing.assert_array_equal(*answers)


@every_learner
def test_a_finding_that_all_labelled_images_have_is_refused(kind: type) -> None:
    task = toy_findings()
    target_NL = task.train.target_N.copy()
    target_NL[:, 1] = 1
    everywhere = dataclasses.replace(task, train=dataclasses.replace(task.train, target_N=target_NL))
    with pytest.raises(InputError, match="0, 24 without and with a finding"):
        LEARNERS[kind](everywhere, options=OPTIONS[kind], hooks=quiet())


@pytest.mark.parametrize("kind", [LinearOptions, KNNOptions, FinetuneOptions], ids=lambda kind: kind.__name__)
def test_balanced_classes_weigh_the_rarer_answer_of_each_finding(kind: type) -> None:
    task = toy_findings(labels=40)
    rare = task.train.target_N.copy()
    rare[4:, 0] = 0  # the first finding is left in two images, with noise for the others
    task = dataclasses.replace(task, train=dataclasses.replace(task.train, target_N=rare))
    rows, _ = held_out_findings(task)
    plain, balanced = (
        LEARNERS[kind](task, options=OPTIONS[kind].model_copy(update={"class_weight": weight}), hooks=quiet())(rows)
        for weight in ("none", "balanced")
    )
    assert balanced[:, 0].mean() > plain[:, 0].mean() + 0.05
