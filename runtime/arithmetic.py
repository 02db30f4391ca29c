"""A network as compiled arithmetic: one C++ library for all networks, built once for the CPU."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bitfold.models.cache import Cache
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.ops import (
    ArgMax,
    Conv2d,
    Dense,
    MaxPool,
    Op,
    Softmax,
    SumPool,
    Threshold,
)
from bitfold.models.ops.dense import accumulator_range
from bitfold.models.ops.windows import check_windows
from bitfold.models.value import Value
from bitfold.runtime.cplusplus import compiler, cpu, digest, run_tool

SOURCES = [
    Path(__file__).with_name(name)
    for name in (
        *("functional.cpp", "functional_stages.h", "functional_vectors.h"),
        "functional_windows.h",
    )
]
# The library stays on the machine, so it may take the widest instructions there.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-pthread",
)
LIBRARY = "functional.so"
MOST = 2**30
"""Every value stays below, so that sums of weights times codes, which are at most twice as large,
stay below 2**31 - 1: to the library that is a threshold out of reach."""
Applied = tuple[Op, Sequence[np.ndarray]]
"""An op and its constants."""
TYPES = {
    np.dtype(name): letter.encode()
    for name, letter in zip(("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"), "bBhHiIlL")
}
"""The integers that the library reads, and its letters for them."""


class CompiledNetwork:
    """Calling it gives what calling `network` gives, by the `layers` and the `last` op behind them.

    `threads` 0 stands for all the cores there are where a batch is worth it, and for one where it
    is not.
    """

    def __init__(
        self, network: Network, layers: list[Layer], last: Op, cache: Path | None, threads: int = 0
    ):
        library = _load(cache)
        source = network.input_value
        self._network = network
        self._last = last
        self._shapes = network.integer_shapes
        self._outputs = network.output_value.size
        self._threads = threads or os.cpu_count() or 1
        self._run = library.bitfold_run
        table = (_Layer * len(layers))(*(layer.as_structure() for layer in layers))
        limits = (source.encoding.minimum, source.encoding.maximum)
        self._handle = library.bitfold_network(
            table, len(table), *_code(source.encoding), *limits, isinstance(last, ArgMax)
        )
        free = weakref.finalize(self, library.bitfold_free, self._handle)
        free.atexit = False  # a thread may be in the middle of it still

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Integers as `network.check_input` takes them to (frames, outputs) int64.

        Raises InputError as `network` does. Any integer dtype is read as it is.
        """
        letter = TYPES.get(x.dtype)
        if letter is None or x.shape[1:] not in self._shapes or not x.flags.c_contiguous:
            x = np.ascontiguousarray(self._network.check_input(x))
            letter = TYPES[x.dtype]
        frames = len(x)
        outputs = np.empty((frames, self._outputs), np.int64)
        bad = self._run(
            self._handle, x.ctypes.data, letter, frames, outputs.ctypes.data, self._threads
        )
        if bad >= 0:
            self._network.check_input(x)  # which says what is wrong with it
        return self._last.shares(outputs) if isinstance(self._last, Softmax) else outputs


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A matrix (rows, columns), or thresholds (rows, levels), or both, of what windows see; int32.

    Without either it is the largest that they see of each channel (`pool`). `fill` stands beyond
    the edges of a map.
    """

    windows: Windows
    rows: int
    columns: int
    fill: int = 0
    weights: np.ndarray | None = None
    thresholds: np.ndarray | None = None
    base: int = 0
    step: int = 1

    def as_structure(self) -> _Layer:
        levels = 0 if self.thresholds is None else self.thresholds.shape[1]
        pool = self.weights is None and self.thresholds is None
        return _Layer(
            *(_pointer(self.weights), _pointer(self.thresholds), self.rows, self.columns, levels),
            *(self.base, self.step, self.fill, pool, *self.windows),
        )


class Windows(NamedTuple):
    """Windows over a map, in pixels, as functional_stages.h has them."""

    height: int
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    out: tuple[int, int] = (1, 1)

    @staticmethod
    def pixels(height: int, width: int) -> Windows:
        """Each the pixel below it."""
        return Windows(height, width, out=(height, width))


def layers_of(source: Value, ops: Sequence[Applied]) -> list[Layer] | None:
    """A chain of ops on `source` as layers that lead to the class, the scores or, where these
    become shares, to the scores of the output.

    None where there is an op that the library does not know, or 32 bits do not hold the sums.
    """
    layers: list[Layer] = []
    shape = (1, 1, *source.shape)[-3:]
    low, high, step = source.encoding.minimum, source.encoding.maximum, source.encoding.step
    if max(high, -low) >= MOST:
        return None
    for place, (op, constants) in enumerate(ops):
        if isinstance(op, (Dense, Conv2d, SumPool)):
            windows, weights, fill = _product(op, constants, shape)
            outside = any(windows.pad) or windows.out != _without_edges(windows)
            if outside and not (low <= fill <= high and (fill - low) % step == 0):
                return None
            low, high = accumulator_range(weights, Encoding.for_range(low, high))
            shape, step = (*windows.out, len(weights)), 1
            rows, columns = weights.shape
            layers.append(
                Layer(
                    windows=windows, rows=rows, columns=columns, fill=fill, weights=_int32(weights)
                )
            )
        elif isinstance(op, MaxPool):
            windows = _slide(op, op.kernel, shape)
            rows = shape[-1]
            layers.append(Layer(windows=windows, rows=rows, columns=rows * prod(op.kernel)))
            shape = (*windows.out, rows)
        elif isinstance(op, Threshold):
            (values,) = constants
            rows = shape[-1]
            thresholds = _int32(np.broadcast_to(values, (rows, values.shape[1])))
            last = layers[-1] if layers else None
            if last is None or last.weights is None or last.thresholds is not None:
                last = Layer(windows=Windows.pixels(*shape[:2]), rows=rows, columns=rows)
            else:
                layers.pop()
            layers.append(replace(last, thresholds=thresholds, base=op.base, step=op.step))
            low, high, step = op.base, op.base + op.step * values.shape[1], op.step
        elif place != len(ops) - 1 or not op.ends_network:
            return None
        if max(high, -low) >= MOST:
            return None
    return layers or None


def _product(
    op: Op, constants: Sequence[np.ndarray], shape: tuple[int, ...]
) -> tuple[Windows, np.ndarray, int]:
    """The windows of an op that sums products, its weights (rows, columns), and what stands beyond
    the edges. Where channels are apart, weights of 0 lie between them."""
    height, width, channels = shape
    if isinstance(op, Dense):
        if height == width == 1:
            return Windows.pixels(1, 1), constants[0], 0
        return Windows(height, width, kernel=(height, width)), constants[0], 0
    if isinstance(op, SumPool):
        weights, groups, fill = np.ones((channels, *op.kernel, 1), np.int64), channels, 0
    else:
        weights, groups, fill = constants[0], op.groups, op.fill
    rows, *kernel, each = weights.shape
    spread = np.zeros((rows, *kernel, channels), np.int64)
    for group, part in enumerate(np.split(weights, groups)):
        here = slice(group * len(part), (group + 1) * len(part))
        spread[here, ..., group * each : (group + 1) * each] = part
    return _slide(op, tuple(kernel), shape), spread.reshape(rows, -1), fill


def _slide(op: Op, kernel: tuple[int, int], shape: tuple[int, ...]) -> Windows:
    """The windows of an op that slide over a map of `shape`."""
    dilation = getattr(op, "dilation", (1, 1))
    encoding = Encoding.of("BINARY")
    out = check_windows(Value(shape, encoding), kernel, op.stride, op.padding, dilation)
    return Windows(*shape[:2], kernel, op.stride, dilation, (op.padding[0], op.padding[2]), out)


def _without_edges(windows: Windows) -> tuple[int, ...]:
    """How many windows there are that see no edge."""
    sides = zip((windows.height, windows.width), windows.kernel, windows.stride, windows.dilation)
    return tuple((side - (k - 1) * d - 1) // s + 1 for side, k, s, d in sides)


def _code(encoding: Encoding) -> tuple[int, int, int]:
    """How the library stores an input: value = base + step * code, and the largest code; -1 where
    a code of 32 bits is the value itself."""
    largest = (encoding.maximum - encoding.minimum) // encoding.step
    if largest > 255:
        return 0, 1, -1
    return encoding.minimum, encoding.step, largest


def _int32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.int32)


def _pointer(values: np.ndarray | None) -> int | None:
    return None if values is None else values.ctypes.data


class _Layer(ctypes.Structure):
    """Layer as functional.cpp has it."""

    _fields_ = (
        ("weights", ctypes.c_void_p),
        ("thresholds", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("rows", "columns", "levels", "base", "step")),
        *((name, ctypes.c_int32) for name in ("fill", "pool", "height", "width")),
        *((name, ctypes.c_int32 * 2) for name in Windows._fields[2:]),
    )


def _compile(folder: Path) -> None:
    run_tool(["g++", *FLAGS, SOURCES[0], "-o", folder / LIBRARY])


@lru_cache(maxsize=1)
def _load(cache: Path | None) -> ctypes.CDLL:
    """The C functions of functional.cpp. Raises ToolError where g++ is missing or refuses."""
    name = digest([*(source.read_bytes() for source in SOURCES), *FLAGS, compiler(), cpu()])
    built = Cache(cache).keep("functional", name, _compile)
    library = ctypes.CDLL(str(built / LIBRARY))
    pointer, i32, i64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    signatures = {
        "network": (pointer, [ctypes.POINTER(_Layer), *[i32] * 7]),
        "free": (None, [pointer]),
        "run": (i64, [pointer, pointer, ctypes.c_char, i64, pointer, i32]),
    }
    for function, (result, arguments) in signatures.items():
        loaded = getattr(library, f"bitfold_{function}")
        loaded.restype, loaded.argtypes = result, arguments
    return library
