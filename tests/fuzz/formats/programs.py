"""Programs of the offload engine, and its registers: on the RTL, with guards around its memory."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
from fuzz import mutate
from support.offload_bench import GOOD, NOWHERE, Bench, Good, changed
from support.offload_networks import SMALL

from bitfold.build.compile.compiler import make_engine
from bitfold.models.errors import DeviceError
from bitfold.overlays.program import DESCRIPTOR_BEATS, FIELDS, decode
from bitfold.overlays.registers import ErrorCode
from bitfold.runtime.offload.machine import run_program
from bitfold.runtime.verilated import Memory

PROGRAM, CALL = "program.npy", "call.json"
REGISTERS = ("FRAMES", "PROGRAM_LENGTH", "PROGRAM_ADDRESS", "SOURCE", "DESTINATION")

MEANING = ("weight_bipolar", "weight_signed", "input_bipolar", "input_signed")
"""Fields that change what is computed, and nothing of where it lies."""


class Programs:
    """One engine for all cases of a worker: whatever a call leaves behind, the next has to work."""

    name = "programs"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        self._bundle, self._cache = make_engine(SMALL, folder / "engine"), cache
        Bench(self._bundle, cache).port.close()  # builds the simulation
        self._bench: Bench | None = None

    def may_start(self, command: list[str]) -> bool:
        return command == ["g++", "--version"]

    def seeds(self) -> list[str]:
        return [str(i) for i in range(len(GOOD))]

    def copy(self, seed: str, case: Path) -> None:
        np.save(case / PROGRAM, GOOD[int(seed)].program.image)
        call = {"good": int(seed), "registers": {}, "hesitation": 0}
        (case / CALL).write_text(json.dumps(call))

    def mutate(self, random: Random, case: Path) -> str:
        image, call = np.load(case / PROGRAM), json.loads((case / CALL).read_text())
        layers = len(GOOD[call["good"]].program.layers)
        said = []
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            kind = random.choice(("field", "field", "field", "bit", "load", "register", "octets"))
            if kind == "field":
                field = random.choice(FIELDS)
                drawn = random.choice((*range(10), random.randrange(600), *mutate.INTEGERS))
                layer = random.randrange(layers)
                image = changed(image, layer, **{field.name: drawn % 2**field.width})
                said.append(f"{field.name} of {layer} is {drawn % 2**field.width}")
            elif kind == "register":
                name = random.choice(REGISTERS)
                near = (0, 1, 2, 3, 60, NOWHERE, NOWHERE + 4, 2**32 - 8)
                call["registers"][name] = random.choice((*near, *mutate.INTEGERS)) % 2**32
                said.append(f"{name} is {call['registers'][name]}")
            elif kind == "octets":
                octets = image.view(np.uint8)
                octets[random.randrange(octets.size)] = random.randrange(256)
                said.append(kind)
            else:
                first = 0 if kind == "bit" else DESCRIPTOR_BEATS * layers
                last = DESCRIPTOR_BEATS * layers if kind == "bit" else len(image)
                at = random.randrange(first, last)
                image[at] ^= np.uint64(1) << np.uint64(random.randrange(64))
                said.append(f"{kind} in beat {at}")
        call["hesitation"] = random.choice((0, 0, 60))
        np.save(case / PROGRAM, image)
        (case / CALL).write_text(json.dumps(call))
        return ", ".join(said)

    def check(self, case: Path) -> None:
        self._bench = self._bench or Bench(self._bundle, self._cache)
        bench = self._bench
        image, call = np.load(case / PROGRAM), json.loads((case / CALL).read_text())
        good, registers = GOOD[call["good"]], call["registers"]
        bench.port.configure(Memory(20, call["hesitation"], 1))
        outcome = bench.call(good, image=image, **registers)
        bench.port.configure(Memory())
        for other in GOOD:
            bench.check_good(other)
        bench.check_memory()
        if outcome.error is not ErrorCode.NONE:
            raise DeviceError(outcome.error.name)
        if not registers:
            self._compare(good, image, outcome.destination)

    def _compare(self, good: Good, image: np.ndarray, destination: np.ndarray) -> None:
        """Fails where a program gives other values than the model, if the model takes it.

        One that reads what an earlier call left on chip has no defined values: so the program may
        differ from the good one only in what it loads and in the meaning of that.
        """
        for layer in range(len(good.program.layers)):
            place = slice(DESCRIPTOR_BEATS * layer, DESCRIPTOR_BEATS * (layer + 1))
            was, now = decode(good.program.image[place]), decode(image[place])
            if any(was[name] != now[name] for name in was if name not in MEANING):
                return
        try:
            expected = run_program(
                SMALL, image, len(good.program.layers), good.source, good.program.output.beats
            )
        except DeviceError:
            return
        values = good.program.values
        np.testing.assert_array_equal(values(destination), values(expected.ravel()))


TARGET = Programs()
