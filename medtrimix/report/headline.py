"""The answer in plain sentences, by rules that were fixed before there were results.

They speak of the smallest label budget, of the reference arm with the first strategy, and of the control: the
untrained arm, finetuned where that was done. Nothing is picked because its number is high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from medtrimix.report.efficiency import efficiencies
from medtrimix.report.study import CHECKPOINT, LabelsNeeded, Study
from medtrimix.report.summary import SummaryRow, cells_of, control, paired, summarise
from medtrimix.report.wording import count, interval, labels_needed, learner_title, signed_interval

_MANY_UNDEFINED = 0.05
"""Share of draws without a class from which on the report says so."""


@dataclass(frozen=True)
class Headline:
    """The opening of the report.

    Attributes:
        answer: what so few labels reach, and how many the control needs for the same.
        averaged: what its AUC is the mean over, as the rest of a sentence; empty for a single cell.
        verdict: the two at the same number of labels; empty where there is nothing to compare with.
        cannot_say: what this study leaves open, a sentence each.
    """

    answer: str
    averaged: str
    verdict: str
    cannot_say: tuple[str, ...]


def headline(study: Study) -> Headline:
    """What the study found at its smallest label budget."""
    rows = {(row.arm, row.strategy): row for row in summarise(study) if row.budget == study.budgets[0]}
    ours = rows[study.arms[0], study.strategies[0]]
    share = f"{ours.budget} of the training labels" if ours.budget.endswith("%") else ours.budget
    answer = (
        f"With {_labelled(study, ours)} ({share}), {_named(study, ours)} reaches an AUC of "
        f"{interval(ours.metrics['auc'])}"
    )
    theirs = rows.get(control(study) or ("", ""))
    needed = _needed(study, ours)
    if theirs is not None:
        answer += f"; {_named(study, theirs)} {_needs(needed) if needed else _reaches(theirs)}"
    return Headline(answer + ".", _averaged(ours), _verdict(study, ours, theirs), _cannot_say(study, ours, needed))


def _averaged(row: SummaryRow) -> str:
    repeated = {"draw of the labelled images|draws of the labelled images": row.label_seeds}
    repeated["pretraining"] = row.pretrain_seeds
    several = [count(number, noun) for noun, number in repeated.items() if number > 1]
    return f"averaged over {' and '.join(several)}" if several else ""


def _labelled(study: Study, row: SummaryRow) -> str:
    """Of how many patients somebody has to look at images, where the source tells them apart."""
    images = count(row.n_labels, f"labelled {study.cohort.unit}")
    if not study.cohort.knows_patients:
        return images
    cells = cells_of(study, arm=row.arm, strategy=row.strategy, budget=row.budget)
    fewest, most = row.n_labelled_patients, max(cell.n_labelled_patients for cell in cells)
    return f"{images} of {count(most, 'patient') if fewest == most else f'{fewest:,} to {most:,} patients'}"


def _named(study: Study, row: SummaryRow) -> str:
    own_network = study.methods[study.arms[0]] == CHECKPOINT
    return learner_title(row.arm, method=row.method, strategy=row.strategy, same_network=not own_network)


def _needed(study: Study, row: SummaryRow) -> LabelsNeeded | None:
    chosen = (row.arm, row.strategy, row.budget)
    found = (one.needed for one in efficiencies(study) if (one.arm, one.strategy, one.budget) == chosen)
    return next(found, None)


def _reaches(row: SummaryRow) -> str:
    return f"reaches {interval(row.metrics['auc'])}"


def _needs(needed: LabelsNeeded) -> str:
    """What the control needs, as the rest of a sentence."""
    if needed.value <= needed.fewest:
        return "reaches that with no more labels"
    if math.isinf(needed.value):
        return f"does not reach that with {count(needed.most, 'labelled image')}, the most that were tried"
    return f"needs {labels_needed(needed)} for that"


def _verdict(study: Study, ours: SummaryRow, theirs: SummaryRow | None) -> str:
    """Both at the same number of labels, paired over the seeds that both have."""
    if theirs is None:
        return ""
    own, other = (cells_of(study, arm=row.arm, strategy=row.strategy, budget=row.budget) for row in (ours, theirs))
    gap = paired(own, other, metric="auc")
    text = (
        f"With the same {count(ours.n_labels, 'label')}, {_named(study, theirs)} {_reaches(theirs)}; "
        f"the paired difference is {signed_interval(gap)}: "
    )
    if gap.low > 0:
        return text + "an advantage that the choice of test patients alone does not explain."
    if gap.high < 0:
        return text + "a disadvantage that the choice of test patients alone does not explain."
    return text + "this test set cannot tell the two apart."


def _cannot_say(study: Study, ours: SummaryRow, needed: LabelsNeeded | None) -> tuple[str, ...]:
    """What limits this very study, the gravest first."""
    own = cells_of(study, arm=ours.arm, strategy=ours.strategy, budget=ours.budget)[0]
    test = count(ours.n_test, f"test {study.cohort.unit}")
    if study.cohort.knows_patients:
        test += f" of {count(ours.n_patients, 'patient')}"
    found = []
    if study.cohort.source == "phantom":
        found.append("Anything about patients: the images are simulated.")
    found.append(f"Another hospital, scanner or time: all numbers come from {test} of one data set.")
    if not study.cohort.knows_patients:
        found.append("What images of one patient do to the intervals: the source has no patient numbers.")
    elif study.cohort.without_patient:
        images = count(study.cohort.without_patient, study.cohort.unit)
        found.append(f"What more images of one patient do to the intervals: {images} have no patient number.")
    undefined = ours.metrics["auc"].undefined_draws / len(own.draws["auc"])
    if undefined > _MANY_UNDEFINED:
        found.append(f"How wide the interval is: {undefined:.0%} of the draws of test patients lack a class.")
    given = [arm for arm in study.arms if study.methods[arm] == CHECKPOINT]
    if given:
        found.append(
            f"Whether the checkpoint of {' and '.join(given)} has seen images of validation or test patients: it was "
            "pretrained elsewhere."
        )
    if ours.pretrain_seeds == 1:
        found.append("Whether another pretraining of the same kind would come out the same: there was one of each arm.")
    if ours.label_seeds == 1:
        found.append("How much the choice of the labelled images matters: they were drawn once.")
    if needed is not None and (needed.value <= needed.fewest or math.isinf(needed.high)):
        found.append(
            f"How many labels the control needs below {needed.fewest:,} or above {needed.most:,}: "
            "nothing is extrapolated."
        )
    found.append("Whether a reader is helped: no reader took part, and AUC is not a benefit to a patient.")
    return tuple(found)
