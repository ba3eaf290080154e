"""The study in a few lines of Markdown, for the description of its run in MLflow."""

from __future__ import annotations

from medtrimix.report.efficiency import efficiencies
from medtrimix.report.headline import headline
from medtrimix.report.study import Study
from medtrimix.report.summary import summarise, summary_table
from medtrimix.report.wording import labels_needed

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_{}[]#|!"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def markdown_note(study: Study) -> str:
    """The answer, where to find the rest, and the table of AUCs; names are escaped."""
    found = headline(study)
    rows = summary_table(study)
    needed = {(one.arm, one.strategy, one.budget): labels_needed(one.needed) for one in efficiencies(study)}
    last = [needed.get((row.arm, row.strategy, row.budget), "") for row in summarise(study)]
    lines = [f"**{_plain(found.answer)}**", ""]
    if found.verdict:
        lines += [_plain(found.verdict), ""]
    if study.description:
        lines += [_plain(study.description), ""]
    lines += [
        "The whole report: **Artifacts** tab, `report/report.html`. Research use; not a medical device.",
        "",
        "| labels | pretraining | learner | AUC [95% interval] | difference (paired) | labels for the same, control |",
        "|---|---|---|---|---|---|",
        *(
            f"| {_plain(row.labels)} | {_plain(row.arm)} | {_plain(row.strategy)} | {row.auc} | {row.difference} | "
            f"{_plain(labels)} |"
            for row, labels in zip(rows, last, strict=True)
        ),
        "",
        f"Test images (patients): {rows[0].n}; seeds: {rows[0].seeds}. What this study can't say:",
        "",
        *(f"- {_plain(sentence)}" for sentence in found.cannot_say),
    ]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text without any meaning in Markdown or HTML."""
    return " ".join(text.translate(_SPECIAL).split())
