"""The dataflow shell on well-behaved and slow memories: data, bursts, cycles, registers, irq."""

import itertools

import cocotb
from cocotb.triggers import ClockCycles
from shell_bench import BUILD_ID, INPUT_BEATS, OUTPUT_BEATS, Bench, Call

from bitfold.overlays.dataflow.design import SHELL_CYCLES
from bitfold.overlays.registers import ABI_VERSION, MAGIC, REGISTERS, TABLE, Kind

# The steps in which the shell multiplies FRAMES by the beats of a frame.
STEPS = max(INPUT_BEATS, OUTPUT_BEATS).bit_length()


def test(function):
    """A cocotb test that fails when it does not end."""
    return cocotb.test(timeout_time=2, timeout_unit="ms")(function)


@test
async def calls_after_each_other_copy_their_frames_and_nothing_else(dut):
    bench = await Bench.start(dut)
    for frames in (1, 2, 3, 16, 33):
        await bench.run(bench.random_call(frames))


@test
async def every_alignment_and_length_around_a_4_kb_border_is_exact(dut):
    bench = await Bench.start(dut)
    for back in (8, 16, 120, 128, 136, 248):
        frames = bench.rng.randint(1, 12)
        shift = 8 * bench.rng.randrange(32)
        call = Call.random(0x5000 - back, 0xA000 - back + shift, frames, bench.rng)
        await bench.run(call)
        for port, start, beats in (
            ("ar", call.source, frames * INPUT_BEATS),
            ("aw", call.destination, frames * OUTPUT_BEATS),
        ):
            assert bench.judge.bursts.pop(port) == _bursts(start, beats)
            bench.judge.bursts[port] = []


