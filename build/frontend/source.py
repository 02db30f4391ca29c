"""Reads an ONNX file as a graph of operations: what becomes of its input, node by node."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bitfold.build.frontend.execution import NodeRunner
from bitfold.build.frontend.loading import load
from bitfold.build.frontend.operators import JOIN, WINDOW, is_known, is_safe, kind_of
from bitfold.build.frontend.problems import (
    Problem,
    UnlowerableError,
    joins_branches,
    unsupported,
)
from bitfold.build.frontend.screening import label, screen
from bitfold.models.errors import FrontendError, shown
from bitfold.models.json_files import parse_json
from bitfold.models.names import plain_name

_QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Operation:
    """A node that turns tensors into another; all its other inputs are `constants`, by name.

    `inputs` are the input of the file and outputs of operations, in the order of the node; one that
    joins branches has several. `samples` and `result` are what flows in and out for some input:
    they tell shapes and dtypes. `has_maps`: the file has feature maps, which are its tensors of
    four axes. `then` are nodes that only make sense together with this one, in order.
    """

    runner: NodeRunner
    name: str
    inputs: tuple[str, ...]
    output: str
    constants: Mapping[str, np.ndarray]
    samples: tuple[np.ndarray, ...]
    result: np.ndarray
    has_maps: bool = False
    then: tuple[Operation, ...] = ()

    @property
    def kind(self) -> str:
        return self.runner.node.op_type

    @property
    def sample(self) -> np.ndarray:
        """What flows into the first of its inputs."""
        return self.samples[0]

    @property
    def is_map(self) -> bool:
        """Whether it is computed on a feature map (batch, channels, height, width)."""
        return self.has_maps and self.sample.ndim == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input, without the batch; of a feature map only one pixel, as all are treated
        alike."""
        return (self.sample.shape[1], 1, 1) if self.is_map else self.sample.shape[1:]

    @property
    def features(self) -> int:
        """How many features are treated each in its own way: those of a sample, or the channels."""
        return prod(self.shape)

    @cached_property
    def attributes(self) -> dict:
        node = self.runner.node
        return {a.name: helper.get_attribute_value(a) for a in node.attribute}

    def operand(self, index: int) -> np.ndarray | None:
        """The constant at this place among the node's inputs; None where there is none."""
        names = self.runner.node.input
        return self.constants.get(names[index]) if index < len(names) else None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(rows, features) to (rows, features), computed by the node itself; of one input only.

        It has to treat all pixels of a feature map alike: these are rows.
        """
        shaped = x.reshape((len(x), *self.shape)).astype(self.sample.dtype)
        node = self.runner.node
        (name,) = (name for name in node.input if name and name not in self.constants)
        y = self.runner({**self.constants, name: shaped})[node.output[0]]
        y = y.reshape(len(x), -1)
        for operation in self.then:
            y = operation(y)
        return y


def value_shape(tensor: np.ndarray, has_maps: bool) -> tuple[int, ...]:
    """The shape that a network has for samples like `tensor`, (batch, ...), of a file with feature
    maps or one without: (height, width, channels) of a map, else (features,)."""
    if has_maps and tensor.ndim == 4:
        channels, height, width = tensor.shape[1:]
        return (height, width, channels)
    return (prod(tensor.shape[1:]),)


@dataclass(frozen=True)
class Source:
    """An ONNX file: its one input, and the operations on the way to its one output, in an order in
    which each finds its inputs made.

    `problems` are the nodes that made it impossible to say more.
    """

    path: Path
    model: onnx.ModelProto
    input: str
    sample: np.ndarray
    operations: tuple[Operation, ...]
    output: str
    problems: tuple[Problem, ...]
    # By which node each tensor that does not depend on the input was made, and its value.
    makers: Mapping[str, onnx.NodeProto]
    values: Mapping[str, np.ndarray]
    has_maps: bool

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.sample.shape[1:]

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself; bitfold's own exporter says it under `bitfold.*`."""
        return {entry.key: entry.value for entry in self.model.metadata_props}

    def names(self, key: str) -> tuple[str, ...]:
        """The names that the file lists under `bitfold.` and `key`, as JSON; () where there are
        none."""
        try:
            text = self.metadata.get(f"bitfold.{key}", "[]")
            names = parse_json(text, FrontendError, str(self.path), "export it again")
        except FrontendError:
            return ()
        return tuple(plain_name(str(name)) for name in names) if isinstance(names, list) else ()

    @cached_property
    def input_datatype(self) -> str | None:
        """The name of the integers that the file declares its input to be, if it does.

        Either ONNX's own 8-bit types, or the datatype annotation of FINN's dialect.
        """
        if np.issubdtype(self.sample.dtype, np.integer):
            return self.sample.dtype.name.upper()
        for annotation in self.model.graph.quantization_annotation:
            if annotation.tensor_name == self.input:
                for entry in annotation.quant_parameter_tensor_names:
                    if entry.key == "finn_datatype" and not entry.value.startswith("FLOAT"):
                        return entry.value
        return None

    def ancestry(self, tensor: str) -> tuple[str, list[np.ndarray]]:
        """Where a constant comes from: its initializer's name, and the scales of its quantizers."""
        scales = []
        while tensor in self.makers and self.makers[tensor].input:
            node = self.makers[tensor]
            if node.op_type in _QUANTIZERS:
                scales.append(self.values[node.input[1]])
            tensor = node.input[0]
        return tensor, scales


