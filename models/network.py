"""Network: a quantized network as a graph of integer operations. Calling it is the reference.

A network maps (batch, *shape) integers of its input value to those of its output value. What
surrounds that in float32 stands beside it and is done by the host: `quantizer` turns measurements
into the input integers, `head` turns the output integers into scores.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np

from bitfold.models import host, storage
from bitfold.models.arrays import as_samples
from bitfold.models.errors import InputError, InputWarning
from bitfold.models.host import HostOp
from bitfold.models.inputs import (
    INTEGERS,
    LARGEST_PIXEL,
    MEASUREMENTS,
    PIXELS,
    as_reals,
    as_whole,
    check_meaning,
    may_be_pixels,
)
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Softmax
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
        """`x`, integers of (batch, elements) or (batch, *shape), as (batch, *shape) int64; where
        they are no feature map, also of (batch, *sample_shape).

        Raises InputError for any other shape or dtype, and for values outside the encoding.
        """
        x = as_samples(x, self.name)
        if x.dtype.kind == "f":
            raise InputError(
                f"{self.name}: input has dtype {x.dtype}, but the integer layers take integers; "
                "quantize measurements first: network.quantize(x)"
            )
        x = self._shaped(x, self.integer_shapes).reshape(len(x), *self.input_value.shape)
        remedy = ""
        if self.quantizer:
            remedy = (
                f"; give inputs={MEASUREMENTS!r}, or {PIXELS!r} for 0..{LARGEST_PIXEL}, to have "
                "it quantized"
            )
        self.input_value.encoding.check(x, f"{self.name}: input {self.input}", remedy)
        return x.astype(np.int64)

    def takes_integers(self, inputs: str) -> bool:
        """Whether what is called so are the network's own integers, as measurements are where there
        is no quantizer. Raises InputError for what is no name of models/inputs.py."""
        check_meaning(inputs, self.name)
        return inputs == INTEGERS or (inputs == MEASUREMENTS and not self.quantizer)

    def quantize(self, x: np.ndarray, *, inputs: str = MEASUREMENTS) -> np.ndarray:
        """Samples (batch, *sample_shape) or (batch, features) to the input integers (batch, *shape)
        int64; `inputs` names what their numbers mean, whatever the dtype (models/inputs.py).

        Raises InputError for a wrong shape, dtype or name, for numbers that are not what they are
        called, and for NaN or infinity. Warns, with an InputWarning, where whole numbers of 0..255
        only saturate, and would not as pixels.
        """
        x = as_samples(x, self.name)
        if self.takes_integers(inputs):
            remedy = "the network has no quantizer, and takes whole numbers only"
            if self.quantizer:
                remedy = f"its integers are whole numbers: give inputs={MEASUREMENTS!r}"
            x = self._shaped(x, self.integer_shapes)
            return self.check_input(as_whole(x, self.name, remedy))
        if not self.quantizer:
            raise InputError(
                f"{self.name}: pixels are fractions of {LARGEST_PIXEL}, and the network has no "
                f"quantizer that makes integers of them; give inputs={INTEGERS!r}"
            )
        sample = (prod(self.sample_shape),)
        x = self._shaped(x, _alike(sample, self.sample_shape, *self._flat_shapes))
        made = self._made(x, inputs)
        integers = as_whole(made, self.name, "that is what its quantizer makes, no integer")
        self.input_value.encoding.check(integers, f"{self.name}: input {self.input}")
        if inputs == MEASUREMENTS and may_be_pixels(x):
            self._doubt(x, made)
        return integers.reshape(len(x), *self.input_value.shape)

    def _made(self, x: np.ndarray, inputs: str) -> np.ndarray:
        """What the quantizer makes of measurements or pixels (batch, features): float32."""
        return host.apply(self.quantizer, as_reals(x, inputs, self.name))

    def _doubt(self, measurements: np.ndarray, made: np.ndarray) -> None:
        """Warns where measurements, of which the quantizer made `made`, look like pixels."""
        saturated = (made == self._made(np.minimum(measurements, 1), MEASUREMENTS)).all()
        if saturated and (made != self._made(measurements, PIXELS)).any():
            message = (
                f"{self.name}: of the measurements 0..{measurements.max()} all above 0 saturate; "
                f"give inputs={PIXELS!r} if they are pixels"
            )
            warnings.warn(InputWarning(message), stacklevel=3)

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
        shared = {node.parameter("weights") for node in self.nodes if "weights" in node.op.roles}
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

    @cached_property
    def integer_shapes(self) -> tuple[tuple[int, ...], ...]:
        """In which a sample of input integers may come."""
        value = self.input_value
        return _alike((value.size,), value.shape, *self._flat_shapes)

    @property
    def _flat_shapes(self) -> tuple[tuple[int, ...], ...]:
        """In which both samples and input integers may come: none where these are a feature map,
        whose channels are last, wherever they are in a sample."""
        shape = self.input_value.shape
        return (shape, self.sample_shape) if len(shape) == 1 else ()

    def _shaped(self, x: np.ndarray, known: tuple[tuple[int, ...], ...]) -> np.ndarray:
        """`x`, whose samples have one of the shapes, with the first of them."""
        if x.ndim < 2 or x.shape[1:] not in known:
            expected = " or ".join(f"(batch, {', '.join(map(str, shape))})" for shape in known)
            raise InputError(f"{self.name}: input has shape {x.shape}; expected {expected}")
        return x.reshape(len(x), *known[0])


def _alike(first: tuple[int, ...], *others: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The first of the shapes, and those of as many elements, each once."""
    return tuple(dict.fromkeys((first, *(o for o in others if prod(o) == prod(first)))))
