"""The limits that docs/limits.md shows, each with a way to try it."""

from __future__ import annotations

import importlib
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.offload_networks import dense_network
from support.qonnx_graphs import writer
from support.random_networks import Shape, random_network
from support.small_network import SMALL, small_network, value, values

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.lowering import lower
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.build.compile.passes.softmax import share_on_chip
from bitfold.build.frontend import read_qonnx
from bitfold.models.encoding import Encoding
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense
from bitfold.models.tables import load_table
from bitfold.models.value import Parameter, Value
from bitfold.overlays.archive import unpack
from bitfold.overlays.boards.system import System
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import LEGAL_SIZES, Engine
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.offload.steps import split


@dataclass(frozen=True)
class Limit:
    """`attempt(number)` works; `attempt(beyond)` raises, where `beyond` is by default one more.

    `where` is FILE::NAME of the constant, whose value is the number, or the FILE that refuses.
    Without a number, `attempt(None)` raises; what is `slow` is tried beyond the limit only.
    """

    what: str
    attempt: Callable
    where: str
    number: float | None = None
    beyond: float | None = None
    slow: bool = False

    @property
    def excess(self) -> float | None:
        return self.beyond if self.beyond or self.number is None else self.number + 1

    @property
    def constant(self) -> object:
        """What the code says; None where it has no name for it."""
        file, _, name = self.where.partition("::")
        found = importlib.import_module("bitfold." + file.removesuffix(".py").replace("/", "."))
        for part in name.split(".") if name else ():
            found = getattr(found, part)
        return found if name else None


# QONNX files.

CHAIN = """
    a = Quant<signed = 0, narrow = 0>(x, one, zero, input_bits)
    w = Quant<signed = 1, narrow = 0>(weights, one, zero, weight_bits)
    b = MatMul(a, w)
    c = Quant<signed = 0, narrow = 0>(b, one, zero, inner_bits)
    y = MatMul(c, w2)
"""


def qonnx(body: str = CHAIN, **constants) -> Network:
    given = {
        **{"input_bits": 8, "inner_bits": 4, "weight_bits": 8},
        **{"weights": np.linspace(-128, 127, 20).reshape(4, 5), "w2": np.ones((5, 3))},
    }
    writer(Path())(body, names=True, **{**given, **constants})
    return read_qonnx("network0.onnx")


def file_of(size: int) -> Network:
    """The network of a file with so many bytes behind it."""
    writer(Path())("y = Relu(x)", y="float[1, 4] y")
    with Path("network0.onnx").open("r+b") as file:
        file.truncate(size)
    return read_qonnx("network0.onnx")


SCALED = CHAIN.replace("(x, one", "(x, scale")

FRONT_END = (
    Limit(
        "Bytes of a file with its weights",
        file_of,
        "build/frontend/loading.py::MAX_FILE_BYTES",
        256 << 20,
        slow=True,
    ),
    Limit(
        "What an integer is worth, at least",
        lambda scale: qonnx(SCALED, scale=scale),
        "build/frontend/operators.py::LEAST_SCALE",
        1e-30,
        beyond=1e-31,
    ),
    Limit(
        "What an integer is worth, at most",
        lambda scale: qonnx(SCALED, scale=scale),
        "build/frontend/operators.py::LARGEST_SCALE",
        1e28,
        beyond=1e29,
    ),
    Limit(
        "Weights, bits",
        lambda bits: qonnx(weight_bits=bits, weights=np.linspace(-256, 255, 20).reshape(4, 5)),
        "build/frontend/weights.py::MAX_BITS",
        8,
    ),
    Limit(
        "Input integers, bits",
        lambda bits: qonnx(input_bits=bits),
        "build/frontend/weights.py::MAX_BITS",
        8,
    ),
    Limit(
        "Activations between layers, bits",
        lambda bits: qonnx(inner_bits=bits),
        "build/frontend/weights.py::MAX_BITS",
        8,
    ),
    Limit(
        "Sums, and any other tensor, bits",
        lambda bits: Encoding.of(f"INT{bits}"),
        "models/encoding.py::MAX_BITS",
        32,
    ),
    Limit(
        "Weights that no quantizer made",
        lambda _: qonnx(CHAIN.replace("a, w)", "a, weights)")),
        "build/frontend/weights.py",
    ),
    Limit(
        "An input without a quantizer",
        lambda _: qonnx("b = MatMul(x, w1t) y = Relu(b)", y="float[1, 5] y"),
        "build/frontend/layers.py",
    ),
    Limit(
        "Two layers without a quantizer between them",
        lambda _: qonnx(
            CHAIN.replace("c = Quant<signed = 0, narrow = 0>", "c = Clip").replace(
                "(b, one, zero, inner_bits)", "(b, zero, eight)"
            )
        ),
        "build/frontend/layers.py",
    ),
    Limit(
        "Several inputs or outputs",
        lambda _: qonnx(CHAIN, y="float[1, 3] y, float[1, 5] c"),
        "build/frontend/source.py",
    ),
    Limit(
        "Scales of branches that an Add joins",
        lambda _: qonnx(
            CHAIN.replace(
                "y = MatMul(c",
                "d = Quant<signed = 0, narrow = 0>(b, two, zero, inner_bits) e = Add(c, d) "
                "y = MatMul(e",
            )
        ),
        "build/frontend/joins.py",
    ),
    Limit(
        "Branches that another operator joins",
        lambda _: qonnx(CHAIN.replace("y = MatMul", "s = MatMul") + "t = Neg(s) y = Mul(s, t)"),
        "build/frontend/problems.py",
    ),
    Limit(
        "Padding with 0 of activations that have none",
        lambda _: qonnx(
            "a = BipolarQuant(x, one) b = Conv<pads = [1, 1, 1, 1]>(a, kernel) y = Flatten(b)",
            x="float[1, 1, 2, 2] x",
            kernel=np.ones((1, 1, 3, 3)),
        ),
        "build/frontend/windows.py",
    ),
)


