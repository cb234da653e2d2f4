"""Builds Openshelf and the load, and installs the others from their public registries; each once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from places import BENCH, REPOSITORY, TARGET
from processes import Failed, program, run
from shelf import PROGRAM

# Exact, so that two tables tell of the same programs.
PYTHON = {"copyparty": "1.20.26", "supysonic": "0.7.9"}
# What a program needs beside itself to serve.
BESIDE = {"supysonic": ["waitress==3.0.2"]}
RUST = {"dufs": "0.47.0", "miniserve": "0.35.0"}
DEBIAN = {"nginx": "nginx-light", "ffmpeg": "ffmpeg"}

# Fills databases; built with the program.
SEED = PROGRAM.parent / "examples" / "seed"

LOG = TARGET / "logs" / "install.log"

# Why something that a section needs is not there.
missing: dict[str, str] = {}


def needed(names: Iterable[str]) -> None:
    """Openshelf and the load, without which there is no bench, and as many of the others as can be had."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    if "OPENSHELF_BINARY" not in os.environ:
        build("the program", REPOSITORY, PROGRAM.parents[1])
    build("the load", BENCH / "load", TARGET / "load")
    for name in sorted(set(names)):
        try:
            _installer(name)()
        except Failed as cause:
            missing[name] = str(cause)
            say(f"Missing: {name}: {cause}")


def present(name: str) -> None:
    """Raises why something is not there."""
    if name in missing:
        raise Failed(missing[name])


def build(what: str, package: Path, target: Path, *options: str) -> None:
    say(f"Building {what}")
    where = ["--manifest-path", package / "Cargo.toml", "--target-dir", target]
    logged(["cargo", "build", "--release", "--locked", *where, *options])


def _installer(name: str) -> Callable[[], None]:
    if name == "seed":
        return lambda: build("the seed", REPOSITORY, PROGRAM.parents[1], "--example", "seed")
    if name in PYTHON:
        return lambda: from_pypi(name, PYTHON[name])
    if name in RUST:
        return lambda: from_crates(name, RUST[name])
    return lambda: from_debian(name, DEBIAN[name])


def from_pypi(name: str, version: str) -> None:
    venv, done = TARGET / name, TARGET / name / "installed"
    wanted = [f"{name}=={version}", *BESIDE.get(name, [])]
    if done.exists() and done.read_text() == str(wanted):
        return
    say(f"Installing {name} {version}")
    logged(["python3", "-m", "venv", "--clear", venv])
    logged([venv / "bin" / "pip", "install", "--disable-pip-version-check", *wanted])
    done.write_text(str(wanted))


def from_crates(name: str, version: str) -> None:
    root = TARGET / "cargo"
    if f"{name} v{version}:" in run(["cargo", "install", "--list", "--root", root]):
        return
    say(f"Building {name} {version}, which takes minutes")
    where = ["--root", root, "--target-dir", root / "target"]
    logged(["cargo", "install", "--locked", "--version", version, *where, name])
    shutil.rmtree(root / "target", ignore_errors=True)


def from_debian(name: str, package: str) -> None:
    try:
        program(name)
    except Failed:
        say(f"Installing {package}")
        # Only root may install, and RUNLEVEL=1 keeps Debian from starting what it installs.
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        logged([*root, "apt-get", "update", "-q"])
        options = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "install", "-y", "-q"]
        logged([*root, *options, "--no-install-recommends", package])


def logged(command: list[str | Path]) -> None:
    """A command that may take long; its output is kept for when it fails."""
    with LOG.open("ab") as log:
        try:
            done = subprocess.run(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
        except FileNotFoundError:
            raise Failed(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        raise Failed(f"{command[0]} {command[1]} failed; see {LOG.relative_to(REPOSITORY)}")


def say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)
