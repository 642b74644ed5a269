"""Three data sets unlike flights, as an export has them: texts as ids, gaps, a rare category, a boolean.

They are scikit-learn's, so nothing is downloaded. What a measurement lacks beside its numbers comes from a fixed seed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits


def tumours() -> pd.DataFrame:
    """569 patients without any time; the diagnosis of the last few is still open."""
    bunch = load_breast_cancer(as_frame=True)
    names = ["radius", "texture", "perimeter", "smoothness", "concavity"]
    table = bunch.data[[f"mean {name}" for name in names]].set_axis(names, axis=1)
    table.insert(0, "patient_id", [f"P-{n:04d}" for n in range(len(table))])
    random = np.random.default_rng(1)
    table["clinic"] = random.choice(["north", "south", "mobile"], len(table), p=[0.55, 0.42, 0.03])
    table["screened"] = _gaps(pd.Series(random.random(len(table)) < 0.4, dtype=object), random)
    table["concavity"] = _gaps(table["concavity"], random)
    table["diagnosis"] = np.where(bunch.target == 0, "malignant", "benign")
    table.loc[560:, "diagnosis"] = None
    return table


def digits() -> pd.DataFrame:
    """1,797 digits of 8 by 8 pixels, each the column p<row><column>; twelve of them stand on one form."""
    bunch = load_digits()
    random = np.random.default_rng(2)
    places = range(len(bunch.target))
    pixels = [f"p{row}{column}" for row in range(8) for column in range(8)]
    keys = {
        "digit_id": [f"D-{n:04d}" for n in places],
        "form": [f"form-{n // 12}" for n in places],
        "scanner": random.choice(["office", "branch", "fax"], len(places), p=[0.6, 0.38, 0.02]),
        "bold": bunch.data.mean(axis=1) > 5,
        "digit": bunch.target,
    }
    table = pd.DataFrame(keys).join(pd.DataFrame(bunch.data.astype(int), columns=pixels))
    table["scanner"] = _gaps(table["scanner"], random)
    return table


def progression() -> pd.DataFrame:
    """442 visits in a little over two years, in no order."""
    bunch = load_diabetes(as_frame=True, scaled=False)
    random = np.random.default_rng(3)
    rows = len(bunch.data)
    days = pd.to_timedelta(random.permutation(2 * rows)[:rows], unit="D")
    table = pd.DataFrame(
        {
            "visit_id": [f"v{n}" for n in range(rows)],
            "visited_on": (pd.Timestamp("2022-01-03") + days).strftime("%Y-%m-%d"),
            "practice": random.choice(["city", "harbour", "island"], rows, p=[0.6, 0.37, 0.03]),
            "sex": np.where(bunch.data["sex"] == 1, "female", "male"),
            "smoker": random.random(rows) < 0.3,
            "age": bunch.data["age"].astype(int),
            "bmi": bunch.data["bmi"],
            "blood_pressure": _gaps(bunch.data["bp"], random),
            "total_cholesterol": bunch.data["s1"],
            "hdl": bunch.data["s3"],
            "triglycerides": bunch.data["s5"],
            "progression": bunch.target,
        }
    )
    table["smoker"] = _gaps(table["smoker"].astype(object), random)
    return table


def _gaps(values: pd.Series, random: np.random.Generator) -> pd.Series:
    """One value in twenty is missing."""
    return values.mask(random.random(len(values)) < 0.05)
