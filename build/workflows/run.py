"""Runs samples through an overlay, and says what came out beside what was predicted."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from bitfold.build.workflows.samples import Samples
from bitfold.models.errors import ClassWarning, InputWarning
from bitfold.models.inputs import INTEGERS
from bitfold.models.network import Network
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.library import Library


def run_rows(
    library: Library,
    network: Network,
    samples: Samples,
    say: Callable[[str], None],
    device: str = "auto",
    overlay: str = "auto",
) -> tuple[dict, np.ndarray]:
    """What `bitfold run` says of the samples, and their output integers."""
    with Accelerator(
        library, device, progress=say, network=network, overlay=overlay
    ) as accelerator:
        say(f"{len(samples)} samples")
        with warnings.catch_warnings(record=True) as caught:
            for kind in (ClassWarning, InputWarning):
                warnings.simplefilter("always", kind)
            integers = samples.integers(network)
            outputs = accelerator.run(integers, inputs=INTEGERS)
        call = accelerator.last_call
        figures = accelerator.figures(integers, inputs=INTEGERS)
    classes = network.classes(outputs)
    mismatches = int((outputs != network(integers)).any(axis=1).sum())
    result = {
        "network": network.name,
        "overlay": accelerator.bundle.kind,
        "device": accelerator.device.name,
        "samples": len(samples),
        "inputs": samples.inputs,
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
    if samples.labels is not None:
        from bitfold.models.metrics import measure

        count = len(network.labels) or int(max(samples.labels.max(), classes.max())) + 1
        result["metrics"] = measure(samples.labels, classes, count).to_json()
    return result, outputs
