"""The dataflow shell when things go wrong: each error has its code, and the next call works."""

import cocotb
from cocotb.triggers import ClockCycles
from shell_bench import INPUT_BEATS, OUTPUT_BEATS, WATCHDOG, WATCHDOG_DEFAULT, Bench, Call

from bitfold.overlays.registers import REGISTERS, ErrorCode, stall_reason

# More beats than the slave's queues and the shell's bursts in flight hold, either way.
MANY = 600 // min(INPUT_BEATS, OUTPUT_BEATS)


def test(function):
    """A cocotb test that fails when it does not end."""
    return cocotb.test(timeout_time=2, timeout_unit="ms")(function)


def stalled(word: int) -> set[str]:
    return {field.name for field in REGISTERS.STALLED_PORTS.fields if field.get(word)}


@test
async def a_read_error_ends_the_call_wherever_it_comes(dut):
    bench = await Bench.start(dut)
    for frames in (1, 2, 40, 40):
        call = bench.random_call(frames)
        bad = call.source + 8 * bench.rng.randrange(frames * INPUT_BEATS)
        bench.memory.refused = range(bad, bad + 8)
        await bench.begin(call)
        before = dict(bench.memory.words)
        assert await bench.end() == ErrorCode.READ_ERROR
        bench.check_only_destination(call, before)
        bench.memory.refused = range(0)
        await bench.run(bench.random_call(3))


@test
async def a_write_error_ends_the_call_wherever_it_comes(dut):
    bench = await Bench.start(dut)
    for frames in (1, 2, 40, 40):
        call = bench.random_call(frames)
        bad = call.destination + 8 * bench.rng.randrange(frames * OUTPUT_BEATS)
        bench.memory.refused = range(bad, bad + 8)
        await bench.begin(call)
        before = dict(bench.memory.words)
        assert await bench.end() == ErrorCode.WRITE_ERROR
        bench.check_only_destination(call, before)
        bench.memory.refused = range(0)
        await bench.run(bench.random_call(3))


@test
async def errors_under_random_pauses_leave_the_bus_clean(dut):
    bench = await Bench.start(dut)
    for _ in range(6):
        bench.pause_at_random(bench.rng.choice((0.2, 0.6)))
        call = bench.random_call(30)
        where, beats, error = bench.rng.choice(
            (
                (call.source, INPUT_BEATS, ErrorCode.READ_ERROR),
                (call.destination, OUTPUT_BEATS, ErrorCode.WRITE_ERROR),
            )
        )
        bad = where + 8 * bench.rng.randrange(30 * beats)
        bench.memory.refused = range(bad, bad + 8)
        await bench.begin(call)
        before = dict(bench.memory.words)
        assert await bench.end() == error
        bench.check_only_destination(call, before)
        bench.memory.refused = range(0)
        await bench.run(bench.random_call(9))


@test
async def a_core_that_stalls_is_named_and_the_next_call_works(dut):
    bench = await Bench.start(dut)
    for knob, port, reason in (
        ("hold_input", "core_in_not_ready", "core input: the core takes no data"),
        ("hold_output", "core_out_not_valid", "core output: the core gives no data"),
    ):
        for delay in (0, 100):
            call = bench.random_call(MANY)
            getattr(dut, knob).value = 0 if delay else 1
            await bench.begin(call)
            before = dict(bench.memory.words)
            await ClockCycles(dut.aclk, delay + 1)
            getattr(dut, knob).value = 1
            assert await bench.end() == ErrorCode.WATCHDOG
            assert await bench.status("bus_stuck") == 0
            ports = await bench.read(REGISTERS.STALLED_PORTS)
            assert port in stalled(ports)
            assert stall_reason(ports) == reason
            bench.check_only_destination(call, before)
            bench.go_on()
            await bench.run(bench.random_call(5))
            assert await bench.read(REGISTERS.STALLED_PORTS) == 0


