"""Flow: what a tensor of the source is, on its way to integer layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bitfold.build.frontend import operators
from bitfold.build.frontend.operators import Quantizer
from bitfold.build.frontend.plan import INPUT
from bitfold.build.frontend.problems import UnlowerableError
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation, Source
from bitfold.build.frontend.weights import MAX_BITS
from bitfold.build.frontend.windows import Pad
from bitfold.models.encoding import Encoding

CHANNELS_FIRST = (2, 0, 1)
"""Which axis of a feature map as the network has it (height, width, channels) is which of the
source's."""


@dataclass(frozen=True)
class Flow:
    """What one tensor of the source is: integers of the network, and operations since, whose place
    is not known yet.

    `value` names the integers, of `shape`, "" where they only stand in for what was refused.
    `layer` makes them and `encoding` holds them: None for sums, which no layer with weights takes
    as they are. `reals` is what they stand for, None in front of the first quantizer. `axes` is the
    source's order of a feature map's, and `pad` what the source has put around it. Behind the
    choice of the class nothing follows: `chosen`.
    """

    value: str = INPUT
    shape: tuple[int, ...] = ()
    layer: str = INPUT
    reals: Reals | None = None
    encoding: Encoding | None = None
    pending: tuple[Operation, ...] = ()
    axes: tuple[int, ...] = CHANNELS_FIRST
    pad: Pad | None = None
    chosen: bool = False

    @property
    def is_map(self) -> bool:
        return len(self.shape) == 3


def readers(source: Source) -> Counter[str]:
    """How often each tensor is read, whatever shape it has then."""
    found = Counter([source.output])
    for operation in reversed(source.operations):
        reads = found[operation.output] if operation.kind in operators.SHAPE else 1
        found.update(dict.fromkeys(operation.inputs, 0))
        for name in operation.inputs:
            found[name] += reads
    return found


def behind_quantizer(operations: Sequence[Operation]) -> int:
    """The place behind the last quantizer; 0 where there is none."""
    return behind_last(operations, operators.QUANTIZER)


def behind_last(operations: Sequence[Operation], kinds: set[str]) -> int:
    """The place behind the last operation of `kinds`; 0 where there is none."""
    return max((i for i, o in enumerate(operations, 1) if o.kind in kinds), default=0)


def behind_each(operations: Sequence[Operation], kinds: set[str]) -> list[Sequence[Operation]]:
    """What follows each of the operations of `kinds`."""
    return [operations[place:] for place, o in enumerate(operations, 1) if o.kind in kinds]


def falls(operations: Sequence[Operation]) -> bool:
    """Whether what they make falls with what they take, in any channel."""
    sign = np.float64(1)
    for operation in operations:
        if operation.kind in operators.AFFINE:
            sign = sign * np.sign(operators.factor_and_term(operation)[0])
    return bool((sign < 0).any())


def changes_nothing(operation: Operation, flow: Flow) -> bool:
    """Whether an operation of QUANTIZER gives the integers of `flow` as they are."""
    if flow.pending or flow.encoding is None or operation.kind in ("MultiThreshold", "Trunc"):
        return False
    integers = operators.quantizer(operation)
    mine, theirs = flow.reals, integers.reals
    return (
        integers.encoding == flow.encoding
        and (integers.minimum, integers.maximum) == (flow.encoding.minimum, flow.encoding.maximum)
        and np.array_equal(mine.scale, theirs.scale)
        and np.array_equal(mine.zero, theirs.zero)
        and np.array_equal(mine.offset, theirs.offset)
    )


def check_sums(integers: np.ndarray, reals: Reals) -> None:
    """Raises UnlowerableError where float32 does not hold the terms of the source's own sums."""
    used = integers.any(axis=1)
    operators.check_scale(np.broadcast_to(np.abs(reals.scale), used.shape)[used])
    if not (np.abs(reals.offset) <= operators.LARGEST_BIAS).all():
        raise UnlowerableError(
            f"its bias is not a number up to {operators.LARGEST_BIAS:g}", "train it again"
        )


def fits(operation: Operation) -> bool:
    """Whether an operation of QUANTIZER gives integers that a layer takes."""
    try:
        return operators.quantizer(operation).encoding.bits <= MAX_BITS
    except UnlowerableError:
        return False


def check_bits(integers: Quantizer) -> None:
    """Raises UnlowerableError for integers that no layer takes."""
    bits = integers.encoding.bits
    if bits > MAX_BITS:
        raise UnlowerableError(
            f"it gives integers of {bits} bits", f"quantize activations to at most {MAX_BITS} bits"
        )


# In place of what the file does not have, so that the search for problems can go on.
ANY_INPUT = Quantizer(Encoding.of("BIPOLAR"), -1, 1, Reals(np.float64(1)))
ANY_FLOW = Flow("", reals=ANY_INPUT.reals, encoding=ANY_INPUT.encoding)
ANY_SUMS = replace(ANY_FLOW, encoding=None)
