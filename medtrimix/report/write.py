"""Writing a report: figures, tables, page."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from medtrimix.config.files import replacing, write_json
from medtrimix.report.figures.calibration import calibration
from medtrimix.report.figures.curves import learning_curves
from medtrimix.report.figures.efficiency import label_efficiency
from medtrimix.report.figures.embedding import embedding_maps
from medtrimix.report.figures.examples import example_sheet, saliency_sheet
from medtrimix.report.figures.flow import flow_diagram, flow_in_words
from medtrimix.report.figures.panels import contact_sheet, forest
from medtrimix.report.figures.pretraining import health_curves, loss_curves
from medtrimix.report.figures.roc import roc_curves
from medtrimix.report.figures.style import save
from medtrimix.report.headline import headline
from medtrimix.report.html import Picture, embed
from medtrimix.report.page import page
from medtrimix.report.study import Study
from medtrimix.report.tables import write_csv, write_results

_PIXELS = ("views", "examples", "saliency", "embedding")
"""Embedded as PNG: pictures stay pixels, and a cloud of points as SVG is ten times as large."""


@dataclass(frozen=True)
class ReportFiles:
    """Where the parts of a report are."""

    html: Path
    csv: Path
    json: Path
    figures: Path
    config: Path
    environment: Path


def write_report(study: Study, folder: Path) -> ReportFiles:
    """Writes `report.html`, `results.csv`, `results.json` and `figures/*.{svg,png}`; the page is written last."""
    assert study.cells, "a report needs at least one cell"
    files = ReportFiles(
        html=folder / "report.html",
        csv=folder / "results.csv",
        json=folder / "results.json",
        figures=folder / "figures",
        config=folder / "config.yaml",
        environment=folder / "environment.json",
    )
    shutil.rmtree(files.figures, ignore_errors=True)  # of an earlier report, which may have had pictures of patients
    files.figures.mkdir(parents=True)
    write_csv(files.csv, study)
    write_results(files.json, study)
    write_json(files.environment, dict(study.environment))
    with replacing(files.config) as temporary:
        temporary.write_text(study.config_yaml, encoding="utf-8")
    html = page(study, pictures=_pictures(study, files.figures))
    with replacing(files.html) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return files


def _pictures(study: Study, folder: Path) -> tuple[Picture, ...]:
    said = headline(study)
    drawn = {
        "learning_curve": (learning_curves(study), f"AUC over the number of labelled images. {said.answer}"),
        "label_efficiency": (
            label_efficiency(study),
            "Labels used by each arm against those that the control needs for the same AUC; the table has the numbers.",
        ),
        "differences": (forest(study), "Paired differences of AUC between arms; the table of results has the numbers."),
        "roc": (roc_curves(study), "ROC curves of every arm, one panel per label budget."),
        "calibration": (
            calibration(study),
            "Observed share over the probability given, and the number of images in each bin.",
        ),
        "embedding": (embedding_maps(study), "Validation images as points, coloured by class, one map per arm."),
        "examples": (example_sheet(study), "Validation images that were called right, wrong, and uncertain."),
        "saliency": (saliency_sheet(study), "The same images, with maps of what each answer rests on."),
        "flow": (flow_diagram(study), flow_in_words(study.cohort)),
        "loss": (loss_curves(study), "Loss of pretraining over the images seen."),
        "health": (
            health_curves(study),
            "Effective rank, spread of directions and neighbours' AUC during pretraining.",
        ),
        "views": (contact_sheet(study), "Images, two random views of each, and virtual images."),
    }
    pictures = []
    for name, (figure, alt) in drawn.items():
        if figure is not None:
            save(figure, folder, name=name)
            ending = "png" if name in _PIXELS else "svg"
            pictures.append(embed(folder / f"{name}.{ending}", alt=alt))
    return tuple(pictures)
