"""The cache: exact whatever happened to it, shared by processes, bounded, clean."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.cache_damage import NUMBER, damages

from bitfold.models.cache import RECORD, Cache, default_cache
from bitfold.models.errors import OutputError

NAME = "0123"
FILES = {"library.so": bytes(range(256)) * 20, "inside/notes.txt": b"notes"}


def fill(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def must_not(folder: Path) -> None:
    raise AssertionError("it was made again")


def content(entry: Path) -> dict[str, bytes]:
    files = (file for file in sorted(entry.rglob("*")) if file.is_file())
    return {
        file.relative_to(entry).as_posix(): file.read_bytes()
        for file in files
        if file.name != RECORD
    }


def leftovers(cache: Path) -> list[Path]:
    """All that is no entry, no lock of one and of no living process."""
    Cache(cache).shrink(10**12)  # which is a run that needs nothing
    entries = {(entry.kind, entry.name) for entry in Cache(cache).entries()}
    locks = [f for f in cache.glob("locks/*") if tuple(f.name.split(".", 1)) not in entries]
    processes = [f for f in cache.glob("processes/*") if not f.name.startswith(f"{os.getpid()}-")]
    return [*locks, *processes, *cache.glob("scratch/*/*")]


def run(code: str, *arguments: object, **more) -> subprocess.Popen:
    """Another process, in which `cache` is a Cache at the first argument."""
    start = "import sys, time\nfrom pathlib import Path\nfrom bitfold.models.cache import Cache\n"
    start += "cache = Cache(Path(sys.argv[1]))\n"
    command = [sys.executable, "-c", start + code, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


# Damage.


@pytest.mark.parametrize("number", range(NUMBER))
def test_damage_of_any_kind_is_found_and_mended(number, tmp_path):
    entry = Cache(tmp_path).keep("verilated", NAME, fill)
    name, damage = list(damages(entry, number).items())[number]
    damage()
    again = Cache(tmp_path).keep("verilated", NAME, fill)
    assert again == entry and content(again) == dict(sorted(FILES.items())), name
    assert Cache(tmp_path).keep("verilated", NAME, must_not) == entry
    assert leftovers(tmp_path) == []


def test_there_are_that_many_ways(tmp_path):
    assert len(damages(Cache(tmp_path).keep("verilated", NAME, fill))) == NUMBER >= 50


def test_two_entries_that_changed_places_are_made_again(tmp_path):
    cache = Cache(tmp_path)
    one = cache.keep("verilated", "one", lambda folder: (folder / "file").write_text("1"))
    two = cache.keep("verilated", "two", lambda folder: (folder / "file").write_text("2"))
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    cache.keep("verilated", "one", lambda folder: (folder / "file").write_text("1"))
    cache.keep("verilated", "two", lambda folder: (folder / "file").write_text("2"))
    assert ((one / "file").read_text(), (two / "file").read_text()) == ("1", "2")


@pytest.mark.parametrize("part", ["verilated", "locks", "processes", "scratch", "locks/lock"])
def test_a_file_or_folder_in_the_place_of_another_is_taken_away(part, tmp_path):
    if part == "locks/lock":
        (tmp_path / "locks" / f"verilated.{NAME}").mkdir(parents=True)
    else:
        (tmp_path / part).write_text("")
    assert content(Cache(tmp_path).keep("verilated", NAME, fill)) == dict(sorted(FILES.items()))
    assert leftovers(tmp_path) == []


def test_what_fails_while_it_is_made_leaves_nothing(tmp_path):
    def fails(folder: Path) -> None:
        fill(folder)
        raise KeyError

    with pytest.raises(KeyError):
        Cache(tmp_path).keep("verilated", NAME, fails)
    assert Cache(tmp_path).entries() == [] and leftovers(tmp_path) == []


def test_the_latest_of_several_is_found_and_damaged_ones_are_passed_over(tmp_path):
    cache = Cache(tmp_path)
    for age, name in enumerate(("a-1", "a-2", "a-3", "b-1")):
        entry = cache.keep("verilated", name, fill)
        os.utime(entry / RECORD, (1000 - age, 1000 - age))
    (tmp_path / "verilated" / "a-1" / "library.so").write_bytes(b"")
    assert cache.latest("verilated", "a-") == tmp_path / "verilated" / "a-2"
    assert cache.latest("verilated", "c-") is None


# Processes.


def test_many_processes_make_one_entry_once(tmp_path):
    code = (
        "def make(folder):\n"
        "    with open(sys.argv[2], 'a') as log: log.write('made\\n')\n"
        "    time.sleep(0.5)\n"
        "    (folder / 'file').write_text('content')\n"
        "for _ in range(20):\n"
        "    entry = cache.keep('verilated', 'one', make)\n"
        "    assert (entry / 'file').read_text() == 'content'\n"
    )
    runs = [run(code, tmp_path / "cache", tmp_path / "log") for _ in range(8)]
    for process in runs:
        assert process.communicate()[1] == "" and process.returncode == 0
    assert (tmp_path / "log").read_text() == "made\n"
    assert leftovers(tmp_path / "cache") == []


@pytest.fixture
def waiting(tmp_path):
    """Starts processes that do something with the cache and then wait; kills them in the end."""
    started = []

    def start(code: str) -> subprocess.Popen:
        code = code.replace("WAIT", "print('waiting', flush=True); time.sleep(100)")
        started.append(run(code, tmp_path))
        assert started[-1].stdout.readline() == "waiting\n", started[-1].stderr.read()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_build_leaves_nothing_after_the_next_run(waiting, tmp_path):
    making = "def make(folder):\n    (folder / 'half').write_text('half'); WAIT\n"
    killed = waiting(making + "cache.keep('verilated', '0123', make)")
    assert list(tmp_path.glob("scratch/*/*/made/half"))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert list(tmp_path.glob("scratch/*/*/made/half")), "nobody was there to do it"
    # Another process, as a new one is to see it.
    after = run("cache.keep('verilated', 'other', lambda f: (f / 'file').write_text(''))", tmp_path)
    assert after.communicate()[1] == ""
    assert not list(tmp_path.glob("scratch/*")) and not list(tmp_path.glob("processes/*"))
    assert content(Cache(tmp_path).keep("verilated", NAME, fill)) == dict(sorted(FILES.items()))
    assert leftovers(tmp_path) == []


def test_what_a_living_process_makes_is_not_swept(waiting, tmp_path):
    waiting(
        "def make(folder):\n    (folder / 'half').write_text('half'); WAIT\n" * 1
        + "cache.keep('verilated', 'slow', make)"
    )
    run("cache.keep('verilated', 'other', lambda f: (f / 'file').write_text(''))", tmp_path).wait()
    assert list(tmp_path.glob("scratch/*/*/made/half"))


def test_a_fork_does_not_end_what_its_parent_uses(tmp_path):
    cache = Cache(tmp_path)
    cache.keep("verilated", NAME, fill)
    child = os.fork()
    if not child:
        try:
            Cache(tmp_path).keep("verilated", "of the child", fill)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert {entry.name for entry in cache.shrink(0)} == {"of the child"}


def test_a_cache_may_be_removed_while_it_is_used_and_no_file_stays_open(tmp_path):
    Cache(tmp_path / "cache").keep("verilated", NAME, fill)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        shutil.rmtree(tmp_path / "cache")
        Cache(tmp_path / "cache").keep("verilated", NAME, fill)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Size.


def sized(cache: Cache, name: str, age: int, size: int = 1000) -> Path:
    """An entry of another process, which is gone, that was used `age` seconds ago."""
    code = "cache.keep(*sys.argv[2:4], lambda f: (f / 'file').write_bytes(bytes(int(sys.argv[4]))))"
    process = run(code, cache.folder, "verilated", name, size)
    assert process.communicate()[1] == ""
    path = cache.folder / "verilated" / name
    os.utime(path / RECORD, (time.time() - age, time.time() - age))
    return path


def test_what_was_not_used_for_longest_goes_when_there_is_too_much(tmp_path):
    cache = Cache(tmp_path, limit_bytes=5000)
    for age, name in enumerate(("new", "older", "oldest")):
        sized(cache, name, 100 * (age + 1))
    sized(cache, "used again", 1000)
    cache.keep("verilated", "used again", must_not)
    cache.keep("verilated", "large", lambda folder: (folder / "file").write_bytes(bytes(2000)))
    kept = {entry.name for entry in cache.entries()}
    assert kept == {"large", "used again", "new"}
    assert sum(entry.size_bytes for entry in cache.entries()) <= 5000
    assert leftovers(tmp_path) == []


def test_what_a_running_process_uses_stays(waiting, tmp_path):
    waiting("cache.keep('verilated', 'used', lambda f: (f / 'file').write_text('')); WAIT")
    cache = Cache(tmp_path)
    sized(cache, "free", 0)
    assert [entry.name for entry in cache.shrink(0)] == ["free"]
    assert [entry.name for entry in cache.entries()] == ["used"]


def test_clearing_takes_damaged_entries_and_other_things_too(tmp_path):
    (tmp_path / "verilated" / "tmpabcd" / "V").mkdir(parents=True)
    (tmp_path / "verilated" / "old.so").write_text("of an older version")
    (tmp_path / "mnist").mkdir()
    cache = Cache(tmp_path)
    assert {entry.name for entry in cache.shrink(0)} == {"tmpabcd", "old.so"}
    assert cache.entries() == [] and (tmp_path / "mnist").is_dir()
    assert Cache(tmp_path / "none").shrink(0) == [] and not (tmp_path / "none").exists()


# Where it is.


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"HOME": "/me"}, "/me/.cache/bitfold"),
        ({"HOME": "/me", "XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere/bitfold"),
        ({"HOME": "/me", "XDG_CACHE_HOME": "relative"}, "/me/.cache/bitfold"),
        ({"HOME": "/me", "XDG_CACHE_HOME": ""}, "/me/.cache/bitfold"),
    ],
)
def test_the_cache_is_where_the_user_wants_it(environment, place, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_cache() == Path(place)


def test_without_a_home_the_remedy_is_said(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OutputError, match=r"no home folder .*; set HOME or XDG_CACHE_HOME"):
        default_cache()


def test_a_place_that_can_not_be_written_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "cache", Path("/proc/cache"), tmp_path / "file"):
        with pytest.raises(
            OutputError, match=f"{folder}: the cache can't be written .*; make room"
        ):
            Cache(folder).keep("verilated", NAME, fill)


def test_a_cache_that_can_only_be_read_serves_what_it_has(tmp_path, monkeypatch):
    entry = Cache(tmp_path).keep("verilated", NAME, fill)

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    assert Cache(tmp_path).keep("verilated", NAME, must_not) == entry
    with pytest.raises(OutputError, match="Read-only file system"):
        Cache(tmp_path).keep("verilated", "other", fill)


def test_what_is_unreadable_to_its_owner_is_mended(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root reads all")
    entry = Cache(tmp_path).keep("verilated", NAME, fill)
    for path, mode in ((entry / "library.so", 0), (entry, 0), (entry / RECORD, 0)):
        path.chmod(mode)
        Cache(tmp_path).keep("verilated", NAME, fill)
        assert content(entry) == dict(sorted(FILES.items()))


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "from bitfold.models.errors import OutputError\n"
        "try: cache.keep('verilated', 'one', lambda f: (f / 'file').write_bytes(bytes(1000)))\n"
        "except OutputError as error: sys.exit(str(error))\n"
    )
    said = run(code, tmp_path).communicate()[1]
    assert "the cache can't be written (File too large)" in said and said.count("\n") == 1
    assert Cache(tmp_path).entries() == [] and leftovers(tmp_path) == []
