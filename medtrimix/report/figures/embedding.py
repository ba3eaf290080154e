"""A map of the validation images as each encoder places them, before any label was seen."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from medtrimix.report.figures.style import COLOURS, MARKERS, SETTINGS, looks, new_grid
from medtrimix.report.study import EmbeddingMap, Floats, Study

POINTS = 250
"""Images of one map: more take longer and hide one another."""
FEWEST = 10
"""Fewer than these have no map."""
MAPS = 6
"""Arms with a map, the first ones."""
_PERPLEXITY = 30
_COMPONENTS = 30
_ROUNDING = 1e-7  # features are float32: a smaller spread is none


def glimpse(row_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """At most `POINTS` of the rows, spread evenly over them."""
    places = np.linspace(0, len(row_N) - 1, min(len(row_N), POINTS)).round().astype(np.int64)
    return row_N[places]


def coloured(
    target_N: npt.NDArray[np.int64], *, classes: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """What the points are coloured by: the class; of several findings, whose targets are (N, L), their number."""
    if target_N.ndim == 1:
        return target_N, classes
    return np.minimum(target_N.sum(axis=1), 2), ("no finding", "one finding", "two or more")


def plane(feature_NE: npt.ArrayLike) -> Floats:
    """Places in the plane, `(N, 2)`, that keep neighbours together; the same for the same features.

    t-SNE (van der Maaten and Hinton, JMLR 2008) of the first principal components of the standardised features, begun
    from the first two of them, so that nothing is random.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    feature_NE = np.asarray(feature_NE, dtype=np.float64)
    deviation_E = feature_NE.std(axis=0)
    varies_E = deviation_E > _ROUNDING * np.abs(feature_NE).max(axis=0)
    standard_NE = np.where(varies_E, feature_NE - feature_NE.mean(axis=0), 0) / np.where(varies_E, deviation_E, 1)
    if not standard_NE.any():  # a collapsed encoder: all images are one point
        return np.zeros((len(standard_NE), 2))
    components = min(_COMPONENTS, *standard_NE.shape)
    main_NC: Floats = PCA(components, svd_solver="full").fit_transform(standard_NE)
    main_NC = main_NC / main_NC[:, 0].std()
    start_N2 = np.zeros((len(main_NC), 2))
    start_N2[:, : min(2, components)] = 1e-4 * main_NC[:, :2]
    perplexity = min(_PERPLEXITY, (len(main_NC) - 1) / 3)
    learned = TSNE(init=start_N2, perplexity=perplexity, max_iter=500, random_state=0, n_jobs=1).fit_transform(main_NC)
    return np.asarray(learned, dtype=np.float64)


def embedding_maps(study: Study) -> Figure | None:
    """A panel per arm, a colour and a marker per class; None without any."""
    if not study.embeddings:
        return None
    arms = looks(study)
    shown = study.embeddings[:MAPS]
    with mpl.rc_context(SETTINGS):
        figure, panels = new_grid(len(shown), columns=3, height=3.1, square=True)
        for panel, found in zip(panels, shown, strict=True):
            _points(panel, found)
            panel.set_title(arms[found.arm].title)
            panel.set(xticks=[], yticks=[])
            for spine in panel.spines.values():
                spine.set_visible(True)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(6, len(names)), frameon=False)
    return figure


def _points(panel: mpl.axes.Axes, found: EmbeddingMap) -> None:
    for number, name in enumerate(found.classes):
        again, colour = divmod(number, len(COLOURS))
        own = found.place_N2[found.target_N == number]
        panel.plot(
            own[:, 0],
            own[:, 1],
            MARKERS[(colour + again) % len(MARKERS)],
            color=COLOURS[colour],
            markersize=3.2,
            markeredgewidth=0,
            alpha=0.75,
            label=name,
        )
