"""Networks on the RTL of offload engines: every integer and every layer's cycles are exact."""

from __future__ import annotations

import shutil
from functools import cache as remember

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.offload_networks import (
    SMALL,
    calibrated,
    dense_network,
    irisnet,
    predicted_layers,
    useful_products,
)
from support.random_networks import Shape, random_inputs, random_network, random_shape, with_softmax

from bitfold.build.compile.compiler import make_engine
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense, Softmax
from bitfold.models.ops.softmax import scaled
from bitfold.models.quantization import QUANTIZATIONS
from bitfold.models.value import Parameter, Value
from bitfold.overlays.offload import Engine
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.offload.steps import EngineStep, HostStep, split
from bitfold.runtime.verilated import Memory, VerilatedDevice
from bitfold.runtime.verilator import build_library

WATCHDOG_CYCLES = 200_000
"""So that what hangs is an error, and soon."""

EVERYDAY = (
    SMALL,
    Engine(rows=16, lanes=64, input_words=4096, weight_words=256, layers=16),
    # Batches and programs are cut to pieces.
    Engine(rows=32, lanes=128, input_words=128, weight_words=16, layers=2, softmax=True),
)
ALL = (
    *EVERYDAY,
    Engine(rows=8, lanes=64, input_words=64, weight_words=16, layers=1),
    Engine(rows=8, lanes=256, input_words=256, weight_words=16, layers=5, softmax=True),
    Engine(rows=16, lanes=128, input_words=65536, weight_words=32, layers=128),
    Engine(rows=32, lanes=64, input_words=1024, weight_words=4096, layers=8),
    Engine(rows=64, lanes=64, input_words=2048, weight_words=64, layers=3, softmax=True),
    Engine(rows=64, lanes=128, input_words=512, weight_words=16, layers=4),
    Engine(rows=64, lanes=256, input_words=128, weight_words=16, layers=8),
)
# A failing example is not shrunk: its seeds mean nothing.
NO_SHRINKING = settings(
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
examples = given(
    shape_seed=st.integers(0, 2**32 - 1),
    seed=st.integers(0, 2**32 - 1),
    # Few frames leave the engine no time between blocks, and behind the last one.
    frames=st.one_of(st.integers(1, 3), st.integers(1, 64)),
    latency=st.integers(1, 60),
    hesitation=st.integers(10, 85),
)


@pytest.fixture(scope="module")
def device_of(tmp_path_factory, cache):
    """The device of an engine; each is opened once, so that networks run one after another."""
    opened = []

    @remember
    def open_device(engine: Engine) -> VerilatedDevice:
        bundle = make_engine(engine, tmp_path_factory.mktemp("engine") / "offload.bundle")
        opened.append(VerilatedDevice(bundle, cache=cache, watchdog_cycles=WATCHDOG_CYCLES))
        return opened[-1]

    yield open_device
    for device in opened:
        device.close()


def check(device: VerilatedDevice, engine: Engine, network: Network, x, memory: Memory) -> None:
    """`x` through the RTL: exact integers and, where the memory does not hesitate, cycles."""
    device.port.configure(memory)
    device.load(network)
    y, call = device.run(x)
    np.testing.assert_array_equal(y, network(x))
    if memory.hesitation_percent == 0:
        assert call.cycles == call.predicted_cycles
        layers = {name: n + call.stalled_cycles[name] for name, n in call.busy_cycles.items()}
        assert layers == predicted_layers(engine, network, len(x), memory.latency_cycles)


def check_random(device_of, engine, shape_seed, seed, frames, latency, hesitation) -> None:
    network = random_network(random_shape(shape_seed), seed)
    network = calibrated(network, seed) if seed % 2 else network
    x = random_inputs(network, frames, seed)
    for memory in (Memory(latency), Memory(latency, hesitation, seed)):
        check(device_of(engine), engine, network, x, memory)


@pytest.mark.parametrize("engine", EVERYDAY, ids=lambda engine: f"{engine.rows}x{engine.lanes}")
@settings(NO_SHRINKING, max_examples=70, derandomize=True)
@examples
def test_random_networks_are_exact_on_one_engine(
    engine, shape_seed, seed, frames, latency, hesitation, device_of
):
    check_random(device_of, engine, shape_seed, seed, frames, latency, hesitation)


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    ALL,
    ids=lambda e: f"{e.rows}x{e.lanes}-{e.input_words}-{e.weight_words}-{e.layers}",
)
@settings(NO_SHRINKING, max_examples=100)
@examples
def test_random_networks_are_exact_on_engines_of_any_size(
    engine, shape_seed, seed, frames, latency, hesitation, device_of
):
    check_random(device_of, engine, shape_seed, seed, frames, latency, hesitation)


# Shapes that random ones seldom are.


