"""The pictures of a report, as SVG that takes its colours from the page's style sheet.

Places along a line are in percent and text is in pixels, so that a picture fits a phone without
shrinking its words.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from itertools import count
from math import ceil, sqrt

import numpy as np
from markupsafe import Markup, escape

LABEL, BAR, GAP = 20, 13, 3
"""Pixels: a row's name, one bar of it, and what lies between."""

SMALLEST, LARGEST = (47, 111, 159), (232, 163, 61)
NOTHING = (140, 147, 156)
"""Colours of the smallest and the largest weight, and of zero."""

_GREY, _COLOURS, _PALETTE = 0, 2, 3  # kinds of PNG
_SHEET, _APART = 36, 3  # pixels: the side of the largest feature map, and what lies between


def dataflow_picture(timeline: dict) -> Markup:
    """A row for each layer, a bar for each frame in it; frames in flight lie under one another."""
    frames, interval = timeline["frames"], timeline["interval"]
    end = timeline["latency"] + (frames - 1) * interval + 1
    parts, y = [], LABEL
    for row in timeline["rows"]:
        length = row["last"] - row["first"] + 1
        lanes = min(frames, ceil(length / interval))
        parts.append(_text(0, y + LABEL - 6, row["name"], "name"))
        y += LABEL
        for frame in range(frames):
            first = row["first"] + frame * interval
            top = y + frame % lanes * (BAR + GAP)
            parts.append(_bar(first, first + length, end, top, f"frame f{frame % 4}", frame))
        y += lanes * (BAR + GAP) + GAP
    steady = _rect(timeline["latency"] / end, 1, 0, y, "steady")
    title = f"The first {frames} frames in the pipeline"
    slowest = timeline["bottleneck"]
    told = (
        f"The first frame leaves {timeline['latency']} cycles after it came, and each further one "
        f"{interval} cycles after the one before, at the pace of {slowest}."
    )
    return _svg("timeline", title, told, y, [steady, *_axis(end, y), *parts])


def offload_picture(call: dict, number: int) -> Markup:
    """A row for each layer of a call, with a bar for what each block loads, computes, drains."""
    end, parts, y = call["cycles"], [], LABEL
    rows = [("program and samples", [("read", 0, call["read"])])]
    for layer in call["layers"]:
        kinds = ("load", "compute", "drain")
        rows.append(
            (layer["name"], [(kind, *block[kind]) for kind in kinds for block in layer["blocks"]])
        )
    rows.append(("results", [("written", call["written"], end)]))
    for name, bars in rows:
        parts.append(_text(0, y + LABEL - 6, name, "name"))
        y += LABEL
        kinds = list(dict.fromkeys(kind for kind, _, _ in bars))
        for kind, first, behind in bars:
            top = y + kinds.index(kind) * (BAR - 4 + GAP)
            parts.append(_rect(first / end, behind / end, top, BAR - 4, kind, first, behind))
        y += len(kinds) * (BAR - 4 + GAP) + GAP
    plural = "s" * (call["frames"] > 1)
    title = f"A call with {call['frames']} frame{plural}, {end:,} cycles"
    slowest = ", ".join(f"{layer['name']}: {layer['slowest']}" for layer in call["layers"])
    told = f"What takes longest of each layer: {slowest}."
    return _svg(f"call{number}", title, told, y, [*_axis(end, y), *parts])


def silhouette(elements_in: int, elements_out: int, largest: int) -> Markup:
    """A layer as a shape: as wide above as what goes in, and below as what comes out."""
    above, below = (50 * (0.12 + 0.88 * sqrt(n / largest)) for n in (elements_in, elements_out))
    points = f"{50 - above:.1f},0 {50 + above:.1f},0 {50 + below:.1f},100 {50 - below:.1f},100"
    return Markup(
        '<svg class="shape" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" '
        'focusable="false"><polygon points="{}"/></svg>'
    ).format(points)


def feature_maps(shapes: list[list[int] | None], widest: float) -> Markup:
    """A pile of sheets for each feature map (height, width, channels): the more channels, the more
    sheets. `widest` is the side of the largest of the network."""
    parts, x = [], 0
    for shape in shapes:
        if shape is None:
            continue
        height, width, channels = shape
        sheets = 1 + min(4, channels.bit_length() // 2)
        wide, high = (max(3, round(_SHEET * side / widest)) for side in (width, height))
        for sheet in reversed(range(sheets)):
            at = Markup('<rect x="{}" y="{}" width="{}" height="{}"/>')
            parts.append(at.format(x + _APART * sheet, _APART * (4 - sheet), wide, high))
        x += wide + _APART * sheets + 2 * _APART
    told = " to ".join("x".join(map(str, shape)) for shape in shapes if shape)
    return Markup(
        '<svg class="maps" role="img" aria-label="feature maps of {}" width="{}" height="{}">{}'
        "</svg>"
    ).format(told, x, _SHEET + 5 * _APART, Markup("").join(parts))


def sample_picture(pixels: np.ndarray, said: str) -> Markup:
    """A picture (height, width, channels) of numbers 0..255, grey or in red, green and blue."""
    pixels = np.round(pixels).clip(0, 255).astype(np.uint8)
    height, width, channels = pixels.shape
    lines = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))  # filter 0 in front of each line
    image = _png(width, height, _COLOURS if channels == 3 else _GREY, lines)
    return Markup(
        '<img class="sample" alt="{}" src="data:image/png;base64,{}" width="64" height="64">'
    ).format(said, base64.b64encode(image).decode())


