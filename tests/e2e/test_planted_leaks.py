"""Leaks are planted into a cohort: all are named by pseudonym, and nothing is pretrained; a clean cohort passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Ran, medtrimix
from .leaky import Leaky, plant

KINDS = ("same_patient", "same_pixels", "near_duplicate", "pretrained_pixels", "pretrained_near_duplicate")


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Leaky:
    return plant(tmp_path_factory.mktemp("leaky"), leaks=True)


@pytest.fixture(scope="module")
def refused(leaky: Leaky, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return medtrimix("run", leaky.pipeline, workspace=tmp_path_factory.mktemp("refused") / "workspace")


def audit_of(ran: Ran) -> dict[str, list[dict[str, object]]]:
    report: dict[str, list[dict[str, object]]] = json.loads(
        (ran.workspace / "results" / "leaky" / "audit.json").read_text()
    )
    return report


def test_the_run_is_refused_and_nothing_is_pretrained(refused: Ran) -> None:
    assert refused.code == 2, refused.output
    assert refused.output.count("The study leaks") == 1, refused.output
    assert not (refused.workspace / "steps" / "pretrain").exists()


def test_every_planted_leak_is_named_by_pseudonym(leaky: Leaky, refused: Ran) -> None:
    report, page = audit_of(refused), (refused.workspace / "results" / "leaky" / "audit.html").read_text()
    secret = refused.workspace.parent / "site.secret"
    assert {str(found["kind"]) for found in report["findings"]} == set(KINDS)
    for kind, pairs in leaky.planted.items():
        names = leaky.names(kind, secret=secret)
        [found] = [
            found
            for found in report["findings"]
            if found["kind"] == kind.split()[0] and names == {*found["patients"], *found["samples"]}  # type: ignore[misc]
        ]
        assert all(name in refused.output for name in names), f"{kind}: the terminal names it too"
        assert all(name in page for name in names), f"{kind}: the page names it too"
        assert all(name not in refused.output for pair in pairs for name in pair), "and nothing else"
        assert (found["likeness"] is None) == (kind == "same_patient")
        if "near" in kind:
            assert 0.95 < float(str(found["likeness"])) < 1
    assert len(report["findings"]) == len(leaky.planted), "and there are no false ones"


def test_what_can_be_left_out_is_named_too(leaky: Leaky, refused: Ran) -> None:
    """With `drop` only the patient on two sides is left to refuse, and nobody need run again to hear of the rest."""
    ran = medtrimix("run", leaky.pipeline, "--set", "audit={on_leak: drop}", workspace=refused.workspace)
    assert ran.code == 2, ran.output
    assert ran.output.count("The study leaks (1 same_patient)") == 1, ran.output
    report, secret = audit_of(ran), refused.workspace.parent / "site.secret"
    assert [found["kind"] for found in report["findings"]] == ["same_patient"]
    assert len(report["resolved"]) == len(leaky.planted) - 1
    for kind in leaky.planted:
        assert all(name in ran.output for name in leaky.names(kind, secret=secret)), kind


@pytest.mark.slow
def test_with_warn_it_goes_on_and_the_report_says_so_in_red(leaky: Leaky, refused: Ran, tmp_path: Path) -> None:
    ran = medtrimix("run", leaky.pipeline, "--set", "audit={on_leak: warn}", workspace=tmp_path / "workspace")
    assert ran.code == 0, ran.output
    assert "6 leaks" in ran.output
    results = ran.workspace / "results" / "leaky"
    report = (results / "report.html").read_text()
    box = report.index('class="collapse"')
    assert "This study leaks" in report[box : box + 200]
    assert "#c62828" in report, "which is red"
    assert "went on all the same" in (results / "audit.html").read_text()
    assert len(audit_of(ran)["findings"]) == len(leaky.planted)


def test_a_clean_cohort_passes(tmp_path: Path) -> None:
    clean = plant(tmp_path / "clean", leaks=False)
    ran = medtrimix("run", clean.pipeline, workspace=tmp_path / "workspace")
    assert ran.code == 0, ran.output
    report = audit_of(ran)
    assert report["findings"] == []
    assert report["pretraining_images"] == 30, "all of the other source"
    page = (ran.workspace / "results" / "leaky" / "report.html").read_text()
    assert "This study leaks." not in page
    assert "30 images of 30 patients (folder)" in page, "the report says what was pretrained on"
    place = str(clean.pipeline.parent).encode()
    assert [path for path in ran.workspace.rglob("*") if path.is_file() and place in path.read_bytes()] == []
