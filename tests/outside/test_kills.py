"""The server, the client, ffmpeg or the space on the disk goes in the middle of each kind of transfer.

What is a matter of the engine that keeps the rows is tested in tests/kill.rs; here the rows are SQLite's.
"""

import io
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from disk import Disk
from music import ffmpeg
from openshelf import ADMIN, PASSWORD, Server, until

MIB = 1 << 20
LARGE_BYTES = 24 * MIB
GUESTS = 100
LIMIT = 7


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


class House:
    """An installation that is started again and again."""

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.home.mkdir()
        self.shelf = folder / "shelf"
        (self.shelf / "many").mkdir(parents=True)
        self.data = self.home / "data"
        self.large = os.urandom(LARGE_BYTES)
        (self.shelf / "large.bin").write_bytes(self.large)
        for number in range(12):
            (self.shelf / f"many/{number}.bin").write_bytes(os.urandom(2 * MIB))
        self.server: Server

    def start(self) -> None:
        self.server = Server(self.shelf, home=self.home)
        self.server.scanned()

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def stop(self) -> None:
        """At its end a server writes down all that it counted."""
        if self.server.process.returncode is None:
            assert self.server.stop() == 0, self.server.stderr

    def wait_five_minutes(self) -> None:
        """As far as uploads see: so long they wait for a server that was killed, or for another node."""
        with sqlite3.connect(self.data / "openshelf.sqlite") as rows:
            rows.execute("UPDATE upload SET expires_ms = expires_ms - 5 * 60 * 1000")
        rows.close()

    def share(self, path: Path, *options: str) -> str:
        return json.loads(self.server.command("share", path, "--json", *options).stdout)["id"]

    def one(self, sql: str, *arguments: object):
        """The one value that this finds, read beside the server."""
        rows = sqlite3.connect(f"file:{self.data}/openshelf.sqlite?mode=ro", uri=True)
        try:
            return rows.execute(sql, arguments).fetchone()[0]
        finally:
            rows.close()

    def downloads(self, share: str) -> int:
        return self.one("SELECT downloads FROM share WHERE public_id = ?", share)

    def guest(self, share: str) -> requests.Session:
        """Somebody who looked at the share and holds its cookie."""
        guest = requests.Session()
        assert guest.get(f"{self.server.url}/s/{share}", timeout=30).status_code == 200
        return guest

    def item(self, name: str) -> str:
        return self.one("SELECT public_id FROM item WHERE shown = ?", name)

    @property
    def own(self) -> Path:
        """The admin's home."""
        return next((self.data / "homes").iterdir())

    def names(self, folder: Path) -> list[str]:
        """What everybody sees of a folder."""
        return sorted(entry.name for entry in folder.iterdir() if entry.name[0] != ".")

    def temporaries(self) -> list[Path]:
        """What is on its way into the home."""
        return [path for path in self.own.glob(".openshelf/*") if path.is_file()]

    def growing(self) -> list[Path]:
        return list((self.data / "cache/growing").iterdir())

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def is_sound(self) -> None:
        """Of an installation at rest."""
        rows = sqlite3.connect(self.data / "openshelf.sqlite")
        assert rows.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert rows.execute("PRAGMA foreign_key_check").fetchall() == []
        over = "SELECT public_id FROM share WHERE downloads > download_limit OR views > view_limit OR downloads < 0"
        assert rows.execute(over).fetchall() == []
        waited_for = {name for (name,) in rows.execute("SELECT temporary FROM upload")}
        rows.close()
        assert {path.name for path in self.temporaries()} == waited_for
        assert self.growing() == []
        assert workers(self.shelf) == []


@pytest.fixture
def house(tmp_path: Path, program: Callable[[str], str]) -> Iterator[House]:
    program("curl")
    house = House(tmp_path)
    house.start()
    yield house
    house.stop()
    house.is_sound()


