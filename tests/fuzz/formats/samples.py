"""Files of samples and of recorded outputs: .npy and .npz."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from random import Random

import numpy as np
from fuzz import mutate
from fuzz.target import working_in
from support.random_networks import random_inputs
from support.small_network import SMALL

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.folding import choose
from bitfold.build.inspect.diff.recorded import read_recording
from bitfold.build.workflows.samples import read_samples
from bitfold.runtime.accelerator import Accelerator

SAMPLES, RECORDED = "samples.npy", "recorded.npz"


class Samples:
    name = "samples"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        self._cache = cache
        self._bundle = compile_dataflow(SMALL, choose(SMALL), folder / "bundle")
        self._integers = random_inputs(SMALL, 12, 1)
        self.copy("measurements", folder)
        with working_in(folder):
            self.check(folder)

    def may_start(self, command: list[str]) -> bool:
        return command == ["g++", "--version"]

    def seeds(self) -> list[str]:
        return ["measurements", "integers", "double", "recorded"]

    def copy(self, seed: str, case: Path) -> None:
        x = self._integers
        if seed == "recorded":
            np.savez_compressed(case / RECORDED, outputs=SMALL(x), build_id="x", network_id="y")
        else:
            dtype = {"measurements": np.float32, "integers": np.int64, "double": np.float64}[seed]
            np.save(case / SAMPLES, (x if seed == "integers" else x * 0.25).astype(dtype))

    def mutate(self, random: Random, case: Path) -> str:
        (file,) = case.iterdir()
        if random.random() < 0.4:
            content, said = mutate.octets(random, file.read_bytes())
            file.write_bytes(content)
            return said
        if file.name == RECORDED:
            return _archive(random, file)
        values = np.load(file)
        kind = random.random()
        if kind < 0.4:
            return _header(random, file)
        if kind < 0.5:
            np.save(file, np.array([[{}, None, 1]], object), allow_pickle=True)
            return "pickled"
        changed, said = mutate.array(random, values)
        np.save(file, changed)
        return said

    def check(self, case: Path) -> None:
        if (case / RECORDED).exists():
            recording = read_recording(case / RECORDED)
            with np.load(case / RECORDED, allow_pickle=False) as again:
                np.testing.assert_array_equal(recording.outputs, again["outputs"])
            return
        x = read_samples(case / SAMPLES, None, network=SMALL).x
        with Accelerator(self._bundle, "functional", self._cache) as accelerator:
            outputs = accelerator.run(x)
        expected = SMALL(SMALL.quantize(np.load(case / SAMPLES, allow_pickle=False)))
        np.testing.assert_array_equal(outputs, expected)


def _header(random: Random, file: Path) -> str:
    """Another header of a .npy file."""
    content = file.read_bytes()
    shape = random.choice(((12, 3), (0, 3), (36,), (3, 12), (2**40, 3), (2**62, 4), (-1, 3), ()))
    kind = random.choice(("<f4", ">f4", "<i8", "|O", "<U9", "|V8", "<f2", "<c16", "|b1", "<M8[s]"))
    descr = repr(kind)
    if random.random() < 0.2:
        descr = random.choice(("[('a', '<f4'), ('b', '<i4')]", "'" + "x" * 9999 + "'", "(" * 5000))
    order = random.choice(("False", "True", "None", "1"))
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    header = b"\x93NUMPY" + random.choice((b"\1\0", b"\2\0", b"\3\0", b"\7\0"))
    length = len(text).to_bytes(2 if header[6] == 1 else 4, "little")
    file.write_bytes(header + length + text.encode() + content[128:])
    return f"header {text[:60]}"


def _archive(random: Random, file: Path) -> str:
    with np.load(file) as opened:
        values = dict(opened)
    kind = random.choice(("array", "array", "drop", "pickled", "bomb", "name"))
    if kind == "array":
        name = random.choice(list(values))
        values[name], said = (
            mutate.array(random, values[name])
            if name == "outputs"
            else (np.array(random.choice(mutate.NAMES)), "name")
        )
        kind = f"{name} {said}"
    elif kind == "drop":
        del values[random.choice(list(values))]
    elif kind == "pickled":
        values["outputs"] = np.array([[None, {}]], object)
    elif kind == "bomb":
        buffer = io.BytesIO()
        np.save(buffer, np.zeros((1, 8), np.int64))
        large = buffer.getvalue().replace(b"(1, 8)", b"(9**9,8)").ljust(10**6, b"\0")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("outputs.npy", large.ljust(3 * 10**8, b"\0"))
        return "bomb"
    else:
        values["../x"] = values["outputs"]
    np.savez_compressed(file, **values)
    return f"npz {kind}"


TARGET = Samples()
