"""QONNX files: damaged bytes, changed structure, and graphs that were written to harm."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import onnx
from fuzz import mutate
from fuzz.target import working_in
from google.protobuf.descriptor import FieldDescriptor
from onnx import TensorProto, helper, numpy_helper
from support.qonnx_graphs import LAYER_1, U4, U8_INPUT, writer

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.folding import choose
from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.runtime.functional import FunctionalDevice

FILE = "network.onnx"
ROWS = 16
MOST_WEIGHTS = 1 << 16
"""Of a network that is compiled too: a case may take only so long."""

GRAPHS = {
    "two layers": {"body": f"{LAYER_1} y = MatMul(e, w2t)"},
    "gemm": {
        "body": f"{U8_INPUT} b = Gemm<transB = 1>(a, w1) c = {U4.format('b')} y = MatMul(c, w2t)"
    },
    "bipolar": {
        "body": f"{U8_INPUT} s = BipolarQuant(w1t, quarter) b = MatMul(a, s)"
        " c = BipolarQuant(b, one) y = MatMul(c, w2t)"
    },
    "constants": {
        "body": "k = Constant<value_float = 0.25>() q = Add(zero, k) "
        f"{LAYER_1.replace('quarter', 'q')} y = MatMul(e, w2t)"
    },
    "relu": {
        "body": f"{U8_INPUT} b = MatMul(a, w1t) c = Relu(b) d = {U4.format('c')} y = MatMul(d, w2t)"
    },
    "image": {
        "body": f"f = Reshape(x, flat) {U8_INPUT.replace('(x,', '(f,')} y = MatMul(a, w1t)",
        "x": "float[1, 1, 2, 2] x",
        "y": "float[1, 5] y",
        "flat": np.array([1, -1]),
    },
    "feature maps": {
        "body": f"{U8_INPUT} b = Conv<pads = [1, 0, 1, 1], strides = [2, 1]>(a, kernel, bias)"
        " p = MaxPool<kernel_shape = [2, 2], strides = [1, 1], pads = [0, 1, 0, 0]>(b)"
        f" m = Mul(p, falls) c = {U4.format('m')} d = Conv<group = 2>(c, depthwise)"
        f" e = {U4.format('d')} s = Add(e, e) g = GlobalAveragePool(s) f = Flatten(g)"
        " y = MatMul(f, last)",
        "x": "float[1, 1, 4, 4] x",
        "y": "float[1, 3] y",
        "kernel": np.arange(-4, 8).reshape(2, 1, 2, 3) / 8,
        "bias": np.array([0.5, -1.0]),
        "falls": np.array([1.0, -0.5]).reshape(2, 1, 1),
        "depthwise": np.array([3.0, -2.0]).reshape(2, 1, 1, 1) / 8,
        "last": np.arange(-3, 3).reshape(2, 3) / 8,
    },
    "averages": {
        "body": f"t = Transpose<perm = [0, 3, 1, 2]>(x) {U8_INPUT.replace('(x,', '(t,')}"
        " p = AveragePool<kernel_shape = [2, 2], count_include_pad = 1, pads = [1, 1, 0, 0]>(a)"
        f" c = {U4.format('p')} q = Pad(c, around) d = Conv(q, kernel) f = {U4.format('d')}"
        " h = Transpose<perm = [0, 2, 3, 1]>(f) y = Flatten(h)",
        "x": "float[1, 3, 2, 2] x",
        "y": "float[1, n] y",
        "kernel": np.arange(-4, 4).reshape(2, 2, 2, 1) / 8,
        "around": np.array([0, 0, 0, 0, 0, 0, 1, 0]),
    },
}


class Qonnx:
    name = "qonnx"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        write = writer(folder)
        self._seeds = {name: write(names=True, **graph) for name, graph in GRAPHS.items()}
        self._cache = cache
        with working_in(folder):  # libraries are loaded, and C++ compiled, before the fork
            for path in self._seeds.values():
                self.check(path.parent, path)

    def may_start(self, command: list[str]) -> bool:
        return False

    def seeds(self) -> list[str]:
        return list(GRAPHS)

    def copy(self, seed: str, case: Path) -> None:
        (case / FILE).write_bytes(self._seeds[seed].read_bytes())

    def mutate(self, random: Random, case: Path) -> str:
        file = case / FILE
        if random.random() < 0.15:
            content, said = mutate.octets(random, file.read_bytes())
            file.write_bytes(content)
            return said
        model = onnx.load(file, load_external_data=False)
        said = []
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            change = random.choice((*[_field] * 6, *[_weights] * 3, *_TRICKS))
            said.append(change(random, model))
        file.write_bytes(model.SerializeToString())
        return "; ".join(said)

    def check(self, case: Path, file: Path | None = None) -> None:
        file = file or case / FILE
        network = read_qonnx(file)
        x = random_samples(network, ROWS)
        comparison = verify_against_source(network, file, x)
        assert comparison.faithful, comparison
        has_maps = any(len(value.shape) > 1 for value in network.values.values())
        if network.weight_bits < MOST_WEIGHTS and not has_maps:
            bundle = compile_dataflow(network, choose(network), "network.bundle")
            device = FunctionalDevice(bundle, self._cache)
            device.load(network)
            integers = network.quantize(x)
            np.testing.assert_array_equal(device.run(integers)[0], network(integers))


def _messages(message, depth: int = 0):
    """Every message in a model, with itself."""
    yield message
    if depth > 12:
        return
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.label == FieldDescriptor.LABEL_REPEATED else [value]:
                yield from _messages(inner, depth + 1)


def _field(random: Random, model: onnx.ModelProto) -> str:
    """Changes one field of one message, whatever it is."""
    message = random.choice(list(_messages(model)))
    fields = [field for field, _ in message.ListFields()]
    if not fields or random.random() < 0.1:
        fields = list(message.DESCRIPTOR.fields)
    field = random.choice(fields)
    said = f"{message.DESCRIPTOR.name}.{field.name}"
    values = getattr(message, field.name)
    kind = random.choice(("clear", "drop", "double", "swap", "set", "set", "set"))
    if kind == "clear":
        message.ClearField(field.name)
    elif field.label == FieldDescriptor.LABEL_REPEATED:
        if len(values) and kind == "drop":
            del values[random.randrange(len(values))]
        elif len(values) and kind == "double":
            values.extend([values[random.randrange(len(values))]] * random.choice((1, 1, 50)))
        elif len(values) and kind == "swap":
            copies = list(values)
            random.shuffle(copies)
            del values[:]
            values.extend(copies)
        elif field.type != FieldDescriptor.TYPE_MESSAGE:
            drawn = _scalar(random, field, model, values[0] if len(values) else None)
            if len(values) and kind != "set":
                values.append(drawn)
            elif len(values):
                values[random.randrange(len(values))] = drawn
            else:
                values.append(drawn)
        else:
            values.add()
    elif field.type != FieldDescriptor.TYPE_MESSAGE:
        setattr(message, field.name, _scalar(random, field, model, values))
    else:
        values.SetInParent()
    return f"{kind} {said}"


def _scalar(random: Random, field, model: onnx.ModelProto, old: object):
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        names = [name for node in model.graph.node for name in (*node.input, *node.output)] or [""]
        kinds = [node.op_type for node in model.graph.node] + ["Conv", "Add", "Loop", "If", "Relu"]
        drawn = random.choice((random.choice(mutate.NAMES), *random.sample(names, 1), *kinds))
        if field.type == FieldDescriptor.TYPE_BYTES:
            return (old or b"")[: random.randrange(9)] + drawn.encode(errors="replace")
        return drawn.encode(errors="replace").decode()
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return random.choice(mutate.FLOATS)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice([v.number for v in field.enum_type.values])
    bits = 32 if kind == FieldDescriptor.CPPTYPE_INT32 else 63
    near = [old + 1, old - 1, 2 * old] if isinstance(old, int) else []
    drawn = random.choice((*near, *range(20), *mutate.INTEGERS))
    return int(max(-(2 ** (bits - 1)), min(drawn, 2 ** (bits - 1) - 1)))


def _weights(random: Random, model: onnx.ModelProto) -> str:
    """Changes the values, the type or the shape of a constant."""
    if not model.graph.initializer:
        return "no weights"
    tensor = random.choice(model.graph.initializer)
    try:
        values = numpy_helper.to_array(tensor)
    except Exception:  # an earlier change has damaged it
        return "no weights"
    if random.random() < 0.5 and values.dtype == np.float32:
        scale = np.float32(random.choice((1e-45, 1e-30, 3e38, 1e6, -1, 0, 0.3, 2.0, 1 / 3)))
        with np.errstate(all="ignore"):
            values, said = (values * scale).astype(np.float32), f"times {scale}"
    else:
        values, said = mutate.array(random, values)
        order = values.dtype.newbyteorder("<")
        values = values.astype(object if values.dtype.kind in "SU" else order)
    changed = numpy_helper.from_array(np.ascontiguousarray(values), tensor.name)
    tensor.CopyFrom(changed)
    return f"{tensor.name[:20]} {said}"


# What was written to harm.


def _function(random: Random, model: onnx.ModelProto) -> str:
    """Functions that call themselves, each other, or many of the next."""
    kind = random.choice(("itself", "each other", "many", "none"))
    calls = {"itself": "f", "each other": "g", "many": "g", "none": "Relu"}[kind]
    depth = random.choice((3, 20)) if kind == "many" else 1

    def function(name: str, body: list) -> onnx.FunctionProto:
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
        return helper.make_function("local", name, ["a"], ["b"], body, opsets)

    def call(name: str, source: str, target: str) -> onnx.NodeProto:
        return helper.make_node(name, [source], [target], domain="" if name == "Relu" else "local")

    model.functions.append(function("f", [call(calls, "a", "b")]))
    names = ["g", *(f"g{i}" for i in range(depth)), "Relu"]
    for name, inner in zip(names, [*names[1:]] if kind == "many" else ["f"]):
        if name != "Relu":
            model.functions.append(function(name, [call(inner, "a", "t"), call(inner, "t", "b")]))
    model.opset_import.append(helper.make_opsetid("local", 1))
    _insert(random, model, lambda source, target: [call("f", source, target)])
    return f"a function that calls {kind}"


def _insert(random: Random, model: onnx.ModelProto, nodes) -> None:
    """Puts what `nodes` makes between a node's input and the node."""
    if not model.graph.node:
        return
    node = random.choice(model.graph.node)
    if not node.input:
        return
    at = list(model.graph.node).index(node)
    rest = list(model.graph.node)
    made = nodes(node.input[0], "inserted")
    node.input[0] = "inserted"
    del model.graph.node[:]
    model.graph.node.extend([*rest[:at], *made, *rest[at:]])