def workers(below: Path, states: str = "RSDTtI") -> list[int]:
    """Programs at work on a file below this folder; `T` stands still."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "fd/0")).is_relative_to(below):
                state = (process / "stat").read_text().rpartition(") ")[2][0]
                found += [int(process.name)] if state in states else []
        except OSError:
            # It ended meanwhile.
            continue
    return found


# Downloads -----------------------------------------------------------------------------------------------------------


def file_of_page(house: House, share: str) -> str:
    return f"/s/{share}/-/file/{house.item('large.bin')}?download=1"


def archive_of_page(_house: House, share: str) -> str:
    return f"/s/{share}/-/zip"


def drive(house: House, share: str, name: str, **more: bool) -> str:
    asked = {"uris": [f"cloudreve://{share}@share/{name}"], "download": True, **more}
    answer = requests.post(f"{house.server.url}/api/v4/file/url", json=asked, timeout=30).json()
    if answer["code"] != 0:
        return "/s/refused"
    return answer["data"]["urls"][0]["url"].removeprefix(house.server.url)


def file_of_drive(house: House, share: str) -> str:
    return drive(house, share, "large.bin")


def archive_of_drive(house: House, share: str) -> str:
    return drive(house, share, "", archive=True)


def file_of_cloud(house: House, share: str) -> str:
    answer = requests.get(f"{house.server.url}/shares/v1/shares/{share}", timeout=30)
    if answer.status_code != 200:
        return "/s/refused"
    token = answer.json()["data"]["shareToken"]
    return f"/sdk/v2/files/{house.item('large.bin')}/content?download=true&access_token={token}"


@dataclass(frozen=True)
class Download:
    shared: str
    address: Callable[[House, str], str]


DOWNLOADS = {
    "a file by a page": Download("large.bin", file_of_page),
    "a file by a drive": Download("large.bin", file_of_drive),
    "a file by a cloud": Download("large.bin", file_of_cloud),
    "an archive by a page": Download("many", archive_of_page),
    "an archive by a drive": Download("many", archive_of_drive),
}
downloads = pytest.mark.parametrize("kind", DOWNLOADS.values(), ids=DOWNLOADS)


def curl(house: House, address: str, to: Path, guest: requests.Session | None, *options: str) -> subprocess.Popen:
    cookie = ["--cookie", "; ".join(f"{key}={value}" for key, value in guest.cookies.items())] if guest else []
    words = ["curl", "--silent", "--fail", "--max-time", "120", *cookie, *options, "--output", to]
    return subprocess.Popen([*words, house.server.url + address])


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def arrived(process: subprocess.Popen, to: Path, more_than: int) -> None:
    """Waits for the first bytes of a transfer that goes on."""
    until(lambda: size(to) > more_than or process.poll() is not None, "bytes on their way")
    assert process.poll() is None, f"it ended with {process.returncode} after {size(to)} bytes"


def expected(house: House, kind: Download) -> bytes:
    if kind.shared == "large.bin":
        return house.large
    whole = requests.get(house.server.url + kind.address(house, house.share(house.shelf / kind.shared)), timeout=60)
    assert whole.status_code == 200
    return whole.content


@downloads
@pytest.mark.parametrize("killed", ["server", "client"])
@pytest.mark.parametrize("options", [("--downloads=1",), ()], ids=["limited", "unlimited"])
def test_a_download_goes_on_after_a_kill_and_is_one(
    house: House, tmp_path: Path, kind: Download, killed: str, options: tuple[str, ...]
) -> None:
    whole = expected(house, kind)
    share = house.share(house.shelf / kind.shared, *options)
    guest = house.guest(share)
    address = kind.address(house, share)
    part = tmp_path / "part"
    running = curl(house, address, part, guest, "--limit-rate", "4M")
    arrived(running, part, MIB)
    until(lambda: house.downloads(share) == 1, "it is counted")
    if killed == "server":
        house.kill()
        assert running.wait() != 0
        house.start()
    else:
        running.kill()
        running.wait()
    assert MIB < size(part) < len(whole), "killed in the middle"
    assert curl(house, address, part, guest, "--continue-at", "-").wait() == 0
    assert part.read_bytes() == whole
    # The end once more, as players and download managers do.
    end = {"Range": f"bytes={len(whole) - 9}-"}
    again = requests.get(house.server.url + address, headers=end, cookies=guest.cookies, timeout=30)
    assert (again.status_code, again.content) == (206, whole[-9:])
    another = curl(house, kind.address(house, share), tmp_path / "another", house.guest(share) if not options else None)
    assert (another.wait() == 0) == (not options), "another visitor's is another download"
    house.stop()
    assert house.downloads(share) == (1 if options else 2)


def test_a_kill_loses_what_was_counted_in_the_last_moment_and_doubles_nothing(house: House) -> None:
    (house.shelf / "small.txt").write_text("small")
    share = house.share(house.shelf / "small.txt")
    address = f"/s/{share}/-/file/{house.item('small.txt')}?download=1"
    downloads = 0
    for _ in range(3):
        for moment in ("counted", "killed"):
            before = downloads
            for _ in range(10):
                assert requests.get(house.server.url + address, timeout=30).status_code == 200
            if moment == "counted":
                until(lambda least=before + 10: house.downloads(share) >= least, "they are counted", 5)
            else:
                house.kill()
            downloads = house.downloads(share)
            assert downloads == before + 10 if moment == "counted" else before <= downloads <= before + 10
        house.start()
    house.stop()
    assert house.downloads(share) == downloads


def test_clients_killed_in_mid_transfer_leave_nothing_open(house: House, tmp_path: Path) -> None:
    large = house.shelf / "large.bin"
    addresses = [
        file_of_page(house, house.share(large)),
        file_of_page(house, house.share(large, "--downloads=1000")),
        file_of_cloud(house, house.share(large)),
        archive_of_page(house, house.share(house.shelf / "many")),
        archive_of_drive(house, house.share(house.shelf / "many")),
    ]
    open_before = 0
    for turn in range(4):
        parts = [(address, tmp_path / f"{turn} {number}") for number, address in enumerate(addresses * 5)]
        running = [(part, curl(house, address, part, None, "--limit-rate", "200k")) for address, part in parts]
        for part, process in running:
            arrived(process, part, 0)
        most = house.descriptors()
        for _, process in running:
            process.kill()
            process.wait()
        # Each had a connection and a file.
        rest = most - 2 * len(running)
        until(lambda rest=rest: house.descriptors() <= rest, "they are let go")
        open_before = open_before or house.descriptors()
    assert house.descriptors() <= open_before + len(addresses), "what stays open does not grow"


def test_a_file_that_vanishes_takes_no_other_download_along(house: House, tmp_path: Path) -> None:
    """An archive that has yet to send it breaks; nobody takes a part for the whole."""
    share = house.share(house.shelf / "many", "--downloads=10")
    guest = house.guest(share)
    whole = requests.get(f"{house.server.url}/s/{share}/-/zip", cookies=guest.cookies, timeout=60).content
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        last = max(opened.infolist(), key=lambda entry: entry.header_offset)
    (house.shelf / "beside").mkdir()
    (house.shelf / "beside/it.bin").write_bytes(house.large)
    addresses = {
        "archive": (archive_of_page(house, share), guest),
        "another": (archive_of_page(house, house.share(house.shelf / "beside")), None),
        "a file": (file_of_page(house, house.share(house.shelf / "large.bin")), None),
    }
    running = {}
    for name, (address, by) in addresses.items():
        running[name] = curl(house, address, tmp_path / name, by, "--limit-rate", "4M")
        arrived(running[name], tmp_path / name, 100_000)
    (house.shelf / "many" / last.filename).unlink()
    ends = {name: process.wait() for name, process in running.items()}
    assert ends == {"archive": 18, "another": 0, "a file": 0}
    assert whole.startswith((tmp_path / "archive").read_bytes()), "what came is of the archive that was"
    assert (tmp_path / "a file").read_bytes() == house.large
    anew = requests.get(f"{house.server.url}/s/{share}/-/zip", cookies=guest.cookies, timeout=60)
    with zipfile.ZipFile(io.BytesIO(anew.content)) as opened:
        assert opened.testzip() is None
        assert last.filename not in opened.namelist()
        assert len(opened.namelist()) == 11
    assert house.downloads(share) == 1


# Renditions ----------------------------------------------------------------------------------------------------------

# Kept by the real ffmpeg, which a script stops before it begins for as long as `stop` is there.
SLOW = """#!/bin/sh
[ -e {stop} ] && kill -STOP $$
exec {ffmpeg} "$@"
"""

RENDITIONS = {
    "a transcode": ("song.flac", "stream/{item}?format=mp3"),
    "a segment": ("song.flac", "hls/{item}/a192/0.aac"),
    "a picture": ("film.mp4", "thumb/{item}"),
    "a waveform": ("song.flac", "waveform/{item}"),
}


class Studio:
    """An installation whose ffmpeg waits in the middle of its work when it is told to."""

    def __init__(self, house: House, stop: Path):
        self.house = house
        self.stop = stop
        self.share = house.share(house.shelf)

    def address(self, rendition: tuple[str, str]) -> str:
        name, path = rendition
        return f"/s/{self.share}/-/{path.format(item=self.house.item(name))}"

    def at_work(self) -> int:
        """An ffmpeg that stands still."""
        return until(lambda: workers(self.house.shelf, "T"), "ffmpeg is at work")[0]

    def is_made(self, rendition: tuple[str, str]) -> None:
        answer = requests.get(self.house.server.url + self.address(rendition), timeout=60)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) > 100

    def rests(self) -> None:
        """Nothing works, and nothing is half made."""
        until(lambda: not workers(self.house.shelf), "no program is left")
        until(lambda: not self.house.growing(), "no part is left")

    def kept(self) -> int:
        """Entries of the cache, without what probes said."""
        files = [path for path in (self.house.data / "cache").iterdir() if path.is_file() and path.name[0] != "."]
        return sum(1 for path in files if not path.read_bytes().startswith(b"{\n"))


@pytest.fixture
def studio(house: House, tmp_path: Path, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Studio:
    tone = ["-f", "lavfi", "-i", "sine=f=500:d=20"]
    ffmpeg(*tone, house.shelf / "song.flac")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=3", "-c:v", "libx264", house.shelf / "film.mp4")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ffmpeg").write_text(SLOW.format(stop=tmp_path / "stop", ffmpeg=program("ffmpeg")))
    (programs / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    house.stop()
    house.start()
    return Studio(house, tmp_path / "stop")


renditions = pytest.mark.parametrize("rendition", RENDITIONS.values(), ids=RENDITIONS)


@renditions
@pytest.mark.parametrize("killed", ["ffmpeg", "client", "server"])
def test_a_rendition_is_made_anew_after_a_kill(
    studio: Studio, tmp_path: Path, rendition: tuple[str, str], killed: str
) -> None:
    house = studio.house
    studio.stop.touch()
    to = tmp_path / "made"
    running = curl(house, studio.address(rendition), to, None)
    worker = studio.at_work()
    if killed == "ffmpeg":
        os.kill(worker, signal.SIGKILL)
        assert running.wait() != 0, "no part is taken for the whole"
    elif killed == "client":
        running.kill()
        running.wait()
        # A request's work goes on without its client, up to what could be answered.
        os.kill(worker, signal.SIGCONT)
    else:
        house.kill()
        assert running.wait() != 0
        # It finds that nobody reads its output.
        os.kill(worker, signal.SIGCONT)
        until(lambda: worker not in workers(house.shelf), "the orphan ends")
        assert house.growing(), "a part lies where parts lie"
        house.start()
    assert size(to) == 0
    studio.rests()
    assert studio.kept() == 0 or killed == "client"
    studio.stop.unlink()
    studio.is_made(rendition)
    assert house.downloads(studio.share) == 0


@renditions
def test_a_rendition_is_made_anew_after_the_disk_was_full(
    studio: Studio, tmp_path: Path, rendition: tuple[str, str]
) -> None:
    house = studio.house
    house.stop()
    with Disk(house.data / "cache", "2m") as disk:
        house.start()
        studio.stop.touch()
        running = curl(house, studio.address(rendition), tmp_path / "made", None)
        worker = studio.at_work()
        disk.fill()
        os.kill(worker, signal.SIGCONT)
        assert running.wait() != 0, "no part is taken for the whole"
        studio.rests()
        assert studio.kept() == 0
        studio.stop.unlink()
        again = requests.get(house.server.url + studio.address(rendition), timeout=60)
        assert again.status_code >= 400
        disk.free()
        studio.is_made(rendition)
        house.stop()
        house.is_sound()


# Uploads -------------------------------------------------------------------------------------------------------------

# Sends the first bytes of a request, tells so, and the rest when it hears a line; then prints the status.
SENDER = """
import socket, sys
port, path, first = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
request = open(path, "rb").read()
line = socket.create_connection(("127.0.0.1", port))
line.sendall(request[:first])
print("begun", flush=True)
sys.stdin.readline()
try:
    line.sendall(request[first:])
