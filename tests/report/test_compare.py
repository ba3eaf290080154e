"""Comparing runs: against scikit-learn and DeLong on the same predictions, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medtrimix.cli.compare import print_comparison
from medtrimix.errors import InputError
from medtrimix.metrics.delong import delong_test
from medtrimix.metrics.multiplicity import holm
from medtrimix.pipeline.cache import StepCache
from medtrimix.report.compare import compare
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.record import RunRecord
from medtrimix.tracking.store import Tracker

N = 90
TARGET = np.arange(N) % 2
PATIENT = np.array([f"p{number // 2:02}" for number in range(N)])  # two images each, of both classes


def score(skill: float, seed: int) -> np.ndarray:
    return 1 / (1 + np.exp(-(skill * TARGET + np.random.default_rng(seed).normal(size=N))))


class Studies:
    """Studies as a run leaves them: predictions in the workspace, runs in MLflow."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.uri = sqlite_uri(workspace / "mlflow")
        self._cache = StepCache(workspace / "steps")

    def add(self, name: str, *, arms: dict[str, float], budgets: Sequence[str] = ("5%", "100%"), rows: int = N) -> str:
        tracker = Tracker.open(self.uri, experiment=name, artifact_root=self.workspace / "mlflow" / "artifacts")
        parent = tracker.start_parent(name=name, digest=name, params={})
        for arm, skill in arms.items():
            for budget in budgets:
                for seed in range(2):
                    key = f"{abs(hash((name, arm, budget, seed))):032x}"
                    self._predict(key, score(skill, seed), rows=rows, shuffle=seed)
                    params = {"arm": arm, "strategy": "linear", "budget": budget, "label_seed": seed}
                    label = f"{arm} linear {budget} seed {seed}"
                    tracker.log_child(
                        parent,
                        task_key=f"{key} evaluate {label}",
                        name=label,
                        kind="cell",
                        record=RunRecord(params=params),
                    )
            summary = RunRecord(params={"arm": arm})
            tracker.log_child(parent, task_key=f"s{arm}", name=f"{arm} over labels", kind="summary", record=summary)
        tracker.log_child(parent, task_key="p", name="pretrain trimix", kind="pretrain", record=RunRecord())
        tracker.finish(parent, "FINISHED")
        return parent

    def _predict(self, key: str, score_N: np.ndarray, *, rows: int, shuffle: int) -> None:
        folder = self._cache.folder("evaluate", key=key)
        folder.mkdir(parents=True)
        order_N = np.random.default_rng(shuffle).permutation(rows)
        np.savez(
            folder / "test.npz",
            probability_NK=np.column_stack([1 - score_N, score_N])[order_N],
            target_N=TARGET[order_N],
            patient_N=PATIENT[order_N],
            sample_N=np.array([f"s{number:03}" for number in range(N)])[order_N],
        )


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    made = Studies(tmp_path_factory.mktemp("workspace"))
    made.add("first", arms={"trimix": 2.0, "scratch": 0.5})
    made.add("second", arms={"trimix": 1.0, "simclr": 1.0})
    made.add("smaller", arms={"trimix": 1.0}, rows=N - 5)
    return made


def test_two_cells_by_every_test(studies: Studies) -> None:
    found = compare(
        "first/trimix linear 5% seed 0", "first/scratch linear 5% seed 1", uri=studies.uri, workspace=studies.workspace
    )
    (only,) = found.comparisons
    assert (found.n, found.n_patients, only.seeds) == (N, 45, 1)
    a, b = score(2.0, 0), score(0.5, 1)
    auc = only.metrics["auc"]
    assert auc.a.value == pytest.approx(roc_auc_score(TARGET, a), abs=1e-12)
    assert auc.b.value == pytest.approx(roc_auc_score(TARGET, b), abs=1e-12)
    expected = delong_test(a, b, TARGET == 1, PATIENT)
    assert only.delong is not None
    assert only.delong.difference == pytest.approx(auc.difference.value)
    assert only.delong.p_value == pytest.approx(expected.p_value, rel=1e-9)
    for row in only.metrics.values():
        assert row.difference.low <= row.difference.value <= row.difference.high
        assert (row.p_value < 0.05) == (not row.difference.low <= 0 <= row.difference.high)
        assert row.p_holm == row.p_value
    assert 0.2 < auc.p_value / expected.p_value < 5 or max(auc.p_value, expected.p_value) < 1e-3


