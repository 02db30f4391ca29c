"""What the Python API is given: samples of any kind, parts of networks, foldings, sizes, names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from fuzz import mutate
from fuzz.target import working_in
from support.random_networks import random_inputs
from support.small_network import SMALL

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.models.encoding import Encoding
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.models.value import Parameter, Value
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import Engine
from bitfold.runtime.accelerator import Accelerator

FILE = "arguments.txt"


class Arguments:
    """A case is a number: the arguments are drawn from it."""

    name = "arguments"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        self._cache = cache
        self._bundle = compile_dataflow(SMALL, folding.choose(SMALL), folder / "bundle")
        self._calls: dict[str, Callable[[Random], None]] = {
            "samples": self._samples,
            "frames": self._frames,
            "network": self._network,
            "folding": self._folding,
            "target": self._target,
            "engine": self._engine,
            "device": self._device,
        }
        with working_in(folder):
            for device in ("functional", "verilated"):
                with Accelerator(self._bundle, device, cache) as accelerator:
                    accelerator.run(random_inputs(SMALL, 2, 0), inputs="integers")

    def may_start(self, command: list[str]) -> bool:
        return command == ["g++", "--version"]

    def seeds(self) -> list[str]:
        return list(self._calls)

    def copy(self, seed: str, case: Path) -> None:
        (case / FILE).write_text(f"{seed} plain")

    def mutate(self, random: Random, case: Path) -> str:
        text = (case / FILE).read_text().replace("plain", str(random.randrange(2**63)))
        (case / FILE).write_text(text)
        return text

    def check(self, case: Path) -> None:
        name, number = (case / FILE).read_text().split()
        if number != "plain":
            self._calls[name](Random(int(number)))

    def _samples(self, random: Random) -> None:
        x = random.choice(_SAMPLES)(random)
        device = random.choice(("functional", "functional", "verilated"))
        with Accelerator(self._bundle, device, self._cache) as accelerator:
            outputs = accelerator.run(x)
            np.testing.assert_array_equal(outputs, SMALL(SMALL.quantize(np.asarray(x))))
            if len(outputs):
                assert accelerator.scores(x).shape == (len(outputs), 2)
                assert len(accelerator.classify(x)) == len(outputs)

    def _frames(self, random: Random) -> None:
        frames = random.choice((0, 1, 7, 1000, -1, -(2**31), 10**6))
        with Accelerator(self._bundle, "functional", self._cache) as accelerator:
            assert accelerator.throughput_test(frames)["frames"] == frames

    def _network(self, random: Random) -> None:
        network = _changed(random)
        bundle = compile_dataflow(network, folding.choose(network), "network.bundle")
        again = bundle.network
        assert again.id == network.id
        assert (again.name, again.labels) == (network.name, network.labels)
        x = random_inputs(network, 3, 0)
        with Accelerator(bundle, "functional", self._cache) as accelerator:
            np.testing.assert_array_equal(accelerator.run(x, inputs="integers"), network(x))

    def _folding(self, random: Random) -> None:
        numbers = (*range(5), *mutate.INTEGERS)
        chosen = folding.choose(SMALL)
        for name in random.sample(list(chosen), random.randint(1, len(chosen))):
            drawn = [random.choice(numbers) for _ in range(3)]
            chosen[name] = Fold(*drawn[: random.randint(1, 3)])
        if random.random() < 0.3:
            chosen[random.choice(mutate.NAMES)] = Fold(1)
        bundle = compile_dataflow(SMALL, chosen, "network.bundle", random.choice((100.0, *_CLOCKS)))
        x = random_inputs(SMALL, 3, 0)
        with Accelerator(bundle, "functional", self._cache) as accelerator:
            np.testing.assert_array_equal(accelerator.run(x, inputs="integers"), SMALL(x))

    def _target(self, random: Random) -> None:
        number = random.choice((*range(20), *mutate.INTEGERS))
        real = random.choice((number, *mutate.FLOATS, 1e6, 1e8))
        target = random.choice(
            (
                {"cycles": number},
                {"luts": number},
                {"reuse": number},
                {"frames_per_second": real, "clock_mhz": random.choice((100.0, *_CLOCKS))},
                {"unroll": True, "levels": number},
                {"cycles": number, "luts": number},
            )
        )
        chosen = folding.choose(SMALL, **target)
        text = f"{random.choice((*chosen, *mutate.NAMES))}={random.choice(_FOLDS)}"
        chosen = folding.override(SMALL, chosen, [text])
        assert set(chosen) == {"binarize", "fc0", "fc1"}

    def _engine(self, random: Random) -> None:
        sizes = {
            name: random.choice((8, 16, 64, 512, *mutate.INTEGERS))
            for name in ("rows", "lanes", "input_words", "weight_words", "layers")
            if random.random() < 0.4
        }
        bundle = make_engine(Engine(**sizes), "engine.bundle", random.choice((100.0, *_CLOCKS)))
        x = random_inputs(SMALL, 3, 0)
        with Accelerator(bundle, "functional", self._cache, network=SMALL) as accelerator:
            np.testing.assert_array_equal(accelerator.run(x, inputs="integers"), SMALL(x))

    def _device(self, random: Random) -> None:
        name = random.choice((*mutate.NAMES, "functional", "verilated"))
        overlay = random.choice((*mutate.NAMES, "auto", "dataflow", "offload"))
        path = random.choice((self._bundle, self._bundle.path, *mutate.NAMES, [], [self._bundle]))
        with Accelerator(path, name, self._cache, overlay=overlay) as accelerator:
            accelerator.run(random_inputs(SMALL, 2, 0), inputs="integers")
        accelerator.close()


_CLOCKS = (0.0, -1.0, 1e-9, 1e12, math.nan, math.inf, 250.1, 33.3)
_FOLDS = (
    "1",
    "2,3",
    "unrolled",
    "unrolled,2",
    "unrolled,0",
    "0",
    "-1,2",
    "9" * 5000,
    ",",
    "\u0663",
    "\u00b2",
)


def _array(random: Random):
    shape = random.choice(((2, 3), (0, 3), (3,), (), (2, 4), (1, 1, 3), (2, 0), (100_000, 3)))
    kind = random.choice(
        (
            "u1",
            "i1",
            "<i8",
            ">i8",
            "u8",
            "f2",
            "f4",
            ">f4",
            "f8",
            "c8",
            "?",
            "O",
            "U3",
            "M8[s]",
            "V4",
        )
    )
    values = np.random.default_rng(random.randrange(99)).integers(0, 16, shape)
    return np.asarray(values).astype(kind) if kind != "V4" else np.zeros(shape, "V4")


def _values(random: Random):
    x = random_inputs(SMALL, 2, 0).astype(random.choice((np.float32, np.float64, np.int64)))
    drawn = random.choice(mutate.FLOATS if x.dtype.kind == "f" else (16, -1, 2**31, -(2**63)))
    with np.errstate(all="ignore"):
        x[random.randrange(2), random.randrange(3)] = drawn
    return x


def _lists(random: Random):
    value = random.choice((*mutate.VALUES, *mutate.NAMES, *mutate.INTEGERS, *mutate.FLOATS, 1j))
    rows = [[1, 2, 3], [4, 5, 6]]
    kind = random.choice(("value", "ragged", "only", "deep", "dictionary", "objects", "more"))
    if kind == "value":
        rows[random.randrange(2)][random.randrange(3)] = value
    elif kind == "ragged":
        rows[1] = rows[1][: random.randrange(3)]
    elif kind == "only":
        return value
    elif kind == "deep":
        for _ in range(random.choice((3, 40, 500))):
            rows = [rows]
    elif kind == "dictionary":
        return {"x": rows}
    elif kind == "objects":
        return [object(), rows]
    else:
        rows.append(rows)
    return rows


def _masked(random: Random):
    x = random_inputs(SMALL, 4, 0)
    return random.choice(
        (
            np.ma.masked_array(x, x > 7),
            np.asfortranarray(x),
            x[::-1, ::-1],
            np.broadcast_to(x[:1], (3, 3)),
            memoryview(x),
            np.asmatrix(x),
            (row for row in x),
            range(3),
            b"abc",
        )
    )


_SAMPLES = (_array, _array, _values, _values, _lists, _lists, _masked)


def _changed(random: Random) -> Network:
    """SMALL with some part changed to a value of its own type."""
    name = random.choice(mutate.NAMES)
    node = random.randrange(len(SMALL.nodes))
    value = random.choice(list(SMALL.values))
    parameter = random.choice(list(SMALL.parameters))
    size = random.choice((*range(5), *mutate.INTEGERS))
    encoding = random.choice(("INT2", "UINT8", "BIPOLAR", "INT32", "UINT32", "BINARY", "TERNARY"))
    nodes, field = list(SMALL.nodes), random.choice(("name", "inputs", "outputs", "parameters"))
    values, _ = mutate.array(random, SMALL.parameters[parameter].values)
    given = random.choice((name, value))
    nodes[node] = replace(nodes[node], **{field: given if field == "name" else (given,)})
    parts = random.choice(
        (
            lambda: {"name": name},
            lambda: {"labels": (name, random.choice(mutate.NAMES))},
            lambda: {"labels": random.choice(((), ("a",), ("a", "b", "c")))},
            lambda: {"info": {name: name}},
            lambda: {"sample_shape": random.choice(((3, 1), (size,), (), (size, size), (1, 3)))},
            lambda: {"nodes": tuple(nodes)},
            lambda: {"nodes": random.choice(((), SMALL.nodes[:2], SMALL.nodes[::-1]))},
            lambda: {"input": name},
            lambda: {"output": random.choice((name, value))},
            lambda: {"values": {**SMALL.values, value: Value((size,), Encoding.of(encoding))}},
            lambda: {
                "values": {
                    **SMALL.values,
                    value: Value(SMALL.values[value].shape, Encoding.of(encoding)),
                }
            },
            lambda: {
                "parameters": {
                    **SMALL.parameters,
                    parameter: Parameter(values, SMALL.parameters[parameter].encoding),
                }
            },
            lambda: {
                "parameters": {
                    **SMALL.parameters,
                    parameter: Parameter(
                        SMALL.parameters[parameter].values,
                        Encoding.of(random.choice((name, encoding))),
                    ),
                }
            },
            lambda: {"head": (HostOp(random.choice((name, "Mul", "Softmax")), (values,)),)},
            lambda: {"quantizer": (HostOp(random.choice((name, "Div")), (np.float32(0),)),)},
        )
    )()
    return replace(SMALL, **parts)


TARGET = Arguments()
