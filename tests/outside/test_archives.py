"""Archives as strangers fetch and unpack them: curl, unzip, 7-Zip, libarchive and Python."""

import io
import json
import os
import random
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from openshelf import Server

MANY = 70_000
GIB = 1 << 30


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    root = tmp_path_factory.mktemp("archives") / "shelf"
    for folder in ("none", "one", "many", "odd", "large", "wide", "plain"):
        (root / folder).mkdir(parents=True)
    (root / "one/only.txt").write_text("the only one")
    for number in range(MANY):
        if number % 1000 == 0:
            (root / f"many/{number // 1000:02}").mkdir()
        (root / f"many/{number // 1000:02}/{number}").write_bytes(b"%d" % number)
    for name, content in odd_names().items():
        (Path(os.fsdecode(os.fsencode(root / "odd") + b"/" + name))).write_bytes(content)
    sparse(root / "large/a.bin", 4 * GIB + 300_000_000)
    (root / "large/b.txt").write_text("beyond four gigabytes")
    for number in range(6):
        sparse(root / f"wide/{number}.bin", GIB)
    source = random.Random(7)
    for number in range(30):
        (root / f"plain/{number}.bin").write_bytes(source.randbytes(1_500_000))
    with Server(root, home=tmp_path_factory.mktemp("home")) as server:
        server.scanned()
        yield server, root


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def odd_names() -> dict[bytes, bytes]:
    names = [
        b'100% sure "quoted" & <b>.txt',
        b"plus+and space#hash?.txt",
        b"line\nbreak.txt",
        "caf\u00e9.txt".encode(),
        "cafe\u0301.txt".encode(),
        b"\xff\xfe.bin",
        b"x" * 255,
        b"empty",
        b"CON",
        b"aux.txt",
        b"COM1.tar.gz",
        b"C:\\Windows\\x",
        b"up\\..\\..\\up",
        b"ends with a dot.",
        b"ends with a space ",
        b"UPPER.txt",
        b"upper.txt",
        "right\u202egpj.exe".encode(),
        "雪の日 🎵.flac".encode(),
        b"-rf",
        b"~",
        b"\x1b[2Jbell\x07",
    ]
    return {name: b"" if name == b"empty" else b"content of " + name for name in names}


def address(server: Server, path: Path, *options: str) -> str:
    made = json.loads(server.command("share", path, "--json", *options).stdout)
    return f"/s/{made['id']}/-/zip"


def fetched(server: Server, path: Path, to: Path) -> Path:
    url = server.url + address(server, path)
    subprocess.run(["curl", "--silent", "--fail", "--max-time", "120", "--output", to, url], check=True)
    return to


def accepted(program: Callable[[str], str], archive: Path) -> None:
    """Each of them reads every byte and holds it against its checksum; bsdtar as a stream, which it cannot seek in."""
    readers = (
        ["unzip", "-tqq", archive],
        ["7z", "t", "-bd", archive],
        ["sh", "-c", 'cat "$0" | bsdtar -xOf -', archive],
    )
    program("bsdtar")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    running = [subprocess.Popen([program(name), *arguments], **quiet) for name, *arguments in readers]
    for process in running:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said[-2000:]


@pytest.mark.parametrize(("folder", "count"), [("one", 1), ("many", MANY), ("plain", 30), ("large", 2)])
def test_unpackers_accept_archives_of_few_of_many_and_of_large_files(
    shelf: tuple[Server, Path], program: Callable[[str], str], tmp_path: Path, folder: str, count: int
) -> None:
    server, root = shelf
    archive = fetched(server, root / folder, tmp_path / "all.zip")
    accepted(program, archive)
    with zipfile.ZipFile(archive) as opened:
        assert len(opened.infolist()) == count
        assert folder == "large" or opened.testzip() is None
        last = opened.infolist()[-1]
        assert opened.read(last) == (root / folder / last.filename).read_bytes()
    archive.unlink()


def test_an_archive_of_an_empty_folder_holds_that_folder(
    shelf: tuple[Server, Path], tmp_path: Path, program: Callable[[str], str]
) -> None:
    server, root = shelf
    archive = fetched(server, root / "none", tmp_path / "none.zip")
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["none/"]
    accepted(program, archive)


