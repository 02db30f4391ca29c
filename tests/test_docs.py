"""The documentation: its examples run, its links lead somewhere, what it renders is up to date."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.pages import Page, Runner, matches, options

from bitfold.build.cli.main import main
from bitfold.overlays import program, registers
from bitfold.overlays.boards.chip import XC7Z020
from bitfold.overlays.registers import WATCHDOG_DEFAULT_CYCLES
from bitfold.runtime.driver import MAX_CALL_BEATS, PATIENCE_S, SLOWEST, WATCHDOGS
from bitfold.runtime.verilated import MEMORY_BYTES

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
START = DOCS / "getting_started.md"
README = REPOSITORY / "README.md"  # test_readme.py runs its examples
PAGES = [README, *sorted(DOCS.glob("*.md"))]
# Rendered, and run by what renders them.
NOTEBOOKS = sorted(DOCS.glob("notebooks/*.md"))
WITH_EXAMPLES = [path for path in PAGES[1:] if Page.read(path).examples()]


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.fixture(scope="session")
def started(home, tmp_path_factory) -> Path:
    """A folder with what the first example of getting_started.md leaves: all other pages begin
    with it."""
    folder = tmp_path_factory.mktemp("started")
    fence = Page.read(START).examples()[0].block
    first = Page(START, f"```{fence.language}\n{fence.text}```\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.chdir(folder)
        Runner(first, home).run()
    return folder


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=name)
def test_the_examples_of_a_page_do_as_it_says(path, home, tmp_path, monkeypatch, request):
    folder = tmp_path / "here"
    if path == START:
        folder.mkdir()
    else:
        shutil.copytree(request.getfixturevalue("started"), folder)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(folder)
    Runner(Page.read(path), home).run()


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=name)
def test_links_and_anchors_lead_somewhere(path):
    page = Page.read(path)
    for link in page.links():
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{name(path)}: {link}: no such file"
        if anchor:
            assert anchor in Page.read(target).anchors(), f"{name(path)}: {link}: no such heading"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_and_options_that_a_page_names_exist(path):
    for command, named in Page.read(path).commands():
        assert command in main.commands, f"{name(path)}: bitfold {command}"
        unknown = set(named) - options(command)
        assert not unknown, f"{name(path)}: bitfold {command} takes no {unknown}"
    unknown = Page.read(path).lone_options() - set().union(*map(options, main.commands))
    assert not unknown, f"{name(path)}: no command takes {unknown}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_files_and_tests_that_a_page_names_in_code_exist(path):
    for text in Page.read(path).paths():
        file, _, test = text.partition("::")
        assert (REPOSITORY / file).exists(), f"{name(path)}: {file}"
        if test:
            assert f"\ndef {test}(" in (REPOSITORY / file).read_text(), f"{name(path)}: {text}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_targets_of_make_that_a_page_names_exist(path):
    known = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert Page.read(path).targets() <= set(known)


def test_the_index_lists_every_page():
    linked = set(Page.read(DOCS / "README.md").links())
    pages = {str(path.relative_to(DOCS)) for path in (*PAGES[1:], *DOCS.glob("*/README.md"))}
    assert pages - {"README.md"} <= linked


@pytest.mark.parametrize(("page", "source"), [("registers.md", registers), ("program.md", program)])
def test_a_rendered_page_is_up_to_date(page, source):
    assert (DOCS / page).read_text().endswith(source.render_markdown())


WORDS = {4: "four", 10: "ten"}
NUMBERS = {
    "board.md": (
        f"after 2^{(WATCHDOG_DEFAULT_CYCLES - 1).bit_length()} cycles",
        f"takes {WORDS[SLOWEST]} times the predicted cycles and {WORDS[WATCHDOGS]} periods",
        f"stood still for {PATIENCE_S:g} s",
        f"**Memory** is {MEMORY_BYTES >> 20} MiB",
    ),
    "limits.md": (f"at most {MAX_CALL_BEATS * 8 >> 20} MiB each way",),
    "getting_started.md": (f"a Pynq-Z2 has {XC7Z020.has.luts:,}",),
}


@pytest.mark.parametrize("page", NUMBERS)
def test_numbers_in_prose_are_those_of_the_code(page):
    text = (DOCS / page).read_text()
    for said in NUMBERS[page]:
        assert said in text


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.svg")), ids=name)
def test_a_picture_is_legible_on_light_and_dark_and_says_what_it_shows(path):
    text = path.read_text()
    assert "<title>" in text, "a screen reader needs a title"
    assert 'fill="#ffffff"' in text, "it brings its own background"


# What runs the examples, on pages that were broken on purpose.


def run(text: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Runner(Page(Path("page.md"), text), tmp_path).run()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("```bash\ntrue\nls nowhere\n```\n", r"page.md, line 1: 'ls nowhere' ended with 2"),
        ("\n```bash\nbitfold compile no.onnx\n```\n", "line 2: 'bitfold compile no.onnx' ended"),
        ("```python\nx = 1 / 0\n```\n", "line 1: ZeroDivisionError"),
        ("```python\nprint(1)\n```\n```output\n2\n```\n", "prints\n1\n\nand the page says\n2"),
        ("```bash\ntrue\n```\n```output\nerror: no\n```\n", "line 1: works, and was to fail"),
        ("```bash\necho 1\n```\n```output number\n1\n```\n", "page.md, line 4: output number"),
        ("```bash\nfalse\n```\n```output\nall is well\n```\n", "'false' ended with 1"),
        ("- in a list\n\n  ```bash\n  false\n  ```\n", "line 3: 'false' ended with 1"),
        ("```output\n1\n```\n", "page.md, line 1: the output of nothing"),
        (
            "```bash\ntrue\n```\n```text\n1\n```\n```output\n1\n```\n",
            "line 7: the output of nothing",
        ),
    ],
)
def test_a_broken_example_fails(broken, said, tmp_path, monkeypatch):
    with pytest.raises(AssertionError) as caught:
        run(broken, tmp_path, monkeypatch)
    assert said in str(caught.value)


def test_an_example_that_does_as_the_page_says_passes(tmp_path, monkeypatch):
    run(
        "```python new.py\nprint(7)\n```\n```bash\npython new.py\n```\n```output\n7\n```\n"
        "```bash\nmkdir new\ncd new\necho one \\\n  two > file\n```\n"
        "```python\nprint(open('file').read())\nx = 3\n```\n```output\none two\n```\n"
        "```python\nprint(x)\nraise ValueError(x)\n```\n```output\n3\nValueError: 3\n```\n"
        "```bash\nbitfold compile no.onnx\n```\n```output\nerror: no.onnx: ...\n```\n",
        tmp_path,
        monkeypatch,
    )


def test_dots_stand_for_anything_and_nothing_else_does():
    assert matches("a ... c\n", "a b\nb c  \n")
    assert not matches("a ... c", "a c d")
    assert not matches("1.5", "1x5")


def test_numbers_may_differ_where_a_page_says_so_and_words_may_not():
    said = "accuracy 96.67%, 1,024 LUTs, build 23fcf950efc7426e26b0a8b7343ea887"
    printed = "accuracy 100%,     9 LUTs, build a19d6e2c52e8d178e82a6b78912a91fd"
    assert matches(said, printed, numbers_differ=True)
    assert not matches(said, printed)
    assert not matches(said, printed.replace("LUTs", "LUT"), numbers_differ=True)


@pytest.mark.parametrize(
    ("text", "anchor"),
    [("# Two words", "two-words"), ("## `a_b`: c's", "a_b-cs"), ("# A\n\n# A\n", "a-1")],
)
def test_anchors_are_those_of_github(text, anchor):
    assert anchor in Page(Path("page.md"), text).anchors()
