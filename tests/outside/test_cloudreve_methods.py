"""The PyPI package `cloudreve`: every public method of its v4 class, each by a test of its name, by its effect.

What it has besides are uploads to other clouds (`_upload_to_onedrive` and its like), which no server with a storage of
type `local` sets off.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cloudreve.models import CloudreveV4

from openshelf import ADMIN_MAIL, PASSWORD, Server

METHODS = sorted(name for name, _ in inspect.getmembers(CloudreveV4, inspect.isfunction) if not name.startswith("_"))


class Recorded(CloudreveV4):
    """Remembers which of its methods were run."""

    def __init__(self, *arguments, **more):
        self.ran: set[str] = set()
        super().__init__(*arguments, **more)

    def __getattribute__(self, name: str):
        if name != "ran":
            self.ran.add(name)
        return super().__getattribute__(name)


@pytest.fixture(scope="module")
def signed_in(server: Server) -> Recorded:
    client = Recorded(server.url)
    client.login(ADMIN_MAIL, PASSWORD)
    return client


@pytest.fixture
def drive(signed_in: Recorded, request: pytest.FixtureRequest) -> Iterator[Recorded]:
    """Signed in, with an empty folder `/M`. The method that the test is named by must have been run."""
    signed_in.create_folder("/M")
    signed_in.ran.clear()
    yield signed_in
    assert request.function.__name__.removeprefix("test_") in signed_in.ran
    signed_in.delete("/M")


def names(drive: CloudreveV4, folder: str) -> dict[str, int]:
    """What lies there: name to kind (0 file, 1 folder)."""
    return {file["name"]: file["type"] for file in drive.list(folder)["files"]}


def content(drive: CloudreveV4, uri: str) -> bytes:
    return requests.get(drive.get_download_url(f"cloudreve://my{uri}"), timeout=30).content


def written(drive: CloudreveV4, uri: str, text: str = "content") -> str:
    drive.create_file(uri)
    drive.update_file_content(uri, text)
    return uri


def test_every_method_has_a_test_by_its_name() -> None:
    assert len(METHODS) == 21
    assert [name for name in METHODS if f"test_{name}" not in globals()] == []


@pytest.mark.parametrize("address", ["{}", "{}/", "{}//", "{}/api/v4", "{}/api/v4/"])
def test_an_address_is_taken_in_every_form(server: Server, address: str) -> None:
    headers = {"X-Own": "kept"}
    client = CloudreveV4(
        address.format(server.url), verify=True, headers=headers, cloudreve_session="of an older server"
    )
    client.login(ADMIN_MAIL, PASSWORD)
    assert client.request("get", "/user/me")["email"] == ADMIN_MAIL


def test_login(drive: Recorded, server: Server) -> None:
    drive.login(ADMIN_MAIL, PASSWORD)
    assert drive.user["email"] == ADMIN_MAIL
    fresh = drive.request("post", "/session/token/refresh", json={"refresh_token": drive.refresh_token})
    assert fresh["refresh_token"] != drive.refresh_token
    with pytest.raises(Exception, match="^40080: "):
        CloudreveV4(server.url).login(ADMIN_MAIL, "wrong")


def test_request(drive: Recorded) -> None:
    assert re.fullmatch(r"4\.\d+\.\d+", drive.request("get", "/site/ping")), "plain semver"
    assert drive.request("delete", "/file", json={"uris": [written_uri(drive, "/M/gone.txt")]}) is None
    with pytest.raises(Exception, match=r"^40016: .+"):
        drive.request("get", "/file/info", params={"uri": "cloudreve://my/M/gone.txt"})


def written_uri(drive: CloudreveV4, path: str) -> str:
    return f"cloudreve://my{written(drive, path)}"


def test_list(drive: Recorded) -> None:
    for name, text in (("b.txt", "1"), ("a.txt", "333"), ("c.txt", "22")):
        written(drive, f"/M/{name}", text)
    drive.create_folder("/M/z")

    def listed(**how) -> list[str]:
        return [file["name"] for file in drive.list("/M", **how)["files"]]

    assert listed(order_by="name") == ["z", "a.txt", "b.txt", "c.txt"], "folders first"
    assert listed(order_by="size") == ["z", "b.txt", "c.txt", "a.txt"]
    assert listed() == ["z", "b.txt", "a.txt", "c.txt"], "by when they were made"
    first = drive.list("cloudreve://my/drascula/audio", page_size=20, order_by="name")
    token = first["pagination"]["next_token"]
    rest = drive.list("/drascula/audio", page_size=20, order_by="name", next_page_token=token)
    assert len({file["id"] for file in first["files"] + rest["files"]}) == 31
    assert drive.list("/M//")["parent"]["path"] == "cloudreve://my/M"
    assert first["storage_policy"]["type"] == "local"


def test_get_info(drive: Recorded) -> None:
    written(drive, "/M/a.txt", "four")
    info = drive.get_info("M/a.txt")
    assert (info["name"], info["size"], info["type"]) == ("a.txt", 4, 0)
    assert [entity["size"] for entity in info["extended_info"]["entities"]] == [4]


def test_get_property(drive: Recorded) -> None:
    assert drive.get_property("/M") == drive.get_info("/M")


def test_get_download_url(drive: Recorded) -> None:
    written(drive, "/M/a b.txt", "four")
    url = drive.get_download_url("cloudreve://my/M/a b.txt")
    answer = requests.get(url, headers={"Range": "bytes=1-2"}, timeout=30)
    assert (answer.status_code, answer.content) == (206, b"ou")
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_download(drive: Recorded, tmp_path: Path) -> None:
    written(drive, "/M/a.txt", "four")
    drive.download("/M/a.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"four"


def test_get_source_url(drive: Recorded) -> None:
    written(drive, "/M/a.txt", "four")
    written(drive, "/M/b.txt", "other")
    assert requests.get(drive.get_source_url("/M/a.txt"), timeout=30).content == b"four"
    both = drive.get_source_url(["/M/b.txt", "/M/a.txt"])
    assert [requests.get(one["link"], timeout=30).content for one in both] == [b"other", b"four"]
    assert [one["file_url"] for one in both] == ["cloudreve://my/M/b.txt", "cloudreve://my/M/a.txt"]


def test_get_share_url(drive: Recorded, server: Server) -> None:
    written(drive, "/M/README.md", "read me")
    bare = drive.get_share_url("/M")
    terms = {"downloads": 1, "expire": 3600, "password": "Secret1", "share_view": True, "show_readme": True}
    link = drive.get_share_url("/M", **terms)
    share = link.split("/")[-2]
    assert link == f"{server.url}/s/{share}/Secret1"
    info = drive.request("get", f"/share/info/{share}", params={"password": "Secret1"})
    assert (info["remain_downloads"], info["share_view"], info["show_readme"]) == (1, True, True)
    guest = CloudreveV4(server.url)
    assert names(guest, f"cloudreve://{bare.split('/')[-1]}@share") == {"README.md": 0}
    shared = f"cloudreve://{share}:Secret1@share/README.md"
    assert requests.get(guest.get_download_url(shared), timeout=30).content == b"read me"
    with pytest.raises(Exception, match="^404: "):
        guest.get_download_url(shared)


def test_create_file(drive: Recorded) -> None:
    assert drive.create_file("/M/new/deep/a.txt")["size"] == 0
    assert names(drive, "/M/new/deep") == {"a.txt": 0}
    with pytest.raises(Exception, match="^40004: "):
        drive.create_file("/M/new/deep/a.txt", err_on_conflict=True)


def test_create_folder(drive: Recorded) -> None:
    made = drive.create_folder("/M/sub")
    assert drive.create_folder("/M/sub")["id"] == made["id"], "one that is there is good enough"
    with pytest.raises(Exception, match="^40004: "):
        drive.create_folder("/M/sub", err_on_conflict=True)
    assert names(drive, "/M") == {"sub": 1}


def test_create_dir(drive: Recorded) -> None:
    drive.create_dir("/M/sub")
    assert names(drive, "/M") == {"sub": 1}


def test_create_directory(drive: Recorded) -> None:
    drive.create_directory("/M/sub")
    assert names(drive, "/M") == {"sub": 1}


def test_update_file_content(drive: Recorded) -> None:
    drive.create_file("/M/a.txt")
    for text in ("first", "", "Größe".encode()):
        assert drive.update_file_content("/M/a.txt", text)["size"] == len(text)
        assert content(drive, "/M/a.txt") == (text if isinstance(text, bytes) else text.encode())


def test_delete(drive: Recorded) -> None:
    for name in ("a", "b", "c"):
        written(drive, f"/M/{name}.txt")
    drive.delete(["/M/a.txt", "/M/b.txt"])
    assert names(drive, "/M") == {"c.txt": 0}
    trashed = {file["name"]: file["path"] for file in drive.list("cloudreve://trash")["files"]}
    drive.request("post", "/file/restore", json={"uris": [trashed["a.txt"]]})
    assert names(drive, "/M") == {"a.txt": 0, "c.txt": 0}
    drive.delete("/M/c.txt", trash_bin=True)
    assert names(drive, "/M") == {"a.txt": 0}
    with pytest.raises(Exception, match="^40019: |^40081: "):
        # It would keep bytes of which this server has no second place.
        drive.delete("/M/a.txt", unlink=True)
    assert names(drive, "/M") == {"a.txt": 0}


def test_remove(drive: Recorded) -> None:
    written(drive, "/M/a.txt")
    drive.remove("/M/a.txt")
    assert names(drive, "/M") == {}


def test_rename(drive: Recorded) -> None:
    written(drive, "/M/a.txt", "four")
    written(drive, "/M/taken.txt")
    assert drive.rename("/M/a.txt", "Größe.txt")["path"] == "cloudreve://my/M/Gr%C3%B6%C3%9Fe.txt"
    with pytest.raises(Exception, match="^40004: "):
        drive.rename("/M/Größe.txt", "taken.txt")
    assert names(drive, "/M") == {"Größe.txt": 0, "taken.txt": 0}
    assert content(drive, "/M/Größe.txt") == b"four"


def test_copy_or_move(drive: Recorded) -> None:
    written(drive, "/M/a.txt", "four")
    drive.create_folder("/M/sub")
    drive.copy_or_move("/M/a.txt", "/M/sub", copy=True)
    assert (names(drive, "/M"), names(drive, "/M/sub")) == ({"a.txt": 0, "sub": 1}, {"a.txt": 0})
    drive.delete("/M/sub/a.txt")
    drive.copy_or_move(["/M/a.txt"], "/M/sub")
    assert (names(drive, "/M"), names(drive, "/M/sub")) == ({"sub": 1}, {"a.txt": 0})


def test_copy(drive: Recorded) -> None:
    written(drive, "/M/from/a.txt", "four")
    drive.create_folder("/M/to")
    drive.copy("/M/from", "/M/to")
    assert content(drive, "/M/to/from/a.txt") == content(drive, "/M/from/a.txt") == b"four"


def test_move(drive: Recorded) -> None:
    written(drive, "/M/from/a.txt", "four")
    drive.create_folder("/M/to")
    drive.move(["/M/from/a.txt"], "/M/to")
    assert (names(drive, "/M/from"), content(drive, "/M/to/a.txt")) == ({}, b"four")
    with pytest.raises(Exception, match="^40081: "):
        drive.move("/M/from/a.txt", "/M/to")


@pytest.mark.parametrize("size_bytes", [1, 25 << 20, (25 << 20) + 1])
def test_upload(drive: Recorded, tmp_path: Path, size_bytes: int) -> None:
    """In chunks of 25 MiB: one that is not full, one that is, and one byte more."""
    source = tmp_path / "any.bin"
    source.write_bytes((bytes(range(251)) * (1 + size_bytes // 251))[:size_bytes])
    drive.upload(source, "/M/any.bin")
    assert content(drive, "/M/any.bin") == source.read_bytes()
    with pytest.raises(FileNotFoundError):
        drive.upload(tmp_path / "none", "/M/none")
    with pytest.raises(Exception, match="^40004: "):
        drive.upload(source, "/M/any.bin")
