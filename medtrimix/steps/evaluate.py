"""One cell on test: metrics with intervals over patients, calibration, operating points, parts of the test set.

metrics.json      every metric with its interval
draws.npz         its value on every bootstrap draw, the same patients in every cell
details.json      what `Details` has
test.npz          what the cell said about test (`learn.load_predictions`), for comparisons with other studies
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config import model
from medtrimix.config.files import read_json, replacing, write_json
from medtrimix.steps import ingest, learn
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from medtrimix.metrics.bootstrap import Draws, Estimate
    from medtrimix.metrics.definitions import Floats, Ints, Metric
    from medtrimix.metrics.details import Details
    from medtrimix.metrics.groups import GroupResult
    from medtrimix.metrics.operating import OperatingPoint

CALIBRATED = "_calibrated"
"""Ends the names of metrics after temperature scaling."""


class Config(model.Config):
    """How a cell is evaluated.

    Attributes:
        draws, seed: of the bootstrap; all cells of a study share the seed so that they are paired.
        specificity: aims of operating points, on val.
        by: columns of the store's index that tell parts of the test set apart.
    """

    draws: int
    seed: int
    specificity: tuple[float, ...] = ()
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """Folders of `learn` and `ingest`."""

    learn: Path
    ingest: Path


def load_metrics(folder: Path) -> dict[str, Estimate]:
    """The estimates by the name of their metric."""
    from medtrimix.metrics.details import estimate_of

    return {name: estimate_of(facts) for name, facts in read_json(folder / "metrics.json").items()}


def load_draws(folder: Path) -> dict[str, npt.NDArray[np.float64]]:
    """By metric: its value on every bootstrap draw, `(R,)`; draw r is the same patients in every cell."""
    import numpy as np

    with np.load(folder / "draws.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def load_details(folder: Path) -> Details:
    """Calibration, operating points and parts of the test set."""
    from medtrimix.metrics.details import details_of

    return details_of(read_json(folder / "details.json"))


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Computes everything on test once, and every metric on every draw."""
    import numpy as np

    from medtrimix.metrics.details import as_facts

    cell = _Cell(config, inputs=inputs)
    estimates = cell.estimates()
    with replacing(out / "draws.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: values.value_R for name, values in cell.draws.items()})  # type: ignore[arg-type]
    write_json(out / "metrics.json", {name: as_facts(values) for name, values in estimates.items()})
    write_json(out / "details.json", as_facts(cell.details(estimates)))
    with replacing(out / "test.npz") as temporary:
        shutil.copyfile(inputs.learn / "test.npz", temporary)
    for name, values in estimates.items():
        numbers = {name: values.value, f"{name}_low": values.low, f"{name}_high": values.high}
        context.recorder.metrics.update({key: value for key, value in numbers.items() if np.isfinite(value)})
    context.recorder.metrics.update({"n": estimates["auc"].n, "n_patients": estimates["auc"].n_patients})
    if cell.temperature.value is not None:
        context.recorder.metrics["temperature"] = cell.temperature.value


class _Cell:
    """The predictions on both sides, and the draws of all that is measured on test."""

    def __init__(self, config: Config, *, inputs: Inputs) -> None:
        from medtrimix.data.store import ArrayStore
        from medtrimix.metrics.calibration import calibrated, fit_temperature
        from medtrimix.metrics.definitions import METRICS
        from medtrimix.metrics.interval import ERRORS, patients_of_classes
        from medtrimix.metrics.operating import at_thresholds, thresholds_of

        self._config = config
        self._store = ArrayStore.open(ingest.store_folder(inputs.ingest))
        self._val = learn.load_predictions(inputs.learn, side="val")
        self._test = learn.load_predictions(inputs.learn, side="test")
        self._classes = self._test.probability_NK.shape[1]
        self._several = self._test.target_N.ndim == 2
        self._patients_K = patients_of_classes(self._test.target_N, self._test.patient_N, classes=self._classes)
        self._thresholds = thresholds_of(self._val.probability_NK, self._val.target_N, aims=config.specificity)
        self.draws = self._drawn(self._test.probability_NK, METRICS | at_thresholds(self._thresholds))
        self.temperature = fit_temperature(*_answers(self._val))
        self._calibrated_NK = None
        if self.temperature.value is not None:
            answers_NK, *_ = _answers(self._test)
            scaled_NK = calibrated(answers_NK, temperature=self.temperature.value)
            self._calibrated_NK = scaled_NK[:, 1].reshape(-1, self._classes) if self._several else scaled_NK
            found = self._drawn(self._calibrated_NK, {name: METRICS[name] for name in ERRORS})
            self.draws |= {name + CALIBRATED: values for name, values in found.items()}

    def estimates(self) -> dict[str, Estimate]:
        from medtrimix.metrics.interval import estimates_of

        return estimates_of(self.draws, patients_K=self._patients_K)

    def details(self, estimates: dict[str, Estimate]) -> Details:
        from medtrimix.metrics.calibration import reliability
        from medtrimix.metrics.details import Details
        from medtrimix.metrics.operating import operating_points

        after = None if self._calibrated_NK is None else replace(self._test, probability_NK=self._calibrated_NK)
        return Details(
            patients_by_class=self._patients_K,
            temperature=self.temperature,
            reliability=reliability(*_answers(self._test)),
            reliability_calibrated=() if after is None else reliability(*_answers(after)),
            operating_points=operating_points(
                self._thresholds, estimates, n_val_negatives=int((self._val.target_N == 0).sum())
            )
            + self._points_of_findings(),
            groups=self._groups(),
        )

    def _drawn(self, probability_NK: npt.NDArray[np.float64], metrics: dict[str, Metric]) -> dict[str, Draws]:
        from medtrimix.metrics.bootstrap import bootstrap_metrics

        return bootstrap_metrics(
            probability_NK,
            self._test.target_N,
            self._test.patient_N,
            draws=self._config.draws,
            seed=self._config.seed,
            metrics=metrics,
        )

    def _points_of_findings(self) -> tuple[OperatingPoint, ...]:
        from medtrimix.metrics.operating import points_of_findings

        if not self._several:
            return ()
        return points_of_findings(
            (self._val.probability_NK, self._val.target_N),
            (self._test.probability_NK, self._test.target_N),
            self._test.patient_N,
            names=self._store.classes,
            aims=self._config.specificity,
            draws=self._config.draws,
            seed=self._config.seed,
        )

    def _groups(self) -> tuple[GroupResult, ...]:
        from pyarrow.parquet import read_schema

        from medtrimix.data.store import index_file
        from medtrimix.metrics.groups import breakdown, by_finding
        from medtrimix.metrics.operating import at_thresholds

        store = self._store
        known = read_schema(index_file(store.folder)).names
        columns = [name for name in self._config.by if name in known]
        index = store.columns("sample_id", *columns).set_index("sample_id").loc[self._test.sample_N]
        test, draws, seed = self._test, self._config.draws, self._config.seed
        whole = (test.probability_NK, test.target_N, test.patient_N)
        findings = by_finding(*whole, names=store.classes, draws=draws, seed=seed) if self._several else ()
        return findings + tuple(
            group
            for column in columns
            for group in breakdown(
                *whole,
                index[column].to_numpy(),
                column=column,
                classes=store.classes,
                draws=draws,
                seed=seed,
                more=at_thresholds(self._thresholds),
            )
        )


def _answers(said: learn.Predictions) -> tuple[Floats, Ints, npt.NDArray[np.str_]]:
    """Probabilities, targets and patients; of several findings those of all questions."""
    from medtrimix.metrics.findings import as_questions

    answers_NK, target_N = as_questions(said.probability_NK, said.target_N)
    return answers_NK, target_N, said.patient_N.repeat(len(target_N) // len(said.patient_N))
