"""The functional device beside onnxruntime, and beside what this machine's popcount allows.

Ours takes 784 pixels as uint8 through `Accelerator.run`, packing included. onnxruntime takes the
same pixels as float32 and runs the float equivalent with BatchNorm folded into each product, which
is the fastest form of it. Both give the same scores. A popcount operation is a product or an
addition of two bits; the bound is 1024 x 1024 XNOR-popcounts in the cache with nothing around them.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from frame import ROUND_SECONDS, Result, calls_a_second
from networks import random_inputs, tfc
from onnx import TensorProto, helper, numpy_helper

import bitfold.runtime
from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.models.network import Network
from bitfold.models.ops import Dense, Threshold
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.arithmetic import FLAGS
from bitfold.runtime.cplusplus import run_tool
from bitfold.runtime.functional import FunctionalDevice, lower

PACKAGES = ("numpy", "onnxruntime")
BATCH = 1000
LARGE_BATCH = 100_000


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return _run(Path(folder))


def _run(folder: Path) -> list[Result]:
    network = tfc()
    x = random_inputs(network, LARGE_BATCH, 1).astype(np.uint8)
    many, one = x[:BATCH], x[:1]
    ours = _accelerator(network, folder, threads=1)
    peer = _float_session(network)
    np.testing.assert_array_equal(ours.run(many), network(many))
    np.testing.assert_array_equal(peer(_as_float(many)), network(many))
    float_many, float_one = _as_float(many), _as_float(one)
    operations = 2 * sum(
        parameter.values.size for name, parameter in network.parameters.items() if ".w" in name
    )
    bound, reached = popcount_bound(folder), []
    rates = calls_a_second(
        {
            "ours": lambda: ours.run(many),
            "peer": lambda: peer(float_many),
            "bound": lambda: reached.append(bound(ROUND_SECONDS)),
            "ours, one": lambda: ours.run(one),
            "peer, one": lambda: peer(float_one),
            "classify, one": lambda: ours.classify(one),
        }
    )
    possible = np.median(reached)
    rate, peer_rate = rates["ours"] * BATCH, rates["peer"] * BATCH
    share = rate * operations / possible
    one_thread = f"batch {BATCH}, one thread"
    results = [
        Result("popcount bound of the machine, one thread", possible / 1e9, "GOP/s"),
        Result(f"W1A1, {one_thread}", rate, "samples/s"),
        Result(f"onnxruntime in float, {one_thread}", peer_rate, "samples/s"),
        Result(f"W1A1 beside onnxruntime, {one_thread}", rate / peer_rate, "x", "at least 8"),
        Result("share of the popcount bound", 100 * share, "%"),
        Result("W1A1, batch 1: a call of run", 1e6 / rates["ours, one"], "us"),
        Result("W1A1, batch 1: a call of classify", 1e6 / rates["classify, one"], "us"),
        Result("onnxruntime, batch 1: a call of run", 1e6 / rates["peer, one"], "us"),
        Result(
            "W1A1 beside onnxruntime, batch 1",
            rates["ours, one"] / rates["peer, one"],
            "x",
            "at least 1",
        ),
    ]
    return results + _others(network, x, folder)


def _others(network: Network, x: np.ndarray, folder: Path) -> list[Result]:
    """Other encodings, all threads, and NumPy."""
    many = x[:BATCH]
    functions = {}
    for weights, activations in (
        ("BIPOLAR", "UINT2"),
        ("TERNARY", "UINT2"),
        ("INT4", "UINT4"),
        ("INT8", "UINT8"),
    ):
        other = tfc(weights, activations)
        name = other.name.split()[1]
        accelerator = _accelerator(other, folder, threads=1)
        np.testing.assert_array_equal(accelerator.run(many), other(many))
        functions[name] = lambda accelerator=accelerator: accelerator.run(many)
    lowered = lower(_accelerator(network, folder, threads=1).bundle, network)
    functions["NumPy"] = lambda: lowered.run(network.check_input(many))
    rates = calls_a_second(functions)
    results = [
        Result(f"{name}, batch {BATCH}, one thread", rates[name] * BATCH, "samples/s")
        for name in functions
        if name != "NumPy"
    ]
    alone, together = (_accelerator(network, folder, threads) for threads in (1, 0))
    rates |= calls_a_second({"alone": lambda: alone.run(x), "together": lambda: together.run(x)})
    return [
        *results,
        Result(
            f"W1A1, batch {LARGE_BATCH:,}, one thread", rates["alone"] * LARGE_BATCH, "samples/s"
        ),
        Result(
            f"W1A1, batch {LARGE_BATCH:,}, all {os.cpu_count()} cores",
            rates["together"] * LARGE_BATCH,
            "samples/s",
        ),
        Result(
            f"W1A1 without a compiler (NumPy), batch {BATCH}", rates["NumPy"] * BATCH, "samples/s"
        ),
    ]


def _accelerator(network: Network, folder: Path, threads: int) -> Accelerator:
    bundle = compile_dataflow(
        network, folding.choose(network, cycles=1000), folder / f"{network.id}.bundle"
    )
    return Accelerator(bundle, FunctionalDevice(bundle, threads=threads))


def _as_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(255)


def _float_session(network: Network):
    """A function from pixels in [0, 1] to what `network` gives, by onnxruntime on one thread."""
    nodes, constants = [], []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    here = "x"
    for node in network.nodes:
        if isinstance(node.op, Threshold) and node.input == network.input:
            split = (network.parameter(node, "thresholds").values[0] - 0.5) / 255
            nodes.append(helper.make_node("Sub", [here, constant("split", split)], ["centred"]))
            nodes.append(helper.make_node("Sign", ["centred"], [node.output]))
        elif isinstance(node.op, Dense):
            weight = constant(
                node.parameter("weights"), network.parameter(node, "weights").values.T
            )
            after = network.readers(node.output)
            offset = np.zeros(network.values[node.output].size)
            if after:  # sign(sum - t + 0.5): never zero
                offset = 0.5 - network.parameter(after[0], "thresholds").values[:, 0]
            bias = constant(f"{node.name}.bias", offset)
            nodes.append(helper.make_node("Gemm", [here, weight, bias], [node.output]))
        else:
            nodes.append(helper.make_node("Sign", [node.input], [node.output]))
        here = node.output
    features = network.input_value.size
    graph = helper.make_graph(
        nodes,
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", features])],
        [helper.make_tensor_value_info(here, TensorProto.FLOAT, ["batch", None])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


def popcount_bound(folder: Path):
    """A function from seconds to the binary operations a second that were reached in them."""
    headers = Path(bitfold.runtime.__file__).parent
    source = Path(__file__).with_name("popcount.cpp")
    made = folder / "popcount.so"
    run_tool(["g++", *FLAGS, f"-I{headers}", source, "-o", made])
    function = ctypes.CDLL(str(made)).popcount_bound
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
    return function
