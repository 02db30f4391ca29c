"""Draws the result of an exploration; the only file that needs matplotlib."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bitfold.build.inspect.explore import Candidate, Exploration


def draw(
    exploration: Exploration,
    kept: tuple[Candidate, ...],
    file: Path,
    *,
    title: str,
    note: str,
    clock_mhz: float,
    max_luts: float | None,
    min_fps: float | None,
) -> None:
    """Throughput over LUTs, with latency as colour, written to `file` by its suffix.

    Shows all that was tried, the Pareto front, which of it was `kept`, and the limits.
    """

    def points(candidates):
        return (
            [c.luts for c in candidates],
            [c.frames_per_second for c in candidates],
        )

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.scatter(*points(exploration.candidates), s=14, color="0.8", label="tried", zorder=1)
    latencies = [c.latency_cycles for c in exploration.front]
    scale = LogNorm(min(latencies), max(max(latencies), min(latencies) + 1))
    shown = axes.scatter(
        *points(exploration.front),
        c=latencies,
        norm=scale,
        cmap="viridis",
        s=44,
        zorder=3,
        label="Pareto front",
    )
    if len(kept) < len(exploration.front):
        ring = {"s": 130, "facecolors": "none", "edgecolors": "black", "linewidths": 1.2}
        axes.scatter(*points(kept), **ring, zorder=2, label="within the limits")
    for value, line, name in (
        (max_luts, axes.axvline, f"at most {max_luts or 0:,} LUTs"),
        (min_fps, axes.axhline, f"at least {min_fps or 0:,.0f} frames/s"),
    ):
        if value:
            line(value, color="tab:red", linewidth=1, linestyle="--", zorder=2, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("LUTs of the core (estimated)")
    axes.set_ylabel(f"frames a second at up to {clock_mhz:g} MHz")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda luts, _: f"{luts:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda fps, _: f"{fps:,.0f}"))
    axes.grid(True, which="major", color="0.92")
    axes.set_axisbelow(True)
    colours = figure.colorbar(shown, ax=axes, label="latency in cycles")
    colours.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    colours.ax.yaxis.set_major_formatter(FuncFormatter(lambda cycles, _: f"{cycles:,.0f}"))
    colours.ax.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title)
    axes.set_title(note, fontsize=8, color="0.35")
    figure.savefig(file, dpi=150, format=file.suffix.removeprefix("."))
    plt.close(figure)
