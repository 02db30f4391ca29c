"""Searches the foldings of a network for those that no other beats: LUTs, latency, throughput."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bitfold.build.compile import folding
from bitfold.build.compile.fitting import check_fit
from bitfold.build.compile.lowering import MAX_UNROLLED_WEIGHTS, foldable, lower
from bitfold.models.errors import FoldingError
from bitfold.models.network import Network
from bitfold.overlays.boards.chip import XC7Z020, Chip
from bitfold.overlays.dataflow.clock import DEFAULT_CLOCK_MHZ, Clock
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.kernels import dense_layers


@dataclass(frozen=True)
class Candidate:
    """A folding, what its core is estimated to take, and what it is predicted to reach."""

    folding: dict[str, Fold]
    luts: int
    dsps: int
    latency_cycles: int
    initiation_interval: int
    clock: Clock
    """What it is estimated to reach, and what limits it."""
    clock_mhz: float
    """That, or the clock asked for where it reaches more."""
    fits: bool
    """Whether it fits the chip, with its shell."""

    @property
    def frames_per_second(self) -> float:
        return self.clock_mhz * 1e6 / self.initiation_interval

    def beats(self, other: Candidate) -> bool:
        """Whether this one is better in something and worse in nothing."""
        mine, others = self._figures, other._figures
        return mine != others and all(m <= o for m, o in zip(mine, others))

    @property
    def _figures(self) -> tuple[float, float, float]:
        microseconds = self.latency_cycles / self.clock_mhz
        return self.luts, microseconds, 1 / self.frames_per_second


@dataclass(frozen=True)
class Exploration:
    """All that was tried, and the Pareto front of what fits the chip, smallest first."""

    candidates: tuple[Candidate, ...]
    front: tuple[Candidate, ...]

    def within(self, max_luts: float, min_fps: float) -> tuple[Candidate, ...]:
        """Those of the front that keep both limits.

        Raises FoldingError where none does, with what comes nearest.
        """
        small = [c for c in self.front if c.luts <= max_luts]
        if not small:
            raise FoldingError(
                f"no folding is estimated at {max_luts:,.0f} LUTs or fewer; the smallest takes "
                f"{self.front[0].luts:,}: raise the budget, or use fewer or smaller weights"
            )
        kept = tuple(c for c in small if c.frames_per_second >= min_fps)
        if not kept:
            fastest = max(small, key=lambda c: c.frames_per_second)
            best = max(c.frames_per_second for c in self.front)
            raise FoldingError(
                f"with {max_luts:,.0f} LUTs there are at most {fastest.frames_per_second:,.0f} "
                f"frames a second, one in {fastest.initiation_interval} cycles, and not "
                f"{min_fps:,.4g}; the fastest folding of all gives {best:,.0f}: raise the budget "
                "or the clock, or ask for fewer frames a second"
            )
        return kept


def explore(
    network: Network,
    levels: int = folding.LEVELS_A_CYCLE,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    chip: Chip = XC7Z020,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Exploration:
    """Tries the cheapest folding for every number of cycles a frame that there is, each also with
    layers unrolled as long as that makes it smaller or faster, and all of them unrolled.

    `levels`: LUTs between the registers of unrolled layers. `clock_mhz`: asked of every stage.
    With `force` what does not fit `chip` may be on the front too. Raises FoldingError or
    OverlayError for a network that no dataflow overlay holds, or of which no folding fits.
    """
    targets = folding.reachable_cycles(network)
    found = {}
    for done, cycles in enumerate(targets):
        progress(done, len(targets))
        for chosen in _variants(network, cycles, levels, clock_mhz, chip):
            candidate = _judge(network, chosen, clock_mhz, chip)
            found.setdefault(tuple(chosen.items()), candidate)
    candidates = tuple(found.values())
    kept = [candidate for candidate in candidates if candidate.fits or force]
    if not kept:
        smallest = min(candidates, key=lambda candidate: candidate.luts)
        check_fit(network, lower(network, smallest.folding, clock_mhz), chip, clock_mhz)
    return Exploration(candidates, tuple(_pareto(kept)))


def _variants(
    network: Network, cycles: int, levels: int, clock_mhz: float, chip: Chip
) -> Iterable[dict[str, Fold]]:
    """The folding for `cycles`, then with one layer after the other unrolled, that one first
    which leaves the fewest LUTs."""
    chosen = folding.for_cycles(network, cycles, levels, clock_mhz)
    yield chosen
    sizes = foldable(network)
    waiting = {
        name
        for name in dense_layers(network)
        if not chosen[name].unrolled
        and sizes[name].rows * sizes[name].columns <= MAX_UNROLLED_WEIGHTS
    }
    while waiting:
        unrolled = {
            name: {**chosen, name: folding.unroll(network, name, levels, clock_mhz)}
            for name in waiting
        }
        name = min(unrolled, key=lambda n: _judge(network, unrolled[n], clock_mhz, chip).luts)
        chosen = unrolled[name]
        waiting.remove(name)
        yield chosen


def _judge(network: Network, chosen: dict[str, Fold], clock_mhz: float, chip: Chip) -> Candidate:
    overlay = lower(network, chosen, clock_mhz)
    taken = overlay.core_resources(chip)
    return Candidate(
        chosen,
        taken.luts,
        taken.dsps,
        overlay.latency_cycles,
        overlay.initiation_interval,
        overlay.clock,
        min(clock_mhz, overlay.clock.mhz),
        not chip.overfull(overlay.resources(chip)),
    )


def _pareto(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that no other beats, one of equals, by LUTs."""
    front: list[Candidate] = []
    ordered = sorted(candidates, key=lambda c: c._figures)
    for candidate in ordered:
        if not any(
            other.beats(candidate) or other._figures == candidate._figures for other in front
        ):
            front.append(candidate)
    return front