except OSError:
    pass
print(line.recv(100).split()[1].decode(), flush=True)
"""


@dataclass(frozen=True)
class Sending:
    """One file on its way: into the home or into a drop box, in one piece or as a part of an upload."""

    size_bytes: int
    to_box: bool
    way: str

    @property
    def is_resumable(self) -> bool:
        return self.way in ("parts", "device parts")


SENDINGS = {
    "a small file": Sending(600_000, False, "whole"),
    "a file": Sending(8 * MIB, False, "whole"),
    "a file of unknown length": Sending(8 * MIB, False, "stream"),
    "a posted form": Sending(8 * MIB, False, "form"),
    "a part": Sending(8 * MIB, False, "parts"),
    "a small file behind JSON": Sending(600_000, False, "device"),
    "a file behind JSON": Sending(8 * MIB, False, "device"),
    "a part by a device's client": Sending(8 * MIB, False, "device parts"),
    "a small file into a box": Sending(600_000, True, "whole"),
    "a file into a box": Sending(8 * MIB, True, "whole"),
    "a form posted into a box": Sending(8 * MIB, True, "form"),
    "a part into a box": Sending(8 * MIB, True, "parts"),
}
sendings = pytest.mark.parametrize("sending", SENDINGS.values(), ids=SENDINGS)


RELATED = {"Content-Type": "multipart/related;boundary=b"}


def behind_json(content: bytes | None = None) -> bytes:
    """As clients of My Cloud Home send a file: what it is called, then what is in it."""
    second = b"" if content is None else b"--b\r\n\r\n" + content + b"\r\n"
    return b'--b\r\n\r\n{"name":"sent.bin","parentID":"root"}\r\n' + second + b"--b--"


class Mail:
    """Who sends what, and where it arrives."""

    def __init__(self, house: House, sending: Sending, tmp_path: Path):
        self.house = house
        self.sending = sending
        self.at = tmp_path
        self.content = os.urandom(sending.size_bytes)
        self.who = requests.Session()
        self.box = ""
        self.id = ""
        if sending.to_box:
            (house.own / "inbox").mkdir()
            self.box = house.share(house.own / "inbox", "--drop", "--max-files=1", "--ask-name")
            self.who.get(f"{house.server.url}/s/{self.box}", timeout=30)
        else:
            form = {"user": ADMIN, "password": PASSWORD}
            self.who.post(f"{house.server.url}/app/sign-in", data=form, timeout=30)
        assert self.who.cookies
        if sending.way.startswith("device"):
            tokens = {"username": ADMIN, "password": PASSWORD}
            answer = self.who.post(f"{house.server.url}/authrouter/oauth/ro", json=tokens, timeout=30)
            self.who.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @property
    def device(self) -> str:
        return f"{self.house.server.url}/sdk/v2"

    @property
    def folder(self) -> Path:
        return self.house.own / "inbox" if self.sending.to_box else self.house.own

    def request(self) -> requests.PreparedRequest:
        """What sends the file, or all that is missing of it."""
        base = self.house.server.url + (f"/s/{self.box}/-" if self.box else "/app")
        name = {"name": "sent.bin", "sender": "Ann"} if self.box else {"name": "sent.bin"}
        if self.sending.way == "form":
            files = {"file": ("sent.bin", self.content)}
            where = f"{base}/upload" if self.box else f"{base}/files"
            made = requests.Request("POST", where, files=files, data={"sender": "Ann"} if self.box else {})
        elif self.sending.way == "device":
            made = requests.Request("POST", f"{self.device}/files", headers=RELATED, data=behind_json(self.content))
        elif self.sending.way == "device parts":
            if not self.id:
                begun = self.who.post(f"{self.device}/files/resumable", headers=RELATED, data=behind_json(), timeout=30)
                assert begun.status_code == 201, begun.text
                self.id = begun.headers["Location"].rsplit("/", 1)[1]
            place = f"{self.device}/files/{self.id}/resumable"
            assert self.who.get(place, timeout=30).json() == {"id": self.id, "offset": 0, "done": False}
            made = requests.Request("PUT", f"{place}/content?done=true", data=self.content)
        elif self.sending.way == "parts":
            if not self.id:
                about = {**name, "size": self.sending.size_bytes}
                begun = self.who.post(f"{base}/uploads", json=about, timeout=30)
                assert begun.status_code == 200, begun.text
                self.id = begun.json()["id"]
            state = self.who.get(f"{base}/uploads/{self.id}", timeout=30).json()
            assert state["missing"] == [[0, self.sending.size_bytes]], "a part that broke off is missing as a whole"
            made = requests.Request("PUT", f"{base}/uploads/{self.id}/0", data=self.content)
        else:
            made = requests.Request("PUT", f"{base}/uploads", params=name, data=self.content)
        return self.who.prepare_request(made)

    def begin(self) -> subprocess.Popen:
        """A client that sent two thirds."""
        made = self.request()
        headers = {**made.headers, "Host": "127.0.0.1"}
        body = made.body
        if self.sending.way == "stream":
            del headers["Content-Length"]
            headers["Transfer-Encoding"] = "chunked"
            chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        path = self.at / "request"
        path.write_bytes(f"{made.method} {made.path_url} HTTP/1.1\r\n{head}\r\n".encode() + body)
        words = [sys.executable, "-c", SENDER, str(self.house.server.port), path, str(len(body) * 2 // 3)]
        client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert client.stdout.readline() == "begun\n"
        if self.sending.size_bytes > MIB:
            until(lambda: any(size(path) for path in self.house.temporaries()), "it is on its way")
        return client

    def left_nothing(self) -> None:
        """Of the file that broke off, nothing shows, lies about or counts."""
        assert self.house.names(self.folder) == ([] if self.box else self.others())
        if not self.sending.is_resumable:
            until(lambda: not self.house.temporaries(), "no half file is left")
            until(lambda: self.house.one("SELECT COUNT(*) FROM upload") == 0, "no upload is held for it")

    def others(self) -> list[str]:
        return ["inbox"] if (self.house.own / "inbox").exists() else []

    def arrives(self) -> None:
        def is_taken() -> bool:
            # The one place in a box is free again once the server has seen that the first client hung up.
            answer = self.who.send(self.request(), timeout=60, allow_redirects=False)
            assert answer.status_code in (200, 201, 204, 303, 403), answer.text
            return answer.status_code != 403

        until(is_taken, "it is taken")
        assert (self.folder / "sent.bin").read_bytes() == self.content
        assert self.house.names(self.folder) == ["sent.bin"]
        assert not self.house.temporaries()
        assert self.house.one("SELECT COUNT(*) FROM item WHERE shown = 'sent.bin' AND missing_ms IS NULL") == 1
        if self.box:
            files = self.house.one("SELECT files FROM drop_box")
            assert (files, self.house.one("SELECT bytes FROM drop_box")) == (1, self.sending.size_bytes)
            full = requests.put(f"{self.house.server.url}/s/{self.box}/-/uploads?name=more&sender=Bo", b"x", timeout=30)
            assert full.status_code >= 400, "a box for one file takes one"


@sendings
@pytest.mark.parametrize("killed", ["server", "client"])
def test_an_upload_that_a_kill_broke_off_leaves_nothing_and_comes_anew(
    house: House, tmp_path: Path, sending: Sending, killed: str
) -> None:
    mail = Mail(house, sending, tmp_path)
    client = mail.begin()
    if killed == "client":
        client.kill()
        client.wait()
    else:
        house.kill()
        client.kill()
        client.wait()
        house.wait_five_minutes()
        house.start()
    mail.left_nothing()
    mail.arrives()


@sendings
def test_an_upload_that_finds_the_disk_full_leaves_nothing_and_comes_anew(
    house: House, tmp_path: Path, sending: Sending
) -> None:
    house.stop()
    with Disk(house.own, "20m") as disk:
        house.start()
        mail = Mail(house, sending, tmp_path)
        client = mail.begin()
        disk.fill()
        said, _ = client.communicate("go on\n", timeout=60)
        assert said.strip() == "507", "it is told that the disk is full"
        disk.free()
        mail.left_nothing()
        mail.arrives()
        house.stop()
        house.is_sound()


def test_kills_at_any_moment_lose_no_small_file_that_was_acknowledged(house: House) -> None:
    who = requests.Session()
    who.post(f"{house.server.url}/app/sign-in", data={"user": ADMIN, "password": PASSWORD}, timeout=30)
    acknowledged: set[str] = set()
    moments = random.Random(9)

    def send(turn: int, number: int) -> None:
        for count in range(1000):
            name = f"sent {turn} {number} {count}"
            try:
                url = f"{house.server.url}/app/uploads"
                answer = requests.put(url, content_of(name), params={"name": name}, cookies=who.cookies, timeout=30)
            except requests.RequestException:
                return
            assert answer.status_code == 200, answer.text
            acknowledged.add(name)

    for turn in range(6):
        senders = [threading.Thread(target=send, args=(turn, number)) for number in range(6)]
        least = len(acknowledged) + moments.randrange(5, 60)
        for sender in senders:
            sender.start()
        until(lambda least=least: len(acknowledged) >= least, "some are acknowledged")
        house.kill()
        for sender in senders:
            sender.join()
        known = set(json.loads(house.one("SELECT json_group_array(shown) FROM item WHERE missing_ms IS NULL")))
        there = {path.name for path in house.own.iterdir()}
        assert acknowledged <= known & there, "each has its row and its file"
        assert {name for name in known if name.startswith("sent ")} <= there, "no row without its file"
        house.start()
        assert not house.temporaries()
    house.server.command("scan")
    house.server.scanned()
    for path in house.own.iterdir():
        if path.name == ".openshelf":
            continue
        assert path.read_bytes() == content_of(path.name), "whole, or not there"
        assert house.one("SELECT COUNT(*) FROM item WHERE shown = ? AND missing_ms IS NULL", path.name) == 1


def content_of(name: str) -> bytes:
    return name.encode() * 500


# Rows ----------------------------------------------------------------------------------------------------------------


def test_no_room_for_rows_breaks_no_download_and_doubles_none(house: House, tmp_path: Path) -> None:
    """The data folder's disk is full in the middle of downloads: they go on, and what must be written is refused."""
    house.stop()
    data = tmp_path / "home/data"
    shutil.move(data, tmp_path / "kept")
    with Disk(data, "64m") as disk:
        shutil.copytree(tmp_path / "kept", data, dirs_exist_ok=True)
        house.start()
        shares, running = {}, {}
        for name, (path, options, address) in {
            "limited": ("large.bin", ("--downloads=2",), file_of_page),
            "unlimited": ("large.bin", (), file_of_page),
            "archive": ("many", ("--downloads=2",), archive_of_page),
        }.items():
            share = house.share(house.shelf / path, *options)
            shares[name] = (share, address(house, share), house.guest(share))
            address_, guest = shares[name][1:]
            running[name] = curl(house, address_, tmp_path / name, guest, "--limit-rate", "6M")
            arrived(running[name], tmp_path / name, MIB)
        disk.fill()
        for name, process in running.items():
            assert process.wait() == 0, name
        assert (tmp_path / "limited").read_bytes() == (tmp_path / "unlimited").read_bytes() == house.large

        def fetched(name: str) -> int:
            return requests.get(house.server.url + shares[name][1], timeout=60).status_code

        assert fetched("limited") == fetched("archive") == 507, "what cannot be counted is not given"
        assert fetched("unlimited") == 200, "what nothing depends on needs no row"
        disk.free()
        for name in ("limited", "archive"):
            _, address, guest = shares[name]
            end = {"Range": "bytes=1000000-"}
            again = requests.get(house.server.url + address, headers=end, cookies=guest.cookies, timeout=60)
            assert again.status_code == 206, "the same download goes on"
            assert [fetched(name), fetched(name)] == [200, 404], "one more is left"
        house.stop()
        assert {name: house.downloads(share) for name, (share, *_) in shares.items()} == {
            "limited": 2,
            "unlimited": 2,
            "archive": 2,
        }
        house.is_sound()
        shutil.copytree(data, tmp_path / "kept", dirs_exist_ok=True)
    shutil.copytree(tmp_path / "kept", data, dirs_exist_ok=True)


# Limits --------------------------------------------------------------------------------------------------------------


@downloads
def test_of_a_hundred_guests_at_once_seven_get_what_is_there_seven_times(house: House, kind: Download) -> None:
    share = house.share(house.shelf / kind.shared, f"--downloads={LIMIT}")
    whole = len(expected(house, kind))
    together = threading.Barrier(GUESTS)

    def fetch(_number: int) -> bool:
        together.wait(60)
        address = kind.address(house, share)
        with requests.get(house.server.url + address, timeout=120, stream=True) as answer:
            got = sum(len(block) for block in answer.iter_content(MIB))
        assert answer.status_code in (200, 404)
        assert answer.status_code == 404 or got == whole
        return answer.status_code == 200

    with ThreadPoolExecutor(GUESTS) as guests:
        assert sum(guests.map(fetch, range(GUESTS))) == LIMIT
    house.stop()
    assert house.downloads(share) == LIMIT
