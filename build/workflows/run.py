"""Runs samples through an overlay, and says what came out beside what was predicted."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from bitfold.models.errors import ClassWarning
from bitfold.models.network import Network
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.library import Library


def run_rows(
    library: Library,
    network: Network,
    x: np.ndarray,
    labels: np.ndarray | None,
    say: Callable[[str], None],
    device: str = "auto",
    overlay: str = "auto",
) -> tuple[dict, np.ndarray]:
    """What `bitfold run` says of the samples `x`, and their output integers."""
    with Accelerator(
        library, device, progress=say, network=network, overlay=overlay
    ) as accelerator:
        say(f"{len(x)} samples")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ClassWarning)
            outputs = accelerator.run(x)
        call = accelerator.last_call
        figures = accelerator.figures(x)
    classes = network.classes(outputs)
    mismatches = int((outputs != network(network.quantize(x))).any(axis=1).sum())
    result = {
        "network": network.name,
        "overlay": accelerator.bundle.kind,
        "device": accelerator.device.name,
        "samples": len(x),
        "mismatches": mismatches,
        "exact": mismatches == 0,
        "classes": classes.tolist(),
        "cycles": call.cycles,
        "cycles_predicted": call.predicted_cycles,
        "latency_cycles": figures.latency_cycles,
        "latency_cycles_predicted": figures.latency_cycles_predicted,
        "initiation_interval": figures.initiation_interval,
        "initiation_interval_predicted": figures.initiation_interval_predicted,
        "busy_cycles": dict(call.busy_cycles),
        "stalled_cycles": dict(call.stalled_cycles),
        "warnings": [str(warning.message) for warning in caught],
        "failed": mismatches > 0,
    }
    if labels is not None:
        from bitfold.models.metrics import measure

        count = len(network.labels) or int(max(labels.max(), classes.max())) + 1
        result["metrics"] = measure(labels, classes, count).to_json()
    return result, outputs
