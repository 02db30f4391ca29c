"""Changes to bytes, JSON, text and arrays that a seeded Random decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import numpy as np

MARK = "escaped"
"""Stands in the name of all that a hostile case tries to write."""

COMMAND = f"touch {MARK}"
NAMES = (
    "",
    " ",
    ".",
    "..",
    "/",
    "../../" + MARK,
    "../" * 9 + MARK,
    MARK + "/x",
    "nul\0byte",
    "new\nline",
    "\x1b[31mred",
    "a" * 5000,
    '"',
    "'",
    "\\",
    f'");initial $system("{COMMAND}");//',
    f'x.hex"); initial $system("{COMMAND}"); $display("',
    f"x; exec {COMMAND}",
    f"[exec {COMMAND}]",
    f"$({COMMAND})",
    f"`{COMMAND}`",
    f"; {COMMAND} #",
    f"<script>{COMMAND}</script>",
    "[bold]markup[/]",
    "{{ 7 * 7 }}",
    "%s%n",
    "endmodule",
    "module",
    "CON",
    "é" * 60,
    "\u202egnp",
    "\ud800",
    "-rf",
    "--help",
    "~",
    "$HOME",
    "*",
    "a/b",
    "a\\b",
    "__class__",
    "0",
)
INTEGERS = (0, 1, 2, 3, 7, 8, 63, 64, 65, 127, 255, 256, 1000, 65535, 65536, 10**6, 10**7)
INTEGERS += tuple(sign * 2**n + d for sign in (1, -1) for n in (31, 32, 62, 63) for d in (-1, 0))
INTEGERS += (-1, -2, -64, 10**30)
FLOATS = (0.0, -0.0, 0.5, -1.0, 1e-45, 1e-38, 3e38, 1e300, 2.0**31, 1 / 3)
FLOATS += (float("nan"), float("inf"), -float("inf"))
VALUES = (None, True, False, [], {}, [[]], [1, 2, 3], [None], {"": None}, ["all"], {"a": {"b": 1}})
# Written into a document's text in place of these strings, as json.dumps does not write them.
TEXTS = {
    "@deep list@": "[" * 20_000 + "]" * 20_000,
    "@deep object@": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "@digits@": "7" * 5000,
    "@beyond@": "1e999",
    "@broken@": "{",
    "@comment@": "// none",
}


def octets(random: Random, content: bytes) -> tuple[bytes, str]:
    """`content` with some bytes changed, dropped or doubled."""
    changed, said = bytearray(content), []
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        at = random.randrange(len(changed) + 1)
        size = random.choice((1, 1, 2, 4, 8, 64, 500))
        kind = random.choice(("flip", "flip", "byte", "number", "cut", "drop", "double", "insert"))
        if kind == "flip" and at < len(changed):
            changed[at] ^= 1 << random.randrange(8)
        elif kind == "byte" and at < len(changed):
            changed[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif kind == "number":
            value = random.choice(INTEGERS) % 2**64
            width = random.choice((1, 2, 4, 8))
            order = random.choice(("little", "big"))
            changed[at : at + width] = (value % 256**width).to_bytes(width, order)
        elif kind == "cut":
            del changed[at:]
        elif kind == "drop":
            del changed[at : at + size]
        elif kind == "double":
            changed[at:at] = changed[at : at + size]
        elif kind == "insert":
            changed[at:at] = random.randbytes(size)
        said.append(f"{kind} at {at}")
    return bytes(changed), "bytes: " + ", ".join(said)


def text(random: Random, content: str, words: tuple[str, ...] = ()) -> tuple[str, str]:
    """`content` with lines or words changed; `words` are what else may be written."""
    lines = content.split("\n")
    kind = random.choice(("drop", "double", "swap", "replace", "word", "word", "bytes"))
    at = random.randrange(len(lines))
    if kind == "drop":
        del lines[at]
    elif kind == "double":
        lines[at:at] = lines[at : at + 1] * random.choice((1, 2, 1000))
    elif kind == "swap":
        other = random.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "replace":
        lines[at] = random.choice((*NAMES, *words))
    elif kind == "word":
        parts = lines[at].split(" ")
        parts[random.randrange(len(parts))] = str(
            random.choice((*NAMES, *words, *words, *INTEGERS, *FLOATS))
        )
        lines[at] = " ".join(parts)
    else:
        changed, said = octets(random, content.encode(errors="surrogatepass"))
        return changed.decode(errors="replace"), f"text {said}"
    return "\n".join(lines), f"text: {kind} line {at + 1}"


def value(random: Random, like: object = None) -> object:
    """A hostile value, now and then near to one of the type of `like`."""
    if isinstance(like, bool):
        return random.choice((not like, None, 2, "true"))
    if isinstance(like, int) and random.random() < 0.7:
        near = (like + 1, like - 1, 2 * like, -like, float(like), like + 0.5, str(like))
        return random.choice((*near, *INTEGERS))
    if isinstance(like, float) and random.random() < 0.7:
        return random.choice((like * 2, -like, int(like), *FLOATS))
    if isinstance(like, str) and random.random() < 0.7:
        return random.choice((like + "x", like[:-1], like.upper(), *NAMES))
    return random.choice((*NAMES, *INTEGERS, *FLOATS, *VALUES, *TEXTS))


def document(random: Random, content: object) -> str:
    """Changes `content`, a JSON document, in place in one or a few places; says how."""
    said = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(content))
        if not places:
            break
        path, parent, key = random.choice(places)
        kind = random.choice(("set", "set", "set", "set", "drop", "other", "rename", "double"))
        if kind == "drop":
            del parent[key]
        elif kind == "other":
            _, other, other_key = random.choice(places)
            parent[key] = json.loads(json.dumps(other[other_key]))
        elif kind == "rename" and isinstance(parent, dict):
            parent[random.choice((*NAMES, *map(str, parent)))] = parent.pop(key)
        elif kind == "double" and isinstance(parent, list):
            parent.insert(key, parent[key])
        else:
            parent[key] = value(random, parent[key])
        said.append(f"{kind} {path}")
    return "json: " + ", ".join(said)


def _places(content: object, path: str = "", depth: int = 0):
    """(path, parent, key) of every value in a document."""
    items = ()
    if isinstance(content, dict):
        items = list(content.items())
    elif isinstance(content, list):
        items = list(enumerate(content))
    for key, inner in items:
        yield f"{path}/{key}", content, key
        if depth < 20:
            yield from _places(inner, f"{path}/{key}", depth + 1)


def to_json(content: object) -> str:
    """`content` as JSON, with TEXTS for what stands for them."""
    written = json.dumps(content)
    for mark, replacement in TEXTS.items():
        written = written.replace(json.dumps(mark), replacement)
    return written


def json_text(random: Random, written: str) -> tuple[str, str]:
    """A JSON document's text, changed in its structure, its text or its bytes."""
    kind = random.choice(("structure",) * 6 + ("whole", "text"))
    if kind == "whole":
        chosen = random.choice((*TEXTS.values(), "", "null", "[]", "{}", "0", '"x"', "\ufeff{}"))
        return chosen, f"json: all of it {chosen[:20]!r}"
    if kind == "text":
        return text(random, written)
    content = json.loads(written)
    said = document(random, content)
    return to_json(content), said


