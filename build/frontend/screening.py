"""Refuses files whose form makes libraries crash, hang or disagree, before one of them runs.

What is left is a graph in SSA form and topological order, of plain dense tensors that the file
holds itself, with operators that compute and do nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from math import prod
from pathlib import Path

import onnx
from onnx import AttributeProto, TensorProto, helper, inliner

from bitfold.build.frontend.operators import QONNX_DOMAIN, QONNX_OPERATORS, has_subgraph
from bitfold.build.frontend.problems import Problem, refuse
from bitfold.models.errors import FrontendError, shown

MAX_NODES = 10_000
MAX_SAMPLE_ELEMENTS = 2**22
OLDEST_OPSET = 7
"""The first that onnxruntime promises to execute."""

_NEWEST_OPSET = onnx.defs.onnx_opset_version()
_MOST_DIMENSIONS = 8
_MOST_CALLERS = 32
_NAMES = {number: name for name, number in TensorProto.DataType.items()}
_NUMBERS = {
    *("FLOAT", "DOUBLE", "FLOAT16", "BOOL", "INT8", "INT16", "INT32", "INT64"),
    *("UINT8", "UINT16", "UINT32", "UINT64"),
}
# Which attributes the QONNX operators have; qonnx takes a value of any type for each.
_QUANT = {"signed": (0, 1), "narrow": (0, 1), "rounding_mode": AttributeProto.STRING}
_ATTRIBUTES = {
    "Quant": _QUANT,
    "IntQuant": _QUANT,
    "Trunc": _QUANT,
    "BipolarQuant": {},
    "MultiThreshold": {
        "out_dtype": AttributeProto.STRING,
        "out_scale": AttributeProto.FLOAT,
        "out_bias": AttributeProto.FLOAT,
        "data_layout": AttributeProto.STRING,
    },
}
_AGAIN = "the file is damaged: export it again"


def screen(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with operators in the domains that they have today, without unused nodes.

    Raises FrontendError, for nodes with all that is wrong with them.
    """
    screened = onnx.ModelProto()
    screened.CopyFrom(_inlined(path, model))
    graph = screened.graph
    for node in graph.node:
        # Brevitas and FINN once had domains of their own for what is QONNX now.
        if node.op_type in QONNX_OPERATORS:
            node.domain = QONNX_DOMAIN
        elif node.domain == "ai.onnx":
            node.domain = ""
    _check_whole(path, screened)
    refuse(str(path), [*_node_problems(graph), *_order_problems(graph)])
    _drop_claims(screened)
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    return screened


def _inlined(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions' nodes in place of their calls, which onnx expands blindly."""
    if not model.functions:
        return model
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    bodies = [model.graph.node, *(function.node for function in model.functions)]
    if len(functions) < len(model.functions) or any(map(has_subgraph, chain(*bodies))):
        raise FrontendError(
            f"{path}: its functions are defined twice or stand beside control flow; export with "
            "functions inlined"
        )
    sizes: dict[tuple, int] = {}

    def size(nodes: Iterable[onnx.NodeProto], callers: tuple) -> int:
        return sum(called(node, callers) for node in nodes)

    def called(node: onnx.NodeProto, callers: tuple) -> int:
        key = (node.domain, node.op_type, node.overload)
        if key not in functions:
            return 1
        if key in callers or len(callers) >= _MOST_CALLERS:
            raise FrontendError(
                f"{path}: function {shown(node.op_type)} calls itself, or by way of more than "
                f"{_MOST_CALLERS} others; export with functions inlined"
            )
        if key not in sizes:
            sizes[key] = size(functions[key].node, (*callers, key))
        return sizes[key]

    _check_count(path, size(model.graph.node, ()))
    return inliner.inline_local_functions(model)


def _drop_claims(model: onnx.ModelProto) -> None:
    """Removes what the file says of tensors that it does not hold: shapes and types are found."""
    graph = model.graph
    del graph.value_info[:]
    inputs = {value.name for value in graph.input}
    annotations = [a for a in graph.quantization_annotation if a.tensor_name in inputs]
    del graph.quantization_annotation[:]
    graph.quantization_annotation.extend(annotations)
    told = [entry for entry in model.metadata_props if entry.key.startswith("bitfold.")]
    del model.metadata_props[:]
    model.metadata_props.extend(told)


def _check_count(path: Path, nodes: int) -> None:
    if nodes > MAX_NODES:
        raise FrontendError(
            f"{path}: {nodes} nodes are too many (at most {MAX_NODES}); export layers as whole "
            "matrices"
        )


def label(node: onnx.NodeProto, index: int) -> str:
    """What errors call a node: its name, or what tells it from the others."""
    return node.name or f"node {index}, which makes {next(iter(node.output), 'nothing')}"


def _check_whole(path: Path, model: onnx.ModelProto) -> None:
    graph = model.graph
    for what, there, remedy in (
        ("training information", model.training_info, "export in evaluation mode"),
        ("sparse initializers", graph.sparse_initializer, "export dense weights"),
    ):
        if there:
            raise FrontendError(f"{path}: it has {what}; {remedy}")
    _check_count(path, len(graph.node))
    _check_versions(path, model)
    for tensor in graph.initializer:
        reason = _malformed(tensor)
        if reason:
            raise FrontendError(f"{path}: initializer {shown(tensor.name)!r}: {reason}; {_AGAIN}")
    for kind, names in (
        ("inputs", [value.name for value in graph.input]),
        ("initializers", [tensor.name for tensor in graph.initializer]),
        ("outputs", [value.name for value in graph.output]),
    ):
        for name, count in Counter(names).items():
            if count > 1 or not name:
                raise FrontendError(f"{path}: {count} {kind} are named {shown(name)!r}; {_AGAIN}")
    for value in graph.input:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) > _MOST_DIMENSIONS or min(dims, default=0) < 0 or _too_many(dims):
            raise FrontendError(
                f"{path}: input {shown(value.name)} has shape {shown(dims)}; a sample has at most "
                f"{_MOST_DIMENSIONS} dimensions and {MAX_SAMPLE_ELEMENTS} elements"
            )


