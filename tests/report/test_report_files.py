"""The page asks nothing of other sites, escapes what it is given, and says what the tables say."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.report.figures.panels import contact_sheet
from medtrimix.report.figures.roc import roc_curves
from medtrimix.report.headline import headline
from medtrimix.report.html import Picture
from medtrimix.report.methods_text import methods_text
from medtrimix.report.note import markdown_note
from medtrimix.report.page import page
from medtrimix.report.study import AuditCheck, LabelsNeeded, Study
from medtrimix.report.tables import write_csv, write_results
from medtrimix.report.wording import interval, labels_needed, signed_interval
from medtrimix.report.write import ReportFiles, write_report

FIGURES = (
    "learning_curve",
    "label_efficiency",
    "differences",
    "roc",
    "calibration",
    "embedding",
    "examples",
    "saliency",
    "flow",
    "loss",
    "views",
)
HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x>'


class Reader(HTMLParser):
    """Collects tags, the addresses that a browser would fetch, and the rows of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.rows: list[list[str]] = []
        self.alts: list[str] = []
        self.names: list[str] = []
        self.open: list[str] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.alts += [value or "" for key, value in attrs if key == "alt"]
        self.names += [value or "" for key, value in attrs if key == "id"]
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "data", "action")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def asks_outside(text: str) -> list[str]:
    found = Reader(text)
    styles = re.findall(r"url\(|@import", text)
    wrong = [tag for tag in found.tags if tag in ("script", "link", "iframe", "object", "embed", "form", "base")]
    return [address for address in found.addresses if not address.startswith(("data:", "#"))] + styles + wrong


def test_the_page_fetches_nothing(files: ReportFiles) -> None:
    text = files.html.read_text()
    assert asks_outside(text) == []
    assert len([tag for tag in Reader(text).tags if tag == "img"]) == len(FIGURES)


