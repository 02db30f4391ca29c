"""Runs a network beside the file that it was read from, and says where the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.infer_shapes import InferShapes

from bitfold.build.frontend import operators
from bitfold.build.frontend.plan import Direct, Layer, Linear, Plan
from bitfold.build.frontend.quiet import quiet
from bitfold.build.frontend.source import Operation, Source
from bitfold.build.frontend.windows import channels_last
from bitfold.models.errors import FrontendError, shown
from bitfold.models.host import MATMUL, PERMUTE, HostOp
from bitfold.models.network import Network
from bitfold.models.value import Value

# Scores are float32 on both sides. Where scales are no powers of two, the source rounds each
# product and sum of its last layer, and the head only the exact integer sum.
_SCORE_TOLERANCE = 1e-5
# Sums of more bits can't be told from the source's float32: it rounds them.
FLOAT32_BITS = 23
# What is computed at a time, as bytes an integer that a network makes.
_BYTES, _BYTES_AT_ONCE = 40, 256 << 20
_HEAD = "head"


@dataclass(frozen=True)
class Comparison:
    """How a network and its source compare on `rows` samples.

    `mismatches` are the indices of the samples that differ, int64; `layer` is the first layer in
    which the integers of any of them do, "head" where only the scores do, None where none does.
    `rounded` are those mismatches that the source's own float32 rounding makes: at a threshold of
    which it misses the exact sum, where scales are no powers of two; by one integer of the input,
    or in the class, behind sums of the host's (a MatMul, which rounds once where the source may
    after each addition). Rare ones are to be expected, and the network is the more exact of the
    two. `score_difference` is the largest of all scores, 0 where they agree to the bit.
    """

    rows: int
    mismatches: np.ndarray
    rounded: np.ndarray
    layer: str | None
    score_difference: float

    @property
    def exact(self) -> bool:
        """Whether nothing differs at all."""
        return not len(self.mismatches)

    @property
    def faithful(self) -> bool:
        """Whether nothing differs but for the source's own rounding."""
        return len(self.mismatches) == len(self.rounded)


