"""The quality page: what a source was like, for the eyes of those who will trust or mistrust a model of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from medtrimix.config.files import replacing
from medtrimix.data.store import ArrayStore
from medtrimix.ingest.flags import Flag
from medtrimix.report.figures.png import png
from medtrimix.report.figures.style import as_svg
from medtrimix.report.html import Picture, data_uri, environment
from medtrimix.report.quality.facts import (
    copies,
    counts,
    flag_counts,
    grey_values,
    images_per_patient,
    labels_by_split,
    read_index,
    sample_to_show,
)
from medtrimix.report.quality.figures import grey_figure, patients_figure, size_figure, tile
from medtrimix.report.quality.verdicts import counted

_SEED = 0
_SHOWN = 48
_KINDS = 6
_MOST_LABELS = 40

FLAGS = {
    Flag.burned_in_text: "The file says that text is burned into its pixels. It can name the patient, and be learnt.",
    Flag.head: "Volumes of heads: a face can be rendered from them. Treat the store like a photograph of the patient.",
    Flag.secondary_capture: "Screen shots, scanned films, photographs of screens: often with text, marks and windows.",
    Flag.for_processing: "Raw detector data, not what a reader saw; grey values differ from those for presentation.",
    Flag.lossy: "Compressed with loss before it came here; a network can tell such images apart.",
    Flag.no_orientation_code: "NIfTI that does not say where left and right are.",
    Flag.no_patient_number: "Nothing says whose they are, so each file, archive entry or study counts as one patient.",
}
"""What a flag warns of."""


@dataclass(frozen=True)
class Tile:
    """A picture of the contact sheet and what stands below it."""

    uri: str
    caption: str


def write_quality(store_folder: Path, *, verdicts: Mapping[str, int], out: Path, pictures: bool = True) -> None:
    """Writes the page about a finished store to `out`, all in one file, without anything that identifies.

    Args:
        store_folder: the array store.
        verdicts: number of files by verdict.
        out: the HTML file.
        pictures: whether it has the contact sheet.
    """
    html = quality_page(ArrayStore.open(store_folder), verdicts=verdicts, pictures=pictures)
    with replacing(out) as temporary:
        temporary.write_text(html, encoding="utf-8")


def quality_page(store: ArrayStore, *, verdicts: Mapping[str, int], pictures: bool = True) -> str:
    """The page as HTML; the same store gives the same page."""
    index = read_index(store)
    kinds = {
        "encoding": grey_values(store, index, by="encoding", most=_KINDS, seed=_SEED),
        "device": grey_values(store, index, by="device", most=_KINDS, seed=_SEED),
    }
    rows, columns = store.image_shape[-2:]
    patients = images_per_patient(index)
    return (
        environment()
        .get_template("quality.html.j2")
        .render(
            shape=" x ".join(map(str, store.image_shape)),
            is_volume=len(store.image_shape) == 4,
            samples=len(index),
            patients=int(index["patient_id"].nunique()),
            series=int(index["series_id"].nunique()),
            files=sum(verdicts.values()),
            verdicts=list(counted(verdicts)),
            flags=_flags(index),
            tiles=_tiles(store, index) if pictures else [],
            grey=kinds,
            figures={
                "grey": _figure(
                    as_svg(grey_figure({f"by {name}": found for name, found in kinds.items()})),
                    alt="Share of pixels at each grey value, a line per encoding and per device.",
                ),
                "sizes": _figure(
                    as_svg(size_figure(index, image_size=(rows, columns))),
                    alt="Original rows and columns of the images, and the distances of their pixels.",
                ),
                "patients": _figure(as_svg(patients_figure(patients)), alt="Number of patients by number of samples."),
            },
            smaller=int(((index["rows"] < rows) & (index["columns"] < columns)).sum()),
            kinds={
                "Modality": counts(index["modality"]),
                "Encoding": counts(index["encoding"]),
                "Device (pseudonym)": counts(index["device"]),
                "Spacing measured": counts(index["spacing_origin"]),
                "Orientation": counts(index["orientation"]),
                "Slices": counts(index["slices"].astype(str)),
            },
            labels=labels_by_split(index),
            most_labels=_MOST_LABELS,
            splits=sorted({str(split) for split in index["split"]}, key=["train", "val", "test", ""].index),
            copies=copies(index),
            duplicates=verdicts.get("duplicate", 0),
        )
    )


def _flags(index: pd.DataFrame) -> list[tuple[Flag, int, str]]:
    """Those that occur first; the others show that they were looked for."""
    found = flag_counts(index)
    return [(flag, found[flag], text) for flag, text in sorted(FLAGS.items(), key=lambda item: not found[item[0]])]


def _tiles(store: ArrayStore, index: pd.DataFrame) -> list[Tile]:
    rows = sample_to_show(index, most=_SHOWN, seed=_SEED)
    pictures = (data_uri(png(tile(image)), ending=".png") for image in store.images(rows))
    names = index.iloc[rows][["modality", "encoding", "label"]].itertuples(index=False)
    return [Tile(uri, " · ".join(filter(None, map(str, name)))) for uri, name in zip(pictures, names, strict=True)]


def _figure(svg: bytes, *, alt: str) -> Picture:
    return Picture("", data_uri(svg, ending=".svg"), alt)
