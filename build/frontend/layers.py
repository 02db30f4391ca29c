"""Cuts the source's graph of operations into host steps, integer layers and the head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from bitfold.build.frontend import operators
from bitfold.build.frontend.edges import host_steps, quantizing_steps
from bitfold.build.frontend.given import declared_steps
from bitfold.build.frontend.joins import check_join
from bitfold.build.frontend.naming import module_path, unique
from bitfold.build.frontend.operators import Quantizer
from bitfold.build.frontend.plan import INPUT, Activation, Join, Layer, Linear, Plan
from bitfold.build.frontend.problems import Problem, UnlowerableError
from bitfold.build.frontend.reals import Reals, scalar_if_equal
from bitfold.build.frontend.source import Operation, Source
from bitfold.build.frontend.weights import MAX_BITS, integer_rows, matrix_and_term
from bitfold.models.encoding import Encoding
from bitfold.models.host import HostOp
from bitfold.models.ops import Add, Concatenate
from bitfold.models.value import Value


def cut(source: Source, declared: Quantizer | None) -> tuple[Plan | None, list[Problem]]:
    """The plan, or None and the problems that stand in its way.

    With `declared` the hardware takes those integers; without it, those of the first quantizer.
    """
    return _Cutter(source, declared).cut()


@dataclass(frozen=True)
class _Flow:
    """What one tensor of the source is: integers of the network, and operations since, whose place
    is not known yet.

    `value` names the integers, "" where they only stand in for what was refused. `layer` makes them
    and `encoding` holds them: None for sums, which no layer with weights takes as they are. `reals`
    is what they stand for, None in front of the first quantizer. Behind the choice of the class
    nothing follows: `chosen`.
    """

    value: str = INPUT
    layer: str = INPUT
    reals: Reals | None = None
    encoding: Encoding | None = None
    pending: tuple[Operation, ...] = ()
    chosen: bool = False


class _Cutter:
    """Goes through the operations once, with what flows in each tensor in hand."""

    def __init__(self, source: Source, declared: Quantizer | None):
        self.source = source
        self.problems = list(source.problems)
        self.names: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.layers: list[Layer] = []
        self.input = declared
        self.edge: Operation | None = None
        self.floats: dict[str, UnlowerableError] = {}  # by layer: why it can't have integer weights
        self.quantizer: tuple[HostOp, ...] = ()
        self.flows = {source.input: _Flow()}
        if declared:
            self.quantizer = declared_steps(declared)
            self.flows[source.input] = _Flow(reals=declared.reals, encoding=declared.encoding)
        self.readers = _readers(source)

    def cut(self) -> tuple[Plan | None, list[Problem]]:
        for operation in self.source.operations:
            flows = [self.flows[name] for name in operation.inputs]
            self.flows[operation.output] = self._take(operation, flows)
        flow = self.flows[self.source.output]
        flow, head = self._finish(flow)
        if not self.layers and not self.problems:
            for operation in self.source.operations:
                self._refuse_float(operation)
        if not self.layers and not self.problems:
            self._note(self.source.operations[-1], _NO_LAYERS)
        if self.problems:
            return None, self.problems
        layers = tuple(self.layers)
        return Plan(self.input, self.edge, self.quantizer, layers, flow.value, head), []

    @contextmanager
    def _noting(self, operation: Operation) -> Iterator[None]:
        try:
            yield
        except UnlowerableError as error:
            self._note(operation, error)

    def _note(self, operation: Operation, error: UnlowerableError) -> None:
        self.problems.append(Problem(operation.name, operation.kind, error.reason, error.remedy))

    def _refuse_float(self, operation: Operation) -> None:
        """Notes a layer without integer weights: the host can do it only behind all others."""
        if operation.name in self.floats:
            self._note(operation, self.floats[operation.name])

    def _take(self, operation: Operation, flows: Sequence[_Flow]) -> _Flow:
        """What flows behind the operation; where it is refused, something to go on with."""
        kind, flow = operation.kind, flows[0]
        behind_choice = any(flow.chosen for flow in flows) and kind not in operators.SHAPE
        if behind_choice:
            self._note(operation, _BEHIND_CHOICE)
        elif kind in operators.JOIN and (kind not in operators.AFFINE or len(flows) > 1):
            return self._join(operation, flows)
        elif kind in operators.DENSE:
            return self._dense(operation, flow)
        elif kind in operators.QUANTIZER and flow.reals is None:
            return self._input_edge(operation, flow)
        else:
            with self._noting(operation):
                return self._follow(operation, flow)
        return flow

    def _follow(self, operation: Operation, flow: _Flow) -> _Flow:
        kind = operation.kind
        if kind in operators.SHAPE:
            if not flow.chosen:
                operators.check_shape(operation)
            return flow
        if kind in operators.CHOICE:
            operators.check_choice(operation)
            return replace(flow, chosen=True)
        if kind in operators.AFFINE:
            operators.factor_and_term(operation)
        flow = replace(flow, pending=(*flow.pending, operation))
        read_again = self.readers[operation.output] > 1
        if read_again and kind in operators.QUANTIZER and _fits(operation):
            return self._activated(flow)
        return flow

    def _input_edge(self, operation: Operation, flow: _Flow) -> _Flow:
        """The first quantizer: it and all before it is done by the host."""
        with self._noting(operation):
            if self.input:
                raise _SECOND_INPUT
            # Set before anything is refused: what follows is not to be blamed for it.
            self.input, self.edge = _ANY_INPUT, operation
            self.input = integers = operators.quantizer(operation)
            for step in flow.pending:
                with self._noting(step):
                    self.quantizer += host_steps(step)
            self.quantizer += quantizing_steps(operation, integers)
            _check_bits(integers)
            return _Flow(reals=integers.reals, encoding=integers.encoding)
        return _ANY_FLOW

    def _dense(self, operation: Operation, flow: _Flow) -> _Flow:
        """A layer of integers; the host's in front of the first quantizer, and, where its weights
        are not quantized, behind the last."""
        behind = flow.pending[_behind_quantizer(flow.pending) :]
        if flow.reals is None or any(before.name in self.floats for before in behind):
            return replace(flow, pending=(*flow.pending, operation))
        weights = None
        with self._noting(operation):
            matrix, term = matrix_and_term(operation)
            initializer, scales = self._ancestry(operation)
            try:
                weights = integer_rows(matrix, scales)
            except UnlowerableError as error:
                return self._left_to_host(operation, flow, error)
        with self._noting(operation):
            flow = self._settled(flow)
            if flow.encoding is None:
                raise _NOT_QUANTIZED
            if weights is None or not flow.value:
                return _ANY_SUMS
            if scalar_if_equal(flow.reals.scale).ndim:
                raise UnlowerableError(
                    "its input has a scale for each feature, which integer sums can't have",
                    "quantize activations with one scale for the tensor, and branches that meet "
                    "with one quantizer",
                )
            shift = np.broadcast_to(
                flow.reals.offset - flow.reals.zero * flow.reals.scale, matrix.shape[1]
            )
            integers, row_scales = weights
            reals = Reals(
                scalar_if_equal(row_scales * flow.reals.scale.max()),
                offset=scalar_if_equal(matrix @ shift + term),
            )
            _check_sums(integers, reals)
            path = module_path(operation.runner.node, initializer)
            name = self._name(path, "dense")
            return self._append(Linear(name, flow.value, integers, reals, operation), None)
        return _ANY_SUMS

    def _ancestry(self, operation: Operation) -> tuple[str, list[np.ndarray]]:
        return self.source.ancestry(operation.runner.node.input[1])

    def _refuse_all(self, layers: Sequence[Operation]) -> None:
        """Notes layers of a file that quantizes nothing that flows."""
        error = UnlowerableError(*_NO_INPUT_QUANTIZER)
        for operation in layers:
            with self._noting(operation):
                integer_rows(matrix_and_term(operation)[0], self._ancestry(operation)[1])
            self._note(operation, error)
            error = _NOT_QUANTIZED

    def _left_to_host(self, operation: Operation, flow: _Flow, error: UnlowerableError) -> _Flow:
        """A layer that can't have integer weights, for the reason that `error` says: it is the
        host's if no integer layer follows. Raises `error` where its input is not quantized."""
        place = _behind_quantizer(flow.pending)
        if place:
            pending = flow.pending[place:]
            flow = self._activated(replace(flow, pending=flow.pending[:place]))
            flow = replace(flow, pending=pending)
        elif flow.encoding is None:
            raise error
        self.floats[operation.name] = error
        return replace(flow, pending=(*flow.pending, operation))

    def _join(self, operation: Operation, flows: Sequence[_Flow]) -> _Flow:
        with self._noting(operation):
            flows = [self._settled(flow, sums=True) for flow in flows]
            if not all(flow.value for flow in flows):
                return _ANY_FLOW
            check_join(operation, [flow.reals for flow in flows])
            if len(flows) == 1:
                return flows[0]
            if self.problems:
                return _ANY_FLOW
            parts = [flow.reals for flow in flows]
            features = [sample[0].size for sample in operation.samples]
            if operation.kind == "Add":
                op, reals = Add(), Reals.added(parts)
            else:
                op, reals = Concatenate(), Reals.side_by_side(parts, features)
            encoding = None
            if all(flow.encoding for flow in flows):
                values = [Value((n,), flow.encoding) for n, flow in zip(features, flows)]
                encoding = op.infer(values, ())[0].encoding
            if encoding and encoding.bits > MAX_BITS:
                encoding = None
            name = self._name(module_path(operation.runner.node, ""), operation.kind.lower())
            inputs = tuple(flow.value for flow in flows)
            return self._append(Join(name, op, inputs, reals, operation), encoding)
        return _ANY_FLOW

    def _name(self, path: str | None, kind: str) -> str:
        name = unique(path or f"{kind}{self.counts[kind]}", self.names)
        self.counts[kind] += 1
        return name

    def _append(self, layer: Layer, encoding: Encoding | None) -> _Flow:
        self.layers.append(layer)
        return _Flow(layer.output, layer.name, layer.reals, encoding)

    def _settled(self, flow: _Flow, sums: bool = False) -> _Flow:
        """`flow` without pending operations: they become an activation, and what is behind it part
        of what it means. With `sums`, these need no quantizer."""
        pending = flow.pending
        if flow.reals is None:
            raise UnlowerableError(*_NO_INPUT_QUANTIZER)
        place = _behind_quantizer(pending)
        if place:
            flow = self._activated(replace(flow, pending=pending[:place]))
            pending = pending[place:]
        affine = all(operation.kind in operators.AFFINE for operation in pending)
        if flow.encoding is None and not (sums and affine):
            raise _NOT_QUANTIZED
        reals = flow.reals
        for operation in pending:
            with self._noting(operation):
                if operation.name in self.floats:
                    raise self.floats[operation.name]
                if operation.kind not in operators.AFFINE:
                    raise UnlowerableError(
                        "it stands between a quantizer and the next layer",
                        "put the quantizer behind it",
                    )
                reals = reals.then(*operators.factor_and_term(operation))
        return replace(flow, reals=reals, pending=())

    def _activated(self, flow: _Flow) -> _Flow:
        """Makes an activation of the pending operations, of which the last is a quantizer."""
        operations = flow.pending
        last = operations[-1]
        with self._noting(last):
            levels = operators.quantizer(last)
            _check_bits(levels)
            for operation in operations:
                self._refuse_float(operation)
                if operation.kind in operators.HOST:
                    self._note(operation, _INSIDE)
            name = unique(flow.layer, self.names, ".threshold")
            features = operations[0].sample[0].size
            layer = Activation(name, flow.value, flow.reals, features, operations, levels)
            return self._append(layer, levels.encoding)
        return _ANY_FLOW

    def _finish(self, flow: _Flow) -> tuple[_Flow, tuple[HostOp, ...]]:
        """The last quantizer ends the integer layers; what is behind it is the head."""
        pending = flow.pending
        if flow.reals is None:
            self._refuse_all([o for o in pending if o.kind in operators.DENSE])
            return flow, ()
        by_host = operators.HOST | operators.DENSE
        inside = next((i for i, o in enumerate(pending) if o.kind in by_host), len(pending))
        place = _behind_quantizer(pending[:inside])
        if place and _fits(pending[place - 1]):
            flow = self._activated(replace(flow, pending=pending[:place]))
            pending = pending[place:]
        head = flow.reals.host_steps()
        for operation in pending:
            with self._noting(operation):
                head += host_steps(operation)
        return flow, head


