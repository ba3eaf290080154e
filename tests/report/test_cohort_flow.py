"""The flow diagram's counts add up, and its words say what it shows."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from medtrimix.report.figures.flow import flow_diagram, flow_in_words, levels
from medtrimix.report.study import Cohort, SplitCount, Study


def cohort(verdicts: dict[str, int], sides: dict[str, int]) -> Cohort:
    splits = tuple(SplitCount(side, images, images, {"a": images}) for side, images in sides.items())
    return Cohort("folder", verdicts, {}, splits, "8 x 8, grey", series=2, patients=3)


def test_a_worked_example() -> None:
    """10 files, 3 of them refused; 7 images, 1 a copy; 6 are used."""
    found = levels(
        cohort({"accepted": 7, "truncated": 2, "not_dicom": 1}, {"train": 3, "val": 1, "test": 2, "dropped": 1})
    )
    assert [level.lines for level in found] == [
        ("10 files found",),
        ("7 files read", "7 images, 2 series, 3 patients"),
        ("6 images used",),
    ]
    assert found[0].leaves == ("3 files not read", "   2 truncated", "   1 not dicom")
    assert found[1].leaves[0] == "1 image left out"


@given(
    st.dictionaries(st.sampled_from([f"reason_{n}" for n in range(20)]), st.integers(1, 10_000)), st.integers(1, 999)
)
def test_what_leaves_adds_up(refused: dict[str, int], accepted: int) -> None:
    first, *_ = levels(cohort({"accepted": accepted, **refused}, {"train": accepted}))

    def amount(text: str) -> int:
        return int(text.split()[0].replace(",", ""))

    total, *reasons = first.leaves or ("0 files not read",)
    assert amount(first.lines[0]) == accepted + amount(total)
    assert sum(map(amount, reasons)) == amount(total)
    assert len(reasons) <= 9


def test_words_have_every_number(study: Study) -> None:
    words = flow_in_words(study.cohort)
    for part in ("1,606 files found", "6 files not read", "1,590 series", "686 patients", "Test 400 images"):
        assert part in words


def test_boxes_lie_inside_the_figure_and_apart(study: Study) -> None:
    dropped = SplitCount("dropped", 7, 5, {"normal": 7})
    more = dataclasses.replace(study.cohort, splits=(*study.cohort.splits, dropped))
    figure = flow_diagram(dataclasses.replace(study, cohort=more))
    figure.canvas.draw()
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches]
    assert len(boxes) == 3 + 2 + 3
    for box in boxes:
        assert figure.bbox.contains(*box.p0)
        assert figure.bbox.contains(*box.p1)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    for text in figure.axes[0].texts:
        if text.get_text():
            extent = text.get_window_extent()
            assert any(box.contains(*extent.p0) and box.contains(*extent.p1) for box in boxes), text.get_text()
