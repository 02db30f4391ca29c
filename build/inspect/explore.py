"""Searches the foldings of a network for those that no other beats: LUTs, latency, throughput."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bitfold.build.compile import folding
from bitfold.build.compile.lowering import MAX_UNROLLED_WEIGHTS, foldable, lower
from bitfold.models.errors import FoldingError
from bitfold.models.network import Network
from bitfold.overlays.boards.chip import XC7Z020
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

    def beats(self, other: Candidate) -> bool:
        """Whether this one is better in something and worse in nothing."""
        mine, others = self._figures, other._figures
        return mine != others and all(m <= o for m, o in zip(mine, others))

    @property
    def _figures(self) -> tuple[int, int, int]:
        return self.luts, self.latency_cycles, self.initiation_interval


@dataclass(frozen=True)
class Exploration:
    """All that was tried, and the Pareto front of it, smallest first."""

    candidates: tuple[Candidate, ...]
    front: tuple[Candidate, ...]

    def within(self, max_luts: float, max_interval: float) -> tuple[Candidate, ...]:
        """Those of the front that keep both limits.

        Raises FoldingError where none does, with what comes nearest.
        """
        small = [c for c in self.front if c.luts <= max_luts]
        if not small:
            raise FoldingError(
                f"no folding is estimated at {max_luts:,.0f} LUTs or fewer; the smallest takes "
                f"{self.front[0].luts:,}: raise the budget, or use fewer or smaller weights"
            )
        kept = tuple(c for c in small if c.initiation_interval <= max_interval)
        if not kept:
            fastest = min(c.initiation_interval for c in self.front)
            raise FoldingError(
                f"with {max_luts:,.0f} LUTs a frame takes "
                f"{min(c.initiation_interval for c in small)} cycles at the least, and not "
                f"{max_interval:,.4g}; the fastest folding of all takes {fastest}: raise the "
                "budget or the clock, or ask for fewer frames a second"
            )
        return kept


def explore(
    network: Network,
    levels: int = folding.LEVELS_A_CYCLE,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Exploration:
    """Tries the cheapest folding for every number of cycles a frame that there is, each also with
    layers unrolled as long as that makes it smaller or faster, and all of them unrolled.

    `levels`: LUTs between the registers of unrolled layers. Raises FoldingError or OverlayError for
    a network that no dataflow overlay holds.
    """
    targets = folding.reachable_cycles(network)
    found = {}
    for done, cycles in enumerate(targets):
        progress(done, len(targets))
        for chosen in _variants(network, cycles, levels):
            candidate = _judge(network, chosen)
            found.setdefault(tuple(chosen.items()), candidate)
    candidates = tuple(found.values())
    return Exploration(candidates, tuple(_pareto(candidates)))


def _variants(network: Network, cycles: int, levels: int) -> Iterable[dict[str, Fold]]:
    """The folding for `cycles`, then with one layer after the other unrolled, that one first
    which leaves the fewest LUTs."""
    chosen = folding.for_cycles(network, cycles, levels)
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
            name: {**chosen, name: folding.unroll(network, name, levels)} for name in waiting
        }
        name = min(unrolled, key=lambda n: _judge(network, unrolled[n]).luts)
        chosen = unrolled[name]
        waiting.remove(name)
        yield chosen


def _judge(network: Network, chosen: dict[str, Fold]) -> Candidate:
    overlay = lower(network, chosen)
    taken = overlay.core_resources(XC7Z020)
    return Candidate(
        chosen,
        taken.luts,
        taken.dsps,
        overlay.latency_cycles,
        overlay.initiation_interval,
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
