"""Small networks in BNN-PYNQ's files, and what BNN-PYNQ computes of them, word by word."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

CNV = (
    {"K": 3, "IFM_CH": 3, "IFM_DIM": 8, "OFM_CH": 4, "OFM_DIM": 6, "SIMD": 3, "PE": 2},
    {"K": 3, "IFM_CH": 4, "IFM_DIM": 3, "OFM_CH": 8, "OFM_DIM": 1, "SIMD": 4, "PE": 4},
    {"MW": 8, "MH": 6, "SIMD": 8, "PE": 2},
    {"MW": 6, "MH": 4, "SIMD": 2, "PE": 1},
)
LFC = (
    {"MW": 832, "MH": 6, "SIMD": 32, "PE": 2},
    {"MW": 6, "MH": 8, "SIMD": 3, "PE": 4},
)
KINDS = {"W1A1": (1, 1), "W1A2": (1, 2), "W2A2": (2, 2)}


def write_files(folder: Path, topology: tuple[dict, ...], kind: str, seed: int = 0) -> Path:
    """Random parameters of `topology`, with 3 classes; LFC has thresholds behind its last layer."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    weight_bits, levels = KINDS[kind]
    lines = ["#ifndef __LAYER_CONFIG_H_", "#define __LAYER_CONFIG_H_"]
    for number, sizes in enumerate(topology):
        last = number == len(topology) - 1
        thresholds = topology is LFC or not last
        said = {**sizes, "WPI": weight_bits, "API": levels if thresholds else 16}
        lines += [f"#define L{number}_{key} {value}" for key, value in said.items()]
        rows, columns = _size(sizes)
        pe, simd = sizes["PE"], sizes["SIMD"]
        for lane in range(pe):
            stored = random.integers(0, 1 << weight_bits, (rows // pe, columns // simd, simd))
            if weight_bits == 2:
                stored = np.array([0, 1, 3])[stored % 3]
            words = (stored << (weight_bits * np.arange(simd))).sum(axis=2).astype("<u8")
            (folder / f"{number}-{lane}-weights.bin").write_bytes(words.tobytes())
            if thresholds:
                middle = columns // 2 if kind == "W1A1" and (number or topology is LFC) else 0
                spread = 300 if number == 0 and topology is CNV else 4
                values = middle + random.integers(-spread, spread, (rows // pe, levels))
                values = np.sort(values, axis=1).astype("<i8")
                (folder / f"{number}-{lane}-thres.bin").write_bytes(values.tobytes())
    (folder / "config.h").write_text("\n".join([*lines, "#endif", ""]))
    (folder / "classes.txt").write_text("one\r\ntwo\r\nthree")
    return folder


def _size(sizes: dict) -> tuple[int, int]:
    if "K" in sizes:
        return sizes["OFM_CH"], sizes["K"] ** 2 * sizes["IFM_CH"]
    return sizes["MH"], sizes["MW"]


def scores(folder: Path, pixels: np.ndarray) -> np.ndarray:
    """What BNN-PYNQ gives for the first three outputs: popcounts, sums, or bits (LFC)."""
    defined = re.findall(r"#define L(\d+)_(\w+) (\d+)", (folder / "config.h").read_text())
    layers: dict[int, dict[str, int]] = {}
    for number, key, value in defined:
        layers.setdefault(int(number), {})[key] = int(value)
    convolutional = "K" in layers[0]
    if convolutional:
        reals = 2 * pixels.astype(float) / 255 - 1
        x = np.clip(np.floor(reals * 128 + 0.5), -128, 127).astype(int)
    else:
        x = np.full((len(pixels), layers[0]["MW"]), -1)
        x[:, : pixels[0].size] = np.where(pixels.reshape(len(pixels), -1) >= 128, 1, -1)
    bits_in = not convolutional
    for number in sorted(layers):
        sizes = layers[number]
        rows, columns = _size(sizes)
        if "K" in sizes:
            if x.shape[1] == 2 * sizes["IFM_DIM"]:
                x = x.reshape(len(x), sizes["IFM_DIM"], 2, sizes["IFM_DIM"], 2, -1).max(axis=(2, 4))
            k, out = sizes["K"], sizes["OFM_DIM"]
            seen = [
                x[:, i : i + k, j : j + k].reshape(len(x), -1)
                for i in range(out)
                for j in range(out)
            ]
            vectors = np.stack(seen, axis=1)
        else:
            vectors = x.reshape(len(x), 1, -1)
        weights, thresholds = _parameters(folder, number, sizes, rows, columns)
        sums = vectors @ weights.T
        counts = sizes["WPI"] == 1 and bits_in
        if counts:
            sums = (sums + columns) // 2
        if thresholds is None:
            return sums[:, 0, :3]
        compared = 2 * sums if number == 0 and convolutional else sums
        level = (thresholds[None, None] < compared[..., None]).sum(axis=3)
        bits_in = sizes["API"] == 1
        x = 2 * level - 1 if bits_in else level - 1
        if "K" in sizes:
            x = x.reshape(len(x), sizes["OFM_DIM"], sizes["OFM_DIM"], rows)
    return x.reshape(len(x), -1)[:, :3]


def _parameters(folder: Path, number: int, sizes: dict, rows: int, columns: int):
    pe, simd, bits = sizes["PE"], sizes["SIMD"], sizes["WPI"]
    weights = np.zeros((rows, columns), int)
    thresholds = None
    for row in range(rows):
        words = (folder / f"{number}-{row % pe}-weights.bin").read_bytes()
        for column in range(columns):
            at = (row // pe) * (columns // simd) + column // simd
            word = int.from_bytes(words[8 * at : 8 * at + 8], "little")
            stored = word >> (column % simd * bits) & ((1 << bits) - 1)
            weights[row, column] = 2 * stored - 1 if bits == 1 else (0, 1, -2, -1)[stored]
        file = folder / f"{number}-{row % pe}-thres.bin"
        if file.exists():
            held = np.frombuffer(file.read_bytes(), "<i8").reshape(rows // pe, -1)
            if thresholds is None:
                thresholds = np.zeros((rows, held.shape[1]), int)
            thresholds[row] = held[row // pe]
    return weights, thresholds
