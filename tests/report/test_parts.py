"""Thresholds and parts of the test set on the page: of the two that the answer compares, and what can't be measured."""

from __future__ import annotations

import dataclasses

import pytest

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.metrics.calibration import Temperature
from medtrimix.metrics.details import Details
from medtrimix.metrics.groups import GroupResult
from medtrimix.metrics.operating import OperatingPoint, point_name
from medtrimix.report.methods_text import methods_text
from medtrimix.report.page import page
from medtrimix.report.parts import operating_table, part_tables
from medtrimix.report.study import CellRow, Study

SEEN, SPARED = (point_name(side, 0.9) for side in ("sensitivity", "specificity"))


def about(value: float) -> Estimate:
    return Estimate(value, value - 0.1, value + 0.1, 400, 280)


def details(cell: CellRow, *, findings: bool) -> Details:
    """What differs tells apart whose numbers are shown: the arm, and the repetition."""
    own = 0.5 + 0.1 * (cell.arm == "trimix") + 0.01 * cell.label_seed
    points = [OperatingPoint(0.9, 0.7, 90, about(own), about(0.88))]
    groups = [
        GroupResult(
            "device", "d1", 300, 200, (200, 100), {"auc": about(own), SEEN: about(own), SPARED: about(0.8)}, ()
        ),
        GroupResult("device", "", 100, 80, (100, 0), {}, ("opacity",)),
    ]
    if findings:
        points = [
            OperatingPoint(aim, 0.7, 90, about(own + place / 100), about(0.88), finding=name)
            for place, name in enumerate(("edema", "mass"))
            for aim in (0.9, 0.95)
        ]
        groups = [
            GroupResult("finding", "edema", 400, 280, (380, 20), {"auc": about(own)}, ()),
            GroupResult("finding", "mass", 400, 280, (400, 0), {}, ("yes",)),
            GroupResult("site", "s1", 300, 200, (20, 9), {"auc": about(own)}, ()),
        ]
    return Details((), Temperature(None, 0, "too few"), (), (), tuple(points), tuple(groups))


def detailed(study: Study, *, findings: bool = False) -> Study:
    cells = []
    for cell in study.cells:
        at = {} if findings else {SEEN: cell.metrics["auc"], SPARED: cell.metrics["accuracy"]}
        draws = {} if findings else {SEEN: cell.draws["auc"], SPARED: cell.draws["accuracy"]}
        cells.append(
            dataclasses.replace(
                cell,
                details=details(cell, findings=findings),
                metrics={**cell.metrics, **at},
                draws={**cell.draws, **draws},
            )
        )
    return dataclasses.replace(study, cells=tuple(cells))


def test_without_details_there_are_no_tables(study: Study) -> None:
    assert operating_table(study) == ()
    assert part_tables(study) == ()


def test_thresholds_at_every_budget_of_the_two_that_are_compared(study: Study) -> None:
    rows = operating_table(detailed(study))
    assert [(row.labels, row.learner) for row in rows] == [
        (labels, learner)
        for labels in ("10 (1%)", "96 (10%)", "960 (100%)")
        for learner in ("TriMix, linear probe", "from scratch, finetuned")
    ]
    own = [cell for cell in study.cells if (cell.arm, cell.strategy, cell.budget) == ("trimix", "linear", "1%")]
    mean = sum(cell.metrics["auc"].value for cell in own) / len(own)
    assert rows[0].pairs[0][0].startswith(f"{mean:.3f}".removeprefix("0"))


def test_methods_say_where_thresholds_come_from(study: Study) -> None:
    assert "with a specificity of 90% on validation images" in methods_text(detailed(study)).paragraphs[2]
    assert "with a specificity of 90% and 95% on" in methods_text(detailed(study, findings=True)).paragraphs[2]
    assert "specificity" not in methods_text(study).paragraphs[2]


def test_parts_are_of_the_first_repetition_and_say_what_is_missing(study: Study) -> None:
    [table] = part_tables(detailed(study))
    assert (table.column, table.labels, table.aim) == ("device", "10 (1%)", 0.9)
    known, unknown = table.parts
    assert (known.value, known.size) == ("d1", "300 images (200)")
    assert [(line.learner, line.auc, line.sensitivity, line.specificity) for line in known.lines] == [
        ("TriMix, linear probe", ".600 [.500, .700]", ".600 [.500, .700]", ".800 [.700, .900]"),
        ("from scratch, finetuned", ".500 [.400, .600]", ".500 [.400, .600]", ".800 [.700, .900]"),
    ]
    assert (unknown.value, unknown.lines, unknown.missing) == ("not known", (), "not measured: for want of opacity")


def test_findings_have_thresholds_of_their_own_and_sites_none(study: Study) -> None:
    several = detailed(study, findings=True)
    assert operating_table(several) == ()
    findings, sites = part_tables(several)
    edema, mass = findings.parts
    assert edema.size == "20 of 400 images (280)"
    assert [line.sensitivity for line in edema.lines] == [".600 [.500, .700]", ".500 [.400, .600]"]
    assert mass.missing == "not measured: it is in none or in all of them"
    assert (sites.aim, sites.parts[0].lines[0].sensitivity) == (0.0, "")


@pytest.mark.parametrize("findings", [False, True])
def test_the_page_has_them(study: Study, findings: bool) -> None:
    html = page(detailed(study, findings=findings), pictures=())
    if findings:
        assert "By finding, with 10 (1%) labelled images" in html
        assert "it is in none or in all of them" in html
    else:
        assert "With a threshold that was chosen on validation images" in html
        assert "By device, with 10 (1%) labelled images" in html
        assert "for want of opacity" in html
