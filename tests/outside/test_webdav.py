"""WebDAV as strangers speak it: Debian's litmus, and PyPI's rclone with a tree of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from openshelf import ADMIN_MAIL, PASSWORD, Server

API = "/api/v4"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database: str | None) -> Iterator[Server]:
    with Server(home=tmp_path_factory.mktemp("home"), database=database) as server:
        yield server


@pytest.fixture(scope="module")
def app_password(server: Server) -> str:
    """That of an app account, as the interface makes one."""
    signed_in = requests.post(
        f"{server.url}{API}/session/token", json={"email": ADMIN_MAIL, "password": PASSWORD}, timeout=30
    ).json()
    made = requests.put(
        f"{server.url}{API}/devices/dav",
        json={"uri": "cloudreve://my", "name": "strangers", "readonly": False},
        headers={"Authorization": f"Bearer {signed_in['data']['token']['access_token']}"},
        timeout=30,
    ).json()
    return made["data"]["password"]


def test_litmus_passes_whole(server: Server, app_password: str, program: Callable[[str], str], tmp_path: Path) -> None:
    run = subprocess.run(
        [program("litmus"), "-k", f"{server.url}/dav/", ADMIN_MAIL, app_password],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    summaries = [line for line in run.stdout.splitlines() if line.startswith("<- summary")]
    assert len(summaries) == 5, run.stdout
    assert run.returncode == 0, run.stdout
    assert all(" 0 failed" in line for line in summaries), run.stdout
    assert "skipped" not in run.stdout, run.stdout


@pytest.fixture
def rclone(server: Server, app_password: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs rclone with the remote `shelf:`."""
    binary = Path(sys.executable).with_name("rclone")
    hidden = subprocess.run(
        [binary, "obscure", app_password], capture_output=True, text=True, check=True
    ).stdout.strip()
    configuration = tmp_path / "rclone.conf"
    configuration.write_text(
        f"[shelf]\ntype = webdav\nurl = {server.url}/dav\nvendor = owncloud\nuser = {ADMIN_MAIL}\npass = {hidden}\n"
    )

    def run(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RCLONE_CONFIG": str(configuration)}
        done = subprocess.run(
            [binary, "--retries", "1", "--low-level-retries", "1", *map(str, arguments)],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name, size in {
        "top.txt": 5,
        "empty": 0,
        "sub/Größe & Maß #1?.bin": 3_000_000,
        "sub/deep/100% sure+.txt": 70_000,
        "sub/日本.txt": 1,
    }.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return tree


def test_rclone_brings_a_tree_and_finds_it_whole(
    rclone: Callable[..., subprocess.CompletedProcess[str]], tree: Path, tmp_path: Path
) -> None:
    rclone("copy", tree, "shelf:tree")
    assert "0 differences" in rclone("check", tree, "shelf:tree", "--download").stderr
    listed = rclone("lsf", "-R", "--format", "pst", "shelf:tree").stdout
    assert "sub/Größe & Maß #1?.bin;3000000;2023-11-14" in listed, "sizes and times are those of the files"
    again = rclone("copy", tree, "shelf:tree", "--stats-one-line", "-v").stderr
    assert "There was nothing to transfer" in again, "and are not sent again"
    rclone("copy", "shelf:tree", tmp_path / "back")
    for path in tree.rglob("*"):
        if path.is_file():
            assert (tmp_path / "back" / path.relative_to(tree)).read_bytes() == path.read_bytes(), path

    rclone("moveto", "shelf:tree/top.txt", "shelf:tree/sub/deep/moved.txt")
    rclone("move", "shelf:tree/sub", "shelf:other/sub", "--delete-empty-src-dirs")
    rclone("deletefile", "shelf:tree/empty")
    rclone("copyto", "shelf:other/sub/日本.txt", "shelf:other/copy.txt")
    names = set(rclone("lsf", "-R", "--files-only", "shelf:").stdout.splitlines())
    assert names == {
        "other/copy.txt",
        "other/sub/Größe & Maß #1?.bin",
        "other/sub/deep/100% sure+.txt",
        "other/sub/deep/moved.txt",
        "other/sub/日本.txt",
    }
    shutil.move(tree / "top.txt", tree / "sub/deep/moved.txt")
    assert "0 differences" in rclone("check", tree / "sub", "shelf:other/sub", "--download").stderr
    rclone("sync", tree / "sub/deep", "shelf:other/sub")
    assert "0 differences" in rclone("check", tree / "sub/deep", "shelf:other/sub", "--download").stderr
    assert "Used" in rclone("about", "shelf:").stdout
    rclone("purge", "shelf:other")
    assert rclone("lsf", "-R", "--files-only", "shelf:").stdout == ""