def weights_picture(values: np.ndarray, said: str, tile: tuple[int, int] | None) -> Markup:
    """The weights (rows, columns) themselves; `tile` rows and columns are taken at a time."""
    rows, columns = values.shape
    width, height = (min(190, round(26 + 9 * sqrt(n))) for n in (columns, rows))
    outline = Markup("")
    if tile:
        wide, high = (100 * part / whole for part, whole in zip(tile[::-1], (columns, rows)))
        outline = Markup('<rect class="tile" width="{:.4g}%" height="{:.4g}%"/>').format(wide, high)
    image = base64.b64encode(_coloured(values)).decode()
    return Markup(
        '<svg class="weights" role="img" aria-label="{}" width="{}" height="{}">'
        '<image href="data:image/png;base64,{}" width="100%" height="100%" '
        'preserveAspectRatio="none"/>{}</svg>'
    ).format(said, width, height, image, outline)


def _coloured(values: np.ndarray) -> bytes:
    """A pixel a weight, from SMALLEST over NOTHING at zero to LARGEST, as a PNG with a palette."""
    span = max(1, int(np.abs(values).max(initial=0)))
    levels = np.round(values * (127 / span)).astype(np.int64) + 128
    palette = np.zeros((256, 3))
    for level in range(256):
        share = abs(level - 128) / 127
        far = np.array(LARGEST if level > 128 else SMALLEST)
        palette[level] = share * far + (1 - share) * np.array(NOTHING)
    lines = np.pad(levels.astype(np.uint8), ((0, 0), (1, 0)))  # filter 0 in front of each line
    height, width = values.shape
    return _png(width, height, _PALETTE, lines, palette.clip(0, 255).astype(np.uint8).tobytes())


def _png(width: int, height: int, kind: int, lines: np.ndarray, palette: bytes = b"") -> bytes:
    """A PNG of 8 bits a channel; `lines` are its rows, each with its filter in front."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        *([(b"PLTE", palette)] if palette else []),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _svg(name: str, title: str, told: str, height: int, parts: list[Markup]) -> Markup:
    return Markup(
        '<svg class="time" role="img" aria-labelledby="{0}-title {0}-desc" width="100%" '
        'height="{1}"><title id="{0}-title">{2}</title><desc id="{0}-desc">{3}</desc>{4}</svg>'
    ).format(name, height, title, told, Markup("").join(parts))


def _axis(end: int, height: int) -> Iterator[Markup]:
    """Lines at round cycles, six at most, with their numbers on top."""
    step = _round_step(end / 6)
    for cycle in range(0, end, step):
        x = cycle / end
        yield Markup('<line class="tick" x1="{0}" x2="{0}" y1="14" y2="{1}"/>').format(
            _percent(x), height
        )
        last = cycle + step >= end
        anchor = "start" if cycle == 0 else "end" if last and x > 0.93 else "middle"
        yield Markup('<text class="tick" x="{}" y="11" text-anchor="{}">{:,}</text>').format(
            _percent(x), anchor, cycle
        )


def _round_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20 ... that is not below `least`."""
    rounds = (digit * 10**power for power in count() for digit in (1, 2, 5))
    return next(step for step in rounds if step >= least)


def _bar(first: int, behind: int, end: int, top: int, kind: str, number: int) -> Markup:
    """A bar with a number in it, where there is room for one."""
    bar = _rect(first / end, behind / end, top, BAR, kind, first, behind)
    if (behind - first) / end < 0.05:
        return bar
    return bar + _text((first + behind) / 2 / end, top + BAR - 3, str(number), "number")


def _rect(
    left: float,
    right: float,
    top: int,
    height: int,
    kind: str,
    first: int | None = None,
    behind: int | None = None,
) -> Markup:
    """From `left` to `right`, shares of the width; its cycles are told to who points at it."""
    told = Markup("")
    if first is not None:
        said = f"{kind.partition(' ')[0]}: cycles {first:,} to {behind - 1:,}"
        told = Markup("<title>{}</title>").format(said)
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2">{}</rect>').format(
        kind, _percent(left), top, _percent(right - left), height, told
    )


def _text(x: float, y: int, text: str, kind: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(
        kind, _percent(x), y, escape(text)
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3f}%"
