"""Finds the networks and the overlays that commands are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bitfold.build.compile.compiler import engine_id, make_engine
from bitfold.models.cache import Cache
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, OffloadBundle
from bitfold.overlays.offload import Engine
from bitfold.runtime.library import Library


def find_network(path: Path, say: Callable[[str], None] = lambda step: None) -> Network:
    """The network in a QONNX file or a .network folder, or the one that a dataflow bundle is for.

    Raises FrontendError, NetworkError or BundleError.
    """
    if path.suffix == ".onnx":
        from bitfold.build.frontend import read_qonnx

        return read_qonnx(path, progress=say)
    if path.suffix == ".network":
        return Network.load(path)
    return Library(path).only_network()


def default_engine(cache: Path | None = None) -> OffloadBundle:
    """An offload overlay of the default size, kept in `cache`: one serves all networks."""
    engine = Engine()
    name = f"offload-{engine.rows}x{engine.lanes}.bundle"

    def make(folder: Path) -> None:
        make_engine(engine, folder / name)

    return Bundle.load(Cache(cache).keep("engines", engine_id(engine), make) / name)


def library_for(
    bundles: Path, overlay: str, trust_rtl: bool = False, cache: Path | None = None
) -> Library:
    """The bundles at `bundles`, and the default engine where "offload" is asked for and none is."""
    library = Library(bundles, cache, trust_rtl)
    if overlay == "offload" and not any(isinstance(b, OffloadBundle) for b in library.bundles):
        return Library([*library.bundles, default_engine(cache)])
    return library
