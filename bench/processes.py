"""Processes: pinned to their core, measured, and ended with this one whatever ends it."""

import contextlib
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SERVER_CORE = 0
LOAD_CORE = 1
PATIENCE_S = 60
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_running: list["Process"] = []


class Failed(Exception):
    """Something that a measurement needs did not come about; told in its place."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def pinned(cores: int | str, command: list[str]) -> list[str]:
    """Kept to its cores and, where root may say so, before what else runs there. Needs a session of its own, since
    Linux weighs whole sessions against each other."""
    first = "echo -15 >/proc/self/autogroup; exec nice -n -15" if os.geteuid() == 0 else "exec"
    return ["sh", "-c", f'{first} taskset --cpu-list {cores} "$@"', "sh", *command]


class Process:
    """A server on its core, in a session of its own so that its children end with it."""

    def __init__(
        self, name: str, command: list[str | Path], log: Path, *, cores: int | str = SERVER_CORE, **options: object
    ):
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                pinned(cores, [str(part) for part in command]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                **options,
            )
        self.pid = self.process.pid
        _running.append(self)

    def line(self, pattern: str) -> re.Match[str]:
        """The first line of its standard output that matches; what it prints afterwards is left in the pipe."""
        deadline = time.monotonic() + PATIENCE_S
        output = self.process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            text = b""
            while time.monotonic() < deadline:
                if not selector.select(1):
                    continue
                part = os.read(output.fileno(), 4096)
                if not part:
                    break
                text += part
                if match := re.search(pattern, text.decode(errors="replace")):
                    return match
        raise Failed(f"{self.name} printed nothing like {pattern!r}: {self.tail()}")

    def listening(self, port: int) -> None:
        """Returns once it takes connections."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise Failed(f"{self.name} does not listen: {self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-500:].strip()

    def tree(self) -> Iterator[int]:
        """The process and all below it."""
        below = [self.pid]
        while below:
            pid = below.pop()
            yield pid
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    below += map(int, (task / "children").read_text().split())

    def cpu_s(self) -> float:
        """Processor time of all its processes and threads so far."""
        ticks = 0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_S

    def rss_bytes(self) -> int:
        """What it holds of memory, files mapped included."""
        return sum(self._status(pid, "VmRSS") for pid in self.tree())

    def peak_bytes(self) -> int:
        """The most that it ever held."""
        return sum(self._status(pid, "VmHWM") for pid in self.tree())

    def anonymous_bytes(self) -> int:
        """What of that is its own: neither program nor mapped files."""
        return sum(self._status(pid, "RssAnon") for pid in self.tree())

    def _status(self, pid: int, name: str) -> int:
        with contextlib.suppress(OSError):
            match = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            return int(match.group(1)) * 1024 if match else 0
        return 0

    def stop(self) -> None:
        if self in _running:
            _running.remove(self)
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self.process.wait()
        self.process.stdout.close()

    def _signal(self, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, which)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def stop_all() -> None:
    for process in reversed(_running.copy()):
        process.stop()


def program(name: str) -> str:
    """The path of an installed program; Debian keeps servers where a user's PATH does not look."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        raise Failed(f"{name} is not installed")
    return found


def run(command: list[str | Path], *, name: str | None = None, **options: object) -> str:
    """A command that ends by itself; what it printed, or why it failed."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        **{"input": "", **options},
    )
    if done.returncode != 0:
        raise Failed(f"{name or Path(command[0]).name}: {done.stderr.strip()[:800]}")
    return done.stdout
