"""The files of a network, in a folder or in a zip: read within bounds, nothing unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from bitfold.models.errors import FrontendError
from bitfold.models.files import check_file, read_file
from bitfold.overlays.archive import DAMAGE

MAX_ZIP_BYTES = 256 << 20
MAX_MEMBERS = 10_000


class Files:
    """What lies at `path`, by its name without folders. Raises FrontendError for a damaged zip."""

    def __init__(self, path: Path):
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            self.names = frozenset(file.name for file in path.iterdir())
            return
        remedy = "give the folder or the zip of a network's parameters"
        check_file(path, MAX_ZIP_BYTES, FrontendError, "no parameters", remedy)
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGE as error:
            raise FrontendError(f"{path}: no parameters ({error}); {remedy}") from error
        members = [name for name in self._zip.namelist() if not name.endswith("/")]
        self._members = {PurePosixPath(name).name: name for name in members}
        if len(members) > MAX_MEMBERS or len(self._members) < len(members):
            raise FrontendError(
                f"{path}: no parameters ({len(members)} files, of which some have one name, or "
                f"more than {MAX_MEMBERS}); {remedy}"
            )
        self.names = frozenset(self._members)

    def read(self, name: str, most_bytes: int, what: str, remedy: str) -> bytes:
        """The content of a file.

        Raises FrontendError, which names it, `what` and `remedy`, where it is missing, damaged or
        has more than `most_bytes`.
        """
        where = self.path / name
        if self._zip is None:
            return read_file(where, most_bytes, FrontendError, what, remedy)
        try:
            with self._zip.open(self._members[name]) as member:
                content = member.read(most_bytes + 1)
        except KeyError:
            raise FrontendError(f"{where}: {what} (it is not there); {remedy}") from None
        except DAMAGE as error:
            raise FrontendError(f"{where}: {what} ({error}); {remedy}") from error
        if len(content) > most_bytes:
            raise FrontendError(f"{where}: {what} (more than {most_bytes} bytes); {remedy}")
        return content

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()
