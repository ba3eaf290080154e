"""The slices of one volume, decoded one after another and stacked in the order that their geometry gave them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from pydicom.dataset import Dataset

from medtrimix.ingest.dicom.dataset import read_header, read_pixels
from medtrimix.ingest.dicom.enhanced import read_enhanced, volume_window
from medtrimix.ingest.dicom.frames import stored_frames
from medtrimix.ingest.dicom.geometry import NOISE_MM, SliceGeometry, same_plane, slice_geometry, stack_affine
from medtrimix.ingest.dicom.header import (
    has_functional_groups,
    is_inverted,
    modality_transform,
    number_of_frames,
    padding_of,
)
from medtrimix.ingest.dicom.provenance import flags_of, identity_of, modality_of
from medtrimix.ingest.dicom.scan import checked_slice
from medtrimix.ingest.dicom.stack import Stack
from medtrimix.ingest.dicom.syntax import SYNTAXES
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.grey import Integers, LookupTable, Rescale
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Identity
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels


class SliceRefused(Refused):
    """One slice of a volume can't be read; `position` is its place among the files that were given."""

    def __init__(self, position: int, verdict: Verdict) -> None:
        self.position = position
        super().__init__(verdict)


def read_volume(files: Sequence[Callable[[], BinaryIO]], *, options: DataOptions) -> tuple[Voxels, ...]:
    """The volume that some files make, or the volumes in one file of several frames.

    Args:
        files: each opens one file, in the order of the slices (`series.assemble`); every one is opened once.
        options: caps, window, and what to do with a fourth axis.

    Raises:
        SliceRefused: because of one file.
        Refused: because of how they fit together.
    """
    with _blamed_on(0), files[0]() as file:
        header, uid = read_header(file, headless=_is_headless(file))
        if has_functional_groups(header):
            return read_enhanced(file, header=header, uid=uid, options=options)
        identity = identity_of(header)
        first = _read_slice(file, header=header, uid=uid, options=options)
    others = (_slice_of(open_file, position=place, options=options) for place, open_file in enumerate(files[1:], 1))
    return (_stacked(chain([first], others), count=len(files), identity=identity, options=options),)


@dataclass(frozen=True, eq=False)
class _Slice:
    stored_HW: Integers
    geometry: SliceGeometry
    modality: Rescale | LookupTable | None
    padding: tuple[int, int] | None
    inverted: bool
    encoding: str
    kind: str
    flags: tuple[Flag, ...]


def _stacked(slices: Iterable[_Slice], *, count: int, identity: Identity, options: DataOptions) -> Voxels:
    first: _Slice | None = None
    flags: set[Flag] = set()
    duplicates = []
    place, depth = 0, 0.0
    for position, one in enumerate(slices):
        if first is None:
            first = last = one
            rows, columns = one.stored_HW.shape
            if rows * columns * count > options.max_megavoxels * 1e6:
                raise Refused(Verdict.too_large)
            stack = Stack(slices=count, rows=rows, columns=columns)
        elif not _continues(one, first=first):
            raise Refused(Verdict.mixed_geometry)
        distance = one.geometry.distance_mm(first.geometry)
        if distance - depth > NOISE_MM:
            place, depth, last = place + 1, distance, one
        if not stack.put(place, one.stored_HW, modality=one.modality, padding=one.padding):
            duplicates.append(position)
        flags.update(one.flags)
    assert first is not None
    return Voxels(
        values_CDHW=stack.values_DHW[None, : place + 1],
        affine=stack_affine(first.geometry, last.geometry, slices=place + 1),
        window=volume_window(first.kind, options=options),
        encoding=first.encoding,
        modality=first.kind,
        padded_DHW=None if stack.padded_DHW is None else stack.padded_DHW[: place + 1],
        identity=identity,
        flags=tuple(flag for flag in Flag if flag in flags),
        inverted=first.inverted,
        duplicates=tuple(duplicates),
    )


def _continues(one: _Slice, *, first: _Slice) -> bool:
    """Whether a slice fits the first one; else a file was changed since its scan, or is shown inverted."""
    return (
        one.stored_HW.shape == first.stored_HW.shape
        and same_plane(one.geometry, first.geometry)
        and one.inverted == first.inverted
    )


def _slice_of(open_file: Callable[[], BinaryIO], *, position: int, options: DataOptions) -> _Slice:
    with _blamed_on(position), open_file() as file:
        header, uid = read_header(file, headless=_is_headless(file))
        return _read_slice(file, header=header, uid=uid, options=options)


@contextmanager
def _blamed_on(position: int) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except OSError:
        raise SliceRefused(position, Verdict.unreadable) from None
    except Refused as refusal:
        raise SliceRefused(position, refusal.verdict) from None
    except Exception:  # whatever an absurd value provokes in the accessors
        raise SliceRefused(position, Verdict.invalid_header) from None


def _is_headless(file: BinaryIO) -> bool:
    head = file.read(132)
    file.seek(0)
    return head[128:] != b"DICM"


def _read_slice(file: BinaryIO, *, header: Dataset, uid: str, options: DataOptions) -> _Slice:
    module = checked_slice(header, options=options)
    geometry = slice_geometry(header)
    if geometry is None or number_of_frames(header) > 1:
        raise Refused(Verdict.no_position)
    modality, padding = modality_transform(header), padding_of(header, module=module)
    flags, kind = flags_of(header, syntax=SYNTAXES[uid]), modality_of(header)
    inverted = is_inverted(header, module=module)
    read_pixels(file, header=header)
    ((stored_HW, _),) = stored_frames(header, uid=uid, module=module, frames=1)
    return _Slice(stored_HW, geometry, modality, padding, inverted, SYNTAXES[uid].name, kind, flags)
