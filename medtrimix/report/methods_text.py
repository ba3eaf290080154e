"""The methods section of a paper, from what the study did: sizes, budgets, statistics, versions, references."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medtrimix.report.parts import thresholds_for
from medtrimix.report.study import CHECKPOINT, UNTRAINED, Study
from medtrimix.report.summary import control, differences
from medtrimix.report.wording import arm_title, count, strategy_title

_METHOD_REFERENCES = {
    "trimix": "Bdair T, et al. TriMix: virtual embeddings and self-consistency for self-supervised learning. "
    "arXiv 2206.06023, 2022 (reconstructed from its abstract).",
    "simclr": "Chen T, et al. A simple framework for contrastive learning of visual representations. ICML 2020.",
    "barlow_twins": "Zbontar J, et al. Barlow Twins: self-supervised learning via redundancy reduction. ICML 2021.",
    "mixed_barlow_twins": "Bandara WGC, et al. Guarding Barlow Twins against overfitting with mixed samples. 2023.",
    "vicreg": "Bardes A, et al. VICReg: variance-invariance-covariance regularization. ICLR 2022.",
    "simsiam": "Chen X, He K. Exploring simple Siamese representation learning. CVPR 2021.",
    "byol": "Grill JB, et al. Bootstrap your own latent. NeurIPS 2020.",
    "moco_v2": "Chen X, et al. Improved baselines with momentum contrastive learning. arXiv 2003.04297, 2020.",
    "i_mix": "Lee K, et al. i-Mix: a domain-agnostic strategy for contrastive representation learning. ICLR 2021.",
    "mae": "He K, et al. Masked autoencoders are scalable vision learners. CVPR 2022.",
}
_STRATEGY_REFERENCES = {
    "fixmatch": "Sohn K, et al. FixMatch: simplifying semi-supervised learning. NeurIPS 2020.",
    "flexmatch": "Zhang B, et al. FlexMatch: boosting semi-supervised learning with curriculum pseudo labeling. "
    "NeurIPS 2021.",
    "mean_teacher": "Tarvainen A, Valpola H. Mean teachers are better role models. NeurIPS 2017.",
    "pseudo_label": "Lee DH. Pseudo-Label. ICML workshop 2013.",
    "ict": "Verma V, et al. Interpolation consistency training for semi-supervised learning. IJCAI 2019.",
}
_BOOTSTRAP = "Field CA, Welsh AH. Bootstrapping clustered data. J R Statist Soc B 2007;69:369-390."
_HOLM = "Holm S. A simple sequentially rejective multiple test procedure. Scand J Statist 1979;6:65-70."
_CALIBRATION = "Guo C, et al. On calibration of modern neural networks. ICML 2017."
_ISOTONIC = "Barlow RE, et al. Statistical inference under order restrictions. Wiley 1972."


@dataclass(frozen=True)
class MethodsText:
    """Paragraphs with numbers in brackets, and the references that they mean, in order."""

    paragraphs: tuple[str, ...]
    references: tuple[str, ...]


def methods_text(study: Study) -> MethodsText:
    """What was done; nothing about what came out."""
    text = _Text(study)
    return MethodsText((text.data(), text.learning(), text.statistics(), text.software()), tuple(text.references))


class _Text:
    def __init__(self, study: Study) -> None:
        self._study = study
        self.references: list[str] = []

    def data(self) -> str:
        cohort = self._study.cohort
        sides = {side.split: side for side in cohort.splits}
        sizes = ", ".join(
            f"{self._of_patients(sides[name].images, sides[name].patients)} for {purpose}"
            for name, purpose in (("train", "training"), ("val", "validation"), ("test", "testing"))
            if name in sides
        )
        classes = f"{', '.join(self._study.classes[:-1])} and {self._study.classes[-1]}"
        how = {"patient": "by patient", "source": "as their source has it", "file": "by a list fixed beforehand"}
        if not cohort.knows_patients:
            how["patient"] = "at random"
        return (
            f"{cohort.unit.capitalize()}s ({cohort.image}; classes: {classes}) were split {how[cohort.split_by]}: "
            f"{sizes}. {self._unknown_patients()}{self._audit()}"
        )

    def _of_patients(self, images: int, patients: int, *, kind: str = "") -> str:
        """How many images, of how many patients where the source tells them apart."""
        cohort = self._study.cohort
        amount = count(images, f"{kind}{cohort.unit}")
        return f"{amount} of {count(patients, 'patient')}" if cohort.knows_patients else amount

    def _unknown_patients(self) -> str:
        cohort = self._study.cohort
        if not cohort.knows_patients:
            return f"The source has no patient numbers, so each {cohort.unit} counts as a patient. "
        if not cohort.without_patient:
            return ""
        return f"{count(cohort.without_patient, cohort.unit)} without a patient number count as patients of their own. "

    def _audit(self) -> str:
        leaks = [
            f"{check.question[0].lower()}{check.question[1:]}: {check.findings}"
            for check in self._study.audit
            if check.leak
        ]
        if leaks:
            return (
                "Before training it was checked what the sides, and pretraining and evaluation, have in common, and "
                f"the study went on in spite of what was found ({'; '.join(leaks)})."
            )
        known = self._study.cohort.knows_patients
        shared = "no patient and no identical picture" if known else "no identical picture"
        text = (
            f"Before training it was checked that {shared} was on two sides, and that pretraining saw no "
            f"{'patient' if known else 'picture'} of the validation or test set."
        )
        if CHECKPOINT in self._study.methods.values():
            text += " For weights from a checkpoint this can't be checked."
        return text

    def learning(self) -> str:
        study = self._study
        given = [arm for arm in study.arms if study.methods[arm] == CHECKPOINT]
        trained = [arm for arm in study.arms if study.methods[arm] not in (UNTRAINED, CHECKPOINT)]
        untrained = len(study.arms) > len(trained) + len(given)
        names = ", ".join(self._arm(arm) for arm in trained)
        repeats = len({cell.pretrain_seed for cell in study.cells})
        learners = ", ".join(self._learner(name) for name in study.strategies)
        parts = []
        if trained:
            where = study.cohort.pretraining or "the training set"
            parts.append(
                f"Encoders were pretrained without labels on {where} by {names}, each on the same budget"
                f"{f' and {repeats} times from other weights' if repeats > 1 else ''}."
            )
        if given:
            parts.append(f"The weights of {', '.join(given)} come from a checkpoint that was pretrained elsewhere.")
        if untrained and len(study.arms) > 1:
            parts.append(f"{'A' if given else 'The same'} network without pretraining was the control.")
        parts.append(
            f"From each, classifiers were learned ({learners}) on {', '.join(study.budgets)} of the labelled training "
            f"images. The labelled subsets are stratified by class and nested, and were drawn {self._draws()}, the "
            f"same for every arm. {self._use_of_val()}The test set was used once per combination."
        )
        return " ".join(parts)

    def _draws(self) -> str:
        """How often labels were drawn, for each budget where that differs."""
        cells = self._study.cells
        numbers = [len({cell.label_seed for cell in cells if cell.budget == budget}) for budget in self._study.budgets]
        times = ["once" if number == 1 else f"{number} times" for number in numbers]
        return times[0] if len(set(times)) == 1 else f"{', '.join(times)}, in this order"

    def _use_of_val(self) -> str:
        """What was chosen by labels of val, which are beyond the budget."""
        study = self._study
        if not study.early_stopping:
            return ""
        amount = "as many images as there were labels" if study.realistic_validation else "all labelled images"
        names = ", ".join(strategy_title(name) for name in study.early_stopping)
        return f"The network that was best on {amount} of the validation set was kept ({names}). "

    def statistics(self) -> str:
        study, first = self._study, self._study.cells[0]
        repeats = len({cell.pretrain_seed for cell in study.cells})
        draws = len(next(iter(first.draws.values())))
        macro = ", the mean of one class against the rest" if len(study.classes) > 2 else ""
        if study.several:
            macro = f", the mean over the {len(study.classes)} findings"
        test = self._of_patients(first.n_test, first.n_patients, kind="test ")
        drawn = "patients, in which the images of a patient are drawn together"
        if not study.cohort.knows_patients:
            drawn = f"{study.cohort.unit}s"
        parts = [
            f"The primary measure was the area under the ROC curve (AUC{macro}) on {test}.",
            "Intervals are 95% score intervals (of errors percentiles), and of differences Student's t intervals, with "
            f"the standard error of {count(draws, 'bootstrap draw')} over {drawn} [{self._number(_BOOTSTRAP)}]. "
            "Every combination met the same draws; they were averaged over label seeds and subtracted between arms, "
            "which pairs the differences.",
        ]
        if repeats > 1:
            parts.append(
                f"To that came the standard error of the mean over the {repeats} pretrainings times a quantile of "
                "Student's t."
            )
        if control(study) and len(study.budgets) > 1:
            parts.append(
                "The number of labels with which the control reaches the same AUC was read off its learning curve, "
                f"made monotone [{self._number(_ISOTONIC)}] and linear in the logarithm of the number of labels; its "
                "range has the crossings of the bootstrap draws."
            )
        if aims := thresholds_for(study):
            specificities = " and ".join(f"{100 * aim:g}%" for aim in aims)
            parts.append(
                f"Thresholds were the lowest with a specificity of {specificities} on validation images, and were "
                "applied to the test set as they were."
            )
        if any(math.isfinite(gap.p_holm) for gap in differences(study)):
            parts.append(f"P values of differences were adjusted for all comparisons [{self._number(_HOLM)}].")
        parts.append(f"The expected calibration error has 15 bins of confidence [{self._number(_CALIBRATION)}].")
        parts.append("The comparison told first was fixed beforehand: smallest budget, first arm, first learner.")
        return " ".join(parts)

    def software(self) -> str:
        known = self._study.environment
        named = ("python", "torch", "monai", "numpy", "scikit-learn")
        versions = ", ".join(f"{name} {known[name]}" for name in named if name in known)
        return (
            f"Computed with medtrimix {known.get('medtrimix', '')} ({versions}) on "
            f"{known.get('device', 'an unknown device')} in {known.get('precision', 'unknown')} precision, "
            f"seed {known.get('seed', 'unknown')}."
        )

    def _learner(self, name: str) -> str:
        strategy = self._study.learners[name]
        title = strategy_title(strategy) if name == strategy else f"{strategy_title(name)} ({strategy_title(strategy)})"
        return self._cited(title, _STRATEGY_REFERENCES.get(strategy))

    def _arm(self, arm: str) -> str:
        method = self._study.methods[arm]
        return self._cited(arm_title(arm, method=method), _METHOD_REFERENCES.get(method))

    def _cited(self, name: str, reference: str | None) -> str:
        return f"{name} [{self._number(reference)}]" if reference else name

    def _number(self, reference: str) -> int:
        if reference not in self.references:
            self.references.append(reference)
        return self.references.index(reference) + 1