def array(random: Random, values: np.ndarray) -> tuple[np.ndarray, str]:
    """`values` with others, or of another type or shape."""
    changed = np.array(values)
    some = changed.reshape(-1)
    kind = random.choice(("value", "value", "value", "dtype", "shape", "cut", "empty"))
    if kind == "value" and some.size:
        at = random.randrange(some.size)
        integers = np.issubdtype(changed.dtype, np.integer)
        near = int(np.nan_to_num(float(some[at]))) + random.choice((-2, -1, 1, 2))
        drawn = random.choice((near, random.choice(INTEGERS if integers else FLOATS)))
        changed = changed.astype(np.int64) if integers else changed
        with np.errstate(all="ignore"):
            changed.reshape(-1)[at] = max(-(2**63), min(drawn, 2**63 - 1)) if integers else drawn
        if integers and random.random() < 0.8:
            changed = changed.astype(values.dtype)
        return changed, f"array: value {at} is {drawn}"
    if kind == "dtype":
        name = random.choice(("i1", "u1", "<i8", ">i4", "u8", "f4", "f8", "c8", "?", "S3", "U2"))
        with np.errstate(all="ignore"):
            return changed.astype(name), f"array: dtype {name}"
    if kind == "shape":
        shape = random.choice(((-1,), (1, -1), (-1, 1), (1, 1, -1), changed.T.shape))
        return changed.reshape(shape), f"array: shape {shape}"
    if kind == "cut":
        return changed[: len(changed) // 2] if changed.ndim else changed[None], "array: cut"
    return np.zeros((0, *changed.shape[1:]), changed.dtype), "array: empty"


def pick(random: Random, *choices: Callable) -> Callable:
    """One of `choices`; for tables of mutators with the frequent ones named often."""
    return random.choice(choices)
