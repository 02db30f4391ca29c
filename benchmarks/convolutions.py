"""CNV on the functional device beside onnxruntime in float, and as RTL.

BNN-PYNQ's CNV W1A1 with random weights: 59 million products an image of 32x32x3. Ours takes images
as int8 through `Accelerator.run`; onnxruntime takes them as float32, channels first, and runs the
float equivalent with BatchNorm folded into each product. Both give the same scores. The popcount
bound is that of the benchmark of dense networks. The RTL is the whole overlay with BNN-PYNQ's own
folding, 32,768 cycles an image, in Verilator on one thread.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from frame import ROUND_SECONDS, Result, calls_a_second
from functional import popcount_bound
from networks import cnv
from onnx import TensorProto, helper, numpy_helper

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.lowering import foldable
from bitfold.models.network import Network
from bitfold.models.ops import Conv2d, Dense, Flatten, MaxPool
from bitfold.overlays.dataflow.fold import Fold
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.verilated import VerilatedDevice

PACKAGES = ("numpy", "onnxruntime", "verilator")
BATCH = 50
FOLDS = ((16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (1, 1))
"""PE and SIMD of BNN-PYNQ's config.h; the last layer has 10 rows here."""


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return _run(Path(folder))


def _run(folder: Path) -> list[Result]:
    network = cnv()
    random = np.random.default_rng(1)
    x = random.integers(-128, 128, (BATCH, 32, 32, 3)).astype(np.int8)
    bundle = compile_dataflow(network, _folding(network), folder / "cnv.bundle")
    ours = Accelerator(bundle, FunctionalDevice(bundle, threads=1))
    peer = _float_session(network)
    as_float = np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)
    np.testing.assert_array_equal(ours.run(x), network(x))
    np.testing.assert_array_equal(peer(as_float), network(x))
    bound, reached = popcount_bound(folder), []
    rates = calls_a_second(
        {
            "ours": lambda: ours.run(x),
            "peer": lambda: peer(as_float),
            "bound": lambda: reached.append(bound(ROUND_SECONDS)),
        }
    )
    operations = 2 * sum(
        foldable(network)[layer].cycles(Fold(1, 1))
        for layer in bundle.design.folding
        if "pool" not in layer
    )
    rate, peer_rate = rates["ours"] * BATCH, rates["peer"] * BATCH
    share = 100 * rate * operations / np.median(reached)
    begin = time.perf_counter()
    device = VerilatedDevice(bundle, cache=folder / "cache")
    built = time.perf_counter() - begin
    begin = time.perf_counter()
    y, call = device.run(x[:10])
    ran = (time.perf_counter() - begin) / 10
    device.close()
    np.testing.assert_array_equal(y, network(x[:10]))
    return [
        Result(f"CNV W1A1, batch {BATCH}, one thread", rate, "images/s"),
        Result(f"onnxruntime in float, batch {BATCH}, one thread", peer_rate, "images/s"),
        Result("CNV W1A1 beside onnxruntime", rate / peer_rate, "x", "at least 4"),
        Result("share of the popcount bound", share, "%", "the first layer multiplies bytes"),
        Result("initiation interval, predicted and measured", call.initiation_interval, "cycles"),
        Result("latency, predicted and measured", call.latency_cycles, "cycles"),
        Result("RTL: a cold build of the simulation", built, "s"),
        Result("RTL: an image, of ten", ran, "s"),
    ]


def _folding(network: Network) -> dict[str, Fold]:
    sizes, folds = foldable(network), iter(FOLDS)
    return {layer: Fold(2) if layer.startswith("pool") else Fold(*next(folds)) for layer in sizes}


def _float_session(network: Network):
    """A function from images, channels first, to what `network` gives, on one thread."""
    nodes, constants = [], []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    here = "x"
    for node in network.nodes:
        op = node.op
        if isinstance(op, (Conv2d, Dense)):
            weights = network.parameter(node, "weights").values
            after = network.readers(node.output)
            offset = np.zeros(network.values[node.output].shape[-1])
            if after:  # sign(sum - t + 0.5): never zero
                offset = 0.5 - network.parameter(after[0], "thresholds").values[:, 0]
            bias = constant(f"{node.name}.bias", offset)
            kind, moved = ("Gemm", (1, 0)) if isinstance(op, Dense) else ("Conv", (0, 3, 1, 2))
            weight = constant(node.parameter("weights"), weights.transpose(moved))
            nodes.append(helper.make_node(kind, [here, weight, bias], [node.output]))
        elif isinstance(op, MaxPool):
            shape = {"kernel_shape": op.kernel, "strides": op.stride}
            nodes.append(helper.make_node("MaxPool", [here], [node.output], **shape))
        elif isinstance(op, Flatten):  # of one pixel: nothing moves
            nodes.append(helper.make_node("Flatten", [here], [node.output]))
        else:
            nodes.append(helper.make_node("Sign", [here], [node.output]))
        here = node.output
    images, scores = ["batch", 3, 32, 32], ["batch", None]
    graph = helper.make_graph(
        nodes,
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, images)],
        [helper.make_tensor_value_info(here, TensorProto.FLOAT, scores)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]
