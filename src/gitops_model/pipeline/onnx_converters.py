"""What skl2onnx does not convert by itself: LightGBM and XGBoost, by onnxmltools, and histogram gradient boosting.

Nothing here is a requirement: a library takes part when an estimator is made of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gitops_model.errors import BadArtifact

# onnxmltools writes trees of this version of the operators for machine learning, and refuses newer ones.
BOOSTED_OPSETS = {"": 18, "ai.onnx.ml": 3}
BOOSTED = ("lightgbm", "xgboost")
_CLASSES = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
_SKLEARN_CLASSES = {**_CLASSES, "output_class_labels": [False, True], "raw_scores": [True, False]}


def register(estimator: Any) -> Mapping[str, int] | None:
    """Teach skl2onnx what `estimator` is made of. Returns the operator sets that the result must have, None: any.

    Raises BadArtifact when a converter is not installed, or when there is none that holds.
    """
    made_of = libraries(estimator)
    if "catboost" in made_of:
        raise BadArtifact(
            "CatBoost has no converter to ONNX that skl2onnx can use. Set model.runtime to sklearn in params.yaml, and "
            "name catboost.core.CatBoostClassifier or CatBoostRegressor in trusted_types.",
            reason="load",
        )
    _histogram_boosting()
    boosted = [name for name in BOOSTED if name in made_of]
    for name in boosted:
        _boosted(name)
    return BOOSTED_OPSETS if boosted else None


def libraries(estimator: Any) -> set[str]:
    """The packages whose classes an estimator consists of, by its parameters."""
    parameters: Mapping[str, object] = getattr(estimator, "get_params", dict)()
    parts = [estimator, *parameters.values()]
    for value in parameters.values():
        # The transformers of a ColumnTransformer stand in tuples.
        if isinstance(value, (list, tuple)):
            parts += [part for item in value if isinstance(item, tuple) for part in item]
    return {type(part).__module__.partition(".")[0] for part in parts}


def _boosted(library: str) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    name = {"lightgbm": "LightGbm", "xgboost": "XGBoost"}[library]
    classes = {"lightgbm": "LGBM", "xgboost": "XGB"}[library]
    try:
        module = importlib.import_module(
            f"onnxmltools.convert.{library}.operator_converters.{name}"
        )
    except ModuleNotFoundError:
        raise BadArtifact(
            f"ONNX of {library} needs the package onnxmltools: add it to requirements.in and run `make lock setup`; or "
            "set model.runtime to sklearn in params.yaml.",
            reason="load",
        ) from None
    converter = getattr(module, f"convert_{library}")
    package = importlib.import_module(library)
    for kind, shape, options in (
        ("Classifier", shapes.calculate_linear_classifier_output_shapes, _CLASSES),
        ("Regressor", shapes.calculate_linear_regressor_output_shapes, {"split": None}),
    ):
        update_registered_converter(
            getattr(package, f"{classes}{kind}"),
            f"{name}{classes}{kind}",
            shape,
            converter,
            options=options if kind == "Classifier" or library == "lightgbm" else None,
        )


def _histogram_boosting() -> None:
    """skl2onnx 1.20 hands numpy's numbers and booleans to onnx, which since 1.19 takes Python's whole numbers only."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes
    from skl2onnx.common._registration import get_converter
    from sklearn import ensemble

    for kind, shape, options in (
        ("Classifier", shapes.calculate_linear_classifier_output_shapes, _SKLEARN_CLASSES),
        ("Regressor", shapes.calculate_linear_regressor_output_shapes, None),
    ):
        alias = f"SklearnHistGradientBoosting{kind}"
        former = get_converter(alias)
        if getattr(former, "plain", False):
            continue
        update_registered_converter(
            getattr(ensemble, f"HistGradientBoosting{kind}"),
            alias,
            shape,
            _with_plain_numbers(former),
            overwrite=True,
            options=options,
        )


def _with_plain_numbers(converter: Callable[[Any, Any, Any], None]) -> Callable[..., None]:
    def converted(scope: Any, operator: Any, container: Any) -> None:
        add = type(container).add_node

        def add_plain(kind: str, inputs: Any, outputs: Any, **attributes: Any) -> Any:
            plain = {name: _plain(value) for name, value in attributes.items()}
            return add(container, kind, inputs, outputs, **plain)

        container.add_node = add_plain
        try:
            converter(scope, operator, container)
        finally:
            vars(container).pop("add_node", None)

    converted.plain = True  # type: ignore[attr-defined]
    return converted


def _plain(value: Any) -> Any:
    """Numbers and lists of them as ONNX's attributes take them."""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(item) for item in value] if isinstance(value, list) else value
