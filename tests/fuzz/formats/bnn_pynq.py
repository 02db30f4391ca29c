"""BNN-PYNQ's parameter files: config.h, classes.txt, weights and thresholds, in a folder or zip."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from random import Random

import numpy as np
from fuzz import mutate
from support.bnn_pynq_files import CNV, KINDS, LFC, scores, write_files

from bitfold.build.frontend.bnn_pynq import read_bnn_pynq

FILES, ZIP = "files", "files.zip"


class BnnPynq:
    name = "bnn_pynq"

    def prepare(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        for kind in KINDS:
            write_files(folder / f"cnv{kind}", CNV, kind)
            write_files(folder / f"lfc{kind}", LFC, kind)
        self._configs = {(each / "config.h").read_bytes() for each in folder.iterdir()}

    def may_start(self, command: list[str]) -> bool:
        return False

    def seeds(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir())

    def copy(self, seed: str, case: Path) -> None:
        shutil.copytree(self._folder / seed, case / FILES)

    def mutate(self, random: Random, case: Path) -> str:
        said = []
        for _ in range(random.choice((1, 1, 2))):
            file = random.choice(sorted((case / FILES).iterdir()))
            kind = random.random()
            if kind < 0.05:
                file.unlink()
                said.append(f"no {file.name}")
            elif file.suffix == ".bin":
                content, how = mutate.octets(random, file.read_bytes())
                file.write_bytes(content)
                said.append(f"{file.name} {how}")
            else:
                words = ("L0_PE", "L9_K", "0", "1", "65536", "999999999", "../x", "#define")
                content, how = mutate.text(random, file.read_text(), words)
                file.write_text(content, errors="surrogatepass")
                said.append(f"{file.name} {how}")
        if random.random() < 0.3:
            with zipfile.ZipFile(case / ZIP, "w") as archive:
                for file in sorted((case / FILES).iterdir()):
                    archive.write(file, random.choice((file.name, f"../{file.name}", file.name)))
            shutil.rmtree(case / FILES)
            if random.random() < 0.5:
                content, how = mutate.octets(random, (case / ZIP).read_bytes())
                (case / ZIP).write_bytes(content)
                said.append(f"zip {how}")
        return "; ".join(said)

    def check(self, case: Path) -> None:
        zipped = (case / ZIP).exists()
        network = read_bnn_pynq(case / (ZIP if zipped else FILES))
        x = np.random.default_rng(0).integers(0, 256, (4, *network.sample_shape)).astype(np.uint8)
        outputs = network(network.quantize(x, inputs="pixels"))
        assert network.scores(outputs).shape == (4, len(network.labels))
        # Where the sizes are as they were, so is the meaning of the other files.
        if not zipped and (case / FILES / "config.h").read_bytes() in self._configs:
            made = network.scores(outputs) if len(network.sample_shape) == 3 else outputs
            expected = scores(case / FILES, x)
            count = min(made.shape[1], expected.shape[1])
            np.testing.assert_array_equal(made[:, :count], expected[:, :count])


TARGET = BnnPynq()
