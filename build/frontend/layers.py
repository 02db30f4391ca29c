"""Cuts the source's chain of operations into host steps, integer layers and the head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from bitfold.build.frontend import operators
from bitfold.build.frontend.edges import host_steps, quantizing_steps
from bitfold.build.frontend.naming import module_path, unique
from bitfold.build.frontend.operators import Quantizer
from bitfold.build.frontend.problems import Problem, UnlowerableError
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation, Source
from bitfold.build.frontend.weights import MAX_BITS, integer_rows
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FrontendError, NetworkError
from bitfold.models.host import HostOp


@dataclass(frozen=True)
class Linear:
    """Exact sums: `matrix` (rows, columns) int64; `reals` is what the sums stand for.

    `source` is the operation that gives those reals.
    """

    name: str
    matrix: np.ndarray
    reals: Reals
    source: Operation


@dataclass(frozen=True)
class Activation:
    """Integers to integers, by way of the source's own float32 operations.

    `before` is what the incoming integers stand for, and `output` the integers that come out.
    """

    name: str
    before: Reals
    features: int
    operations: tuple[Operation, ...]
    output: Quantizer

    @property
    def source(self) -> Operation:
        """The operation that gives the reals that `output` stands for."""
        return self.operations[-1]

    @property
    def reals(self) -> Reals:
        return self.output.reals

    def __call__(self, integers: np.ndarray) -> np.ndarray:
        """(rows, features) integers to the integers (rows, features) int64 of the source."""
        reals = self.before.of(integers)
        for operation in self.operations:
            reals = operation(reals)
        return self.reals.integers(reals)


Layer = Linear | Activation


@dataclass(frozen=True)
class Plan:
    """A network whose thresholds are still float32 operations."""

    input: Quantizer
    # How the integers of the input are made of what the source takes.
    quantizer: tuple[HostOp, ...]
    layers: tuple[Layer, ...]
    head: tuple[HostOp, ...]


def given_input(source: Source, encoding: str | None, scale: float | None) -> Quantizer | None:
    """The input integers that the user or else the file declares; None where neither does.

    Raises FrontendError for integers that the hardware can't take.
    """
    if encoding is None:
        if scale is not None:
            raise FrontendError(
                f"input_scale={scale} says what an integer is worth, but not which integers there "
                "are; give input_encoding too (pixels: UINT8)"
            )
        encoding, where = source.input_datatype, f"{source.path}: its input"
        if encoding is None:
            return None
    else:
        where = "input_encoding"
    scale = 1.0 if scale is None else scale
    if not (np.isfinite(scale) and scale > 0):
        raise FrontendError(f"input_scale={scale} is not a positive number")
    try:
        integers = Encoding.of(encoding)
    except NetworkError as error:
        raise FrontendError(f"{where}: {error}") from None
    if integers.bits > MAX_BITS:
        raise FrontendError(
            f"{where}: {encoding} has {integers.bits} bits; use at most {MAX_BITS} bits"
        )
    return Quantizer(integers, integers.minimum, integers.maximum, Reals(np.float64(scale)))


def cut(source: Source, declared: Quantizer | None) -> tuple[Plan | None, list[Problem]]:
    """The plan, or None and the problems that stand in its way.

    With `declared` the hardware takes those integers; without it, those of the first quantizer.
    """
    return _Cutter(source, declared).cut()


class _Cutter:
    """Walks the chain once, with one layer's operations in hand."""

    def __init__(self, source: Source, declared: Quantizer | None):
        self.source = source
        self.problems = list(source.problems)
        self.names: set[str] = set()
        self.layers: list[Layer] = []
        self.input = declared
        self.quantizer: tuple[HostOp, ...] = ()
        if declared:
            self.quantizer = _declared_steps(declared)
        # The integers that flow here, None before the first quantizer; what they stand for; and
        # the operations since, whose place is not known yet.
        self.integers = declared
        self.reals = declared.reals if declared else None
        self.pending: list[Operation] = []
        # Whether what flows here are sums, which no layer takes as they are.
        self.sums = False
        self.chosen = False
        self.count = 0

    def cut(self) -> tuple[Plan | None, list[Problem]]:
        for operation in self.source.chain:
            with self._noting(operation):
                self._take(operation)
        head = self._finish()
        if not self.layers and not self.problems:
            self._note(self.source.chain[-1], _NO_LAYERS)
        if self.problems:
            return None, self.problems
        return Plan(self.input, self.quantizer, tuple(self.layers), head), []

    @contextmanager
    def _noting(self, operation: Operation) -> Iterator[None]:
        try:
            yield
        except UnlowerableError as error:
            self._note(operation, error)

    def _note(self, operation: Operation, error: UnlowerableError) -> None:
        self.problems.append(Problem(operation.name, operation.kind, error.reason, error.remedy))

    def _take(self, operation: Operation) -> None:
        kind = operation.kind
        if self.chosen:
            if kind not in operators.SHAPE:
                raise UnlowerableError(
                    "it stands behind the choice of the class",
                    "leave it out: the class index is the answer",
                )
        elif kind in operators.SHAPE:
            operators.check_shape(operation)
        elif kind in operators.CHOICE:
            _check_choice(operation)
            self.chosen = True
        elif kind in operators.DENSE:
            self._dense(operation)
        elif kind in operators.QUANTIZER and self.integers is None:
            self._input_edge(operation)
        else:
            if kind in operators.AFFINE:
                operators.factor_and_term(operation)
            self.pending.append(operation)

    def _input_edge(self, operation: Operation) -> None:
        """The first quantizer: it and all before it is done by the host."""
        # Set before anything is refused: what follows is not to be blamed for it.
        steps, self.pending = self.pending, []
        self._set_integers(_ANY_INPUT)
        integers = operators.quantizer(operation)
        self._set_integers(integers)
        self.input = integers
        for step in steps:
            with self._noting(step):
                self.quantizer += host_steps(step)
        self.quantizer += quantizing_steps(operation, integers)
        _check_bits(integers)

    def _set_integers(self, integers: Quantizer) -> None:
        self.integers, self.reals, self.sums = integers, integers.reals, False

    def _dense(self, operation: Operation) -> None:
        weights = None
        with self._noting(operation):
            matrix, term = _matrix_and_term(operation)
            initializer, scales = self.source.ancestry(operation.runner.node.input[1])
            weights = integer_rows(matrix, scales)
        try:
            self._activate()
        finally:
            # Where something is refused, the search for problems goes on with these.
            reals, self.reals, self.sums = self.reals, Reals(np.float64(1)), True
        if weights is None:
            return
        if _scalar_if_equal(reals.scale).ndim:
            raise UnlowerableError(
                "its input has a scale for each feature, which integer sums can't have",
                "quantize activations with one scale for the tensor",
            )
        path = module_path(operation.runner.node, initializer)
        name = unique(path or f"dense{self.count}", self.names)
        self.count += 1
        shift = np.broadcast_to(reals.offset - reals.zero * reals.scale, matrix.shape[1])
        integers, row_scales = weights
        self.reals = Reals(
            _scalar_if_equal(row_scales * reals.scale.max()),
            offset=_scalar_if_equal(matrix @ shift + term),
        )
        _check_sums(integers, self.reals)
        self.layers.append(Linear(name, integers, self.reals, operation))

    def _activate(self) -> None:
        """Makes pending operations an activation, and what is behind it part of what it means."""
        pending, self.pending = self.pending, []
        if self.integers is None:
            self._set_integers(_ANY_INPUT)  # said once
            raise UnlowerableError(*_NO_INPUT_QUANTIZER)
        quantized = _last_quantizer(pending)
        if quantized is not None:
            self._append_activation(pending[: quantized + 1])
            pending = pending[quantized + 1 :]
        elif self.sums:
            raise UnlowerableError(
                "its input is not quantized",
                f"put a quantizer of 1 to {MAX_BITS} bits between the layers",
            )
        for operation in pending:
            with self._noting(operation):
                if operation.kind not in operators.AFFINE:
                    raise UnlowerableError(
                        "it stands between a quantizer and the next layer",
                        "put the quantizer behind it",
                    )
                self.reals = self.reals.then(*operators.factor_and_term(operation))

    def _append_activation(self, operations: Sequence[Operation]) -> None:
        last = operations[-1]
        with self._noting(last):
            output = operators.quantizer(last)
            before, incoming, behind_weights = self.reals, self.integers, self.sums
            name = unique(
                f"{self.layers[-1].name if self.layers else 'input'}.threshold", self.names
            )
            self._set_integers(output)
            _check_bits(output)
            for operation in operations:
                if operation.kind in operators.HOST:
                    self._note(operation, _INSIDE)
            features = operations[0].sample[0].size
            layer = Activation(name, before, features, tuple(operations), output)
            if not behind_weights and not self.problems:
                _check_rises(layer, incoming)
            self.layers.append(layer)

    def _finish(self) -> tuple[HostOp, ...]:
        """The last quantizer ends the integer layers; what is behind it is the head."""
        pending, self.pending = self.pending, []
        inside = next(
            (i for i, operation in enumerate(pending) if operation.kind in operators.HOST),
            len(pending),
        )
        quantized = _last_quantizer(pending[:inside])
        if self.integers is None:
            return ()
        if quantized is not None and _fits(pending[quantized]):
            self._append_activation(pending[: quantized + 1])
            pending = pending[quantized + 1 :]
        head = self.reals.host_steps()
        for operation in pending:
            with self._noting(operation):
                head += host_steps(operation)
        return head


