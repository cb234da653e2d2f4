"""The PyPI package `cloudreve`, its v4 class: a whole session against the server's base address.

What it sends that no schema asks for: explicit nulls in `PUT /share`, `order` for `order_direction`, `extended=True` in
Python's spelling, an unknown `trash_bin` on delete, file names in URIs with no percent-encoding, and its bearer token
also to the signed download address.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cloudreve.models import CloudreveV4

from music import Music
from openshelf import ADMIN, ADMIN_MAIL, PASSWORD, Server


@pytest.fixture(scope="module")
def drive(server: Server) -> CloudreveV4:
    client = CloudreveV4(server.url)
    client.login(ADMIN_MAIL, PASSWORD)
    return client


@pytest.fixture
def folder(drive: CloudreveV4) -> Iterator[str]:
    """An empty folder in the home, gone after the test."""
    drive.create_folder("/Outside")
    yield "/Outside"
    drive.delete("/Outside")


def names(drive: CloudreveV4, uri: str) -> dict[str, int]:
    """What a folder lists: name to kind (0 file, 1 folder)."""
    return {file["name"]: file["type"] for file in drive.list(uri)["files"]}


def test_login_takes_the_mail_or_the_name_and_refuses_a_wrong_password(server: Server) -> None:
    for name in (ADMIN_MAIL, ADMIN):
        client = CloudreveV4(server.url)
        client.login(name, PASSWORD)
        assert client.user["id"]
        assert client.refresh_token
    with pytest.raises(Exception, match=r"^\d{5}: .+"):
        CloudreveV4(server.url).login(ADMIN_MAIL, "wrong")


def test_nobody_lists_without_a_login(server: Server) -> None:
    with pytest.raises(Exception, match=r"^\d+: "):
        CloudreveV4(server.url).list("/")


def test_the_root_shows_the_libraries(drive: CloudreveV4, music: Music) -> None:
    root = drive.list("/")
    assert {folder.name for folder in music.folders} <= {file["name"] for file in root["files"]}
    assert root["storage_policy"]["type"] == "local", "anything else makes clients talk to some other cloud"


def test_a_library_lists_and_downloads_its_real_files(drive: CloudreveV4, music: Music, tmp_path: Path) -> None:
    listed = drive.list("/drascula/audio")["files"]
    assert {file["name"]: file["size"] for file in listed} == {
        track.name: track.stat().st_size for track in music.tracks
    }
    for source, uri in (
        (music.short_track, "/drascula/audio/track28.ogg"),
        (music.module, f"/{music.module.parent.name}/{music.module.name}"),
        (music.tagged_tracks[2], "/Frozen Bubble/03 Third & Last.ogg"),
    ):
        drive.download(uri, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_a_library_that_is_not_writable_refuses_writes(drive: CloudreveV4) -> None:
    for write in (
        lambda: drive.create_folder("/drascula/new"),
        lambda: drive.rename("/drascula/audio/track28.ogg", "renamed.ogg"),
        lambda: drive.delete("/drascula/audio/track28.ogg"),
    ):
        with pytest.raises(Exception, match=r"^(403|40081): "):
            write()
    assert "track28.ogg" in names(drive, "/drascula/audio")


@pytest.mark.parametrize("name", ["plain.txt", "two words.txt", "Größe & Maß+1.txt", "100% sure.txt", "no suffix"])
def test_an_upload_is_listed_and_comes_back_byte_for_byte(
    drive: CloudreveV4, folder: str, tmp_path: Path, name: str
) -> None:
    source = tmp_path / name
    source.write_bytes(bytes(range(256)) * 1000)
    drive.upload(source, f"{folder}/{name}")
    assert names(drive, folder) == {name: 0}
    info = drive.get_info(f"{folder}/{name}")
    assert (info["name"], info["size"]) == (name, 256_000)
    drive.download(f"{folder}/{name}", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_an_upload_of_several_chunks_is_whole(drive: CloudreveV4, folder: str, tmp_path: Path) -> None:
    """Larger than Cloudreve's own default chunk of 25 MiB, and ending inside a chunk."""
    source = tmp_path / "large.bin"
    source.write_bytes(bytes(range(251)) * 220_000)
    drive.upload(source, f"{folder}/large.bin")
    drive.download(f"{folder}/large.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_an_upload_does_not_overwrite(drive: CloudreveV4, folder: str, tmp_path: Path) -> None:
    source = tmp_path / "once.txt"
    source.write_text("first")
    drive.upload(source, f"{folder}/once.txt")
    source.write_text("second")
    with pytest.raises(Exception, match="^40004: "):
        drive.upload(source, f"{folder}/once.txt")
    drive.download(f"{folder}/once.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "first"


def test_create_rename_move_copy_and_delete_do_what_they_say(drive: CloudreveV4, folder: str, tmp_path: Path) -> None:
    drive.create_folder(f"{folder}/a")
    drive.create_folder(f"{folder}/b")
    drive.create_file(f"{folder}/a/empty.txt")
    assert names(drive, f"{folder}/a") == {"empty.txt": 0}
    drive.rename(f"{folder}/a/empty.txt", "note.txt")
    drive.move(f"{folder}/a/note.txt", f"{folder}/b")
    assert names(drive, f"{folder}/a") == {}
    drive.update_file_content(f"{folder}/b/note.txt", "written")
    drive.copy([f"{folder}/b/note.txt"], f"{folder}/a")
    assert names(drive, f"{folder}/a") == names(drive, f"{folder}/b") == {"note.txt": 0}
    drive.download(f"{folder}/a/note.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "written"
    drive.delete([f"{folder}/a", f"{folder}/b"])
    assert names(drive, folder) == {}
    with pytest.raises(Exception, match=r"^\d{5}|^404: "):
        drive.get_info(f"{folder}/a")


def test_folders_list_their_pages_without_gaps_and_repeats(drive: CloudreveV4) -> None:
    found, token = [], None
    while True:
        page = drive.list("/drascula/audio", page_size=10, order_by="name", next_page_token=token)
        found += [file["name"] for file in page["files"]]
        token = page["pagination"].get("next_token")
        if not token:
            break
        assert len(page["files"]) == 10, "some clients stop at a short page"
    assert len(found) == len(set(found)) == 31


def test_the_download_address_needs_no_login_and_says_attachment(drive: CloudreveV4, music: Music) -> None:
    url = drive.get_download_url("cloudreve://my/drascula/audio/track28.ogg")
    answer = requests.get(url, timeout=30)
    assert answer.content == music.short_track.read_bytes()
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_direct_link_gives_the_file(drive: CloudreveV4, music: Music) -> None:
    link = drive.get_source_url("/drascula/audio/track28.ogg")
    assert requests.get(link, timeout=30).content == music.short_track.read_bytes()


def test_a_share_link_opens_for_a_guest_with_its_password_only(
    drive: CloudreveV4, server: Server, music: Music
) -> None:
    link = drive.get_share_url("/drascula/audio", password="Secret1", expire=3600, downloads=2)
    share, password = re.fullmatch(rf"{re.escape(server.url)}/s/([A-Za-z0-9]+)/(\w+)", link).groups()
    assert password == "Secret1"

    def info(**query: str) -> dict:
        return requests.get(f"{server.url}/api/v4/share/info/{share}", params=query, timeout=30).json()["data"]

    assert info()["unlocked"] is False
    assert info(password="wrong")["unlocked"] is False
    opened = info(password=password)
    assert (opened["unlocked"], opened["name"], opened["source_type"], opened["remain_downloads"]) == (
        True,
        "audio",
        1,
        2,
    )

    guest = CloudreveV4(server.url)
    with pytest.raises(Exception, match="^40069: "):
        guest.list(f"cloudreve://{share}@share")
    root = f"cloudreve://{share}:{password}@share"
    assert len(guest.list(root)["files"]) == len(music.tracks)
    url = guest.get_download_url(f"{root}/track28.ogg")
    assert requests.get(url, timeout=30).content == music.short_track.read_bytes()


def test_a_share_without_options_opens_for_everyone_and_dies_with_its_deletion(
    drive: CloudreveV4, server: Server
) -> None:
    link = drive.get_share_url("/drascula/audio/track28.ogg")
    share = link.removeprefix(f"{server.url}/s/")
    assert share.isalnum()
    guest = CloudreveV4(server.url)
    assert [file["name"] for file in guest.list(f"cloudreve://{share}@share")["files"]] == ["track28.ogg"]
    assert share in [mine["id"] for mine in drive.request("get", "/share", params={"page_size": 50})["shares"]]
    drive.request("delete", f"/share/{share}")
    with pytest.raises(Exception, match="^(404|40[0-9]{3}): "):
        guest.list(f"cloudreve://{share}@share")
    assert share not in [mine["id"] for mine in drive.request("get", "/share", params={"page_size": 50})["shares"]]
