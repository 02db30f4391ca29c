"""Bundles that were changed and sealed again, as whoever sends one can: hashes keep nobody out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from bitfold.overlays.manifest import BUILD_ID_IMAGE, MANIFEST, hardware_id, seal, sha256_of


def seal_again(bundle: Path, change: Callable[[dict], object] = lambda manifest: None) -> Path:
    """Makes every hash of the bundle at `bundle` right for the files that are there now, then lets
    `change` edit the manifest, and seals that."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    listed = [file for file in sorted(bundle.rglob("*")) if file.is_file()]
    names = {file.relative_to(bundle).as_posix() for file in listed} - {MANIFEST, BUILD_ID_IMAGE}
    files = {name: sha256_of(bundle / name) for name in sorted(names)}
    manifest["build_id"] = hardware_id(files)
    (bundle / BUILD_ID_IMAGE).unlink(missing_ok=True)  # it may be a pipe by now
    (bundle / BUILD_ID_IMAGE).write_text(manifest["build_id"] + "\n")
    manifest["files"] = {**files, BUILD_ID_IMAGE: sha256_of(bundle / BUILD_ID_IMAGE)}
    change(manifest)
    manifest["sha256"] = seal(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    return bundle
