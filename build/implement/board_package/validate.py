"""Compares what the board gave with what it must give, sample by sample and output by output.

    python3 validate.py

It needs NumPy only, so results may also be compared elsewhere: copy results/ back. The exit code is
0 where everything is equal, 1 where something differs, 2 where there is nothing to compare.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

PACKAGE = Path(__file__).resolve().parent


def main() -> int:
    runs = json.loads((PACKAGE / "package.json").read_text())["runs"]
    return max([validate(run) for run in runs])


def validate(run: dict) -> int:
    """Says how the results of one run compare; the exit code for it."""
    name = run["name"]
    with np.load(PACKAGE / run["network"] / "vectors.npz") as vectors:
        expected = vectors["expected"]
    file = PACKAGE / "results" / f"{name}.npz"
    if not file.is_file():
        print(f"{name}: no results; make them with: python3 on_target.py")
        return 2
    with np.load(file) as results:
        outputs = results["outputs"]
        for key in ("build_id", "network_id"):
            if str(results[key]) != run[key]:
                print(
                    f"{name}: results of {key} {results[key]}, but this package has {run[key]}; "
                    "make them again with: python3 on_target.py"
                )
                return 2
    if outputs.shape != expected.shape:
        print(f"{name}: outputs of shape {outputs.shape}, expected {expected.shape}")
        return 1
    different = np.argwhere(outputs != expected)  # in the order of samples, then of outputs
    mismatches = len(np.unique(different[:, 0]))
    print(f"{name}: {len(outputs)} samples, {mismatches} mismatches")
    if not mismatches:
        return 0
    sample, output = different[0]
    print(
        f"  first at sample {sample}, output {output}: the board gave {outputs[sample, output]}, "
        f"expected {expected[sample, output]}"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
