"""The real program, started in an empty home as a stranger would start it."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("OPENSHELF_BINARY", REPOSITORY / "target/debug/openshelf"))
ADMIN = "admin"
ADMIN_MAIL = "admin@openshelf.local"
PASSWORD = "Correct-Horse_7"
PATIENCE_S = 30


def until(ready: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Asks again and again until the answer is true, for what gives no signal of its own."""
    deadline = time.monotonic() + patience_s
    while not (answer := ready()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience_s} s")
        time.sleep(0.05)
    return answer


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of the developer's own installation is seen."""
    names = ("PATH", "LANG", "OPENSHELF_LOG", "RUST_BACKTRACE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    # What listens to music behind would be met as a program that a test left running.
    own = {"HOME": str(home), "OPENSHELF_ADMIN_PASSWORD": PASSWORD, "OPENSHELF_SOUND_ANALYSIS": "off"}
    return {**kept, **own, **more}


class Running:
    """A process that serves until it is stopped; its address is the first one it prints."""

    def __init__(self, *arguments: str | Path, home: Path, env: dict[str, str] | None = None):
        self.home = home
        self.env = env or environment(home)
        self.lines: list[str] = []
        self._printed = threading.Condition()
        self._over = False
        self.log = home / f"log-{time.monotonic_ns()}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BINARY, *map(str, arguments)],
                env=self.env,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._printed:
                self.lines.append(line.rstrip("\n"))
                self._printed.notify_all()
        with self._printed:
            self._over = True
            self._printed.notify_all()

    def line(self, pattern: str) -> re.Match[str]:
        """The first match on standard output, waited for."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with self._printed:
            self._printed.wait_for(lambda: found() or self._over, PATIENCE_S)
            match = found()
        assert match, f"no line matches {pattern!r}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        return match

    @property
    def stdout(self) -> str:
        return "\n".join(self.lines)

    @property
    def stderr(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> int:
        """SIGTERM drains; the exit code is handed back."""
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running {PATIENCE_S} s after SIGTERM\n{self.stderr}") from None
        self._reader.join(PATIENCE_S)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.stop()


class Server(Running):
    """`openshelf serve` on a free port."""

    def __init__(self, *folders: Path, home: Path, database: str | None = None, options: tuple[str, ...] = ()):
        self.data = home / "data"
        where = ["--listen", "127.0.0.1:0", "--data", self.data]
        if database:
            where += ["--database", database]
        super().__init__("serve", *folders, *where, *options, home=home)
        self.url = self.line(r"http://[^\s/]+:\d+").group()
        self.port = int(self.url.rsplit(":", 1)[1])
        health = requests.get(f"{self.url}/healthz", timeout=PATIENCE_S)
        assert health.status_code == 200, health.text

    def command(self, *arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """A command that finds this server by its data folder."""
        return run(*arguments, env={**self.env, "OPENSHELF_DATA": str(self.data)}, **more)

    def subsonic(self, method: str, user: str = ADMIN, password: str = PASSWORD, **parameters: Any) -> dict:
        """One OpenSubsonic call, for what a test only needs and does not test."""
        known = {"u": user, "p": password, "v": "1.16.1", "c": "outside", "f": "json"}
        answer = requests.get(f"{self.url}/rest/{method}", params={**known, **parameters}, timeout=PATIENCE_S)
        body = answer.json()["subsonic-response"]
        assert body["status"] == "ok", f"{method}: {body}"
        return body

    def api_key(self) -> str:
        """A new one of the administrator's, from the page where people make theirs."""
        with requests.Session() as desk:
            desk.post(f"{self.url}/app/sign-in", data={"user": ADMIN, "password": PASSWORD, "next": "/app/keys"})
            page = desk.post(f"{self.url}/app/keys", data={"name": "outside"}).text
        return re.search(r"<code[^>]*>([^<]{20,})</code>", page).group(1)

    def scanned(self) -> None:
        """Returns when no scan runs any more."""
        until(lambda: not self.subsonic("getScanStatus")["scanStatus"]["scanning"], "the first scan")


def run(
    *arguments: str | Path, env: dict[str, str], check: bool = True, **more: Any
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    done = subprocess.run(
        [BINARY, *map(str, arguments)],
        env=env,
        cwd=env["HOME"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        **({"stdin": subprocess.DEVNULL} if "input" not in more else {}),
        **more,
    )
    if check:
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
