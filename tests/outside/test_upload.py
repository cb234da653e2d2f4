"""Uploads and drop boxes in Debian's Chromium."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from openshelf import ADMIN, PASSWORD, Server, until
from test_browser import FLAGS

PATIENCE_MS = 60_000
PART_BYTES = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def browser(program: Callable[[str], str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Browsers of their own, closed at the end."""
    contexts: list[BrowserContext] = []

    def opened(**options) -> BrowserContext:
        contexts.append(browser.new_context(**options))
        return contexts[-1]

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    with Server(home=home) as server:
        (own(server) / "inbox").mkdir()
        yield server


def own(server: Server) -> Path:
    """The admin's home."""
    return next((server.data / "homes").iterdir())


def drop_box(server: Server, *options: str) -> str:
    shared = server.command("share", own(server) / "inbox", *options, "--json")
    return shared.stdout.split('"url":"')[1].split('"')[0]


def noise(path: Path, size: int) -> bytes:
    path.write_bytes(os.urandom(size))
    return path.read_bytes()


def signed_in(server: Server, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}/app/files")
    page.get_by_label("User name or mail address").fill(ADMIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/app/files")
    return page


def choose(page: Page, *files: Path) -> None:
    page.get_by_label("Files", exact=True).set_input_files([str(file) for file in files])


def sent(server: Server) -> dict[str, Path]:
    """What lies in the home, by its path there."""
    top = own(server)
    files = [path for path in top.rglob("*") if path.is_file() and ".openshelf" not in path.parts]
    return {str(path.relative_to(top)): path for path in files}


def test_an_upload_goes_on_after_the_browser_was_closed(
    server: Server, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    content = noise(tmp_path / "large.bin", 8 * PART_BYTES + 5)
    context = new_context()
    page = signed_in(server, context)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 60_000_000}
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    parts = []
    page.on("request", lambda request: parts.append(request) if request.method == "PUT" else None)
    choose(page, tmp_path / "large.bin")
    # Four go at once: with the sixth, two have come.
    until(lambda: page.wait_for_timeout(50) or len(parts) >= 6, "six parts on their way")
    page.close(run_before_unload=False)
    assert not sent(server), "half a file shows nowhere"
    page = context.new_page()
    page.goto(f"{server.url}/app/files")
    again = []
    page.on("request", lambda request: again.append(request) if request.method == "PUT" else None)
    choose(page, tmp_path / "large.bin")
    expect(page.get_by_role("status")).to_contain_text("1 file sent", timeout=PATIENCE_MS)
    assert 0 < len(again) < 9, "what came before need not come again"
    assert sent(server)["large.bin"].read_bytes() == content


def test_a_pause_holds_an_upload_and_resume_ends_it(
    server: Server, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    content = noise(tmp_path / "large.bin", 3 * PART_BYTES)
    context = new_context()
    page = signed_in(server, context)
    devtools = context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    devtools.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": 10_000_000})
    with page.expect_request(lambda request: request.method == "PUT"):
        choose(page, tmp_path / "large.bin")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".sending")).to_contain_text("Paused")
    devtools.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": -1})
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("1 file sent", timeout=PATIENCE_MS)
    assert sent(server)["large.bin"].read_bytes() == content


def test_a_folder_comes_with_what_is_in_it(
    server: Server, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    album = tmp_path / "album"
    (album / "disc").mkdir(parents=True)
    for n in range(20):
        (album / "disc" / f"{n}.txt").write_text(str(n))
    (album / "notes.txt").write_text("notes")
    context = new_context()
    page = signed_in(server, context)
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Choose a folder").click()
    chosen.value.set_files(album)
    expect(page.get_by_role("status")).to_contain_text("21 files sent", timeout=PATIENCE_MS)
    expected = {"album/notes.txt"} | {f"album/disc/{n}.txt" for n in range(20)}
    assert set(sent(server)) == expected
    page.get_by_role("link", name="Show them").click()
    expect(page.get_by_role("link", name="album", exact=True)).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_guest_sends_files_and_holds_a_receipt(
    server: Server, new_context: Callable[..., BrowserContext], tmp_path: Path, scripts: bool
) -> None:
    noise(tmp_path / "photo.jpg", 300_000)
    (tmp_path / "virus.exe").write_text("x")
    (own(server) / "inbox" / "secret.jpg").write_text("what others sent")
    link = drop_box(server, "--drop=folders", "--ask-name", "--types=jpg,png", "--max-file=2M")
    context = new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(link)
    expect(page.get_by_text("Only jpg, png.")).to_be_visible()
    expect(page.get_by_text("Each file at most 2 MB.")).to_be_visible()
    assert "secret" not in page.content()
    assert "inbox" not in page.content()
    page.get_by_label("Your name").fill("Mira <b>")
    choose(page, tmp_path / "photo.jpg", *([tmp_path / "virus.exe"] if scripts else []))
    page.get_by_role("button", name="Send").click()
    if scripts:
        expect(page.get_by_role("status")).to_have_text("Thank you. 1 file sent. 1 file could not be sent.")
        expect(page.get_by_text("only jpg, png can be sent here")).to_be_visible()
        page.get_by_role("link", name="Receipt for what you sent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    expect(page.get_by_text("Mira <b>, this is what you sent")).to_be_visible()
    expect(page.get_by_text("photo.jpg")).to_be_visible()
    photo = next(path for name, path in sent(server).items() if name.endswith("/photo.jpg"))
    assert photo.parent.name.startswith("Mira b 20")
    assert photo.read_bytes() == (tmp_path / "photo.jpg").read_bytes()


def test_a_line_that_comes_back_ends_what_it_broke(
    server: Server, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    link = drop_box(server, "--drop")
    context = new_context()
    page = context.new_page()
    page.goto(link)
    choose(page, tmp_path / "a.txt")
    context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("No connection; trying again")).to_be_visible()
    context.set_offline(False)
    expect(page.get_by_role("status")).to_have_text("Thank you. 1 file sent.", timeout=PATIENCE_MS)
    assert list(sent(server)) == ["inbox/a.txt"]
