"""Bad programs on the RTL: each ends, says why, writes nowhere else, and the next call works."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.offload_bench import GOOD, NOWHERE, Bench, Good, changed
from support.offload_networks import SMALL

from bitfold.build.compile.compiler import make_engine
from bitfold.overlays.program import DESCRIPTOR_BEATS, FIELDS, Origin, decode
from bitfold.overlays.registers import REGISTERS, ErrorCode
from bitfold.runtime.verilated import Memory

FIELD = {field.name: field for field in FIELDS}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_engine(SMALL, tmp_path_factory.mktemp("engine") / "offload.bundle")


@pytest.fixture(scope="module")
def shared_bench(bundle, cache):
    bench = Bench(bundle, cache)
    yield bench
    bench.port.close()


@pytest.fixture
def bench(shared_bench):
    """One engine for all tests: whatever a call leaves behind, the next one must work."""
    shared_bench.port.configure(Memory())
    yield shared_bench
    shared_bench.port.configure(Memory())
    for good in GOOD:
        shared_bench.check_good(good)
    shared_bench.check_memory()


# Whatever stands in a descriptor.


def values_of(name: str, value: int, random) -> list[int]:
    """Borders, neighbours, single bits and random values of a field that holds `value`."""
    width = FIELD[name].width
    borders = [0, 1, 2, 3, 8, 9, 63, 64, 65, 2**width - 2, 2**width - 1, value - 1, value + 1]
    bits = [value ^ 1 << bit for bit in range(width)]
    drawn = [int(v) for v in random.integers(0, 2**width, 6)]
    return sorted({v for v in (*borders, *bits, *drawn) if 0 <= v < 2**width and v != value})


@pytest.mark.parametrize("name", FIELD)
def test_no_value_of_a_field_hangs_the_engine_or_writes_elsewhere(name, bench):
    random = np.random.default_rng(len(name))
    ended = set()
    for good in GOOD:
        for layer in range(len(good.program.layers)):
            descriptor = good.program.image[DESCRIPTOR_BEATS * layer :][:DESCRIPTOR_BEATS]
            for value in values_of(name, decode(descriptor)[name], random):
                image = changed(good.program.image, layer, **{name: value})
                ended.add(bench.call(good, image=image).error)
                bench.check_good(GOOD[value % 2])
    assert ErrorCode.WATCHDOG not in ended, "nobody could tell what is wrong"
    told = {ErrorCode.BAD_SIZE, ErrorCode.BAD_OPCODE, ErrorCode.BAD_PROGRAM_ADDRESS}
    # Where an output may be written it may be left unwritten, too; any number is a scale.
    assert ended & told or name in ("to_memory", "softmax_multiplier", "softmax_shift")


several_fields = given(
    good=st.sampled_from(GOOD),
    changes=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([field for field in FIELDS if field.name != "opcode"]),
            st.one_of(st.integers(0, 9), st.integers(0, 600), st.integers(0, 2**32 - 1)),
        ),
        min_size=1,
        max_size=6,
    ),
    frames=st.one_of(st.just(5), st.integers(1, 60), st.integers(0, 2**32 - 1)),
    length=st.sampled_from((2, 2, 2, 2, 2, 1, 0, 3, 4, 5, 2**32 - 1)),
    hesitation=st.sampled_from((0, 0, 60)),
)
LONG = settings(deadline=None, suppress_health_check=list(HealthCheck))


def check_several(bench, good, changes, frames, length, hesitation) -> None:
    image = good.program.image
    for layer, field, value in changes:
        image = changed(image, layer, **{field.name: value % 2**field.width})
    bench.port.configure(Memory(20, hesitation, 1))
    bench.call(good, image=image, FRAMES=frames, PROGRAM_LENGTH=length)
    bench.port.configure(Memory())
    bench.check_good(good)


@settings(LONG, max_examples=500, derandomize=True)
@several_fields
def test_no_values_of_several_fields_do_either(good, changes, frames, length, hesitation, bench):
    check_several(bench, good, changes, frames, length, hesitation)


@pytest.mark.slow
@settings(LONG, max_examples=10_000)
@several_fields
def test_many_values_of_several_fields_do_not_either(
    good, changes, frames, length, hesitation, bench
):
    check_several(bench, good, changes, frames, length, hesitation)


def test_random_bits_are_no_program(bench):
    random = np.random.default_rng(0)
    for good in GOOD:
        for _ in range(30):
            image = random.integers(0, 2**64, len(good.program.image), np.uint64)
            assert bench.call(good, image=image).error is ErrorCode.BAD_OPCODE
            # The first descriptor as it should be, and what it loads is not.
            image[:DESCRIPTOR_BEATS] = good.program.image[:DESCRIPTOR_BEATS]
            assert bench.call(good, image=image).error is ErrorCode.BAD_OPCODE
            bench.check_good(good)


# What each fault is called.

FIRST, LAST = 0, 1
BAD_DESCRIPTORS = [
    ("opcode", FIRST, {"opcode": 0}, ErrorCode.BAD_OPCODE),
    ("opcode of a later layer", LAST, {"opcode": 0xB0}, ErrorCode.BAD_OPCODE),
    ("origin", FIRST, {"origin": 3}, ErrorCode.BAD_OPCODE),
    ("bipolar of 2 bits", LAST, {"weight_bipolar": 1, "weight_signed": 0}, ErrorCode.BAD_OPCODE),
    ("bipolar and signed", FIRST, {"input_signed": 1}, ErrorCode.BAD_OPCODE),
    ("no rows", FIRST, {"rows": 0}, ErrorCode.BAD_SIZE),
    ("no columns", FIRST, {"columns": 0}, ErrorCode.BAD_SIZE),
    ("no weight planes", FIRST, {"weight_planes": 0}, ErrorCode.BAD_SIZE),
    ("9 weight planes", FIRST, {"weight_planes": 9}, ErrorCode.BAD_SIZE),
    ("no input planes", LAST, {"input_planes": 0}, ErrorCode.BAD_SIZE),
    ("9 input planes", LAST, {"input_planes": 9}, ErrorCode.BAD_SIZE),
    ("no output planes", FIRST, {"output_planes": 0}, ErrorCode.BAD_SIZE),
    ("9 planes of levels", FIRST, {"output_planes": 9}, ErrorCode.BAD_SIZE),
    ("33 planes of sums", LAST, {"output_planes": 33}, ErrorCode.BAD_SIZE),
    ("weights beyond a row", FIRST, {"weight_top": SMALL.weight_words}, ErrorCode.BAD_SIZE),
    ("input beyond the chip", FIRST, {"input_top": SMALL.input_words}, ErrorCode.BAD_SIZE),
    ("input base", FIRST, {"input_base": SMALL.input_words - 9}, ErrorCode.BAD_SIZE),
    ("input base on chip", LAST, {"input_base": SMALL.input_words - 14}, ErrorCode.BAD_SIZE),
    ("output base", FIRST, {"output_base": SMALL.input_words - 14}, ErrorCode.BAD_SIZE),
    ("argmax over two blocks", LAST, {"head": 2}, ErrorCode.BAD_SIZE),
    ("softmax over two blocks", LAST, {"head": 3}, ErrorCode.BAD_SIZE),
    ("loads nothing", FIRST, {"load_beats": 0}, ErrorCode.BAD_SIZE),
    ("input of too few beats", FIRST, {"input_beats": 1}, ErrorCode.BAD_SIZE),
    ("input of too many beats", FIRST, {"input_beats": 300}, ErrorCode.BAD_SIZE),
    ("input of too many columns", FIRST, {"columns": 200}, ErrorCode.BAD_SIZE),
    ("input of no beats", FIRST, {"input_beats": 0}, ErrorCode.BAD_SIZE),
    ("output of no beats", LAST, {"output_beats": 0}, ErrorCode.BAD_SIZE),
    ("load not at a beat", FIRST, {"load_offset": 132}, ErrorCode.BAD_PROGRAM_ADDRESS),
    ("input not at a beat", FIRST, {"input_offset": 1}, ErrorCode.BAD_PROGRAM_ADDRESS),
    ("output not at a beat", LAST, {"output_offset": 4}, ErrorCode.BAD_PROGRAM_ADDRESS),
    ("load beyond 4 GiB", FIRST, {"load_offset": 0xFFFF_FFF8}, ErrorCode.BAD_PROGRAM_ADDRESS),
    ("load up to 4 GiB", FIRST, {"load_beats": 2**29 - 1}, ErrorCode.BAD_PROGRAM_ADDRESS),
    ("input beyond 4 GiB", FIRST, {"input_offset": 0xF000_0000}, ErrorCode.BAD_ADDRESS),
    ("output beyond", LAST, {"output_offset": 8}, ErrorCode.BAD_SIZE),
    ("output far beyond", LAST, {"output_offset": 0xFFFF_FFF8}, ErrorCode.BAD_SIZE),
    ("load outside the memory", FIRST, {"load_offset": NOWHERE}, ErrorCode.READ_ERROR),
    ("input outside the memory", FIRST, {"input_offset": NOWHERE}, ErrorCode.READ_ERROR),
]


@pytest.mark.parametrize(
    ("layer", "fields", "error"),
    [row[1:] for row in BAD_DESCRIPTORS],
    ids=[row[0] for row in BAD_DESCRIPTORS],
)
def test_a_bad_descriptor_has_its_error_and_leaves_no_output(layer, fields, error, bench):
    good = GOOD[0]
    outcome = bench.call(good, image=changed(good.program.image, layer, **fields))
    assert outcome.error is error
    assert not outcome.destination.any()
    bench.check_good(good)


@pytest.mark.parametrize("layer", [FIRST, LAST])
@pytest.mark.parametrize("more", [-20, -1, 1, 20])
def test_a_load_of_another_size_than_the_layer_needs_is_told(more, layer, bench):
    for good in GOOD:
        beats = good.program.loads[layer] + more
        if beats < 1:
            continue
        outcome = bench.call(good, image=changed(good.program.image, layer, load_beats=beats))
        assert outcome.error is ErrorCode.BAD_SIZE
        bench.check_good(good)


def test_a_bit_that_no_field_uses_must_be_zero(bench):
    used = sum(((1 << field.width) - 1) << field.low for field in FIELDS)
    for good in GOOD:
        for bit in range(512):
            if used >> bit & 1:
                continue
            image = good.program.image.copy()
            image[DESCRIPTOR_BEATS * (bit % 2) + bit // 64] |= np.uint64(1) << np.uint64(bit % 64)
            assert bench.call(good, image=image).error is ErrorCode.BAD_OPCODE, bit
    bench.check_good(good)


BAD_REGISTERS = [
    ({"FRAMES": 0}, ErrorCode.BAD_FRAMES),
    ({"FRAMES": 2**32 - 1}, ErrorCode.BAD_FRAMES),
    ({"FRAMES": 2**16}, ErrorCode.BAD_SIZE),
    ({"PROGRAM_LENGTH": 0}, ErrorCode.BAD_SIZE),
    ({"PROGRAM_LENGTH": SMALL.layers + 1}, ErrorCode.BAD_SIZE),
    ({"PROGRAM_LENGTH": 2**32 - 1}, ErrorCode.BAD_SIZE),
    # The third descriptor is what the first layer loads.
    ({"PROGRAM_LENGTH": 3}, ErrorCode.BAD_OPCODE),
    ({"PROGRAM_ADDRESS": NOWHERE + 4}, ErrorCode.BAD_PROGRAM_ADDRESS),
    ({"PROGRAM_ADDRESS": 0xFFFF_FFF8}, ErrorCode.BAD_PROGRAM_ADDRESS),
    ({"PROGRAM_ADDRESS": NOWHERE}, ErrorCode.READ_ERROR),
    ({"SOURCE": NOWHERE + 1}, ErrorCode.BAD_ADDRESS),
    ({"SOURCE": 0xFFFF_FFF8}, ErrorCode.BAD_ADDRESS),
    ({"SOURCE": NOWHERE}, ErrorCode.READ_ERROR),
    ({"DESTINATION": NOWHERE + 4}, ErrorCode.BAD_ADDRESS),
    ({"DESTINATION": 0xFFFF_FFF8}, ErrorCode.BAD_ADDRESS),
    ({"DESTINATION": NOWHERE}, ErrorCode.WRITE_ERROR),
    ({"DESTINATION_BEATS": 0}, ErrorCode.BAD_SIZE),
]


@pytest.mark.parametrize(
    ("registers", "error"), BAD_REGISTERS, ids=lambda v: str(v) if isinstance(v, dict) else ""
)
def test_a_bad_register_has_its_error(registers, error, bench):
    for good in GOOD:
        outcome = bench.call(good, **registers)
        assert outcome.error is error
        # A program that goes on too long has left its output.
        assert not outcome.destination.any() or registers == {"PROGRAM_LENGTH": 3}
        bench.check_good(good)


def test_not_one_beat_is_written_if_not_all_fit(bench):
    for good in GOOD:
        needed = good.output_beats
        for beats in (0, 1, needed - 1):
            outcome = bench.call(good, DESTINATION_BEATS=beats)
            assert outcome.error is ErrorCode.BAD_SIZE
            assert not outcome.destination.any()
        outcome = bench.call(good, destination_beats=needed + 5)
        assert outcome.error is ErrorCode.NONE
        good.check(outcome.destination[:needed])
        assert not outcome.destination[needed:].any()


# Spilled to memory and back.


def spilled(good: Good) -> tuple[np.ndarray, int]:
    """The program with its first layer's output through memory, and the beats of that."""
    layer = good.program.layers[0]
    beats = layer.output.bits * -(-layer.rows // 64)
    image = changed(good.program.image, 0, to_memory=1, output_beats=beats)
    size = beats * len(good.source)
    return changed(
        image, 1, origin=Origin.DESTINATION, input_beats=beats, output_offset=8 * size
    ), size


@pytest.mark.parametrize("hesitation", [0, 30, 80])
def test_a_layer_may_read_what_an_earlier_one_wrote_to_memory(hesitation, bench):
    for good in GOOD:
        image, size = spilled(good)
        both = size + good.output_beats
        for seed in range(8):
            bench.port.configure(Memory(1 + 20 * seed, hesitation, seed))
            outcome = bench.call(good, image=image, destination_beats=both)
            assert outcome.error is ErrorCode.NONE
            good.check(outcome.destination[size:])


@pytest.mark.parametrize("channel", ["AW", "W", "B"])
def test_a_layer_waits_for_what_is_still_on_its_way_to_memory(channel, bench):
    # The first layer's output is one beat: the writer has it, and the memory has not.
    good = Good.of(GOOD[1].network, frames=1)
    image, size = spilled(good)
    assert size == 1
    bench.port.configure(Memory(mute=(channel,)))
    outcome = bench.call(
        good,
        image=image,
        destination_beats=size + good.output_beats,
        meanwhile=lambda: bench.port.configure(Memory()),
    )
    assert outcome.error is ErrorCode.NONE
    good.check(outcome.destination[size:])


# Ended from outside.


def test_a_call_may_be_reset_at_any_time(bench):
    random = np.random.default_rng(0)
    for good in GOOD:
        bench.port.configure(Memory())
        cycles = bench.call(good).cycles
        for hesitation in (0, 50):
            for _ in range(50):
                bench.port.configure(Memory(20, hesitation, 1))
                with bench.placed(good):
                    bench.start()
                    bench.go_on(int(random.integers(1, cycles - 20)))
                    assert not REGISTERS.STATUS["done"].get(
                        bench.port.read(REGISTERS.STATUS.offset)
                    )
                    bench.reset()
                bench.check_good(good)
