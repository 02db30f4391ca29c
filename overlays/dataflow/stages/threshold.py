"""threshold: counts the thresholds that are reached, one bit of the count in two cycles."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.overlays.dataflow.cost import table_luts
from bitfold.overlays.dataflow.images import Image
from bitfold.overlays.dataflow.pipelining import table_depth
from bitfold.overlays.dataflow.stages.stage import Stage, encoding_code


@dataclass(frozen=True, kw_only=True)
class ThresholdStage(Stage):
    """threshold: `levels` thresholds a channel, or the same for all channels if `shared`."""

    levels: int
    shared: bool

    module = "threshold"

    cycles = property(lambda self: self.output.size // self.fold.pe)

    @property
    def level_bits(self) -> int:
        return self.levels.bit_length()

    @property
    def latency_cycles(self) -> int:
        """A cycle to read a threshold and one to compare, for each bit of the level."""
        return 2 * self.level_bits

    def departures(self, taken: np.ndarray) -> np.ndarray:
        return taken + self.latency_cycles

    @property
    def threshold_encoding(self) -> Encoding:
        """Two's complement that holds every value of the input, and one above: never reached."""
        source = self.input.encoding
        return Encoding.for_range(min(source.minimum, -1), source.maximum + 1)

    @property
    def rtl_parameters(self) -> dict[str, int]:
        output = self.output.encoding
        return {
            "FOLDS": self._folds,
            "PE": self.fold.pe,
            "INPUT_BITS": self.input.encoding.bits,
            "INPUT_ENCODING": encoding_code(self.input.encoding),
            "BITS": self.level_bits,
            "BASE": 0 if output.is_bipolar else self.ops[0].base,
            "OUTPUT_BITS": output.bits,
            "THRESHOLD_BITS": self.threshold_encoding.bits,
        }

    @property
    def images(self) -> dict[str, Image]:
        pe_space, fold_space = self._spaces
        return {
            "thresholds": Image(pe_space * fold_space * self._nodes, 1, self.threshold_encoding)
        }

    def encode(self, role: str, constants: np.ndarray) -> np.ndarray:
        """In the order that threshold.sv states: a search tree for each fold of each lane."""
        source = self.input.encoding
        never = source.maximum + 1
        # Level l is reached at sorted[l - 1]; what lies beyond the last level never is.
        by_level = np.full((len(constants), self._nodes), never, np.int64)
        by_level[:, 1 : self.levels + 1] = np.clip(constants, source.minimum, never)
        tree = np.full((len(constants), self._nodes), never, np.int64)
        tree[:, 1:] = by_level[:, self._level_of_node]
        pe_space, fold_space = self._spaces
        words = np.full((pe_space, fold_space, self._nodes), never, np.int64)
        each = tree[:1, None] if self.shared else tree.reshape(self._folds, self.fold.pe, -1)
        words[: self.fold.pe, : self._folds] = each.swapaxes(0, 1)
        return words.reshape(-1, 1)

    def decode(self, role: str, words: np.ndarray) -> np.ndarray:
        pe_space, fold_space = self._spaces
        tree = words.reshape(pe_space, fold_space, self._nodes)
        tree = tree[: 1 if self.shared else self.fold.pe, : self._folds]
        tree = tree.swapaxes(0, 1).reshape(-1, self._nodes)
        by_level = np.empty_like(tree)
        by_level[:, self._level_of_node] = tree[:, 1:]
        return by_level[:, 1 : self.levels + 1]

    @property
    def path(self):
        return "threshold", {
            "one": 1,
            "compared": self.threshold_encoding.bits,
            "words": table_depth(self._folds << self.level_bits),
            "rows": log2(self.fold.pe),
        }

    def features(self, dsps: bool):
        pe, bits = self.fold.pe, self.input.encoding.bits + 1
        tables = sum(table_luts(self._folds << depth) for depth in range(self.level_bits))
        return "threshold", {
            "one": 1,
            "compared": pe * self.level_bits * bits,
            "thresholds": pe * bits * tables,
            "levels": pe * self.level_bits,
        }

    @property
    def _folds(self) -> int:
        return 1 if self.shared else self.output.shape[-1] // self.fold.pe

    @property
    def _nodes(self) -> int:
        return 1 << self.level_bits

    @property
    def _spaces(self) -> tuple[int, int]:
        """Places for lanes and for folds: powers of two."""
        pe, folds = (1 << (size - 1).bit_length() for size in (self.fold.pe, self._folds))
        return pe, folds

    @property
    def _level_of_node(self) -> np.ndarray:
        """For nodes 1 and on: at depth d, path p, the level below (2p + 1) nodes / 2^(d + 1)."""
        node = np.arange(1, self._nodes)
        depth = np.array([int(n).bit_length() - 1 for n in node])
        return (2 * (node - (1 << depth)) + 1) * (self._nodes >> (depth + 1))
