"""Two published examples of DeLong's test, with the data that they were computed from."""

from __future__ import annotations

import numpy as np

# 113 patients with aneurysmal subarachnoid haemorrhage (Turck et al., Intensive Care Med. 2010), as the R package pROC
# has them in its data set aSAH: whether the outcome was poor, the WFNS grade, S100 beta and NDKA in blood.
_POOR = """
    0000110100101100101110100000000010011011000000000110001000101001110110111100011010000001000000000000111111000100
    0
"""
_WFNS = """
    1111325412525512522521111212113421454142551124112552125122215112521452441412142123242145115422111312522555244511
    1
"""
_S100B = """
    0.13 0.14 0.1 0.04 0.13 0.1 0.47 0.16 0.18 0.1 0.12 0.1 0.44 0.71 0.04 0.08 0.49 0.04 0.07 0.33 0.09 0.09 0.07
    0.11 0.07 0.17 0.07 0.11 0.13 0.19 0.05 0.16 0.41 0.14 0.34 0.35 0.48 0.09 0.96 0.25 0.5 0.46 0.16 0.07 0.43
    0.45 0.11 0.08 0.09 0.86 0.52 0.08 0.06 0.13 2.07 0.1 0.14 0.15 0.07 0.06 0.77 0.05 0.09 0.3 0.03 0.09 0.04 0.23
    0.7 0.09 0.27 0.71 0.08 0.26 0.08 0.16 0.09 0.13 0.1 0.08 0.11 0.33 0.11 0.28 0.07 0.1 0.32 0.22 0.07 0.05 0.24
    0.38 0.1 0.15 0.08 0.14 0.1 0.07 0.04 0.19 0.56 0.14 0.58 0.32 0.82 0.74 0.15 0.47 0.17 0.44 0.15 0.5 0.48
"""
_NDKA = """
    3.01 8.54 8.09 10.42 17.4 12.75 6 13.2 15.54 6.01 15.96 17.86 5.18 8.9 13.41 20.75 11.6 16.11 32.37 54.82 32.41
    49.94 40.34 9.47 6.29 12.53 6.54 6.3 80.3 12.8 9.8 9.81 9.85 18.21 5.03 14.04 21.93 8.02 7.42 8.38 6.59 9.63
    13.12 7.96 14.34 41.43 7.63 7.06 12.59 13.56 3.87 9.44 7.66 12.98 419.19 27.19 22.27 9.95 21.22 11.73 10.4 58.83
    6.39 11.09 12.22 13.67 17.21 22.63 12.9 9.7 21.57 8.23 72.57 15.54 10.51 10.6 14.57 5.19 9.63 4.61 21.48 17.3
    12.71 9.44 11.07 19.46 10.83 5.37 11.97 7.75 9.83 10.55 28.49 8.53 12.57 12.9 46.83 11.68 12.67 9.01 9.57 34.06
    11.72 14.26 47.61 11.67 24.58 10.33 13.87 15.89 22.43 6.79 13.45
"""

# 43 patients with ovarian cancer and complete values: the example of DeLong, DeLong and Clarke-Pearson (Biometrics
# 1988), as the SAS/STAT User's Guide prints it (PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves"):
# albumin, total protein, K-G score, the indicator popind.
_OVARIAN = """
    3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
    3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
    2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
    3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
    3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
    3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


def _digits(text: str) -> np.ndarray:
    return np.array([int(digit) for digit in "".join(text.split())])


def _numbers(text: str) -> np.ndarray:
    return np.array([float(number) for number in text.split()])


def haemorrhage() -> dict[str, np.ndarray]:
    """`poor` (bool), `wfns`, `s100b`, `ndka`: (113,) each."""
    poor, wfns = _digits(_POOR) == 1, _digits(_WFNS).astype(float)
    return {"poor": poor, "wfns": wfns, "s100b": _numbers(_S100B), "ndka": _numbers(_NDKA)}


def ovarian() -> dict[str, np.ndarray]:
    """`positive` (bool), `albumin`, `protein`, `kg`, each high for the positive class: (43,)."""
    albumin, protein, kg, indicator = _numbers(_OVARIAN).reshape(-1, 4).T
    return {"positive": indicator == 1, "albumin": albumin, "protein": protein, "kg": 10 - kg}
