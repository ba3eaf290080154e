"""Slices put into one array, each with its own rescale, in the narrowest type that holds all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medtrimix.ingest.grey import Integers, LookupTable, Rescale, apply_modality
from medtrimix.ingest.verdict import Refused, Verdict

_EXACT: tuple[type[np.signedinteger], ...] = (np.int16, np.int32)
_TYPES = (*_EXACT, np.float32)
_IDENTITY = Rescale(1.0, 0.0)


class Stack:
    """A volume in the making.

    Attributes:
        values_DHW: int16 while every value is a whole number that fits (Hounsfield units do), else int32 or float32.
        padded_DHW: voxels that mean "no picture here", None while there are none.
    """

    def __init__(self, *, slices: int, rows: int, columns: int) -> None:
        self.values_DHW: npt.NDArray[np.generic] = np.empty((slices, rows, columns), np.int16)
        self.padded_DHW: npt.NDArray[np.bool_] | None = None
        self._filled = [False] * slices

    def put(
        self,
        place: int,
        stored_HW: Integers,
        *,
        modality: Rescale | LookupTable | None,
        padding: tuple[int, int] | None,
    ) -> bool:
        """Fills a place; False if it was filled before, with the same values.

        Raises:
            Refused: mixed_geometry, for other values at a filled place; not_finite, for values beyond float32.
        """
        modality = modality or _IDENTITY
        needed = max(_TYPES.index(self.values_DHW.dtype.type), _needed_type(stored_HW, modality=modality))
        if _TYPES[needed] is not self.values_DHW.dtype.type:
            self.values_DHW = self.values_DHW.astype(_TYPES[needed])
        if self._filled[place]:
            again = Stack(slices=1, rows=stored_HW.shape[0], columns=stored_HW.shape[1])
            again.put(0, stored_HW, modality=modality, padding=None)
            if not np.array_equal(again.values_DHW[0].astype(_TYPES[needed]), self.values_DHW[place]):
                raise Refused(Verdict.mixed_geometry)
            return False
        self._filled[place] = True
        _transform(stored_HW, modality=modality, out=self.values_DHW[place])
        if padding is not None:
            padded_HW = (stored_HW >= padding[0]) & (stored_HW <= padding[1])
            if padded_HW.any():
                if self.padded_DHW is None:
                    self.padded_DHW = np.zeros(self.values_DHW.shape, bool)
                self.padded_DHW[place] = padded_HW
        return True


def _needed_type(stored: Integers, *, modality: Rescale | LookupTable) -> int:
    """Position in `_TYPES` of the narrowest type for the transformed values."""
    if isinstance(modality, LookupTable):
        return len(_EXACT)
    ends = [float(end) * modality.slope + modality.intercept for end in (stored.min(), stored.max())]
    if not all(abs(end) < np.finfo(np.float32).max for end in ends):
        raise Refused(Verdict.not_finite)
    if modality.slope.is_integer() and modality.intercept.is_integer():
        for place, kind in enumerate(_EXACT):
            limits = np.iinfo(kind)
            if all(limits.min <= value <= limits.max for value in (*ends, modality.slope, modality.intercept)):
                return place
    return len(_EXACT)


def _transform(stored: Integers, *, modality: Rescale | LookupTable, out: npt.NDArray[np.generic]) -> None:
    if out.dtype == np.float32 or isinstance(modality, LookupTable):
        out[...] = apply_modality(stored, modality=modality)
        return
    # Modulo 2^16 (or 2^32), which gives the right result whenever the result fits, whatever is passed on the way.
    as_it_is = stored.itemsize == out.itemsize and stored.dtype.isnative
    values = stored.view(out.dtype) if as_it_is else stored.astype(out.dtype)
    if modality.slope != 1:
        values = values * out.dtype.type(modality.slope)
    np.add(values, out.dtype.type(modality.intercept), out=out)


def joined(volumes_DHW: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """`(C, D, H, W)` from volumes of one shape, in the narrowest type that holds all of them."""
    if len(volumes_DHW) == 1:
        return volumes_DHW[0][None]
    widest = max(volumes_DHW, key=lambda volume: _TYPES.index(volume.dtype.type)).dtype
    return np.stack(volumes_DHW, dtype=widest, casting="unsafe")
