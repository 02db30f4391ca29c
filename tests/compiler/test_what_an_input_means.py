"""A table: what each kind of input gives for each kind of input quantizer, as the file itself has
it. docs/frontends.md shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from support.qonnx_graphs import RANDOM, U4, writer

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.frontend import read_qonnx, source_scores, trace_source
from bitfold.build.workflows.samples import Samples
from bitfold.models.errors import InputError
from bitfold.runtime.accelerator import Accelerator

pytestmark = pytest.mark.filterwarnings("ignore::bitfold.models.errors.InputWarning")
PAGE = Path(__file__).parents[2] / "docs" / "frontends.md"
PIXELS = np.arange(256).reshape(64, 4)


@dataclass(frozen=True)
class Kind:
    """A kind of input quantizer: what makes `a` of `x` in the file."""

    body: str
    constants: Mapping[str, object] = field(default_factory=dict)
    x: str = "float[1, 4] x"


UNSIGNED = "Quant<signed = 0, narrow = 0>"
SIGNED = "Quant<signed = 1, narrow = 0>"
KINDS = {
    "8 bits, each worth 1/32": Kind(f"a = {UNSIGNED}(x, scale, zero, eight)", {"scale": 1 / 32}),
    "8 bits, each worth 1/255": Kind(f"a = {UNSIGNED}(x, scale, zero, eight)", {"scale": 1 / 255}),
    "2x - 1, 8 bits with a sign, each worth 1/128": Kind(
        f"m = Mul(x, two) s = Sub(m, one) a = {SIGNED}(s, scale, zero, eight)", {"scale": 1 / 128}
    ),
    "the sign of 2x - 1": Kind("m = Mul(x, two) s = Sub(m, one) a = BipolarQuant(s, one)"),
    "QuantizeLinear, zero point 3, each worth 1/8": Kind(
        "i = QuantizeLinear(x, scale, z) a = DequantizeLinear(i, scale, z)",
        {"scale": 1 / 8, "z": np.uint8(3)},
    ),
    "4 bits, each worth 1/4, then a thermometer": Kind(
        f"q = {U4.format('x')} t = MatMul(q, hot) u = Sub(t, levels) a = BipolarQuant(u, one)",
        {"hot": np.eye(4).repeat(3, axis=1), "levels": np.tile([0.4, 1.1, 2.6], 4)},
    ),
    "none: the file takes uint8": Kind("a = Cast<to = 1>(x)", {}, "uint8[1, 4] x"),
}
GIVEN = {
    "whole numbers": (np.array([[7, 3, 6, 2], [0, 1, 255, 9], [100, 5, 4, 1]]), "measurements"),
    "floats": (RANDOM.normal(0.5, 1, (60, 4)), "measurements"),
    "uint8": (PIXELS.astype(np.uint8), "measurements"),
    "pixels": (PIXELS.astype(np.uint8), "pixels"),
    "0 and 1": (np.array([[0, 1, 1, 0], [1, 1, 0, 0]]), "measurements"),
    "-1 and +1": (np.array([[-1, 1, 1, -1], [1, 1, -1, -1]], np.int8), "measurements"),
    "integers": (None, "integers"),
}
SHOWN = {
    "7": (7, "measurements"),
    "0.3": (0.3, "measurements"),
    "0, 1": ((0, 1), "measurements"),
    "-1, +1": ((-1, 1), "measurements"),
    "200, a pixel": (200, "pixels"),
    "1, an integer": (1, "integers"),
}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """The file of each kind, and its network."""
    write, made = writer(tmp_path_factory.mktemp("files")), {}
    for name, kind in KINDS.items():
        columns = 12 if "hot" in kind.constants else 4
        weight = RANDOM.integers(-7, 8, (columns, 3)) / 8
        path = write(f"{kind.body} y = MatMul(a, w)", x=kind.x, w=weight, **kind.constants)
        made[name] = path, read_qonnx(path)
    return made


def every_integer(network) -> np.ndarray:
    """All integers of the network's input, in each feature."""
    encoding = network.input_value.encoding
    values = np.arange(encoding.minimum, encoding.maximum + 1, encoding.step)
    return np.stack([np.roll(values, i) for i in range(network.input_value.size)], axis=1)


def refused(kind: str, given: str) -> bool:
    """Without a quantizer there is nothing that makes integers of fractions, or of -1 a uint8."""
    return kind.startswith("none") and given in ("floats", "pixels", "-1 and +1")


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
def test_every_input_gives_what_the_file_gives_for_the_same_numbers(kind, given, read):
    path, network = read[kind]
    x, inputs = GIVEN[given]
    x = every_integer(network) if x is None else x
    if refused(kind, given):
        with pytest.raises(InputError, match=r"whole numbers only|inputs='integers'|outside UINT8"):
            network.quantize(x, inputs=inputs)
        return
    if given == "integers":
        reals = Samples(x, inputs).measurements(network)
    else:
        reals = x.astype(np.float32) / np.float32(255 if inputs == "pixels" else 1)
    integers = network.quantize(x, inputs=inputs)
    traced = trace_source(network, path, reals)
    np.testing.assert_array_equal(integers, traced.tensors[network.input])
    scores, expected = network.scores(network(integers)), source_scores(path, reals)
    # Where 1/255 is rounded, so is each of the file's products, and of ours the sum.
    exactly = "255" not in kind
    np.testing.assert_allclose(scores, expected, rtol=0, atol=0 if exactly else 1e-5)


@pytest.mark.parametrize("kind", ["8 bits, each worth 1/255", "the sign of 2x - 1"])
def test_a_device_takes_inputs_by_the_same_names(kind, read, tmp_path):
    _, network = read[kind]
    bundle = compile_dataflow(network, folding.choose(network), tmp_path / "made.bundle")
    with Accelerator(bundle, "functional") as accelerator:
        for x, inputs in GIVEN.values():
            x = every_integer(network) if x is None else x
            outputs = network(network.quantize(x, inputs=inputs))
            np.testing.assert_array_equal(accelerator.run(x, inputs=inputs), outputs)
            scores = accelerator.scores(x, inputs=inputs)
            np.testing.assert_array_equal(scores, network.scores(outputs))
            classes = accelerator.classify(x, inputs=inputs)
            np.testing.assert_array_equal(classes, scores.argmax(axis=1))
            assert accelerator.figures(x, inputs=inputs).frames == len(x)
        whole = [[7, 3, 6, 2]]
        assert accelerator.classify(whole) == accelerator.classify([[7.0, 3.0, 6.0, 2.0]])


def cell(network, numbers, inputs: str) -> str:
    made = []
    for number in np.atleast_1d(numbers):
        try:
            integers = network.quantize(np.full((1, 4), number), inputs=inputs)
        except InputError:
            return "refused"
        made.append(" ".join(map(str, integers[0, : len(integers[0]) // 4])))
    return ", ".join(made)


def test_the_page_shows_the_table(read):
    lines = [f"| input quantizer | {' | '.join(SHOWN)} |", f"|---|{'---|' * len(SHOWN)}"]
    for kind, (_, network) in read.items():
        cells = (cell(network, *shown) for shown in SHOWN.values())
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    table = "\n".join(lines)
    assert table in PAGE.read_text(), table
