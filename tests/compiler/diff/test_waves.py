"""Waveforms of the RTL, as GTKWave's own code reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pylibfst
from support.command_line import fails, works
from support.diffing import FAULTS, differ, equal
from support.faults import flipped, slow_trace, with_flipped_image

from bitfold.runtime.accelerator import Accelerator


def changes(file: Path) -> dict[str, list[tuple[int, str]]]:
    """(time, bits) of each change of each signal, as GTKWave's own reader finds them."""
    fst = pylibfst.lib.fstReaderOpen(str(file).encode())
    assert fst != pylibfst.ffi.NULL, f"{file} is no FST"
    _, signals = pylibfst.get_scopes_signals2(fst)
    found: dict[int, list[tuple[int, str]]] = {}

    def seen(_, time, handle, value):
        found.setdefault(handle, []).append((time, pylibfst.helpers.string(value)))

    pylibfst.lib.fstReaderSetFacProcessMaskAll(fst)
    pylibfst.fstReaderIterBlocks(fst, seen)
    pylibfst.lib.fstReaderClose(fst)
    # Signals that are always equal share a handle; behind a name stand its bits.
    return {
        name.split(" ")[0]: found[signal.handle]
        for name, signal in signals.by_name.items()
        if signal.handle in found
    }


def test_the_waveform_shows_the_first_sample_that_differs(work, network, bundle):
    fault = FAULTS[0]
    with_flipped_image(bundle, fault, Path("bad.bundle"))
    work[:3, fault.column] = 0
    np.save("x.npy", work)
    said = differ("good", "bad.bundle", "--data", "x.npy", "--waves", "first.fst")
    assert said["waves"] == "first.fst"
    assert said["first"]["sample"] == 3
    waves = changes(Path("first.fst"))
    (beat,) = moved(waves, "TOP.bitfold_top.core.stage_0")  # of PE=5 sums
    encoding = network.values["fc0"].encoding
    fields = [beat >> encoding.bits * i & (1 << encoding.bits) - 1 for i in range(5)]
    sums = encoding.from_bits(np.array(fields)).tolist()
    assert sums == slow_trace(flipped(network, fault), work[3])["fc0"]
    clock = [time for time, _ in waves["TOP.bitfold_top.aclk"]]
    assert set(np.diff(clock)) == {5_000}  # ps, at 100 MHz


def moved(waves: dict, instance: str) -> list[int]:
    """The beats that leave an instance: what is valid and ready at the clock's rising edge."""

    def at(name: str, time: int) -> str:
        return [value for when, value in waves[f"{instance}.{name}"] if when < time][-1]

    edges = [time for time, value in waves["TOP.bitfold_top.aclk"] if value == "1"][1:]
    taken = [t for t in edges if at("m_axis_tvalid", t) == at("m_axis_tready", t) == "1"]
    return [int(at("m_axis_tdata", t), 2) for t in taken]


def test_equal_stages_have_no_waveform(work, bundle):
    said = equal("good", bundle.path, "--data", "x.npy", "--waves", "first.fst")
    assert said["waves"] is None and not Path("first.fst").exists()


def test_run_writes_a_waveform_too(work, network, bundle):
    with Accelerator(bundle, "functional") as accelerator:
        expected = accelerator.run(work[:1])[0].tolist()
    said = works("run", bundle.path, "x.npy", "--device", "functional", "--waves", "run.fst")
    assert "waveform of sample 0: run.fst" in said
    beats = moved(changes(Path("run.fst")), "TOP.bitfold_top.core.stage_4")
    assert network.values["fc2"].encoding.from_bits(np.array(beats)).tolist() == expected
    assert "name an .fst file" in fails("run", bundle.path, "x.npy", "--waves", "w.vcd", code=2)
    taken = ("run", bundle.path, "x.npy", "--waves", "x.npy/w.fst")
    assert "x.npy/w.fst: can't be written" in fails(*taken)
