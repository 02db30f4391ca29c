"""What a convolution or a pooling of the source slides over its feature map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.build.frontend.problems import UnlowerableError
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation
from bitfold.models.encoding import Encoding
from bitfold.models.ops import Conv2d, MaxPool, SumPool

_AXES = (2, 3)
_CHANNELS_LAST = (0, 2, 3, 1)


def channels_last(tensor: np.ndarray) -> np.ndarray:
    """(batch, channels, height, width) as the network has it: (batch, height, width, channels)."""
    return tensor.transpose(_CHANNELS_LAST)


@dataclass(frozen=True)
class Pad:
    """What a Pad of the source puts around a feature map: above, below, left, right; and which
    real."""

    padding: tuple[int, int, int, int]
    value: float


_NO_PAD = Pad((0, 0, 0, 0), 0.0)


def padding(operation: Operation) -> Pad:
    """Raises UnlowerableError for another Pad than one around feature maps, of one value."""
    attributes, dimensions = operation.attributes, operation.sample.ndim
    pads, value, axes = (operation.operand(index) for index in (1, 2, 3))
    pads = attributes.get("pads") if pads is None else pads.ravel()
    value = attributes.get("value", 0.0) if value is None else value.ravel()[0]
    axes = range(dimensions) if axes is None else [int(axis) % dimensions for axis in axes]
    sides = {axis: (int(pads[i]), int(pads[i + len(axes)])) for i, axis in enumerate(axes)}
    around = tuple(side for axis in _AXES for side in sides.pop(axis, (0, 0)))
    known = operation.is_map and attributes.get("mode", b"constant") == b"constant"
    if not known or any(map(any, sides.values())) or min(around) < 0:
        raise UnlowerableError(
            "it is no constant around the height and the width of a feature map",
            "pad these two axes with a constant",
        )
    return Pad(around, float(value))


@dataclass(frozen=True)
class _Window:
    """`padding` is what windows see of it: above, below, left, right; `cut` says that the last of
    them reach beyond what the source pads."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    cut: bool


def _window(operation: Operation, kernel: tuple[int, ...], pad: Pad = _NO_PAD) -> _Window:
    """Raises UnlowerableError for what has not two axes, and windows that see only padding. `pad`
    is what stands in front of it."""
    if not operation.is_map or len(kernel) != 2:
        raise UnlowerableError(
            f"it slides over samples of shape {operation.sample.shape[1:]}, not (channels, height, "
            "width)",
            "give it feature maps of two axes; one axis is a height of 1",
        )
    attributes = operation.attributes
    stride = tuple(attributes.get("strides", (1, 1)))
    dilation = tuple(attributes.get("dilations", (1, 1)))
    said = attributes.get("pads", (0, 0, 0, 0))
    automatic = attributes.get("auto_pad", b"NOTSET")
    around, cut = [], False
    for axis, name in enumerate(("height", "width")):
        size = operation.sample.shape[2 + axis]
        steps = operation.result.shape[2 + axis] - 1 if operation.result.ndim == 4 else 0
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        missing = max(0, steps * stride[axis] + reach - size)
        if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
            before = (missing + (automatic == b"SAME_LOWER")) // 2
        else:
            before = said[axis] if automatic == b"NOTSET" else 0
            cut |= missing - before > said[2 + axis]
        behind = max(0, missing - before)
        outside = pad.padding[2 * axis : 2 * axis + 2]
        before += outside[0]
        behind = max(0, steps * stride[axis] + reach - (size - sum(outside)) - before)
        if max(before, behind) >= reach:
            raise UnlowerableError(
                f"a padding of {max(before, behind)} beside its {name} leaves windows of {reach} "
                "that see nothing else",
                "pad by less than the kernel reaches",
            )
        around += [before, behind]
    return _Window(tuple(kernel), stride, tuple(around), dilation, cut)


