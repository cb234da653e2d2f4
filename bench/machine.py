"""What the figures hold for: the machine, the day, the versions."""

import datetime
import os
import platform
import re
from pathlib import Path

import install
from places import REPOSITORY, TARGET
from processes import Failed, program, run
from shelf import PROGRAM


def facts() -> list[tuple[str, str]]:
    now = datetime.datetime.now(datetime.UTC)
    return [
        ("Date", f"{now:%Y-%m-%d %H:%M} UTC"),
        ("Processor", f"{cpu()}, {os.cpu_count()} cores; {memory_gib():.0f} GiB of memory"),
        ("System", f"{distribution()}, Linux {platform.release()}"),
        ("Files on", filesystem(TARGET)),
        ("Openshelf", f"{said([PROGRAM, '--version'])}, commit {commit()}"),
        ("Built by", said(["rustc", "--version"])),
        ("Beside", ", ".join(peers())),
    ]


def cpu() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match.group(1) if match else platform.machine()


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def distribution() -> str:
    match = re.search(r'^PRETTY_NAME="(.+)"$', Path("/etc/os-release").read_text(), re.MULTILINE)
    return match.group(1) if match else "unknown"


def filesystem(path: Path) -> str:
    """The type of the mount that holds a path."""
    path = path.resolve()
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    holding = [(len(at), kind) for _device, at, kind, *_rest in mounts if path.is_relative_to(at)]
    return max(holding)[1]


def commit() -> str:
    try:
        changed = (
            " with changes" if run(["git", "-C", REPOSITORY, "status", "--porcelain", "src", "Cargo.lock"]) else ""
        )
        return run(["git", "-C", REPOSITORY, "rev-parse", "--short=12", "HEAD"]).strip() + changed
    except Failed:
        return "unknown"


def peers() -> list[str]:
    names = [f"{name} {version}" for name, version in (install.RUST | install.PYTHON).items()]
    return [nginx(), *names]


def nginx() -> str:
    try:
        # It tells its version on standard error.
        said_so = run(["sh", "-c", f"{program('nginx')} -v 2>&1"])
        return said_so.strip().replace("nginx version: nginx/", "nginx ")
    except Failed:
        return "no nginx"


def said(command: list[str | Path]) -> str:
    try:
        return run(command).strip().removeprefix("openshelf ")
    except (Failed, FileNotFoundError):
        return "unknown"
