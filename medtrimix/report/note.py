"""The study in a few lines of Markdown, for the description of its run in MLflow."""

from __future__ import annotations

from medtrimix.report.headline import headline
from medtrimix.report.study import Study
from medtrimix.report.summary import summary_table

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_{}[]#|!"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def markdown_note(study: Study) -> str:
    """The answer, where to find the rest, and the table of AUCs; names are escaped."""
    found = headline(study)
    rows = summary_table(study)
    lines = [f"**{_plain(found.answer)}**", ""]
    if found.verdict:
        lines += [_plain(found.verdict), ""]
    if study.description:
        lines += [_plain(study.description), ""]
    lines += [
        "The whole report: **Artifacts** tab, `report/report.html`. Research use; not a medical device.",
        "",
        "| labels | pretraining | learner | AUC [95% interval] | difference (paired) |",
        "|---|---|---|---|---|",
        *(
            f"| {_plain(row.labels)} | {_plain(row.arm)} | {_plain(row.strategy)} | {row.auc} | {row.difference} |"
            for row in rows
        ),
        "",
        f"Test images (patients): {rows[0].n}; seeds: {rows[0].seeds}.",
    ]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text without any meaning in Markdown or HTML."""
    return " ".join(text.translate(_SPECIAL).split())
