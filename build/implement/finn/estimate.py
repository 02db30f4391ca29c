"""FINN's own estimate of a network beside ours, layer by layer, in process and without Vivado."""

from __future__ import annotations

from dataclasses import dataclass

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bitfold.build.compile.lowering import lower
from bitfold.build.frontend.quiet import quiet
from bitfold.build.implement.finn.graph import (
    PART,
    folding_config,
    hardware,
    layers,
    read_fold,
    transform,
)
from bitfold.models.network import Network
from bitfold.overlays.dataflow.design import Design
from bitfold.overlays.dataflow.fold import Fold, Folding


@dataclass(frozen=True)
class FinnLayer:
    """What FINN says of one of its hardware layers; `brams` are of 18 Kbit."""

    node: str
    fold: Fold
    cycles: int
    luts: int
    brams: int
    dsps: int


@dataclass(frozen=True)
class FinnEstimate:
    """FINN's estimate for one folding; `warnings` are what its log said on the way.

    `layers` are ours, in order, and behind them what FINN adds under its own names: the scale that
    makes sums of popcounts.

    As in its `dataflow_performance`, the interval is the slowest layer's cycles and the latency
    the sum of all.
    """

    layers: dict[str, FinnLayer]
    warnings: tuple[str, ...]

    @property
    def interval_cycles(self) -> int:
        return max(layer.cycles for layer in self.layers.values())

    @property
    def latency_cycles(self) -> int:
        return sum(layer.cycles for layer in self.layers.values())

    def total(self, what: str) -> int:
        """The sum of one of the figures of FinnLayer."""
        return sum(getattr(layer, what) for layer in self.layers.values())


@dataclass(frozen=True)
class Estimates:
    """`network` by both: ours and FINN's with the same folding, and FINN with its own.

    `own_overlay` is our overlay with the folding that FINN chose.
    """

    overlay: Design
    luts: dict[str, int]
    finn: FinnEstimate
    own: FinnEstimate
    own_overlay: Design


def estimate(network: Network, folding: Folding) -> Estimates:
    """Runs FINN's passes, `ApplyConfig`, `SetFolding` and analyses on `network`.

    FINN's own folding is for the cycles a frame that `folding` takes. Raises FrontendError where a
    pass of FINN fails, FoldingError for a folding that does not fit.
    """
    overlay = lower(network, folding)
    model = hardware(network)  # which also says where FINN is missing
    from finn.transformation.fpgadataflow.set_folding import SetFolding
    from finn.transformation.general import ApplyConfig

    config = folding_config(model, network, overlay)
    passes = (
        ApplyConfig(config, node_filter=lambda node: node.name in config),
        SetFolding(overlay.initiation_interval),
    )
    ours, own = (_estimate(model, network, fold) for fold in passes)
    chosen = {name: own.layers[name].fold for name in overlay.folding}
    return Estimates(overlay, overlay.luts_by_stage(), ours, own, lower(network, chosen))


def _estimate(model: ModelWrapper, network: Network, fold: Transformation) -> FinnEstimate:
    from finn.analysis.fpgadataflow.exp_cycles_per_layer import exp_cycles_per_layer
    from finn.analysis.fpgadataflow.res_estimation import res_estimation

    heard: list[str] = []
    model = transform(model, [fold], heard)
    with quiet(heard):
        cycles = exp_cycles_per_layer(model)
        resources = res_estimation(model, PART)
    names = {node.name: name for name, node in layers(model, network).items()}
    order = sorted(model.graph.node, key=lambda node: node.name not in names)
    measured = {
        names.get(node.name, node.name): FinnLayer(
            node.name,
            read_fold(node),
            cycles[node.name],
            *(int(resources[node.name][what]) for what in ("LUT", "BRAM_18K", "DSP")),
        )
        for node in order
    }
    return FinnEstimate(measured, tuple(dict.fromkeys(heard)))