def kernels_and_term(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    """Of a convolution the weights (out_channels, height, width, in_channels / groups), and the
    bias, (out_channels,) or a scalar, in float64.

    Raises UnlowerableError for what is no such layer.
    """
    weights, bias = operation.operand(1), operation.operand(2)
    if weights is None:
        raise UnlowerableError("its weights are not constant", "train it with fixed weights")
    _window(operation, weights.shape[2:])
    weights = channels_last(weights.astype(np.float64))
    if not np.isfinite(weights).all():
        raise UnlowerableError("a weight is infinite or not a number", "train it again")
    return weights, np.float64(0) if bias is None else bias.astype(np.float64)


def convolution(operation: Operation, reals: Reals, encoding: Encoding, pad: Pad | None) -> Conv2d:
    """The op on integers that `encoding` holds and that stand for `reals`. Raises UnlowerableError
    where none of them is what the source pads with."""
    kernel = operation.operand(1).shape[2:]
    pad = pad or _NO_PAD
    window = _window(operation, kernel, pad)
    if pad.value and any(_window(operation, kernel).padding):
        raise UnlowerableError("it pads with 0 around other padding", "pad once")
    fill = _standing_for(pad.value, reals, encoding) if any(window.padding) else 0
    groups = operation.attributes.get("group", 1)
    return Conv2d(window.stride, window.padding, fill, groups, window.dilation)


def _standing_for(value: float, reals: Reals, encoding: Encoding) -> int:
    """The integer that stands for `value`, which is padded with. Raises UnlowerableError."""
    zero = np.unique(reals.zero + (value - reals.offset) / reals.scale)
    if zero.size > 1:
        raise UnlowerableError(
            f"its padding is {value:g}, for which each of its channels has another integer",
            "quantize in front of it behind what shifts the channels, or leave out the padding",
        )
    integer = round(float(zero[0]))
    values = range(encoding.minimum, encoding.maximum + 1, encoding.step)
    if abs(zero[0] - integer) > 1e-6 or integer not in values:
        raise UnlowerableError(
            f"its padding is {value:g}, which is no value of its input: {encoding}"
            f"{'' if encoding.is_bipolar else f', each worth {reals.scale.flat[0]:g}'}",
            "leave out the padding, or quantize its input to 2 bits or more, with a 0 among them",
        )
    return integer


def shifted_sums(weights: np.ndarray, groups: int, shift: np.ndarray) -> np.ndarray:
    """(out_channels,): what the sums of `weights`, shaped as `kernels_and_term` gives them, are
    more for inputs that are more by `shift`, a scalar or (in_channels,)."""
    inside = weights.shape[-1]
    shift = np.broadcast_to(shift, (groups * inside,)).reshape(groups, inside)
    rows = weights.sum(axis=(1, 2)).reshape(groups, -1, inside)
    return np.einsum("gri,gi->gr", rows, shift).reshape(-1)


def largest(operation: Operation, pad: Pad | None) -> MaxPool:
    """The op of an operation of MAX_POOL, of what is never less than what `pad` says. Raises
    UnlowerableError."""
    window = _window(operation, _pooled(operation), pad or _NO_PAD)
    if window.dilation != (1, 1):
        raise UnlowerableError("its windows have gaps", "use a dilation of 1")
    return MaxPool(window.kernel, window.stride, window.padding)


def check_least(reals: Reals, encoding: Encoding, pad: Pad) -> None:
    """Raises UnlowerableError unless no integer of `encoding` stands for less than `pad`: then the
    padding is never the largest but where all is alike."""
    least = reals.exactly(np.array([encoding.minimum]))
    if (least < pad.value).any():
        raise UnlowerableError(
            f"the largest may be its padding of {pad.value:g}",
            "pad in the pooling itself, or with the least value of its input",
        )


def average(operation: Operation, reals: Reals, pad: Pad | None) -> tuple[SumPool, Reals]:
    """The sums that an operation of AVERAGE divides, and what they stand for then, of integers that
    stand for `reals`. Raises UnlowerableError."""
    if operation.kind == "ReduceMean":
        _check_all_pixels(operation)
    pad = pad or _NO_PAD
    own = _window(operation, _pooled(operation))
    window = _window(operation, _pooled(operation), pad)
    if window.dilation != (1, 1):
        raise UnlowerableError("its windows have gaps", "use a dilation of 1")
    counted = operation.attributes.get("count_include_pad", 0)
    if window.cut or (any(own.padding) and not counted):
        raise UnlowerableError(
            "it divides by fewer pixels at the border",
            "leave out padding and ceil_mode, or count the padding (count_include_pad)",
        )
    if any(window.padding) and (reals.zero.any() or reals.offset.any() or pad.value):
        raise UnlowerableError(
            f"its padding is {pad.value:g}, for which its input has no integer 0",
            "leave out the padding",
        )
    count = window.kernel[0] * window.kernel[1]
    op = SumPool(window.kernel, window.stride, window.padding)
    return op, Reals(reals.scale / count, reals.zero * count, reals.offset)


def _pooled(operation: Operation) -> tuple[int, ...]:
    """The kernel of a pooling: all pixels, where it says none."""
    whole = operation.sample.shape[2:]
    return tuple(operation.attributes.get("kernel_shape", whole))


def _check_all_pixels(operation: Operation) -> None:
    axes = operation.operand(1)
    axes = operation.attributes.get("axes", ()) if axes is None else axes.reshape(-1)
    dimensions = operation.sample.ndim
    if {int(axis) % dimensions for axis in axes} != set(_AXES) or not operation.is_map:
        raise UnlowerableError(
            f"it averages axes {', '.join(map(str, axes)) or 'of all kinds'}",
            "average the height and the width of feature maps (axes 2 and 3)",
        )