@test
async def a_memory_that_stalls_is_named(dut):
    bench = await Bench.start(dut)
    address = "m_axi_mem write address: the memory takes no address"
    data = "m_axi_mem write data: the memory takes no data"
    for offset, untaken_address in ((0, f"{address}; {data}"), (0x78, address)):
        # At offset 0x78 the first burst is one beat, which the memory takes before its address.
        for port, bit, reason in (
            ("ar", "ar_not_ready", "m_axi_mem read address: the memory takes no address"),
            ("r", "r_not_valid", "m_axi_mem read data: the memory does not answer"),
            ("aw", "aw_not_ready", untaken_address),
            ("w", "w_not_ready", f"{address}; {data}"),
            ("b", "b_not_valid", "m_axi_mem write answer: the memory does not answer"),
        ):
            bench.channels[port].pause = True
            call = Call.random(0x10000 + offset, 0x20000 + offset, MANY, bench.rng)
            await bench.begin(call)
            assert await bench.end() == ErrorCode.WATCHDOG
            ports = await bench.read(REGISTERS.STALLED_PORTS)
            assert bit in stalled(ports), (port, stalled(ports))
            assert stall_reason(ports) == reason, (port, stalled(ports))
            await bench.recover()


@test
async def a_stuck_bus_is_refused_until_a_soft_reset_finds_it_drained(dut):
    bench = await Bench.start(dut)
    for port in ("ar", "r", "aw", "w", "b"):
        bench.channels[port].pause = True
        call = bench.random_call(MANY)
        await bench.begin(call)
        before = dict(bench.memory.words)
        assert await bench.end() == ErrorCode.WATCHDOG
        assert await bench.status("bus_stuck") == 1

        await bench.command("start")
        assert await bench.end() == ErrorCode.BUS_STUCK
        await bench.soft_reset()  # too early
        assert await bench.status("bus_stuck") == 1
        await bench.command("start")
        assert await bench.end() == ErrorCode.BUS_STUCK

        bench.go_on()
        await ClockCycles(dut.aclk, 300)
        await bench.command("start")  # drained by now, but nobody has said so
        assert await bench.end() == ErrorCode.BUS_STUCK
        bench.check_only_destination(call, before)
        await bench.soft_reset()
        assert await bench.read(REGISTERS.STATUS) == REGISTERS.STATUS["idle"].mask
        await bench.run(bench.random_call(5))


