"""The share page in Debian's Chromium, as guests see it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from music import Music
from openshelf import Server, until
from page import REMEMBER_PLAYERS, SharePage

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1440, "height": 900}}
# Nothing but loopback is asked; the sandbox needs rights that containers do not give.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PASSWORD = "Secret1"


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


@pytest.fixture(scope="module")
def browser(program: Callable[[str], str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page as a new visitor, and fails the test for whatever the page's own code got wrong."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opened(url: str, **options) -> Page:
        context = browser.new_context(accept_downloads=True, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        context.add_init_script(REMEMBER_PLAYERS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("requestfailed", failed)
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(url)
        return page

    def failed(request: Request) -> None:
        # A player drops what it no longer needs, and a download leaves the page: both count as aborted.
        if "ERR_ABORTED" not in (request.failure or ""):
            faults.append(f"{request.url}: {request.failure}")

    yield opened
    for context in contexts:
        context.close()
    assert not faults


def share(server: Server, path: Path, *options: str) -> str:
    """The link of a new share."""
    return json.loads(server.command("share", path, "--json", *options).stdout)["url"]


@pytest.fixture(scope="module")
def album(server: Server, music: Music) -> str:
    return share(server, music.drascula / "audio")


@pytest.fixture(scope="module")
def locked(server: Server, music: Music) -> str:
    return share(server, music.drascula / "audio", f"--password={PASSWORD}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_its_screen_in_both_colours(
    open_page: Callable[..., Page], album: str, size: str, scheme: str, tmp_path: Path
) -> None:
    page = open_page(album, viewport=SIZES[size], color_scheme=scheme, is_mobile=size == "phone")
    seen = SharePage(page)
    expect(seen.title).to_be_visible()
    expect(seen.track("track1")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    # Text must stand off its ground: the schemes are real, and neither hides anything.
    ink, ground = page.evaluate(
        """() => {
            const [r, g, b, a] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => (r * 299 + g * 587 + b * 114) / 255000;
            const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? 0 : 1;
            const ink = getComputedStyle(document.querySelector('h1')).color.match(/[\\d.]+/g).map(Number);
            return [light(ink), a === 0 ? canvas : light([r, g, b])];
        }"""
    )
    assert (ground < 0.5) == (scheme == "dark")
    assert abs(ink - ground) > 0.4
    page.screenshot(path=tmp_path / f"{size}-{scheme}.png", full_page=True)


def test_a_track_plays_on_the_page(open_page: Callable[..., Page], album: str) -> None:
    seen = SharePage(open_page(album))
    seen.track("track1").click()
    until(lambda: seen.playing_at_s() > 0.5, "half a second of sound")


def test_seeking_far_ahead_goes_on_playing(open_page: Callable[..., Page], album: str) -> None:
    seen = SharePage(open_page(album))
    seen.track("track1").click()
    until(lambda: seen.playing_at_s() > 0.2, "the first sound")
    seen.seek(120)
    until(lambda: seen.playing_at_s() > 120.5, "half a second of sound after two minutes")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_file_is_saved_byte_for_byte(
    open_page: Callable[..., Page], album: str, music: Music, scripts: bool, tmp_path: Path
) -> None:
    page = open_page(album, java_script_enabled=scripts)
    with page.expect_download() as saving:
        SharePage(page).download("track28").click()
    assert saving.value.suggested_filename == "track28.ogg"
    saving.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == music.short_track.read_bytes()


def test_the_folder_is_saved_as_a_zip_that_unzip_accepts(
    open_page: Callable[..., Page], album: str, music: Music, program: Callable[[str], str], tmp_path: Path
) -> None:
    page = open_page(album)
    with page.expect_download() as saving:
        SharePage(page).zip.click()
    assert saving.value.suggested_filename == "audio.zip"
    saving.value.save_as(tmp_path / "all.zip")
    tested = subprocess.run([program("unzip"), "-t", tmp_path / "all.zip"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
    assert tested.stdout.count("OK\n") >= len(music.tracks)
    subprocess.run([program("unzip"), "-q", tmp_path / "all.zip", "-d", tmp_path / "all"], check=True)
    unpacked = {path.name: path.read_bytes() for path in (tmp_path / "all").rglob("*.ogg")}
    assert unpacked == {track.name: track.read_bytes() for track in music.tracks}


def test_folders_are_walked_without_scripts(open_page: Callable[..., Page], server: Server, music: Music) -> None:
    page = open_page(share(server, music.drascula), java_script_enabled=False)
    seen = SharePage(page)
    expect(seen.title).to_have_text("drascula")
    seen.folder("audio").click()
    expect(seen.download("track28")).to_be_visible()
    page.go_back()
    expect(seen.folder("audio")).to_be_visible()


def test_a_name_that_html_must_escape_is_shown_as_it_is(
    open_page: Callable[..., Page], server: Server, music: Music
) -> None:
    page = open_page(share(server, music.tagged), java_script_enabled=False)
    expect(SharePage(page).track("Third & Last")).to_be_visible()
    with page.expect_download() as saving:
        SharePage(page).download("Third & Last").click()
    assert saving.value.suggested_filename == "03 Third & Last.ogg"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_locked_page_tells_nothing_until_the_password_is_given(
    open_page: Callable[..., Page], locked: str, scripts: bool
) -> None:
    page = open_page(locked, java_script_enabled=scripts)
    seen = SharePage(page)
    assert "audio" not in page.title()
    assert "track1" not in page.content()
    seen.password.fill("wrong")
    seen.unlock.click()
    expect(seen.password).to_be_visible()
    assert "track1" not in page.content()
    seen.password.fill(PASSWORD)
    seen.unlock.click()
    expect(seen.download("track28")).to_be_visible()
    assert PASSWORD not in page.url
    page.reload()
    expect(seen.download("track28")).to_be_visible()


def test_a_link_with_its_password_unlocks_and_leaves_it_behind(open_page: Callable[..., Page], locked: str) -> None:
    page = open_page(f"{locked}/{PASSWORD}")
    expect(SharePage(page).download("track28")).to_be_visible()
    assert page.url.rstrip("/") == locked


def test_a_revoked_share_shows_a_page_and_no_name(open_page: Callable[..., Page], server: Server, music: Music) -> None:
    link = share(server, music.drascula / "audio")
    server.command("shares", "revoke", link.rsplit("/", 1)[1])
    page = open_page(link)
    expect(SharePage(page).title).to_be_visible()
    assert "audio" not in page.locator("body").inner_text()
