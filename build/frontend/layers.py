"""Cuts the source's graph of operations into host steps, integer layers and the head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bitfold.build.frontend import operators, refusals
from bitfold.build.frontend.edges import host_steps, quantizing_steps
from bitfold.build.frontend.flow import (
    ANY_FLOW,
    ANY_INPUT,
    ANY_SUMS,
    CHANNELS_FIRST,
    Flow,
    behind_last,
    behind_quantizer,
    changes_nothing,
    check_bits,
    check_sums,
    fits,
    readers,
)
from bitfold.build.frontend.given import declared_steps
from bitfold.build.frontend.joins import check_join
from bitfold.build.frontend.made import Made
from bitfold.build.frontend.naming import module_path
from bitfold.build.frontend.operators import Quantizer
from bitfold.build.frontend.places import Places
from bitfold.build.frontend.plan import INPUT, Linear, Plan
from bitfold.build.frontend.problems import Problem, UnlowerableError
from bitfold.build.frontend.reals import Reals, scalar_if_equal
from bitfold.build.frontend.source import Operation, Source, value_shape
from bitfold.build.frontend.weights import integer_rows, weights_and_term
from bitfold.build.frontend.windows import (
    average,
    check_least,
    convolution,
    largest,
    padding,
    shifted_sums,
)
from bitfold.models.host import HostOp
from bitfold.models.ops import Add, Concatenate, Dense, Flatten


def cut(source: Source, declared: Quantizer | None) -> tuple[Plan | None, list[Problem]]:
    """The plan, or None and the problems that stand in its way.

    With `declared` the hardware takes those integers; without it, those of the first quantizer.
    """
    return _Cutter(source, declared).cut()


class _Cutter:
    """Goes through the operations once, with what flows in each tensor in hand."""

    def __init__(self, source: Source, declared: Quantizer | None):
        self.source = source
        self.made = Made(source.problems)
        self.input = declared
        self.edge: Operation | None = None
        self.places = Places(source.sample)
        self.quantizer: tuple[HostOp, ...] = ()
        self.flows = {source.input: Flow()}
        if declared:
            self.quantizer = declared_steps(declared)
            shape = value_shape(source.sample, source.has_maps)
            self.flows[source.input] = Flow(
                shape=shape, reals=declared.reals, encoding=declared.encoding
            )
        self.readers = readers(source)
        self.reads = Counter(name for o in source.operations for name in o.inputs)

    def cut(self) -> tuple[Plan | None, list[Problem]]:
        for operation in self.source.operations:
            flows = [self.flows[name] for name in operation.inputs]
            self.flows[operation.output] = self._take(operation, flows)
        flow = self.flows[self.source.output]
        flow, head = self._finish(flow)
        if not self.made.layers and not self.made.problems:
            for operation in self.source.operations:
                self.made.refuse_float(operation)
        if not self.made.layers and not self.made.problems:
            self.made.note(self.source.operations[-1], refusals.NO_LAYERS)
        if self.made.problems:
            return None, self.made.problems
        layers = tuple(self.made.layers)
        shape, order = self.places.value(self.source.has_maps)
        quantizer = (*self.quantizer, *order)
        return Plan(self.input, shape, self.edge, quantizer, layers, flow.value, head), []

    def _take(self, operation: Operation, flows: Sequence[Flow]) -> Flow:
        """What flows behind the operation; where it is refused, something to go on with."""
        kind, flow = operation.kind, flows[0]
        if kind in operators.SHAPE:
            with self.made.noting(operation):
                return flow if flow.chosen else self._reshaped(operation, flow)
        elif any(flow.chosen for flow in flows):
            self.made.note(operation, refusals.BEHIND_CHOICE)
        elif any(flow.axes != CHANNELS_FIRST for flow in flows):
            self.made.note(operation, refusals.CHANNELS_MOVED)
        elif any(flow.pad for flow in flows) and kind not in operators.WINDOW:
            self.made.note(operation, refusals.PADDED)
        elif kind in operators.JOIN and (kind not in operators.AFFINE or len(flows) > 1):
            return self._join(operation, flows)
        elif kind in operators.DENSE | operators.CONVOLUTION:
            return self._linear(operation, flow)
        elif kind in operators.QUANTIZER and flow.reals is None:
            return self._input_edge(operation, flow)
        else:
            with self.made.noting(operation):
                return self._follow(operation, flow)
        return flow

    def _follow(self, operation: Operation, flow: Flow) -> Flow:
        kind = operation.kind
        if kind in operators.CHOICE:
            operators.check_choice(operation)
            return replace(flow, chosen=True)
        if kind in operators.PAD and flow.reals:
            return replace(self.made.settled(flow), pad=padding(operation))
        if kind in operators.WINDOW and flow.reals:
            return self._pooled(operation, flow)
        if kind in operators.AFFINE:
            operators.factor_and_term(operation)
        if kind in operators.QUANTIZER and changes_nothing(operation, flow):
            return flow
        flow = replace(flow, pending=(*flow.pending, operation))
        read_again = self.readers[operation.output] > 1
        if read_again and kind in operators.QUANTIZER and fits(operation):
            return self.made.activated(flow)
        return flow

    def _reshaped(self, operation: Operation, flow: Flow) -> Flow:
        operators.check_shape(operation)
        if not flow.value:
            return flow
        if flow.pad and operation.result.shape != operation.sample.shape:
            raise refusals.PADDED
        if flow.reals is None:
            moves = operators.reorders(operation)
            return replace(flow, pending=(*flow.pending, operation)) if moves else flow
        shape = value_shape(operation.result, operation.has_maps)
        alone = self.reads[operation.inputs[0]] == 1 and not flow.pending
        if operation.has_maps and flow.value == INPUT and alone and self.places.fit(operation):
            self.places.move(operation)
            return replace(flow, shape=shape)
        if flow.is_map:
            if operation.kind == "Transpose":
                perm = operation.attributes.get("perm", (3, 2, 1, 0))
                return replace(flow, axes=tuple(flow.axes[axis - 1] for axis in perm[1:]))
            if operation.result.shape == operation.sample.shape:
                return flow
            if len(shape) == 1:
                return self._flattened(operation, flow)
        if len(shape) == 3 and shape != flow.shape:
            raise refusals.NEW_MAP
        if operators.reorders(operation):
            raise refusals.REORDERED
        return flow

    def _flattened(self, operation: Operation | None, flow: Flow) -> Flow:
        axes, flow = flow.axes, self.made.settled(flow, sums=True)
        reals = flow.reals.flattened(flow.shape, axes)
        return self.made.direct(Flatten(axes), reals, flow, operation, "flatten")

    def _input_edge(self, operation: Operation, flow: Flow) -> Flow:
        """The first quantizer: it and all before it is done by the host."""
        with self.made.noting(operation):
            if self.input:
                raise refusals.SECOND_INPUT
            # Set before anything is refused: what follows is not to be blamed for it.
            self.input, self.edge = ANY_INPUT, operation
            self.input = integers = operators.quantizer(operation)
            self.places = Places(operation.sample)
            for step in flow.pending:
                with self.made.noting(step):
                    self.quantizer += host_steps(step)
            self.quantizer += quantizing_steps(operation, integers)
            check_bits(integers)
            shape = value_shape(operation.sample, operation.has_maps)
            return Flow(shape=shape, reals=integers.reals, encoding=integers.encoding)
        return ANY_FLOW

    def _linear(self, operation: Operation, flow: Flow) -> Flow:
        """A layer of integers; the host's in front of the first quantizer, and, where its weights
        are not quantized, behind the last."""
        behind = flow.pending[behind_quantizer(flow.pending) :]
        if flow.reals is None or any(before.name in self.made.floats for before in behind):
            return replace(flow, pending=(*flow.pending, operation))
        found = None
        with self.made.noting(operation):
            weights, term = weights_and_term(operation)
            initializer, scales = self._ancestry(operation)
            try:
                found = integer_rows(weights.reshape(len(weights), -1), scales)
            except UnlowerableError as error:
                return self._left_to_host(operation, flow, error)
        with self.made.noting(operation):
            flow = self.made.settled(flow)
            if flow.encoding is None:
                raise refusals.NOT_QUANTIZED
            if found is None or not flow.value:
                return ANY_SUMS
            if scalar_if_equal(flow.reals.scale).ndim:
                raise refusals.SEVERAL_SCALES
            integers, row_scales = found
            shift = flow.reals.offset - flow.reals.zero * flow.reals.scale
            if operation.kind in operators.CONVOLUTION:
                op = convolution(operation, flow.reals, flow.encoding, flow.pad)
                shifted = shifted_sums(weights, op.groups, shift)
            else:
                op = Dense()
                shifted = weights @ np.broadcast_to(shift, weights.shape[1])
            reals = Reals(
                scalar_if_equal(row_scales * flow.reals.scale.max()),
                offset=scalar_if_equal(shifted + term),
            )
            check_sums(integers, reals)
            path = module_path(operation.runner.node, initializer)
            name = self.made.name(
                path, "conv" if operation.kind in operators.CONVOLUTION else "dense"
            )
            integers = integers.reshape(weights.shape)
            layer = Linear(name, op, flow.value, integers, reals, operation)
            return self.made.append(layer, value_shape(operation.result, operation.has_maps), None)
        return ANY_SUMS

    def _ancestry(self, operation: Operation) -> tuple[str, list[np.ndarray]]:
        return self.source.ancestry(operation.runner.node.input[1])

    def _refuse_all(self, layers: Sequence[Operation]) -> None:
        """Notes layers of a file that quantizes nothing that flows."""
        error = UnlowerableError(*refusals.NO_INPUT_QUANTIZER)
        for operation in layers:
            with self.made.noting(operation):
                weights = weights_and_term(operation)[0]
                integer_rows(weights.reshape(len(weights), -1), self._ancestry(operation)[1])
            self.made.note(operation, error)
            error = refusals.NOT_QUANTIZED

    def _left_to_host(self, operation: Operation, flow: Flow, error: UnlowerableError) -> Flow:
        """A layer that can't have integer weights, for the reason that `error` says: it is the
        host's if no integer layer follows. Raises `error` where its input is not quantized, and
        for a convolution."""
        place = behind_quantizer(flow.pending)
        if operation.kind in operators.CONVOLUTION:
            raise error
        if place:
            pending = flow.pending[place:]
            flow = self.made.activated(replace(flow, pending=flow.pending[:place]))
            flow = replace(flow, pending=pending)
        elif flow.encoding is None:
            raise error
        self.made.floats[operation.name] = error
        return replace(flow, pending=(*flow.pending, operation))

    def _join(self, operation: Operation, flows: Sequence[Flow]) -> Flow:
        with self.made.noting(operation):
            flows = [self.made.settled(flow, sums=True) for flow in flows]
            if not all(flow.value for flow in flows):
                return ANY_FLOW
            check_join(operation, [flow.reals for flow in flows])
            if len(flows) == 1:
                return flows[0]
            if self.made.problems:
                return ANY_FLOW
            parts = [flow.reals for flow in flows]
            if operation.kind == "Add":
                op, reals = Add(), Reals.added(parts)
            else:
                features = [flow.shape[-1] for flow in flows]
                op, reals = Concatenate(), Reals.side_by_side(parts, features)
            return self.made.direct(op, reals, flows, operation)
        return ANY_FLOW

    def _pooled(self, operation: Operation, flow: Flow) -> Flow:
        """A sum where it is an average, of integers or of sums. The largest of integers; that of
        sums waits for what comes behind."""
        if operation.kind in operators.AVERAGE:
            flow = self.made.settled(flow, sums=True)
            flow = self.made.direct(*average(operation, flow.reals, flow.pad), flow, operation)
            flat = operation.result.ndim == 2
            return self._flattened(None, flow) if flat else flow
        if flow.pad:
            check_least(flow.reals, flow.encoding, flow.pad)
        largest(operation, flow.pad)  # which refuses what it can't be
        place = behind_quantizer(flow.pending)
        if place:
            pending = flow.pending[place:]
            flow = self.made.activated(replace(flow, pending=flow.pending[:place]))
            flow = replace(flow, pending=pending)
        if flow.encoding is None or flow.pending:
            return replace(flow, pending=(*flow.pending, operation))
        return self.made.largest(flow, operation, operation)

    def _finish(self, flow: Flow) -> tuple[Flow, tuple[HostOp, ...]]:
        """The last quantizer ends the integer layers; what is behind it is the head."""
        pending = flow.pending
        if flow.pad:
            self.made.note(self.source.operations[-1], refusals.PADS_NOTHING)
        layers = operators.DENSE | operators.CONVOLUTION
        if flow.reals is None:
            self._refuse_all([o for o in pending if o.kind in layers])
            return flow, ()
        by_host = operators.HOST | layers
        inside = next((i for i, o in enumerate(pending) if o.kind in by_host), len(pending))
        place = behind_quantizer(pending[:inside])
        if place and fits(pending[place - 1]):
            flow = self.made.activated(replace(flow, pending=pending[:place]))
            pending = pending[place:]
        place = behind_last(pending, operators.MAX_POOL)
        if place:
            flow = self.made.without_pools(replace(flow, pending=pending[:place]))
            pending = (*flow.pending, *pending[place:])
        if flow.is_map and self.made.layers:
            flow = self._flattened(None, replace(flow, pending=()))
        head = flow.reals.host_steps()
        for operation in pending:
            with self.made.noting(operation):
                head += host_steps(operation)
        return flow, head