@pytest.mark.parametrize("part", range(4))
def test_cycles_are_exact_where_results_of_few_steps_queue_for_the_drain(part, device_of):
    # Of some 250 such networks, one has a block whose weights come in while results still queue.
    for seed in range(part, 1000, 4):
        random = np.random.default_rng([7, 0, seed])
        layers = int(random.integers(1, 4))
        widths = tuple(int(width) for width in random.integers(1, 97, layers + 1))
        activations = random.choice(["BIPOLAR", "BINARY", "UINT2", "UINT3", "UINT4"], layers)
        weights = random.choice(["BIPOLAR", "BINARY", "TERNARY"], layers)
        shape = Shape(widths, tuple(activations), tuple(weights), None, False, False)
        network = random_network(shape, seed)
        x = random_inputs(network, int(random.integers(1, 25)), seed)
        check(device_of(SMALL), SMALL, network, x, Memory(int(random.integers(1, 61))))


@pytest.mark.parametrize("engine", EVERYDAY, ids=lambda engine: f"{engine.rows}x{engine.lanes}")
@pytest.mark.parametrize("frames", [1, 2, 64])
def test_layers_at_the_borders_of_words_and_blocks_are_exact(engine, frames, device_of):
    for i, size in enumerate((1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129)):
        network = dense_network((size, size, 5), ("BIPOLAR", "INT2")[i % 2], "BIPOLAR", seed=i)
        x = random_inputs(network, frames, i)
        check(device_of(engine), engine, network, x, Memory(latency_cycles=i + 1))


@pytest.mark.parametrize("x", ["BIPOLAR", "BINARY", "TERNARY", "UINT5", "INT8"])
@pytest.mark.parametrize("w", ["BIPOLAR", "BINARY", "TERNARY", "UINT3", "INT8"])
def test_every_pair_of_encodings_is_exact_at_its_extremes(w, x, device_of):
    network = random_network(Shape((90, 9, 3), (x, x), (w, w), None, False, False), 0)
    encoding = network.input_value.encoding
    extremes = [np.full((1, 90), v) for v in (encoding.minimum, encoding.maximum)]
    inputs = np.concatenate([*extremes, random_inputs(network, 5, 0)])
    check(device_of(SMALL), SMALL, network, inputs, Memory())


@pytest.mark.parametrize("frames", [0, 1, 100])
def test_the_functional_device_tells_the_cycles_that_the_rtl_counts(frames, device_of, tmp_path):
    # A threshold for the host, three programs of two layers, and batches in pieces.
    activations = ("INT8", *["UINT3"] * 4)
    shape = Shape((70, 80, 90, 80, 70, 9), activations, ("INT3",) * 5, "INT4", False, False)
    network = calibrated(random_network(shape, 0))
    engine = EVERYDAY[2]
    assert [type(step) for step in split(engine, network)] == [HostStep, *[EngineStep] * 3]
    device, functional = device_of(engine), FunctionalDevice(make_engine(engine, tmp_path / "new"))
    device.port.configure(Memory())
    x = random_inputs(network, frames, 0)
    calls = []
    for either in (device, functional):
        either.load(network)
        y, call = either.run(x)
        np.testing.assert_array_equal(y, network(x))
        assert y.shape == (frames, 9)
        calls.append(call)
    measured, predicted = calls
    assert measured.frames == predicted.frames == frames
    assert measured.cycles == measured.predicted_cycles == predicted.predicted_cycles


@pytest.mark.parametrize("engine", EVERYDAY, ids=lambda engine: f"{engine.rows}x{engine.lanes}")
def test_networks_with_a_softmax_are_exact_and_so_are_their_cycles(engine, device_of):
    for seed in range(24):
        # One more class than the engine has rows is the host's, and all without a softmax.
        classes = (2, 3, 7, engine.rows - 1, engine.rows, engine.rows + 1)[seed % 6]
        shape = with_softmax(random_shape(seed), "reduced", classes)
        network = calibrated(random_network(shape, seed), seed)
        random = np.random.default_rng(seed)
        x = random_inputs(network, int(random.integers(1, 30)), seed)
        for memory in (Memory(seed + 1), Memory(seed + 1, 60, seed)):
            check(device_of(engine), engine, network, x, memory)