# Data.


def table(*lines: str) -> None:
    Path("data.csv").write_text("\n".join(lines) + "\n")
    load_table("data.csv", "class")


def flowers(of_b: int) -> None:
    table("length,class", *(f"{i},a" for i in range(9)), *(f"{i},b" for i in range(of_b)))


def flowers_of(classes: int) -> None:
    table("length,class", *(f"{i},{'ab'[i % classes]}" for i in range(10)))


DATA = (
    Limit(
        "Rows of each class, at least",
        flowers,
        "models/tables.py::LEAST_ROWS",
        5,
        4,
    ),
    Limit("Classes, at least", flowers_of, "models/tables.py", 2, 1),
    Limit(
        "A cell without a number",
        lambda _: table("length,class", "4.2,a", "long,b"),
        "models/tables.py",
    ),
    Limit("An empty cell", lambda _: table("length,class", "4.2,a", ",b"), "models/tables.py"),
    Limit(
        "A column that never varies",
        lambda _: table("length,class", *["1,a", "1,b"] * 9),
        "models/tables.py",
    ),
)


# The dataflow overlay.

FOLDED = {"binarize": Fold(1), "fc0": Fold(1, 1), "fc1": Fold(1, 1)}


def unrolled(count: int) -> None:
    """One layer of `count` weights, all at once."""
    network = dense_network((count, 1))
    lower(network, {"fc0": Fold(1, count, unrolled=1)})


def pixels(cycles: int) -> None:
    shape = Shape((784, 4), ("UINT8",), ("BIPOLAR",), None, False, False)
    folding.for_cycles(random_network(shape, 0), cycles)


def scores_head(*head: HostOp) -> None:
    choose_class_on_chip(small_network(head=head))


DATAFLOW = (
    Limit(
        "Bits of sums that thresholds compare",
        lambda bits: lower(small_network(values=values(sums=value(2, f"INT{bits}"))), FOLDED),
        "build/compile/lowering.py",
        31,
    ),
    Limit(
        "PE that divides the layer's rows",
        lambda _: lower(SMALL, {**FOLDED, "fc0": Fold(3, 1)}),
        "build/compile/lowering.py",
    ),
    Limit(
        "SIMD that divides its columns",
        lambda _: lower(SMALL, {**FOLDED, "fc0": Fold(1, 2)}),
        "build/compile/lowering.py",
    ),
    Limit(
        "Weights of an unrolled layer",
        unrolled,
        "build/compile/lowering.py::MAX_UNROLLED_WEIGHTS",
        65536,
        slow=True,
    ),
    Limit(
        "Cycles a frame, at least those of the 64-bit port (784 pixels of 8 bits)",
        pixels,
        "build/compile/folding.py",
        98,
        97,
    ),
    Limit(
        "Choosing the class on chip where the scores have scales or biases of their own",
        lambda _: scores_head(HostOp("Add", (np.float32([0, 3]),))),
        "build/compile/passes/argmax.py",
    ),
    Limit(
        "Classes of a softmax on chip",
        lambda classes: share_on_chip(dense_network((4, classes))),
        "models/ops/softmax.py::MAX_CLASSES",
        64,
    ),
)


# The offload engine.


def one_layer(rows: int, columns: int, weight: str, source: str) -> Network:
    """A layer whose weights are all the smallest there are, and its sums."""
    encoding, given = Encoding.of(weight), Encoding.of(source)
    largest = columns * abs(encoding.minimum) * max(abs(given.minimum), given.maximum)
    return Network(
        name="one layer",
        sample_shape=(columns,),
        quantizer=(),
        input="x",
        output="y",
        values={
            "x": Value((columns,), given),
            "y": Value((rows,), Encoding.for_range(-largest, largest)),
        },
        parameters={"w": Parameter(np.full((rows, columns), encoding.minimum, np.int32), encoding)},
        nodes=(Node("fc0", Dense(), ("x",), ("y",), ("w",)),),
        head=(),
    )


def fits(rows=1, columns=64, weight="BIPOLAR", source="BIPOLAR", engine=Engine()) -> None:  # noqa: B008
    split(engine, one_layer(int(rows), int(columns), weight, source))


