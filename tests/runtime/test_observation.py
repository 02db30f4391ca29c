"""What an observed build shows: streams inside, whatever holds them up, and nothing otherwise."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.random_networks import Shape, random_inputs, random_network

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.models.encoding import Encoding
from bitfold.models.errors import DeviceError
from bitfold.overlays.dataflow.fold import Fold
from bitfold.runtime import verilator
from bitfold.runtime.observation import watch
from bitfold.runtime.verilated import Memory, VerilatedDevice
from bitfold.runtime.verilator import WATCHED, build_library

STAGES = {0: "fc0", 1: "act0", 2: "fc1"}


@pytest.fixture
def open_watched(bundle, cache):
    """Opens the small overlay, to be watched, in front of a memory."""
    opened = []

    def make(memory: Memory) -> VerilatedDevice:
        opened.append(VerilatedDevice(bundle, memory, cache, variant=WATCHED))
        return opened[-1]

    yield make
    for device in opened:
        device.close()


@pytest.mark.parametrize("hesitation", [0, 50, 90])
def test_streams_show_every_layer_however_the_memory_hesitates(hesitation, network, open_watched):
    device = open_watched(Memory(hesitation_percent=hesitation, seed=hesitation))
    streams = watch(device.port, [f"bitfold_top.core.stage_{i}" for i in STAGES])
    assert streams[0].frames(6, network.values["fc0"].encoding).shape == (0, 6)
    x = random_inputs(network, 60, 1)
    trace = network.trace(x)
    for part in (x[:20], x[20:]):  # what is watched goes on from call to call
        device.run(part)
    for name, stream in zip(STAGES.values(), streams):
        tensor = network.values[name]
        np.testing.assert_array_equal(stream.frames(tensor.size, tensor.encoding), trace[name])


def test_lanes_wider_than_a_word_are_whole(cache, tmp_path):
    """Accumulators of 72 rows at once are hundreds of bits, in whole bytes."""
    shape = Shape((4, 72), ("INT8",), ("INT8",), None, False, False)
    network = random_network(shape, 0)
    bundle = compile_dataflow(network, {"fc0": Fold(72, 4)}, tmp_path / "bundle")
    device = VerilatedDevice(bundle, cache=cache, variant=WATCHED)
    (stream,) = watch(device.port, ["bitfold_top.core.stage_0"])
    x = random_inputs(network, 9, 2)
    device.run(x)
    tensor = network.values["fc0"]
    assert stream.beat_bits == 72 * tensor.encoding.bits > 64
    np.testing.assert_array_equal(stream.frames(72, tensor.encoding), network(x))
    device.close()


@pytest.mark.parametrize("instance", ["bitfold_top.core.stage_9", "bitfold_top"])
def test_an_instance_without_a_stream_is_an_error(instance, open_watched):
    with pytest.raises(DeviceError, match=f"{instance}: no stream of that name"):
        watch(open_watched(Memory()).port, [instance])


def test_beats_that_are_no_frames_are_an_error(network, open_watched):
    device = open_watched(Memory())
    (stream,) = watch(device.port, ["bitfold_top.core.stage_0"])
    device.run(random_inputs(network, 5, 1))
    with pytest.raises(DeviceError, match=r"15 beats of \d+ bits are no frames of 7 INT"):
        stream.frames(7, network.values["fc0"].encoding)
    with pytest.raises(DeviceError, match="no frames of 6 BIPOLAR"):
        stream.frames(6, Encoding.of("BIPOLAR"))


def test_the_everyday_build_has_nothing_to_observe_with(bundle, cache):
    library = ctypes.CDLL(str(build_library(bundle.rtl, cache)))
    assert hasattr(library, "bitfold_run")
    for name in ("watch", "beats", "trace"):
        assert not hasattr(library, f"bitfold_{name}")


BLOCKS = """
#include <cstdio>
#include <vector>
#include "lz4.h"
int main() {
  for (int size = 0; size < 800; ++size) {
    std::vector<char> source(size), target(LZ4_compressBound(size));
    for (int i = 0; i < size; ++i) source[i] = char(i * i + size);
    int made = LZ4_compress_default(source.data(), target.data(), size, target.size());
    if (made > int(target.size())) return 1;
    for (int i = 0; i < made; ++i) std::printf("%02x", (unsigned char)target[i]);
    std::printf("\\n");
  }
}
"""


def test_our_lz4_blocks_hold_what_went_in(tmp_path):
    (tmp_path / "blocks.cpp").write_text(BLOCKS)
    headers = Path(verilator.__file__).parent / "fst"
    program = tmp_path / "blocks"
    flags = ("-fsanitize=address,undefined", "-std=c++17", f"-I{headers}")
    subprocess.run(["g++", *flags, tmp_path / "blocks.cpp", "-o", program], check=True)
    ran = subprocess.run([program], check=True, capture_output=True, text=True)
    blocks = [bytes.fromhex(line) for line in ran.stdout.splitlines()]
    assert len(blocks) == 800
    for size, block in enumerate(blocks):
        assert literals(block) == bytes((i * i + size) % 256 for i in range(size))


def literals(block: bytes) -> bytes:
    """A block of one sequence, as LZ4's block format has it."""
    count, rest = block[0] >> 4, block[1:]
    assert block[0] & 15 == 0, "a match"
    if count == 15:
        while True:
            more, rest = rest[0], rest[1:]
            count += more
            if more < 255:
                break
    assert len(rest) == count
    return rest
