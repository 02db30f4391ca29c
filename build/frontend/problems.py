"""Says what in a graph can't be lowered to integer layers: every node, its reason and a remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitfold.models.errors import FrontendError, shown

_MANY = 8
"""More nodes than this, refused for one reason, are told in one line, which names the first."""
_NAMED = 3


class UnlowerableError(Exception):
    """Why one node can't be lowered, and what its author can do; caught where the node is known."""

    def __init__(self, reason: str, remedy: str):
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class Problem:
    """One node that can't be lowered."""

    node: str
    op: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{shown(self.node)} ({shown(self.op)}): {self.reason}; {self.remedy}"


def refuse(source: str, problems: Sequence[Problem]) -> None:
    """Raises FrontendError with all `problems`, each once, and those of many nodes in one line;
    returns if there are none."""
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    each = dict.fromkeys(problems)
    for problem in each:
        alike.setdefault(_reason(problem), []).append(problem)
    lines = list(dict.fromkeys(_line(problem, alike[_reason(problem)]) for problem in each))
    if lines:
        count = len({problem.node for problem in problems})
        nodes = "1 node" if count == 1 else f"{count} nodes"
        raise FrontendError(f"{source}: {nodes} can't be lowered to integer layers", *lines)


def _reason(problem: Problem) -> tuple[str, str, str]:
    return problem.op, problem.reason, problem.remedy


def _line(problem: Problem, alike: list[Problem]) -> str:
    """What is told of `problem`: where many are alike, the same for all of them."""
    if len(alike) <= _MANY:
        return str(problem)
    nodes = ", ".join(shown(problem.node) for problem in alike[:_NAMED])
    more = len(alike) - _NAMED
    return f"{nodes} and {more} more ({shown(problem.op)}): {problem.reason}; {problem.remedy}"


_TRANSPOSED = (
    "transposed convolutions are not supported",
    "use plain ones, which make feature maps no larger",
)
_FINN_POOLING = (
    "it is FINN's own, with channels last",
    "give the file as it was before FINN's passes",
)
_RECURRENT = ("recurrent layers are not supported", "use a feed-forward network")
_CONTROL_FLOW = (
    "control flow is not supported",
    "export with fixed shapes and in evaluation mode, so that it is resolved before",
)
_INTEGER_FORMAT = (
    "operators on integer tensors are not read",
    "export as QONNX, or as QuantizeLinear and DequantizeLinear around float operators",
)
_SAMPLE_STATISTICS = (
    "it depends on the whole sample and so can't become a threshold",
    "use BatchNormalization, which is constant after training",
)
_JOIN = (
    "branches can be joined by Add and Concat only",
    "use one of them, on branches with one scale",
)

_REASONS = {
    "ConvTranspose": _TRANSPOSED,
    "QuantAvgPool2d": _FINN_POOLING,
    "MaxPoolNHWC": _FINN_POOLING,
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "RNN": _RECURRENT,
    "If": _CONTROL_FLOW,
    "Loop": _CONTROL_FLOW,
    "Scan": _CONTROL_FLOW,
    "QLinearMatMul": _INTEGER_FORMAT,
    "QLinearConv": _INTEGER_FORMAT,
    "QGemm": _INTEGER_FORMAT,
    "MatMulInteger": _INTEGER_FORMAT,
    "ConvInteger": _INTEGER_FORMAT,
    "DynamicQuantizeLinear": (
        "its scale follows the data",
        "quantize statically, with scales that are constants",
    ),
    "LayerNormalization": _SAMPLE_STATISTICS,
    "InstanceNormalization": _SAMPLE_STATISTICS,
    "FloatQuant": ("it gives small floats, not integers", "quantize with Quant or BipolarQuant"),
    "Sign": ("it has three values, as the sign of 0 is 0", "quantize with BipolarQuant"),
}


def unsupported(kind: str) -> UnlowerableError:
    """The error for an operator that the front end does not know what to do with."""
    reason, remedy = _REASONS.get(
        kind,
        (
            "the operator has no counterpart in integer layers",
            "leave it out, or cut the graph behind the last layer and apply it to the scores",
        ),
    )
    return UnlowerableError(reason, remedy)


def joins_branches(kind: str) -> UnlowerableError:
    """The error for a node that takes several tensors which depend on the input, and may not."""
    if kind in ("Sub", "Mul", "Div", "Sum"):
        return UnlowerableError(*_JOIN)
    if kind in ("MatMul", "Gemm"):
        return UnlowerableError(
            "both factors depend on the input", "only products with constant weights are supported"
        )
    return unsupported(kind) if kind in _REASONS else UnlowerableError(*_JOIN)
