"""The cohort's flow diagram, in CONSORT's form: from the files to the split, with what was left out and why."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.report.figures.style import INK, SETTINGS, WIDTH, new_figure
from medtrimix.report.study import Cohort, Study
from medtrimix.report.wording import count

_LINE, _PAD, _GAP = 0.2, 0.12, 0.32  # inches: of a line of text, around it, between boxes
_LEFT, _SIDE = 0.32, 0.62  # of the width: middle of the main boxes, left edge of those beside them
_LISTED = 8


@dataclass(frozen=True)
class Level:
    """One box on the way down: `lines` of text, and what leaves before the next one, empty where nothing does."""

    lines: tuple[str, ...]
    leaves: tuple[str, ...] = ()


def levels(cohort: Cohort) -> tuple[Level, ...]:
    """Files, images, and images that are used; each number is the one before minus what leaves."""
    files = sum(cohort.verdicts.values())
    accepted = cohort.verdicts.get("accepted", 0)
    refused = {name: number for name, number in cohort.verdicts.items() if name != "accepted" and number}
    images = sum(side.images for side in cohort.splits)
    dropped = next((side for side in cohort.splits if side.split == "dropped"), None)
    stored = [count(images, cohort.unit)]
    stored += [count(cohort.series, "series|series")] if cohort.series else []
    stored += [count(cohort.patients, "patient")] if cohort.patients else []
    found = [
        Level((f"{count(files, 'file')} found",), _leaving(refused)),
        Level(
            (f"{count(accepted, 'file')} read", ", ".join(stored)), _dropped(dropped.images if dropped else 0, cohort)
        ),
    ]
    if dropped:
        found.append(Level((f"{count(images - dropped.images, cohort.unit)} used",)))
    return tuple(found)


def flow_in_words(cohort: Cohort) -> str:
    """The diagram for those who can't see it."""
    parts = [text for level in levels(cohort) for text in (*level.lines, "; ".join(level.leaves)) if text]
    return "; ".join([*parts, *(" ".join(_side(cohort, place)) for place in range(len(_sides(cohort))))]) + "."


def flow_diagram(study: Study) -> Figure:
    """Boxes from top to bottom, what leaves at the right, the sides of the split beneath."""
    down = levels(study.cohort)
    sides = [_side(study.cohort, place) for place in range(len(_sides(study.cohort)))]
    heights = [max(_height(level.lines), _height(level.leaves) if level.leaves else 0) for level in down]
    total = sum(heights) + _GAP * (len(down) + 0.6) + max(map(_height, sides)) + 0.1
    with mpl.rc_context({**SETTINGS, "figure.constrained_layout.use": False}):
        figure, (panel,) = new_figure(width=WIDTH, height=total)
        panel.set_position((0, 0, 1, 1))
        panel.set(xlim=(0, WIDTH), ylim=(total, 0))
        panel.set_axis_off()
        top = 0.06
        for number, (level, height) in enumerate(zip(down, heights, strict=True)):
            if number:
                _arrow(
                    panel,
                    (_LEFT * WIDTH, top - _GAP - heights[number - 1] / 2 + _height(down[number - 1].lines) / 2),
                    (_LEFT * WIDTH, top + height / 2 - _height(level.lines) / 2),
                )
            middle = top + height / 2
            _box(panel, level.lines, x=_LEFT * WIDTH, y=middle, width=3.4)
            if level.leaves:
                _arrow(panel, (_LEFT * WIDTH + 1.7, middle), (_SIDE * WIDTH, middle))
                _box(panel, level.leaves, x=_SIDE * WIDTH + 1.6, y=middle, width=3.2, soft=True)
            top += height + _GAP
        _split(panel, sides, top=top, start=top - _GAP - heights[-1] / 2 + _height(down[-1].lines) / 2)
    return figure


def _leaving(refused: dict[str, int]) -> tuple[str, ...]:
    """The total, then the commonest reasons."""
    if not refused:
        return ()
    common = sorted(refused.items(), key=lambda item: -item[1])
    lines = [f"{count(sum(refused.values()), 'file')} not read"]
    lines += [f"   {number:,} {name.replace('_', ' ')}" for name, number in common[:_LISTED]]
    rest = sum(number for _, number in common[_LISTED:])
    return (*lines, *([f"   {rest:,} for other reasons"] if rest else []))


def _dropped(images: int, cohort: Cohort) -> tuple[str, ...]:
    if not images:
        return ()
    return (f"{count(images, cohort.unit)} left out", "   copies of a more protected side")


def _sides(cohort: Cohort) -> list[str]:
    return [side.split for side in cohort.splits if side.split != "dropped"]


_TITLES = {"train": "Training", "val": "Validation", "test": "Test"}


def _side(cohort: Cohort, place: int) -> tuple[str, ...]:
    side = next(side for side in cohort.splits if side.split == _sides(cohort)[place])
    unlabelled = side.by_class.get("", 0)
    lines = [
        _TITLES.get(side.split, side.split),
        f"{count(side.images, cohort.unit)} of {count(side.patients, 'patient')}",
    ]
    return (*lines, *([f"{unlabelled:,} without a label"] if unlabelled else []))


def _split(panel: Axes, sides: list[tuple[str, ...]], *, top: float, start: float) -> None:
    """The sides beneath, joined to the last box."""
    width = WIDTH / len(sides)
    bar = top - 0.14
    panel.plot([_LEFT * WIDTH] * 2, [start, bar], color=INK, linewidth=0.9)
    middles = [width * (place + 0.5) for place in range(len(sides))]
    panel.plot([min(*middles, _LEFT * WIDTH), max(*middles, _LEFT * WIDTH)], [bar, bar], color=INK, linewidth=0.9)
    height = max(map(_height, sides))
    for x, lines in zip(middles, sides, strict=True):
        _arrow(panel, (x, bar), (x, top + 0.16))
        _box(panel, lines, x=x, y=top + 0.16 + height / 2, width=min(2.8, width - 0.2), height=height, bold_first=True)


def _height(lines: tuple[str, ...]) -> float:
    return _LINE * len(lines) + 2 * _PAD


def _box(
    panel: Axes,
    lines: tuple[str, ...],
    *,
    x: float,
    y: float,
    width: float,
    height: float = 0.0,
    soft: bool = False,
    bold_first: bool = False,
) -> None:
    height = height or _height(lines)
    box = mpl.patches.FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.05",
        facecolor="#f7f7f7" if soft else "#eaf3f9",
        edgecolor="#999999" if soft else "#0072B2",
        linewidth=0.9,
    )
    panel.add_patch(box)
    first = y - _LINE * (len(lines) - 1) / 2
    for number, text in enumerate(lines):
        panel.text(
            x - width / 2 + 0.14 if soft else x,
            first + _LINE * number,
            text,
            ha="left" if soft else "center",
            va="center",
            fontsize=9,
            fontweight="bold" if (bold_first or soft) and number == 0 else "normal",
        )


def _arrow(panel: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    panel.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    )
