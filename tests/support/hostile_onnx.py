"""Hostile ONNX files: made to crash, hang, fill the memory, read elsewhere, or mislead a reader.

`hostile_files()` gives them all by name, the same in every run; as a program, with a FOLDER, this
file writes them there. None of them is a network that a reader should give.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
_MADE: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto | bytes | None]] = {}


def good_model() -> onnx.ModelProto:
    """4-5-3 with weights and activations of 4 bits: what the others are made of."""
    random = np.random.default_rng(3)
    constants = {
        **{"one": 1, "zero": 0, "four": 4, "eight": 8},
        "w1": random.integers(-7, 8, (4, 5)),
        "w2": random.integers(-7, 8, (5, 3)),
    }
    nodes = [
        _quant("x", "a", "eight"),
        helper.make_node("MatMul", ["a", "w1"], ["b"], name="first"),
        _quant("b", "c", "four"),
        helper.make_node("MatMul", ["c", "w2"], ["y"], name="second"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def hostile_files() -> dict[str, bytes]:
    """The content of each file, by a name that says what is wrong with it."""
    files = {}
    for name, change in _MADE.items():
        model = good_model()
        changed = change(model)
        changed = model if changed is None else changed
        files[name] = changed if isinstance(changed, bytes) else changed.SerializeToString()
    return files


def _quant(source: str, result: str, bits: str, scale="one", zero="zero", **attributes):
    return helper.make_node(
        "Quant",
        [source, scale, zero, bits],
        [result],
        name=f"quant_{result}",
        domain=QONNX,
        **{"signed": 0, "narrow": 0, **attributes},
    )


def _set(model: onnx.ModelProto, name: str, value) -> None:
    """Gives an initializer another value, or adds it."""
    kept = [tensor for tensor in model.graph.initializer if tensor.name != name]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    value = np.asarray(value)
    value = value if value.dtype.kind in "iu" else value.astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(value, name))


def _weights(model: onnx.ModelProto) -> TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == "w1")


def _before_first(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Puts nodes in front; what the last one makes takes the place of the first weights."""
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    first = next(node for node in model.graph.node if node.name == "first")
    first.input[1] = nodes[-1].output[0]


def _between(model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """Puts a node from `b` to `n` between the first product and its quantizer."""
    model.graph.node.insert(2, node)
    model.graph.node[3].input[0] = "n"


def _made(function: Callable) -> Callable:
    _MADE[function.__name__.lstrip("_")] = function
    return function


# Crashes and hangs.


@_made
def _function_that_calls_itself(model):
    body = [helper.make_node("Again", ["i"], ["o"], domain="local")]
    imports = [helper.make_opsetid("local", 1), helper.make_opsetid("", 13)]
    function = helper.make_function("local", "Again", ["i"], ["o"], body, imports)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    _between(model, helper.make_node("Again", ["b"], ["n"], domain="local"))


@_made
def _functions_that_double(model):
    imports = [helper.make_opsetid("local", 1), helper.make_opsetid("", 13)]
    for level in range(30):
        callee, domain = (f"Level{level + 1}", "local") if level < 29 else ("Identity", "")
        body = [
            helper.make_node(callee, ["i"], ["m"], domain=domain),
            helper.make_node(callee, ["m"], ["o"], domain=domain),
        ]
        function = helper.make_function("local", f"Level{level}", ["i"], ["o"], body, imports)
        model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    _between(model, helper.make_node("Level0", ["b"], ["n"], domain="local"))


def _loop(source: str, result: str, trips: str) -> onnx.NodeProto:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["more_out"]),
            helper.make_node("Add", ["v", "v"], ["v_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("more_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v_out", TensorProto.FLOAT, None),
        ],
    )
    return helper.make_node("Loop", [trips, "", source], [result], body=body)


@_made
def _loop_of_2_to_the_62(model):
    _set(model, "trips", np.int64(2**62))
    _between(model, _loop("b", "n", "trips"))


@_made
def _loop_that_makes_weights(model):
    _set(model, "trips", np.int64(2**62))
    _before_first(model, _loop("w1", "w", "trips"))


@_made
def _if_with_branches(model):
    _set(model, "condition", np.int64(1))
    branches = {
        name: helper.make_graph(
            [helper.make_node("Identity", ["b"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 5])],
        )
        for name in ("then_branch", "else_branch")
    }
    cast = helper.make_node("Cast", ["condition"], ["yes"], to=TensorProto.BOOL)
    model.graph.node.insert(0, cast)
    model.graph.node.insert(3, helper.make_node("If", ["yes"], ["n"], **branches))
    model.graph.node[4].input[0] = "n"