def _too_many(dims: list[int]) -> bool:
    return prod(max(dim, 1) for dim in dims) > MAX_SAMPLE_ELEMENTS


def _check_versions(path: Path, model: onnx.ModelProto) -> None:
    domains = Counter(entry.domain.removeprefix("ai.onnx") for entry in model.opset_import)
    for domain, count in domains.items():
        if count > 1:
            raise FrontendError(
                f"{path}: imports operators {shown(domain or 'ai.onnx')!r} twice; {_AGAIN}"
            )
    for entry in model.opset_import:
        if entry.domain == "ai.onnx":
            entry.domain = ""
        if entry.domain == "" and not OLDEST_OPSET <= entry.version <= _NEWEST_OPSET:
            raise FrontendError(
                f"{path}: uses version {entry.version} of ONNX's operators; export with opset "
                f"{OLDEST_OPSET} to {_NEWEST_OPSET}"
            )


def _malformed(tensor: TensorProto) -> str | None:
    """What is wrong with a tensor, if anything: it has to hold as many values as its shape says."""
    kind = _NAMES.get(tensor.data_type, str(tensor.data_type))
    if kind not in _NUMBERS:
        return f"a tensor of {kind}, not of numbers"
    if tensor.data_location != TensorProto.DEFAULT or tensor.HasField("segment"):
        return "its values are not in the file"
    if len(tensor.dims) > _MOST_DIMENSIONS or any(dim < 0 for dim in tensor.dims):
        return f"its shape is {shown(list(tensor.dims))}"
    itemsize = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    fields = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data")
    held = {field: len(getattr(tensor, field)) for field in fields if getattr(tensor, field)}
    if tensor.raw_data:
        held["raw_data"] = len(tensor.raw_data) // itemsize
        if len(tensor.raw_data) % itemsize:
            return f"{len(tensor.raw_data)} bytes are no whole number of values"
    if len(held) > 1:
        return f"its values stand twice, as {' and '.join(held)}"
    field, count = next(iter(held.items()), ("raw_data", 0))
    if field not in ("raw_data", helper.tensor_dtype_to_field(tensor.data_type)):
        return f"a tensor of {kind} with {field}"
    if count != prod(tensor.dims):
        return f"{count} values in a shape of {shown(list(tensor.dims))}"
    return None


def _node_problems(graph: onnx.GraphProto) -> Iterator[Problem]:
    for index, node in enumerate(graph.node):
        for reason in _attribute_faults(node):
            yield Problem(label(node, index), node.op_type, reason, _AGAIN)


def _attribute_faults(node: onnx.NodeProto) -> Iterator[str]:
    for name, count in Counter(attribute.name for attribute in node.attribute).items():
        if count > 1:
            yield f"it has {count} attributes named {shown(name)!r}"
    legal = _ATTRIBUTES.get(node.op_type) if node.domain == QONNX_DOMAIN else None
    for attribute in node.attribute:
        what = f"its attribute {shown(attribute.name)!r}"
        if attribute.ref_attr_name or attribute.type == AttributeProto.UNDEFINED:
            yield f"{what} has no value"
        elif attribute.type == AttributeProto.TENSOR and _malformed(attribute.t):
            yield f"{what}: {_malformed(attribute.t)}"
        elif legal is not None:
            wanted = legal.get(attribute.name)
            if wanted is None:
                yield f"{node.op_type} has no attribute {shown(attribute.name)!r}"
            elif isinstance(wanted, tuple):
                if attribute.type != AttributeProto.INT or attribute.i not in wanted:
                    yield f"{what} is neither {wanted[0]} nor {wanted[1]}"
            elif attribute.type != wanted:
                yield f"{what} has another type than {AttributeProto.AttributeType.Name(wanted)}"


def _order_problems(graph: onnx.GraphProto) -> Iterator[Problem]:
    """Tensors that are made twice, or read before they are made."""
    given = {value.name for value in (*graph.input, *graph.initializer)}
    made_anywhere = {name for node in graph.node for name in node.output}
    defined = {"", *given}
    for index, node in enumerate(graph.node):
        for reason in (
            *_undefined(node.input, defined, made_anywhere),
            *_made_again(node.output, defined),
        ):
            yield Problem(label(node, index), node.op_type, reason, _AGAIN)
        defined.update(node.input)
        defined.update(node.output)


def _undefined(names: Iterable[str], defined: set[str], anywhere: set[str]) -> Iterator[str]:
    for name in dict.fromkeys(names):
        if name not in defined:
            later = "; a node behind it does" if name in anywhere else ""
            yield f"nothing before it makes its input {shown(name)}{later}"


def _made_again(names: Iterable[str], defined: set[str]) -> Iterator[str]:
    counts = Counter(name for name in names if name)
    for name, count in counts.items():
        if name in defined or count > 1:
            yield f"it makes {shown(name)}, which is there already"
