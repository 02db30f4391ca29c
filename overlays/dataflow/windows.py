"""Windows: what sliding_window.sv sends of a feature map, when, and what it has to keep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.ops.windows import check_windows, windows
from bitfold.models.value import Value
from bitfold.overlays.dataflow.cost import Features, in_block_ram, memory_luts, ramb18
from bitfold.overlays.dataflow.times import one_a_cycle

READ_CYCLES = 1
"""From a word that comes to its read."""
LATENCY_CYCLES = 5
"""From a word that comes to that word at the end."""
CREDITS = 5
"""Words that are on their way from a read to the end, or wait there."""
FREEING_CYCLES = 2
"""From the last read of a window until there is room for what takes the place of its words."""


@dataclass(frozen=True)
class Windows:
    """Windows over `map` (height, width), whose pixels are `groups` groups of `words` words.

    `out` is how many windows there are, in a column and in a row. `padding` as of models/ops.
    """

    map: tuple[int, int]
    groups: int
    words: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int] = (1, 1)

    @cached_property
    def out(self) -> tuple[int, int]:
        return check_windows(self._places, self.kernel, self.stride, self.padding, self.dilation)

    @property
    def taken(self) -> int:
        """Words of a map."""
        return self.map[0] * self.map[1] * self._pixel

    @property
    def sent(self) -> int:
        """Words that all windows of a map see."""
        return self.out[0] * self.out[1] * self.kernel[0] * self.kernel[1] * self._pixel

    @property
    def rtl_parameters(self) -> dict[str, int]:
        """Those of sliding_window.sv, without how groups, words, fill and depth are called."""
        names = ("MAP_HEIGHT", "MAP_WIDTH", "KERNEL_HEIGHT", "KERNEL_WIDTH", "STRIDE_Y", "STRIDE_X")
        values = (*self.map, *self.kernel, *self.stride)
        top, _, left, _ = self.padding
        return dict(zip(names, values)) | {
            "PAD_TOP": top,
            "PAD_LEFT": left,
            "OUT_HEIGHT": self.out[0],
            "OUT_WIDTH": self.out[1],
        }

    def features(self, bits: int, ring: int) -> Features:
        """What its LUTs are estimated by, with words of `bits` and a ring of as many."""
        kept = 0 if in_block_ram(ring, bits) else memory_luts(bits, ring)
        padded = int(self._seen.min() < 0)
        memory = kept + memory_luts(bits, CREDITS - 1)
        return "windows", {"one": 1, "memory": memory, "padded": padded}

    def ramb18(self, bits: int, ring: int) -> int:
        """Block RAMs of 18 kbit that its ring lies in."""
        return ramb18(ring, bits) if in_block_ram(ring, bits) else 0

    def available(self, arrivals: np.ndarray) -> np.ndarray:
        """When each word can be taken, if those of a map come at `arrivals`."""
        return self._when(arrivals, 1) + LATENCY_CYCLES

    def needed_depth(self, arrivals: np.ndarray, taken: np.ndarray) -> int:
        """The least depth of the ring at which no word waits to come in, if those of all maps come
        at `arrivals` and are taken from the end at `taken`."""
        maps = len(arrivals) // self.taken
        ready = self._when(arrivals, maps) + READ_CYCLES
        ready[CREDITS:] = np.maximum(ready[CREDITS:], taken[:-CREDITS] + 1)
        ends = one_a_cycle(ready).reshape(maps * self.out[0] * self.out[1], -1)[:, -1]
        # With the end of a window all goes that lies before the next one, or the map.
        rows, columns = (
            stride * np.arange(out) - before
            for stride, out, before in zip(self.stride, self.out, self.padding[::2])
        )
        first = (rows[:, None] * self.map[1] + columns) * self._pixel
        gone = np.maximum.accumulate(np.maximum(first.ravel(), 0))
        gone = np.append(gone[1:], self.taken)
        gone = (gone + self.taken * np.arange(maps)[:, None]).ravel()
        before = np.searchsorted(ends + FREEING_CYCLES, arrivals, side="right")
        room = np.concatenate(([0], gone))[before]
        return max(2, int((np.arange(1, len(arrivals) + 1) - room).max()))

    @property
    def _pixel(self) -> int:
        return self.groups * self.words

    @property
    def _places(self) -> Value:
        return Value((*self.map, self._pixel), Encoding.of("BINARY"))

    @cached_property
    def _seen(self) -> np.ndarray:
        """Which word of the map each is that is sent, below 0 beyond an edge."""
        places = np.arange(self.taken, dtype=np.int64).reshape(1, *self.map, self._pixel)
        seen = windows(places, self.kernel, self.stride, self.padding, self.dilation, fill=-1)[0]
        grouped = seen.reshape(*seen.shape[:-1], self.groups, self.words)
        return grouped.transpose(0, 1, 4, 2, 3, 5).ravel()

    def _when(self, arrivals: np.ndarray, maps: int) -> np.ndarray:
        """When each word that is sent has come; what lies beyond an edge comes with its map."""
        return arrivals.reshape(maps, self.taken)[:, np.maximum(self._seen, 0)].ravel()
