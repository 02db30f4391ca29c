"""Outputs: whole or not at all, written to what the path is, with the mode that the umask says."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bitfold.models.errors import OutputError
from bitfold.models.files import is_stream, whole_file, whole_folder

CONTENT = "x" * 100_000
WRITE = """
import sys
from bitfold.models.errors import OutputError
from bitfold.models.files import whole_file
try:
    with whole_file(sys.argv[1]) as partial:
        partial.write_text("written")
except OutputError as error:
    sys.exit(str(error))
"""


def write(path, text: str = "written") -> None:
    with whole_file(path) as partial:
        partial.write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


# Files.


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe, CONTENT)
    reader.join(20)
    assert read == [CONTENT]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_device_is_written_to_and_stays(tmp_path):
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    for path in (Path("/dev/null"), link):
        write(path)
        assert stat.S_ISCHR(path.stat().st_mode)
    assert link.is_symlink()


def test_a_device_that_takes_nothing_is_named():
    with pytest.raises(OutputError, match=r"/dev/full: can't be written \(No space left on device"):
        write("/dev/full")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_standard_output_is_written_to_as_a_pipe_and_as_a_file(path, tmp_path):
    ran = subprocess.run([sys.executable, "-c", WRITE, path], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("written", "")
    log = tmp_path / "log"
    log.write_text("before, ")
    with log.open("a") as file:
        for _ in range(2):
            subprocess.run([sys.executable, "-c", WRITE, path], stdout=file, check=True)
    assert log.read_text() == "before, writtenwritten"
    assert names(tmp_path) == ["log"]


def test_a_closed_standard_output_is_one_line():
    command = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-c", WRITE, "/dev/stdout"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("/dev/stdout: can't be written") and ran.stderr.count("\n") == 1


@pytest.mark.parametrize("there", [True, False], ids=["there", "not yet there"])
def test_what_a_link_points_to_is_written_at_one_stroke(there, tmp_path):
    target, first, second = tmp_path / "a" / "target", tmp_path / "first", tmp_path / "second"
    target.parent.mkdir()
    first.symlink_to("second")
    second.symlink_to(target)
    if there:
        target.write_text("older")
        held = target.open()
    write(first)
    assert first.is_symlink() and second.is_symlink()
    assert target.read_text() == first.read_text() == "written"
    assert names(tmp_path) == ["a", "first", "second"] and names(target.parent) == ["target"]
    if there:
        assert held.read() == "older", "it was written over"


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError, match="can't be written"):
        write(tmp_path / "a")
    assert names(tmp_path) == ["a", "b"]


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"folder: can't be written \(Is a directory"):
        write(tmp_path / "folder")
    assert names(tmp_path) == ["folder"]


def test_a_new_file_has_the_mode_that_the_umask_says(umask, tmp_path):
    write(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


def test_a_file_that_is_there_keeps_its_mode(tmp_path):
    (tmp_path / "file").write_text("older")
    (tmp_path / "file").chmod(0o640)
    write(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_file_that_a_library_put_there_has_the_mode_that_the_umask_says(tmp_path):
    before = os.umask(0o022)
    with whole_file(tmp_path / "file") as partial:
        partial.unlink()
        partial.touch(0o600)
    os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_names_of_any_length_can_be_written(tmp_path):
    name = "n" * 255
    write(tmp_path / name)
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("kind", ["file", "pipe", "nothing"])
def test_a_block_that_fails_leaves_all_as_it_was(kind, tmp_path):
    path = tmp_path / "path"
    if kind == "file":
        path.write_text("older")
    elif kind == "pipe":
        os.mkfifo(path)
    before = names(tmp_path)
    with pytest.raises(KeyError), whole_file(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert names(tmp_path) == before
    assert kind != "file" or path.read_text() == "older"


def test_a_full_disk_leaves_all_as_it_was(tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3, 3))\n" + WRITE
    (tmp_path / "file").write_text("older")
    for path in (tmp_path / "file", tmp_path / "new"):
        command = [sys.executable, "-c", limited, path]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert ran.stderr == (f"{path}: can't be written (File too large); choose another place\n")
    assert names(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "older"


def test_threads_may_write_one_file_at_once(tmp_path):
    texts = [str(number) * 50_000 for number in range(8)]
    threads = [threading.Thread(target=write, args=(tmp_path / "file", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_text() in texts and names(tmp_path) == ["file"]


def test_streams_are_told_from_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    streams = (tmp_path / "pipe", Path("/dev/null"), Path("/dev/stdout"))
    assert all(map(is_stream, streams))
    assert not any(map(is_stream, (tmp_path, tmp_path / "file", tmp_path / "none")))


# Folders.


def make(path: Path, text: str = "new") -> None:
    with whole_folder(path, "marker") as folder:
        (folder / "marker").write_text(text)
        (folder / "inside").mkdir()


def test_a_folder_has_the_mode_that_the_umask_says(umask, tmp_path):
    make(tmp_path / "folder")
    for path in (tmp_path / "folder", tmp_path / "folder" / "inside"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o777 & ~umask


@pytest.mark.parametrize("there", [True, False], ids=["there", "not yet there"])
def test_the_folder_that_a_link_points_to_is_replaced(there, tmp_path):
    if there:
        make(tmp_path / "folder", "old")
    (tmp_path / "link").symlink_to("folder")
    make(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "marker").read_text() == "new"
    assert names(tmp_path) == ["folder", "link"]


@pytest.mark.parametrize("kind", ["file", "pipe", "folder", "link to a file"])
def test_what_is_no_older_one_of_ours_is_left_alone(kind, tmp_path):
    path = tmp_path / "path"
    if kind == "file":
        path.write_text("thesis")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "thesis").write_text("")
    else:
        (tmp_path / "thesis").write_text("")
        path.symlink_to("thesis")
    before = names(tmp_path)
    with pytest.raises(OutputError, match="path: is there already, without a marker in it; choose"):
        make(path)
    assert names(tmp_path) == before


def test_the_folder_one_is_in_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="is the folder you are in; choose another place"):
        make(Path())
    assert names(tmp_path) == []


def test_a_place_that_can_not_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "folder", Path("/proc/folder")):
        with pytest.raises(OutputError, match=r"folder: can't be written \(.*\); choose another"):
            make(place)
    assert names(tmp_path) == ["file"]


def test_a_rename_that_fails_puts_the_older_one_back(tmp_path, monkeypatch):
    make(tmp_path / "folder", "old")
    replace, calls = Path.replace, []

    def fails_once(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails_once)
    with pytest.raises(OutputError, match="Input/output error"):
        make(tmp_path / "folder")
    assert (tmp_path / "folder" / "marker").read_text() == "old" and names(tmp_path) == ["folder"]
