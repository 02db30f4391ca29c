"""Reads Markdown pages and runs the examples in them.

What a fence of a page means:

bash     commands, run one after the other in a scratch folder; a line that ends in \\ goes on
python   run as it stands; names stay from block to block. With a FILE behind it: written there
output   what the block before it prints, and so compared; `...` stands for anything, and behind
         "output numbers differ" a number for any other, such as one that was trained. A line
         that begins with "error:" or names an exception says that the block before it fails
console  commands for another machine, after a $; not run, but bitfold's options have to exist
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from support.command_line import bitfold

from bitfold.build.cli.main import main

NUMBERS_DIFFER = "output numbers differ"
RUN = ("bash", "sh", "python")
FENCE = re.compile(r"^( *)```([^`\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FAILED = re.compile(r"^(error|\w+Error): ", re.MULTILINE | re.IGNORECASE)
SHELL = re.compile(r"[|&;<>$*~`]")
COMMAND = re.compile(r"\bbitfold ([a-z]+)\b([^`\n]*)")
PATH = re.compile(
    r"`((?:models|overlays|runtime|build|tests|docs|notebooks|benchmarks)/[\w./:-]*)`"
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """One fence: `line` is that of its first one, in the page's own count."""

    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Example:
    """A block that runs, and what the page says that it prints (None: nothing is said)."""

    block: Block
    output: Block | None

    @property
    def fails(self) -> bool:
        return bool(self.output and FAILED.search(self.output.text))

    def prints(self, printed: str) -> bool:
        """Whether `printed` is what the page says."""
        if self.output is None:
            return True
        return matches(self.output.text, printed, self.output.language == NUMBERS_DIFFER)


@dataclass(frozen=True)
class Page:
    """A Markdown file."""

    path: Path
    text: str

    @staticmethod
    def read(path: Path) -> Page:
        return Page(path, path.read_text())

    def blocks(self) -> list[Block]:
        return [
            Block(
                self.text[: match.start()].count("\n") + 1,
                match[2],
                "".join(line.removeprefix(match[1]) for line in match[3].splitlines(keepends=True)),
            )
            for match in FENCE.finditer(self.text)
        ]

    def examples(self) -> list[Example]:
        """Raises AssertionError for an output that has no example in front."""
        examples: list[Example] = []
        last = None
        for block in self.blocks():
            if block.language.split(" ")[0] in RUN:
                examples.append(Example(block, None))
            elif block.language.startswith("output"):
                where = f"{self.path.name}, line {block.line}"
                assert block.language in ("output", NUMBERS_DIFFER), f"{where}: {block.language}"
                assert last and examples and examples[-1].block is last, (
                    f"{where}: the output of nothing"
                )
                examples[-1] = Example(examples[-1].block, block)
            last = block
        return examples

    def prose(self) -> str:
        """The page without what stands in fences."""
        return FENCE.sub("", self.text)

    def anchors(self) -> set[str]:
        """Of the headings, as GitHub makes them."""
        found: dict[str, int] = {}
        anchors = set()
        for heading in re.findall(r"^#+ +(.+?) *$", self.prose(), re.MULTILINE):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
            slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            again = found.get(slug, 0)
            found[slug] = again + 1
            anchors.add(f"{slug}-{again}" if again else slug)
        return anchors | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", self.text))

    def links(self) -> list[str]:
        """Where its links and pictures lead, but for the web."""
        found = (first or second for first, second in LINK.findall(self.prose()))
        return [link for link in found if not re.match(r"[a-z]+:", link)]

    def paths(self) -> list[str]:
        """Files and folders of the repository that the page names in code, or FILE::test."""
        return PATH.findall(self.prose())

    def targets(self) -> set[str]:
        """Of make, that the page tells to make."""
        code = "\n".join(block.text for block in self.blocks())
        return set(
            re.findall(r"^(?:\$ |    )?make ([a-z-]+)", f"{code}\n{self.text}", re.MULTILINE)
        )

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each of bitfold's commands that the page names in code, with its options."""
        code = [block.text.replace("\\\n", " ") for block in self.blocks()]
        for text in [*code, *re.findall(r"`([^`\n]+)`", self.prose())]:
            for name, arguments in COMMAND.findall(text):
                yield name, re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z]\b)", arguments)

    def lone_options(self) -> set[str]:
        """Those that prose names in code without a command."""
        return set(re.findall(r"`(--[a-z][a-z-]*)", self.prose()))


def options(command: str) -> set[str]:
    """What the command, or one below it, takes. Raises KeyError for a name that is no command."""
    found = main.commands[command]
    below = getattr(found, "commands", {}).values()
    names = {"--help", "-h", "--version"}
    return names.union(*(p.opts + p.secondary_opts for c in (found, *below) for p in c.params))


@dataclass
class Runner:
    """Runs the examples of one page in the working folder, with `home` as the user's."""

    page: Page
    home: Path
    names: dict = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self) -> list[str]:
        """What each example printed.

        Raises AssertionError, naming page and line, for what does not do as the page says.
        """
        said = []
        for example in self.page.examples():
            block = example.block
            where = f"{self.page.path.name}, line {block.line}"
            run = self._python if block.language.startswith("python") else self._bash
            printed, error = run(block)
            if example.fails:
                assert error, f"{where}: works, and was to fail:\n{printed}"
            else:
                assert not error, f"{where}: {error}\n{printed}"
            assert example.prints(printed), (
                f"{where}: prints\n{printed}\nand the page says\n{example.output.text}"
            )
            said.append(printed)
        return said

    def _python(self, block: Block) -> tuple[str, str]:
        """What the block prints, an exception included, and the exception."""
        _, _, file = block.language.partition(" ")
        if file:
            Path(file).write_text(block.text)
            return "", ""
        # So that a traceback shows the page's own line.
        code = compile("\n" * block.line + block.text, self.page.path, "exec")
        printed = StringIO()
        try:
            with redirect_stdout(printed):
                exec(code, self.names)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            return f"{printed.getvalue()}{said}\n", said
        return printed.getvalue(), ""

    def _bash(self, block: Block) -> tuple[str, str]:
        """What the commands print up to the first that fails, and which that is."""
        printed = ""
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] == "cd":
                os.chdir(words[1])
                continue
            if words[0] == "bitfold" and words[1] != "emulate" and not SHELL.search(line):
                # Without loading torch and FINN for each. (emulate's script prints past us.)
                ran = bitfold(*words[1:])
                code, text = ran.exit_code, ran.output
            else:
                ran = self._shell(line)
                code, text = ran.returncode, ran.stdout
            printed += text
            if code:
                return printed, f"{line!r} ended with {code}"
        return printed, ""

    def _shell(self, line: str) -> subprocess.CompletedProcess:
        tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            env={**os.environ, "PATH": tools, "HOME": str(self.home), "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def matches(said: str, printed: str, numbers_differ: bool = False) -> bool:
    """Whether `printed` is what a page says, in which `...` stands for anything."""

    def normal(text: str) -> str:
        if numbers_differ:
            text = re.sub(r"\b[0-9a-f]{32}\b|\d+(,\d{3})*(\.\d+)?", "#", text)
            text = re.sub(r" +|─+", " ", text)  # columns are as wide as their numbers
        return "\n".join(line.strip() for line in text.strip("\n").splitlines())

    pattern = ".*?".join(re.escape(part) for part in normal(said).split("..."))
    return re.fullmatch(pattern, normal(printed), re.DOTALL) is not None
