"""What a report is made of: plain frozen values, filled in by the pipeline, pseudonymous throughout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.metrics.details import Details

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

UNTRAINED = "none"
"""The method of an arm that is not pretrained: the control from scratch."""
CHECKPOINT = "checkpoint"
"""The method of an arm that was pretrained elsewhere."""


@dataclass(frozen=True)
class CellRow:
    """One arm x strategy x label budget x label seed, evaluated once on the test set.

    Attributes:
        arm: the arm's name in the pipeline file.
        method: its pretraining method, `UNTRAINED` for the control.
        strategy: the learner.
        budget: the label budget as a person reads it, "1%" or "5 per class".
        fraction: labelled / all labels of the training set, in (0, 1].
        pretrain_seed: which of the arm's pretrainings.
        label_seed: which draw of the labelled subset.
        n_labels: labelled training images.
        n_labelled_patients: patients that they are of.
        n_test: test images.
        n_patients: test patients.
        metrics: name -> value with its interval.
        draws: name -> the value on every bootstrap draw, (R,); all cells of a study share their draws.
        details: calibration, operating points, parts of the test set; None for cells that have none.
    """

    arm: str
    method: str
    strategy: str
    budget: str
    fraction: float
    pretrain_seed: int
    label_seed: int
    n_labels: int
    n_labelled_patients: int
    n_test: int
    n_patients: int
    metrics: Mapping[str, Estimate]
    draws: Mapping[str, Floats]
    details: Details | None = None

    @property
    def patients_by_class(self) -> tuple[int, ...]:
        """Test patients with an image of each class; empty if nobody counted."""
        return self.details.patients_by_class if self.details else ()

    @property
    def seeds(self) -> tuple[int, int]:
        """What pairs cells of different arms: seed of the pretraining, seed of the labels."""
        return self.pretrain_seed, self.label_seed


@dataclass(frozen=True)
class SplitCount:
    """How much is on one side of the split; `by_class` counts images, "" the unlabelled ones."""

    split: str
    images: int
    patients: int
    by_class: Mapping[str, int]


@dataclass(frozen=True)
class Cohort:
    """The data, from the files found to the three sides of the split.

    Attributes:
        source: kind of source, never a path: "phantom", "folder of DICOM files".
        verdicts: what became of the files, "accepted" among them -> count.
        encodings: transfer syntax or file format -> images.
        splits: train, val, test, and `dropped` where the audit took images out.
        image: size and channels as stored, "64 x 64, grey".
        pretraining: of other data to pretrain on, what and how much it is, "1,000 images of 682 patients (folder)"; ""
            without such data.
        unit: what one image of the store is, "image" or "volume".
        series: series that the images come from, 0 where the source knows none.
        patients: of all splits together.
        without_patient: images without a patient number, each file, archive entry or study of which counts as one.
        split_by: `patient`: dealt by medtrimix; or what brought the split: the `source`, a `file`.
    """

    source: str
    verdicts: Mapping[str, int]
    encodings: Mapping[str, int]
    splits: tuple[SplitCount, ...]
    image: str
    pretraining: str = ""
    unit: str = "image"
    series: int = 0
    patients: int = 0
    without_patient: int = 0
    split_by: Literal["patient", "source", "file"] = "patient"

    @property
    def knows_patients(self) -> bool:
        """Whether any image says whose it is."""
        return self.without_patient < sum(side.images for side in self.splits)


@dataclass(frozen=True)
class AuditCheck:
    """One question of the leakage audit.

    Attributes:
        question: what was looked for.
        findings: how many were found.
        action: what was done about it.
        leak: whether what was found makes results look better than they are.
    """

    question: str
    findings: int
    action: str = ""
    leak: bool = False


@dataclass(frozen=True)
class LabelsNeeded:
    """A crossing with its 95% range, in labelled images.

    Attributes:
        value, low, high: `fewest` means that many or fewer, infinity means more than `most`, NaN not known.
        fewest, most: the control's smallest and largest budget.
    """

    value: float
    low: float
    high: float
    fewest: int
    most: int


@dataclass(frozen=True)
class LossCurve:
    """The pretraining of one arm.

    Attributes:
        arm: its name.
        images_seen_S: images through the encoder after each step.
        terms: for every term of the loss, its values (S,).
        watched: for every other curve, images seen and values (M,) at the few moments that it has.
        untrained: the values of such curves before the first step.
    """

    arm: str
    images_seen_S: npt.NDArray[np.int64]
    terms: Mapping[str, Floats]
    watched: Mapping[str, tuple[npt.NDArray[np.int64], Floats]] = field(default_factory=dict)
    untrained: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Collapse:
    """A pretraining that gives all images nearly the same embedding; `pretrain_seed` says which of the arm's."""

    arm: str
    pretrain_seed: int
    message: str


