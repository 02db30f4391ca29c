"""Bundles, as folders and zips: changed anywhere, and mostly sealed again by who changed them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from fuzz import mutate
from fuzz.target import ToldError, UnbuiltError
from support.offload_networks import SMALL, dense_network
from support.random_networks import Shape, random_inputs, random_network, with_softmax
from support.sealed import seal_again

from bitfold.build.compile.compiler import RTL, compile_dataflow, make_engine
from bitfold.models.network import Network
from bitfold.overlays.bundle import MANIFEST, Bundle, DataflowBundle
from bitfold.overlays.dataflow.fold import Fold
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.library import Library

FOLDER = "network.bundle"
ZIP = "network.zip"
FRAMES = 4
SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
FOLDING = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}
UNROLLED = {"fc0": Fold(4, 6, 1), "fc1": Fold(3, 4, 1)}
HARM = (
    f'initial $system("{mutate.COMMAND}");',
    f'import "DPI-C" function int system(string s); initial void\'(system("{mutate.COMMAND}"));',
    '`include "/etc/passwd"\n',
    f'integer f; initial begin f = $fopen("../../{mutate.MARK}", "w"); $fclose(f); end',
    f'initial $writememh("../{mutate.MARK}", none);',
    "initial $finish;",
    "initial forever begin end",
    "`timescale 1ns/1ps",
    "wire [2**30:0] large;",
    "assign m_axis_tdata = '0;",
    "// harmless",
    "(* keep *)",
    "endmodule module other;",
    "\\escaped\\name ",
)
"""What is written into RTL."""


GENERATED = ("dataflow_core*.sv", "unrolled_*.sv", "offload_size_pkg.sv")
HARMFUL = re.compile(
    r"`(?!default_nettype)|\$(?!signed|unsigned|clog2)"
    r"|\b(import|export|bind|initial|final|force|program|class|string|forever|while)\b"
)
BUILT_OF = 8
"""One of so many accepted texts is built and run."""


class Bundles:
    name = "bundles"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        self._cache, self._folder = cache, folder
        self._installed = {file.read_text() for file in RTL.rglob("*.sv")}
        network = random_network(SHAPE, 1)
        soft = random_network(with_softmax(replace(SHAPE, argmax=False)), 2)
        compile_dataflow(network, FOLDING, folder / "dataflow")
        compile_dataflow(network, UNROLLED, folder / "unrolled")
        compile_dataflow(soft, FOLDING, folder / "softmax")
        make_engine(SMALL, folder / "offload")
        self._fits = dense_network((70, 20, 9), "INT2", "INT3", "BIPOLAR")
        # Those whose parameters are all in images.
        made = ("dataflow", "softmax", "offload")
        self._made = {_hardware(Bundle.load(folder / name).files) for name in made}
        for name in self._plain():  # builds the simulations
            shutil.copytree(folder / name, folder / "case" / FOLDER)
            self.check(folder / "case")
            shutil.rmtree(folder / "case")

    def _plain(self) -> list[str]:
        return ["dataflow", "unrolled", "softmax", "offload"]

    def may_start(self, command: list[str]) -> bool:
        """Lets Verilator and g++ build some of the RTL that is accepted, if it holds no harm."""
        if "--cc" in command:
            texts = [Path(part).read_text() for part in command if part.endswith(".sv")]
            generated = [text for text in texts if text not in self._installed]
            if any(HARMFUL.search(re.sub("//.*", "", text)) for text in generated):
                return False
            if zlib.crc32("".join(generated).encode()) % BUILT_OF:
                raise UnbuiltError("accepted")
            return True
        return Path(command[0]).name == "g++"

    def seeds(self) -> list[str]:
        return [*self._plain(), *(f"{name} in a zip" for name in self._plain())]

    def copy(self, seed: str, case: Path) -> None:
        name, _, zipped = seed.partition(" ")
        shutil.copytree(self._folder / name, case / FOLDER)
        if zipped:
            _zip(case)

    def mutate(self, random: Random, case: Path) -> str:
        zipped = (case / ZIP).is_file()
        if zipped:
            if random.random() < 0.4:
                return _damage(random, case / ZIP)
            with zipfile.ZipFile(case / ZIP) as content:
                content.extractall(case)
            (case / ZIP).unlink()
        bundle = case / FOLDER
        changes = random.choices(CHANGES, k=random.choice((1, 1, 1, 2)))
        said = []
        if _files in changes:  # a pipe or a device would hang what changes the files next
            changes = [each for each in changes if each is not _files] + [_files]
        for change in changes:
            try:
                said.append(change(random, bundle))
            except (
                AttributeError,
                OSError,
                ValueError,
                LookupError,
                RecursionError,
                zlib.error,
                zipfile.BadZipFile,
            ):
                said.append("too damaged for more")
        if random.random() < 0.8:
            said.append(seal(bundle))
        if zipped:
            _zip(case)
        return "; ".join(said)

    def check(self, case: Path) -> None:
        path = case / (ZIP if (case / ZIP).exists() else FOLDER)
        library = Library(path, Path("../cache").resolve())
        (bundle,) = library.bundles
        network = bundle.network if isinstance(bundle, DataflowBundle) else self._fits
        x = random_inputs(network, FRAMES, 0)
        expected = network(x)
        outputs, call = {}, None
        for device in ("functional", "verilated"):
            with Accelerator(library, device, self._cache, network=network) as accelerator:
                outputs[device] = accelerator.run(x)
                call = accelerator.last_call
        if _hardware(bundle.files) in self._made:  # then it does what its images say
            np.testing.assert_array_equal(outputs["verilated"], outputs["functional"])
            assert call.cycles == call.predicted_cycles
        # A bundle may compute something else than the network in it, and `bitfold run` says so.
        if any(not np.array_equal(each, expected) for each in outputs.values()):
            raise ToldError("the outputs are not those of the network")
        if call.cycles != call.predicted_cycles:
            raise ToldError("the cycles are not those of the design")


def _hardware(files: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """What decides what a bundle computes from its images: RTL and design, by their hashes."""
    parts = (item for item in files.items() if item[0].startswith(("rtl/", "design")))
    return frozenset(parts)


def seal(bundle: Path) -> str:
    """Makes every hash in a changed bundle right again, and keeps what else its manifest lists."""

    def change(manifest: dict) -> None:
        manifest["files"] = {**listed, **manifest["files"]}
        if "network_id" in manifest:
            manifest["network_id"] = Network.load(bundle).id

    if not (bundle / MANIFEST).is_file():
        return "not sealed"
    try:
        listed = json.loads((bundle / MANIFEST).read_text())["files"]
        listed = {name: said for name, said in listed.items() if not (bundle / name).is_file()}
        seal_again(bundle, change)
    except Exception:  # so damaged that not even its author could
        return "not sealed"
    return "sealed again"


def _zip(case: Path) -> None:
    with zipfile.ZipFile(case / ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((case / FOLDER).rglob("*")):
            if path.is_file():
                name = path.relative_to(case).as_posix()
                archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    shutil.rmtree(case / FOLDER)


# Changes of a bundle's folder.


def _manifest(random: Random, bundle: Path) -> str:
    file = bundle / MANIFEST
    content = json.loads(file.read_text())
    if random.random() < 0.15:
        text, said = mutate.json_text(random, file.read_text())
        file.write_text(text, errors="surrogatepass")
        return f"manifest {said}"
    fields = {k: v for k, v in content.items() if k not in ("files", "sha256")}
    said = mutate.document(random, fields)
    kept = {key: content[key] for key in ("files", "sha256")}
    file.write_text(mutate.to_json({**fields, **kept}), errors="surrogatepass")
    return f"manifest {said}"


def _listed(random: Random, bundle: Path) -> str:
    """Other paths in the manifest's list of files."""
    file = bundle / MANIFEST
    content = json.loads(file.read_text())
    name = random.choice((*mutate.NAMES, "/etc/hostname", "../../canary", "rtl/../rtl/x.sv", "rtl"))
    old = random.choice(list(content["files"]))
    if random.random() < 0.5:
        content["files"][name] = content["files"][old]
    else:
        content["files"][name] = content["files"].pop(old)
        target = bundle / name.replace("\0", "")
        try:
            if target.resolve().is_relative_to(bundle.resolve()) and target != bundle:
                target.parent.mkdir(parents=True, exist_ok=True)
                (bundle / old).rename(target)
        except (OSError, ValueError):
            pass
    file.write_text(json.dumps(content), errors="surrogatepass")
    return f"listed {name[:40]!r}"


