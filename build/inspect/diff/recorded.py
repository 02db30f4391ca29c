"""A stage that is over: outputs that were recorded, on a board or anywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitfold.build.inspect.diff.stages import Shown
from bitfold.build.workflows.samples import Samples
from bitfold.models.array_files import read_npy, read_npz
from bitfold.models.errors import InputError, shown
from bitfold.models.json_files import read_json
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.overlays.bundle import Bundle

SUFFIXES = (".npz", ".npy", ".csv", ".json")


@dataclass(frozen=True)
class Recording:
    """Output integers (rows, outputs) int64.

    What on_target.py leaves in a package also tells the `network`, the `bundle` and the `samples`
    that it ran; they are None for outputs that stand alone.
    """

    outputs: np.ndarray
    network: Network | None = None
    bundle: Bundle | None = None
    samples: Samples | None = None


@dataclass(frozen=True)
class RecordedStage:
    """A recording of what `network` gave; it shows nothing but outputs."""

    label: str
    network: Network
    recording: Recording

    @property
    def bundle(self) -> Bundle | None:
        return self.recording.bundle

    def run(self, samples: Samples) -> Shown:
        """Raises InputError for another number of samples, or of outputs, than was recorded."""
        network, outputs = self.network, self.recording.outputs
        expected = (len(samples), network.output_value.size)
        if outputs.shape != expected:
            raise InputError(
                f"{self.label}: outputs of shape {outputs.shape}, but {expected[0]} samples of "
                f"{network.name} give {expected}; give the samples that it was recorded with"
            )
        tensors = {network.input: samples.integers(network), network.output: outputs}
        return Shown(tensors, network.scores(outputs))

    def parameter(self, node: Node) -> np.ndarray | None:
        return None


def read_recording(path: Path, trust_rtl: bool = False) -> Recording:
    """What `path` holds: results/NAME.npz of a package (or the .json beside it), or outputs that
    `bitfold run --output` wrote (.npy, .csv). Raises InputError, NetworkError or BundleError."""
    file = path.with_suffix(".npz") if path.suffix == ".json" else path
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    results = _read(file)
    outputs = results["outputs"]
    if outputs.ndim != 2 or not np.issubdtype(outputs.dtype, np.integer):
        raise InputError(
            f"{file}: {outputs.dtype} of shape {outputs.shape} are no recorded outputs; these are "
            "integers (samples, outputs)"
        )
    outputs = outputs.astype(np.int64)
    package = file.resolve().parent.parent
    run = _run(package, file.stem) if file.suffix == ".npz" else None
    if run is None:
        return Recording(outputs)
    for key in ("build_id", "network_id"):
        found = str(results.get(key))
        if found != run[key]:
            raise InputError(
                f"{file}: results of {key} {shown(found)}, but its package has {run[key]}; make "
                "them again with: python3 on_target.py"
            )
    vectors = package / run["network"] / "vectors.npz"
    vectors = read_npz(vectors, InputError, "no vectors", "deploy it again")
    if not {"inputs", "meaning"} <= vectors.keys():
        raise InputError(f"{package}: its vectors.npz has no inputs; deploy it again")
    samples = Samples(vectors["inputs"], str(vectors["meaning"]))
    network = Network.load(package / run["network"])
    bundle = Bundle.load(package / run["bundle"], trust_rtl=trust_rtl)
    return Recording(outputs, network, bundle, samples)


def _read(file: Path) -> dict[str, np.ndarray]:
    """What is in the file, the outputs under "outputs"."""
    what = "no recorded outputs"
    remedy = "give what `bitfold run --output` or a package's on_target.py wrote"
    if file.suffix == ".npy":
        return {"outputs": read_npy(file, InputError, what, remedy)}
    if file.suffix != ".csv":
        results = read_npz(file, InputError, what, remedy)
        if "outputs" not in results:
            raise InputError(f"{file}: {what}; {remedy}")
        return results
    try:
        outputs = np.loadtxt(file, delimiter=",", comments=None, ndmin=2, dtype=np.int64)
        return {"outputs": outputs}
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {what} ({error}); {remedy}") from error


def _run(package: Path, name: str) -> dict | None:
    """What package.json says of the run of that name, if there is such a package."""
    contents = package / "package.json"
    if not contents.is_file():
        return None
    document = read_json(contents, InputError, "deploy it again")
    keys = ("name", "network", "bundle", "build_id", "network_id")
    try:
        runs = [{key: str(run[key]) for key in keys} for run in document["runs"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{contents}: says nothing of its runs; deploy it again") from error
    return next((run for run in runs if run["name"] == name), None)
