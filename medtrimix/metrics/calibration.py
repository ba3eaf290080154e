"""Whether probabilities mean what they say: temperature scaling, and what a reliability diagram shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.definitions import Floats, Ints
from medtrimix.metrics.interval import patients_of_classes, share_interval

RELIABILITY_BINS = 10

_SMALLEST = 1e-12  # a probability of exactly zero has no logarithm
_MIN_SAMPLES = 50
_MIN_PATIENTS = 10
_LOG_RANGE = (-3.0, 3.0)  # temperatures from 1/20 to 20


@dataclass(frozen=True)
class Temperature:
    """The temperature that was fitted, or why none was.

    Attributes:
        value: above 1 for a classifier that was too sure; None without a fit.
        n: samples that it was fitted on.
        refusal: "" or what the set lacks.
    """

    value: float | None
    n: int
    refusal: str = ""


@dataclass(frozen=True)
class ReliabilityBin:
    """The samples whose predicted probability is in (low, high], the first bin with its lower end.

    Attributes:
        n: samples, above zero.
        n_patients: patients.
        predicted: their mean predicted probability.
        observed: the share that it came true for.
        observed_low, observed_high: 95% interval of that share, patients as clusters.
    """

    low: float
    high: float
    n: int
    n_patients: int
    predicted: float
    observed: float
    observed_low: float
    observed_high: float


def fit_temperature(probability_NK: Floats, target_N: Ints, patient_N: npt.ArrayLike) -> Temperature:
    """Temperature with the least negative log-likelihood, to be fitted on val (Guo et al., ICML 2017, section 4.2).

    One number for all classes, so it changes no ranking of two classes and no called class. With fewer than 50 samples,
    or 10 patients of a class, one odd patient would decide it: nothing is fitted then.
    """
    from scipy.optimize import minimize_scalar

    fewest = min(patients_of_classes(target_N, patient_N, classes=probability_NK.shape[1]))
    n = len(target_N)
    if n < _MIN_SAMPLES or fewest < _MIN_PATIENTS:
        needed = f"{_MIN_SAMPLES} images and {_MIN_PATIENTS} patients of each class"
        return Temperature(
            None, n, f"val has {n} images and {fewest} patients of its rarest class; needed are {needed}"
        )

    def loss(log_temperature: float) -> float:
        scaled_NK = calibrated(probability_NK, temperature=float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(scaled_NK[np.arange(n), target_N], 1e-300)).mean())

    found = minimize_scalar(loss, bounds=_LOG_RANGE, method="bounded", options={"xatol": 1e-6})
    return Temperature(float(np.exp(found.x)), n)


def calibrated(probability_NK: Floats, *, temperature: float) -> Floats:
    """Probabilities with their logarithms divided by the temperature: those of logits so divided."""
    log_NK = np.log(np.maximum(probability_NK, _SMALLEST)) / temperature
    power_NK = np.exp(log_NK - log_NK.max(axis=1, keepdims=True))
    return np.asarray(power_NK / power_NK.sum(axis=1, keepdims=True), dtype=np.float64)


def reliability(probability_NK: Floats, target_N: Ints, patient_N: npt.ArrayLike) -> tuple[ReliabilityBin, ...]:
    """Ten bins of equal width, empty ones left out.

    Two classes: the positive class's probability, and how many are positive. More: the probability of the called class,
    and how often it is the true one.
    """
    if probability_NK.shape[1] == 2:
        predicted_N, true_N = probability_NK[:, 1], target_N == 1
    else:
        predicted_N, true_N = probability_NK.max(axis=1), probability_NK.argmax(axis=1) == target_N
    patients_N = np.asarray(patient_N)
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
    bin_N = np.searchsorted(edges[1:-1], predicted_N)
    return tuple(
        _bin(edges[place : place + 2], predicted_N[here_N], true_N[here_N], patients_N[here_N])
        for place in range(RELIABILITY_BINS)
        if (here_N := bin_N == place).any()
    )


def _bin(
    edges: Floats, predicted_N: Floats, true_N: npt.NDArray[np.bool_], patient_N: npt.NDArray[np.str_]
) -> ReliabilityBin:
    n, observed = len(true_N), float(true_N.mean())
    _, code_N = np.unique(patient_N, return_inverse=True)
    deviation_P = np.bincount(code_N, weights=true_N - observed)
    patients = len(deviation_P)
    # Of a ratio of sums over patients (Cochran, Sampling Techniques, 1977, equation 6.13); not below that of images.
    variance = float(np.square(deviation_P).sum()) / n**2 * patients / max(patients - 1, 1)
    variance = max(variance, observed * (1 - observed) / n)
    low, high = share_interval(observed, variance, fewest=patients)
    return ReliabilityBin(float(edges[0]), float(edges[1]), n, patients, float(predicted_N.mean()), observed, low, high)
