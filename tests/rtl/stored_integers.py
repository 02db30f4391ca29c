"""How the dataflow modules store integers in beats and images, as their headers state it.

Written apart from the compiler's own packing, so that each can show the other wrong.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNSIGNED, SIGNED, BIPOLAR = 0, 1, 2


@dataclass(frozen=True)
class Stored:
    """Integers of `bits` bits under the number that the modules' ENCODING parameters give them."""

    encoding: int
    bits: int

    @property
    def values(self) -> range:
        if self.encoding == BIPOLAR:
            return range(-1, 2, 2)
        low = -(1 << self.bits - 1) if self.encoding == SIGNED else 0
        return range(low, low + (1 << self.bits))

    def store(self, value: int) -> int:
        """The bits of `value`, as an unsigned integer."""
        assert value in self.values
        return int(value > 0) if self.encoding == BIPOLAR else value % (1 << self.bits)

    def draw(self, rng: random.Random, count: int) -> list[int]:
        """`count` values, one in five of them an extreme one."""
        ends = (self.values[0], self.values[-1])
        return [
            rng.choice(ends) if rng.random() < 0.2 else rng.choice(self.values)
            for _ in range(count)
        ]

    def beats(self, values: Sequence[int], lanes: int) -> list[int]:
        """`values` as beats of `lanes` lanes, the first in the lowest bits."""
        return [
            join((self.store(value) for value in values[i : i + lanes]), self.bits)
            for i in range(0, len(values), lanes)
        ]

    def __str__(self) -> str:
        return f"{('uint', 'int', 'bipolar')[self.encoding]}{self.bits}"


def unsigned(bits: int) -> Stored:
    return Stored(UNSIGNED, bits)


def signed(bits: int) -> Stored:
    return Stored(SIGNED, bits)


bipolar = Stored(BIPOLAR, 1)


def dot_product_encoding(columns: int, x: Stored, w: Stored) -> Stored:
    """The narrowest two's complement that holds every dot product of `columns` products."""
    corners = [a * b for a in (x.values[0], x.values[-1]) for b in (w.values[0], w.values[-1])]
    bits = 1
    while not all(columns * corner in signed(bits).values for corner in corners):
        bits += 1
    return signed(bits)


def join(fields: Iterable[int], bits: int) -> int:
    """Fields of `bits` bits as one word, the first lowest."""
    word = 0
    for i, field in enumerate(fields):
        assert 0 <= field < 1 << bits
        word |= field << i * bits
    return word


def weight_words(rows: Sequence[Sequence[int]], kind: Stored, pe: int, simd: int) -> list[int]:
    """mvau's image: word nf*SF+sf holds row nf*PE+p, column sf*SIMD+s, the lowest p and s first."""
    words = []
    for block in range(0, len(rows), pe):
        for column in range(0, len(rows[0]), simd):
            fields = [w for row in rows[block : block + pe] for w in row[column : column + simd]]
            words.append(join(map(kind.store, fields), kind.bits))
    return words


def threshold_words(
    channels: Sequence[Sequence[int]], pe: int, level_bits: int, kind: Stored
) -> dict[int, int]:
    """threshold's image: word {p, fold, node} is what channel fold*PE+p compares at that node.

    `channels`: the 2**level_bits - 1 sorted thresholds of each. Words that no channel reads are
    left out.
    """
    fold_bits = (len(channels) // pe - 1).bit_length()
    words = {}

    def place(address: int, node: int, thresholds: Sequence[int]) -> None:
        """The subtree at `node`, which tells len(thresholds) + 1 levels apart."""
        if thresholds:
            middle = len(thresholds) // 2
            words[address + node] = kind.store(thresholds[middle])
            place(address, 2 * node, thresholds[:middle])
            place(address, 2 * node + 1, thresholds[middle + 1 :])

    for channel, thresholds in enumerate(channels):
        assert len(thresholds) == (1 << level_bits) - 1
        fold, p = divmod(channel, pe)
        place((p << fold_bits | fold) << level_bits, 1, thresholds)
    return words


def image_text(words: Sequence[int] | dict[int, int]) -> str:
    """One hexadecimal word a line; words that are left out read 0."""
    if isinstance(words, dict):
        words = [words.get(address, 0) for address in range(max(words) + 1)]
    return "".join(f"{word:x}\n" for word in words)
