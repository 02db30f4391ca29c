"""Logic: wires, counters and adders as a netlist that knows its depth, cut into a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Bit:
    """One bit of a wire, or its complement, which costs nothing on the way into a LUT."""

    wire: int
    index: int
    inverted: bool = False

    def __invert__(self) -> Bit:
        return Bit(self.wire, self.index, not self.inverted)


Lane = Bit | bool
"""A bit, or a constant."""


@dataclass(frozen=True)
class Wire:
    """A vector driven by `expression` of its operands, or by the output of `module` with them.

    An operand is lanes, the lowest first, and stands in the expression as {0}, {1}, ... `level` is
    how many LUTs stand between the inputs of the netlist and the wire, `luts` what a bit of it
    takes.
    """

    width: int
    operands: tuple[tuple[Lane, ...], ...]
    level: int
    luts: float
    expression: str = ""
    module: str = ""
    port: str = ""


@dataclass(frozen=True)
class Part:
    """What a netlist does in one cycle: its wires, (wire, name, operands' texts), then what is
    registered behind them, (width, name, source)."""

    wires: tuple[tuple[Wire, str, tuple[str, ...]], ...]
    registers: tuple[tuple[int, str, str], ...]


class Logic:
    """Grows wire by wire, each made of those before it; equal ones are one."""

    def __init__(self, input_width: int):
        self._wires = [Wire(input_width, (), 0, 0)]
        self._places: dict[Wire, int] = {}
        self.inputs = [Bit(0, i) for i in range(input_width)]

    def level(self, lane: Lane) -> int:
        """How many LUTs stand between the inputs and `lane`."""
        return self._wires[lane.wire].level if isinstance(lane, Bit) else 0

    def count(self, ones: Sequence[Lane]) -> list[Bit]:
        """How many of at most seven lanes are set: three bits, the lowest first."""
        if len(ones) == 6 and all(isinstance(lane, Bit) for lane in ones):
            return self._drive(3, [ones], 1, 1, module="counter6", port="count")
        return self._drive(3, [self._seven(ones)], 1, 0.8, "count7({0})")

    def carry(self, ones: Sequence[Lane]) -> list[Bit]:
        """Half of how many of at most seven lanes are set, rounded down: two bits."""
        if len(ones) == 6 and all(isinstance(lane, Bit) for lane in ones):
            return self._drive(2, [ones], 1, 1, module="carry6", port="carry")
        return self._drive(3, [self._seven(ones)], 1, 0.8, "count7({0})")[1:]

    def carry_over(self, a: Sequence[Lane], b: Sequence[Lane], carry: Lane) -> Lane:
        """The carry out of one or two columns in which `a`, `b` and a carry are added."""
        operands = [(x, y, carry) for x, y in zip(a, b)]
        if len(operands) == 1:
            return self._drive(1, operands, 1, 1, "majority({0})")[0]
        low, high = operands
        return self._drive(1, [low, high[:2]], 1, 1, "majority({{{1}, majority({0})}})")[0]

    def carry_out(self, a: Sequence[Lane], b: Sequence[Lane], carry: Lane) -> Lane:
        """The carry out of a + b + carry, numbers of equal width."""
        for low in range(0, len(a), 2):  # two columns a LUT
            carry = self.carry_over(a[low : low + 2], b[low : low + 2], carry)
        return carry

    def add(self, a: Sequence[Lane], b: Sequence[Lane], carry: Lane = False) -> list[Bit]:
        """The sum of two numbers of equal width and a carry, lowest bit first; one bit wider."""
        if carry is not False:  # out of a column below
            return self.add((carry, *a), (carry, *b))[1:]
        width = len(a) + 1
        # Where one of the bits is a constant, the chain takes the other without a LUT.
        luts = sum(isinstance(x, Bit) and isinstance(y, Bit) for x, y in zip(a, b))
        operands = [(*a, False), (*b, False)]
        # A carry chain is worth about two levels, and more when long.
        return self._drive(width, operands, 2 + width // 16, luts / width, "{0} + {1}")

    def join(self, lanes: Sequence[Lane]) -> list[Bit]:
        """The lanes as one wire."""
        if len({lane.wire for lane in lanes if isinstance(lane, Bit)}) < 2:
            return list(lanes)
        return self._drive(len(lanes), [lanes], 0, 0, "{0}")

    def table(self, entries: Sequence[int], address: Sequence[Lane]) -> Lane:
        """The one of the `entries`, 0 or 1, at `address`."""
        if min(entries) == max(entries):
            return bool(entries[0])
        image = sum(entry << i for i, entry in enumerate(entries))
        expression = f"1'({len(entries)}'h{image:x} >> {{0}})"
        return self._drive(1, [address], 1, max(1, len(entries) / 64), expression)[0]

    def any(self, lanes: Sequence[Lane]) -> Lane:
        """Whether any of the lanes is set."""
        lanes = [lane for lane in lanes if lane is not False]
        if len(lanes) < 2:
            return lanes[0] if lanes else False
        return self._drive(1, [lanes], 1, len(lanes) / 5, "|{0}")[0]

    def choose(self, which: Lane, one: Lane, zero: Lane) -> Lane:
        """`one` where `which` is set, else `zero`."""
        if isinstance(which, bool) or one == zero:
            return one if which else zero
        operands = [(which,), (one,), (zero,)]
        return self._drive(1, operands, 1, 0.5, "{0} ? {1} : {2}")[0]

    def luts(self, outputs: Sequence[Lane]) -> float:
        """About how many 6-input LUTs `outputs` take, as the structure asks for them."""
        return sum(self._wires[bit.wire].luts for bit in self._used_bits(outputs))

    def cut(self, outputs: Sequence[Lane], cycles: int) -> tuple[list[Part], str]:
        """The netlist of `outputs` in `cycles` parts of about equal depth, and the text of
        `outputs` after the last of them, where they are registered once more."""
        used = sorted({bit.wire for bit in self._used_bits(outputs)} | {0})
        deepest = max([self.level(lane) for lane in outputs], default=0)
        depth = max(1, -(-deepest // cycles))
        part = {w: min(max(self._wires[w].level - 1, 0) // depth, cycles - 1) for w in used}
        last = dict(part)  # the part until which each wire is needed
        for w in used:
            for bit in self._operand_bits(w):
                last[bit.wire] = max(last[bit.wire], part[w])
        for lane in outputs:
            if isinstance(lane, Bit):
                last[lane.wire] = cycles - 1

        def name(w: int, at: int) -> str:
            stem = f"n{w}" if w else "x"
            return stem if at == part[w] else f"{stem}_q{at - part[w]}"

        parts = []
        for at in range(cycles):
            wires = tuple(
                (
                    self._wires[w],
                    name(w, at),
                    tuple(self._text(lanes, at, name) for lanes in self._wires[w].operands),
                )
                for w in used
                if w and part[w] == at
            )
            registers = tuple(
                (self._wires[w].width, name(w, at + 1), name(w, at))
                for w in used
                if part[w] <= at < last[w]
            )
            parts.append(Part(wires, registers))
        return parts, self._text(outputs, cycles - 1, name)

    def _seven(self, ones: Sequence[Lane]) -> tuple[Lane, ...]:
        return (*ones, *[False] * (7 - len(ones)))

    def _drive(
        self,
        width: int,
        operands: Sequence[Sequence[Lane]],
        levels: int,
        luts: float,
        expression: str = "",
        module: str = "",
        port: str = "",
    ) -> list[Bit]:
        lanes = tuple(map(tuple, operands))
        level = levels + max(self.level(lane) for operand in lanes for lane in operand)
        wire = Wire(width, lanes, level, luts, expression, module, port)
        place = self._places.setdefault(wire, len(self._wires))
        if place == len(self._wires):
            self._wires.append(wire)
        return [Bit(place, i) for i in range(width)]

    def _operand_bits(self, w: int) -> list[Bit]:
        return [
            lane for lanes in self._wires[w].operands for lane in lanes if isinstance(lane, Bit)
        ]

    def _used_bits(self, outputs: Sequence[Lane]) -> set[Bit]:
        """The bits, none inverted, that `outputs` are made of."""
        found: set[Bit] = set()
        opened: set[int] = set()
        waiting = [lane for lane in outputs if isinstance(lane, Bit)]
        while waiting:
            bit = waiting.pop()
            found.add(Bit(bit.wire, bit.index))
            if bit.wire not in opened:
                opened.add(bit.wire)
                waiting += self._operand_bits(bit.wire)
        return found

    def _text(self, lanes: Sequence[Lane], at: int, name: Callable[[int, int], str]) -> str:
        """`lanes` as a concatenation; neighbours of one wire as a slice of it."""

        def run(item: tuple[int, Lane]) -> tuple:
            position, lane = item
            if isinstance(lane, Bit):
                return (lane.wire, lane.inverted, lane.index + position)
            return (lane,)

        texts = []
        for _, items in groupby(enumerate(reversed(lanes)), key=run):
            group = [lane for _, lane in items]
            if not isinstance(group[0], Bit):
                texts.append(f"{{{len(group)}{{1'b{int(group[0])}}}}}")
                continue
            wire, high, low = group[0].wire, group[0].index, group[-1].index
            text = name(wire, at)
            if len(group) < self._wires[wire].width:
                text += f"[{high}]" if high == low else f"[{high}:{low}]"
            texts.append(f"~{text}" if group[0].inverted else text)
        return f"{{{', '.join(texts)}}}"
