"""Encodings: which integers a tensor may hold, under their QONNX names, and how they are stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from bitfold.models.errors import InputError, NetworkError

MAX_BITS = 32


@dataclass(frozen=True)
class Encoding:
    """A set of consecutive integers (or -1 and +1) and the bits that store them.

    `name` is the QONNX datatype: BIPOLAR, BINARY, TERNARY, UINT2..UINT32 or INT2..INT32.
    Bipolar -1 and +1 are stored as 0 and 1, all else as two's complement or unsigned.
    """

    name: str
    bits: int
    minimum: int
    maximum: int

    @staticmethod
    @cache
    def of(name: str) -> Encoding:
        """The encoding of a QONNX datatype name. Raises NetworkError for any other name."""
        fixed = {
            "BIPOLAR": Encoding("BIPOLAR", 1, -1, 1),
            "BINARY": Encoding("BINARY", 1, 0, 1),
            "UINT1": Encoding("BINARY", 1, 0, 1),
            "TERNARY": Encoding("TERNARY", 2, -1, 1),
        }
        if name in fixed:
            return fixed[name]
        match = re.fullmatch(r"(U?)INT([0-9]{1,9})", name)
        bits = int(match.group(2)) if match else 0
        if not 1 < bits <= MAX_BITS:
            raise NetworkError(
                f"encoding {name!r:.60} is not an integer of at most {MAX_BITS} bits; "
                "use BIPOLAR, BINARY, TERNARY, UINT<bits> or INT<bits>"
            )
        if match.group(1):
            return Encoding(name, bits, 0, 2**bits - 1)
        return Encoding(name, bits, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    @staticmethod
    def for_range(minimum: int, maximum: int) -> Encoding:
        """The narrowest INT or UINT encoding that holds `minimum` to `maximum`."""
        if minimum >= 0:
            bits = max(1, int(maximum).bit_length())
            return Encoding.of(f"UINT{bits}")
        bits = max(2, int(max(maximum, -minimum - 1)).bit_length() + 1)
        return Encoding.of(f"INT{bits}")

    @property
    def is_bipolar(self) -> bool:
        return self.name == "BIPOLAR"

    @property
    def signed(self) -> bool:
        """Whether the stored bits are two's complement."""
        return self.minimum < 0 and not self.is_bipolar

    @property
    def step(self) -> int:
        """The distance between neighbouring values."""
        return 2 if self.is_bipolar else 1

    def check(self, values: np.ndarray, what: str, remedy: str = "") -> None:
        """Raises InputError, naming `what` and the first offender, unless all `values` fit."""
        bad = (values < self.minimum) | (values > self.maximum)
        if self.is_bipolar:
            bad |= values == 0
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise InputError(
                f"{what}: value {values[where]} at index {where} is outside {self}; "
                f"{int(bad.sum())} of {values.size} values are{remedy}"
            )

    def to_bits(self, values: np.ndarray) -> np.ndarray:
        """Values to their stored bits, as uint64 below 2**bits."""
        values = np.asarray(values, np.int64)
        if self.is_bipolar:
            return ((values + 1) >> 1).astype(np.uint64)
        return (values & ((1 << self.bits) - 1)).astype(np.uint64)

    def from_bits(self, stored: np.ndarray) -> np.ndarray:
        """Stored bits (unsigned, below 2**bits) back to values, as int64."""
        values = np.asarray(stored).astype(np.int64)
        if self.is_bipolar:
            return 2 * values - 1
        if self.signed:
            return values - ((values >> (self.bits - 1)) << self.bits)
        return values

    def __str__(self) -> str:
        values = "{-1, +1}" if self.is_bipolar else f"{self.minimum}..{self.maximum}"
        return f"{self.name} ({values})"
