"""The commands that make a bundle and its report again."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bitfold.build.compile.passes.head import head_of
from bitfold.models.network import Network
from bitfold.models.zoo import TOPOLOGIES
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.overlays.dataflow.clock import DEFAULT_CLOCK_MHZ
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import Engine

if TYPE_CHECKING:
    from bitfold.models.training import TrainedModel


def commands(
    bundle: Bundle, called: str, network: Network, model: TrainedModel | None, inputs: list[str]
) -> list[dict]:
    """What to type, in order.

    `called` is the user's name for the bundle, `inputs` the arguments that name the samples.
    """
    source = _file(Path(network.info.get("source", "network.onnx")).name)
    called = _file(called)
    made = []

    def add(what: str, *words: object) -> None:
        made.append({"what": what, "run": shlex.join(["bitfold", *map(str, words)])})

    trained = _trained(model, inputs) if model else ()
    if trained:
        checkpoint = str(Path(source).with_suffix(".safetensors"))
        given = ("-q", model.quantization, "--seed", model.seed, "--steps", model.recipe.steps)
        add("train", "train", *trained, *given, "-o", checkpoint)
        add("export as QONNX", "export", checkpoint)
    if isinstance(bundle, DataflowBundle):
        add("make the overlay", "compile", source, "-o", called, *_compile_options(bundle, network))
        on = (called,)
    else:
        sizes = asdict(bundle.engine).items()
        own = [(key, value) for key, value in sizes if value != getattr(Engine, key)]
        options = [word for key, value in own for word in (f"--{key.replace('_', '-')}", value)]
        options += _clock(bundle)
        add("make the overlay", "overlay", "offload", "-o", called, *options)
        on = (called, "--network", source)
    add("run it on the RTL, and compare every output", "run", *on, *inputs)
    add("count LUTs with Yosys", "synth", called, "--json", "synth.json")
    add("this page", "report", *on, *inputs, "--synthesis", "synth.json", "-o", "report.html")
    return made


def _file(name: str) -> str:
    """`name` as a command takes it for a file, and for no option."""
    return f"./{name}" if name.startswith("-") else name


def _trained(model: TrainedModel, inputs: list[str]) -> list[str]:
    """The arguments of `bitfold train` that name what `model` learnt from; empty if unknown."""
    if model.topology in TOPOLOGIES:
        return [model.topology]
    table = "--label" in inputs and Path(inputs[0]).stem == model.dataset
    return inputs[: inputs.index("--label") + 2] if table else []


def _compile_options(bundle: DataflowBundle, network: Network) -> list[str]:
    options = []
    if "input_encoding" in network.info:
        options += ["--input-encoding", network.info["input_encoding"]]
        options += ["--input-scale", network.info["input_scale"]]
    for layer, fold in bundle.design.folding.items():
        options += ["--fold", f"{layer}={_factors(fold)}"]
    options += ["--head", head_of(network)] if head_of(network) != "scores" else []
    return options + _clock(bundle)


def _clock(bundle: Bundle) -> list[str]:
    return [] if bundle.clock_mhz == DEFAULT_CLOCK_MHZ else ["--clock", f"{bundle.clock_mhz!r}"]


def _factors(fold: Fold) -> str:
    return f"unrolled,{fold.unrolled}" if fold.unrolled else f"{fold.pe},{fold.simd}"
