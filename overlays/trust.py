"""Decides whether the hardware that came in a bundle may be handed to a tool that compiles it.

SystemVerilog is a program: it can call C, start commands and write files. So a module is taken as
it is installed here, byte for byte, or is one that the compiler generates and holds nothing but
what that writes: wiring, expressions, registers, constants, and instances of installed modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bitfold.models.errors import BundleError
from bitfold.overlays.images import BUILD_ID, BUILD_ID_NAME, IMAGE_NAME, IMAGES, read_words

RTL = Path(__file__).parent / "rtl"
GENERATED = re.compile(
    r"(dataflow_core|dataflow_core_pkg|offload_size_pkg|unrolled_[0-9]{1,6})\.sv", re.ASCII
)
MAX_NUMBER = 1 << 20
"""A larger constant stands in no generated text but as bits: it would be a size to drown in."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = _words(
    """accept_on alias always always_comb always_ff always_latch and assert assign assume automatic
    before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle
    checker class clocking cmos config const constraint context continue cover covergroup
    coverpoint cross deassign default defparam design disable dist do edge else end endcase
    endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface
    endmodule endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask
    enum event eventually expect export extends extern final first_match for force foreach forever
    fork forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins
    illegal_bins implements implies import incdir include initial inout input inside instance int
    integer interconnect interface intersect join join_any join_none large let liblist library local
    localparam logic longint macromodule matches medium modport module nand negedge nettype new
    nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime
    ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
    s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super
    supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
    timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union
    unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
    wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor"""
)
"""Those of IEEE 1800-2017, annex B."""
ALLOWED = _words(
    """module endmodule package endpackage input output wire reg logic int localparam assign always
    always_ff posedge begin end if else function automatic endfunction signed"""
)
SYSTEM_FUNCTIONS = frozenset({"$signed", "$unsigned", "$clog2"})
LINT_COMMENTS = frozenset(f"/* verilator lint_{switch} UNUSEDSIGNAL */" for switch in ("off", "on"))
# By these words a comment speaks to a tool.
_TOLD = re.compile("verilator|synopsys|synthesis|translate|pragma|vivado|xilinx|yosys", re.I)
_TOKEN = re.compile(
    r"""(?P<space>[ \n]+)
      | (?P<comment>//[ !-\[\]-_a-~]*(?=\n|\Z)|/\*(?:[ \n!-)+-\[\]-_a-~]|\*(?!/))*\*/)
      | (?P<directive>`[A-Za-z_]+)
      | (?P<system>\$[A-Za-z_0-9$]+)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<bits>[0-9]{1,6}'s?[bdh][0-9A-Fa-f]+)
      | (?P<cast>[0-9]{1,6}'(?=\())
      | (?P<number>[0-9]+)
      | (?P<string>"[ !\#-\[\]-_a-~]*")
      | (?P<refused>\(\*|::)
      | (?P<mark><=|>=|==|!=|&&|\|\||<<<?|>>>?|\+:|[-+*&|^~!<>=?:;,.@#(){}\[\]])""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True)
class Instance:
    """An instance of an installed module in generated text, and what its parameters are."""

    module: str
    parameters: Mapping[str, int | str]


class _RefusedError(Exception):
    """What is wrong with a text, and in which line."""


def check_hardware(
    bundle: Path, rtl: Sequence[Path], images: Mapping[str, Path], build_id: str
) -> None:
    """Raises BundleError, naming the file, unless all `rtl` of `bundle` may be compiled and the
    `images`, by name, are those that it reads, whole and well formed."""
    for file in rtl:
        content = file.read_bytes()
        if content in _installed().get(file.name, ()):
            continue
        if not GENERATED.fullmatch(file.name):
            raise BundleError(
                f"{bundle}: rtl/{file.name} is not the module that is installed here; compile the "
                "bundle again, or give --trust-rtl (in Python trust_rtl=True) where you would run "
                "a program of its maker's"
            )
        try:
            instances = _instances(file.name, content)
        except _RefusedError as refused:
            raise BundleError(
                f"{bundle}: rtl/{file.name}: {refused}, which the compiler does not write; compile "
                "the bundle again, or give --trust-rtl (in Python trust_rtl=True) where you would "
                "run a program of its maker's"
            ) from None
        for instance in instances:
            _check_image(bundle, instance, images)
    if not {"bitfold_top.sv"} <= {file.name for file in rtl}:
        raise BundleError(f"{bundle}: rtl/bitfold_top.sv is missing; compile the bundle again")
    if BUILD_ID_NAME not in images:
        raise BundleError(f"{bundle}: images/{BUILD_ID_NAME} is missing; compile the bundle again")
    if read_words(images[BUILD_ID_NAME], BUILD_ID) != [int(build_id, 16)]:
        raise BundleError(
            f"{bundle}: images/{BUILD_ID_NAME} is not the bundle's build id; compile it again"
        )


def _check_image(bundle: Path, instance: Instance, images: Mapping[str, Path]) -> None:
    reader = IMAGES.get(instance.module)
    if reader is None:
        return
    name = instance.parameters.get(reader.parameter)
    if name not in images:
        raise BundleError(
            f"{bundle}: images/{name}, which {instance.module} reads, is missing; compile the "
            "bundle again"
        )
    try:
        shape = reader.shape(instance.parameters)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BundleError(
            f"{bundle}: {instance.module} of {name} has parameters that can't be ({error!r}); "
            "compile the bundle again"
        ) from error
    read_words(images[name], shape)


@lru_cache(maxsize=1)
def _installed() -> dict[str, tuple[bytes, ...]]:
    """The hand-written modules, by file name; both overlays have a top of the same name."""
    found: dict[str, tuple[bytes, ...]] = {}
    for file in sorted(RTL.rglob("*.sv")):
        found[file.name] = (*found.get(file.name, ()), file.read_bytes())
    return found


@lru_cache(maxsize=32)
def _instances(name: str, content: bytes) -> tuple[Instance, ...]:
    """The instances in a generated file. Raises _RefusedError for what is never generated."""
    stem = name.removesuffix(".sv")
    modules = {file.removesuffix(".sv") for file in _installed()} - {"bitfold_top"}
    return tuple(_Reader(stem, modules, list(_tokens(content))).read())


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(content: bytes) -> Iterator[_Token]:
    """All but spaces and comments."""
    text = content.decode("latin-1")
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise _RefusedError(f"line {line} has the character {text[at]!r}")
        kind, said = found.lastgroup, found.group()
        token = _Token(kind, said, line)
        if kind == "comment":
            if said not in LINT_COMMENTS and _TOLD.search(said):
                raise _RefusedError(f"line {line} has the comment {said[:60]!r}")
        elif kind != "space":
            yield token
        line += said.count("\n")
        at = found.end()


class _Reader:
    """Goes through the tokens of one generated file."""

    def __init__(self, stem: str, modules: set[str], tokens: list[_Token]):
        self._stem, self._tokens, self._at = stem, tokens, 0
        self._modules = modules
        self._functions: set[str] = set()  # those that may be called: declared to the end
        self._declared = 0

    def read(self) -> Iterator[Instance]:
        function = None
        while self._at < len(self._tokens):
            token, before, behind = self._seen(0), self._seen(-1), self._seen(1)
            if token.kind == "name" and token.text not in KEYWORDS:
                if (behind.kind == "name" and behind.text not in KEYWORDS) or behind.text == "#":
                    yield self._instance()
                    continue
                named = before.text in (".", "module", "package")
                declares = before.text == "]" and self._seen(-7).text == "function"
                if declares:
                    function = token.text
                elif behind.text == "(" and not named and token.text not in self._functions:
                    self._refuse(token, "calls")
            elif token.text == "endfunction":
                self._functions.add(function)
            else:
                self._check(token, before, behind)
            self._at += 1
        if self._declared != 1:
            raise _RefusedError(f"{self._declared} modules in one file")

    def _check(self, token: _Token, before: _Token, behind: _Token) -> None:
        text = token.text
        if token.kind == "number":
            right = len(text) <= 8 and int(text) <= MAX_NUMBER
        elif token.kind == "name":
            right = text in ALLOWED
            if text in ("module", "package"):
                self._declared += 1
                kind = "package" if self._stem.endswith("_pkg") else "module"
                right = behind.text == self._stem and text == kind
            elif text in ("always", "always_ff"):
                right = behind.text == "@"
            elif text == "function":
                right = behind.text == "automatic"
        elif token.kind == "directive":
            right = text == "`default_nettype" and behind.text in ("none", "wire")
        elif token.kind == "system":
            right = text in SYSTEM_FUNCTIONS
        elif text == "@":
            right = before.text in ("always", "always_ff")
        elif text == ".":
            right = before.text in ("(", ",")
        else:
            right = token.kind in ("bits", "cast") or (token.kind == "mark" and text != "#")
        if not right:
            self._refuse(token, "has")

    def _instance(self) -> Instance:
        """The instance that begins here, up to the bracket of its ports."""
        module = self._take("name")
        ours = self._stem == "dataflow_core" and GENERATED.fullmatch(f"{module.text}.sv")
        if module.text not in self._modules and not (ours and module.text != self._stem):
            self._refuse(module, "has an instance of")
        parameters: dict[str, int | str] = {}
        if self._seen(0).text == "#":
            self._take("mark", "#")
            mark = self._take("mark", "(")
            while mark.text != ")":
                self._take("mark", ".")
                name = self._take("name").text
                self._take("mark", "(")
                parameters[name] = self._value()
                self._take("mark", ")")
                mark = self._take("mark")
                if mark.text not in (",", ")"):
                    self._refuse(mark, "has")
        self._take("name")
        self._take("mark", "(")
        return Instance(module.text, parameters)

    def _value(self) -> int | str:
        """Of a parameter: a number, bits, or an image."""
        negative = self._seen(0).text == "-"
        if negative:
            self._take("mark")
        kind = self._seen(0).kind
        token = self._take(kind if kind in ("string", "bits") else "number")
        if token.kind == "bits" and not negative:
            return token.text
        if token.kind == "string":
            if negative or not IMAGE_NAME.fullmatch(token.text[1:-1]):
                self._refuse(token, "has")
            return token.text[1:-1]
        if len(token.text) > 8 or int(token.text) > MAX_NUMBER:
            self._refuse(token, "has")
        return -int(token.text) if negative else int(token.text)

    def _take(self, kind: str, text: str | None = None) -> _Token:
        token = self._seen(0)
        if token.kind != kind or (text and token.text != text):
            self._refuse(token, "has")
        self._at += 1
        return token

    def _seen(self, offset: int) -> _Token:
        at = self._at + offset
        return self._tokens[at] if 0 <= at < len(self._tokens) else _Token("end", "", 0)

    def _refuse(self, token: _Token, verb: str) -> None:
        raise _RefusedError(f"line {token.line} {verb} {token.text[:60]!r}")
