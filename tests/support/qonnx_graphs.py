"""Hand-made QONNX graphs for the front end's tests: a writer, and a small network to vary."""

import re

import numpy as np
import onnx
from onnx import numpy_helper, parser

from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source

RANDOM = np.random.default_rng(7)
# 4-5-3, weights of 4 bits worth 1/8, and a BatchNorm of which two channels fall.
W1 = RANDOM.integers(-7, 8, (5, 4)) / 8
W2 = RANDOM.integers(-7, 8, (3, 5)) / 8
GAMMA = np.array([1.0, -0.5, 2.0, -1.0, 0.5])
BETA = np.array([0.5, -1.0, 0.25, 3.0, 0.0])

U8_INPUT = "a = Quant<signed = 0, narrow = 0>(x, one, zero, eight)"
U4 = "Quant<signed = 0, narrow = 0>({}, quarter, zero, four)"
LAYER_1 = f"""
    {U8_INPUT}
    b = MatMul(a, w1t)
    c = Mul(b, gamma)
    d = Add(c, beta)
    e = {U4.format("d")}
"""
CONSTANTS = {
    **{"one": 1, "zero": 0, "two": 2, "three": 3, "four": 4, "eight": 8, "sixteen": 16},
    **{"half": 0.5, "quarter": 0.25, "eighth": 0.125},
    **{"w1": W1, "w1t": W1.T, "w2": W2, "w2t": W2.T},
    **{"gamma": GAMMA, "beta": BETA},
}


def writer(folder):
    """A function that writes a graph, given in ONNX's text format, to a new file in `folder`.

    CONSTANTS and those it is given are initializers where the graph names them: integer arrays
    as they are, all else float32. QONNX operators need no domain. With `names`, each node is
    named after its operator and its place.
    """

    def write(body, x="float[1, 4] x", y="float[1, 3] y", opset=13, ir=8, names=False, **constants):
        quantizers = r"\b(Quant|BipolarQuant|MultiThreshold)\b(?=[<(])"
        body = re.sub(quantizers, r"qonnx.custom_op.general.\1", body)
        model = parser.parse_model(
            f'<ir_version: {ir}, opset_import: ["" : {opset}, "qonnx.custom_op.general" : 1]> '
            f"network ({x}) => ({y}) {{ {body} }}"
        )
        used = {name for node in model.graph.node for name in node.input}
        for name, value in {**CONSTANTS, **constants}.items():
            if name in used:
                integers = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "iu"
                array = np.asarray(value) if integers else np.asarray(value, np.float32)
                model.graph.initializer.append(numpy_helper.from_array(array, name))
        for index, node in enumerate(model.graph.node if names else ()):
            node.name = f"{node.op_type}_{index}"
        path = folder / f"network{len(list(folder.iterdir()))}.onnx"
        onnx.save(model, path)
        return path

    return write


def read_exactly(path, rows=300, **options):
    """The network, which gives the very integers and scores of the file."""
    network = read_qonnx(path, **options)
    comparison = verify_against_source(network, path, random_samples(network, rows))
    assert comparison.exact, comparison
    assert comparison.score_difference == 0
    return network


def kinds(network):
    return [type(node.op) for node in network.nodes]


def steps(host_steps):
    return [step.kind for step in host_steps]