def test_two_arms_are_means_over_seeds_by_budget(studies: Studies) -> None:
    found = compare(
        "first/trimix over labels", "second/simclr over labels", uri=studies.uri, workspace=studies.workspace
    )
    assert {(each.group, each.seeds) for each in found.comparisons} == {
        (("", "linear", "5%"), 2),
        (("", "linear", "100%"), 2),
    }
    mean = np.mean([roc_auc_score(TARGET, score(2.0, seed)) for seed in range(2)])
    assert found.comparisons[0].metrics["auc"].a.value == pytest.approx(mean, abs=1e-12)
    adjusted = holm([each.metrics["auc"].p_value for each in found.comparisons])
    assert [each.metrics["auc"].p_holm for each in found.comparisons] == pytest.approx(adjusted)


def test_two_studies_meet_where_arms_are_the_same(studies: Studies) -> None:
    found = compare("first", "second", uri=studies.uri, workspace=studies.workspace)
    assert {each.group for each in found.comparisons} == {("trimix", "linear", "5%"), ("trimix", "linear", "100%")}
    assert all(each.delong_holm >= each.delong.p_value for each in found.comparisons if each.delong)


def test_a_run_by_its_id_is_the_run_by_its_name(studies: Studies) -> None:
    by_name = compare("first", "second", uri=studies.uri, workspace=studies.workspace)
    by_id = compare(by_name.a.run_id, by_name.b.run_id, uri=studies.uri, workspace=studies.workspace)
    assert by_id == by_name


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ("first", "smaller", "different test sets: 90 and 85 images, 85 of them in both"),
        ("first", "first", "Both are the same run"),
        ("first", "second/simclr over labels", "is a study and 'simclr over labels' is an arm"),
        ("first", "nobody", "no run named 'nobody'"),
        ("first", "it's", "no run named"),
        ("first", "0" * 32, "can't be read"),
        ("trimix over labels", "first", "Several studies have a run named"),
        ("first/pretrain trimix", "first", "no predictions on test"),
        ("first/scratch over labels", "first/nothing over labels", "no run named"),
    ],
)
def test_what_cannot_be_compared_says_why(studies: Studies, a: str, b: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        compare(a, b, uri=studies.uri, workspace=studies.workspace)


def test_predictions_that_are_elsewhere_are_said_to_be(studies: Studies, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not in this workspace"):
        compare("first", "second", uri=studies.uri, workspace=tmp_path)
    with pytest.raises(InputError, match="Nothing is recorded here"):
        compare("first", "second", uri=sqlite_uri(tmp_path), workspace=tmp_path)
    assert not list(tmp_path.iterdir()), "looking makes no database"


def test_the_terminal_shows_all_metrics_of_one_comparison_and_one_of_many(
    studies: Studies, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(a: str, b: str, metric: str = "auc") -> str:
        print_comparison(a, b, workspace=studies.workspace, tracking_uri=None, metric=metric)
        return capsys.readouterr().out

    one = shown("first/trimix linear 5% seed 0", "second/trimix linear 5% seed 0")
    for word in ("auc", "balanced", "brier", "DeLong", "n = 90 images of 45 patients"):
        assert word in one
    assert "…" not in one, "80 columns suffice"
    many = shown("first", "second", metric="accuracy")
    assert "…" not in many + shown("first", "second")
    assert "accuracy, 2 comparisons" in many
    assert "Holm" in many
    with pytest.raises(InputError, match="no metric 'auroc'"):
        shown("first", "second", metric="auroc")
