"""What a chip has, and what some logic takes of it."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Resources:
    """What some logic takes of a 7-series chip, or what the chip has.

    bitfold.build.implement.synthesis.resources says what counts as one of each.
    """

    luts: int = 0
    memory_luts: int = 0
    """Those of `luts` that are distributed RAM or shift registers."""
    flip_flops: int = 0
    carry4: int = 0
    ramb18: int = 0
    ramb36: int = 0
    dsps: int = 0
    muxf7: int = 0
    muxf8: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            **{f.name: getattr(self, f.name) - getattr(other, f.name) for f in fields(self)}
        )

    @property
    def block_rams(self) -> float:
        """Block RAMs of 36 Kbit; one of 18 Kbit is half of one."""
        return self.ramb36 + self.ramb18 / 2


@dataclass(frozen=True)
class Chip:
    """A chip that overlays are made for."""

    name: str
    has: Resources

    def overfull(self, taken: Resources) -> list[str]:
        """What of `taken` is more than the chip has, in words."""
        pairs = (
            ("LUTs", taken.luts, self.has.luts),
            ("block RAMs of 36 kbit", taken.block_rams, self.has.ramb36),
            ("DSPs", taken.dsps, self.has.dsps),
        )
        return [f"{n:,g} {what} of {most:,}" for what, n, most in pairs if n > most]


XC7Z020 = Chip(
    "xc7z020",
    Resources(
        luts=53_200,
        memory_luts=17_400,
        flip_flops=106_400,
        carry4=13_300,
        ramb18=280,
        ramb36=140,
        dsps=220,
        muxf7=26_600,
        muxf8=13_300,
    ),
)
"""What the chip of the Pynq-Z1 and Pynq-Z2 has; a RAMB36 is two RAMB18. Source: AMD DS190, table 1,
and UG474 for what a slice holds."""
