"""The files that are served."""

import os
from pathlib import Path

from places import DATA

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

BIG = "big.bin"
MEDIUM = [f"{number:04}.bin" for number in range(1024)]
SMALL = [f"{number:04}.bin" for number in range(1024)]


def files() -> Path:
    """One file of 1 GiB, 1,024 files of 1 MiB beneath `medium`, 1,024 of 16 KiB beneath `small`."""
    folder = DATA / "files"
    for below, names, size_bytes in [("", [BIG], GIB), ("medium", MEDIUM, MIB), ("small", SMALL, 16 * KIB)]:
        for name in names:
            filled(folder / below / name, size_bytes)
    return folder


def filled(path: Path, size_bytes: int) -> None:
    """A file of random bytes, unless it is there already."""
    if path.exists() and path.stat().st_size == size_bytes:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, size_bytes, MIB):
            file.write(os.urandom(min(MIB, size_bytes - start)))


def warm(folder: Path) -> None:
    """Reads what lies in a folder, so that all servers find it in the page cache."""
    block = bytearray(4 * MIB)
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.readinto(block):
                    pass