def compare(network: Network, source: Source, plan: Plan, x: np.ndarray) -> Comparison:
    """See `bitfold.build.frontend.verify_against_source`; `plan` is that of the network's file."""
    path = source.path
    if source.sample_shape != network.sample_shape:
        raise FrontendError(
            f"{path}: takes samples of shape {source.sample_shape}, but {network.name} takes "
            f"{network.sample_shape}; give the file that it was compiled from"
        )
    nodes = {node.name for node in network.nodes}
    for layer in plan.layers:
        if layer.name not in nodes:
            raise FrontendError(
                f"{network.name}: has no layer {layer.name}, as {path} has; "
                "give the file that it was compiled from"
            )
    x = np.asarray(x, np.float32)
    step = max(1, _BYTES_AT_ONCE // (_BYTES * sum(v.size for v in network.values.values())))
    parts = [
        _compare(network, source, plan, x[first : first + step]) for first in range(0, len(x), step)
    ]
    names = [network.input, *(layer.name for layer in plan.layers), _HEAD]
    found = [part.layer for part in parts if part.layer]
    rows = np.cumsum([0, *(part.rows for part in parts)])
    return Comparison(
        len(x),
        np.concatenate([part.mismatches + row for part, row in zip(parts, rows)]),
        np.concatenate([part.rounded + row for part, row in zip(parts, rows)]),
        min(found, key=names.index, default=None),
        max(part.score_difference for part in parts),
    )


def _compare(network: Network, source: Source, plan: Plan, x: np.ndarray) -> Comparison:
    trace = network.trace(network.quantize(x))
    tensors = execute(source, x)
    wrong = np.zeros(len(x), bool)
    rounded = np.zeros(len(x), bool)
    first = None
    if plan.edge:
        reals = at_input(network, tensors[plan.edge.output])
        integers = plan.input.reals.integers(reals)
        missed = np.abs(trace[network.input] - integers).reshape(len(x), -1).max(axis=1, initial=0)
        wrong = missed > 0
        if _sums(network.quantizer):
            rounded = wrong & (missed <= plan.input.step)
        first = network.input if wrong.any() else None
    nodes = {node.name: node for node in network.nodes}
    inexact = {network.input: np.False_}  # by value: where the source misses what sums stand for
    for layer in plan.layers:
        node = nodes[layer.name]
        inexact[node.output] = np.False_
        missed = _missed(layer, [np.broadcast_to(inexact[v], trace[v].shape) for v in layer.inputs])
        if layer.source is None:
            inexact[node.output] = missed
            continue
        actual = trace[node.output]
        reals = as_value(tensors[layer.source.output], network.values[node.output])
        if isinstance(layer, Linear):
            actual = actual * row_signs(layer.matrix, network.parameter(node, "weights").values)
        quantizes = layer.source.kind in operators.QUANTIZER
        if not quantizes:
            inexact[node.output] = layer.reals.of(actual) != reals
            if network.values[node.output].encoding.bits > FLOAT32_BITS:
                continue  # its thresholds, or its scores, are compared all the same
        differs = actual != layer.reals.integers(reals)
        new = _any(differs) & ~wrong
        if quantizes:
            rounded |= new & ~_any(differs & ~missed)
        if new.any():
            first = first or node.name
        wrong |= new
    scores, classes, difference = _compare_scores(network, source, trace[network.output], tensors)
    if (scores | classes).any():
        first = first or _HEAD
    if _sums(network.head):
        rounded |= classes & ~scores & ~wrong
    wrong |= scores | classes
    return Comparison(len(x), np.flatnonzero(wrong), np.flatnonzero(rounded), first, difference)


def as_value(tensor: np.ndarray, value: Value) -> np.ndarray:
    """A tensor of the source as the network's `value`: a feature map with its channels last."""
    if len(value.shape) == 3 and tensor.ndim == 4:
        return channels_last(tensor)
    return tensor.reshape(len(tensor), *value.shape)


def at_input(network: Network, tensor: np.ndarray) -> np.ndarray:
    """What the source's first quantizer gives, as the network's input has it."""
    features = tensor.reshape(len(tensor), -1)
    for step in network.quantizer[-1:]:
        if step.kind == PERMUTE:
            features = step(features)
    return features.reshape(len(tensor), *network.input_value.shape)


def _missed(layer: Layer, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Where the source may miss what the integers stand for that `layer` makes of `inputs`, of
    which the same is known."""
    if isinstance(layer, Direct):
        (made,) = layer.op.evaluate([missed.astype(np.int64) for missed in inputs], ())
        return made > 0
    return inputs[0]


def _any(found: np.ndarray) -> np.ndarray:
    """(rows,): whether there is any in the row."""
    return found.reshape(len(found), -1).any(axis=1)


def row_signs(matrix: np.ndarray, lowered: np.ndarray) -> np.ndarray:
    """For each row of the source's `matrix`, whether `lowered`, rows in front, has it as it is (1)
    or negated (-1).

    0 where all weights are. Raises FrontendError if `lowered` is another matrix.
    """
    lowered = lowered.reshape(len(lowered), -1)
    signs = np.where((lowered == matrix).all(axis=1), 1, -1) * matrix.any(axis=1)
    if not np.array_equal(lowered, matrix * signs[:, None]):
        raise FrontendError(
            "the network's weights are not those of the file; give the file that it was compiled "
            "from"
        )
    return signs


def _compare_scores(
    network: Network, source: Source, outputs: np.ndarray, tensors: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Which rows have other scores, which another class where the source gives one; the largest
    difference of scores."""
    choice = _choice(source)
    expected = tensors[scores_of(source)].reshape(len(outputs), -1)
    classes = tensors[choice.output].reshape(-1) if choice else expected.argmax(axis=1)
    if network.decides_class:
        return np.zeros(len(outputs), bool), network.classes(outputs) != classes, 0.0
    scores = network.scores(outputs)
    difference = np.abs(scores - expected)
    largest = np.maximum(np.abs(expected).max(axis=1), _largest_terms(network.head, outputs))
    limit = _SCORE_TOLERANCE * np.maximum(1, largest)[:, None]
    wrong = ~(difference <= limit).all(axis=1)  # also where a score is not a number
    other = network.classes(outputs) != classes if choice else np.zeros_like(wrong)
    return wrong, other, float(difference.max())


def _sums(steps: Sequence[HostOp]) -> bool:
    """Whether there are sums among the steps of the host, of which a source may round each term."""
    return any(step.kind == MATMUL for step in steps)


def _largest_terms(steps: Sequence[HostOp], x: np.ndarray) -> np.ndarray:
    """What the terms of any sum of the host's add up to, their signs aside, at most: (rows,). The
    source's rounding follows it."""
    largest = np.zeros(len(x))
    for step in steps:
        if step.kind == MATMUL:
            terms = np.abs(x).astype(np.float64) @ np.abs(step.operands[0])
            largest = np.maximum(largest, terms.max(axis=1))
        x = step(np.asarray(x, np.float32))
    return largest


def scores_of(source: Source) -> str:
    """The tensor of the scores: the output, or what its class is chosen by."""
    choice = _choice(source)
    return choice.inputs[0] if choice else source.model.graph.output[0].name


def _choice(source: Source) -> Operation | None:
    return next((o for o in source.operations if o.kind in operators.CHOICE), None)


def random_samples(network: Network, rows: int, seed: int = 0) -> np.ndarray:
    """(rows, *sample_shape) float32 that the host turns into integers all over the input encoding.

    Found by going back through the steps of the host, so that no integer is out of reach; behind a
    MatMul, which may have fewer columns than the input integers, as near as it comes.
    """
    encoding = network.input_value.encoding
    features = network.input_value.size
    generator = np.random.default_rng(seed)
    x = generator.integers(encoding.minimum, encoding.maximum + 1, (rows, features))
    if encoding.is_bipolar:
        x = np.where(x >= 0, 1, -1)
    return measurements(network, x)


def measurements(network: Network, x: np.ndarray) -> np.ndarray:
    """(rows, *sample_shape) float32 that the host turns into the input integers `x`, (rows,
    features), or where its sums do not reach these, near them."""
    undo = {
        MATMUL: lambda x, matrix: x @ np.linalg.pinv(matrix),
        "Mul": lambda x, operand: x / operand,
        "Div": lambda x, operand: x * operand,
        "Add": lambda x, operand: x - operand,
        "Sub": lambda x, operand: x + operand,
        "Quant": lambda x, scale, zero_point, low, high: (
            (np.clip(x, low, high) - zero_point) * scale
        ),
        "BipolarQuant": lambda x: x,
        "Relu": lambda x: x,
        PERMUTE: lambda x, order: x[:, np.argsort(order)],
    }
    for step in reversed(network.quantizer):
        x = undo[step.kind](x, *(operand.astype(np.float64) for operand in step.operands))
    return x.astype(np.float32).reshape(len(x), *network.sample_shape)


def execute(source: Source, x: np.ndarray) -> dict[str, np.ndarray]:
    """All tensors of the file, as qonnx's executor computes them for the whole batch `x`."""
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    # qonnx folds constants with the first version listed, whatever domain that is of.
    versions = sorted(model.opset_import, key=lambda entry: entry.domain)
    del model.opset_import[:]
    model.opset_import.extend(versions)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = len(source.sample)
    shaped = x.reshape(len(x), *source.sample_shape).astype(source.sample.dtype)
    try:
        with quiet():
            wrapper = ModelWrapper(model)
            for transformation in (
                InferShapes(),
                FoldConstants(),
                ChangeBatchSize(len(x)),
                InferShapes(),
            ):
                wrapper = wrapper.transform(transformation)
            return execute_onnx(wrapper, {source.input: shaped}, return_full_exec_context=True)
    except Exception as error:
        raise FrontendError(
            f"{source.path}: qonnx can't execute it ({shown(' '.join(str(error).split()), 300)})"
        ) from error