def read_source(path: Path) -> Source:
    """Raises FrontendError for what is no graph with one input; notes all else as problems."""
    model = screen(path, load(path))
    graph = model.graph
    try:
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    except (ValueError, TypeError, RuntimeError) as error:
        raise FrontendError(f"{path}: damaged weights ({error}); export it again") from error
    inputs = [value for value in graph.input if value.name not in values]
    for kind, ports in (("inputs", inputs), ("outputs", list(graph.output))):
        if len(ports) != 1:
            names = ", ".join(port.name for port in ports) or "none"
            raise FrontendError(
                f"{path}: the graph has {len(ports)} {kind} ({names}); "
                "export a network with one input and one output"
            )
    sample = _sample(path, inputs[0])
    walk = _Walk(graph, {entry.domain: entry.version for entry in model.opset_import}, values)
    operations = walk.follow(inputs[0].name, sample, graph.output[0].name)
    output = walk.stands_for(graph.output[0].name)
    if output not in walk.dependent or not (operations or walk.problems):
        raise FrontendError(
            f"{path}: no node makes the output {graph.output[0].name} from the input "
            f"{inputs[0].name}; the file is truncated or damaged: export it again"
        )
    problems = tuple(walk.problems)
    return Source(
        path,
        model,
        inputs[0].name,
        sample,
        operations,
        output,
        problems,
        walk.makers,
        values,
        walk.has_maps,
    )


def _sample(path: Path, value: onnx.ValueInfoProto) -> np.ndarray:
    """Zeros of the input's shape and type; a batch that is left open is 1."""
    tensor = value.type.tensor_type
    dims = [dim.dim_value for dim in tensor.shape.dim]
    if len(dims) < 2 or not all(dims[1:]):
        shown = [dim.dim_value or dim.dim_param or "?" for dim in tensor.shape.dim]
        raise FrontendError(
            f"{path}: input {value.name} has shape {shown}; export with a shape of "
            "(batch, features, ...) in which only the batch may be open"
        )
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    if dtype not in (np.float32, np.int8, np.uint8):
        raise FrontendError(
            f"{path}: input {value.name} has type {dtype}; export with float32, int8 or uint8"
        )
    return np.zeros([max(dims[0], 1), *dims[1:]], dtype)