def frame_of(words: int) -> None:
    """A layer whose input takes 6 words, and its sums of 10 bits all others."""
    fits(rows=(words - 6) * 64 // 10, columns=321)


LARGE = Engine(input_words=65536, weight_words=4096)
OFFLOAD = (
    Limit("Weights, bits", lambda n: fits(weight=f"INT{n}"), "overlays/program.py::MAX_PLANES", 8),
    Limit(
        "Inputs of a layer, bits",
        lambda n: fits(source=f"UINT{n}"),
        "overlays/program.py::MAX_PLANES",
        8,
    ),
    Limit("Rows", lambda n: fits(rows=n, engine=LARGE), "overlays/program.py::MAX_SIZE", 65535),
    Limit(
        "Words of weights a row: bits x columns / 64, default engine",
        lambda n: fits(columns=64 * n),
        "overlays/offload.py::Engine.weight_words",
        256,
    ),
    Limit(
        "Words of a layer's input and output: bits x elements / 64 for each, default engine",
        frame_of,
        "overlays/offload.py::Engine.input_words",
        4096,
    ),
    Limit(
        "Columns with weights and inputs of 8 bits, as sums have 32, any engine",
        lambda n: fits(columns=n, weight="INT8", source="UINT8", engine=LARGE),
        "runtime/offload/assembler.py",
        16383,
    ),
)

SIZES = tuple(
    Limit(
        f"`{name}`",
        lambda n, name=name: Engine(**{"lanes": 256, name: n}).check(),
        "overlays/offload.py",
        legal[-1],
    )
    for name, legal in LEGAL_SIZES.items()
)


# Running.


def accelerate(x, network: Network = SMALL, inputs: str = "measurements") -> None:
    bundle = compile_dataflow(SMALL, FOLDED, "small.bundle")
    with Accelerator(bundle, "functional", cache=Path("cache"), network=network) as accelerator:
        accelerator.run(np.asarray(x), inputs=inputs)


def clock(mhz: float) -> None:
    System.of(make_engine(Engine(), "engine.bundle", mhz), "pynq-z2")


def unpacked(archive: Path) -> None:
    unpack(archive, Path(tempfile.mkdtemp(dir=".")))


def zip_of(members: int, size_bytes: int = 0) -> None:
    with zipfile.ZipFile("net.zip", "w", zipfile.ZIP_DEFLATED) as content:
        for number in range(members):
            content.writestr(f"images/{number}.hex", bytes(size_bytes))
    unpacked(Path("net.zip"))


def zip_of_size(size_bytes: int) -> None:
    with Path("net.zip").open("wb") as file:
        file.truncate(size_bytes)
    unpacked(Path("net.zip"))


RUNNING = (
    Limit(
        "Not a number among the measurements",
        lambda _: accelerate([[1.0, np.nan, 1.0]]),
        "models/network.py",
    ),
    Limit("Another shape", lambda _: accelerate([[1.0, 2.0]]), "models/network.py"),
    Limit("Another type", lambda _: accelerate([[True, False, True]]), "models/network.py"),
    Limit(
        "Integers beyond the input's encoding",
        lambda n: accelerate([[0, n, 0]], inputs="integers"),
        "models/encoding.py",
        15,
    ),
    Limit(
        "Pixels",
        lambda n: accelerate([[0, n, 0]], inputs="pixels"),
        "models/inputs.py::LARGEST_PIXEL",
        255,
    ),
    Limit(
        "Fractions, where they are called integers",
        lambda _: accelerate([[0, 0.5, 0]], inputs="integers"),
        "models/inputs.py",
    ),
    Limit(
        "Fractions, where the network has no quantizer",
        lambda _: small_network(quantizer=()).quantize([[0, 0.7, 0]]),
        "models/inputs.py",
    ),
    Limit(
        "Another network on a dataflow overlay",
        lambda _: accelerate([[1, 2, 3]], network=small_network(sample_shape=(3, 1))),
        "runtime/library.py",
    ),
    Limit("Clock on a board, MHz", clock, "overlays/boards/system.py::MAX_CLOCK_MHZ", 250.0),
    Limit("Clock on a board, MHz, at least", clock, "overlays/boards/system.py", 0.252, 0.251),
    Limit(
        "Another board",
        lambda _: System.of(make_engine(Engine(), "e.bundle"), "zcu104"),
        "overlays/boards/system.py",
    ),
    Limit("Files in a zipped bundle", zip_of, "overlays/archive.py::LIMIT_MEMBERS", 10_000),
    Limit(
        "Bytes of a zipped bundle, and of what it unpacks to",
        zip_of_size,
        "overlays/archive.py::LIMIT_BYTES",
        1 << 30,
        slow=True,
    ),
    Limit(
        "A zip that unpacks to 100 times its size and 16 MiB more",
        lambda _: zip_of(1, 20 << 20),
        "overlays/archive.py",
    ),
)

SECTIONS = {
    "Networks": FRONT_END,
    "Data": DATA,
    "The dataflow overlay": DATAFLOW,
    "The offload engine": OFFLOAD,
    "Sizes of an engine": SIZES,
    "Running": RUNNING,
}
LIMITS = [limit for limits in SECTIONS.values() for limit in limits]