def test_the_engine_turns_any_difference_of_two_scores_into_its_shares(device_of):
    # Scores of 12 bits in two inputs each, of which the upper half leaves the smaller nothing.
    high, low = np.divmod(np.arange(4096), 16)
    none = np.zeros(4096, np.int64)
    x = np.stack([high, low, none, none], axis=1)
    x[1::2] = x[1::2][:, [2, 3, 0, 1]]
    weight = np.array([[16, 1, 0, 0], [0, 0, 16, 1]], np.int32)
    network = Network(
        name="differences",
        sample_shape=(4,),
        quantizer=(),
        input="x",
        output="shares",
        values={
            "x": Value((4,), Encoding.of("UINT8")),
            "s": Value((2,), Encoding.of("UINT13")),
            "shares": Value((2,), Encoding.of("UINT8")),
        },
        parameters={"w": Parameter(weight, Encoding.of("UINT5"))},
        nodes=(
            Node("fc", Dense(), ("x",), ("s",), ("w",)),
            Node("softmax", Softmax(*scaled(6 / 2048)), ("s",), ("shares",)),
        ),
        head=(),
    )
    check(device_of(SMALL), SMALL, network, x, Memory())
    assert len(np.unique(network(x))) > 200


def test_networks_of_both_overlays_take_turns_in_one_accelerator(bundle, network, tmp_path, cache):
    engine = make_engine(Engine(), tmp_path / "engine.bundle")
    others = [dense_network((9, 20, 4), seed=seed) for seed in range(2)]
    with Accelerator([engine, bundle], "verilated", cache, network=network) as accelerator:
        devices = {}
        for _ in range(2):
            for one, kind in ((network, "dataflow"), *((other, "offload") for other in others)):
                accelerator.load(one)
                assert accelerator.bundle.kind == kind
                assert devices.setdefault(kind, accelerator.device) is accelerator.device
                x = random_inputs(one, 20, 0)
                np.testing.assert_array_equal(accelerator.run(x), one(x))
        assert len(devices) == 2


# One engine for all.

BITS = {1: "BIPOLAR", 2: "TERNARY"}
ZOO = {
    "iris_64_32_32": (4, 64, 32, 32, 3),
    "iris_64_64": (4, 64, 64, 3),
    "irisnet": (4, 30, 30, 30, 3),
}


def zoo_network(topology: str, name: str) -> Network:
    """A network of the shape and encodings of a trained one, with random weights."""
    quantization = QUANTIZATIONS[name]
    weight = BITS.get(quantization.weight_bits, f"INT{quantization.weight_bits}")
    levels = quantization.activation_bits
    activation = "BIPOLAR" if levels == 1 else f"UINT{levels}"
    if topology == "irisnet":
        return irisnet(weight, activation)
    if quantization.thermometer_levels:
        # The thermometer is a layer of its own: a level of a feature a row.
        widths = (4, 4 * quantization.thermometer_levels, *ZOO[topology][1:])
        weights = ("TERNARY", *[weight] * (len(widths) - 2))
        activations = ("UINT8", *[activation] * (len(widths) - 2))
        return calibrated(
            random_network(Shape(widths, activations, weights, None, False, False), 0)
        )
    return dense_network(ZOO[topology], weight, activation, "UINT8")


def large_and_small() -> dict[str, tuple[Network, np.ndarray]]:
    """What one engine has to do: networks of the zoo, and some that are larger; with samples."""
    lfc = (784, 1024, 1024, 1024, 10)
    networks = {
        **{
            f"{name} {q}": zoo_network(name, q)
            for name in ZOO
            for q in QUANTIZATIONS
            if q != "float"
        },
        "LFC W1A1": dense_network(lfc),
        "LFC W1A2": dense_network(lfc, "BIPOLAR", "UINT2"),
        "256-512-512-10 W4A4": dense_network((256, 512, 512, 10), "INT4", "UINT4"),
    }
    return {n: (network, random_inputs(network, 150, 0)) for n, network in networks.items()}


def outside_networks(cases) -> dict[str, tuple[Network, np.ndarray]]:
    """The network that others trained: with the signs of pixels by the host, and by the engine."""
    from bitfold.build.frontend import read_qonnx

    images = np.load(cases / "mnist_test_1000.npz")["images"][:200]
    x = (images / np.float32(255))[:, None]
    pixels = {"input_encoding": "UINT8", "input_scale": 1 / 255}
    return {
        "TFC W1A1": (read_qonnx(cases / "tfc_1w1a.onnx"), x),
        "TFC W1A1 of pixels": (
            choose_class_on_chip(read_qonnx(cases / "tfc_1w1a.onnx", **pixels)),
            x,
        ),
    }


