"""The share page in Debian's Chromium, as guests see it."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from music import Music, ffmpeg
from openshelf import ADMIN, Server, until
from openshelf import PASSWORD as SERVER_PASSWORD
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


def asked_for(page: Page) -> set[str]:
    """The tracks that the page asks for from now on."""
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url) if re.search("/-/(play|stream)/", request.url) else None)
    return asked


@pytest.mark.parametrize(
    ("limits", "kind"), [((), "play"), (("--downloads", "9"), "stream")], ids=["unlimited", "with a download limit"]
)
def test_an_album_plays_on_by_what_costs_nothing(
    open_page: Callable[..., Page], server: Server, music: Music, limits: tuple[str, ...], kind: str
) -> None:
    link = share(server, music.tagged, *limits)
    page = open_page(link)
    seen, asked = SharePage(page), asked_for(page)
    page.get_by_role("button", name="Play all").click()
    until(lambda: seen.playing_at_s() > 1, "a second of sound")
    until(lambda: len(asked) == 2, "the next track is loaded ahead")
    assert all(f"/-/{kind}/" in address for address in asked)
    expect(seen.track("Second Bubble")).to_have_attribute("aria-current", "true")
    until(lambda: seen.playing_at_s() > 0, "sound of the next track")
    if limits:
        shown = server.command("shares", "show", link.rsplit("/", 1)[1]).stdout
        assert "0 of 9" in shown, shown


def test_a_limited_track_is_sought_in_and_shows_its_waveform(
    open_page: Callable[..., Page], server: Server, music: Music
) -> None:
    page = open_page(share(server, music.drascula / "audio", "--downloads", "9"))
    seen = SharePage(page)
    seen.track("track1").click()
    until(lambda: seen.playing_at_s() > 0.2, "the first sound")
    expect(page.locator("canvas.wave")).to_be_visible()
    slider = page.get_by_label("Position in the track")
    slider.evaluate("slider => { slider.value = 100; slider.dispatchEvent(new Event('change')) }")
    until(lambda: seen.playing_at_s() > 100.5, "half a second of sound after a hundred")


def test_a_film_that_no_browser_knows_plays_on_the_page(
    open_page: Callable[..., Page], server: Server, tmp_path: Path
) -> None:
    film = tmp_path / "film.mkv"
    picture, sound = "testsrc2=s=640x360:r=25:d=20", "sine=f=500:d=20"
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-c:v", "mpeg4", "-c:a", "flac", film)
    page = open_page(share(server, film, "--downloads", "1"))
    page.locator("video").evaluate("video => { video.muted = true; return video.play() }")
    until(lambda: page.locator("video").evaluate("video => video.currentTime") > 7, "a film beyond its first segment")
    assert page.locator("video").evaluate("video => video.videoWidth") == 640


def test_the_space_bar_pauses_what_play_all_began(open_page: Callable[..., Page], album: str) -> None:
    page = open_page(album)
    seen = SharePage(page)
    page.get_by_role("button", name="Play all").click()
    until(lambda: seen.playing_at_s() > 0.2, "the first sound")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert seen.playing_at_s() == -1


def test_a_share_of_one_file_is_saved_as_that_file(
    open_page: Callable[..., Page], server: Server, music: Music
) -> None:
    page = open_page(share(server, music.short_track), java_script_enabled=False)
    expect(SharePage(page).zip).to_have_count(0)
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download (").click()
    assert saving.value.suggested_filename == music.short_track.name


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_an_owner_picks_several_things_and_a_guest_opens_them(
    open_page: Callable[..., Page], server: Server, music: Music, scripts: bool
) -> None:
    slug = f"two-shelves-{'with' if scripts else 'without'}"
    page = open_page(server.url, java_script_enabled=scripts)
    page.get_by_label("User name").fill(ADMIN)
    page.get_by_label("Password").fill(SERVER_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Share something").first.click()
    page.get_by_role("button", name="Share what is ticked").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was ticked")
    for shelf in (music.drascula, music.tagged):
        page.get_by_label(f"Pick {shelf.name}").check()
    page.get_by_role("button", name="Share what is ticked").click()

    page.get_by_label("Title").fill("Two shelves")
    page.get_by_label("Download limit").fill("7")
    page.get_by_label("Ask for a password").check()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Short name in the link").fill("Not A Slug")
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    for label, typed in {"Title": "Two shelves", "Download limit": "7", "New password": PASSWORD}.items():
        expect(page.get_by_label(label)).to_have_value(typed)
    expect(page.get_by_label("Ask for a password")).to_be_checked()
    page.get_by_label("Short name in the link").fill(slug)
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_text("Whoever has this link and the password can open it")).to_be_visible()

    page.get_by_role("link", name="Edit Two shelves").first.click()
    expect(page.get_by_label("Keep the password")).to_be_checked()
    page.get_by_label("Download limit").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="My shares")).to_be_visible()

    guest = open_page(f"{server.url}/s/{slug}", java_script_enabled=scripts)
    seen = SharePage(guest)
    seen.password.fill(PASSWORD)
    seen.unlock.click()
    expect(seen.title).to_have_text("Two shelves")
    expect(guest.get_by_text("downloads left")).to_have_count(0)
    seen.folder(music.drascula.name).click()
    seen.folder("audio").click()
    expect(seen.download("track28")).to_be_visible()


def test_a_made_api_key_is_shown_once(open_page: Callable[..., Page], server: Server) -> None:
    page = open_page(f"{server.url}/app/keys")
    page.get_by_label("User name").fill(ADMIN)
    page.get_by_label("Password").fill(SERVER_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name of the app").fill("Phone")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("code").inner_text()
    assert len(key) >= 22
    page.goto(f"{server.url}/app/keys")
    expect(page.get_by_text("Phone")).to_be_visible()
    assert key not in page.content()