def test_odd_names_unpack_to_safe_ones_each_with_its_own_content(
    shelf: tuple[Server, Path], tmp_path: Path, program: Callable[[str], str]
) -> None:
    server, root = shelf
    archive = fetched(server, root / "odd", tmp_path / "odd.zip")
    accepted(program, archive)
    contents = sorted(odd_names().values())
    for number, unpack in enumerate(
        (["unzip", "-q", archive, "-d"], ["7z", "x", "-bd", archive, "-o"], ["bsdtar", "-xf", archive, "-C"])
    ):
        target = tmp_path / f"out{number}"
        target.mkdir()
        command = [program(unpack[0]), *unpack[1:]]
        command = [*command[:-1], f"-o{target}"] if command[-1] == "-o" else [*command, target]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        assert sorted(path.read_bytes() for path in target.rglob("*") if path.is_file()) == contents
        assert all(path.parent == target for path in target.rglob("*"))
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    assert len({name.casefold() for name in names}) == len(contents)
    assert not any(set(name) & set('\\:*?"<>|\n\x1b\x07\u202e') or name[-1] in ". " for name in names)
    assert not {name.split(".")[0].upper() for name in names} & {"CON", "AUX", "COM1"}


class Ranged(io.RawIOBase):
    """A file at an address, read by ranges."""

    def __init__(self, url: str):
        self.url = url
        self.at = 0
        self.session = requests.Session()
        self.session.headers["Accept-Encoding"] = "identity"
        self.length = int(self.session.head(url, timeout=60).headers["Content-Length"])

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.length}[whence]
        return self.at

    def readinto(self, buffer: memoryview) -> int:
        end = min(self.at + len(buffer), self.length)
        if end <= self.at:
            return 0
        answer = self.session.get(self.url, headers={"Range": f"bytes={self.at}-{end - 1}"}, timeout=120)
        assert answer.status_code == 206, answer.status_code
        buffer[: len(answer.content)] = answer.content
        self.at = end
        return len(answer.content)


def test_an_archive_of_six_gigabytes_is_read_by_ranges_from_its_end(shelf: tuple[Server, Path]) -> None:
    server, root = shelf
    with zipfile.ZipFile(io.BufferedReader(Ranged(server.url + address(server, root / "wide")), 1 << 20)) as opened:
        assert [entry.file_size for entry in opened.infolist()] == [GIB] * 6
        assert opened.infolist()[-1].header_offset > 4 * GIB
        with opened.open(opened.infolist()[-1]) as last:
            assert last.read(5 << 20) == bytes(5 << 20)


@pytest.mark.parametrize("forget", ["WHERE 0", "WHERE item_id % 2 = 0", ""])
def test_curl_resumes_an_archive_over_a_kill_of_the_server(tmp_path: Path, home: Path, forget: str) -> None:
    root = tmp_path / "shelf"
    root.mkdir()
    source = random.Random(8)
    for number in range(25):
        (root / f"{number}.bin").write_bytes(source.randbytes(2_000_000))
    with Server(root, home=home) as server:
        server.scanned()
        whole = requests.get(server.url + address(server, root), timeout=60)
        path = address(server, root, "--downloads", "1")
        to = tmp_path / "part.zip"
        slowly = ["--silent", "--limit-rate", "8M", "--max-time", "2", "--output", to]
        broken = subprocess.run(["curl", *slowly, server.url + path], check=False)
        assert broken.returncode == 28
        assert 0 < to.stat().st_size < len(whole.content)
        server.process.kill()
        server.process.wait()
    with sqlite3.connect(home / "data/openshelf.sqlite") as rows:
        rows.execute(f"DELETE FROM checksum {forget}")
    rows.close()
    with Server(root, home=home) as server:
        resumed = [
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--continue-at",
            "-",
            "--output",
            to,
            server.url + path,
        ]
        subprocess.run(resumed, check=True, timeout=60)
        assert to.read_bytes() == whole.content
        again = requests.get(server.url + path, headers={"Range": f"bytes={len(whole.content) - 10}-"}, timeout=60)
        assert again.status_code == 404, "the only download was finished"
        etag = requests.head(server.url + address(server, root), timeout=60).headers["ETag"]
        assert etag == whole.headers["ETag"]
