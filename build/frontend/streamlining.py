"""Runs FINN's streamlining passes; beside this file only build/implement/finn/ imports FINN.

Each layer enters in one normal form, whatever form it has in the source: an integer MatMul, the
scales and biases behind it as Mul and Add, and a MultiThreshold. The passes move scales and biases
into the thresholds, and leave a Mul by signs where a channel falls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper

from bitfold.build.frontend import operators
from bitfold.build.frontend.chain import Chain
from bitfold.build.frontend.plan import Activation, Linear
from bitfold.build.frontend.quiet import quiet
from bitfold.build.frontend.weights import narrowest
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FrontendError


def streamline(
    layers: Sequence[Linear | Activation], encoding: Encoding, progress: Callable[[str], None]
) -> list[np.ndarray]:
    """What FINN makes of each layer: for a Linear, which rows to negate, (rows,) int64 of 1 and -1;
    for an Activation its thresholds, (features or 1, levels) float, in units of its integers.

    Each layer reads what the one before makes, the first what `encoding` holds. Raises
    FrontendError if a pass fails, or leaves anything behind between the layers.
    """
    model = _normal_form(layers, encoding)
    for transformation in load_passes():
        name = type(transformation).__name__
        progress(f"FINN: {name}")
        try:
            with quiet():
                model = model.transform(transformation)
        except Exception as error:
            raise FrontendError(f"FINN's pass {name} failed: {error!r}") from error
    return _read(model, layers)


def load_passes() -> list:
    """The passes of FINN's `Streamline` that dense layers in normal form need, in its order.

    But for the last, `Absorb1BitMulIntoMatMul`: it asks of each weight in Python whether it may be
    negated (30 us, a minute for a large network), and where one may not, it does nothing.

    Raises FrontendError where FINN can't be imported.
    """
    try:
        with quiet():
            from finn.transformation.streamline import absorb, collapse_repeated, reorder
    except ImportError as error:
        raise FrontendError(
            f"FINN's passes can't be imported ({error}); pip install 'bitfold[compile]'"
        ) from error
    return [
        reorder.MoveAddPastMul(),
        collapse_repeated.CollapseRepeatedAdd(),
        collapse_repeated.CollapseRepeatedMul(),
        absorb.AbsorbAddIntoMultiThreshold(),
        absorb.FactorOutMulSignMagnitude(),
        absorb.AbsorbMulIntoMultiThreshold(),
    ]


def _normal_form(layers: Sequence[Linear | Activation], encoding: Encoding) -> ModelWrapper:
    first = layers[0]
    columns = first.matrix.shape[1] if isinstance(first, Linear) else first.features
    graph = Chain(columns, encoding.name)
    for layer in layers:
        if isinstance(layer, Linear):
            weights = graph.add("MatMul", layer.matrix.T, len(layer.matrix))
            graph.datatypes[weights] = narrowest(layer.matrix).name
        else:
            _add_activation(graph, layer, behind_weights=layer is not first)
    return graph.model("normal form")


def _add_activation(graph: Chain, layer: Activation, behind_weights: bool) -> None:
    """What is affine in it, and its quantizer as the thresholds that round half up.

    All else (a Relu, another quantizer on the way, the rounding of ties) FINN does not see: the
    thresholds are moved to where the source switches afterwards.
    """
    before, output = layer.before, layer.levels
    steps = [(np.float64(1), -before.zero), (before.scale, before.offset)]
    steps += [
        operators.factor_and_term(operation)
        for operation in layer.operations
        if operation.kind in operators.AFFINE
    ]
    steps.append(
        (1 / output.reals.scale, output.reals.zero - output.reals.offset / output.reals.scale)
    )
    for factor, term in steps:
        if not behind_weights:
            factor = np.abs(factor)  # FINN would look for weights that take the sign
        if (factor != 1).any():
            # FINN divides by it; what is multiplied by 0 never switches, wherever FINN thinks.
            graph.add("Mul", np.where(factor == 0, 1, factor), layer.features)
        if (term != 0).any():
            graph.add("Add", term, layer.features)
    thresholds = np.arange(output.minimum, output.maximum, output.step) + output.step / 2
    graph.add(
        "MultiThreshold",
        thresholds[None],
        layer.features,
        out_dtype=output.encoding.name,
        out_scale=float(output.step),
        out_bias=float(output.minimum),
    )


def _read(model: ModelWrapper, layers: Sequence[Linear | Activation]) -> list[np.ndarray]:
    """The constants of the layers. Raises FrontendError if there is anything else."""
    nodes = list(model.graph.node)
    constants: list[np.ndarray] = []
    for layer in layers:
        if isinstance(layer, Linear):
            _take(model, nodes, "MatMul")
            signs = np.ones(len(layer.matrix), np.int64)
            if nodes and nodes[0].op_type == "Mul":
                signs = signs * _take(model, nodes, "Mul").astype(np.int64)
            constants.append(signs)
        else:
            constants.append(_take(model, nodes, "MultiThreshold"))
    signs = [c for c, layer in zip(constants, layers, strict=True) if isinstance(layer, Linear)]
    if nodes or any((np.abs(sign) != 1).any() for sign in signs):
        raise _left_behind(nodes)
    return constants


def _take(model: ModelWrapper, nodes: list, kind: str) -> np.ndarray:
    """The constant of the first node, which has to be of this kind; the node is taken out."""
    if not nodes or nodes[0].op_type != kind:
        raise _left_behind(nodes)
    return model.get_initializer(nodes.pop(0).input[1])


def _left_behind(nodes: Sequence) -> FrontendError:
    found = ", ".join(node.op_type for node in nodes[:5]) or "scales"
    return FrontendError(f"FINN's passes left {found} behind; report this with the file")
