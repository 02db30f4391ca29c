"""Runs all test vectors of this package on the board, and keeps what comes out in results/.

    python3 on_target.py
    python3 validate.py

It needs bitfold's runtime (the wheel beside it), NumPy and pynq.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bitfold.models.network import Network
from bitfold.runtime.accelerator import Accelerator

PACKAGE = Path(__file__).resolve().parent
RESULTS = PACKAGE / "results"
SHOWN = 10


def main() -> None:
    runs = json.loads((PACKAGE / "package.json").read_text())["runs"]
    RESULTS.mkdir(exist_ok=True)
    for run in runs:
        run_vectors(run["name"], PACKAGE / run["bundle"], PACKAGE / run["network"])
    print("now compare: python3 validate.py")


def run_vectors(name: str, bundle: Path, folder: Path) -> None:
    """Runs the vectors of the network in `folder` on the overlay in `bundle`."""
    network = Network.load(folder)
    with np.load(folder / "vectors.npz") as vectors:
        samples, meaning, labels = vectors["inputs"], str(vectors["meaning"]), vectors["labels"]
    with Accelerator(bundle, "board", network=network) as accelerator:
        outputs = accelerator.run(samples, inputs=meaning)
        call = accelerator.last_call
        device, clock_mhz = accelerator.device.name, accelerator.device.clock_mhz
        build_id = accelerator.bundle.build_id
    classes = network.classes(outputs)

    ids = {"build_id": build_id, "network_id": network.id}
    np.savez(RESULTS / f"{name}.npz", outputs=outputs, classes=classes, **ids)
    figures = {
        "device": device,
        "frames": call.frames,
        "clock_mhz": clock_mhz,
        "cycles": call.cycles,
        "cycles_predicted": call.predicted_cycles,
        "frames_per_second": call.frames * clock_mhz * 1e6 / call.cycles,
        **ids,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")

    names = [network.labels[c] if network.labels else str(c) for c in classes[:SHOWN]]
    print(f"{name}: {call.frames} samples on the {device}")
    print(f"  classes: {', '.join(names)}{' ...' * (len(classes) > SHOWN)}")
    if labels.size:
        print(f"  accuracy: {(classes == labels).mean():.2%}")
    print(
        f"  {call.cycles} cycles of the overlay ({call.predicted_cycles} predicted) at "
        f"{clock_mhz:g} MHz: {figures['frames_per_second']:,.0f} frames/s"
    )


if __name__ == "__main__":
    main()
