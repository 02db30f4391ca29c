"""The layers of a plan while they are made, and what becomes of operations that wait for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from bitfold.build.frontend import operators, refusals
from bitfold.build.frontend.flow import (
    ANY_FLOW,
    Flow,
    behind_each,
    behind_quantizer,
    check_bits,
    falls,
)
from bitfold.build.frontend.naming import module_path, unique
from bitfold.build.frontend.plan import Activation, Direct, Layer
from bitfold.build.frontend.problems import Problem, UnlowerableError
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation
from bitfold.build.frontend.weights import MAX_BITS
from bitfold.build.frontend.windows import largest
from bitfold.models.encoding import Encoding
from bitfold.models.ops import Op
from bitfold.models.value import Value


class Made:
    """Layers so far, in order, and the problems that were found.

    `floats` says by layer why it can't have integer weights: it is the host's.
    """

    def __init__(self, problems: Sequence[Problem]):
        self.problems = list(problems)
        self.layers: list[Layer] = []
        self.floats: dict[str, UnlowerableError] = {}
        self.names: set[str] = set()
        self.counts: Counter[str] = Counter()

    @contextmanager
    def noting(self, operation: Operation) -> Iterator[None]:
        try:
            yield
        except UnlowerableError as error:
            self.note(operation, error)

    def note(self, operation: Operation, error: UnlowerableError) -> None:
        self.problems.append(Problem(operation.name, operation.kind, error.reason, error.remedy))

    def refuse_float(self, operation: Operation) -> None:
        """Notes a layer without integer weights: the host can do it only behind all others."""
        if operation.name in self.floats:
            self.note(operation, self.floats[operation.name])

    def append(self, layer: Layer, shape: tuple[int, ...], encoding: Encoding | None) -> Flow:
        self.layers.append(layer)
        return Flow(layer.output, shape, layer.name, layer.reals, encoding)

    def direct(
        self,
        op: Op,
        reals: Reals,
        flows: Flow | Sequence[Flow],
        source: Operation | None,
        kind: str | None = None,
        path: str | None = None,
    ) -> Flow:
        """Appends what `op` makes of `flows`: integers that a layer takes, if all these are."""
        flows = [flows] if isinstance(flows, Flow) else flows
        if not all(flow.value for flow in flows):
            return ANY_FLOW
        if source and kind is None:
            kind, path = source.kind.lower(), module_path(source.runner.node, "")
        values = [Value(f.shape, f.encoding or Encoding.of("INT32")) for f in flows]
        (shape,) = op.shapes(values, ())
        encoding = None
        if all(flow.encoding for flow in flows):
            encoding = op.infer(values, ())[0].encoding
            encoding = encoding if encoding.bits <= MAX_BITS else None
        inputs = tuple(flow.value for flow in flows)
        layer = Direct(self.name(path, kind), op, inputs, reals, source)
        return self.append(layer, shape, encoding)

    def name(self, path: str | None, kind: str) -> str:
        name = unique(path or f"{kind}{self.counts[kind]}", self.names)
        self.counts[kind] += 1
        return name

    def settled(self, flow: Flow, sums: bool = False) -> Flow:
        """`flow` without pending operations: they become an activation, and what is behind it part
        of what it means. With `sums`, these need no quantizer."""
        pending = flow.pending
        if flow.reals is None:
            raise UnlowerableError(*refusals.NO_INPUT_QUANTIZER)
        place = behind_quantizer(pending)
        if place:
            flow = self.activated(replace(flow, pending=pending[:place]))
        flow = self.without_pools(replace(flow, pending=pending[place:]))
        affine = all(operation.kind in operators.AFFINE for operation in flow.pending)
        if flow.encoding is None and not (sums and affine):
            raise refusals.NOT_QUANTIZED
        reals = flow.reals
        for operation in flow.pending:
            with self.noting(operation):
                if operation.name in self.floats:
                    raise self.floats[operation.name]
                if operation.kind not in operators.AFFINE:
                    raise refusals.BETWEEN
                reals = reals.then(*operators.factor_and_term(operation))
        return replace(flow, reals=reals, pending=())

    def activated(self, flow: Flow) -> Flow:
        """Makes an activation of the pending operations, of which the last is a quantizer. Pooling
        among them comes behind it, where what it stands in front of does not fall."""
        last = flow.pending[-1]
        with self.noting(last):
            levels = operators.quantizer(last)
            check_bits(levels)
            for operation in flow.pending:
                self.refuse_float(operation)
                if operation.kind in operators.HOST:
                    self.note(operation, refusals.INSIDE)
            pools = [o for o in flow.pending if o.kind in operators.MAX_POOL]
            if any(falls(o) for o in behind_each(flow.pending, operators.MAX_POOL)):
                flow, pools = self.without_pools(flow), []
            operations = tuple(o for o in flow.pending if o.kind not in operators.MAX_POOL)
            name = unique(flow.layer, self.names, ".threshold")
            layer = Activation(
                name,
                flow.value,
                flow.reals,
                last.features,
                operations,
                levels,
                None if pools else last,
            )
            flow = self.append(layer, flow.shape, levels.encoding)
            for pool in pools:
                flow = self.largest(flow, pool, last if pool is pools[-1] else None)
            return flow
        return ANY_FLOW

    def largest(self, flow: Flow, operation: Operation, source: Operation | None) -> Flow:
        """The largest of the integers of `flow`; `source` gives what they stand for."""
        name = operation.kind.lower()
        path = module_path(operation.runner.node, "")
        return self.direct(largest(operation, flow.pad), flow.reals, flow, source, name, path)

    def without_pools(self, flow: Flow) -> Flow:
        """`flow` with the pooling that is pending, of integers or sums, in front of what is affine
        there, which must not fall."""
        operations = flow.pending
        flow = replace(flow, pending=())
        affine: list[Operation] = []
        for operation in operations:
            if operation.kind not in operators.MAX_POOL:
                affine.append(operation)
                continue
            if falls(affine):
                self.note(operation, refusals.SMALLEST)
            flow = self.largest(flow, operation, None if affine else operation)
        return replace(flow, pending=tuple(affine))
