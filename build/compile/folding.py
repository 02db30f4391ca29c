"""Chooses a folding: PE and SIMD of each layer, legal ones only, for a target or from a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path

from bitfold.build.compile.lowering import (
    MAX_UNROLLED_CYCLES,
    MAX_UNROLLED_WEIGHTS,
    Foldable,
    foldable,
    layer_stages,
    lower,
    wire,
)
from bitfold.build.unrolled.layer import unrolled_layer
from bitfold.models.checked import checked
from bitfold.models.errors import FoldingError
from bitfold.models.json_files import read_json
from bitfold.models.network import Network
from bitfold.models.ops import Threshold
from bitfold.overlays.dataflow.clock import DEFAULT_CLOCK_MHZ
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.kernels import dense_layers, fuse, products

DEFAULT_CYCLES = 64
"""The target where the user names none: small, and still a million frames a second at 100 MHz."""

DEFAULT_PRODUCTS = 2048
"""About how many products a cycle are enough where that takes longer: a small chip has room."""

LEVELS_A_CYCLE = 8
"""LUTs between two registers of an unrolled layer, where the user does not say."""

UNROLLED = "unrolled"

_WHOLE = re.compile(r"[0-9]{1,9}")

FINN_MATRICES = ("MVAU", "MatrixVectorActivation", "StreamingFCLayer")
FINN_DEPTHWISE = ("VVAU", "VectorVectorActivation", "Vector_Vector_Activate")
FINN_OTHERS = (
    *("AddStreams", "ChannelwiseOp", "ConvolutionInputGenerator", "DuplicateStreams", "FMPadding"),
    *("GlobalAccPool", "IODMA", "LabelSelect", "Pool", "StreamingDataWidthConverter"),
    *("StreamingFIFO", "StreamingMaxPool", "Thresholding"),
)
"""Operators of FINN whose settings are for FINN alone."""


def for_cycles(
    network: Network,
    cycles: int,
    levels: int = LEVELS_A_CYCLE,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> dict[str, Fold]:
    """The cheapest folding in which no layer takes more than `cycles` a frame, and every stage
    reaches `clock_mhz`; a layer of which no fold does takes the fastest.

    Cheapest is the fewest products a cycle, then the fewest rows in parallel (each row needs its
    own accumulator and comparators). A layer that has to do all of them at once is unrolled, with
    `levels` LUTs between registers. Raises FoldingError where a port or a softmax takes longer.
    """
    if cycles < 1:
        raise FoldingError(f"{cycles} cycles a frame can't be; ask for 1 or more")
    folding = {}
    for name, size in foldable(network).items():
        fits = [fold for fold in _folds(size) if size.cycles(fold) <= cycles]
        if not fits:
            raise FoldingError(
                f"{network.name}: {cycles} cycles a frame can't be reached: {name} takes "
                f"{size.cycles(size.whole)} for its feature map, a window's pixel each; ask for "
                "that many or more"
            )
        cheapest = sorted(fits, key=lambda fold: (fold.pe * fold.simd, fold.pe))
        folding[name] = _reaching(network, name, cheapest, clock_mhz)
    overlay = wire(network, folding)
    if overlay.initiation_interval > cycles:
        parts = "64-bit beats" if overlay.bottleneck.endswith("port") else "classes, one a cycle"
        raise FoldingError(
            f"{network.name}: {cycles} cycles a frame can't be reached: the {overlay.bottleneck} "
            f"takes {overlay.initiation_interval} for its {parts}; ask for that many or more"
        )
    return _unroll_whole_layers(network, folding, levels, clock_mhz)


def _reaching(network: Network, layer: str, folds: Sequence[Fold], clock_mhz: float) -> Fold:
    """The first of `folds` whose stages reach `clock_mhz`, else the fastest."""

    def mhz(fold: Fold) -> float:
        return min(stage.mhz for stage in layer_stages(network, layer, fold, clock_mhz))

    reaching = (fold for fold in folds if mhz(fold) >= clock_mhz)
    return next(reaching, None) or max(folds, key=mhz)


def unrolled(
    network: Network, levels: int = LEVELS_A_CYCLE, clock_mhz: float = DEFAULT_CLOCK_MHZ
) -> dict[str, Fold]:
    """Every layer unrolled, with `levels` LUTs between registers, or as few as `clock_mhz` asks
    for: a frame each cycle."""
    whole = {name: size.whole for name, size in foldable(network).items()}
    return _unroll_whole_layers(network, whole, levels, clock_mhz)


def for_frames_per_second(
    network: Network, frames: float, clock_mhz: float, levels: int = LEVELS_A_CYCLE
) -> dict[str, Fold]:
    """The cheapest folding that takes `frames` a second at `clock_mhz`, or at the clock that it
    reaches of that.

    Raises FoldingError where none of those for a number of cycles does.
    """
    if not (0 < frames < inf and 0 < clock_mhz < inf):
        raise FoldingError(
            f"{frames:g} frames a second at {clock_mhz:g} MHz: both must be numbers above zero"
        )
    cycles = int(min(clock_mhz * 1e6 / frames, 2.0**53))
    if cycles < 1:
        raise FoldingError(
            f"{frames:g} frames a second are more than one each cycle at {clock_mhz:g} MHz; "
            f"ask for at most {clock_mhz * 1e6:g}"
        )
    fastest = 0.0
    while cycles >= 1:
        folding = for_cycles(network, cycles, levels, clock_mhz)
        made = lower(network, folding, clock_mhz)
        reached = min(clock_mhz, made.clock.mhz)
        fastest = max(fastest, reached * 1e6 / made.initiation_interval)
        if fastest >= frames:
            return folding
        # Always fewer, as what is reached is below the clock that these cycles are for.
        cycles = min(cycles - 1, int(reached * 1e6 / frames))
    raise FoldingError(
        f"{network.name}: {frames:g} frames a second at {clock_mhz:g} MHz can't be reached: "
        f"{made.clock.limited_by} allows about {made.clock.mhz:.0f} MHz, so that there are "
        f"{fastest:,.0f}; ask for fewer"
    )


def for_luts(
    network: Network,
    luts: int,
    levels: int = LEVELS_A_CYCLE,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> dict[str, Fold]:
    """The fastest folding of those for a number of cycles whose core is estimated at no more than
    `luts` LUTs."""
    smallest = None
    for cycles in reachable_cycles(network):
        folding = for_cycles(network, cycles, levels, clock_mhz)
        cost = lower(network, folding, clock_mhz).luts()
        if cost <= luts:
            return folding
        smallest = cost if smallest is None else min(smallest, cost)
    raise FoldingError(
        f"{network.name}: even the smallest folding is estimated at {smallest} LUTs, above "
        f"{luts}; raise the budget or use fewer or smaller weights"
    )


def for_reuse(
    network: Network,
    reuse: int,
    levels: int = LEVELS_A_CYCLE,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> dict[str, Fold]:
    """The folding in which a multiplier does `reuse` products a frame: hls4ml's reuse factor.

    That is the cycles that the layer takes, for a dense one (rows / PE) * (columns / SIMD), with as
    few rows in parallel as that allows. A layer that can't have it takes the nearest that it can
    have, the smaller of two, as in hls4ml; `legal_reuse` lists them. Reuse 1 is a layer unrolled,
    with `levels` LUTs between registers. Raises FoldingError for less than 1, and for more products
    than any layer has.
    """
    sizes = foldable(network)
    legal = {name: legal_reuse(size) for name, size in sizes.items()}
    if not 1 <= reuse <= max(map(max, legal.values())):
        listed = "; ".join(f"{name} {', '.join(map(str, each))}" for name, each in legal.items())
        raise FoldingError(
            f"{network.name}: reuse {reuse} can't be; that of a layer has to divide its products: "
            f"{listed}"
        )
    folding = {}
    for name, size in sizes.items():
        nearest = min(legal[name], key=lambda each: (abs(each - reuse), each))
        folding[name] = next(fold for fold in _folds(size) if size.cycles(fold) == nearest)
    return _unroll_whole_layers(network, folding, levels, clock_mhz)


def legal_reuse(size: Foldable) -> list[int]:
    """The reuse factors that a layer of this size can have, ascending."""
    return sorted({size.cycles(fold) for fold in _folds(size)})


def _folds(size: Foldable) -> Iterator[Fold]:
    """Every fold that a layer of this size can have, the fewest rows in parallel first."""
    return (Fold(pe, simd) for pe in _divisors(size.rows) for simd in _divisors(size.columns))


def nearest_below(size: Foldable, pe: int, simd: int) -> Fold:
    """The largest fold that a layer of this size can have with no more than `pe` and `simd`."""
    return Fold(
        max(d for d in _divisors(size.rows) if d <= pe),
        max(d for d in _divisors(size.columns) if d <= simd),
    )


def from_json(network: Network, file: Path) -> dict[str, Fold]:
    """The folding in `file`: our own {"layer": {"PE": 2, "SIMD": 4}, ...}, or FINN's.

    A layer that is unrolled has all its rows as PE, its columns as SIMD, and "unrolled": cycles.

    In FINN's folding config the i-th MVAU is the i-th layer that multiplies by weights, or the i-th
    VVAU of those that are depthwise, and Thresholding_0 a threshold in front of them; its other
    settings are for FINN alone. Layers that the file leaves out take "Defaults" where it has them;
    of those without weights each is else as small as keeps pace. Raises FoldingError for a file
    that does not fit the network.
    """
    remedy = "give a folding: an object of layers, each with PE and SIMD"
    document = read_json(file, FoldingError, remedy)
    entries = checked(document, dict[str, dict[str, object]], FoldingError, str(file), remedy)
    defaults = _finn_defaults(entries.pop("Defaults", {}))
    dense = products(network)
    known: dict[str, tuple[dict, str]] = {}
    for name, entry in entries.items():
        layer = _layer_of(name, network, file)
        if layer is None:
            continue
        if layer in known:
            raise FoldingError(f"{file}: {known[layer][1]} and {name} are both {layer}; drop one")
        known[layer] = (entry, name)
    folding = {}
    sizes = foldable(network)
    for layer in sizes:
        entry, said = known.pop(layer, ({}, layer))
        if not entry and layer not in dense and "PE" not in defaults:
            continue
        both = {**defaults, **entry} if layer in dense else {**defaults, "SIMD": 1, **entry}
        factors = {key: each for key, each in both.items() if key in _FACTORS}
        where = f"{file}: {said}"
        given = checked(factors, _Factors, FoldingError, where, "give PE and SIMD")
        if given.PE is None or given.SIMD is None:
            raise FoldingError(f"{where}: give PE and SIMD")
        folding[layer] = Fold(given.PE, given.SIMD, given.unrolled)
    return {layer: folding.get(layer) or _keeping_pace(sizes, layer, folding) for layer in sizes}


def _keeping_pace(sizes: Mapping[str, Foldable], layer: str, folding: Mapping[str, Fold]) -> Fold:
    """The smallest fold of a layer that is no slower than the slowest in `folding`, if any is."""
    slowest = max((sizes[name].cycles(fold) for name, fold in folding.items()), default=0)
    fits = (fold for fold in _folds(sizes[layer]) if sizes[layer].cycles(fold) <= slowest)
    return next(fits, sizes[layer].whole)


@dataclass(frozen=True)
class _Factors:
    """What of a layer's entry in a folding file is for us."""

    PE: int | None = None
    SIMD: int | None = None
    unrolled: int = 0