def _bursts(start: int, beats: int) -> list[tuple[int, int]]:
    """The bursts of a command: cut at every multiple of 128 bytes."""
    bursts = []
    while beats:
        length = min(beats, 16 - start // 8 % 16)
        bursts.append((start, length))
        start, beats = start + 8 * length, beats - length
    return bursts


@test
async def random_pauses_on_every_port_change_no_data(dut):
    bench = await Bench.start(dut)
    for share in (0.1, 0.5, 0.9):
        dut.latency.value = bench.rng.randint(2, 60)
        bench.pause_at_random(share)
        await bench.run(bench.random_call(bench.rng.randint(5, 40)))


@test
async def a_call_is_not_done_before_all_its_input_is_taken(dut):
    bench = await Bench.start(dut)
    bench.channels["r"].set_pause_generator(itertools.cycle([True] * 30 + [False]))
    await bench.run(bench.random_call(2))


@test
async def the_last_bytes_of_the_address_space_can_be_used(dut):
    bench = await Bench.start(dut)
    await bench.run(Call.random((1 << 32) - 8 * (INPUT_BEATS + 1), 0, 1, bench.rng))
    await bench.run(Call.random(0x100, (1 << 32) - 8 * (OUTPUT_BEATS + 1), 1, bench.rng))


@test
async def a_fast_memory_is_read_and_written_without_bubbles(dut):
    bench = await Bench.start(dut)
    frames = 320 // max(INPUT_BEATS, OUTPUT_BEATS)
    await bench.run(Call.random(0x1000, 0x8000, frames, bench.rng))
    moves = bench.monitor.moves
    for port, beats in (("r", frames * INPUT_BEATS), ("core_in", frames * INPUT_BEATS)):
        assert moves[port] == list(range(moves[port][0], moves[port][0] + beats))
    if OUTPUT_BEATS >= INPUT_BEATS:  # else the core has no beat for every cycle
        beats = frames * OUTPUT_BEATS
        assert moves["w"] == list(range(moves["w"][0], moves["w"][0] + beats))


@test
async def cycles_and_stamps_are_those_of_the_bus(dut):
    bench = await Bench.start(dut)
    for latency in (2, 9, 40):
        dut.latency.value = latency
        await bench.run(bench.random_call(bench.rng.randint(1, 9)))
        moves = bench.monitor.moves
        begin = moves["start"][0] + 2  # cycle 0 of the call
        assert moves["ar_offer"][0] - begin == STEPS + 3
        assert moves["aw_offer"][0] - begin == STEPS + 3
        assert moves["core_in"] == [cycle + 1 for cycle in moves["r"]]
        assert moves["w"] == [cycle + 1 for cycle in moves["core_out"]]
        cycles = (await bench.read(REGISTERS.CYCLES_HIGH)) << 32
        cycles += await bench.read(REGISTERS.CYCLES_LOW)
        assert cycles == moves["b"][-1] - begin + 3
        first_in = await bench.read(REGISTERS.FIRST_IN)
        first_out = await bench.read(REGISTERS.FIRST_OUT)
        assert first_in == moves["core_in"][0] - begin
        assert first_out == moves["frame_out"][0] - begin
        assert await bench.read(REGISTERS.LAST_OUT) == moves["frame_out"][-1] - begin
        if INPUT_BEATS == OUTPUT_BEATS == 1:
            assert first_out - first_in == latency
            # As overlays/rtl/README.md predicts it; this core's initiation interval is 1.
            read_latency = moves["r"][0] - moves["ar_offer"][0]
            write_latency = moves["b"][-1] - moves["w"][-1]
            frames = len(moves["frame_out"])
            core = latency + frames - 1
            assert cycles == SHELL_CYCLES + STEPS + read_latency + core + write_latency


@test
async def layer_counters_count_busy_and_stalled_cycles_of_one_call(dut):
    bench = await Bench.start(dut)
    assert await bench.read(REGISTERS.LAYERS) == 3
    for _ in range(2):
        bench.pause_at_random(0.4)
        await bench.run(bench.random_call(12))
        for layer in range(3):
            busy = await bench.read(REGISTERS.LAYER_BUSY, layer)
            stalled = await bench.read(REGISTERS.LAYER_STALLED, layer)
            assert busy == bench.monitor.busy_cycles[layer]
            assert stalled == bench.monitor.stalled_cycles[layer]
        assert bench.monitor.stalled_cycles[0] > 0
    assert await bench.read(REGISTERS.LAYER_BUSY, 3) == 0


@test
async def the_interrupt_comes_when_enabled_and_goes_when_cleared(dut):
    bench = await Bench.start(dut)
    await bench.run(bench.random_call(2))
    assert await bench.read(REGISTERS.IRQ_PENDING) == 1
    assert dut.irq.value == 0  # not enabled
    await bench.command("irq_enable")
    await ClockCycles(dut.aclk, 2)
    assert dut.irq.value == 1
    await bench.write(REGISTERS.IRQ_PENDING, 0)
    assert await bench.read(REGISTERS.IRQ_PENDING) == 1
    await bench.write(REGISTERS.IRQ_PENDING, 1)
    assert await bench.read(REGISTERS.IRQ_PENDING) == 0
    assert dut.irq.value == 0
    await bench.command("start", "irq_enable")
    while dut.irq.value == 0:
        await ClockCycles(dut.aclk, 1)
    assert await bench.status("done") == 1
    await bench.command("irq_enable", "soft_reset")
    assert await bench.read(REGISTERS.IRQ_PENDING) == 0


@test
async def what_a_master_cannot_write_reads_what_the_table_says(dut):
    bench = await Bench.start(dut)
    names = "CYCLES_LOW CYCLES_HIGH FRAMES_IN FRAMES_OUT FIRST_IN FIRST_OUT LAST_OUT STALLED_PORTS"
    results = [getattr(REGISTERS, name) for name in f"{names} LAYER_BUSY LAYER_STALLED".split()]
    for register, value in (
        (REGISTERS.MAGIC, MAGIC),
        (REGISTERS.ABI_VERSION, ABI_VERSION),
        (REGISTERS.KIND, Kind.DATAFLOW),
        (REGISTERS.LAYERS, 3),
        (REGISTERS.INPUT_BEATS, INPUT_BEATS),
        (REGISTERS.OUTPUT_BEATS, OUTPUT_BEATS),
        (REGISTERS.STATUS, REGISTERS.STATUS["idle"].mask),
        *((register, 0) for register in results),
    ):
        assert await bench.read(register) == value
        await bench.write(register, 0xFFFFFFFF)
        assert await bench.read(register) == value
    words = [await bench.read(getattr(REGISTERS, f"BUILD_ID_{i}")) for i in range(4)]
    assert sum(word << 32 * i for i, word in enumerate(words)) == BUILD_ID


@test
async def settings_keep_each_byte_that_is_written_and_other_addresses_read_0(dut):
    bench = await Bench.start(dut)
    settings = (REGISTERS.SOURCE, REGISTERS.DESTINATION, REGISTERS.FRAMES, REGISTERS.WATCHDOG)
    model = {register.offset: bytearray(4) for register in settings}
    for register in settings:
        assert await bench.read(register) == 0
    for _ in range(40):
        register = bench.rng.choice(settings)
        low = bench.rng.randrange(4)
        data = bench.rng.randbytes(bench.rng.randint(1, 4 - low))
        await bench.control.write(register.offset + low, data)
        model[register.offset][low : low + len(data)] = data
        for offset, value in model.items():
            assert await bench.control.read_dword(offset) == int.from_bytes(value, "little")
    known = {register.offset for register in TABLE}
    for offset in (0x0E0, 0x0FC, 0x118, 0x200, 0xFFC):
        assert offset not in known
        await bench.control.write_dword(offset, 0xFFFFFFFF)
        assert await bench.control.read_dword(offset) == 0
    for name in ("PROGRAM_ADDRESS", "PROGRAM_LENGTH", "DESTINATION_BEATS"):  # offload's
        register = getattr(REGISTERS, name)
        await bench.write(register, 0xFFFFFFFF)
        assert await bench.read(register) == 0


@test
async def control_takes_address_and_data_in_any_order(dut):
    bench = await Bench.start(dut)
    write = bench.control.write_if
    for channel in (write.aw_channel, write.w_channel):
        channel.set_pause_generator(bench.rng.random() < 0.7 for _ in itertools.count())
    for value in (1, 0xFFFFFFFF, 0x12345678, 0):
        await bench.write(REGISTERS.SOURCE, value)
        await bench.write(REGISTERS.FRAMES, value ^ 0xFFFF)
        assert await bench.read(REGISTERS.SOURCE) == value
        assert await bench.read(REGISTERS.FRAMES) == value ^ 0xFFFF


@test
async def control_answers_every_access_of_a_master_that_does_not_wait(dut):
    bench = await Bench.start(dut)
    for channel in (bench.control.write_if.b_channel, bench.control.read_if.r_channel):
        channel.set_pause_generator(bench.rng.random() < 0.8 for _ in itertools.count())
    settings = (REGISTERS.SOURCE, REGISTERS.DESTINATION, REGISTERS.FRAMES)
    accesses = [cocotb.start_soon(bench.write(register, 7)) for register in settings]
    accesses += [cocotb.start_soon(bench.read(register)) for register in settings]
    for access in accesses:
        await access
    assert [await bench.read(register) for register in settings] == [7, 7, 7]
