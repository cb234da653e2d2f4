"""What every outer test starts from: the real program, real music, an engine for its rows."""

import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from music import Music, ffmpeg, make_album, packaged
from openshelf import BINARY, Server

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>Bubbles</title><description>All about them</description><link>{url}</link>
<item><title>First</title><guid>1</guid><pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate>
<enclosure url="{url}/episode.ogg" type="audio/ogg" length="{length}"/></item></channel></rss>
"""


def missing(what: str) -> None:
    """Skips aloud; where everything must run, fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing: {what}")
    pytest.skip(f"missing: {what}")


def pytest_sessionstart() -> None:
    # The clients obey these, even over what a test tells them.
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    if not BINARY.is_file():
        pytest.exit(f"{BINARY} is not built: cargo build", returncode=1)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Finds a program that Debian installs."""

    def find(name: str) -> str:
        return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or missing(name)

    return find


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Music:
    tracks = packaged("drascula-music", ".ogg") or missing("Debian's drascula-music")
    module = packaged("fb-music-high", ".xm") or missing("Debian's fb-music-high")
    program("ffmpeg")
    tagged = tmp_path_factory.mktemp("music") / "Frozen Bubble"
    make_album(tagged, module[0])
    return Music(drascula=tracks[0].parents[1], module=module[0], tagged=tagged)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory, music: Music) -> Iterator[str]:
    """The address of a podcast with one episode."""
    folder = tmp_path_factory.mktemp("feed")
    episode = music.short_track.read_bytes()
    (folder / "episode.ogg").write_bytes(episode)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        (folder / "feed.xml").write_text(FEED.format(url=url, length=len(episode)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{url}/feed.xml"
        server.shutdown()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "Films"
    folder.mkdir()
    picture = ["-f", "lavfi", "-i", "testsrc2=size=160x120:duration=2"]
    ffmpeg(*picture, "-f", "lavfi", "-i", "sine=duration=2", "-pix_fmt", "yuv420p", folder / "Clip.mp4")
    (folder / "Clip.en.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which engine keeps the rows. A module that needs only one overrides this."""
    return request.param


@pytest.fixture(scope="module")
def database(engine: str) -> Iterator[str | None]:
    """A database of the module's own; None lets the program make its SQLite file."""
    if engine == "sqlite":
        yield None
        return
    cluster = os.environ.get("OPENSHELF_TEST_POSTGRES") or missing("PostgreSQL (OPENSHELF_TEST_POSTGRES)")
    name = f"outside_{uuid.uuid4().hex}"
    administer(cluster, f"CREATE DATABASE {name}")
    yield cluster.rsplit("/", 1)[0] + f"/{name}"
    administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def administer(cluster: str, sql: str) -> None:
    subprocess.run(["psql", cluster, "--quiet", "--no-psqlrc", "--command", sql], check=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, music: Music, database: str | None) -> Iterator[Server]:
    """One server for a module, with all the music scanned."""
    with Server(*music.folders, home=tmp_path_factory.mktemp("home"), database=database) as server:
        server.scanned()
        yield server