@_made
def _deeply_nested_messages(model):
    graph = b""
    for _ in range(20_000):  # attribute.g.node.attribute ...: every length is written out
        inner = b"\x32" + _varint(len(graph)) + graph
        inner = b"\x2a" + _varint(len(inner)) + inner
        graph = b"\x0a" + _varint(len(inner)) + inner
    return b"\x08\x08\x3a" + _varint(len(graph)) + graph


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@_made
def _random_bytes(model):
    return np.random.default_rng(0).bytes(4096)


@_made
def _many_empty_nodes(model):
    return model.SerializeToString() + b"\x3a" + _varint(2_000_000) + b"\x0a\x00" * 1_000_000


# Sizes.


@_made
def _weights_of_2_to_the_40(model):
    _weights(model).dims[:] = [2**20, 2**20]


@_made
def _weights_of_negative_size(model):
    _weights(model).dims[:] = [-4, -5]


@_made
def _input_of_2_to_the_40(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**40


@_made
def _batch_of_2_to_the_40(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**40


@_made
def _input_of_negative_size(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = -4


@_made
def _constant_of_shape_bomb(model):
    _set(model, "shape", np.array([2**20, 2**20]))
    _before_first(model, helper.make_node("ConstantOfShape", ["shape"], ["w"]))


@_made
def _expand_bomb(model):
    _set(model, "shape", np.array([2**18, 4, 2**18]))
    node = helper.make_node("Expand", ["one", "shape"], ["big"])
    _before_first(model, node, helper.make_node("Add", ["w1", "big"], ["w"]))


@_made
def _range_bomb(model):
    _set(model, "end", np.int64(2**40))
    for name, value in (("from", 0), ("step", 1)):
        _set(model, name, np.int64(value))
    node = helper.make_node("Range", ["from", "end", "step"], ["big"])
    _before_first(model, node, helper.make_node("Cast", ["big"], ["w"], to=1))


@_made
def _tile_bomb(model):
    _set(model, "times", np.array([2**20, 2**16]))
    _before_first(model, helper.make_node("Tile", ["w1", "times"], ["w"]))


@_made
def _tiles_of_tiles(model):
    _set(model, "times", np.array([8, 8]))
    names = ["w1", *(f"tile{i}" for i in range(12))]
    nodes = [helper.make_node("Tile", [a, "times"], [b]) for a, b in pairwise(names)]
    _before_first(model, *nodes)


@_made
def _thresholds_of_2_to_the_18(model):
    _set(model, "t", np.arange(2**18)[None].astype(np.float32))
    _between(model, helper.make_node("MultiThreshold", ["b", "t"], ["n"], domain=QONNX))


@_made
def _many_attributes(model):
    node = model.graph.node[1]
    node.attribute.extend(helper.make_attribute(f"a{i}", i) for i in range(20_000))


@_made
def _many_nodes(model):
    for i in range(20_000):
        model.graph.node.append(helper.make_node("Identity", ["x"], [f"dead{i}"]))


@_made
def _strings_as_weights(model):
    tensor = _weights(model)
    tensor.CopyFrom(helper.make_tensor("w1", TensorProto.STRING, [4, 5], [b"1"] * 20))


@_made
def _sparse_weights(model):
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "sparse"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([2**60]), "at"))
    sparse.dims[:] = [2**40, 2**40]


@_made
def _values_that_stand_twice(model):
    _weights(model).float_data.extend([0.5] * 20)


# Files and modules elsewhere.


def _external(location: str, **more):
    def change(model):
        tensor = _weights(model)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            tensor.external_data.add(key=key, value=value)

    return change


_MADE |= {
    "external_data_above": _external("../../../../etc/passwd"),
    "external_data_absolute": _external("/etc/passwd"),
    "external_data_endless": _external("/dev/zero", length="80"),
    "external_data_is_the_folder": _external("."),
    "external_data_with_nul": _external("w\0"),
    "external_data_negative": _external("external.bin", offset="-1", length="80"),
    "external_data_of_2_to_the_62": _external("external.bin", length=str(2**62)),
    "external_data_no_number": _external("external.bin", length="many"),
    "external_data_linked": _external("link.bin"),
}


def _domain(domain: str, kind: str = "Relu"):
    def change(model):
        if domain != QONNX:
            model.opset_import.append(helper.make_opsetid(domain, 1))
        _between(model, helper.make_node(kind, ["b"], ["n"], domain=domain))

    return change


_MADE |= {
    "domain_that_is_a_module": _domain("hostile_module"),
    "domain_antigravity": _domain("antigravity"),
    "domain_of_a_file": _domain("../../x"),
    "domain_of_microsoft": _domain("com.microsoft", "Gelu"),
    "domain_of_qonnx_that_reads_a_model": _domain(QONNX, "GenericPartition"),
}


# What libraries see differently.


@_made
def _made_twice(model):
    model.graph.node.insert(2, helper.make_node("Neg", ["b"], ["b"]))


@_made
def _made_twice_by_one_node(model):
    model.graph.node.insert(2, helper.make_node("Dropout", ["b"], ["n", "n"]))
    model.graph.node[3].input[0] = "n"


@_made
def _made_over_an_initializer(model):
    model.graph.node.insert(1, helper.make_node("Relu", ["a"], ["w1"]))


@_made
def _initializer_twice(model):
    other = np.ones((4, 5), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(other, "w1"))


@_made
def _initializer_over_the_input(model):
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 4), np.float32), "x"))


