"""Says whether branches that meet can meet in integers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from bitfold.build.frontend import operators
from bitfold.build.frontend.problems import UnlowerableError
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation


def check_join(operation: Operation, parts: Sequence[Reals]) -> None:
    """Raises UnlowerableError unless an operation of JOIN does to the integers of its inputs, which
    stand for `parts`, what it does to the reals."""
    if len(parts) < len(operation.runner.node.input):
        raise UnlowerableError(
            "it joins constants to activations", "leave them out, and add to the next layer's bias"
        )
    if operation.kind == "Add":
        _check_add(operation, parts)
    else:
        _check_concat(operation)


def _check_add(operation: Operation, parts: Sequence[Reals]) -> None:
    first, *others = operation.samples
    if any(sample.shape != first.shape for sample in others):
        raise UnlowerableError(
            f"it adds {' and '.join(str(sample.shape[1:]) for sample in operation.samples)}",
            "give its branches one shape",
        )
    scales = [part.scale for part in parts]
    if not all(np.array_equal(scale, scales[0]) for scale in scales):
        said = " and ".join(f"{scale:g}" if not scale.ndim else "several" for scale in scales)
        raise UnlowerableError(
            f"its branches have different scales ({said}), so that their integers can't be added",
            "quantize both branches with one scale: share the quantizer (Brevitas: "
            "return_quant_tensor with a shared QuantIdentity, or qnn.QuantEltwiseAdd)",
        )
    for part in parts:
        if not (np.abs(part.offset) <= operators.LARGEST_BIAS).all():
            raise UnlowerableError("its branches have a bias that is no number", "train it again")


def _check_concat(operation: Operation) -> None:
    sample = operation.sample
    axis = operation.attributes.get("axis", 1) % sample.ndim
    if axis == 0 or prod(sample.shape[1:axis]) > 1 or (operation.is_map and axis != 1):
        raise UnlowerableError(
            f"it joins samples of shape {sample.shape[1:]} along axis {axis}",
            "join along the first axis behind the batch",
        )
