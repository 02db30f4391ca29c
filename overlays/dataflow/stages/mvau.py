"""mvau: a Dense layer, or a convolution of single pixels, PE x SIMD products a cycle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.ops import Dense
from bitfold.overlays.dataflow.cost import in_block_ram, memory_luts, ramb18, table_luts
from bitfold.overlays.dataflow.images import Image
from bitfold.overlays.dataflow.pipelining import MORE_REGISTERS, dot_product_depth, table_depth
from bitfold.overlays.dataflow.stages.stage import Moves, Stage, encoding_code
from bitfold.overlays.dataflow.times import one_a_cycle


@dataclass(frozen=True, kw_only=True)
class MatrixStage(Stage):
    """mvau: the sums of a Dense, whose weights are of encoding `weight`.

    `multipliers`: its products are multiplied, where they are not counted. `read_cycles` and
    `registers`: as pipelining.py has them, of its weights and in its dot products.
    """

    weight: Encoding
    multipliers: bool
    read_cycles: int
    registers: int

    module = "mvau"
    direct = False

    rows = property(lambda self: self.output.shape[-1])
    """Of a group of weights."""
    columns = property(lambda self: self.input.shape[-1])
    groups = property(lambda self: 1)
    depthwise = property(lambda self: False)
    vectors = property(lambda self: self.input.size // self.columns)
    """A frame."""
    lanes_in = property(lambda self: self.fold.simd)
    synapse_fold = property(lambda self: self.columns // self.fold.simd)
    neuron_fold = property(lambda self: self.rows // self.fold.pe)

    cycles = property(lambda self: self.vectors * self.vector_cycles)
    vector_cycles = property(lambda self: self.neuron_fold * self.synapse_fold)

    @property
    def latency_cycles(self) -> int:
        """From the beat that completes a block of rows to its accumulators."""
        return self.read_cycles + self.registers + 2

    def taken(self, *arrivals: np.ndarray, free: int | None = None) -> tuple[np.ndarray, ...]:
        # After the columns of a vector come its other blocks of rows.
        vectors = np.arange(self.vectors, dtype=np.int64)[:, None] * self.vector_cycles
        slots = vectors + np.arange(self.synapse_fold, dtype=np.int64)
        return (one_a_cycle(arrivals[0], free, slots.ravel()),)

    def moves(self, arrivals: tuple[np.ndarray, ...], free: int | None) -> Moves:
        moves = super().moves(arrivals, free)
        return moves._replace(free=moves.free + self.vector_cycles - self.synapse_fold)

    def departures(self, taken: np.ndarray) -> np.ndarray:
        last_columns = taken[self.synapse_fold - 1 :: self.synapse_fold, None]
        blocks = np.arange(self.neuron_fold, dtype=np.int64)
        return (last_columns + blocks * self.synapse_fold + self.latency_cycles).ravel()

    @property
    def rtl_parameters(self) -> dict[str, int]:
        return {
            "GROUPS": self.groups,
            "DEPTHWISE": int(self.depthwise),
            "ROWS": self.rows,
            "COLUMNS": self.columns,
            "PE": self.fold.pe,
            "SIMD": self.fold.simd,
            "INPUT_BITS": self.input.encoding.bits,
            "INPUT_ENCODING": encoding_code(self.input.encoding),
            "WEIGHT_BITS": self.weight.bits,
            "WEIGHT_ENCODING": encoding_code(self.weight),
            "ACCUMULATOR_BITS": self.output.encoding.bits,
            "MULTIPLIERS": int(self.multipliers),
            "BLOCK_RAM": int(self.in_block_ram),
            "READ_CYCLES": self.read_cycles,
            "REGISTERS": self.registers,
        }

    @property
    def in_block_ram(self) -> bool:
        """Whether its weights lie in block RAM, and not in LUTs."""
        memory = self.images["weights"].shape
        return in_block_ram(memory.words, memory.bits)

    @property
    def ramb18(self) -> int:
        memory = self.images["weights"].shape
        return ramb18(memory.words, memory.bits) if self.in_block_ram else 0

    @property
    def images(self) -> dict[str, Image]:
        words = self.groups * self.vector_cycles
        return {"weights": Image(words, self.fold.pe * self.fold.simd, self.weight)}

    def encode(self, role: str, constants: np.ndarray) -> np.ndarray:
        """In the order that mvau.sv states."""
        folded = constants.reshape(self._rows_fold + self._columns_fold)
        return folded.transpose(0, 1, 3, 2, 4).reshape(self.images[role].words, -1)

    def decode(self, role: str, words: np.ndarray) -> np.ndarray:
        groups, blocks, pe = self._rows_fold
        folded = words.reshape(groups, blocks, self.synapse_fold, pe, self.fold.simd)
        return folded.transpose(0, 1, 3, 2, 4).reshape(self.weight_shape)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Of the weights, in the network's order."""
        if isinstance(self.ops[0], Dense):
            return self.rows, self.columns
        return self.rows, 1, 1, self.columns

    @property
    def _rows_fold(self) -> tuple[int, int, int]:
        return self.groups, self.neuron_fold, self.fold.pe

    @property
    def _columns_fold(self) -> tuple[int, int]:
        return self.synapse_fold, self.fold.simd

    def features(self, dsps: bool):
        pe, simd = self.fold.pe, self.fold.simd
        products = pe * simd
        x, w, total = self.input.encoding.bits, self.weight.bits, self.output.encoding.bits
        buffered = self.neuron_fold > 1
        shared = self.input.encoding.is_bipolar != self.weight.is_bipolar
        return self._kind(dsps), {
            "one": 1,
            "steps": log2(self.neuron_fold * self.synapse_fold),
            "product_bits": products * x * w,
            "summed": products * (x + w),
            "added": pe * (x + w + log2(simd)),
            "accumulated": pe * total,
            "shared": (simd * x + total) * shared,
            "weights": 0 if self.in_block_ram else products * w * table_luts(self.vector_cycles),
            "buffer": memory_luts(simd * x, self.synapse_fold) if buffered else 0,
            "chosen": simd * x if buffered else 0,
        }

    @property
    def path(self):
        x, w = self.input.encoding, self.weight
        depth = dot_product_depth(self.fold.simd, x, w, self.multipliers, self.registers)
        return "multiplied" if self.multipliers else "counted", {
            "one": 1,
            "depth": depth,
            "bits": self.output.encoding.bits,
            "size": log2(self.fold.pe * self.fold.simd * x.bits * w.bits),
            "words": 0 if self.in_block_ram else table_depth(self.images["weights"].words),
            "block_ram": self.in_block_ram,
        }

    def for_clock(self, clock_mhz: float) -> MatrixStage:
        tried = [
            replace(self, registers=self.registers + more) for more in range(MORE_REGISTERS + 1)
        ]
        reaching = (stage for stage in tried if stage.mhz >= clock_mhz)
        return next(reaching, None) or max(tried, key=lambda stage: stage.mhz)

    @property
    def dsps(self) -> int:
        return self.fold.pe * self.fold.simd if self.multipliers else 0

    def _kind(self, dsps: bool) -> str:
        bipolar = self.input.encoding.is_bipolar + self.weight.is_bipolar
        if bipolar:
            return ("multiply", "add", "xnor")[bipolar]
        if self.multipliers:
            return "multiply_dsp" if dsps else "multiply_luts"
        return "multiply"
