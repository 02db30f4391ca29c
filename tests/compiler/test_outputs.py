"""Where commands write: to what the path is, with nothing else on the standard output."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from support.command_line import fails, works

from bitfold.build.cli import console
from bitfold.build.cli.main import main
from bitfold.build.workflows.demo import NETWORKS
from bitfold.models.checkpoints import save_checkpoint
from bitfold.models.errors import OutputError
from bitfold.models.training import train_on_holdout

BITFOLD = Path(sys.executable).with_name("bitfold")


def commands(group: click.Group = main):
    for command in group.commands.values():
        yield from commands(command) if isinstance(command, click.Group) else [command]


def run(*arguments: object, **more) -> subprocess.CompletedProcess:
    command = [str(part) for part in (BITFOLD, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, **more)


def test_every_file_that_a_command_writes_may_be_a_stream():
    """--json is the same option everywhere; others are told from inputs by what they say."""
    for command in commands():
        options = {option.name: option for option in command.params}
        assert options["json_file"].type is console.OUTPUT_FILE, command.name
        for option in command.params:
            writes = option.name in ("output", "netlist", "picture", "waves")
            if writes and option.type.file_okay:
                assert option.type is console.OUTPUT_FILE, f"{command.name} {option.name}"


def test_json_on_the_standard_output_is_all_that_is_there(made, here):
    ran = run("inspect", made / "net.bundle", "--json", "-")
    assert json.loads(ran.stdout)["name"] == "iris_64_32_32-W1A1"
    assert "dataflow overlay" in ran.stderr and ran.returncode == 0
    for place in ("/dev/stdout", "/dev/fd/1"):
        assert run("inspect", made / "net.bundle", "--json", place).stdout == ran.stdout
    log = here / "log"
    with log.open("w") as file:
        file.write("before\n")
        file.flush()
        command = [BITFOLD, "inspect", made / "net.bundle", "--json", "-"]
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, check=True)
    assert log.read_text() == f"before\n{ran.stdout}"


def test_what_a_script_prints_is_not_among_the_json(here, small_bundles):
    pytest.importorskip("pynq")
    (here / "script.py").write_text("print('from the script')\n")
    ran = run("emulate", "--json", "-", "script.py")
    assert json.loads(ran.stdout)["exit_code"] == 0
    assert "from the script" in ran.stderr


def test_outputs_of_a_run_may_be_piped(made, here):
    works("run", made / "net.bundle", "--dataset", "iris", "--device", "functional", "-o", "y.npy")
    options = ("run", made / "net.bundle", "--dataset", "iris", "--device", "functional")
    ran = run(*options, "-o", "-")
    rows = [line.split(",") for line in ran.stdout.splitlines()]
    np.testing.assert_array_equal(np.array(rows, int), np.load("y.npy"))


def test_two_outputs_can_not_share_it(made, here):
    said = fails("run", made / "net.bundle", "--dataset", "iris", "-o", "-", "--json", "-", code=2)
    assert "two outputs can't share the standard output; name a file for one" in said


def test_a_device_that_takes_nothing_is_one_line_and_stays(made):
    for place in ("/dev/full", "-"):
        with Path("/dev/full").open("w") as full:
            command = [BITFOLD, "inspect", made / "net.bundle", "--json", place]
            stdout = full if place == "-" else subprocess.DEVNULL
            ran = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True)
        assert ran.returncode == 1
        assert "can't be written (No space left on device)" in ran.stderr.splitlines()[-1]
        assert "Traceback" not in ran.stderr
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_links_and_pipes_are_written_to(made, here):
    os.mkfifo("pipe")
    (here / "link.json").symlink_to("target.json")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
        works("inspect", made / "net.bundle", "--json", "pipe")
        piped = reader.communicate()[0]
    works("inspect", made / "net.bundle", "--json", "link.json")
    assert (here / "link.json").is_symlink()
    assert (here / "target.json").read_bytes() == piped
    assert json.loads(piped)["name"] == "iris_64_32_32-W1A1"


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=oct)
def test_all_that_is_written_has_the_mode_that_the_umask_says(umask, made, here):
    before = os.umask(umask)
    try:
        save_checkpoint(train_on_holdout("irisnet", "W1A1", seed=1, steps=1), "net.safetensors")
        works("export", "net.safetensors", "-o", "exported.onnx", "--json", "export.json")
        works("compile", "net.onnx", "--json", "compile.json")
        works("overlay", "offload", "-o", "engine.bundle")
        works("run", "net.bundle", "--dataset", "iris", "--device", "functional", "-o", "y.csv")
        works("explore", "net.onnx", "-o", "folding.json")
        works("deploy", "net.bundle", "--dataset", "iris", "-o", "package")
        works("bitstream", "net.bundle", "--board", "pynq-z2", "-o", "project")
    finally:
        os.umask(before)
    written = [path for path in here.rglob("*") if path != here / "net.onnx"]
    assert len(written) > 50
    for path in written:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))\n"
        "from bitfold.build.cli.main import main\n"
        "main(['overlay', 'offload', '-o', 'engine.bundle'])"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 1
    assert "can't be written (File too large)" in ran.stderr
    assert ran.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_checkpoint_that_can_not_be_written_is_named(tmp_path):
    model = train_on_holdout("irisnet", "W1A1", seed=1, steps=1)
    with pytest.raises(OutputError, match=r"/dev/full: can't be written \(No space left"):
        save_checkpoint(model, "/dev/full")


# What is kept.


def test_the_cache_is_shown_shrunk_and_cleared(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, size in (("one", 600_000), ("two", 700_000)):
        code = (
            "from bitfold.models.cache import Cache\n"
            f"Cache().keep('synthesis', {name!r}, lambda f: (f / 'x').write_bytes(bytes({size})))"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def shown(*options) -> dict:
        works("cache", *options, "--json", tmp_path / "out.json")
        return json.loads((tmp_path / "out.json").read_text())

    first = shown()
    assert first["folder"] == str(tmp_path / "bitfold") and first["removed"] == 0
    assert [(k["kind"], k["entries"]) for k in first["kinds"]] == [("synthesis", 2)]
    assert 1_300_000 < first["size_bytes"] < 1_301_000
    text = works("cache")
    assert "synthesised netlists" in text and "1.3 MB of at most 2,000" in text
    assert shown("--limit", "1M")["removed"] == 1
    assert shown("--limit", "1M")["removed"] == 0
    cleared = shown("--clear")
    assert (cleared["removed"], cleared["size_bytes"], cleared["kinds"]) == (1, 0, [])
    assert "'x' is no size; give one such as 500M or 2G" in fails("cache", "--limit", "x", code=2)
    assert "not both" in fails("cache", "--clear", "--limit", "1M", code=2)


def test_a_cache_that_can_not_be_written_is_one_line(made, tmp_path):
    (tmp_path / "file").touch()
    options = ("run", made / "net.bundle", "--dataset", "iris", "--device", "functional")
    ran = run(*options, env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")})
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    assert "the cache can't be written (Not a directory); make room there, or set" in ran.stderr


def test_results_of_the_demo_lie_where_the_user_sees_them():
    options = {option.name: option for option in main.commands["demo"].params}
    assert options["folder"].default == Path("bitfold-demo") and NETWORKS
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()
    assert "bitfold-demo/" in ignored