@pytest.mark.parametrize("outside", [False, True], ids=("ours", "with outside cases"))
def test_one_engine_built_once_runs_every_network_one_after_another(
    outside, request, tmp_path, cache
):
    everything = large_and_small()
    if outside:
        everything |= outside_networks(request.getfixturevalue("cases"))
    bundle = make_engine(Engine(), tmp_path / "engine.bundle")
    # A cache in which nothing else is built.
    library = build_library(bundle.rtl, cache)
    own = tmp_path / "cache" / "verilated"
    shutil.copytree(library.parent, own / library.parent.name)

    def built() -> list[tuple[str, int]]:
        return sorted((str(file), file.stat().st_mtime_ns) for file in own.glob("*/*.so"))

    before = built()
    assert len(before) == 1
    first, _ = everything["irisnet W4A4"]
    with Accelerator(bundle, "verilated", tmp_path / "cache", network=first) as accelerator:
        device, port = accelerator.device, accelerator.device.port
        programs = port._allocator.used
        for again in (False, True):
            for name, (network, x) in everything.items():
                accelerator.load(network)
                # All but the first round's networks are there already.
                y = accelerator.run(x[:3] if again else x)
                expected = network(network.quantize(x[: len(y)]))
                assert (y != expected).sum() == 0, name
                assert len(np.unique(expected, axis=0)) > 1, "they all look the same to it"
                call = accelerator.last_call
                assert call.cycles == call.predicted_cycles, name
            assert accelerator.device is device and device.port is port
            programs, stored = port._allocator.used, programs
            assert programs == stored if again else programs > stored
    assert built() == before


@pytest.mark.parametrize(
    ("topology", "name"),
    [
        pytest.param(
            topology,
            name,
            marks=() if (topology, name) == ("irisnet", "W4A4") else pytest.mark.slow,
        )
        for topology in ZOO
        for name in QUANTIZATIONS
        if name != "float"
    ],
)
def test_trained_networks_classify_all_flowers_on_the_engine_as_in_torch(
    topology, name, tmp_path, device_of
):
    from bitfold.build.frontend import read_qonnx
    from bitfold.models.datasets import load_iris
    from bitfold.models.export import export_qonnx
    from bitfold.models.training import train

    iris = load_iris()
    model = train(topology, name, iris, steps=30)
    export_qonnx(model, tmp_path / "model.onnx", iris.features)
    network = read_qonnx(tmp_path / "model.onnx")
    flowers = network.quantize(iris.features)
    check(device_of(Engine()), Engine(), network, flowers, Memory())
    check(device_of(Engine()), Engine(), choose_class_on_chip(network), flowers, Memory())
    outputs, _ = device_of(Engine()).run(flowers)
    np.testing.assert_array_equal(outputs[:, 0], model.classify(iris.features))
    if topology == "irisnet":
        (step,) = split(Engine(), network)
        assert sum(step.program.loads) > len(step.program.image), "a layer is stored twice"


# Utilization.


def bandwidth_bound(engine: Engine, network: Network, frames: int) -> float:
    """The utilization that one beat a cycle of program, weights, input and output allows."""
    (step,) = split(engine, network)
    program = step.program
    calls = -(-frames // program.frames)
    beats = calls * (8 * len(program.layers) + sum(program.loads))
    beats += frames * (program.input.beats + program.output.beats)
    return useful_products(network, frames) / (beats * engine.rows * engine.lanes)


@pytest.mark.parametrize(
    ("name", "network", "frames", "at_least"),
    [
        # Padding alone costs 1.9 % of this.
        ("LFC W1A1", dense_network((784, 1024, 1024, 1024, 10)), 64, 0.90),
        # Weights that are used once come in at a beat a cycle.
        ("LFC W1A1", dense_network((784, 1024, 1024, 1024, 10)), 1, 0.05),
        ("256-512-512-10 W4A4", dense_network((256, 512, 512, 10), "INT4", "UINT4"), 64, 0.90),
        ("iris W1A1", zoo_network("iris_64_32_32", "W1A1"), 150, 0.0),
        ("iris W1A1", zoo_network("iris_64_32_32", "W1A1"), 1, 0.0),
        ("iris W4A4", zoo_network("iris_64_32_32", "W4A4"), 150, 0.0),
        ("iris W4A4", zoo_network("iris_64_32_32", "W4A4"), 1, 0.0),
    ],
    ids=lambda value: value if isinstance(value, (str, int)) else "",
)
def test_the_array_is_as_busy_as_padding_and_bandwidth_let_it(
    name, network, frames, at_least, device_of, record_property
):
    engine = Engine(rows=16)
    device = device_of(engine)
    device.port.configure(Memory())
    device.load(network)
    _, call = device.run(random_inputs(network, frames, 0))
    products = call.cycles * engine.rows * engine.lanes
    utilization = useful_products(network, frames) / products
    bound = bandwidth_bound(engine, network, frames)
    figures = {
        "network": name,
        "frames": frames,
        "cycles": call.cycles,
        "cycles_predicted": call.predicted_cycles,
        "utilization": round(utilization, 4),
        "utilization_that_memory_allows": round(bound, 4),
        "array_busy": round(sum(call.busy_cycles.values()) / call.cycles, 4),
    }
    for key, value in figures.items():
        record_property(key, value)
    print(figures)
    assert at_least <= utilization < min(bound, 1)
    assert call.cycles == call.predicted_cycles
