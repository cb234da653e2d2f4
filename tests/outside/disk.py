"""A disk that can be full."""

import shutil
import subprocess
from pathlib import Path

from conftest import missing


class Disk:
    """A small file system of its own, which can be filled to its last byte."""

    def __init__(self, at: Path, size: str):
        at.mkdir(parents=True, exist_ok=True)
        self.at = at
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at], capture_output=True)
        if mounted.returncode:
            missing(f"the right to mount a small disk: {mounted.stderr.decode().strip()}")

    def fill(self) -> None:
        # In a folder: a cache that has no room removes its files.
        (self.at / ".ballast").mkdir()
        with (self.at / ".ballast/bytes").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                pass

    def free(self) -> None:
        shutil.rmtree(self.at / ".ballast")

    def __enter__(self):
        return self

    def __exit__(self, *_exception: object) -> None:
        subprocess.run(["umount", "-l", self.at], check=True)