def test_the_page_is_sound_html_that_can_be_heard(files: ReportFiles) -> None:
    found = Reader(files.html.read_text())
    assert found.open == []  # every tag was closed, in order
    assert len(found.names) == len(set(found.names))
    assert {address[1:] for address in found.addresses if address.startswith("#")} <= set(found.names)
    assert len(found.alts) == len(FIGURES)
    assert all(len(alt) > 20 for alt in found.alts)
    levels = [int(tag[1]) for tag in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


def test_the_answer_comes_first(study: Study, files: ReportFiles) -> None:
    text = files.html.read_text()
    assert text.index(headline(study).answer) < text.index("What this study can't say") < text.index("<img")
    assert files.html.stat().st_size < 3_000_000


def test_pictures_of_an_earlier_report_are_gone(study: Study, tmp_path: Path) -> None:
    write_report(study, tmp_path)
    files = write_report(dataclasses.replace(study, examples=()), tmp_path)
    assert not [*files.figures.glob("examples.*"), *files.figures.glob("saliency.*")]


def test_a_leak_that_went_on_is_told_before_the_answer(study: Study, files: ReportFiles) -> None:
    check = AuditCheck("Patients on two sides of the split", 3, "the study went on (on_leak: warn)", leak=True)
    text = page(dataclasses.replace(study, audit=(check,)), pictures=())
    assert (
        text.index("This study leaks") < text.index("Patients on two sides of the split: 3") < text.index("The answer")
    )
    assert "This study leaks" not in files.html.read_text()  # copies that were left out are no leak


def test_methods_cite_what_was_used(study: Study) -> None:
    found = methods_text(study)
    text = " ".join(found.paragraphs)
    numbers = {int(number) for number in re.findall(r"\[(\d+)\]", text)}
    assert numbers == set(range(1, len(found.references) + 1))
    assert "TriMix [1], SimCLR [2], Barlow Twins [3]" in text
    assert "400 test images of 206 patients" in text
    assert "(python 3.11, torch 2.13.0)" in text
    assert "BYOL" not in text + " ".join(found.references)


def with_cohort(study: Study, **changes: Any) -> Study:
    return dataclasses.replace(study, cohort=dataclasses.replace(study.cohort, **changes))


def test_methods_say_how_the_split_came_about_and_whose_images_these_are(study: Study) -> None:
    assert "were split by patient: 960 images of 384 patients for training" in methods_text(study).paragraphs[0]
    source = methods_text(with_cohort(study, split_by="source", without_patient=1600))
    assert "were split as their source has it: 960 images for training" in source.paragraphs[0]
    assert "each image counts as a patient" in source.paragraphs[0]
    assert "no identical picture was on two sides" in source.paragraphs[0]
    assert "patient and" not in source.paragraphs[0]
    assert "bootstrap draws over images [" in source.paragraphs[2]
    assert "split at random" in methods_text(with_cohort(study, without_patient=1600)).paragraphs[0]
    partly = methods_text(with_cohort(study, split_by="file", without_patient=1)).paragraphs[0]
    assert "split by a list fixed beforehand" in partly
    assert "1 image without a patient number count" in partly


def test_methods_do_not_speak_for_a_checkpoint(study: Study) -> None:
    cells = tuple(dataclasses.replace(c, method="checkpoint" if c.arm == "simclr" else c.method) for c in study.cells)
    found = methods_text(dataclasses.replace(study, cells=cells))
    assert "For weights from a checkpoint this can't be checked." in found.paragraphs[0]
    assert "by TriMix [1], Barlow Twins [2], each on" in found.paragraphs[1]
    assert "The weights of simclr come from a checkpoint" in found.paragraphs[1]
    assert "checkpoint" not in " ".join(methods_text(study).paragraphs)


def test_methods_say_what_labels_of_val_chose_and_how_often_labels_were_drawn(study: Study) -> None:
    assert "were drawn 3 times, the same" in methods_text(study).paragraphs[1]
    few = tuple(cell for cell in study.cells if cell.budget != "100%" or cell.label_seed == 0)
    stopped = dataclasses.replace(study, cells=few, early_stopping=("finetune",))
    text = methods_text(stopped).paragraphs[1]
    assert "were drawn 3 times, 3 times, once, in this order" in text
    assert "best on all labelled images of the validation set was kept (finetuned)" in text
    realistic = methods_text(dataclasses.replace(stopped, realistic_validation=True)).paragraphs[1]
    assert "best on as many images as there were labels of the validation set" in realistic
    assert "validation set was kept" not in methods_text(study).paragraphs[1]


def test_the_flow_does_not_claim_what_a_leaking_study_lacks(study: Study, files: ReportFiles) -> None:
    assert "No patient is on two sides." in files.html.read_text()
    check = AuditCheck("Patients on two sides of the split", 3, "the study went on (on_leak: warn)", leak=True)
    leaking = page(dataclasses.replace(study, audit=(check,)), pictures=(Picture("flow", "data:,", ""),))
    assert "No patient is on two sides." not in leaking
    unknown = page(with_cohort(study, without_patient=1600), pictures=(Picture("flow", "data:,", ""),))
    assert "1,600 images without a patient number" in unknown


def test_methods_do_not_claim_what_a_leaking_study_lacks(study: Study) -> None:
    claim = "it was checked that no patient and no identical picture was on two sides"
    assert claim in methods_text(study).paragraphs[0]
    check = AuditCheck("Patients on two sides of the split", 3, "the study went on (on_leak: warn)", leak=True)
    leaking = methods_text(dataclasses.replace(study, audit=(*study.audit, check))).paragraphs[0]
    assert claim not in leaking
    assert "went on in spite of what was found (patients on two sides of the split: 3)" in leaking


@pytest.mark.parametrize(
    "addition", ['<img src="//cdn.example/x.png">', "<script></script>", "<style>a{background:url(x)}</style>"]
)
def test_the_search_for_requests_can_find_one(files: ReportFiles, addition: str) -> None:
    assert asks_outside(files.html.read_text() + addition)


def test_figures_inside_the_page_refer_to_nothing_outside(files: ReportFiles) -> None:
    for name in FIGURES:
        svg = (files.figures / f"{name}.svg").read_text()
        addresses = re.findall(r'(?:href|src)="([^"]*)"', svg)
        assert [address for address in addresses if not address.startswith(("#", "data:"))] == []


@pytest.mark.parametrize("name", FIGURES)
def test_figures_show_something(files: ReportFiles, name: str) -> None:
    pixels = matplotlib.image.imread(files.figures / f"{name}.png")[..., :3]
    painted = (pixels < 0.95).any(axis=2)
    assert 0.02 < painted.mean() < 0.98
    assert (np.ptp(pixels, axis=2) > 0.3).any() or name == "views"  # colours, but for pictures in grey
    for edge in (painted[0], painted[-1], painted[:, 0], painted[:, -1]):
        assert edge.mean() < 0.2  # nothing is cut off


def test_text_from_outside_is_escaped(study: Study) -> None:
    cells = tuple(dataclasses.replace(cell, arm=HOSTILE + cell.arm, budget=HOSTILE) for cell in study.cells)
    cohort = dataclasses.replace(
        study.cohort, source=HOSTILE, verdicts={HOSTILE: 1}, encodings={HOSTILE: 1}, image=HOSTILE
    )
    hostile = dataclasses.replace(
        study,
        name=HOSTILE,
        classes=("a", HOSTILE),
        cells=cells,
        cohort=cohort,
        config_yaml=HOSTILE,
        environment={HOSTILE: HOSTILE},
    )
    assert asks_outside(page(hostile, pictures=())) == []
    assert "<script" not in page(hostile, pictures=())
    assert "<script" not in markdown_note(hostile)


def test_the_csv_has_every_cell_exactly(study: Study, files: ReportFiles) -> None:
    with files.csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(study.cells)
    for row, cell in zip(rows, study.cells, strict=True):
        assert (row["arm"], row["strategy"], row["budget"]) == (cell.arm, cell.strategy, cell.budget)
        assert int(row["label_seed"]) == cell.label_seed
        for name, found in cell.metrics.items():
            read = tuple(float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
            assert read == (found.value, found.low, found.high)


def test_the_page_shows_the_numbers_of_the_json(files: ReportFiles) -> None:
    facts = json.loads(files.json.read_text())
    shown = {cell for row in Reader(files.html.read_text()).rows for cell in row}

    def estimate(values: dict[str, float]) -> Estimate:
        return Estimate(*(values[key] for key in ("value", "low", "high")), n=0, n_patients=0)

    assert len(facts["summaries"]) == 24
    for row in facts["summaries"]:
        for metric in ("auc", "accuracy", "balanced_accuracy"):
            assert interval(estimate(row["metrics"][metric])) in shown
    for gap in facts["differences"]:
        assert signed_interval(estimate(gap)) in shown
    assert interval(estimate(facts["majority_class_accuracy"])) in files.html.read_text()
    assert len(facts["label_efficiency"]) == 21
    for row in facts["label_efficiency"]:
        ends = [math.inf if row[key] is None else row[key] for key in ("value", "low", "high")]
        assert labels_needed(LabelsNeeded(*ends, fewest=row["fewest"], most=row["most"])) in shown


def test_undefined_numbers_are_null_and_empty(study: Study, tmp_path: Path) -> None:
    nan = Estimate(math.nan, math.nan, math.nan, 400, 200)
    first = dataclasses.replace(study.cells[0], metrics=study.cells[0].metrics | {"ece": nan})
    write_csv(tmp_path / "results.csv", dataclasses.replace(study, cells=(first, *study.cells[1:])))
    write_results(tmp_path / "results.json", dataclasses.replace(study, cells=(first, *study.cells[1:])))
    assert json.loads((tmp_path / "results.json").read_text())["cells"][0]["metrics"]["ece"]["value"] is None
    with (tmp_path / "results.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["ece"] == ""


def test_a_study_of_one_untrained_cell_has_a_report(study: Study, tmp_path: Path) -> None:
    cell = next(cell for cell in study.cells if cell.arm == "scratch")
    small = dataclasses.replace(
        study, cells=(cell,), predictions=(), loss_curves=(), view_sheets=(), embeddings=(), examples=()
    )
    files = write_report(small, tmp_path)
    assert {path.stem for path in files.figures.iterdir()} == {"flow", "learning_curve"}
    assert "pretrained without labels" not in files.html.read_text()


def test_several_classes(study: Study) -> None:
    generator = np.random.default_rng(0)
    predictions = tuple(
        dataclasses.replace(
            prediction,
            probability_NK=generator.dirichlet(np.ones(3), size=400),
            target_N=generator.integers(0, 3, 400),
        )
        for prediction in study.predictions
    )
    several = dataclasses.replace(study, classes=("a", "b", "c"), predictions=predictions)
    text = page(several, pictures=())
    assert "one class against the rest" in text
    assert "balanced accuracy of .333" in text
    figure = roc_curves(several)
    assert figure is not None
    x, y = (np.asarray(values, dtype=float) for values in figure.axes[0].lines[1].get_data())
    assert np.trapezoid(y, x) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("high", "label"), [(1.0, "virtual\nλ .500 to 1.000"), (0.5, "virtual\nλ .500")])
def test_virtual_pictures_say_their_lambda(study: Study, high: float, label: str) -> None:
    sheet = dataclasses.replace(study.view_sheets[0], lambda_B=np.linspace(0.5, high, 8))
    figure = contact_sheet(dataclasses.replace(study, view_sheets=(sheet,)))
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["original", "view 1", "view 2", label]


def test_roc_goes_from_corner_to_corner_and_matches_the_auc(study: Study) -> None:
    figure = roc_curves(study)
    assert figure is not None
    aucs = [cell.metrics["auc"].value for cell in study.cells if cell.arm == "trimix"][:3]  # linear, 1%
    x, y = (np.asarray(values, dtype=float) for values in figure.axes[0].lines[1].get_data())
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(np.mean(aucs), abs=0.01)


def test_the_same_study_gives_the_same_bytes_in_seconds(study: Study, files: ReportFiles, tmp_path: Path) -> None:
    started = time.process_time()
    again = write_report(study, tmp_path)
    assert time.process_time() - started < 10
    assert again.html.read_bytes() == files.html.read_bytes()


def test_a_note_fits_into_mlflow(study: Study) -> None:
    assert len(markdown_note(study)) < 5000


def test_writing_reports_needs_no_torch() -> None:
    code = "import sys, medtrimix.report.write, medtrimix.report.note; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"
