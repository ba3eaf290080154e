"""From a chest to the slices of a CT scan: partial volume, noise, Hounsfield units, and the scanner's stored values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.phantom.cohort import stream
from medtrimix.phantom.ct_cohort import Scan
from medtrimix.phantom.grid import Grid, Singles, attenuation_on
from medtrimix.phantom.options import CTOptions
from medtrimix.phantom.person import INSPIRATION_MM, chest, findings, person
from medtrimix.phantom.scanners import Scanner
from medtrimix.phantom.solids import Ellipsoid, Region, Slab
from medtrimix.phantom.swarm import Swarm, together
from medtrimix.phantom.thorax import WATER, Thorax

Voxels = npt.NDArray[np.int16] | npt.NDArray[np.uint16]

_COVERAGE_MM, _TOP_MM = 340.0, 150.0
"""Length of a scan of the average person, and its upper end above the middle of the chest."""
_FINER = 2
"""Points along each side of a voxel whose mean it shows."""
_AIR_HU = -1000
_COUCH = 0.2 * WATER


@dataclass(frozen=True, eq=False)
class Slices:
    """A scan as stored.

    Attributes:
        stored_DHW: from feet to head, each slice as its file has it.
        position_D3: the patient's coordinates (LPS, mm) of the first pixel of each slice.
        row_mm: from a pixel to the one on its right, `(3,)`.
        column_mm: from a pixel to the one below, `(3,)`.
    """

    stored_DHW: Voxels
    position_D3: npt.NDArray[np.float64]
    row_mm: npt.NDArray[np.float64]
    column_mm: npt.NDArray[np.float64]

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """`(4, 4)` voxel index (column, row, slice) to RAS millimetres."""
        to_lps = np.eye(4)
        step = self.position_D3[1] - self.position_D3[0]
        to_lps[:3] = np.stack([self.row_mm, self.column_mm, step, self.position_D3[0]], axis=1)
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ to_lps


def scan_chest(scan: Scan, *, options: CTOptions, seed: int) -> Slices:
    """One scan; as in a radiograph, the label decides nothing but the opacity."""
    moment = stream(seed, "ct pose", scan.patient, scan.study)
    thorax = chest(scan.patient, options=options, inspiration_mm=moment.normal(0, INSPIRATION_MM), seed=seed)
    opacities = findings(
        scan.patient, label=scan.label, episode=scan.episode, thorax=thorax, options=options, seed=seed
    )
    grid = _field(scan, moment, options=options, seed=seed)
    hu_DHW = hounsfield(
        grid,
        regions=(*thorax.regions, _couch(thorax, scanner=scan.scanner)),
        swarm=together((thorax.swarm, *opacities)),
    )
    noise = stream(seed, "ct noise", scan.patient, scan.study)
    hu_DHW += noise.normal(0, options.noise_hu * scan.scanner.noise, size=hu_DHW.shape).astype(np.float32)
    return store_slices(hu_DHW, grid, scanner=scan.scanner)


def hounsfield(grid: Grid, *, regions: Sequence[Region], swarm: Swarm) -> Singles:
    """Hounsfield units of voxels around the grid's points, `(Z, Y, X)`: 1000 (mu / mu of water - 1), air at -1000.

    A voxel shows the mean of eight points within it, so that edges and vessels are as soft as in a scan.
    """
    finer = Grid(*(_between(axis) for axis in (grid.x, grid.y, grid.z)))
    mu = attenuation_on(finer, regions=regions, swarm=swarm)
    depth, height, width = grid.shape
    mean_ZYX = mu.reshape(depth, _FINER, height, _FINER, width, _FINER).mean(axis=(1, 3, 5))
    hu_ZYX: Singles = np.maximum(1000 * (mean_ZYX / np.float32(WATER) - 1), np.float32(_AIR_HU))
    return hu_ZYX


def store_slices(hu_DHW: Singles, grid: Grid, *, scanner: Scanner) -> Slices:
    """Hounsfield units (slices to the head, rows to the back, columns to the left) as the scanner stores them."""
    lowest, highest = (-32768, 32767) if scanner.signed else (0, 4095)
    kind = np.int16 if scanner.signed else np.uint16
    stored_DHW = np.clip(np.rint(hu_DHW) - scanner.intercept, lowest, highest).astype(kind)
    if scanner.padding is not None:
        outside_HW = np.hypot(*np.meshgrid(*(axis - axis.mean() for axis in (grid.x, grid.y)))) > scanner.field_mm / 2
        stored_DHW[:, outside_HW] = scanner.padding
    x, y, way = grid.x, grid.y, 1
    if scanner.prone:
        stored_DHW, x, y, way = stored_DHW[:, ::-1, ::-1], x[::-1], y[::-1], -1
    depth = len(grid.z)
    return Slices(
        np.ascontiguousarray(stored_DHW),
        position_D3=np.stack([np.full(depth, x[0]), np.full(depth, y[0]), grid.z], axis=1),
        row_mm=np.array([way * (grid.x[1] - grid.x[0]), 0, 0]),
        column_mm=np.array([0, way * (grid.y[1] - grid.y[0]), 0]),
    )


def _field(scan: Scan, rng: np.random.Generator, *, options: CTOptions, seed: int) -> Grid:
    """Centres of the voxels: the lungs of this person, and the person a little off centre."""
    size = person(scan.patient, variety=options.anatomy_variety, seed=seed).size
    across = (np.arange(options.matrix) - (options.matrix - 1) / 2) * (scan.scanner.field_mm / options.matrix)
    off_x, off_y, off_z = rng.normal(0, (6, 6, 4))
    slices = round(size * _COVERAGE_MM / options.slice_mm)
    up = _TOP_MM * size + off_z - options.slice_mm * np.arange(slices)[::-1]
    # Decimal strings of DICOM have 16 characters at most; coordinates in units of 0.001 mm always fit.
    return Grid(*(np.round(axis[0], 3) + (axis - axis[0]) for axis in (across + off_x, across + off_y, up)))


def _couch(thorax: Thorax, *, scanner: Scanner) -> Region:
    """A light board under the back, or under the front of those who lie on it."""
    side = -1 if scanner.prone else 1
    parts = [region.solids[0] for region in thorax.regions if region.mu == WATER]
    skin = max(
        side * part.centre[1] + np.linalg.norm(np.linalg.inv(part.to_unit)[1])
        for part in parts
        if isinstance(part, Ellipsoid)
    )
    board = Slab(np.array([0, 1.0, 0]), side * (skin + 10), 8)
    return Region(_COUCH, (board, Slab(np.array([1.0, 0, 0]), 0, 210)))


def _between(axis: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`_FINER` points per voxel, evenly spaced, around its centre."""
    inner = ((np.arange(_FINER) + 0.5) / _FINER - 0.5) * (axis[1] - axis[0])
    finer: npt.NDArray[np.float64] = (axis[:, None] + inner).ravel()
    return finer
