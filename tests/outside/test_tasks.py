"""The server goes in the middle of each kind of task and comes back: each is done, and nothing is there by halves."""

import contextlib
import io
import os
import sqlite3
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from openshelf import ADMIN, PASSWORD, Server, until

MIB = 1 << 20
ENDED = ("completed", "error", "canceled")


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


class House:
    """An installation that is started again and again, and its admin at Cloudreve's door."""

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.home.mkdir()
        self.shelf = folder / "shelf"
        self.shelf.mkdir()
        self.data = self.home / "data"
        self.start()

    def start(self) -> None:
        self.server = Server(self.shelf, home=self.home, options=("--outgoing-networks", "127.0.0.1/32"))
        self.server.scanned()
        signed = self._send("POST", "/session/token", {"email": ADMIN, "password": PASSWORD})
        self.token = signed["token"]["access_token"]

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def _send(self, method: str, path: str, body: object = None, token: str | None = None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.server.url}/api/v4{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=30).json()
        assert answer["code"] == 0, answer
        return answer.get("data")

    def call(self, method: str, path: str, body: object = None):
        return self._send(method, path, body, self.token)

    def ask(self, what: str, **body: object) -> str:
        made = self.call("POST", f"/workflow/{what}", body)
        return (made[0] if isinstance(made, list) else made)["id"]

    def task(self, task_id: str) -> dict:
        for category in ("general", "downloading", "downloaded"):
            listed = self.call("GET", f"/workflow?page_size=100&category={category}")["tasks"]
            if found := [task for task in listed if task["id"] == task_id]:
                return found[0]
        raise AssertionError(f"no task {task_id}")

    def done(self, task_id: str) -> dict:
        until(lambda: self.task(task_id)["status"] in ENDED, "the task ends", 120)
        task = self.task(task_id)
        assert task["status"] == "completed", task
        return task

    @property
    def own(self) -> Path:
        """The admin's home."""
        return next((self.data / "homes").iterdir())

    def put(self, name: str, content: bytes) -> None:
        uri = requests.utils.quote(f"cloudreve://my/{name}", safe="")
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.server.url}/api/v4/file/content?uri={uri}"
        assert requests.put(url, data=content, headers=headers, timeout=60).json()["code"] == 0

    def on_its_way(self) -> int:
        """How many bytes lie where nobody sees them."""
        sizes = 0
        for path in self.own.glob(".openshelf/*"):
            with contextlib.suppress(FileNotFoundError):
                sizes += path.stat().st_size if path.is_file() else 0
        return sizes

    def wait_five_minutes(self) -> None:
        """As far as uploads see: so long they wait for a server that was killed."""
        with sqlite3.connect(self.data / "openshelf.sqlite") as rows:
            rows.execute("UPDATE upload SET expires_ms = expires_ms - 5 * 60 * 1000")
        rows.close()

    def is_at_rest(self) -> None:
        until(lambda: self.on_its_way() == 0, "nothing is left behind")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.kill()


def test_an_archive_is_made_though_the_server_is_killed(house: House) -> None:
    content = os.urandom(MIB)
    for number in range(12):
        house.put(f"many/{number}.bin", content * 16)
    task = house.ask("archive", src=["cloudreve://my/many"], dst="cloudreve://my/all.zip")
    until(lambda: house.on_its_way() > 4 * MIB, "it is being made")
    house.kill()
    assert not (house.own / "all.zip").exists()
    house.wait_five_minutes()
    house.start()
    house.done(task)
    with zipfile.ZipFile(house.own / "all.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 12
    house.is_at_rest()


def test_an_archive_is_unpacked_though_the_server_is_killed(house: House) -> None:
    contents = {f"d{number % 3}/{number}.bin": os.urandom(4 * MIB) for number in range(30)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    house.put("all.zip", packed.getvalue())
    task = house.ask("extract", src=["cloudreve://my/all.zip"], dst="cloudreve://my/out")
    out = house.own / "out"

    def there() -> dict[str, bytes]:
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    until(lambda: out.exists() and len(list(out.rglob("*.bin"))) > 3, "some of it is there")
    house.kill()
    before = there()
    assert 3 < len(before) < 30
    assert all(content == contents[name] for name, content in before.items()), "each is whole"
    house.wait_five_minutes()
    house.start()
    assert house.done(task)["summary"]["props"]["failed"] == 0
    assert there() == contents
    house.is_at_rest()


def test_a_file_is_fetched_though_the_server_is_killed(house: House) -> None:
    content = os.urandom(24 * MIB)
    asked: list[str | None] = []

    class There(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.headers.get("Range")
            asked.append(said)
            start = int(said.removeprefix("bytes=").removesuffix("-")) if said else 0
            self.send_response(206 if said else 200)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(content) - start))
            if said:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            for at in range(start, len(content), MIB):
                self.wfile.write(content[at : min(at + MIB, len(content))])
                time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    there = ThreadingHTTPServer(("127.0.0.1", 0), There)
    threading.Thread(target=there.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{there.server_port}/large.bin"
        task = house.ask("download", src=[url], dst="cloudreve://my")
        until(lambda: house.on_its_way() >= 8 * MIB, "it comes")
        house.kill()
        assert not (house.own / "large.bin").exists()
        house.start()
        house.done(task)
        assert (house.own / "large.bin").read_bytes() == content
        assert len(asked) == 2
        assert asked[1], "it goes on where it was"
        house.is_at_rest()
    finally:
        there.shutdown()
        there.server_close()
