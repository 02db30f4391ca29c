"""What each stage was compared with, on which samples, and how many of them differed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.build.compile.passes.cut import cut_behind
from bitfold.build.workflows.run import run_rows
from bitfold.build.workflows.samples import Samples
from bitfold.models.errors import FrontendError, TrainingError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.runtime import verilator
from bitfold.runtime.library import Library

if TYPE_CHECKING:
    from bitfold.models.training import TrainedModel


def stage(
    name: str,
    reference: str,
    compared: str,
    samples: int,
    mismatches: int,
    rounded: int = 0,
    inputs: str | None = None,
) -> dict:
    """A stage that was run.

    `rounded` samples differ beside the `mismatches` because the reference rounds; `inputs` says
    which they were if not the report's samples.
    """
    return {
        "stage": name,
        "with": reference,
        "compared": compared,
        "samples": samples,
        "mismatches": mismatches,
        "rounded": rounded,
        "inputs": inputs,
        "not_run": None,
    }


def not_run(name: str, reference: str, compared: str, why: str) -> dict:
    """A stage that was not run, and why."""
    return {**stage(name, reference, compared, 0, 0), "not_run": why}


def source_stages(
    network: Network, samples: Samples, qonnx: Path | None, model: TrainedModel | None
) -> list[dict]:
    """Compares torch with the QONNX file, and that with `network`, layer by layer.

    What is None is not run. Raises FrontendError or TrainingError for a file that is not the
    network's.
    """
    x = samples.measurements(network)
    return [_torch(x, qonnx, model), _qonnx(network, x, qonnx)]


def find_source(bundle: Path, network: Network) -> tuple[Path | None, Path | None]:
    """The QONNX file and the checkpoint of `network` if they lie beside `bundle`, under the names
    that train and export give them, and are the network's."""
    qonnx = bundle.parent / Path(network.info.get("source", "")).name
    if qonnx.suffix != ".onnx" or not qonnx.is_file():
        return None, None
    try:
        from bitfold.build.frontend import random_samples, verify_against_source

        verify_against_source(_comparable(network), qonnx, random_samples(network, 1))
    except FrontendError:
        return None, None  # it was made anew since
    checkpoint = qonnx.with_suffix(".safetensors")
    return qonnx, checkpoint if checkpoint.is_file() else None


_NO_SOURCE = "the QONNX file is not here; name it with `--source`"


def _torch(x: np.ndarray, qonnx: Path | None, model: TrainedModel | None) -> dict:
    what = "torch", "QONNX", "scores, bit for bit"
    if qonnx is None:
        return not_run(*what, _NO_SOURCE)
    if model is None:
        return not_run(*what, "the checkpoint is not here; name it with `--checkpoint`")
    from bitfold.build.frontend import source_scores

    if len(model.feature_names) != x.shape[1]:
        raise TrainingError(
            f"{model.name}: takes {len(model.feature_names)} features, but {qonnx.name} takes "
            f"{x.shape[1]}; give the checkpoint that the file was exported from"
        )
    wrong = (model.scores(x) != source_scores(qonnx, x)).any(axis=1)
    return stage(*what, len(x), int(wrong.sum()))


def _qonnx(network: Network, x: np.ndarray, qonnx: Path | None) -> dict:
    network = _comparable(network)
    last = "the class" if network.decides_class else "scores"
    what = "QONNX", "integer network", f"integers of every layer, and {last}"
    if qonnx is None:
        return not_run(*what, _NO_SOURCE)
    from bitfold.build.frontend import verify_against_source

    found = verify_against_source(network, qonnx, x)
    rounded = len(found.rounded)
    return stage(*what, len(x), len(found.mismatches) - rounded, rounded=rounded)


def _comparable(network: Network) -> Network:
    """`network` as its file has it: of a softmax in integers it has no like, but of the class."""
    if network.last.kind != "Softmax":
        return network
    scores = cut_behind(network, network.maker(network.last.input))
    return choose_class_on_chip(replace(scores, labels=network.labels))


def device_stages(
    bundle: Bundle,
    network: Network,
    samples: Samples,
    rtl_samples: int,
    say: Callable[[str], None],
) -> tuple[dict[str, dict | None], list[dict]]:
    """Runs all samples on the functional device, and the first `rtl_samples` on the RTL.

    Gives what `bitfold run` says of both ("functional", "rtl", which is None where it did not run)
    and the two stages.
    """
    library = Library(bundle)
    runs: dict[str, dict | None] = {"rtl": None}
    runs["functional"], _ = run_rows(library, network, samples, say, "functional")
    stages = [_of_run("functional device", runs["functional"])]
    what = "RTL in Verilator", *_OUTPUTS
    if not rtl_samples:
        return runs, [*stages, not_run(*what, "left out with `--rtl 0`")]
    if not verilator.is_installed():
        return runs, [*stages, not_run(*what, "it needs Verilator and g++; see `bitfold doctor`")]
    runs["rtl"], _ = run_rows(library, network, samples[:rtl_samples], say, "verilated")
    return runs, [*stages, _of_run(what[0], runs["rtl"])]


_OUTPUTS = ("integer network", "every output integer")


def _of_run(name: str, run: dict) -> dict:
    return stage(name, *_OUTPUTS, run["samples"], run["mismatches"])


def netlist_stage(bundle: Bundle, synthesis: dict | None) -> dict:
    """What `bitfold synth --verify` found, if `synthesis` was made with it."""
    what = "netlist of Yosys", *_OUTPUTS
    if not isinstance(bundle, DataflowBundle):
        return not_run(*what, "`bitfold synth --verify` is for dataflow overlays")
    check = (synthesis or {}).get("netlist_check")
    if check is None:
        why = "`bitfold synth --verify N --json FILE` runs it; give FILE with `--synthesis`"
        return not_run(*what, why)
    return stage(*what, check["inputs"], check["wrong"], inputs="random ones, by `bitfold synth`")


def board_stage(bundle: Bundle) -> dict:
    boards = ", ".join(bundle.boards)
    why = f"there is a bitstream for {boards}; " if boards else "there is no bitstream; "
    return not_run("board", *_OUTPUTS, why + "`bitfold deploy` makes what checks it on a board")