def _scalar_if_equal(values: np.ndarray) -> np.ndarray:
    return values.flat[0] if (values == values.flat[0]).all() else values


def _last_quantizer(operations: Sequence[Operation]) -> int | None:
    places = [i for i, o in enumerate(operations) if o.kind in operators.QUANTIZER]
    return places[-1] if places else None


def _check_sums(integers: np.ndarray, reals: Reals) -> None:
    """Raises UnlowerableError where float32 does not hold the terms of the source's own sums."""
    used = integers.any(axis=1)
    operators.check_scale(np.broadcast_to(np.abs(reals.scale), used.shape)[used])
    if not (np.abs(reals.offset) <= operators.LARGEST_BIAS).all():
        raise UnlowerableError(
            f"its bias is not a number up to {operators.LARGEST_BIAS:g}", "train it again"
        )


def _fits(operation: Operation) -> bool:
    try:
        return operators.quantizer(operation).encoding.bits <= MAX_BITS
    except UnlowerableError:
        return False


def _check_bits(integers: Quantizer) -> None:
    bits = integers.encoding.bits
    if bits > MAX_BITS:
        raise UnlowerableError(
            f"it gives integers of {bits} bits", f"quantize activations to at most {MAX_BITS} bits"
        )


def _check_rises(layer: Activation, incoming: Quantizer) -> None:
    """Behind weights, FINN negates the rows that fall; in front of all weights there are none."""
    ends = np.repeat([[incoming.minimum], [incoming.maximum]], layer.features, axis=1)
    low, high = layer(ends)
    if (low > high).any():
        feature = int(np.argmax(low > high))
        raise UnlowerableError(
            f"it falls where the input rises (feature {feature})",
            "negate the feature and the weights of the next layer",
        )


