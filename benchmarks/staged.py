"""What benchmarks that run as studies share: their data sets, the run itself, how a difference is printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from judging import Gap

REPO = Path(__file__).resolve().parents[1]

DATASETS: dict[str, tuple[str, ...]] = {
    "pneumoniamnist": (),
    "phantom": (
        "description=Synthetic patients, which show what the methods do with these images "
        "and not with real radiographs.",
        "data={source: phantom, image_size: [28, 28]}",
        "phantom={patients: 2000, image_px: 64, opacities: [2, 5], opacity_radius_mm: [40.0, 70.0], "
        "opacity_density: [0.5, 0.8]}",
        "split={val: 0.15, test: 0.25}",
        "pretrain.encoder={name: resnet10, width: 0.125}",
    ),
}
"""By name, what differs from a study of PneumoniaMNIST."""


def run_study(path: Path, *, workspace: Path, overrides: Sequence[str]) -> str:
    """Runs a study that is not finished; the command, for the page."""
    sets = [part for text in overrides for part in ("--set", text)]
    command = ["medtrimix", "run", str(path), "--workspace", str(workspace), *sets]
    subprocess.run([sys.executable, "-m", *command], check=True)
    shown = " ".join(f"--set '{text}'" for text in overrides)
    return f"    medtrimix run {path.relative_to(REPO)} {shown}".rstrip()


def signed(gap: Gap, *, marked: bool = True) -> str:
    """A difference with its interval; bold where it excludes 0."""
    value, low, high = (f"{part:+.4f}".replace("0.", ".", 1) for part in (gap.value, gap.low, gap.high))
    text = f"{value} [{low}, {high}]"
    return f"**{text}**" if marked and (gap.low > 0 or gap.high < 0) else text
