"""Network: a quantized network as a graph of integer operations. Calling it is the reference.

A network maps (batch, *shape) integers of its input value to those of its output value. What
surrounds that in float32 stands beside it and is done by the host: `quantizer` turns measurements
into the input integers, `head` turns the output integers into scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from bitfold.models import host, storage
from bitfold.models.arrays import as_samples
from bitfold.models.errors import InputError
from bitfold.models.host import HostOp
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Dense, Softmax
from bitfold.models.value import Parameter, Range, Value
from bitfold.models.verifier import verify


@dataclass(frozen=True)
class Network:
    """Nodes in topological order, checked when made: an invalid Network does not exist.

    `input` and `output` name values; several nodes may read one value. `sample_shape` is the shape
    of what a user gives, without the batch; `labels` are the class names and `info` says where the
    network comes from, both empty where the model does not tell. Raises NetworkError.
    """

    name: str
    sample_shape: tuple[int, ...]
    quantizer: tuple[HostOp, ...]
    input: str
    output: str
    values: Mapping[str, Value]
    parameters: Mapping[str, Parameter]
    nodes: tuple[Node, ...]
    head: tuple[HostOp, ...]
    labels: tuple[str, ...] = ()
    info: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        verify(self)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Integers (batch, *shape) in, the exact integers (batch, outputs) int64 out."""
        return self.trace(x)[self.output]

    def trace(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Like calling the network, but gives every value under its name."""
        known = {self.input: self.check_input(x)}
        for node in self.nodes:
            made = self.apply(node, *(known[name] for name in node.inputs))
            known.update(zip(node.outputs, made))
        return known

    def apply(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """What one of the nodes makes of its inputs, (batch, *shape) int64 all."""
        return node.op.evaluate(inputs, [self.parameters[name].values for name in node.parameters])

    @cached_property
    def bounds(self) -> Mapping[str, Range]:
        """Which integers each element of each value can hold, by interval arithmetic from the
        input's encoding on."""
        known = {self.input: Range.of(self.input_value)}
        for node in self.nodes:
            parameters = [self.parameters[name] for name in node.parameters]
            made = node.op.bounds([known[name] for name in node.inputs], parameters)
            known.update(zip(node.outputs, made))
        return known

    @property
    def input_value(self) -> Value:
        return self.values[self.input]

    @property
    def output_value(self) -> Value:
        return self.values[self.output]

    def parameter(self, node: Node, role: str) -> Parameter:
        """The parameter of a node that its op calls `role`."""
        return self.parameters[node.parameter(role)]

    def maker(self, value: str) -> Node | None:
        """The node that makes the value of that name; None for the network's input."""
        return self._makers.get(value)

    def readers(self, value: str) -> tuple[Node, ...]:
        """The nodes that read the value of that name, in order."""
        return tuple(node for node in self.nodes if value in node.inputs)

    @cached_property
    def _makers(self) -> dict[str, Node]:
        return {name: node for node in self.nodes for name in node.outputs}

    def check_input(self, x: np.ndarray) -> np.ndarray:
        """`x`, integers of (batch, elements), (batch, *shape) or (batch, *sample_shape), as
        (batch, *shape) int64.

        Raises InputError for any other shape or dtype, and for values outside the encoding.
        """
        x = as_samples(x, self.name)
        if x.dtype.kind == "f":
            raise InputError(
                f"{self.name}: input has dtype {x.dtype}, but the integer layers take integers; "
                "quantize measurements first: network.quantize(x)"
            )
        x = self._shaped(x)
        self.input_value.encoding.check(x, f"{self.name}: input {self.input}")
        return x.astype(np.int64)

    def quantize(self, x: np.ndarray) -> np.ndarray:
        """Measurements (batch, *sample_shape) to the input integers (batch, *shape) int64.

        Integers pass as they are: they are taken for input integers already.
        Raises InputError for a wrong shape or dtype and for NaN or infinity.
        """
        given = as_samples(x, self.name)
        if given.dtype.kind in "iu":
            return self.check_input(given)
        x = self._shaped(given)
        with np.errstate(over="ignore"):
            finite = np.isfinite(x.astype(np.float32))  # in which it is quantized
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise InputError(
                f"{self.name}: input is {x[where]} at sample {where[0]}, feature {where[1]}; "
                "replace or drop such samples"
            )
        return self.check_input(host.apply(self.quantizer, x).astype(np.int64))

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """Output integers (batch, outputs) to the model's own float32 outputs."""
        return host.apply(self.head, outputs)

    def classes(self, outputs: np.ndarray) -> np.ndarray:
        """Output integers (batch, outputs) to class indices (batch,) int64."""
        if self.decides_class:
            return outputs[:, 0].astype(np.int64)
        return self.scores(outputs).argmax(axis=1).astype(np.int64)

    def changed_classes(self, x: np.ndarray) -> str | None:
        """Of input integers `x`: which samples' class a plain softmax changes, in words; None if it
        changes none, or there is none."""
        softmax = self.last.op
        if not isinstance(softmax, Softmax) or softmax.form != "plain":
            return None
        scores = self.trace(x)[self.last.input]
        changed = softmax.changed(scores)
        if not len(changed):
            return None
        return (
            f"{self.last.name}: its plain form changes the class of {len(changed)} of {len(x)} "
            f"samples: {', '.join(map(str, changed))}; {len(softmax.outside(scores))} have scores "
            "beyond -1..1; take the range-reduced softmax"
        )

    @property
    def last(self) -> Node:
        """The node that makes the output."""
        return self._makers[self.output]

    @property
    def decides_class(self) -> bool:
        """Whether the output is the class index itself (the network ends in an ArgMax)."""
        return isinstance(self.last.op, ArgMax)

    @property
    def weight_bits(self) -> int:
        """Bits of all weights, as stored; a shared layer counts once."""
        shared = {
            name for node in self.nodes if isinstance(node.op, Dense) for name in node.parameters
        }
        return sum(
            self.parameters[name].values.size * self.parameters[name].encoding.bits
            for name in sorted(shared)
        )

    @cached_property
    def structure_id(self) -> str:
        """128 bits, in hex, of all that decides what is computed, but for the values of the
        parameters: networks of one structure can take each other's place in one overlay whose
        parameters can be written."""
        return storage.structure_id(self)

    @cached_property
    def parameters_id(self) -> str:
        """128 bits, in hex, of the values of the parameters."""
        return storage.parameters_id(self)

    @cached_property
    def id(self) -> str:
        """128 bits, in hex, of all that decides what is computed: its name and notes do not."""
        return storage.digest(self.structure_id, self.parameters_id)

    def save(self, folder: Path) -> None:
        """Writes network.json and network.npz into an existing `folder`."""
        storage.write(self, Path(folder))

    @staticmethod
    def load(folder: Path) -> Network:
        """The network that `save` wrote. Raises NetworkError where a file is damaged or missing."""
        return storage.read(Path(folder), Network)

    def _shaped(self, x: np.ndarray) -> np.ndarray:
        value = self.input_value
        known = ((value.size,), value.shape, self.sample_shape)
        if x.ndim < 2 or x.shape[1:] not in known:
            expected = " or ".join(
                f"(batch, {', '.join(map(str, shape))})" for shape in dict.fromkeys(known)
            )
            raise InputError(f"{self.name}: input has shape {x.shape}; expected {expected}")
        return x.reshape(len(x), *value.shape)