def _network(random: Random, bundle: Path) -> str:
    """Another network, or another design of it."""
    file = bundle / random.choice(("network.json", "design.json"))
    if not file.is_file():
        return _rtl(random, bundle)
    text, said = mutate.json_text(random, file.read_text())
    file.write_text(text, errors="surrogatepass")
    return f"{file.name} {said}"


def _parameters(random: Random, bundle: Path) -> str:
    file = bundle / "network.npz"
    if not file.is_file():
        return _image(random, bundle)
    if random.random() < 0.2:
        content, said = mutate.octets(random, file.read_bytes())
        file.write_bytes(content)
        return f"parameters {said}"
    with np.load(file) as arrays:
        values = dict(arrays)
    name = random.choice(list(values))
    kind = random.random()
    if kind < 0.1:
        del values[name]
        said = "dropped"
    elif kind < 0.2:
        values[name] = np.array([{"a": 1}, None], object)
        said = "pickled"
    else:
        values[name], said = mutate.array(random, values[name])
    np.savez_compressed(file, **values)
    return f"{name} {said}"


def _rtl(random: Random, bundle: Path) -> str:
    """Other RTL: a module of the library, or a generated one."""
    generated = [file for kind in GENERATED for file in (bundle / "rtl").glob(kind)]
    files = sorted(generated if random.random() < 0.6 else (bundle / "rtl").glob("*.sv"))
    file = random.choice(files)
    text = file.read_text()
    if random.random() < 0.6:
        lines = text.split("\n")
        ends = [i for i, line in enumerate(lines) if line.startswith("endmodule")] or [len(lines)]
        at = random.choice((ends[-1], ends[-1], random.randrange(len(lines))))
        harm = random.choice(HARM)
        lines.insert(at, harm)
        text, said = "\n".join(lines), harm
    elif random.random() < 0.5:
        pairs = [("+", "-"), ("1", "0"), (">=", ">"), ("<", ">"), ("&", "|"), ("~", " ")]
        pairs = [pair for pair in pairs if pair[0] in text]
        old, new = random.choice(pairs)
        parts = text.split(old)
        at = random.randrange(1, len(parts))
        text = old.join(parts[:at]) + new + old.join(parts[at:])
        said = f"{old} is {new}"
    else:
        text, said = mutate.text(random, text)
    file.write_text(text, errors="surrogatepass")
    return f"{file.name} {said}"