@dataclass(frozen=True)
class Prediction:
    """What one cell said about the test set; classes in sorted order, the positive one last.

    Of several findings `probability_NK` has the probability of each, and the targets are (N, K), 0 and 1.
    """

    arm: str
    strategy: str
    budget: str
    label_seed: int
    probability_NK: Floats
    target_N: npt.NDArray[np.int64]
    patient_N: npt.NDArray[np.str_]

    @property
    def several(self) -> bool:
        """Whether an image can have several of the classes, or none."""
        return self.target_N.ndim == 2

    def has(self, column: int) -> npt.NDArray[np.bool_]:
        """Which images are of the class, or have the finding."""
        has_N: npt.NDArray[np.bool_] = self.target_N[:, column] == 1 if self.several else self.target_N == column
        return has_N


@dataclass(frozen=True)
class ViewSheet:
    """Images as one arm saw them; `virtual_BCHW` and `lambda_B` are None for a method that does not mix."""

    arm: str
    original_BCHW: Pixels
    view1_BCHW: Pixels
    view2_BCHW: Pixels
    virtual_BCHW: Pixels | None = None
    lambda_B: Floats | None = None


@dataclass(frozen=True)
class EmbeddingMap:
    """Validation images as one arm's encoder places them, before it has seen a label.

    Attributes:
        arm: its name.
        place_N2: positions in the plane, without unit.
        target_N: class numbers; of several findings how many there are, two for more than two.
        classes: names of these numbers.
    """

    arm: str
    place_N2: Floats
    target_N: npt.NDArray[np.int64]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Examples:
    """Validation images of one kind, with what the learner of the opening sentence says about them.

    Attributes:
        kind: see `metrics.examples.Chosen`.
        pixels_BCHW: the pictures, small; of volumes the middle slice.
        probability_BK: of each class or finding.
        target_B: class numbers; of several findings (B, L), 0 and 1.
        column_B: the class that it was called, or the finding that it was chosen for.
        evidence_BYX: a coarse map of what the answer rests on, see `steps.explain.Explained`.
    """

    kind: str
    pixels_BCHW: Pixels
    probability_BK: Floats
    target_B: npt.NDArray[np.int64]
    column_B: npt.NDArray[np.int64]
    evidence_BYX: Floats


@dataclass(frozen=True)
class Timing:
    """Wall time of one step; 0 s and cached where the result was there already."""

    step: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class Study:
    """One finished study.

    The first arm of `cells` is the reference: every difference is reference minus other. The first strategy is the
    one that the opening sentence speaks of. Both follow from the pipeline file, not from the results.

    Attributes:
        name: the study's name.
        description: what a reader of the numbers must know, from the pipeline file; may be empty.
        finished: when, as text.
        digest: of the plan, hex.
        learners: names of the strategies -> what each is; a name of one's own is not its own explanation.
        classes: class names in sorted order, the positive one last.
        config_yaml: the pipeline file as it was run, secrets and paths masked.
        environment: versions, device, precision, threads, seed.
        collapses: pretrainings whose numbers are those of a broken network.
        early_stopping: names of the strategies that keep the network that was best on val.
        realistic_validation: whether no cell sees more of val than it has labels.
        embeddings: a map for every arm that has features; empty where no learner needed them.
        examples: pictures of patients; empty if they are not wanted in the report.
    """

    name: str
    description: str
    finished: str
    digest: str
    learners: Mapping[str, str]
    classes: tuple[str, ...]
    cohort: Cohort
    audit: tuple[AuditCheck, ...]
    cells: tuple[CellRow, ...]
    predictions: tuple[Prediction, ...]
    loss_curves: tuple[LossCurve, ...]
    view_sheets: tuple[ViewSheet, ...]
    config_yaml: str
    environment: Mapping[str, str]
    timings: tuple[Timing, ...]
    collapses: tuple[Collapse, ...] = ()
    early_stopping: tuple[str, ...] = ()
    realistic_validation: bool = False
    embeddings: tuple[EmbeddingMap, ...] = ()
    examples: tuple[Examples, ...] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms in the order of the cells; the first is the reference."""
        return tuple(dict.fromkeys(cell.arm for cell in self.cells))

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names of the learners in the order of the cells."""
        return tuple(dict.fromkeys(cell.strategy for cell in self.cells))

    @property
    def several(self) -> bool:
        """Whether an image can have several of the classes, or none."""
        return bool(self.predictions) and self.predictions[0].several

    @property
    def budgets(self) -> tuple[str, ...]:
        """Label budgets, from few to many labels."""
        size = {cell.budget: cell.n_labels for cell in self.cells}
        return tuple(sorted(size, key=size.__getitem__))

    @property
    def methods(self) -> dict[str, str]:
        """Arm -> pretraining method."""
        return {cell.arm: cell.method for cell in self.cells}