_FACTORS = tuple(field.name for field in fields(_Factors))


def choose(
    network: Network,
    *,
    cycles: int | None = None,
    frames_per_second: float | None = None,
    luts: int | None = None,
    reuse: int | None = None,
    file: Path | None = None,
    unroll: bool = False,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    levels: int = LEVELS_A_CYCLE,
) -> dict[str, Fold]:
    """The folding for the one target that is given, or for DEFAULT_CYCLES.

    Where the user names none, what is slower than that sets the pace: a port, a feature map, or
    DEFAULT_PRODUCTS.
    """
    targets = {
        "cycles": cycles,
        "fps": frames_per_second,
        "luts": luts,
        "reuse": reuse,
        "folding": file,
        "unroll": unroll or None,
    }
    named = [name for name, value in targets.items() if value is not None]
    if len(named) > 1:
        raise FoldingError(f"{' and '.join(named)} are targets of their own; give one of them")
    if cycles is not None:
        return for_cycles(network, cycles, levels, clock_mhz)
    if frames_per_second is not None:
        return for_frames_per_second(network, frames_per_second, clock_mhz, levels)
    if luts is not None:
        return for_luts(network, luts, levels, clock_mhz)
    if reuse is not None:
        return for_reuse(network, reuse, levels, clock_mhz)
    if file is not None:
        return from_json(network, file)
    if unroll:
        return unrolled(network, levels, clock_mhz)
    sizes = foldable(network)
    done = sum(sizes[name].cycles(Fold(1, 1)) for name in products(network))
    cycles = max(DEFAULT_CYCLES, least_cycles(network), -(-done // DEFAULT_PRODUCTS))
    return for_cycles(network, cycles, levels, clock_mhz)


def override(
    network: Network,
    folding: dict[str, Fold],
    folds: Sequence[str],
    levels: int = LEVELS_A_CYCLE,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> dict[str, Fold]:
    """`folding` with the layers in `folds` replaced, each written LAYER=PE,SIMD or LAYER=PE, or
    LAYER=unrolled, which `levels` and `clock_mhz` then pipeline, or LAYER=unrolled,CYCLES."""
    changed = dict(folding)
    for text in folds:
        layer, _, factors = text.partition("=")
        first, *more = (factor.strip() for factor in factors.split(","))
        if layer not in folding:
            raise FoldingError(f"{text}: {layer!r} is no layer; there are {', '.join(folding)}")
        if not all(map(_WHOLE.fullmatch, more)) or len(more) > 1:
            raise FoldingError(f"{text}: write it as {layer}=PE,SIMD, as in {layer}=2,4")
        if first == UNROLLED:
            whole = foldable(network)[layer].whole
            changed[layer] = (
                replace(whole, unrolled=int(more[0]))
                if more
                else unroll(network, layer, levels, clock_mhz)
            )
        elif _WHOLE.fullmatch(first):
            changed[layer] = Fold(int(first), *map(int, more))
        else:
            raise FoldingError(f"{text}: write it as {layer}=PE,SIMD, as in {layer}=2,4")
    wire(network, changed)
    return changed


def _unroll_whole_layers(
    network: Network, folding: dict[str, Fold], levels: int, clock_mhz: float
) -> dict[str, Fold]:
    """`folding` with each Dense layer unrolled that has all its products in one cycle."""
    dense = dense_layers(network)
    sizes = foldable(network)
    return {
        name: unroll(network, name, levels, clock_mhz)
        if name in dense
        and fold == sizes[name].whole
        and fold.pe * fold.simd <= MAX_UNROLLED_WEIGHTS
        else fold
        for name, fold in folding.items()
    }


def unroll(
    network: Network,
    layer: str,
    levels: int = LEVELS_A_CYCLE,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> Fold:
    """The fold of a Dense `layer` that is unrolled: no more than `levels` LUTs lie between
    registers, and fewer where `clock_mhz` asks for that."""
    if levels < 1:
        raise FoldingError(f"{levels} LUTs between registers can't be; ask for 1 or more")
    kernel = next(kernel for kernel in fuse(network) if kernel.name == layer)
    # lower() refuses to unroll what is no dense layer.
    dense = layer in dense_layers(network)
    depth = unrolled_layer(network, kernel).depth if dense else 1
    fewest, most = max(1, -(-depth // levels)), min(depth, MAX_UNROLLED_CYCLES)
    whole = foldable(network)[layer].whole
    folds = [replace(whole, unrolled=cycles) for cycles in range(fewest, max(fewest, most) + 1)]
    return _reaching(network, layer, folds, clock_mhz) if dense else folds[0]


def least_cycles(network: Network) -> int:
    """Cycles a frame that the ports and a softmax take, however wide the layers are."""
    whole = {name: size.whole for name, size in foldable(network).items()}
    return wire(network, whole).initiation_interval


def reachable_cycles(network: Network) -> list[int]:
    """The cycles a frame that some folding takes, ascending: no others are worth a try."""
    least = least_cycles(network)
    return sorted(
        {max(least, fold) for size in foldable(network).values() for fold in legal_reuse(size)}
    )


def to_finn_json(network: Network, folding: dict[str, Fold]) -> dict:
    """`folding` as a folding config that FINN's ApplyConfig reads."""
    config: dict = {"Defaults": {}}
    first = network.nodes[0]
    names = {layer: f"MVAU_{i}" for i, layer in enumerate(_matrices(network))}
    names |= {layer: f"VVAU_{i}" for i, layer in enumerate(_depthwise(network))}
    for layer, fold in folding.items():
        if layer in names:
            config[names[layer]] = {"PE": fold.pe, "SIMD": fold.simd}
        elif layer == first.name and isinstance(first.op, Threshold):
            config["Thresholding_0"] = {"PE": fold.pe}
    return config


def _depthwise(network: Network) -> list[str]:
    """The layers that FINN calls VVAU, in order."""
    sizes = foldable(network)
    return [name for name in products(network) if sizes[name].depthwise]


def _matrices(network: Network) -> list[str]:
    """The layers that FINN calls MVAU, in order."""
    depthwise = _depthwise(network)
    return [name for name in products(network) if name not in depthwise]


def _layer_of(name: str, network: Network, file: Path) -> str | None:
    """The layer that a folding file means; None: one of FINN alone. Raises FoldingError."""
    if name in foldable(network):
        return name
    matrices, depthwise = _matrices(network), _depthwise(network)
    stem, _, index = name.rpartition("_")
    stem = stem.removesuffix("_hls").removesuffix("_rtl").removesuffix("_Batch")
    if _WHOLE.fullmatch(index):
        for stems, layers in ((FINN_MATRICES, matrices), (FINN_DEPTHWISE, depthwise)):
            if stem in stems and int(index) < len(layers):
                return layers[int(index)]
        first = network.nodes[0]
        if stem == "Thresholding" and index == "0" and first.kind == "Threshold":
            return first.name
        if stem in FINN_OTHERS:
            return None
    raise FoldingError(
        f"{file}: {name} is no layer of the network; it has {', '.join(foldable(network))} "
        f"(in FINN's words MVAU_0 to MVAU_{len(matrices) - 1})"
    )


def _finn_defaults(entry: dict) -> dict:
    """FINN writes {"PE": [2, ["all"]]}: a value and the operators it is for."""
    return {
        key: value[0] if isinstance(value, list) and value else value
        for key, value in entry.items()
        if key in ("PE", "SIMD")
    }


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]