def _image(random: Random, bundle: Path) -> str:
    file = random.choice(sorted((bundle / "images").glob("*")))
    text = file.read_text()
    kind = random.choice(("digit", "digit", "short", "long", "none", "other", "text"))
    if kind == "digit" and text.strip():
        at = random.choice([i for i, c in enumerate(text) if not c.isspace()])
        text = text[:at] + random.choice("0123456789abcdefxz@/") + text[at + 1 :]
    elif kind == "short":
        text = text[: len(text) // 2]
    elif kind == "long":
        text += text.strip().split("\n")[-1] + "\n"
    elif kind == "none":
        file.unlink()
        return f"{file.name} is gone"
    elif kind == "other":
        text = random.choice(sorted((bundle / "images").glob("*"))).read_text()
    else:
        text, _ = mutate.text(random, text, ("@0", "// x", "/*"))
    file.write_text(text, errors="surrogatepass")
    return f"{file.name} {kind}"


def _files(random: Random, bundle: Path) -> str:
    """A file that is gone, new, a link, a folder, or a pipe."""
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file()]
    file = random.choice(files)
    kind = random.choice(("gone", "new", "link", "outside", "folder", "fifo", "device", "board"))
    if kind == "new":
        (
            bundle / random.choice(("rtl/new.sv", "rtl/a_pkg.sv", "new.py", "images/x.hex"))
        ).write_text(random.choice(HARM))
    elif kind == "board":
        (bundle / "boards" / "pynq-z2").mkdir(parents=True)
        (bundle / "boards" / "pynq-z2" / "bitfold.bit").write_bytes(random.randbytes(50))
    else:
        content = file.read_bytes()
        file.unlink()
        if kind == "link":
            (bundle / "kept").write_bytes(content)
            file.symlink_to(bundle / "kept")
        elif kind == "outside":
            file.symlink_to("/etc/passwd")
        elif kind == "folder":
            file.mkdir()
        elif kind == "fifo":
            os.mkfifo(file)
        elif kind == "device":
            file.symlink_to("/dev/zero")
    return f"{file.name} {kind}"


