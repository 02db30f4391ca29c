"""Fits the estimates of LUTs (overlays/dataflow/cost.py) and of the clock (clock.py beside it).

    python benchmarks/calibrate.py [luts] [clock]

To what Yosys makes of many cores, half an hour on two cores the first time; and to what nextpnr
reaches with the designs of timed.py, an hour. Coefficients of LUTs come from a non-negative
least-squares fit of relative errors, one for each kind of module; those of the clock from
clock_fit.py. The error that is stated is that of designs that took no part in the fit: five fits,
each without a fifth of them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import clock_fit
import networks
import numpy as np
import timed
from scipy.optimize import nnls
from timed import alone

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import RTL, compile_dataflow
from bitfold.build.compile.lowering import lower
from bitfold.build.implement.synthesis import synthesise, synthesise_bundle
from bitfold.build.implement.synthesis.timing import DEVICE
from bitfold.build.implement.synthesis.tools import nextpnr, yosys
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FoldingError
from bitfold.models.ops import ArgMax, Softmax
from bitfold.models.ops.softmax import scaled
from bitfold.models.value import Value
from bitfold.overlays.dataflow.cost import CALIBRATION
from bitfold.overlays.dataflow.stages import ArgMaxStage, SoftmaxStage
from bitfold.overlays.dataflow.windows import Windows

SIZES = (
    ((16, 64, 32, 32, 5), 64),
    ((4, 64, 32, 32, 3), 16),
    ((64, 64, 64, 10), 512),
    ((4, 64, 32, 32, 3), 128),
    ((4, 64, 32, 32, 3), 1),
)
"""Widths of the layers, and cycles a frame; in 1 all layers are unrolled."""
ENCODINGS = (
    ("BIPOLAR", "BIPOLAR", "BIPOLAR"),
    ("UINT8", "BIPOLAR", "BIPOLAR"),
    ("UINT8", "BIPOLAR", "UINT2"),
    ("UINT4", "BIPOLAR", "UINT3"),
    ("INT8", "INT2", "UINT2"),
    ("UINT8", "TERNARY", "UINT3"),
    ("UINT8", "INT4", "UINT4"),
    ("INT6", "INT6", "UINT6"),
    ("UINT8", "INT8", "UINT4"),
)
"""Of inputs, weights and activations."""
FOLDS = 5
MOST_LUTS = 12_000
"""Of what is larger Yosys takes many minutes."""
MOST_PROMISED = 1.1
"""A clock of more than so many times what a design reaches is too fast a promise."""


@dataclass(frozen=True)
class Part:
    """A stage or a link of a core: its features, and its LUTs."""

    kind: str
    features: dict[str, float]
    luts: int


@dataclass(frozen=True)
class Core:
    name: str
    parts: list[Part]
    yosys: str


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(FITS))
    if unknown:
        sys.exit(f"no fit of {', '.join(unknown)}; there are: {', '.join(FITS)}")
    document = json.loads(CALIBRATION.read_text())
    for name in names or FITS:
        document[name] = FITS[name]()
        CALIBRATION.write_text(json.dumps(document, indent=1) + "\n")


def fit_luts() -> dict:
    """The coefficients of LUTs, and their error on cores that took no part."""
    cores = []
    for core in sample():
        cores.append(core)
        print(f"{len(cores):3} {core.name}: {sum(p.luts for p in core.parts):,} LUTs", flush=True)
    names = sorted({core.name.split(" at ")[0] for core in cores})
    errors = []
    for i in range(FOLDS):
        held_out = set(names[i::FOLDS])
        others = [c for c in cores if c.name.split(" at ")[0] not in held_out]
        fitted = fit([part for core in others for part in core.parts])
        for core in cores:
            if core.name.split(" at ")[0] in held_out:
                luts = sum(part.luts for part in core.parts)
                estimated = sum(estimate(part, fitted) for part in core.parts)
                errors.append(estimated / luts - 1)
                print(f"{core.name:70} {luts:7,} {estimated:9,.0f} {errors[-1]:+6.1%}")
    coefficients = fit([part for core in cores for part in core.parts])
    coefficients |= fit([*argmax_parts(), *softmax_parts(), *window_parts(), *shell_parts()])
    return _stated(coefficients, errors, f"Yosys {cores[0].yosys}")


def fit_clock() -> dict:
    """The coefficients of the clock, and their error on designs that took no part.

    Fails where a design of the fit is promised more than MOST_PROMISED times what it reaches.
    """
    designs = []
    for design in timed.timed():
        designs.append(design)
        print(f"{len(designs):3} {design.name}: {1000 / design.ns:.1f} MHz", flush=True)
    coefficients = clock_fit.fit(designs)
    others = clock_fit.held_out(designs)
    for own, other in zip(clock_fit.estimated(designs, coefficients), others):
        reached, promised = 1000 / own.ns, 1000 / own.estimated_ns
        print(f"{own.name:70} {reached:6.1f} {promised:6.1f} MHz, as an other {other.promise:.2f}")
        assert own.promise <= MOST_PROMISED
    too_fast = sum(other.promise > MOST_PROMISED for other in others)
    print(f"{too_fast} of them, as others, are promised more than {MOST_PROMISED} times")
    versions = f"nextpnr {nextpnr().version}, Yosys {yosys().version}, {DEVICE}"
    errors = [other.promise - 1 for other in others]
    return _stated(coefficients, errors, versions) | {"promised_too_much": too_fast}


def _stated(coefficients: dict, errors: list[float], tools: str) -> dict:
    """A fit as calibration.json has it; prints it too."""
    for kind, fitted in coefficients.items():
        print(kind, {name: round(value, 3) for name, value in fitted.items()})
    size = np.abs(errors)
    print(f"{len(size)} designs: median error {np.median(size):.1%}, worst {size.max():.1%}")
    return {
        "coefficients": {
            kind: {name: round(value, 4) for name, value in fitted.items()}
            for kind, fitted in coefficients.items()
        },
        "median_error": round(float(np.median(size)), 4),
        "worst_error": round(float(size.max()), 4),
        "designs": len(size),
        "tools": tools,
    }


def sample() -> Iterator[Core]:
    """Cores of all sizes and encodings, synthesised, those with DSPs also without."""
    for widths, cycles in SIZES:
        for inputs, weights, activations in ENCODINGS:
            network = networks.any_bits(widths, inputs, weights, activations)
            try:
                folds = folding.for_cycles(network, cycles)
            except FoldingError:  # the ports take longer
                continue
            overlay = lower(network, folds)
            with tempfile.TemporaryDirectory() as scratch:
                bundle = compile_dataflow(network, folds, Path(scratch) / "core.bundle")
                for options in ((), ("-nodsp",)):
                    dsps = not options
                    if not dsps and not overlay.dsps:
                        continue
                    if overlay.luts(dsps) > MOST_LUTS:
                        continue
                    made = synthesise_bundle(bundle, core_only=True, options=options)
                    parts = {f"stage_{i}": stage for i, stage in enumerate(overlay.stages)}
                    for edge in overlay.edges:
                        end = "out" if edge.target is None else edge.target
                        parts[f"link_{end}"] = edge.link
                    yield Core(
                        f"{network.name} at {cycles}{'' if dsps else ' no DSP'}",
                        [
                            Part(*part.features(dsps), made.under(path).luts)
                            for path, part in parts.items()
                            if part
                        ],
                        made.yosys,
                    )


def argmax_parts() -> list[Part]:
    """The argmax stage by itself: the networks above give scores."""
    parts = []
    common = (RTL / "common" / f"{name}.sv" for name in ("delay", "stream_skid"))
    sources = [*common, RTL / "dataflow" / "argmax.sv"]
    for rows, pe in ((3, 1), (10, 1), (10, 2), (10, 5), (32, 8), (32, 32)):
        for name in ("INT6", "INT12"):
            score, index = Encoding.of(name), Encoding.for_range(0, rows - 1)
            stage = alone(ArgMaxStage, ArgMax(), rows, pe, score, Value((1,), index))
            sizes = {"ROWS": rows, "PE": pe, "INPUT_BITS": score.bits, "OUTPUT_BITS": index.bits}
            sizes["ROUNDS"] = stage.rounds
            made = synthesise(sources, "argmax", parameters=sizes)
            parts.append(Part(*stage.features(dsps=True), made.luts))
    return parts


def softmax_parts() -> list[Part]:
    """The softmax stage by itself, with any scale."""
    parts = []
    sources = [*sorted((RTL / "common").glob("softmax*.sv")), RTL / "dataflow" / "softmax.sv"]
    shares = Encoding.of("UINT8")
    for plain in (False, True):
        for rows, name, scale in (
            (2, "INT6", 0.3),
            (3, "INT12", 0.02),
            (3, "INT20", 1e-4),
            (10, "INT8", 0.05),
            (10, "INT16", 1e-3),
            (33, "INT10", 0.04),
            (64, "INT14", 2e-3),
        ):
            multiplier, shift = scaled(scale, "plain" if plain else "reduced")
            score = Encoding.of(name)
            op = Softmax(multiplier, shift, "plain" if plain else "reduced")
            stage = alone(SoftmaxStage, op, rows, 1, score, Value((rows,), shares))
            sizes = {
                "ROWS": rows,
                "INPUT_BITS": score.bits,
                "MULTIPLIER": multiplier,
                "SHIFT": shift,
                "PLAIN": int(plain),
            }
            made = synthesise(sources, "softmax", parameters=sizes)
            parts.append(Part(*stage.features(dsps=True), made.luts))
    return parts


def window_parts() -> list[Part]:
    """The windows of convolutions and pooling by themselves."""
    common = (RTL / "common" / f"{name}.sv" for name in ("ram", "stable_beat", "stream_fifo"))
    sources = [*common, RTL / "windows" / "sliding_window.sv"]
    parts = []
    for side, words, bits, pad, ring in (
        (30, 2, 32, 0, 126),
        (14, 2, 32, 0, 64),
        (8, 4, 8, 1, 80),
        (24, 1, 16, 1, 60),
        (16, 1, 64, 1, 40),
    ):
        seen = Windows((side, side), 1, words, (3, 3), (1, 1), (pad,) * 4)
        sizes = seen.rtl_parameters | {"WORDS": words, "WIDTH": bits, "DEPTH": ring}
        made = synthesise(sources, "sliding_window", parameters=sizes)
        parts.append(Part(*seen.features(bits, ring), made.luts))
    return parts


def shell_parts() -> list[Part]:
    """The shell by itself, for some numbers of layers, which it counts."""
    shell = sorted((RTL / "shell").glob("*.sv"), key=lambda f: (not f.stem.endswith("_pkg"), f))
    common = [*(RTL / "common").glob("stream*.sv"), RTL / "common" / "stable_beat.sv"]
    sources = [*shell, *sorted(common), RTL / "common" / "delay.sv"]
    parts = []
    for layers in (2, 8):
        made = synthesise(sources, "dataflow_shell", parameters={"LAYERS": layers})
        parts.append(Part("shell", {"one": 1, "layers": layers}, made.luts))
    return parts


def fit(parts: list[Part]) -> dict[str, dict[str, float]]:
    """Coefficients of each kind."""
    fitted = {}
    for kind in sorted({part.kind for part in parts}):
        rows = [part for part in parts if part.kind == kind]
        names = list(rows[0].features)
        # Small parts matter little in a core, so their relative error counts less.
        weight = 1 / (np.array([part.luts for part in rows]) + 20)
        features = np.array([[part.features[name] for name in names] for part in rows])
        values, _ = nnls(
            features * weight[:, None], np.array([part.luts for part in rows]) * weight
        )
        fitted[kind] = dict(zip(names, values.tolist()))
    return fitted


def estimate(part: Part, coefficients: dict[str, dict[str, float]]) -> float:
    return sum(coefficients[part.kind][name] * v for name, v in part.features.items())


FITS = {"luts": fit_luts, "clock": fit_clock}

if __name__ == "__main__":
    main(sys.argv[1:])