def _constant(model: onnx.ModelProto, name: str, values) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def _loop(random: Random, model: onnx.ModelProto) -> str:
    """A Loop of very many trips."""
    trips = random.choice((0, 3, 10**6, 2**40, 2**62))
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Identity", ["held"], ["next"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("held", TensorProto.FLOAT, None),
        ],
        [value("on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
    )
    inputs = [_constant(model, "trips", np.int64(trips)), _constant(model, "true", np.bool_(True))]

    def loop(source: str, target: str) -> list:
        constant = random.random() < 0.5
        start = _constant(model, "start", np.float32([0])) if constant else source
        node = helper.make_node("Loop", [*inputs, start], ["looped" if constant else target])
        node.attribute.append(helper.make_attribute("body", body))
        return [node, helper.make_node("Add", [source, "looped"], [target])] if constant else [node]

    _insert(random, model, loop)
    return f"a Loop of {trips} trips"


def _large(random: Random, model: onnx.ModelProto) -> str:
    """A node whose result is very large."""
    size = random.choice((1, 10**4, 10**7, 2**31, 2**40, 2**62))
    kind = random.choice(("ConstantOfShape", "Tile", "Expand", "Range", "Pad", "Resize", "OneHot"))
    made = {
        "ConstantOfShape": ([np.int64([size])], {}),
        "Tile": ([np.float32([1]), np.int64([size])], {}),
        "Expand": ([np.float32([1]), np.int64([size])], {}),
        "Range": ([np.float32(0), np.float32(size), np.float32(1)], {}),
        "Pad": ([np.float32([1]), np.int64([0, size])], {}),
        "Resize": ([np.float32([1]), np.float32([]), np.float32([size])], {}),
        "OneHot": ([np.int64([0]), np.int64(size), np.float32([0, 1])], {}),
    }
    operands, attributes = made[kind]
    names = [_constant(model, f"large{i}", operand) for i, operand in enumerate(operands)]

    def nodes(source: str, target: str) -> list:
        whole = helper.make_node(kind, names, ["whole"], **attributes)
        least = helper.make_node("ReduceMax", ["whole"], ["least"], keepdims=0)
        return [whole, least, helper.make_node("Mul", [source, "least"], [target])]

    _insert(random, model, nodes)
    return f"{kind} of {size}"


def _external(random: Random, model: onnx.ModelProto) -> str:
    """Weights that stand in another file."""
    if not model.graph.initializer:
        return "no weights"
    tensor = random.choice(model.graph.initializer)
    locations = ("/dev/zero", "../canary", "weights.bin", "/proc/self/environ", "", "..", ".")
    location = random.choice((*locations, *(name for name in mutate.NAMES if name.isascii())))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, drawn in (
        ("location", location.replace("\0", "")),
        ("offset", str(random.choice((0, -1, 8, 2**62)))),
        ("length", str(random.choice((0, -1, 4, 80, 2**33, 2**62)))),
    ):
        if random.random() < 0.9:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, drawn
    return f"external data in {location[:30]!r}"


def _deep(random: Random, model: onnx.ModelProto) -> str:
    """Very many nodes in a row, or graphs within graphs."""
    depth = random.choice((10, 99, 1000, 5000))
    if random.random() < 0.5:
        kind = random.choice(("Identity", "Relu", "Neg"))

        def chain(source: str, target: str) -> list:
            names = [source, *(f"deep{i}" for i in range(depth)), target]
            return [helper.make_node(kind, [a], [b]) for a, b in pairwise(names)]

        _insert(random, model, chain)
        return f"{depth} times {kind}"
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "inner", [], [])
    for level in range(min(depth, 30)):
        node = helper.make_node("If", ["zero"], [f"z{level}"])
        for branch in ("then_branch", "else_branch")[: 1 + (level < 3)]:
            node.attribute.append(helper.make_attribute(branch, inner))
        inner = helper.make_graph([node], "inner", [], [])
    _insert(random, model, lambda source, target: [*inner.node])
    return f"{min(depth, 30)} graphs in another"


