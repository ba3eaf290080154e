"""The page of the leakage audit, and what the report says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medtrimix.config.files import replacing, write_json
from medtrimix.report.html import environment
from medtrimix.report.study import AuditCheck

LEAK = "medtrimix.leak"
"""Tag in MLflow of a study that leaks."""
QUESTIONS = {
    "same_patient": "Patients on two sides of the split",
    "same_pixels": "Identical pictures on two sides of the split",
    "near_duplicate": "Nearly identical pictures of different patients on two sides of the split",
    "pretrained_patient": "Patients of val or test seen in pretraining",
    "pretrained_pixels": "Pictures of val or test seen in pretraining",
    "pretrained_near_duplicate": "Pictures nearly identical to one of val or test seen in pretraining",
    "label_subset": "Labelled subsets that are not nested, not stratified or not inside train",
}
_NEAR = ("near_duplicate", "pretrained_near_duplicate")
_MOST = 1000


def audit_checks(report: Mapping[str, Any]) -> tuple[AuditCheck, ...]:
    """The audit's findings by kind, questions first; `report` is the JSON that the step `audit` left."""
    kinds = [finding["kind"] for finding in report["findings"]]
    action = "the study went on (on_leak: warn)" if report["on_leak"] == "warn" else "the study was refused"
    checks = [
        AuditCheck(question, kinds.count(kind), action if kind in kinds else "", leak=kind in kinds)
        for kind, question in QUESTIONS.items()
        if report["near_duplicates"] is not None or kind not in _NEAR
    ]
    if report["near_duplicates"] is None:
        checks.append(AuditCheck("Nearly identical pictures", 0, "nobody looked (audit.likeness: null)"))
    if report["on_leak"] == "drop":
        dropped = report["images"]["dropped"]
        what = "left out of training and validation" if dropped else ""
        checks.append(AuditCheck("Copies of pictures of a more protected side", dropped, what))
    return tuple(checks)


def write_audit(report: Mapping[str, Any], *, name: str, out: Path) -> tuple[Path, Path]:
    """Writes `audit.html` and `audit.json` into the folder `out`; the page is one file and asks for nothing outside."""
    out.mkdir(parents=True, exist_ok=True)
    page, facts = out / "audit.html", out / "audit.json"
    write_json(facts, dict(report))
    html = (
        environment()
        .get_template("audit.html.j2")
        .render(
            name=name,
            report=report,
            checks=audit_checks(report),
            questions=QUESTIONS,
            lists={
                "What was found": _first(report["findings"]),
                "What was found and left out, so that it leaks no more": _first(report["resolved"]),
            },
        )
    )
    with replacing(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return page, facts


def _first(findings: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """What a page can show, and how many more there are."""
    return findings[:_MOST], max(0, len(findings) - _MOST)
