"""Faults for tests: a weight bit that is flipped, in a network or in a bundle, and what it does."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense, Threshold
from bitfold.overlays.bundle import Bundle, write_bundle
from bitfold.overlays.images import image_name
from bitfold.overlays.manifest import BUILD_ID_IMAGE, DESIGN, MANIFEST


@dataclass(frozen=True)
class Fault:
    """Bit `bit` of a stored weight of `layer`."""

    layer: str
    row: int
    column: int
    bit: int = 0


def dense(network: Network) -> list[Node]:
    return [node for node in network.nodes if isinstance(node.op, Dense)]


def flipped(network: Network, fault: Fault) -> Network:
    """`network` with another weight."""
    (node,) = (node for node in dense(network) if node.name == fault.layer)
    parameter = network.parameter(node, "weights")
    stored = parameter.encoding.to_bits(parameter.values)
    stored[fault.row, fault.column] ^= np.uint64(1 << fault.bit)
    values = parameter.encoding.from_bits(stored).astype(np.int32)
    changed = {**network.parameters, node.parameter("weights"): replace(parameter, values=values)}
    return replace(network, parameters=changed)


def slow_trace(network: Network, sample: list[int]) -> dict[str, list[int]]:
    """Every value of one sample, in Python's own integers."""
    values = {network.input: [int(x) for x in sample]}
    for node in network.nodes:
        x = values[node.input]
        if isinstance(node.op, Dense):
            rows = network.parameter(node, "weights").values.tolist()
            values[node.output] = [sum(w * v for w, v in zip(row, x)) for row in rows]
        elif isinstance(node.op, Threshold):
            rows = network.parameter(node, "thresholds").values.tolist()
            rows = rows * len(x) if len(rows) == 1 else rows
            step = 2 if network.values[node.output].encoding.name == "BIPOLAR" else 1
            values[node.output] = [
                node.op.base + step * sum(v >= t for t in row) for row, v in zip(rows, x)
            ]
        else:
            values[node.output] = [x.index(max(x))]
    return values


def first_difference(a: Network, b: Network, x: np.ndarray, seen=None) -> tuple | None:
    """(value, sample, channel, integer of a, value of b) of the first place in the first of the
    values `seen` (by default all) where two networks differ; None where they do not."""
    traces = [[slow_trace(network, sample) for sample in x] for network in (a, b)]
    for node in a.nodes:
        if seen is not None and node.output not in seen:
            continue
        for sample, (one, other) in enumerate(zip(*traces)):
            for channel, pair in enumerate(zip(one[node.output], other[node.output])):
                if pair[0] != pair[1]:
                    return node.output, sample, channel, *pair
    return None


def resealed(bundle: Bundle, path: Path, changes: dict[str, str]) -> Bundle:
    """`bundle` with other texts in place of some of its files, and all hashes right, as a fault in
    the compiler would leave it."""
    manifest = json.loads((bundle.path / MANIFEST).read_text())
    for name in ("format", "build_id", "files", "sha256", "network_id"):
        manifest.pop(name, None)
    hardware = [name for name in bundle.files if name.startswith(("rtl/", "images/", DESIGN))]
    files = {n: (bundle.path / n).read_text() for n in hardware if n != BUILD_ID_IMAGE}
    assert changes.keys() <= files.keys()
    write_bundle(path, manifest, {**files, **changes}, getattr(bundle, "network", None))
    return Bundle.load(path)


def with_rtl_of(bundle: Bundle, other: Bundle, path: Path) -> Bundle:
    """`bundle` with the other one's RTL, where layers of logic have their weights."""
    names = [name for name in bundle.files if name.startswith("rtl/")]
    return resealed(bundle, path, {name: (other.path / name).read_text() for name in names})


def with_flipped_image(bundle: Bundle, fault: Fault, path: Path) -> Bundle:
    """`bundle` with the bit flipped in the memory image, found as the header of mvau.sv says."""
    fold = bundle.design.folding[fault.layer]
    (node,) = (node for node in dense(bundle.network) if node.name == fault.layer)
    parameter = bundle.network.parameter(node, "weights")
    columns = parameter.values.shape[1]
    word = fault.row // fold.pe * (columns // fold.simd) + fault.column // fold.simd
    field = fault.row % fold.pe * fold.simd + fault.column % fold.simd
    (place,) = (i for i, s in enumerate(bundle.design.stages) if s.name == fault.layer)
    name = f"images/{image_name(place, 'weights')}"
    words = (bundle.path / name).read_text().split()
    value = int(words[word], 16) ^ 1 << field * parameter.encoding.bits + fault.bit
    words[word] = f"{value:0{len(words[word])}x}"
    return resealed(bundle, path, {name: "".join(f"{word}\n" for word in words)})
