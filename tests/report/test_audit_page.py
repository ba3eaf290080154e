"""The page of the audit, and what the report says of it: findings by kind, red when a study leaks."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_study

from medtrimix.data.audit import Kind
from medtrimix.pipeline.load import load_study
from medtrimix.report.audit import QUESTIONS, audit_checks, write_audit
from medtrimix.report.collect import masked_config
from medtrimix.report.page import page
from medtrimix.report.study import AuditCheck

SMOKE = Path(__file__).resolve().parents[2] / "pipelines" / "smoke.yaml"
NEAR = {
    "kind": "near_duplicate",
    "sides": ["train", "test"],
    "patients": ["pa", "pb"],
    "samples": ["sa", "sb"],
    "likeness": 0.987654,
}
PATIENT = {
    "kind": "same_patient",
    "sides": ["train", "val"],
    "patients": ["<b>pc"],
    "samples": ["sc", "sd"],
    "likeness": None,
}


def report(*findings: dict[str, Any], on_leak: str = "drop", **facts: Any) -> dict[str, Any]:
    counts = {"train": 10, "val": 2, "test": 4, "dropped": 3}
    return {
        "on_leak": on_leak,
        "images": counts,
        "patients": counts,
        "pretraining_images": 10,
        "pretraining_dropped": 0,
        "repeated_pictures": 0,
        "contradicting_pictures": 0,
        "near_duplicates": len(findings),
        "required_likeness": 0.95,
        "label_subsets": 6,
        "findings": list(findings),
        "resolved": [],
        **facts,
    }


class _Words(HTMLParser):
    """The texts of a page, and its tags that are open at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def written(tmp_path: Path, facts: dict[str, Any]) -> str:
    html, _ = write_audit(facts, name="a <study>", out=tmp_path / "results")
    text = html.read_text()
    parser = _Words()
    parser.feed(text)
    assert parser.open == [], "every tag is closed"
    assert "http" not in text.replace("http-equiv", ""), "it asks for nothing outside"
    return " ".join(" ".join(parser.words).split())


def test_every_kind_of_finding_has_its_question() -> None:
    assert set(QUESTIONS) == set(Kind.__args__)


def test_the_page_names_each_finding_and_how_alike_they_are(tmp_path: Path) -> None:
    text = written(tmp_path, report(NEAR, PATIENT, on_leak="fail"))
    for words in ("2 leaks. The study was refused, and nothing was trained.", "pa, pb", "sa, sb", "0.988", "<b>pc"):
        assert words in text
    assert "a <study>" in text


def test_what_was_left_out_is_named_as_such(tmp_path: Path) -> None:
    text = written(tmp_path, report(resolved=[NEAR]))
    assert "Nothing leaks" in text
    assert "What was found and left out, so that it leaks no more" in text
    assert "sa, sb" in text


def test_a_clean_page_says_so(tmp_path: Path) -> None:
    text = written(tmp_path, report())
    assert "Nothing leaks" in text
    assert "What was found" not in text


def test_a_long_list_is_cut_and_says_so(tmp_path: Path) -> None:
    assert "And 234 more, which are in audit.json." in written(tmp_path, report(*[NEAR] * 1234, on_leak="warn"))


def test_the_checks_count_by_kind_and_only_leaks_are_red() -> None:
    checks = {check.question: check for check in audit_checks(report(NEAR, NEAR, PATIENT, on_leak="warn"))}
    near = checks["Nearly identical pictures of different patients on two sides of the split"]
    assert (near.findings, near.leak, near.action) == (2, True, "the study went on (on_leak: warn)")
    assert not checks["Identical pictures on two sides of the split"].leak
    dropped = audit_checks(report())[-1]
    assert (dropped.findings, dropped.leak) == (3, False)


def test_a_search_that_nobody_made_is_told() -> None:
    checks = audit_checks(report(near_duplicates=None, required_likeness=None))
    assert "nobody looked (audit.likeness: null)" in [check.action for check in checks]
    assert sum("early identical" in check.question for check in checks) == 1


@pytest.mark.parametrize("leak", [True, False])
def test_the_report_has_a_red_box_when_the_study_leaks(leak: bool) -> None:
    html = page(
        replace(make_study(draws=100), audit=(AuditCheck("Patients on two sides", 2, "went on", leak=leak),)),
        pictures=(),
    )
    assert ("This study leaks" in html) == leak


def test_the_published_configuration_has_no_path_of_the_pretraining_data(tmp_path: Path) -> None:
    (tmp_path / "CANARY").mkdir()
    table = tmp_path / "CANARY" / "labels.csv"
    table.touch()
    other = f"pretrain.data={{source: '{table.parent}', labels: '{table}'}}"
    text = masked_config(load_study(SMOKE, overrides=(other,)))
    assert "CANARY" not in text
    assert "source: folder" in text
