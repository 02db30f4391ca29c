"""Runs two stages on the same samples and finds where they differ first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bitfold.build.inspect.diff.compare import Comparison, compare
from bitfold.build.inspect.diff.devices import open_overlay
from bitfold.build.inspect.diff.recorded import RecordedStage
from bitfold.build.inspect.diff.stages import Shown, Stage
from bitfold.build.workflows.samples import Samples
from bitfold.models.errors import InputError


def search(
    a: Stage, b: Stage, samples: Samples, say: Callable[[str], None] = lambda step: None
) -> tuple[Comparison, str | None]:
    """How `a` and `b` compare on the samples, and where a layer was seen, in words, if that was
    not in the stages themselves.

    Recorded outputs show no layers. Where they differ, the RTL of the bundle that they come from
    stands in, on those samples for which it gives just these outputs. Raises InputError for
    stages that are not of one network, and what they raise.
    """
    if not len(samples):
        raise InputError("0 samples prove nothing; give 1 or more")
    shown = []
    for stage in (a, b):
        say(f"{len(samples)} samples through {stage.label}")
        shown.append(stage.run(samples))
    found = compare(a, b, *shown)
    for which, stage in enumerate((a, b)):
        if isinstance(stage, RecordedStage) and len(found.outputs_differ):
            return _stand_in(a, b, samples, shown, which, found, say)
    return found, None


def _stand_in(
    a: Stage,
    b: Stage,
    samples: Samples,
    shown: list[Shown],
    which: int,
    found: Comparison,
    say: Callable[[str], None],
) -> tuple[Comparison, str]:
    recorded, other = ((a, b), (b, a))[which]
    if recorded.bundle is None:
        return found, f"{recorded.label} shows outputs only; compare with the bundle that gave them"
    rtl = open_overlay(f"{recorded.label}, in RTL", recorded.bundle, "rtl", recorded.network, say)
    differing = found.outputs_differ
    say(f"{len(differing)} samples through the RTL of {recorded.bundle.name}")
    seen = rtl.run(samples[differing])
    output = recorded.network.output
    same = (seen.tensors[output] == shown[which].tensors[output][differing]).all(axis=1)
    if not same.any():
        return found, (
            f"the RTL of {recorded.bundle.path.name} gives other outputs than {recorded.label}: "
            "the fault is on the board, or on the way to it"
        )
    kept = differing[same]
    pair = [other, other]
    pair[which] = rtl
    of_pair = [_of_samples(shown[1 - which], kept)] * 2
    of_pair[which] = _of_samples(seen, np.flatnonzero(same))
    closer = compare(*pair, *of_pair)
    layers = tuple(replace(layer, sample=int(kept[layer.sample])) for layer in closer.layers)
    closer = replace(
        found,
        compared=closer.compared,
        first=replace(closer.first, sample=int(kept[closer.first.sample])),
        layers=layers,
    )
    return closer, (
        f"seen in the RTL of {recorded.bundle.path.name}, which gives the outputs of "
        f"{recorded.label}"
    )


def _of_samples(shown: Shown, samples: np.ndarray) -> Shown:
    return Shown(
        {name: values[samples] for name, values in shown.tensors.items()},
        None if shown.scores is None else shown.scores[samples],
        {name: values[samples] for name, values in shown.rounded.items()},
    )
