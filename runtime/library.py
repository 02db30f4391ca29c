"""Library: the bundles at hand, and which of them runs a network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bitfold.models.arguments import shown
from bitfold.models.errors import BundleError, OverlayError
from bitfold.models.network import Network
from bitfold.overlays.bundle import MANIFEST, Bundle, DataflowBundle
from bitfold.runtime.offload.steps import split

OVERLAYS = ("auto", "dataflow", "offload")


class Library:
    """Bundles to choose from.

    `sources`: bundles, folders or zips of bundles, and folders that hold such; `trust_rtl` as
    `Bundle.load` takes it. Raises BundleError where there is none, or one is damaged.
    """

    def __init__(
        self,
        sources: Bundle | Path | str | Iterable,
        cache: Path | None = None,
        trust_rtl: bool = False,
    ):
        if isinstance(sources, (Bundle, Path, str)):
            sources = [sources]
        try:
            sources = list(sources)
        except TypeError:
            sources = [sources]  # which has its error below
        if not sources:
            raise BundleError("there is no bundle in an empty list; give one or more")
        self.bundles: tuple[Bundle, ...] = tuple(
            bundle for source in sources for bundle in _bundles(source, cache, trust_rtl)
        )

    def pick(self, network: Network, overlay: str = "auto") -> Bundle:
        """The dataflow bundle made for `network`, else the first offload bundle that it fits.

        `overlay` "dataflow" or "offload" leaves the other kind out. Raises OverlayError with the
        reason against each candidate.
        """
        if not isinstance(overlay, str) or overlay not in OVERLAYS:
            raise OverlayError(
                f"overlay {shown(overlay)} is unknown; choose one of {', '.join(OVERLAYS)}"
            )
        reasons = []
        # Dataflow first: made for the network, it is the fastest.
        for bundle in sorted(self.bundles, key=lambda b: not isinstance(b, DataflowBundle)):
            why_not = _objection(bundle, network, overlay)
            if why_not is None:
                return bundle
            reasons.append(f"{bundle.name} ({bundle.path}): {why_not}")
        raise OverlayError(
            f"no bundle runs {network.name}: {'; '.join(reasons)}; compile one for it, or make a "
            "larger offload overlay"
        )

    def only_network(self) -> Network:
        """The network of the dataflow bundles. Raises OverlayError unless it is the only one."""
        networks = {b.network.id: b.network for b in self.bundles if isinstance(b, DataflowBundle)}
        if len(networks) != 1:
            raise OverlayError(
                f"the bundles are made for {len(networks)} networks, so say which is to run: pass "
                "`network` (on the command line --network FILE)"
            )
        return next(iter(networks.values()))


def _objection(bundle: Bundle, network: Network, overlay: str) -> str | None:
    """Why `bundle` can't run `network`; None if it can."""
    if overlay not in ("auto", bundle.kind):
        return f"a {bundle.kind} overlay, but {overlay} was asked for"
    if isinstance(bundle, DataflowBundle):
        if bundle.network.id != network.id:
            return f"made for another network, {bundle.network.name}"
        return None
    try:
        split(bundle.engine, network)
    except OverlayError as error:
        return str(error)
    return None


def _bundles(source: Bundle | Path | str, cache: Path | None, trust_rtl: bool) -> list[Bundle]:
    if isinstance(source, Bundle):
        return [source]
    if not isinstance(source, (Path, str)) or "\0" in str(source):
        raise BundleError(f"{shown(source)} is no bundle; give a Bundle, or the path of one")
    try:
        return _bundles_at(Path(source), cache, trust_rtl)
    except OSError as error:
        raise BundleError(f"{shown(source)}: can't be read ({error.strerror or error})") from error


def _bundles_at(path: Path, cache: Path | None, trust_rtl: bool) -> list[Bundle]:
    if path.is_dir() and not (path / MANIFEST).is_file():
        inside = sorted(manifest.parent for manifest in path.glob(f"*/{MANIFEST}"))
        if not inside:
            raise BundleError(f"{path}: no bundle there; make one with `bitfold compile`")
        return [Bundle.load(folder, cache, trust_rtl) for folder in inside]
    return [Bundle.load(path, cache, trust_rtl)]
