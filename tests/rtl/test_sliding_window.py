"""sliding_window: every word that windows see, in their order, and its cycle; frame_pacer."""

import random
from dataclasses import dataclass

import pytest
from cocotb_build import RTL
from stream_case import StreamCase, judge

WINDOW_SOURCES = [RTL / "common" / f"{name}.sv" for name in ("ram", "stable_beat", "stream_fifo")]
WINDOW_SOURCES += [RTL / "windows" / "sliding_window.sv"]
WIDTH, FILL = 7, 93
MAPS = 5
LATENCY = 5


@dataclass(frozen=True)
class Shape:
    """Of a map and of the windows over it; `stride`, `dilation` and `pad` are rows and columns."""

    height: int
    width: int
    groups: int
    words: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    out: tuple[int, int] = (1, 1)

    def seen(self) -> list[int | None]:
        """The place in the map of each word that leaves; None beyond an edge."""
        places = []
        for oy in range(self.out[0]):
            for ox in range(self.out[1]):
                for group in range(self.groups):
                    for ky in range(self.kernel[0]):
                        for kx in range(self.kernel[1]):
                            y = oy * self.stride[0] + ky * self.dilation[0] - self.pad[0]
                            x = ox * self.stride[1] + kx * self.dilation[1] - self.pad[1]
                            inside = 0 <= y < self.height and 0 <= x < self.width
                            for word in range(self.words):
                                place = ((y * self.width + x) * self.groups + group) * self.words
                                places.append(place + word if inside else None)
        return places


SHAPES = [
    Shape(1, 1, 1, 1, (1, 1)),
    Shape(3, 3, 1, 1, (3, 3)),
    Shape(5, 6, 1, 2, (3, 3), out=(3, 4)),
    Shape(4, 4, 3, 1, (2, 2), stride=(2, 2), out=(2, 2)),
    Shape(5, 7, 2, 1, (2, 2), stride=(2, 3), out=(2, 2)),  # rows and columns that no window sees
    Shape(4, 5, 1, 1, (3, 3), pad=(1, 1), out=(4, 5)),
    Shape(3, 4, 2, 2, (3, 2), stride=(2, 1), pad=(1, 0), out=(2, 3)),
    Shape(2, 3, 1, 1, (5, 5), pad=(2, 2), out=(2, 3)),
    Shape(7, 6, 1, 1, (2, 3), dilation=(3, 2), pad=(1, 3), out=(6, 6)),
]


@pytest.mark.parametrize(
    ("shape", "spare"), [(s, 1) for s in SHAPES] + [(SHAPES[2], None)], ids=str
)
def test_windows_see_what_lies_below_them(shape, spare):
    rng = random.Random(str(shape))
    count = shape.height * shape.width * shape.groups * shape.words
    maps = [[rng.randrange(1 << WIDTH) for _ in range(count)] for _ in range(MAPS)]
    seen = shape.seen()
    outputs = [[FILL if i is None else words[i] for i in seen] for words in maps]
    taken, given, depth = cycles(shape, seen, count, spare)
    judge(
        WINDOW_SOURCES,
        "sliding_window",
        {
            "WIDTH": WIDTH,
            "FILL": f"7'd{FILL}",
            "MAP_HEIGHT": shape.height,
            "MAP_WIDTH": shape.width,
            "GROUPS": shape.groups,
            "WORDS": shape.words,
            "KERNEL_HEIGHT": shape.kernel[0],
            "KERNEL_WIDTH": shape.kernel[1],
            "STRIDE_Y": shape.stride[0],
            "STRIDE_X": shape.stride[1],
            "DILATION_Y": shape.dilation[0],
            "DILATION_X": shape.dilation[1],
            "PAD_TOP": shape.pad[0],
            "PAD_LEFT": shape.pad[1],
            "OUT_HEIGHT": shape.out[0],
            "OUT_WIDTH": shape.out[1],
            "DEPTH": depth,
        },
        StreamCase(maps, outputs, taken, given),
    )


def cycles(
    shape: Shape, seen: list[int | None], count: int, spare: int | None
) -> tuple[list[int], list[int], int]:
    """When the words of all maps move, cycle by cycle, and the depth of the ring: a window's span
    and `spare` words, or room for all maps."""
    first = [
        max(
            0,
            (y * shape.stride[0] - shape.pad[0]) * shape.width + x * shape.stride[1] - shape.pad[1],
        )
        * shape.groups
        * shape.words
        for y in range(shape.out[0])
        for x in range(shape.out[1])
    ]
    each = len(seen) // len(first)
    kept = [max(first[: i + 1]) for i in range(len(first))]
    newest = [
        max((p for p in seen[: (i + 1) * each] if p is not None), default=0)
        for i in range(len(first))
    ]
    span = max(1 + new - old for new, old in zip(newest, kept))
    depth = MAPS * count if spare is None else max(2, span + spare)
    depth = max(2, depth)
    reads = [(m, m * count + (p or 0)) for m in range(MAPS) for p in seen]
    arrived, taken, given, freed = [], [], [], [(0, 0)]
    cycle = position = 0
    waiting = []  # reads that may not be taken yet are counted by their credits
    while len(given) < len(reads):
        room = max(base for when, base in freed if when <= cycle)
        if len(arrived) < MAPS * count and len(arrived) - room < depth:
            arrived.append(cycle)
            taken.append(cycle)
        if position < len(reads):
            _, place = reads[position]
            if place < len(arrived) and arrived[place] < cycle:
                window, within = divmod(position, each)
                if within == each - 1:
                    m, w = divmod(window, len(first))
                    last = w == len(first) - 1
                    freed.append((cycle + 2, (m + 1) * count if last else m * count + kept[w + 1]))
                waiting.append(cycle + LATENCY - 1)
                position += 1
        if waiting and waiting[0] == cycle:
            given.append(waiting.pop(0))
        cycle += 1
    # What no window sees of the last map comes in too.
    while len(taken) < MAPS * count:
        taken.append(max(taken[-1] + 1, cycle))
    return taken, given, depth


@pytest.mark.parametrize(
    ("beats", "pace", "interval"), [(1, 1, 2), (3, 1, 3), (4, 1, 9), (2, 3, 6), (5, 4, 31)]
)
def test_frames_pass_at_their_interval_and_beats_at_their_pace(beats, pace, interval):
    rng = random.Random(interval)
    frames = [[rng.randrange(1 << 9) for _ in range(beats)] for _ in range(6)]
    moves = [frame * interval + pace * i for frame in range(6) for i in range(beats)]
    parameters = {"WIDTH": 9, "BEATS": beats, "PACE": pace, "INTERVAL": interval}
    case = StreamCase(frames, frames, moves, moves)
    judge([RTL / "dataflow" / "frame_pacer.sv"], "frame_pacer", parameters, case)
