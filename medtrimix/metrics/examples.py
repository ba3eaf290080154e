"""Which images show best how a learner does: of classes right, wrong, or hardly at all; of findings seen or missed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.definitions import Floats, Ints

NUMBER = 8
"""Images of each kind."""
HIGH, LOW = 0.9, 0.5
"""A finding counts as seen above that share of the images without it, and as missed below that one."""


@dataclass(frozen=True)
class Chosen:
    """Images worth a look; none is of two kinds.

    Attributes:
        kind_B: `right`, `wrong` or `uncertain`; of findings `seen`, `missed` or `false_alarm`.
        place_B: positions among those that were given.
        column_B: the class that it was called, or the finding that it was chosen for.
    """

    kind_B: npt.NDArray[np.str_]
    place_B: Ints
    column_B: Ints


def choose(probability_NK: Floats, target_N: Ints) -> Chosen:
    """At most `NUMBER` of each kind.

    Of classes: `right`: the most confident of each class; `wrong`: the most confident first; `uncertain`: the closest
    call first. Of several findings, whose targets are (N, L), see `_of_findings`: the probability of a rare one is
    hardly ever above one half, so that it is compared with those of the images without it.
    """
    if target_N.ndim == 2:
        return _of_findings(probability_NK, target_N)
    confidence_N, called_N = probability_NK.max(axis=1), probability_NK.argmax(axis=1)
    right_N = called_N == target_N
    best_two_N2 = np.sort(probability_NK, axis=1)[:, -2:]
    uncertain = np.argsort(best_two_N2[:, 1] - best_two_N2[:, 0], kind="stable")[: min(NUMBER, len(target_N) // 3)]
    left_N = np.ones(len(target_N), dtype=bool)
    left_N[uncertain] = False
    confident = np.argsort(-confidence_N, kind="stable")
    right = confident[(right_N & left_N)[confident]]
    classes = probability_NK.shape[1]
    share = max(1, NUMBER // classes)
    of_each = [right[target_N[right] == k][:share] for k in range(classes)]
    found = {
        "right": np.concatenate(of_each)[:NUMBER],
        "wrong": confident[(~right_N & left_N)[confident]][:NUMBER],
        "uncertain": uncertain,
    }
    return _chosen((kind, int(place), int(called_N[place])) for kind, places in found.items() for place in places)


def _of_findings(probability_NL: Floats, target_NL: Ints) -> Chosen:
    """The findings of most images first, each with as many images as there is room for; an image comes once.

    `seen`: the finding is there, and more probable than in at least `HIGH` of the images without it, the most probable
    first; `missed`: it is there, and more probable than in less than `LOW` of them, the least probable first;
    `false_alarm`: it is not there, and more probable than in at least `HIGH` of the others without it.
    """
    frequent = np.argsort(-target_NL.sum(axis=0), kind="stable")[:NUMBER]
    share = max(1, NUMBER // target_NL.shape[1])
    taken: set[int] = set()
    found: dict[str, list[tuple[int, int]]] = {"seen": [], "missed": [], "false_alarm": []}
    for finding in frequent:
        score_N, has_N = probability_NL[:, finding], target_NL[:, finding] == 1
        if has_N.all() or not has_N.any():
            continue
        share_below_N = np.searchsorted(np.sort(score_N[~has_N]), score_N) / np.maximum((~has_N).sum() - ~has_N, 1)
        falling = np.argsort(-score_N, kind="stable")
        rising = falling[::-1]
        candidates = {
            "seen": falling[(has_N & (share_below_N >= HIGH))[falling]],
            "missed": rising[(has_N & (share_below_N < LOW))[rising]],
            "false_alarm": falling[(~has_N & (share_below_N >= HIGH))[falling]],
        }
        for kind, places in candidates.items():
            own = [int(place) for place in places if int(place) not in taken][:share]
            taken.update(own)
            found[kind] += [(place, int(finding)) for place in own]
    return _chosen((kind, place, finding) for kind, pairs in found.items() for place, finding in pairs)


def _chosen(found: Iterable[tuple[str, int, int]]) -> Chosen:
    every = list(found)
    kinds, places, columns = zip(*every, strict=True) if every else ((), (), ())
    return Chosen(np.array(kinds, dtype=np.str_), np.array(places, dtype=np.int64), np.array(columns, dtype=np.int64))
