"""Estimates the LUTs and DSPs of a dataflow overlay, to choose a folding by.

Synthesis knows better. Here a module's LUTs are a sum of features of its structure (bits added,
compared, stored ...), each times a coefficient. benchmarks/calibrate.py fits the coefficients to
what Yosys makes of many cores, and writes them to calibration.json with the error on cores that it
did not fit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil, log2
from pathlib import Path

from bitfold.overlays.dataflow import (
    ArgMaxStage,
    DataflowOverlay,
    Link,
    MatrixStage,
    SoftmaxStage,
    Stage,
    ThresholdStage,
    UnrolledStage,
)

CALIBRATION = Path(__file__).with_name("calibration.json")

DSP_PRODUCT_BITS = 9
"""From how many bits of a product on Yosys takes a DSP for it; it and Vivado can be told not to."""


@dataclass(frozen=True)
class Calibration:
    """What the estimate rests on. An error is that of a whole core, as a share of its LUTs."""

    coefficients: Mapping[str, Mapping[str, float]]
    median_error: float
    worst_error: float
    cores: int
    yosys: str


@cache
def calibration() -> Calibration:
    return Calibration(**json.loads(CALIBRATION.read_text()))


def estimate_luts(overlay: DataflowOverlay, dsps: bool = True) -> int:
    """LUTs of the core, without the shell; with multipliers in DSPs where Yosys puts them there,
    or, without `dsps`, all in LUTs."""
    return sum(luts_by_layer(overlay, dsps).values())


def estimate_dsps(overlay: DataflowOverlay) -> int:
    """DSPs of the core, where they are allowed."""
    return sum(
        stage.fold.pe * stage.fold.simd
        for stage in overlay.stages
        if isinstance(stage, MatrixStage) and _takes_dsps(stage)
    )


def luts_by_layer(overlay: DataflowOverlay, dsps: bool = True) -> dict[str, int]:
    """LUTs of each stage with the link in front of it; those in front of the port are its own."""
    links = [_luts(link, dsps) if link else 0 for link in overlay.links]
    luts = {stage.name: _luts(stage, dsps) + link for stage, link in zip(overlay.stages, links)}
    return {**luts, "output port": links[-1]}


def _luts(part: Stage | Link, dsps: bool) -> int:
    kind, features = part_features(part, dsps)
    coefficients = calibration().coefficients[kind]
    return ceil(sum(coefficients[name] * value for name, value in features.items()))


def part_features(part: Stage | Link, dsps: bool = True) -> tuple[str, dict[str, float]]:
    """The kind of `part`, whose coefficients it takes, and its features."""
    if isinstance(part, Link):
        return "link", _link_features(part)
    if isinstance(part, UnrolledStage):
        return "unrolled", {"one": 1, "counted": part.luts}
    if isinstance(part, MatrixStage):
        return _matrix_kind(part, dsps), _matrix_features(part)
    if isinstance(part, ThresholdStage):
        return "threshold", _threshold_features(part)
    if isinstance(part, SoftmaxStage):
        return ("softmax_plain" if part.plain else "softmax"), _softmax_features(part)
    assert isinstance(part, ArgMaxStage)
    return "argmax", {"one": 1, "compared": part.fold.pe * part.input.bits}


def _matrix_kind(stage: MatrixStage, dsps: bool) -> str:
    bipolar = stage.input.is_bipolar + stage.weight.is_bipolar
    if bipolar:
        return ("multiply", "add", "xnor")[bipolar]
    return "multiply_dsp" if dsps and _takes_dsps(stage) else "multiply"


def _takes_dsps(stage: MatrixStage) -> bool:
    if stage.input.is_bipolar or stage.weight.is_bipolar:
        return False
    product = sum(e.bits + (not e.signed) for e in (stage.input, stage.weight))
    return product >= DSP_PRODUCT_BITS


def _matrix_features(stage: MatrixStage) -> dict[str, float]:
    pe, simd = stage.fold.pe, stage.fold.simd
    products = pe * simd
    x, w, total = stage.input.bits, stage.weight.bits, stage.output.bits
    buffered = stage.neuron_fold > 1
    return {
        "one": 1,
        "steps": log2(stage.neuron_fold * stage.synapse_fold),
        "rows": pe,
        "products": products,
        "product_bits": products * x * w,
        "summed": products * (x + w + log2(simd) / 2),
        "accumulated": pe * total * (stage.synapse_fold > 1),
        "weights": products * w * _table(stage.cycles),
        "buffer": _memory(simd * x, stage.synapse_fold) if buffered else 0,
        "chosen": simd * x if buffered else 0,
    }


def _threshold_features(stage: ThresholdStage) -> dict[str, float]:
    pe, folds = stage.fold.pe, 1 if stage.shared else stage.cycles
    bits = stage.input.bits + 1
    return {
        "one": 1,
        "compared": pe * stage.level_bits * bits,
        "thresholds": pe * bits * sum(_table(folds << depth) for depth in range(stage.level_bits)),
        "levels": pe * stage.level_bits,
    }


def _softmax_features(stage: SoftmaxStage) -> dict[str, float]:
    places = 1 << (stage.rows + 1).bit_length()
    return {
        "one": 1,
        "score_bits": stage.input.bits,
        "steps": log2(places),
        "memory": sum(_memory(bits, places) for bits in (stage.input.bits + 1, 9, 8)),
    }


def _link_features(link: Link) -> dict[str, float]:
    ratio = link.padded // link.lanes_out
    return {
        "one": 1,
        "memory": _memory(link.kept * link.bits, link.depth),
        "steps": log2(link.depth) + log2(max(1, ratio)) + log2(link.wide // link.lanes_in),
        "chosen": link.lanes_out * link.bits * ceil((ratio - 1) / 3),
    }


def _table(words: int) -> float:
    """LUTs for each bit of a table of constants: a LUT6 holds 64 of them."""
    return 0 if words == 1 else max(1, words / 64)


def _memory(bits: int, words: int) -> float:
    """LUTs of distributed RAM: a RAM32M is 4, and holds 32 words of 6 bits."""
    return 4 * ceil(bits / 6) * ceil(words / 32) if words > 1 else 0
