"""Near-duplicates: how many changed copies are found, how many different pictures are mistaken for copies, how long.

    medtrimix ingest SOURCE --out FOLDER                           once for each set
    python benchmarks/near_duplicates.py NAME=FOLDER/store ...     three minutes on one core

Writes `results/near_duplicates.md`. Of each set 200 pictures are changed in one way, as stored, and put beside the set
under names of their own; the table has the share of these pairs that are found. `mistaken` are pairs of different
patients and different pixels in the set itself.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from judging import machine_line
from PIL import Image

from medtrimix.data.groups import connected_groups
from medtrimix.data.likeness import NearDuplicates, distinctive, near_duplicates, thumbnails
from medtrimix.data.store import ArrayStore

HERE = Path(__file__).resolve().parent
AT_LEAST = 0.95
COPIES = 200
MADE = 100_000
Picture = npt.NDArray[np.uint8]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=STORE")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "near_duplicates.md")
    parser.add_argument("--made", type=int, default=MADE, help="made-up pictures to take the time of")
    given = parser.parse_args()
    tables = [_of_set(*text.split("=", 1)) for text in given.sets]
    columns = list(tables[0])
    lines = [
        "# Near-duplicates",
        "",
        f"At `audit.likeness: {AT_LEAST}`. Shares of {COPIES} changed copies that are found, and pairs of different "
        "pictures that are mistaken for copies.",
        "",
        f"| {' | '.join(columns)} |",
        f"|---|{'--:|' * (len(columns) - 1)}",
        *(f"| {' | '.join(str(row.get(name, '')) for name in columns)} |" for row in tables),
        "",
        f"All pairs of {given.made:,} made-up thumbnails: {_seconds(given.made):.0f} s of one core. Written on "
        f"{datetime.now(UTC):%Y-%m-%d}; {machine_line()}.",
    ]
    given.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _of_set(name: str, folder: str) -> dict[str, Any]:
    store = ArrayStore.open(Path(folder))
    thumbnail_NT = np.concatenate(list(thumbnails(store.images, count=len(store))))
    group_N = connected_groups(store.columns("patient_id", "pixel_sha256"))
    alone = near_duplicates(thumbnail_NT, group_N=group_N, at_least=AT_LEAST)
    descriptor_NT = distinctive(thumbnail_NT)
    likeness_NN = descriptor_NT @ descriptor_NT.T
    apart = group_N[:, None] != group_N[None]
    row: dict[str, Any] = {
        "set": f"{name}, {' x '.join(map(str, store.image_shape[1:]))}",
        "images": f"{len(store):,}",
        "pairs": f"{int(apart.sum()) // 2:,}",
        "bar": f"{alone.required:.3f}",
        "mistaken": len(alone.row_P),
        "most alike": f"{likeness_NN[apart].max():.3f}",
    }
    chosen = np.sort(np.random.default_rng(0).permutation(len(store))[:COPIES])
    for title, change in CHANGES.items():
        changed = np.stack([_changed(image, change) for image in store.images(chosen)])
        small = np.concatenate(list(thumbnails(lambda rows, of=changed: of[rows], count=len(changed))))
        found = near_duplicates(
            np.concatenate([thumbnail_NT, small]),
            group_N=np.concatenate([group_N, group_N.max() + 1 + np.arange(len(small))]),
            at_least=AT_LEAST,
        )
        row[title] = f"{100 * _share(found, chosen, images=len(store)):.1f}%"
    return row


def _share(found: NearDuplicates, chosen: npt.NDArray[np.int64], *, images: int) -> float:
    pairs = set(zip(found.row_P.tolist(), found.other_P.tolist(), strict=True))
    return float(np.mean([(int(row), images + number) in pairs for number, row in enumerate(chosen)]))


def _changed(image: npt.NDArray[Any], change: Callable[[Picture], Picture]) -> npt.NDArray[Any]:
    """Each channel and slice on its own."""
    flat = image.reshape(-1, *image.shape[-2:])
    return np.stack([change(picture) for picture in flat]).reshape(image.shape)


def _seconds(count: int) -> float:
    thumbnail_NT = np.random.default_rng(0).standard_normal((count, 144), dtype=np.float32)
    thumbnail_NT /= np.linalg.norm(thumbnail_NT, axis=1, keepdims=True)
    started = time.process_time()
    near_duplicates(thumbnail_NT, group_N=np.arange(count), at_least=AT_LEAST)
    return time.process_time() - started


def _jpeg(picture: Picture, *, quality: int) -> Picture:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _resized(picture: Picture) -> Picture:
    image = Image.fromarray(picture)
    smaller = image.resize((round(0.95 * image.width), round(0.95 * image.height)), Image.Resampling.BILINEAR)
    return np.asarray(smaller.resize(image.size, Image.Resampling.BILINEAR))


def _noisy(picture: Picture) -> Picture:
    noise = np.random.default_rng(int(picture.sum())).normal(0, 0.02 * 255, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


def _clipped(picture: Picture) -> Picture:
    return (128 + 1.2 * (picture.astype(np.float64) - 128)).clip(0, 255).astype(np.uint8)


def _cut(picture: Picture) -> Picture:
    rows, columns = (max(1, round(0.02 * side)) for side in picture.shape)
    image = Image.fromarray(picture[rows:-rows, columns:-columns])
    return np.asarray(image.resize(picture.shape[::-1], Image.Resampling.BILINEAR))


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG 85": lambda picture: _jpeg(picture, quality=85),
    "JPEG 50": lambda picture: _jpeg(picture, quality=50),
    "2% noise": _noisy,
    "noise, JPEG 70": lambda picture: _jpeg(_noisy(picture), quality=70),
    "resized by 5%": _resized,
    "contrast x 0.8": lambda picture: (0.8 * picture + 20).astype(np.uint8),
    "contrast x 1.2, clipped": _clipped,
    "2% cut off each side": _cut,
}
"""What is done to a picture."""

if __name__ == "__main__":
    main()
