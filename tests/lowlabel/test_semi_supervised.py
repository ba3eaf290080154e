"""Semi-supervised learners: what they remember between steps, and what leaves traces in running statistics."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import references.semi_supervised as slow
import torch
from torch import Tensor, nn
from toys import TinyEncoder, quiet, strong, toy_task

from medtrimix.config.digest import seed_from
from medtrimix.lowlabel.average import Average
from medtrimix.lowlabel.batches import LabelledImages, UnlabelledImages
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.fixmatch import FixMatch
from medtrimix.lowlabel.ict import InterpolationConsistency
from medtrimix.lowlabel.loop import Objective
from medtrimix.lowlabel.mean_teacher import MeanTeacher
from medtrimix.lowlabel.pseudo_label import PseudoLabel
from medtrimix.lowlabel.pseudo_labels import AlignedPredictions, CurriculumThresholds, OneThreshold
from medtrimix.lowlabel.schedule import batch_positions
from medtrimix.lowlabel.semi_options import (
    FixMatchOptions,
    ICTOptions,
    MeanTeacherOptions,
    PseudoLabelOptions,
    SemiSupervisedOptions,
)
from medtrimix.lowlabel.table import learn
from medtrimix.lowlabel.task import Hooks, Rows, Task

CPU = torch.device("cpu")


def classifier_of(*, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return Classifier(TinyEncoder(), dim=8, answers=2).train()


def fixmatch(classifier: Classifier, task: Task, options: FixMatchOptions) -> FixMatch:
    return FixMatch(
        classifier,
        task=task,
        options=options,
        unlabelled=UnlabelledImages(task, options=options),
        thresholds=OneThreshold(options.threshold),
    )


def objective_of(options: SemiSupervisedOptions, classifier: Classifier, task: Task) -> Objective:
    if isinstance(options, FixMatchOptions):
        return fixmatch(classifier, task, options)
    if isinstance(options, PseudoLabelOptions):
        return PseudoLabel(classifier, task=task, options=options)
    if isinstance(options, MeanTeacherOptions):
        return MeanTeacher(classifier, task=task, options=options)
    assert isinstance(options, ICTOptions)
    return InterpolationConsistency(classifier, task=task, options=options)


KINDS = [FixMatchOptions, PseudoLabelOptions, MeanTeacherOptions, ICTOptions]


def running_mean(classifier: Classifier) -> Tensor:
    layer = next(layer for layer in classifier.modules() if isinstance(layer, nn.BatchNorm2d))
    assert layer.running_mean is not None
    return layer.running_mean.clone()


@pytest.mark.parametrize("kind", [FixMatchOptions, MeanTeacherOptions, ICTOptions], ids=lambda kind: kind.__name__)
def test_statistics_of_what_predicts_are_of_weak_unlabelled_views_alone(kind: type) -> None:
    """One step, and by hand what batch normalisation makes of one pass: .9 of nothing and .1 of the batch's mean."""
    task, options = toy_task(), kind(unlabelled_batch=20)
    classifier = classifier_of()
    first = classifier.encoder.net[0]
    with torch.no_grad():
        expected = 0.1 * first(UnlabelledImages(task, options=options).weak(0)).mean(dim=(0, 2, 3))
    objective = objective_of(options, classifier, task)
    objective.loss(0, progress=0.5).total.backward()
    objective.after_step(0)
    torch.testing.assert_close(running_mean(objective.predictor), expected)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_loss_is_that_of_labelled_images_plus_the_weighted_rest(kind: type) -> None:
    task = toy_task()
    totals, rests = [], []
    for weight in (0.0, 1.0, 3.0):
        options = kind(
            unlabelled_batch=20, unlabelled_weight=weight, **({"threshold": 0.0} if kind is FixMatchOptions else {})
        )
        loss = objective_of(options, classifier_of(), task).loss(0, progress=0.99)
        totals.append(float(loss.total.detach()))
        rests.append(float(loss.shown["unlabelled_loss"]))
    assert rests[0] == rests[1] == rests[2] > 0
    assert totals[1] - totals[0] == pytest.approx(rests[0], rel=1e-4, abs=1e-6)  # totals are float32
    assert totals[2] - totals[0] == pytest.approx(3 * rests[0], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_rest_is_the_published_loss_of_the_views(kind: type) -> None:
    """Built again from the views; which of them pass the network together decides how they are normalised."""
    task = toy_task()
    pseudo = {} if kind in {MeanTeacherOptions, ICTOptions} else {"threshold": 0.53}
    options = kind(unlabelled_batch=20, **pseudo)
    classifier, again = classifier_of(), classifier_of()
    shown = objective_of(options, classifier, task).loss(0, progress=0.99).shown
    unlabelled = UnlabelledImages(task, options=options)
    image_BCHW, _ = LabelledImages(task, options=options, device=CPU).at(0)
    weak_BCHW = unlabelled.weak(0)
    mixtures = np.random.default_rng([seed_from("mixtures", task.seed), 0])
    share_B, partner_B = mixtures.beta(1.0, 1.0, size=20), mixtures.permutation(20)
    share_B111 = torch.from_numpy(share_B).float()[:, None, None, None]

    def beside_labelled(view_BCHW: Tensor) -> Tensor:
        return again(torch.cat([image_BCHW, view_BCHW]))[len(image_BCHW) :]

    with torch.no_grad():
        weak_BK = again(weak_BCHW).double()
        seen_BK = {
            FixMatchOptions: lambda: again(unlabelled.strong(0)),
            PseudoLabelOptions: lambda: beside_labelled(weak_BCHW),
            MeanTeacherOptions: lambda: beside_labelled(unlabelled.weak(0, view=1)),
            ICTOptions: lambda: again(share_B111 * weak_BCHW + (1 - share_B111) * weak_BCHW[partner_B]),
        }[kind]().double()
    expected = {
        FixMatchOptions: lambda: slow.fixmatch(seen_BK, weak_BK, threshold=0.53),
        PseudoLabelOptions: lambda: slow.fixmatch(seen_BK, seen_BK, threshold=0.53),
        MeanTeacherOptions: lambda: slow.mean_teacher(seen_BK, weak_BK),
        ICTOptions: lambda: slow.ict(seen_BK, weak_BK, shares=share_B, permutation=partner_B),
    }[kind]()
    if pseudo:
        assert 0 < float(shown["confident_share"]) < 1
    assert float(shown["unlabelled_loss"]) == pytest.approx(float(expected), rel=1e-4)
    assert float(expected) > 0


def test_an_image_that_comes_twice_in_a_batch_comes_as_two_views() -> None:
    """3 labels fill a batch of 8: two or three views of each, in the order of the stream, each with its own class."""
    task, options = toy_task(labels=3), FixMatchOptions(batch_size=8)
    labelled = LabelledImages(task, options=options, device=CPU)
    for step in range(3):
        image_BCHW, target_B = labelled.at(step)
        position_B = batch_positions(step, labels=3, batch=8, seed=task.seed)
        torch.testing.assert_close(target_B.numpy(), task.train.target_N[position_B])
        for place, position in enumerate(position_B):
            row = task.train.row_N[[position]]
            view = int((position_B[:place] == position).sum())
            expected = task.vision.augment(task.vision.images(row), step=step, rows_B=row, view=view)
            torch.testing.assert_close(image_BCHW[[place]], expected)
        assert len(torch.unique(image_BCHW, dim=0)) == 8


def test_mixtures_are_replayed_from_the_step() -> None:
    task, options = toy_task(), ICTOptions(unlabelled_batch=20)
    losses = [
        InterpolationConsistency(classifier_of(), task=task, options=options).loss(step, progress=0.9).total.item()
        for step in (3, 3, 4)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_fixmatch_learns_from_strong_views_and_labels_from_weak_ones() -> None:
    task, seen = toy_task(), list[int]()

    def watched(image_BCHW: Tensor, *, step: int, rows_B: Rows, view: int = 0) -> Tensor:
        seen.extend(rows_B.tolist())
        return strong(image_BCHW, step=step, rows_B=rows_B, view=view)

    task = dataclasses.replace(task, vision=dataclasses.replace(task.vision, strong=watched))
    learn(task, options=FixMatchOptions(min_steps=3, max_steps=3, unlabelled_batch=20), hooks=quiet())
    assert len(seen) == 60
    assert set(seen) == set(task.unlabelled_N.tolist())


def test_the_average_is_the_mean_at_first_and_then_follows() -> None:
    """By hand, decay .75: after weights 1, 3, 5, 7, 9 it is 1, 2, 3, 4 and .75 * 4 + .25 * 9 = 5.25."""
    classifier = classifier_of()
    average = Average(classifier, decay=0.75)
    for step, value in enumerate((1.0, 3.0, 5.0, 7.0, 9.0)):
        nn.init.constant_(classifier.head.bias, value)
        average.follow(classifier, step=step)
    assert average.network.head.bias.tolist() == pytest.approx([5.25, 5.25])
    assert not any(weight.requires_grad for weight in average.network.parameters())


def test_the_average_of_statistics_counts_them_too() -> None:
    classifier = classifier_of()
    average = Average(classifier, decay=0.5)
    for step in range(3):
        classifier(torch.randn(4, 1, 12, 12))
        average.follow_statistics(classifier, step=step)
    assert not torch.equal(running_mean(average.network), running_mean(classifier))
    layer = average.network.encoder.net[1]
    assert int(layer.num_batches_tracked) == 3


def test_a_curriculum_remembers_who_was_sure() -> None:
    """4 images, threshold .8; by the algorithm's restatement after each step."""
    thresholds = CurriculumThresholds(0.8, images=4, task=toy_task(), device=CPU)
    probability_BK = torch.tensor([[0.9, 0.1], [0.45, 0.55]])
    # Nothing is learnt yet, so that both thresholds are 0 and everything counts; image 2 is sure of class 0.
    assert thresholds.confident(probability_BK, position_B=np.array([2, 3])).tolist() == [True, True]
    low, high = slow.flexmatch_thresholds([None, None, 0, None], classes=2, threshold=0.8)
    assert (low, high) == (pytest.approx(0.8 * (1 / 3) / (5 / 3)), 0)
    for _ in range(3):  # all become sure of class 0, one after the other
        thresholds.confident(torch.tensor([[0.9, 0.1]] * 3), position_B=np.array([0, 1, 3]))
    found = thresholds.confident(torch.tensor([[0.79, 0.21], [0.81, 0.19], [0.4, 0.6]]), position_B=np.arange(3))
    assert found.tolist() == [False, True, True]


def test_each_question_of_a_curriculum_has_thresholds_of_its_own() -> None:
    """Two findings, images 0 to 9: the first is learnt, the second by nobody."""
    thresholds = CurriculumThresholds(0.8, images=10, task=dataclasses.replace(toy_task(), several=True), device=CPU)
    sure, unsure = [0.9, 0.1], [0.6, 0.4]
    for image in range(10):  # rows are image by image, question by question
        thresholds.confident(torch.tensor([sure, unsure]), position_B=np.array([image]))
    found = thresholds.confident(torch.tensor([unsure, unsure]), position_B=np.array([0]))
    assert found.tolist() == [False, True]


def test_alignment_raises_the_class_that_is_named_too_rarely() -> None:
    task = toy_task()  # as many labels of both classes
    logit_BK = torch.tensor([[2.0, 0.0]] * 9 + [[0.0, 0.1]])
    plain, aligned = (AlignedPredictions(kind, task=task, device=CPU)(logit_BK) for kind in ("none", "labels"))
    assert float(plain.mean(dim=0)[1]) < float(aligned.mean(dim=0)[1])
    torch.testing.assert_close(aligned.sum(dim=1), torch.ones(10))


def test_the_curve_says_how_many_were_confident_and_never_how_right_they_were() -> None:
    for kind in (FixMatchOptions, PseudoLabelOptions):
        curve: dict[int, dict[str, float]] = {}
        hooks = Hooks(should_stop=lambda: False, record=lambda step, values, to=curve: to.update({step: dict(values)}))
        learn(toy_task(), options=kind(min_steps=4, max_steps=4, unlabelled_batch=20), hooks=hooks)
        validation = {"val_loss", "val_auc", "val_balanced_accuracy", "val_brier"}
        assert set(curve[4]) == {"train_loss", "unlabelled_loss", "confident_share"} | validation
        assert 0 <= curve[4]["confident_share"] <= 1