@test
async def a_memory_that_comes_back_in_time_leaves_the_bus_clean(dut):
    bench = await Bench.start(dut)
    for port in ("ar", "r", "aw", "w", "b"):
        bench.channels[port].pause = True
        call = bench.random_call(MANY)
        await bench.begin(call)
        before = dict(bench.memory.words)
        await ClockCycles(dut.aclk, 4)  # the core is emptied as a call begins
        while dut.core_aresetn.value == 1:
            await ClockCycles(dut.aclk, 1)
        await ClockCycles(dut.aclk, WATCHDOG // 2)
        bench.go_on()
        assert await bench.end() == ErrorCode.WATCHDOG
        assert await bench.status("bus_stuck") == 0
        bench.check_only_destination(call, before)
        await bench.run(bench.random_call(5))


@test
async def the_watchdog_waits_for_exactly_its_limit(dut):
    bench = await Bench.start(dut)
    dut.hold_output.value = 1
    for setting, limit in ((WATCHDOG, WATCHDOG), (7, 7), (0, WATCHDOG_DEFAULT)):
        await bench.begin(bench.random_call(1), watchdog=setting)
        assert await bench.end() == ErrorCode.WATCHDOG
        moves = bench.monitor.moves
        # The silent cycles, three to find out and abort, two to load a beat that writes nothing.
        last_move = max(moves[port][-1] for port in ("core_in", "aw", "ar"))
        assert moves["w"][0] - last_move == limit + 5


@test
async def a_core_that_ends_a_frame_at_the_wrong_beat_fails_the_call(dut):
    bench = await Bench.start(dut)
    dut.wrong_last.value = 1
    call = bench.random_call(9)
    await bench.begin(call)
    before = dict(bench.memory.words)
    assert await bench.end() == ErrorCode.BAD_FRAME_END
    bench.check_only_destination(call, before)
    bench.go_on()
    await bench.run(bench.random_call(3))


@test
async def bad_settings_are_refused_before_anything_moves(dut):
    bench = await Bench.start(dut)
    top = 1 << 32
    most = (1 << 29) // max(INPUT_BEATS, OUTPUT_BEATS)
    for source, destination, frames, error in (
        (0x1004, 0x2000, 1, ErrorCode.BAD_ADDRESS),
        (0x1000, 0x2001, 1, ErrorCode.BAD_ADDRESS),
        (top - 8 * INPUT_BEATS, 0x2000, 1, ErrorCode.BAD_ADDRESS),
        (0x1000, top - 8 * OUTPUT_BEATS, 1, ErrorCode.BAD_ADDRESS),
        (0x1000, 0x2000, 0, ErrorCode.BAD_FRAMES),
        (0x1000, 0x2000, most + 1, ErrorCode.BAD_FRAMES),
        (0x1000, 0x2000, 0xFFFFFFFF, ErrorCode.BAD_FRAMES),
        (0x1000, 0x2000, most - 1, ErrorCode.BAD_ADDRESS),
        *((0, 0, most + bench.rng.randint(1, 1 << 28), ErrorCode.BAD_FRAMES) for _ in range(20)),
    ):
        await bench.begin(Call(source, destination, []), frames)
        assert await bench.end() == error, (hex(source), hex(destination), frames)
        moves = bench.monitor.moves
        assert not any(moves[port] for port in moves if port != "start")
    await bench.run(bench.random_call(2))


@test
async def a_start_while_a_call_runs_is_ignored_and_reported(dut):
    bench = await Bench.start(dut)
    dut.latency.value = 90
    call = bench.random_call(20)
    await bench.begin(call)
    before = dict(bench.memory.words)
    await bench.write(REGISTERS.DESTINATION, 0xF000)  # a setting of the running call
    await bench.write(REGISTERS.FRAMES, 1)
    assert await bench.status("idle") == 0
    await bench.command("start")
    assert await bench.end() == ErrorCode.BUSY
    bench.check_output(call, before)
    assert await bench.read(REGISTERS.DESTINATION) == call.destination
    assert await bench.read(REGISTERS.FRAMES) == 20
    await bench.run(bench.random_call(3))


@test
async def what_ends_a_call_outranks_an_early_start(dut):
    bench = await Bench.start(dut)
    dut.hold_input.value = 1
    await bench.begin(bench.random_call(MANY))
    await bench.command("start")
    assert await bench.error() == ErrorCode.BUSY
    while dut.core_aresetn.value == 1:
        await ClockCycles(dut.aclk, 1)
    await bench.command("start")  # while the bus drains
    assert await bench.status("idle") == 0
    assert await bench.end() == ErrorCode.WATCHDOG


@test
async def a_start_in_any_cycle_after_a_soft_reset_is_answered(dut):
    bench = await Bench.start(dut)
    refused = 0
    for delay in range(24):
        dut.hold_input.value = 1
        await bench.begin(Call.random(0x1000, 0x8000, MANY, bench.rng))
        await ClockCycles(dut.aclk, 100)
        await bench.command("soft_reset")
        while dut.shell.reader_idle.value == 0:
            # All that is left are the last beats of the last burst.
            if dut.m_axi_mem_rvalid.value == 1 and dut.shell.reader.outstanding.value == 1:
                break
            await ClockCycles(dut.aclk, 1)
        await ClockCycles(dut.aclk, delay)
        bench.go_on()
        await bench.command("start")
        error = await bench.end()
        assert error in (ErrorCode.BUSY, ErrorCode.NONE)
        refused += error == ErrorCode.BUSY
    assert 0 < refused < 24  # the sweep met the end of the drain


@test
async def a_soft_reset_ends_a_call_at_any_moment(dut):
    bench = await Bench.start(dut)
    for moment in (0, 1, 3, 7, 12, 20, 30, 47, 60, 90, 150):
        bench.pause_at_random(bench.rng.choice((0.0, 0.5)))
        call = bench.random_call(MANY)
        await bench.begin(call)
        before = dict(bench.memory.words)
        await ClockCycles(dut.aclk, moment)
        await bench.soft_reset()
        assert await bench.read(REGISTERS.STATUS) == REGISTERS.STATUS["idle"].mask
        assert await bench.read(REGISTERS.IRQ_PENDING) == 0
        bench.check_only_destination(call, before)
        bench.go_on()
        await bench.run(bench.random_call(4))


@test
async def a_soft_reset_of_an_idle_shell_resets_the_core(dut):
    bench = await Bench.start(dut)
    assert dut.core_aresetn.value == 1
    lows = 0

    async def watch():
        nonlocal lows
        while True:
            await ClockCycles(dut.aclk, 1)
            lows += dut.core_aresetn.value == 0

    cocotb.start_soon(watch())
    await bench.command("soft_reset", "start")  # the reset outranks the start
    assert await bench.read(REGISTERS.STATUS) == REGISTERS.STATUS["idle"].mask
    assert lows >= 1
    assert dut.core_aresetn.value == 1
    await bench.run(bench.random_call(2))
