"""Slices to volumes by their geometry alone: file names, InstanceNumber and SliceLocation say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from medtrimix.ingest.dicom.geometry import (
    NOISE_MM,
    PLANE_TOLERANCE,
    SliceGeometry,
    depths_mm,
    has_gap,
    is_tilted,
    places,
    same_plane,
)
from medtrimix.ingest.dicom.scan import SPLIT_KEYS, SliceFacts
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.verdict import Verdict


@dataclass(frozen=True)
class Assembly:
    """What the slices make; every position in `facts` that is not None is in one of both.

    Attributes:
        volumes: positions in `facts`, in the order of the slices; volumes in the order of their first file. Slices that
            nothing tells apart stand side by side at one place: only their pixels say whether they are copies.
        refused: the verdicts on the others.
    """

    volumes: tuple[tuple[int, ...], ...] = ()
    refused: dict[int, Verdict] = field(default_factory=dict)


def assemble(facts: Sequence[SliceFacts | None], *, options: DataOptions) -> Assembly:
    """The volumes that the files of a source make.

    Args:
        facts: one for each file, None for those that are not slices.
        options: smallest and largest volume.
    """
    assert options.volume is not None
    refused: dict[int, Verdict] = {}
    volumes: list[tuple[int, ...]] = []
    by_stack: dict[tuple[bytes, int, int], list[int]] = {}
    seen: set[SliceFacts] = set()
    for index, fact in enumerate(facts):
        if fact is None:
            continue
        if fact.instance and fact in seen:
            refused[index] = Verdict.duplicate
            continue
        seen.add(fact)
        if fact.geometry is None:
            volumes.append((index,))
        else:
            by_stack.setdefault((fact.stack, fact.rows, fact.columns), []).append(index)
    for indices in by_stack.values():
        slices = [_Slice(index, fact, fact.geometry) for index in indices if (fact := facts[index]) and fact.geometry]
        for stack in _parallel(slices):
            for volume in _repetitions(stack):
                verdict = _verdict_on(volume, options=options, volume_options=options.volume)
                if verdict is None:
                    volumes.append(tuple(one.index for one in volume))
                else:
                    refused.update({one.index: verdict for one in volume})
    return Assembly(tuple(sorted(volumes, key=min)), refused)


@dataclass(frozen=True)
class _Slice:
    index: int
    facts: SliceFacts
    geometry: SliceGeometry


def _parallel(slices: list[_Slice]) -> list[list[_Slice]]:
    """Slices by the direction and the size of their pixels.

    Each of these numbers is cut into groups where its sorted values are further apart than noise. Rounding would part
    neighbours at the edge of a step, and comparing all with all would take hours for a hostile folder.
    """
    numbers = np.array([(*one.geometry.orientation, *np.log(one.geometry.spacing_mm)) for one in slices])
    order = np.argsort(numbers, axis=0, kind="stable")
    steps = np.diff(np.take_along_axis(numbers, order, axis=0), axis=0, prepend=-np.inf) > PLANE_TOLERANCE
    groups = np.empty(numbers.shape, np.intp)
    np.put_along_axis(groups, order, np.cumsum(steps, axis=0), axis=0)
    stacks: dict[tuple[int, ...], list[_Slice]] = {}
    for key, one in zip(groups, slices, strict=True):
        stacks.setdefault(tuple(key.tolist()), []).append(one)
    # In an order that files and their names have no part in, since the first slice stands for its stack.
    return [sorted(stack, key=lambda one: (one.geometry.position_mm, one.facts.splits)) for stack in stacks.values()]


def _repetitions(stack: list[_Slice]) -> list[list[_Slice]]:
    """Volumes in ascending order of their slices, each position once where `SPLIT_KEYS` tell repetitions apart."""
    runs = _runs(stack)
    most = max(map(len, runs))
    repeated = [run for run in runs if len(run) > 1]
    for key in range(len(SPLIT_KEYS)):
        values = sorted({one.facts.splits[key] for one in stack})
        # With more values than repetitions, such as one for each slice, it would tear volumes apart.
        if 1 < len(values) <= most and all(len({one.facts.splits[key] for one in run}) > 1 for run in repeated):
            parts = [[one for one in stack if one.facts.splits[key] == value] for value in values]
            return [volume for part in parts for volume in _repetitions(part)]
    for key in range(len(SPLIT_KEYS)):
        # Values that differ from place to place, such as the trigger times of a heart, still have the same order.
        if most > 1 and all(len({one.facts.splits[key] for one in run}) == most == len(run) for run in runs):
            ordered = [sorted(run, key=lambda one: one.facts.splits[key]) for run in runs]
            return [list(volume) for volume in zip(*ordered, strict=True)]
    return [[one for run in runs for one in run]]


def _runs(stack: list[_Slice]) -> list[list[_Slice]]:
    """Slices at one position, in ascending order along the normal."""
    depths = depths_mm([one.geometry for one in stack])
    order = np.argsort(depths, kind="stable")
    numbered = zip(places(depths[order]), order, strict=True)
    return [[stack[index] for _, index in run] for _, run in groupby(numbered, key=lambda pair: int(pair[0]))]


def _verdict_on(volume: list[_Slice], *, options: DataOptions, volume_options: VolumeOptions) -> Verdict | None:
    runs = _runs(volume)
    apart = [
        np.linalg.norm(np.subtract(one.geometry.position_mm, run[0].geometry.position_mm))
        for run in runs
        for one in run
    ]
    if max(apart) > 2 * NOISE_MM or not all(same_plane(one.geometry, volume[0].geometry) for one in volume):
        return Verdict.mixed_geometry  # side by side at one depth, or slowly turning
    slices = [run[0].geometry for run in runs]
    if len(slices) < volume_options.min_slices:
        return Verdict.too_few_slices
    if is_tilted(slices):
        return Verdict.tilt
    if has_gap(depths_mm(slices)):
        return Verdict.gap
    pixels = volume[0].facts.rows * volume[0].facts.columns
    return Verdict.too_large if pixels * len(slices) > options.max_megavoxels * 1e6 else None