def _bytes(random: Random, bundle: Path) -> str:
    file = random.choice([path for path in sorted(bundle.rglob("*")) if path.is_file()])
    content, said = mutate.octets(random, file.read_bytes())
    file.write_bytes(content)
    return f"{file.name} {said}"


def _swap(random: Random, bundle: Path) -> str:
    """The network of another bundle."""
    if not (bundle / "network.json").is_file():
        return _rtl(random, bundle)
    other = random_network(replace(SHAPE, argmax=random.random() < 0.2), random.randrange(3, 9))
    other.save(bundle)
    return "another network"


CHANGES: tuple[Callable[[Random, Path], str], ...] = (
    *[_manifest] * 4,
    *[_rtl] * 4,
    *[_network] * 3,
    *[_parameters] * 2,
    *[_image] * 2,
    _listed,
    _files,
    _bytes,
    _swap,
)


# Changes of a zip.


def _damage(random: Random, archive: Path) -> str:
    kind = random.choice(("bytes", "bytes", "header", "entry", "entry", "bomb", "names", "twice"))
    if kind == "bytes":
        content, said = mutate.octets(random, archive.read_bytes())
        archive.write_bytes(content)
        return f"zip {said}"
    if kind == "header":
        return _header(random, archive)
    with zipfile.ZipFile(archive) as old:
        entries = [(info.filename, old.read(info)) for info in old.infolist()]
    compression = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 0))
    modes = {}
    said = kind
    if kind == "entry":
        name = random.choice((f"../{mutate.MARK}", f"/{mutate.MARK}", *mutate.NAMES))
        name = name.replace("\0", "") or "x"
        entries.append((name, b"x"))
        if random.random() < 0.4:
            entries[-1] = (f"{FOLDER}/link", random.choice((b"/etc", b"..", b"../../..")))
            modes[f"{FOLDER}/link"] = 0o120777 << 16
            entries.append((f"{FOLDER}/link/{mutate.MARK}", b"x"))
        said = f"entry {name[:40]!r}"
    elif kind == "bomb":
        entries.append((f"{FOLDER}/rtl/large.sv", bytes(random.choice((10**6, 10**8, 3 * 10**8)))))
        compression = zipfile.ZIP_DEFLATED
    elif kind == "names":
        entries = [
            (name.replace(FOLDER, random.choice((FOLDER, "x", "a/b"))), d) for name, d in entries
        ]
    else:
        entries += random.sample(entries, 3)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as new:
        for name, content in entries:
            info = zipfile.ZipInfo(name.encode(errors="replace").decode())
            info.external_attr = modes.get(name, 0)
            try:
                new.writestr(info, content, compression)
            except UnicodeError:
                continue
    archive.write_bytes(buffer.getvalue())
    return f"zip {said}"


def _header(random: Random, archive: Path) -> str:
    """A field of an entry in the zip's directory: flags, method, sizes, checksum."""
    content = bytearray(archive.read_bytes())
    places = [i for i in range(len(content) - 4) if content[i : i + 4] == b"PK\1\2"]
    at = random.choice(places)
    name, offset, form, values = random.choice(
        (
            ("flags", 8, "<H", (1, 8, 0x20, 0x40, 0x800, 0xFFFF)),
            ("method", 10, "<H", (1, 6, 9, 12, 14, 93, 95, 97, 99, 0)),
            ("checksum", 16, "<I", (0, 1)),
            ("packed", 20, "<I", (0, 1, 2**31, 2**32 - 1)),
            ("size", 24, "<I", (0, 1, 2**31, 2**32 - 1)),
            ("version", 6, "<H", (63, 99, 255)),
            ("offset", 42, "<I", (0, 7, 2**31, 2**32 - 1)),
        )
    )
    struct.pack_into(form, content, at + offset, random.choice(values))
    archive.write_bytes(content)
    return f"zip header {name}"


TARGET = Bundles()
