"""What `benchmarks/coverage.py` simulates has the truth that it says, and its page says what was found."""

from __future__ import annotations

import numpy as np
import pytest
from coverage import BROKEN, OTHERS, OURS, SCENARIOS, Scenario, coverage, drawn, page
from sklearn.metrics import roc_auc_score


@pytest.mark.parametrize("scenario", [*SCENARIOS, *BROKEN], ids=lambda scenario: f"{scenario.name} {scenario.width}")
def test_simulated_aucs_are_the_truth_on_average(scenario: Scenario) -> None:
    rng = np.random.default_rng(0)
    studies = [drawn(scenario, rng=rng) for _ in range(60)]
    for truth, scores in (
        (scenario.auc, [study.score_N for study in studies]),
        (scenario.other_auc, [study.other_N for study in studies]),
    ):
        found = [roc_auc_score(study.positive_N, score_N) for study, score_N in zip(studies, scores, strict=True)]
        # With both classes in a patient some pairs share the patient's own part and are easier: of order 1 / patients.
        assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / 60**0.5 + 0.002)


def test_images_of_a_patient_resemble_each_other() -> None:
    study = drawn(Scenario(400, (3, 3), 0.5, 0.8), rng=np.random.default_rng(0))
    residual_P3 = (study.score_N - study.positive_N * Scenario(400, (3, 3), 0.5, 0.8).gap(0.8)).reshape(400, 3)
    assert np.corrcoef(residual_P3[:, 0], residual_P3[:, 1])[0, 1] == pytest.approx(0.5, abs=0.1)


def test_the_page_counts_what_is_within_the_bar() -> None:
    good, bad = dict.fromkeys((*OURS, *OTHERS, "p < .05 agrees"), 0.95), dict.fromkeys((*OURS, *OTHERS), 0.8)
    found = {
        SCENARIOS[0]: good,
        SCENARIOS[1]: {**bad, "p < .05 agrees": 1.0},
        BROKEN[0]: {**bad, "p < .05 agrees": 1.0},
    }
    text = page(found, command="command", minutes=1.0, speed_s=0.5, studies=1000)
    assert "**3 of 6**" in text
    assert "| 624 patients, 62% positive, positives 2 times as wide | 0.97 | 80.0 |" in text
    assert "0.50 s" in text


def test_a_row_is_reproducible() -> None:
    few = Scenario(60, (1, 1), 0.5, 0.95)
    once, again = (coverage(few, studies=5, draws=100, seed=1) for _ in range(2))
    assert once == again
    assert set(once) == {*OURS, *OTHERS, "p < .05 agrees"}
