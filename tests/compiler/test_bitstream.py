"""`bitfold bitstream`: what it leaves in the bundle, what it refuses, and how it goes on."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support.command_line import fails, listing, read, works
from support.vivado_workplace import needs_tclsh

from bitfold.build.compile.compiler import make_engine
from bitfold.build.implement.vivado import run_vivado
from bitfold.models.errors import BundleError, OutputError
from bitfold.overlays.boards.handoff import handoff
from bitfold.overlays.bundle import Bundle, add_bitstream
from bitfold.overlays.offload import Engine

# What is left in the bundle.


@needs_tclsh
@pytest.mark.parametrize("board", ["pynq-z1", "pynq-z2"])
def test_the_bitstream_and_its_handoff_are_in_the_bundle_afterwards(board, workplace):
    workplace.board = board
    before = Bundle.load(workplace.bundle)
    assert before.boards == []
    workplace.stand_in()
    works(*workplace.command, "--json", workplace.folder / "out.json")
    bundle = Bundle.load(workplace.bundle)
    made = bundle.bitstream(board)
    assert bundle.boards == [board] and bundle.build_id == before.build_id
    assert made.bit.read_bytes() == (workplace.project / "output" / "bitfold.bit").read_bytes()
    assert made.hwh.read_text() == handoff(workplace.system)
    assert made.bit.with_suffix("") == made.hwh.with_suffix("")
    said = read(workplace.folder / "out.json")
    assert (said["bit"], said["hwh"]) == (str(made.bit), str(made.hwh))
    assert {n: h for n, h in bundle.files.items() if not n.startswith("boards/")} == before.files


@needs_tclsh
@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ({"wns": -1.5}, "MHz: WNS is -1.5 ns; compile again with --clock 117 or lower, or with a"),
        (
            {"whs": -0.01},
            "timing is not met: WHS is -0.01 ns, a hold violation that no clock mends",
        ),
        ({"wns": ""}, "no path has a timing constraint, so nothing is known of the clock"),
        (
            {"fails": "synth_1"},
            r"synthesis failed \(synth_1 ERROR\); its log is .*synth_1/runme.log",
        ),
        (
            {"fails": "impl_1"},
            r"placing and routing failed \(impl_1 ERROR\); its log is .*runme.log",
        ),
        ({"clock_off": 3}, "the processor gives a clock of 145.857143 MHz and not 142.857143"),
        ({"version": "2019.1"}, "Vivado 2019.1 is too old; use 2020.2 or newer"),
        ({"version": "2020.1.1"}, "Vivado 2020.1.1 is too old"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_no_bitstream(scenario, said, small):
    before = listing(small.bundle)
    small.stand_in(**scenario)
    assert re.search(said, fails(*small.command))
    assert listing(small.bundle) == before
    assert not list(small.project.rglob("*.bit"))


@needs_tclsh
def test_an_older_bitstream_stays_when_a_new_one_fails_and_goes_when_it_is_made(small):
    works(*small.command)
    before = listing(small.bundle)
    shutil.rmtree(small.project)
    small.stand_in(wns=-0.2)
    fails(*small.command)
    assert listing(small.bundle) == before
    small.stand_in()
    works(*small.command)
    assert Bundle.load(small.bundle).boards == ["pynq-z1"]


@needs_tclsh
def test_a_handoff_of_another_system_is_not_kept(small):
    before = listing(small.bundle)
    small.stand_in(hwh=handoff(small.system).replace("0x43C0", "0x4000"))
    assert "the address from processing_system7_0.M_AXI_GP0 to bitfold_0 is 0x40000000" in fails(
        *small.command
    )
    assert listing(small.bundle) == before


# Going on after an interruption.


@needs_tclsh
def test_another_run_keeps_what_has_finished(small):
    small.stand_in(fails="impl_1")
    fails(*small.command)
    assert small.record("launch") == [["synth_1"], ["impl_1"]]
    small.stand_in()
    works(*small.command)
    assert small.record("launch") == [["impl_1"]]
    assert small.record("reset_run") == [["impl_1"]]
    assert small.record("cell") == [] and len(small.record("open")) == 1
    assert Bundle.load(small.bundle).boards == ["pynq-z1"]


def test_an_interruption_ends_vivado_and_all_that_it_started(tmp_path):
    def interrupt(step: str) -> None:
        raise KeyboardInterrupt(step)

    vivado = tmp_path / "vivado"
    vivado.write_text('#!/bin/sh\nsleep 1000 &\necho "bitfold: $$ $!"\nwait\n')
    vivado.chmod(0o755)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        run_vivado(vivado, tmp_path, interrupt)
    for process in str(interrupted.value).split():
        assert any(has_ended(process) for _ in range(500)), process


def has_ended(process: str) -> bool:
    """Whether there is nothing left of a process, or what nobody has looked at; else waits."""
    state = Path(f"/proc/{process}/stat")
    try:
        ended = state.read_text().split()[2] == "Z"
    except OSError:
        ended = True
    if not ended:
        time.sleep(0.01)
    return ended


@needs_tclsh
def test_an_interrupted_design_is_started_anew(small):
    works(*small.command)
    (small.project / "work" / "design.done").unlink()
    small.stand_in()
    works(*small.command)
    assert small.record("open") == [] and len(small.record("cell")) == 6


@needs_tclsh
def test_another_build_starts_anew_in_the_same_folder(small):
    works(*small.command)
    make_engine(Engine(16, 64, 64, 16, 3), small.bundle)
    (small.project / "rtl" / "no_longer_there.sv").write_text("")
    small.stand_in()
    works(*small.command)
    assert small.record("open") == []
    project = listing(small.project)
    assert "rtl/no_longer_there.sv" not in project
    build_id = Bundle.load(small.bundle).build_id
    assert f"set system(build_id) {build_id}\n".encode() in project["system.tcl"]


def test_the_project_is_whole_in_its_folder(workplace):
    works("bitstream", workplace.bundle, "--board", "pynq-z2", "-o", workplace.project)
    project = listing(workplace.project)
    bundle = Bundle.load(workplace.bundle)
    assert {n for n in project if n.startswith(("rtl/", "images/"))} == {
        name for name in bundle.files if name.startswith(("rtl/", "images/"))
    }
    for content in filter(None, project.values()):
        assert str(workplace.folder).encode() not in content
    assert b"set processor_settings" in project["processor.tcl"]
    assert f"set system(build_id) {bundle.build_id}\n".encode() in project["system.tcl"]


def test_a_folder_with_other_things_is_left_alone(small):
    small.project.mkdir()
    (small.project / "thesis.txt").write_text("years of work")
    before = listing(small.project)
    arguments = ("bitstream", small.bundle, "--board", "pynq-z1", "-o", small.project)
    assert "holds other things; choose another folder with -o" in fails(*arguments)
    assert listing(small.project) == before


# Without Vivado, and from elsewhere.


def test_without_vivado_it_says_what_to_type(small, monkeypatch):
    monkeypatch.setenv("PATH", str(small.folder / "nothing"))
    monkeypatch.chdir(small.folder)
    text = works("bitstream", "offload.bundle", "--board", "pynq-z1", "--json", "out.json")
    said = read(small.folder / "out.json")
    assert said["run"] in text and said["add"] in text
    assert said["run"].startswith("cd offload-pynq-z1.vivado && vivado -mode batch ")
    assert said["run"].endswith(" -source build.tcl")
    assert (small.project / "build.tcl").is_file()


@needs_tclsh
def test_what_it_says_to_type_makes_the_bitstream_and_adds_it(small, monkeypatch):
    monkeypatch.chdir(small.folder)
    works("bitstream", "offload.bundle", "--board", "pynq-z1", "--json", "out.json")
    said = read(small.folder / "out.json")
    monkeypatch.setenv("PATH", str(small.folder), prepend=":")
    small.stand_in(wns=-1)
    failed = subprocess.run(said["run"], shell=True, capture_output=True, text=True)
    assert failed.returncode == 1 and "bitfold: error: timing is not met" in failed.stdout
    small.stand_in()
    subprocess.run(said["run"], shell=True, check=True, capture_output=True)
    works(*said["add"].split()[1:])
    assert Bundle.load(small.bundle).boards == ["pynq-z1"]


@needs_tclsh
@pytest.mark.parametrize("damage", ["another build", "another chip", "no header", "cut"])
def test_a_bitstream_of_something_else_is_not_added(damage, small):
    works(*small.command)
    output = small.project / "output"
    bit, hwh = output / "bitfold.bit", output / "bitfold.hwh"
    add = ("bitstream", small.bundle, "--board", "pynq-z2", "--add", bit, hwh)
    content = bit.read_bytes()
    user_id = small.system.build_id[:8].upper().encode()
    assert user_id in content
    bit.write_bytes(
        {
            "another build": content.replace(user_id, b"DEADBEEF"),
            "another chip": content.replace(b"7z020clg400", b"7z010clg400"),
            "no header": b"\0" + content,
            "cut": content[:20],
        }[damage]
    )
    said = {
        "another build": "the .bit is of build deadbeef, but the bundle of build",
        "another chip": "the .bit is for 7z010clg400, but pynq-z2 has a 7z020clg400",
        "no header": "the .bit has no header; give the file that Vivado wrote",
        "cut": "the .bit has no header; give the file that Vivado wrote",
    }[damage]
    before = listing(small.bundle)
    assert said in fails(*add)
    assert listing(small.bundle) == before
    bit.write_bytes(content)
    works(*add)
    assert Bundle.load(small.bundle).boards == ["pynq-z1", "pynq-z2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--board", "zcu104"), "zcu104: no such board; choose one of pynq-z1, pynq-z2"),
        (("--board", "pynq-z1", "--vivado", "nowhere"), "nowhere: no Vivado there; give its"),
    ],
)
def test_a_mistake_is_said_in_one_line(arguments, said, small):
    assert said in fails("bitstream", small.bundle, *arguments)
    assert not small.project.exists()


def test_a_zip_is_refused(small):
    archive = shutil.make_archive(str(small.folder / "offload"), "zip", small.bundle)
    said = fails("bitstream", archive, "--board", "pynq-z1")
    assert "can't be added to a zip; unpack it first" in said


# The bundle.


def test_a_board_without_a_bitstream_is_named_with_the_command_that_makes_it(small):
    with pytest.raises(BundleError, match="no bitstream for pynq-z1; make one with `bitfold bits"):
        Bundle.load(small.bundle).bitstream("pynq-z1")


def test_nothing_is_half_added_when_writing_fails_in_the_middle(small, monkeypatch):
    before = listing(small.folder)
    bundle = Bundle.load(small.bundle)
    write_text = Path.write_text

    def full_disk(self, *arguments, **keywords):
        if self.name == "manifest.json":
            raise OSError(28, "No space left on device")
        return write_text(self, *arguments, **keywords)

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        add_bitstream(bundle, "pynq-z1", b"bit", "hwh")
    monkeypatch.undo()
    assert listing(small.folder) == before


def test_damage_to_a_bitstream_is_found(small):
    bundle = add_bitstream(Bundle.load(small.bundle), "pynq-z1", b"bit", "hwh")
    bundle.bitstream("pynq-z1").bit.write_bytes(b"bat")
    with pytest.raises(BundleError, match=r"boards/pynq-z1/bitfold\.bit was changed"):
        Bundle.load(small.bundle)
