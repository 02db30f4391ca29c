"""Whether a design fits a chip, and if not, what does."""

from __future__ import annotations

from bitfold.build.compile.folding import for_cycles, reachable_cycles
from bitfold.build.compile.lowering import lower
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.overlays.boards.chip import Chip
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.overlays.dataflow.design import Design
from bitfold.overlays.offload import Engine
from bitfold.runtime.functional import MEMORY_LATENCY_CYCLES
from bitfold.runtime.offload.schedule import batch_cycles
from bitfold.runtime.offload.steps import split

BATCH = 1000
"""Frames in a call, where the speed of an engine is told."""


def check_fit(network: Network, design: Design, chip: Chip, clock_mhz: float) -> None:
    """Raises OverlayError for a `design` of `network` that is estimated larger than `chip`: it
    names the fastest folding that fits, or what an offload engine would reach."""
    beyond = chip.overfull(design.resources(chip))
    if not beyond:
        return
    raise OverlayError(
        f"{network.name}: does not fit a {chip.name}: it takes about {', '.join(beyond)}; "
        f"{_remedy(network, design, chip, clock_mhz)}; or insist with --force"
    )


def check_bundle(bundle: Bundle, chip: Chip) -> None:
    """As `check_fit`, of a bundle. There is no estimate of what an engine takes: it passes."""
    if isinstance(bundle, DataflowBundle):
        check_fit(bundle.network, bundle.design, chip, bundle.clock_mhz)


def _remedy(network: Network, design: Design, chip: Chip, clock_mhz: float) -> str:
    cycles = _fewest_cycles(network, design, chip, clock_mhz)
    if cycles is not None:
        made = lower(network, for_cycles(network, cycles, clock_mhz=clock_mhz), clock_mhz)
        reached = min(clock_mhz, made.clock.mhz)
        speed = reached * 1e6 / cycles
        return f"--cycles {cycles} fits: {speed:,.0f} frames a second at {reached:.4g} MHz"
    return f"no folding does; {_on_an_engine(network, clock_mhz)}"


def _fewest_cycles(network: Network, design: Design, chip: Chip, clock_mhz: float) -> int | None:
    """The fewest cycles a frame whose folding fits; more cycles take less logic."""

    def fits(cycles: int) -> bool:
        made = lower(network, for_cycles(network, cycles, clock_mhz=clock_mhz), clock_mhz)
        return not chip.overfull(made.resources(chip))

    left = [n for n in reachable_cycles(network) if n > design.initiation_interval]
    if not left or not fits(left[-1]):
        return None
    while len(left) > 1:
        middle = (len(left) - 1) // 2
        left = left[: middle + 1] if fits(left[middle]) else left[middle + 1 :]
    return left[0]


def _on_an_engine(network: Network, clock_mhz: float) -> str:
    engine = Engine()
    size = f"{engine.rows}x{engine.lanes}"
    try:
        steps = split(engine, network)
    except OverlayError as error:
        return f"nor does the default offload engine run it: {error}"
    cycles = batch_cycles(engine, steps, BATCH, MEMORY_LATENCY_CYCLES)
    reached = min(clock_mhz, engine.clock.mhz)
    speed = BATCH * reached * 1e6 / cycles
    return (
        f"the offload engine of {size} runs it at about {speed:,.0f} frames a second at "
        f"{reached:.4g} MHz (bitfold overlay offload)"
    )