def _declared_steps(integers: Quantizer) -> tuple[HostOp, ...]:
    """From reals to the integers that the user says the hardware takes."""
    if integers.encoding.is_bipolar:
        return (HostOp("BipolarQuant"),)
    operands = (integers.reals.scale, 0, integers.minimum, integers.maximum)
    return (HostOp("Quant", tuple(np.asarray(operand, np.float32) for operand in operands)),)


def _check_choice(operation: Operation) -> None:
    """Raises UnlowerableError unless it is the index of the largest score, the first of equals."""
    if operation.kind == "ArgMax":
        axis = operation.attributes.get("axis", 0)
        plain = not operation.attributes.get("select_last_index", 0)
    else:
        axis = operation.attributes.get("axis", -1)
        wanted = operation.operand(1)
        count = operation.attributes.get("k", 0) if wanted is None else int(wanted.reshape(-1)[0])
        indices = operation.runner.node.output[1]
        plain = (
            count == 1 and operation.attributes.get("largest", 1) and operation.output == indices
        )
    if operation.sample.shape[axis] != operation.sample[0].size or not plain:
        raise UnlowerableError(
            "it is not the index of the largest score",
            "leave it out: the scores are there, and so is the class",
        )


def _matrix_and_term(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    """The layer as y = matrix @ x + term, (rows, columns) and (rows,) or a scalar, in float64."""
    attributes = operation.attributes
    matrix = operation.operand(1)
    if matrix is None or attributes.get("transA", 0):
        raise UnlowerableError(
            "its weights stand on the left of the activations", "multiply activations by weights"
        )
    if matrix.ndim < 2 or matrix.size != matrix.shape[-1] * matrix.shape[-2]:
        raise UnlowerableError(
            f"its weights of shape {matrix.shape} are no matrix", "use a matrix of weights"
        )
    matrix = matrix.reshape(matrix.shape[-2:]).astype(np.float64)
    if not attributes.get("transB", 0):
        matrix = matrix.T
    if operation.sample[0].size != matrix.shape[1]:
        raise UnlowerableError(
            f"it is applied to samples of shape {operation.shape}, along the last axis only",
            "flatten samples in front of it",
        )
    matrix = matrix * attributes.get("alpha", 1.0)
    bias = operation.operand(2)
    if bias is None:
        return matrix, np.float64(0)
    if bias.size not in (1, len(matrix)) or (bias.ndim and bias.size != bias.shape[-1]):
        raise UnlowerableError(f"its bias has shape {bias.shape}", "use one value a row")
    bias = bias.astype(np.float64).reshape(-1) * attributes.get("beta", 1.0)
    return matrix, bias if bias.size > 1 else bias[0]


# In place of what the file does not have, so that the search for problems can go on.
_ANY_INPUT = Quantizer(Encoding.of("BIPOLAR"), -1, 1, Reals(np.float64(1)))
_NO_INPUT_QUANTIZER = (
    "the input reaches it without being quantized",
    "put a quantizer at the input, or say with input_encoding and input_scale which integers the "
    "input holds (pixels: UINT8 and 1/255)",
)
_INSIDE = UnlowerableError(
    "only the host can do it, and only behind the last layer", "leave it out"
)
_NO_LAYERS = UnlowerableError(
    "there is no layer with weights or thresholds", "export the whole network"
)