class _Walk:
    """Executes a graph once, node by node, to tell constants from what depends on the input."""

    def __init__(self, graph: onnx.GraphProto, versions: Mapping[str, int], values: dict):
        self.graph = graph
        self.versions = versions
        self.values = values
        self.makers: dict[str, onnx.NodeProto] = {}
        self.problems: list[Problem] = []
        # What depends on the input, and what it is for the sample; None where that failed.
        self.dependent: dict[str, np.ndarray | None] = {}
        # What would be constant if it could be executed.
        self.unknown: set[str] = set()
        self.needed: set[str] = set()
        # What a node makes that is refused, or was there before: the tensor that takes its place.
        self.replaced: dict[str, str] = {}
        self.seen: dict[tuple, str] = {}
        self.has_maps = any(node.op_type in WINDOW for node in graph.node)

    def follow(self, start: str, sample: np.ndarray, end: str) -> tuple[Operation, ...]:
        self.dependent[start] = sample
        self.needed = self._needed(end)
        operations = []
        for index, node in enumerate(self.graph.node):
            if not self.needed.isdisjoint(node.output):
                operation = self._visit(label(node, index), node)
                if operation:
                    operations.append(operation)
        return _join_quantize_dequantize(operations)

    def stands_for(self, tensor: str) -> str:
        """The input of the file or output of an operation that takes the place of `tensor`."""
        while tensor in self.replaced:
            tensor = self.replaced[tensor]
        return tensor

    def _visit(self, name: str, node: onnx.NodeProto) -> Operation | None:
        inputs = [name for name in node.input if name]
        moving = [i for i in inputs if i in self.dependent]
        if not moving:
            self._constant(name, node, self.values)
        elif node.op_type in ("Shape", "Size") and self.dependent[moving[0]] is not None:
            self._constant(name, node, self.dependent)
        else:
            return self._operation(name, node, moving)
        return None

    def _needed(self, end: str) -> set[str]:
        """All tensors that the output is made of."""
        needed = {end}
        for node in reversed(self.graph.node):
            if not needed.isdisjoint(node.output):
                needed.update(node.input)
        return needed

    def _note(self, name: str, kind: str, error: UnlowerableError) -> None:
        self.problems.append(Problem(name, kind, error.reason, error.remedy))

    def _constant(self, name: str, node: onnx.NodeProto, inputs: Mapping) -> None:
        outputs = None
        if not is_safe(node):
            self._note(name, kind_of(node), unsupported(kind_of(node)))
        elif self.unknown.isdisjoint(node.input):
            try:
                outputs = NodeRunner(node, self.versions)(inputs)
            except Exception as error:
                self._note(name, kind_of(node), _not_executable(error))
        if outputs is None:
            self.unknown.update(node.output)
        else:
            self.values.update(outputs)
            self.makers.update(dict.fromkeys(outputs, node))

    def _operation(self, name: str, node: onnx.NodeProto, moving: list[str]) -> Operation | None:
        refused = self._refusal(node, moving)
        if refused:
            self._note(name, kind_of(node), refused)
        constants = {i: self.values[i] for i in node.input if i in self.values}
        samples = {i: self.dependent[i] for i in moving}
        runner = NodeRunner(node, self.versions)
        outputs = dict.fromkeys(node.output)
        output = next(o for o in node.output if o in self.needed)
        inputs = tuple(self.stands_for(name) for name in moving)
        before = self.seen.setdefault(self._meaning(node, output), output)
        if before != output and not refused:
            self.dependent[output] = self.dependent[before]
            self.replaced[output] = before
            return None
        # Behind a node that can't be executed nothing is known but the operators.
        blind = any(sample is None for sample in samples.values())
        if is_safe(node) and not blind and self.unknown.isdisjoint(node.input):
            try:
                outputs = runner({**constants, **samples})
            except Exception as error:
                if not refused:
                    self._note(name, kind_of(node), _not_executable(error))
        self.dependent.update(outputs)
        result = outputs[output]
        if refused or result is None:
            self.replaced.update(dict.fromkeys(outputs, inputs[0]))
            return None
        flowing = tuple(samples[name] for name in moving)
        return Operation(runner, name, inputs, output, constants, flowing, result, self.has_maps)

    def _meaning(self, node: onnx.NodeProto, output: str) -> tuple:
        """What tells its `output` from all others: two nodes that have this in common are one."""
        alone = onnx.NodeProto()
        alone.CopyFrom(node)
        for field in ("name", "doc_string", "metadata_props", "input", "output"):
            alone.ClearField(field)
        operands = []
        for name in node.input:
            value = self.values.get(name)
            if value is None:
                operands.append(self.stands_for(name))
            else:
                digest = hashlib.blake2b(np.ascontiguousarray(value)).digest()
                operands.append((value.dtype.str, value.shape, digest))
        return (alone.SerializeToString(), list(node.output).index(output), *operands)

    def _refusal(self, node: onnx.NodeProto, moving: list[str]) -> UnlowerableError | None:
        """Why the front end has no meaning for a node that depends on the input; None if it has."""
        if len(moving) > 1 and node.op_type not in JOIN:
            return joins_branches(node.op_type)
        if not is_known(node):
            return unsupported(kind_of(node))
        if len(self.needed.intersection(node.output)) > 1:
            return UnlowerableError("several of its outputs are used", "use one of them")
        return None


def _not_executable(error: Exception) -> UnlowerableError:
    return UnlowerableError(
        f"it can't be executed ({shown(' '.join(str(error).split()), 200)})",
        "check it with onnxruntime, or export it again with operators of ONNX and QONNX",
    )


def _join_quantize_dequantize(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Makes one quantizer of QuantizeLinear, an optional Clip, and DequantizeLinear."""
    readers = Counter(name for operation in operations for name in operation.inputs)
    joined: dict[str, Operation] = {}
    for operation in operations:
        first = operation.inputs[0]
        last = joined.get(first)
        parts = [part.kind for part in (last, *last.then)] if last else []
        if (parts == ["QuantizeLinear"] and operation.kind in ("Clip", "DequantizeLinear")) or (
            parts == ["QuantizeLinear", "Clip"] and operation.kind == "DequantizeLinear"
        ):
            operation = replace(
                last,
                output=operation.output,
                result=operation.result,
                then=(*last.then, operation),
            )
            readers[first] -= 1
            if not readers[first]:
                del joined[first]
        joined[operation.output] = operation
    return tuple(joined.values())
