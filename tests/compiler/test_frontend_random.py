"""Random graphs through the front end: whatever the layers, the integers are those of the file."""

from itertools import pairwise

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.models.ops import Dense

DOMAIN = "qonnx.custom_op.general"


class Graph:
    """An ONNX graph that grows by one node at a time; every other input is an initializer."""

    def __init__(self, features):
        self.features = features
        self.nodes = []
        self.initializers = []
        self.tensor = "x"

    def constant(self, value):
        name = f"constant{len(self.initializers)}"
        value = np.asarray(value, np.float32)
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def add(self, kind, *constants, on=None, **attributes):
        """Appends a node; gives the name of its output."""
        domain = DOMAIN if "Quant" in kind else ""
        names = [self.constant(c) if not isinstance(c, str) else c for c in constants]
        output = f"{kind}{len(self.nodes)}"
        inputs = [on or self.tensor, *names]
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        if on is None:
            self.tensor = output
        return output

    def save(self, path, outputs):
        def value(name, size):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])

        graph = helper.make_graph(
            self.nodes,
            "random",
            [value("x", self.features)],
            [value(self.tensor, outputs)],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def power_of_two(draw, low=-4, high=2):
    return 2.0 ** draw(st.integers(low, high))


def add_quantizer(draw, graph, **place):
    """A quantizer of 1 to 8 bits, on the graph's tensor or on a constant."""
    bits = draw(st.integers(1, 8))
    scale = power_of_two(draw)
    if bits == 1 and draw(st.booleans()):
        return graph.add("BipolarQuant", scale, **place)
    signed = int(bits > 1 and draw(st.booleans()))
    narrow = int(bits > 1 and draw(st.booleans()))
    # FINN negates the weights of falling channels, so the lowest of 8 bits has no place.
    narrow |= int("on" in place and bits == 8)
    signed |= int("on" in place and bits > 1)
    zero_point = draw(st.sampled_from([0, 0, 1])) if "on" not in place else 0
    return graph.add("Quant", scale, zero_point, bits, signed=signed, narrow=narrow, **place)


def add_elementwise(draw, graph, random, features):
    """Up to three operations on each feature; some of them fall, some are 0."""
    for kind in draw(
        st.lists(st.sampled_from(["Mul", "Add", "BN", "Relu", "Sub", "Div"]), max_size=3)
    ):
        values = random.normal(0, 2, features)
        if kind == "BN":
            statistics = (
                values,
                *random.normal(0, 3, (2, features)),
                random.uniform(0.1, 9, features),
            )
            graph.add("BatchNormalization", *statistics)
        elif kind == "Relu":
            graph.add("Relu")
        else:
            if kind == "Mul" and draw(st.booleans()):
                values[random.integers(features)] = 0
            graph.add(kind, values if draw(st.booleans()) else values[:1])


@st.composite
def graphs(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    widths = draw(st.lists(st.integers(1, 12), min_size=2, max_size=4))
    graph = Graph(widths[0])
    add_quantizer(draw, graph)
    for layer, (columns, rows) in enumerate(pairwise(widths)):
        if layer:
            add_elementwise(draw, graph, random, columns)
            add_quantizer(draw, graph)
        weight = graph.constant(random.normal(0, power_of_two(draw), (rows, columns)))
        weight = add_quantizer(draw, graph, on=weight)
        if draw(st.booleans()):
            graph.add(
                "Gemm", weight, *[random.normal(size=rows)][: draw(st.integers(0, 1))], transB=1
            )
        else:
            graph.add("MatMul", graph.add("Transpose", on=weight))
    if draw(st.booleans()):
        graph.add("Mul", power_of_two(draw))
    return graph, widths[-1]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(graphs())
def test_random_networks_are_read_exactly(tmp_path, graph_and_outputs):
    graph, outputs = graph_and_outputs
    path = tmp_path / "network.onnx"
    graph.save(path, outputs)
    network = read_qonnx(path)
    assert sum(isinstance(node.op, Dense) for node in network.nodes)
    comparison = verify_against_source(network, path, random_samples(network, 200))
    assert comparison.exact, comparison
