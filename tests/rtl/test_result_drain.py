"""result_drain: sums to levels, accumulators, a class or shares, and their planes to words."""

import json
import random
from dataclasses import dataclass

import numpy as np
import pytest
from cocotb_build import RTL, build, run
from stored_integers import join

from bitfold.models.ops.softmax import Softmax
from bitfold.overlays.dataflow.stages.softmax import SOFTMAX_CYCLES
from bitfold.overlays.program import Head, encode

SOURCES = [
    RTL / "offload" / "offload_program_pkg.sv",
    RTL / "shell" / "bitfold_registers_pkg.sv",
    RTL / "offload" / "drain_slot_pkg.sv",
    RTL / "common" / "delay.sv",
    *sorted((RTL / "common").glob("softmax*.sv")),
    *sorted((RTL / "offload").glob("drain_[!s]*.sv")),
    RTL / "offload" / "result_drain.sv",
]
RESULT_CYCLES = 5  # from a result that is announced to its sums
ADDRESS_BITS = 9


@dataclass(frozen=True)
class Layer:
    """What a layer asks of the drain."""

    head: Head
    rows: int
    planes: int
    frames: int
    weight_bipolar: bool = False
    input_bipolar: bool = False
    base: int = 0
    softmax: Softmax | None = None

    def case(self, rows: int, lanes: int, rng: random.Random) -> dict:
        """Random sums and constants of the layer, and what becomes of them."""
        outputs = 1 if self.head is Head.ARGMAX else self.rows
        passes = 4 * -(-self.planes // 4)
        words = -(-outputs // lanes)
        top = (self.planes - 1) * words
        blocks, writes = [], []
        for first in range(0, self.rows, rows):
            here = min(rows, self.rows - first)
            constants = [self.constants(rng) for _ in range(here)]
            results = []
            for frame in range(self.frames):
                value = [self.value(row, rng) for row in constants]
                results.append(self.result(value, rows, rng))
                stored = self.outputs(value, constants)
                place = self.base + frame * (top + words) + first // lanes
                planes = range(self.planes)
                for plane in reversed(planes) if self.head is Head.THRESHOLD else planes:
                    bits = join((level >> plane & 1 for level in stored), 1)
                    slices = 1 << first % lanes // rows
                    # Bits of rows that the layer has not may be anything.
                    writes.append([place + plane * words, slices, bits, 2 ** len(stored) - 1])
            words_of = [[v % 2**32 for v in row] for row in constants]
            blocks.append({"constants": words_of, "results": results})
        return {
            "name": repr(self),
            "descriptor": join(
                encode(
                    {
                        "head": self.head,
                        "rows": self.rows,
                        "output_planes": self.planes,
                        "output_top": top,
                        "output_base": self.base,
                        "weight_bipolar": self.weight_bipolar,
                        "input_bipolar": self.input_bipolar,
                        "softmax_multiplier": self.softmax.multiplier if self.softmax else 0,
                        "softmax_shift": self.softmax.shift if self.softmax else 0,
                    }
                ).tolist(),
                64,
            ),
            "wide": self.head is Head.THRESHOLD and self.planes == 8,
            "blocks": blocks,
            "writes": writes,
            "pace": {
                Head.THRESHOLD: 4 * self.planes,
                Head.RAW: passes,
                Head.ARGMAX: self.rows + RESULT_CYCLES + 6 + passes,
                Head.SOFTMAX: 4 * self.rows + SOFTMAX_CYCLES + RESULT_CYCLES + 5 + passes,
            }[self.head],
        }

    def constants(self, rng: random.Random) -> list[int]:
        """One row's: rubbish at 0, then what a sum is compared with, or one that is subtracted."""
        if self.head is not Head.THRESHOLD:
            return [rng.getrandbits(31), rng.randint(-1000, 1000), *[rng.getrandbits(31)] * 254]
        levels = 2**self.planes - 1
        spread = rng.choice([3, 300, 2**30])
        ascending = sorted(rng.randint(-spread, spread) for _ in range(levels))
        if rng.random() < 0.3:  # levels that are never reached
            ascending[levels // 2 :] = [2**31 - 1] * (levels - levels // 2)
        return [rng.getrandbits(31), *ascending, *[-(2**31)] * (255 - levels)]

    def value(self, constants: list[int], rng: random.Random) -> int:
        """What the drain makes of sums before all else; often at a threshold or beside it."""
        if self.head in (Head.ARGMAX, Head.SOFTMAX):  # one is often as large as another
            return constants[1] + rng.choice([-3, 5, 5, 6, rng.randint(-(2**29), 2**29)])
        near = rng.choice(constants[1 : 2**self.planes] if self.head is Head.THRESHOLD else [0, 9])
        drawn = rng.choice([near, near - 1, rng.randint(-400, 400), rng.randint(-(2**29), 2**29)])
        drawn = max(-(2**30), min(2**30, drawn))
        # What is twice a sum is even, whatever is taken away, and so for four times.
        return drawn & -(1 + self.weight_bipolar) * (1 + self.input_bipolar)

    def result(self, values: list[int], rows: int, rng: random.Random) -> dict[str, int]:
        """Sums that make `values`; rows that the layer has not get rubbish."""
        input_sum = 4 * rng.randint(0, 1000)
        double = (1 + self.weight_bipolar) * (1 + self.input_bipolar)
        less = input_sum * (1 + self.input_bipolar) if self.weight_bipolar else 0
        sums = [(value + less) // double for value in values]
        sums += [rng.randint(-99, 99) for _ in range(rows - len(values))]
        return {"sums": join((s % 2**32 for s in sums), 32), "input_sum": input_sum}

    def outputs(self, values: list[int], constants: list[list[int]]) -> list[int]:
        """The stored bits of each output in the block."""
        if self.head is Head.THRESHOLD:
            levels = range(1, 2**self.planes)
            return [sum(v >= c[i] for i in levels) for v, c in zip(values, constants, strict=True)]
        less = [v - c[1] for v, c in zip(values, constants, strict=True)]
        if self.head is Head.ARGMAX:
            return [less.index(max(less))]
        if self.head is Head.SOFTMAX:
            return self.softmax.shares(np.array([less], np.int64))[0].tolist()
        return [value % 2**self.planes for value in less]


def layers(rows: int, lanes: int) -> list[Layer]:
    return [
        *(Layer(Head.THRESHOLD, rows, planes, 4) for planes in range(1, 9)),
        *(
            Layer(Head.THRESHOLD, size, 2, 2, weight_bipolar=w, input_bipolar=x)
            for size in (1, rows - 1, rows + 1, lanes, lanes + 1, 2 * lanes + rows)
            for w in (False, True)
            for x in (False, True)
        ),
        *(Layer(Head.RAW, 2 * rows + 1, planes, 3, base=7) for planes in (1, 9, 32)),
        *(Layer(Head.RAW, 3, 17, 2, weight_bipolar=True, input_bipolar=x) for x in (False, True)),
        *(Layer(Head.ARGMAX, size, 6, 20) for size in (1, 2, rows - 1, rows)),
        *(
            Layer(Head.SOFTMAX, size, 8, 8, softmax=Softmax(*scale))
            for size in (2, rows - 1, rows)
            for scale in ((369, 0), (369, 2), (511, 34), (256, 63))
        ),
        Layer(Head.SOFTMAX, 3, 8, 8, base=5, softmax=Softmax(401, 3)),
        Layer(Head.THRESHOLD, 2 * rows, 1, 1),
        Layer(Head.THRESHOLD, rows, 1, 20),
    ]


@pytest.mark.parametrize(("rows", "lanes"), [(8, 64), (16, 32), (8, 8)])
def test_every_head_writes_its_planes_at_its_pace(rows, lanes, tmp_path):
    rng = random.Random(rows * lanes)
    model = build(
        SOURCES,
        "result_drain",
        {"ROWS": rows, "LANES": lanes, "OUTPUT_ADDRESS": ADDRESS_BITS}
        | {"RESULT_CYCLES": RESULT_CYCLES, "SOFTMAX": 1},
    )
    # The second of three frames of two planes begins on the last word.
    beyond = Layer(Head.THRESHOLD, 4, 2, 3, base=2**ADDRESS_BITS - 3).case(rows, lanes, rng)
    places = [write[0] for write in beyond["writes"]]
    beyond["overruns"] = sum(address >= 2**ADDRESS_BITS for address in places)
    assert 0 < beyond["overruns"] < len(places)
    case = {
        "rows_parameter": rows,
        "result_cycles": RESULT_CYCLES,
        "layers": [layer.case(rows, lanes, rng) for layer in layers(rows, lanes)],
        "beyond": beyond,
    }
    (tmp_path / "case.json").write_text(json.dumps(case))
    run(model, "cocotb_result_drain", plusargs={"case": tmp_path / "case.json"})
