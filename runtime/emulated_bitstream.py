"""The bitstream of an emulated board: a .bit that names a build, and its bundle is found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bitfold.models.errors import BundleError
from bitfold.models.files import whole_file
from bitfold.overlays.boards.handoff import handoff
from bitfold.overlays.boards.system import System
from bitfold.overlays.bundle import MANIFEST, Bundle

BOARD = "pynq-z2"
"""The board that is emulated."""
SIGNATURE = b"bitfold emulated bitstream"
"""The first line of a .bit that only an emulated board takes; the second is the build id."""


def write_bitstream(bundle: Bundle, bit: Path) -> None:
    """Writes `bit`, which loads the overlay of `bundle` on an emulated board, and its .hwh."""
    bit.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(bit) as partial:
        partial.write_bytes(SIGNATURE + f"\n{bundle.build_id}\n".encode())
    with whole_file(bit.with_suffix(".hwh")) as partial:
        partial.write_text(handoff(System.of(bundle, BOARD), interrupts=False))


def bundle_of(bit: Path, known: Iterable[Bundle] = (), trust_rtl: bool = False) -> Bundle:
    """The bundle whose overlay `bit` loads.

    Of a .bit for the emulation it is the one of that build id among those `known`, in the folders
    around the .bit, and in the folders beside it; of one that Vivado made, the bundle that it lies
    in. Raises BundleError where there is none.
    """
    first, *rest = bit.read_bytes()[:200].split(b"\n")
    build_id = rest[0].decode(errors="replace") if first == SIGNATURE and rest else None
    for bundle in known:
        if bundle.build_id == build_id:
            return bundle
    around = [bit.parent, *bit.parent.parents][:3]  # it may lie in boards/NAME/ of a bundle
    manifests = [folder / MANIFEST for folder in around]
    if build_id:
        manifests += sorted(bit.parent.glob(f"*/{MANIFEST}"))
    for manifest in manifests:
        if manifest.is_file():
            bundle = Bundle.load(manifest.parent, trust_rtl=trust_rtl)
            if build_id in (None, bundle.build_id):
                return bundle
    raise BundleError(
        f"{bit}: the bundle {build_id or 'that it belongs to'} is not beside it; put it there, or "
        "name it: `bitfold emulate --bundle BUNDLE SCRIPT`"
    )
