"""Folding files: our own and FINN's."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
from fuzz import mutate
from fuzz.target import working_in
from support.random_networks import Shape, random_inputs, random_network

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.lowering import lower
from bitfold.runtime.functional import FunctionalDevice

FILE = "folding.json"
SHAPE = Shape((8, 6, 4), ("UINT4", "UINT2"), ("INT3", "BIPOLAR"), "INT4", False, False)
NETWORK = random_network(SHAPE, 3)
SEEDS = {
    "ours": {"quantize": {"PE": 2}, "fc0": {"PE": 3, "SIMD": 4}, "fc1": {"PE": 2, "SIMD": 6}},
    "unrolled": {
        "quantize": {"PE": 8},
        "fc0": {"PE": 6, "SIMD": 8, "unrolled": 2},
        "fc1": {"PE": 4, "SIMD": 6, "unrolled": 1},
    },
    "finn": {
        "Defaults": {"PE": [1, ["all"]], "SIMD": [1, ["all"]]},
        "Thresholding_0": {"PE": 2, "ram_style": "auto"},
        "MVAU_hls_0": {"PE": 2, "SIMD": 8, "mem_mode": "internal_decoupled"},
        "MVAU_rtl_1": {"PE": 4, "SIMD": 3},
    },
    "defaults": {"Defaults": {"PE": 1, "SIMD": 2}},
}


class Foldings:
    name = "foldings"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        self._cache = cache
        self.copy("ours", folder)
        with working_in(folder):
            self.check(folder)

    def may_start(self, command: list[str]) -> bool:
        return False

    def seeds(self) -> list[str]:
        return list(SEEDS)

    def copy(self, seed: str, case: Path) -> None:
        (case / FILE).write_text(json.dumps(SEEDS[seed], indent=1))

    def mutate(self, random: Random, case: Path) -> str:
        if random.random() < 0.3:
            content = json.loads((case / FILE).read_text())
            layer = random.choice(list(content))
            factor, number = random.choice(("PE", "SIMD", "unrolled")), random.randrange(9)
            content[layer][factor] = number
            (case / FILE).write_text(json.dumps(content))
            return f"{layer} {factor} is {number}"
        if random.random() < 0.1:
            content, said = mutate.octets(random, (case / FILE).read_bytes())
            (case / FILE).write_bytes(content)
            return said
        text, said = mutate.json_text(random, (case / FILE).read_text())
        (case / FILE).write_text(text, errors="surrogatepass")
        return said

    def check(self, case: Path) -> None:
        chosen = folding.choose(NETWORK, file=case / FILE)
        design = lower(NETWORK, chosen)
        said = {n: {"PE": f.pe, "SIMD": f.simd, "unrolled": f.unrolled} for n, f in chosen.items()}
        Path("again.json").write_text(json.dumps(said))
        assert folding.choose(NETWORK, file=Path("again.json")) == chosen
        for name, fold in chosen.items():
            rows, columns = {"quantize": (8, 1), "fc0": (6, 8), "fc1": (4, 6)}[name]
            assert rows % fold.pe == 0 and (columns == 1 or columns % fold.simd == 0)
        bundle = compile_dataflow(NETWORK, chosen, "network.bundle")
        assert bundle.design.latency_cycles == design.latency_cycles
        x = random_inputs(NETWORK, 5, 0)
        np.testing.assert_array_equal(FunctionalDevice(bundle, self._cache).run(x)[0], NETWORK(x))


TARGET = Foldings()
