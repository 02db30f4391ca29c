"""result_store: output frames from words on chip to beats in memory, and never beyond."""

import json
import random

import pytest
from cocotb_build import RTL, build, run
from stored_integers import join

from bitfold.overlays.program import encode
from bitfold.overlays.registers import ErrorCode

SOURCES = [
    RTL / "offload" / "offload_program_pkg.sv",
    RTL / "shell" / "bitfold_registers_pkg.sv",
    RTL / "offload" / "serial_multiplier.sv",
    RTL / "offload" / "result_store.sv",
]
ADDRESS_BITS = 8
DESTINATION = 0x1000_0000


def case(rows, planes, frames, lanes, rng, base=0, offset=0, **changes) -> dict:
    """A layer's output of random bits, and where its beats go; `changes` of inputs."""
    words, plane_beats = -(-rows // lanes), -(-rows // 64)
    chip = [rng.getrandbits(lanes) for _ in range(2**ADDRESS_BITS)]
    beats = [
        chip[base + (frame * planes + plane) * words + beat * 64 // lanes] >> beat * 64 % lanes
        & (2**64 - 1)
        for frame in range(frames)
        for plane in range(planes)
        for beat in range(plane_beats)
    ]
    fields = {
        "rows": rows,
        "output_planes": planes,
        "output_top": (planes - 1) * words,
        "output_base": base,
        "output_offset": offset,
        "output_beats": changes.pop("output_beats", planes * plane_beats),
    }
    inputs = {
        "layer": join(encode(fields).tolist(), 64),
        "frames": frames,
        "destination": DESTINATION,
        "destination_beats": offset // 8 + len(beats),
    }
    return {
        "name": f"{rows} rows, {planes} planes, {frames} frames",
        "words": chip,
        "inputs": inputs | changes,
        "command": [DESTINATION + offset, len(beats)],
        "beats": beats,
    }


@pytest.mark.parametrize("lanes", [64, 128, 256])
def test_what_is_stored_is_exact_and_stays_within_the_destination(lanes, tmp_path):
    rng = random.Random(lanes)
    good = [
        case(rows, planes, frames, lanes, rng)
        for rows in (1, 64, 65, 128, 200, 256, 257)
        for planes, frames in ((1, 1), (1, 5), (3, 2))
    ]
    good += [case(10, 32, 3, lanes, rng, base=100), case(70, 2, 3, lanes, rng, offset=4096)]
    endless = case(70, 2, 3, lanes, rng, output_beats=65535)
    endless["inputs"]["frames"] = 2**32 - 1
    size, address = ErrorCode.BAD_SIZE, ErrorCode.BAD_ADDRESS
    bad = [
        (size, case(70, 2, 3, lanes, rng, destination_beats=11)),
        (size, case(70, 2, 3, lanes, rng, destination_beats=0)),
        (size, case(70, 2, 3, lanes, rng, offset=8, destination_beats=12)),
        (size, case(70, 2, 3, lanes, rng, offset=0xFFFF_FFF8, destination_beats=2**29 - 1)),
        (size, case(70, 2, 3, lanes, rng, output_beats=0)),
        (size, endless),
        (address, case(70, 2, 3, lanes, rng, destination=DESTINATION + 4)),
        (address, case(70, 2, 3, lanes, rng, destination=2**32 - 8)),
        (address, case(70, 2, 3, lanes, rng, destination=2**32 - 8, offset=8)),
    ]
    cases = {"good": good, "bad": [one | {"failure": int(code)} for code, one in bad]}
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    parameters = {"LANES": lanes, "OUTPUT_ADDRESS": ADDRESS_BITS}
    model = build(SOURCES, "result_store", parameters)
    run(model, "cocotb_result_store", plusargs={"cases": tmp_path / "cases.json"})