def _readers(source: Source) -> Counter[str]:
    """How often each tensor is read, whatever shape it has then."""
    readers = Counter([source.output])
    for operation in reversed(source.operations):
        reads = readers[operation.output] if operation.kind in operators.SHAPE else 1
        readers.update(dict.fromkeys(operation.inputs, 0))
        for name in operation.inputs:
            readers[name] += reads
    return readers


def _behind_quantizer(operations: Sequence[Operation]) -> int:
    """The place behind the last quantizer; 0 where there is none."""
    return max((i for i, o in enumerate(operations, 1) if o.kind in operators.QUANTIZER), default=0)


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


# In place of what the file does not have, so that the search for problems can go on.
_ANY_INPUT = Quantizer(Encoding.of("BIPOLAR"), -1, 1, Reals(np.float64(1)))
_ANY_FLOW = _Flow("", reals=_ANY_INPUT.reals, encoding=_ANY_INPUT.encoding)
_ANY_SUMS = replace(_ANY_FLOW, encoding=None)
_NO_INPUT_QUANTIZER = (
    "the input reaches it without being quantized",
    "put a quantizer at the input, or say with input_encoding and input_scale which integers the "
    "input holds (pixels: UINT8 and 1/255)",
)
_SECOND_INPUT = UnlowerableError(
    "the input is quantized by another node too",
    "share one quantizer at the input, or say with input_encoding and input_scale which integers "
    "the input holds",
)
_NOT_QUANTIZED = UnlowerableError(
    "its input is not quantized", f"put a quantizer of 1 to {MAX_BITS} bits between the layers"
)
_BEHIND_CHOICE = UnlowerableError(
    "it stands behind the choice of the class", "leave it out: the class index is the answer"
)
_INSIDE = UnlowerableError(
    "only the host can do it, and only behind the last layer", "leave it out"
)
_NO_LAYERS = UnlowerableError(
    "there is no layer with weights or thresholds", "export the whole network"
)