@_made
def _cycle(model):
    model.graph.node[1].input[0] = "c"


@_made
def _undefined_input(model):
    model.graph.node[1].input[1] = "nowhere"


@_made
def _output_is_the_input(model):
    model.graph.output[0].name = "x"


@_made
def _output_is_an_initializer(model):
    model.graph.output[0].name = "w1"


@_made
def _attribute_twice(model):
    model.graph.node[0].attribute.append(helper.make_attribute("signed", 1))


@_made
def _attribute_of_another_type(model):
    attribute = model.graph.node[0].attribute[0]
    attribute.CopyFrom(helper.make_attribute(attribute.name, 1.0))


@_made
def _attribute_without_a_type(model):
    model.graph.node[0].attribute[0].type = AttributeProto.UNDEFINED


@_made
def _attribute_that_refers(model):
    model.graph.node[0].attribute[0].ref_attr_name = "signed"


@_made
def _weights_that_nearly_are_integers(model):
    _set(model, "shift", np.float32(0.004))
    _before_first(
        model,
        _quant("w1", "q", "eight", signed=1),
        helper.make_node("Add", ["q", "shift"], ["w"]),
    )


@_made
def _random_weights(model):
    _before_first(model, helper.make_node("RandomNormalLike", ["w1"], ["w"]))


@_made
def _dropout_in_training(model):
    _set(model, "ratio", 0.5)
    _set(model, "yes", np.int64(1))
    model.graph.node.insert(0, helper.make_node("Cast", ["yes"], ["training"], to=9))
    model.graph.node.insert(3, helper.make_node("Dropout", ["b", "ratio", "training"], ["n"]))
    model.graph.node[4].input[0] = "n"


@_made
def _training_information(model):
    model.training_info.add()


@_made
def _opset_0(model):
    model.opset_import[0].version = 0


@_made
def _opset_of_a_billion(model):
    model.opset_import[0].version = 10**9


@_made
def _opset_twice(model):
    model.opset_import.append(helper.make_opsetid("", 7))


def _scale(value: float, where: int = 0):
    def change(model):
        _set(model, "scale", value)
        model.graph.node[where].input[1] = "scale"

    return change


def _zero_point(value: float):
    def change(model):
        _set(model, "point", value)
        model.graph.node[0].input[2] = "point"

    return change


def _bits(value: float):
    return lambda model: _set(model, "four", value)


def _weight_scale(value: float):
    def change(model):
        with np.errstate(invalid="ignore"):
            _set(model, "w1", numpy_helper.to_array(_weights(model)) * value)

    return change


_MADE |= {
    **{f"scale_{v:g}": _scale(v) for v in (1e-45, 1e-38, 3e38, 0, -1, np.nan, np.inf)},
    **{f"inner_scale_{v:g}": _scale(v, 2) for v in (1e-45, 3e38, 0, np.nan, np.inf)},
    **{f"weight_scale_{v:g}": _weight_scale(v) for v in (1e-43, 4e37, np.nan, np.inf)},
    **{f"zero_point_{v:g}": _zero_point(v) for v in (1e9, -1e30, np.nan, np.inf)},
    **{f"bits_{v:g}": _bits(v) for v in (0, -1, 2.5, 1e9, 3e38, np.nan, np.inf)},
}


@_made
def _quantizer_in_float64(model):
    tensor = numpy_helper.from_array(np.float64(0.1), "scale")
    model.graph.initializer.append(tensor)
    model.graph.node[0].input[1] = "scale"


@_made
def _bias_of_a_quantizer_beyond_float32(model):
    thresholds = np.arange(1, 16, dtype=np.float32)[None]
    _set(model, "t", thresholds)
    attributes = {"out_scale": 0.01, "out_bias": 1e6, "out_dtype": "UINT4"}
    node = helper.make_node("MultiThreshold", ["b", "t"], ["c"], domain=QONNX, **attributes)
    model.graph.node[2].CopyFrom(node)


if __name__ == "__main__":
    for _name, _content in hostile_files().items():
        (Path(sys.argv[1]) / f"{_name}.onnx").write_bytes(_content)
