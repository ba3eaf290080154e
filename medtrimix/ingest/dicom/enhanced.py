"""Enhanced multi-frame objects as volumes: the frames of a file are put together like the slices of a series."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medtrimix.ingest.dicom.dataset import read_pixels
from medtrimix.ingest.dicom.frames import stored_frames
from medtrimix.ingest.dicom.functional_groups import frame_headers
from medtrimix.ingest.dicom.geometry import NOISE_MM, depths_mm, places, slice_geometry, stack_affine
from medtrimix.ingest.dicom.header import PixelModule, is_inverted, modality_transform, number_of_frames, padding_of
from medtrimix.ingest.dicom.provenance import flags_of, identity_of, modality_of
from medtrimix.ingest.dicom.scan import SliceFacts, checked_slice, split_values
from medtrimix.ingest.dicom.series import assemble
from medtrimix.ingest.dicom.stack import Stack, joined
from medtrimix.ingest.dicom.syntax import SYNTAXES
from medtrimix.ingest.dicom.values import text
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.grey import LookupTable, Rescale, Window, full_range
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Identity
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels


def volume_window(modality: str, *, options: DataOptions) -> Window | None:
    """What is shown of a volume: the configured Hounsfield units of CT, the robust range of anything else (None)."""
    assert options.volume is not None
    if modality != "CT":
        return None
    return full_range(*options.volume.window_hu) if options.volume.window_hu else Window(*options.ct_window)


def read_enhanced(file: BinaryIO, *, header: Dataset, uid: str, options: DataOptions) -> tuple[Voxels, ...]:
    """The volumes in a file; with `fourth_axis: channels` one volume that has them as channels.

    Args:
        file: at its pixel data.
        header: of an object with functional groups.
        uid: its transfer syntax.
        options: caps, window, and what to do with a fourth axis.

    Raises:
        Refused: with the reason.
    """
    try:
        described = _described(header, uid=uid, options=options)
    except (Refused, MemoryError):
        raise
    except Exception:  # whatever an absurd value provokes in the accessors
        raise Refused(Verdict.invalid_header) from None
    plans = _planned(described.facts, options=options)
    read_pixels(file, header=header)
    stacks = _stacks(header, uid=uid, described=described, plans=plans)
    groups = [stacks] if _as_channels(plans, options=options) else [[stack] for stack in stacks]
    return tuple(
        Voxels(
            values_CDHW=joined([stack.values_DHW for stack in group]),
            affine=plans[number].affine,
            window=volume_window(described.kind, options=options),
            encoding=SYNTAXES[uid].name,
            modality=described.kind,
            padded_DHW=_padded(group),
            identity=described.identity,
            flags=described.flags,
            frame=number,
            inverted=described.inverted,
        )
        for number, group in enumerate(groups)
    )


@dataclass(frozen=True, eq=False)
class _Described:
    """What the header says about the frames."""

    module: PixelModule
    facts: list[SliceFacts]
    transforms: list[Rescale | LookupTable | None]
    padding: tuple[int, int] | None
    inverted: bool
    kind: str
    identity: Identity
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class _Plan:
    """Where the frames of one volume go: `places` has, for each frame by its number, the place of its slice."""

    places: dict[int, int]
    affine: npt.NDArray[np.float64]

    @property
    def slices(self) -> int:
        return max(self.places.values()) + 1


def _described(header: Dataset, *, uid: str, options: DataOptions) -> _Described:
    module = checked_slice(header, options=options)
    frames = number_of_frames(header)
    if module.rows * module.columns * frames > options.max_megavoxels * 1e6:
        raise Refused(Verdict.too_large)
    each = frame_headers(header, frames=frames)
    return _Described(
        module=module,
        facts=[_facts(frame, module=module) for frame in each],
        transforms=[modality_transform(frame) for frame in each],
        padding=padding_of(header, module=module),
        inverted=is_inverted(header, module=module),
        kind=modality_of(header),
        identity=identity_of(header),
        flags=flags_of(each[0], syntax=SYNTAXES[uid]),
    )


def _facts(frame: Dataset, *, module: PixelModule) -> SliceFacts:
    geometry = slice_geometry(frame)
    if geometry is None:
        raise Refused(Verdict.no_position)
    # Digests that stay in this process need no key.
    return SliceFacts(
        stack=text(frame, "StackID").encode(),
        instance=b"",
        rows=module.rows,
        columns=module.columns,
        geometry=geometry,
        splits=split_values(frame, digest=lambda value: hashlib.sha256(value.encode()).digest()),
    )


def _planned(facts: list[SliceFacts], *, options: DataOptions) -> list[_Plan]:
    """Where the frames go, one plan for each volume."""
    assert options.volume is not None
    assembly = assemble(facts, options=options)
    if assembly.refused:
        raise Refused(assembly.refused[min(assembly.refused)])
    if len(assembly.volumes) > 1 and options.volume.fourth_axis == "refuse":
        raise Refused(Verdict.unsupported_4d)
    return [_plan(volume, facts=facts) for volume in assembly.volumes]


def _plan(volume: tuple[int, ...], *, facts: list[SliceFacts]) -> _Plan:
    slices = [geometry for frame in volume if (geometry := facts[frame].geometry)]
    where = places(depths_mm(slices)).tolist()
    return _Plan(dict(zip(volume, where, strict=True)), stack_affine(slices[0], slices[-1], slices=where[-1] + 1))


def _stacks(header: Dataset, *, uid: str, described: _Described, plans: list[_Plan]) -> list[Stack]:
    """Frames decoded in the order of the file, each put where it belongs."""
    module = described.module
    stacks = [Stack(slices=plan.slices, rows=module.rows, columns=module.columns) for plan in plans]
    target = {
        frame: (stack, place) for plan, stack in zip(plans, stacks, strict=True) for frame, place in plan.places.items()
    }
    frames = stored_frames(header, uid=uid, module=module, frames=len(described.facts))
    for frame, (stored_HW, _) in enumerate(frames):
        stack, place = target[frame]
        stack.put(place, stored_HW, modality=described.transforms[frame], padding=described.padding)
    return stacks


def _as_channels(plans: list[_Plan], *, options: DataOptions) -> bool:
    """Whether all volumes of the file become one, which they must have the shape, the place and the number for."""
    assert options.volume is not None
    if options.volume.fourth_axis != "channels":
        return False
    first = plans[0]
    alike = all(plan.slices == first.slices and np.allclose(plan.affine, first.affine, atol=NOISE_MM) for plan in plans)
    if not alike:
        raise Refused(Verdict.mixed_geometry)
    if len(plans) != options.volume.channels:
        raise Refused(Verdict.unsupported_4d)
    return True


def _padded(stacks: list[Stack]) -> npt.NDArray[np.bool_] | None:
    """Voxels that have no picture in one of the channels."""
    masks = [stack.padded_DHW for stack in stacks if stack.padded_DHW is not None]
    return np.logical_or.reduce(masks) if masks else None