def _assignment(random: Random, model: onnx.ModelProto) -> str:
    """A tensor that is written twice, or read before it is made."""
    nodes = model.graph.node
    if not nodes:
        return "no nodes"
    kind = random.choice(("twice", "itself", "order", "constant", "unused"))
    node, other = random.choice(nodes), random.choice(nodes)
    if not (node.output and other.output):
        return "no change"
    if kind == "twice":
        node.output[0] = other.output[0]
    elif kind == "itself" and node.input:
        node.input[0] = node.output[0]
    elif kind == "order":
        copies = list(nodes)
        random.shuffle(copies)
        del nodes[:]
        nodes.extend(copies)
    elif kind == "constant" and model.graph.initializer:
        node.output[0] = random.choice(model.graph.initializer).name
    else:
        nodes.append(helper.make_node("Relu", [node.output[0]], [other.output[0]]))
    return f"written {kind}"


def _name(random: Random, model: onnx.ModelProto) -> str:
    """Names that would do harm where they become text, or a path."""
    name = random.choice(mutate.NAMES).encode(errors="replace").decode()
    kind = random.choice(("scope", "node", "graph", "metadata", "metadata", "tensor", "input"))
    if not model.graph.node:
        return "no nodes"
    node = random.choice(model.graph.node)
    if kind == "scope":
        for each in model.graph.node:
            entry = each.metadata_props.add()
            entry.key, entry.value = "pkg.torch.onnx.name_scopes", str(["", name, "layer"])
    elif kind == "node":
        for each in model.graph.node if random.random() < 0.5 else [node]:
            each.name = name
    elif kind == "graph":
        model.graph.name = name
    elif kind == "metadata":
        key = random.choice(("name", "topology", "dataset", "class_names", "feature_names"))
        entry = model.metadata_props.add()
        listed = f'["{name}", {random.choice(("1", "null", "[" * 9999, "[]"))}]'
        entry.key, entry.value = f"bitfold.{key}", random.choice((name, listed, "[" * 99999))
    elif kind == "tensor" and model.graph.initializer:
        _rename(model, random.choice(model.graph.initializer).name, name)
    elif model.graph.input:
        _rename(model, model.graph.input[0].name, name)
    return f"{kind} named {name[:40]!r}"


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for part in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        if part.name == old:
            part.name = new
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == old:
                    names[i] = new


def _shape(random: Random, model: onnx.ModelProto) -> str:
    """Another shape of the input or the output."""
    ports = [*model.graph.input, *model.graph.output]
    if not ports:
        return "no ports"
    dims = random.choice(ports).type.tensor_type.shape.dim
    size = random.choice((0, 1, 2, 5, -1, 4096, 10**6, 2**31, 2**40, 2**62))
    if dims and random.random() < 0.8:
        dims[random.randrange(len(dims))].dim_value = size
    else:
        dims.add().dim_value = size
    return f"a dimension of {size}"


_TRICKS = (
    _function,
    _loop,
    _large,
    _external,
    _deep,
    _assignment,
    _assignment,
    _name,
    _name,
    _shape,
)

TARGET = Qonnx()
