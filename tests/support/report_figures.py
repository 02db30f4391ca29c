"""Holds the figures of a report's page against its JSON."""

from __future__ import annotations


def at(report, path: str):
    """What the JSON has at `path`."""
    for key in path.split("."):
        report = report[int(key)] if isinstance(report, list) else report[key]
    return report


def check_figures(figures, report: dict) -> None:
    """Each of (value, path, text) is what the JSON has there, and the text its digits."""
    for value, path, text in figures:
        told = at(report, path)
        assert value == str(told), path
        scale = 100 if text.endswith(" %") else 1e-6 if text.endswith(" M") else 1
        shown = text.rstrip(" %M").replace(",", "")
        decimals = len(shown.partition(".")[2])
        assert float(shown) == round(told * scale, decimals), (path, text, told)


def paths_that_have_to_be_shown(report: dict) -> set[str]:
    """All that a reader comes for."""
    paths = {f"summary.{key}" for key, value in report["summary"].items() if value is not None}
    paths |= {f"cycles.{key}" for key in ("latency_us", "frames_per_second")}
    paths |= {f"cycles.{key}" for key in ("reached_mhz", "mhz_estimated")}
    for key in ("latency_cycles", "initiation_interval", "cycles"):
        paths |= {f"cycles.{key}", f"cycles.predicted.{key}"}
    for i, stage in enumerate(report["stages"]):
        if stage["not_run"] is None:
            paths |= {f"stages.{i}.samples", f"stages.{i}.mismatches"}
    for i, layer in enumerate(report["layers"]):
        sizes = ("rows", "columns", "weight_bits", "in", "out", "cycles")
        folds = ("pe", "simd") if "pe" in layer else ("blocks", "words", "passes")
        paths |= {f"layers.{i}.{key}" for key in (*sizes, *folds)}
    for i in range(len(report["resources"]["bars"])):
        paths |= {f"resources.bars.{i}.{key}" for key in ("taken", "of", "share")}
    paths |= {f"resources.by_part.{i}.luts" for i in range(len(report["resources"]["by_part"]))}
    for i in range(3):
        paths |= {f"accuracy.functional.confusion.{i}.{j}" for j in range(3)}
    paths |= {"accuracy.functional.accuracy", "accuracy.rtl.accuracy", "accuracy.held_out.accuracy"}
    return paths
