"""How tests find things on the share page: by role, label and visible text, as a person does."""

import re

from playwright.sync_api import Locator, Page

# The player's sound comes from elements that need not stand in the page: whatever ever played is remembered.
REMEMBER_PLAYERS = """
    window.heard = new Set();
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () { window.heard.add(this); return play.call(this); };
"""


class SharePage:
    def __init__(self, page: Page):
        self.page = page

    @property
    def title(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    @property
    def password(self) -> Locator:
        return self.page.get_by_label("Password")

    @property
    def unlock(self) -> Locator:
        return self.page.get_by_role("button", name="Open")

    def folder(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def track(self, title: str) -> Locator:
        """The name of a track; with scripts it plays on the page."""
        return self.page.get_by_role("link", name=title, exact=True)

    def download(self, name: str) -> Locator:
        """The link that saves one file or track."""
        return self.page.get_by_role("link", name=re.compile(rf"^Download {re.escape(name)}( \(|$)"))

    @property
    def zip(self) -> Locator:
        return self.page.get_by_role("link", name=re.compile("^Download all"))

    def playing_at_s(self) -> float:
        """Where the sounding track stands; -1 when none sounds."""
        return self.page.evaluate(
            """() => {
                const sounding = audio => !audio.paused && !audio.error && audio.readyState > 2;
                return [...window.heard].find(sounding)?.currentTime ?? -1;
            }"""
        )

    def seek(self, to_s: float) -> None:
        self.page.evaluate("to => { [...window.heard].find(audio => !audio.paused).currentTime = to }", to_s)
