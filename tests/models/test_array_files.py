"""Arrays from outside: what is damaged, or made to fill the memory, ends in one typed error."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from bitfold.build.workflows.samples import read_samples
from bitfold.models.array_files import MAX_BYTES, read_npy, read_npz
from bitfold.models.errors import BitfoldError, InputError


class RefusedError(BitfoldError):
    """What the tests ask for."""


def npy(array=None, header=None, version=1, data=b""):
    """An .npy file: of `array`, or of a header's text."""
    if array is not None:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()
    header = header.encode().ljust(118 - 1) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def described(shape, kind="<f4"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"


GOOD = np.arange(12, dtype=np.float32).reshape(3, 4)
HOSTILE = {
    "nothing": b"",
    "text": b"1,2,3\n",
    "truncated": npy(GOOD)[:-1],
    "too long": npy(GOOD) + b"\0",
    "2^62 elements": npy(header=described("(4611686018427387904,)")),
    "2^40 elements": npy(header=described("(1048576, 1048576)"), data=bytes(64)),
    "negative": npy(header=described("(-3, -4)"), data=bytes(48)),
    "objects": npy(np.array([{}, []], object)),
    "records": npy(np.zeros(3, [("a", "<f4")])),
    "times": npy(np.zeros(3, "<M8[s]")),
    "nested header": npy(header="(" * 5000),
    "a header that calls": npy(header="__import__('os').system('touch called')"),
    "a header of 2^31 bytes": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31),
    "another version": npy(header=described("(3,)"), version=9, data=bytes(12)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_npy_is_refused_by_name(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.npy"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(RefusedError, match=r"x\.npy: .*; mend it"):
        read_npy(path, RefusedError, "no arrays", "mend it")
    with pytest.raises(InputError):
        read_samples(path, None)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", HOSTILE[name])
    with pytest.raises(RefusedError, match=r"x\.npz: .*; mend it"):
        read_npz(tmp_path / "x.npz", RefusedError, "no arrays", "mend it")
    assert not (tmp_path / "called").exists()


def test_arrays_come_back_as_they_were_written(tmp_path):
    arrays = {"a": GOOD, "b": np.asfortranarray(GOOD), "c": np.array("text"), "d": np.zeros((0, 3))}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    read = read_npz(tmp_path / "x.npz", RefusedError, "no arrays", "mend it")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype and np.array_equal(read[name], array)
        np.save(tmp_path / "x.npy", array)
        assert np.array_equal(read_npy(tmp_path / "x.npy", RefusedError, "", ""), array)
    read["a"][:] = 0  # they are the reader's own


def test_a_bomb_in_a_zip_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "x.npz"
    size = MAX_BYTES + 4
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    header = npy(header=described(f"({size // 4},)"))
    packed = packer.compress(header) + packer.compress(bytes(1 << 20)) + packer.flush()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header)
    content = path.read_bytes()
    # The sizes that the zip tells, in both places, are those of what would be unpacked.
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        where = content.index(signature) + at
        content = content[:where] + struct.pack("<I", len(header) + size) + content[where + 4 :]
    path.write_bytes(content)
    assert len(packed) < 4096
    with pytest.raises(RefusedError, match=f"{size} bytes of arrays, more than {MAX_BYTES}"):
        read_npz(path, RefusedError, "no arrays", "mend it")


def test_a_damaged_npz_is_refused_wherever_it_is_damaged(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=GOOD, b=np.arange(100))
    content = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for at in random.integers(0, len(content), random.integers(1, 4)):
            damaged[at] = random.integers(0, 256)
        path.write_bytes(damaged[: random.integers(1, len(content) + 1)])
        try:
            read = read_npz(path, RefusedError, "no arrays", "mend it")
        except RefusedError:
            continue
        assert sum(array.nbytes for array in read.values()) < 10_000


@pytest.mark.parametrize("read", [read_npy, read_npz])
def test_what_never_ends_is_no_file_of_arrays(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(RefusedError, match=r"not a file\); mend it"):
            read(path, RefusedError, "no arrays", "mend it")
