"""Makes a package: one folder with all that a board needs to run networks, and to prove it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bitfold.build.implement.runtime_wheel import write_runtime_wheel
from bitfold.models.errors import InputError, OverlayError
from bitfold.models.files import whole_folder
from bitfold.models.inputs import INTEGERS, MEASUREMENTS
from bitfold.models.network import Network
from bitfold.overlays.bundle import MANIFEST, Bundle, DataflowBundle
from bitfold.runtime.library import Library

FORMAT = 1
CONTENTS = "package.json"
STATIC = Path(__file__).with_name("board_package")
STATIC_FILES = ("README.md", "on_target.py", "validate.py", "on_the_board.ipynb")
RANDOM_SAMPLES = 100


def write_package(
    path: Path | str,
    bundles: Mapping[str, Bundle],
    networks: Sequence[Network] = (),
    *,
    samples: np.ndarray | None = None,
    inputs: str = MEASUREMENTS,
    labels: np.ndarray | None = None,
) -> dict:
    """Writes the package of `bundles`, each under its name, to the folder `path`.

    It runs the networks that the dataflow bundles are made for, and `networks`, each on every
    bundle that can. Their test vectors are `samples`, which are `inputs`, as Accelerator.run takes
    them, with their classes `labels` (samples,) where these are known; by default random input
    integers. Gives what package.json says.

    An older package at `path` is replaced. Raises OutputError where it can't be written,
    OverlayError for a bundle or network with nothing to do, InputError for samples that a network
    does not take; then nothing is left behind.
    """
    made_for = [b.network for b in bundles.values() if isinstance(b, DataflowBundle)]
    named = _named([*made_for, *networks])
    runs = _runs(bundles, named)
    with whole_folder(path, CONTENTS) as folder:
        for name, bundle in bundles.items():
            for file in (MANIFEST, *bundle.files):
                (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle.path / file, folder / name / file)
        for name, network in named.items():
            (folder / name).mkdir(parents=True)
            network.save(folder / name)
            if samples is None:
                vectors = _vectors(network, _random_integers(network), INTEGERS)
            else:
                vectors = _vectors(network, samples, inputs)
            vectors["labels"] = np.zeros(0, np.int64) if labels is None else labels
            np.savez_compressed(folder / name / "vectors.npz", **vectors)
        for name in STATIC_FILES:
            shutil.copyfile(STATIC / name, folder / name)
        wheel = write_runtime_wheel(folder)
        contents = {"format": FORMAT, "wheel": wheel.name, "runs": runs}
        (folder / CONTENTS).write_text(json.dumps(contents, indent=1) + "\n")
    return contents


def _named(networks: Sequence[Network]) -> dict[str, Network]:
    """Each network once, by the folder that it gets in the package."""
    named: dict[str, Network] = {}
    for network in {network.id: network for network in networks}.values():
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", network.name)[:60].strip(".-_") or "network"
        folder = f"networks/{plain}"
        named[f"{folder}-{network.id[:8]}" if folder in named else folder] = network
    return named


def _runs(bundles: Mapping[str, Bundle], networks: Mapping[str, Network]) -> list[dict]:
    """Which network runs on which bundle."""
    runs = []
    for folder, network in networks.items():
        Library(bundles.values()).pick(network)  # or says why none runs it
        for name, bundle in bundles.items():
            try:
                Library(bundle).pick(network)
            except OverlayError:
                continue
            runs.append(
                {
                    "name": f"{Path(folder).name}-on-{Path(name).stem}",
                    "bundle": name,
                    "network": folder,
                    "build_id": bundle.build_id,
                    "network_id": network.id,
                }
            )
    for name in bundles.keys() - {run["bundle"] for run in runs}:
        raise OverlayError(
            f"{name}: there is no network to run on it; give one with --network, or the dataflow "
            "bundle of one"
        )
    return runs


def _vectors(network: Network, samples: np.ndarray, inputs: str) -> dict[str, np.ndarray]:
    """What goes in, what that means, and what must come out."""
    integers = network.quantize(samples, inputs=inputs)
    if not len(integers):
        raise InputError(f"{network.name}: 0 samples prove nothing; give 1 or more")
    return {
        "inputs": samples,
        "meaning": np.array(inputs),
        "expected": network(integers),
    }


def _random_integers(network: Network) -> np.ndarray:
    tensor = network.input_value
    encoding = tensor.encoding
    levels = (encoding.maximum - encoding.minimum) // encoding.step + 1
    drawn = np.random.default_rng(0).integers(0, levels, (RANDOM_SAMPLES, tensor.size))
    return encoding.minimum + encoding.step * drawn
