"""The command line, in an empty home."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from music import Music
from openshelf import ADMIN, PASSWORD, Running, Server, environment, run

LINK = r"http://\S+/s/[A-Za-z0-9]{22}"


@pytest.fixture(scope="module")
def engine() -> str:
    return "sqlite"


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    return environment(home, OPENSHELF_LISTEN="127.0.0.1:0")


def shared(server: Server, path: Path, *options: str) -> dict:
    return json.loads(server.command("share", path, "--json", *options).stdout)


def signs_in(server: Server, name: str, password: str) -> bool:
    login = {"email": name, "password": password}
    return requests.post(f"{server.url}/api/v4/session/token", json=login, timeout=30).json()["code"] == 0


def test_share_prints_a_link_and_serves_until_stopped(home: Path, env: dict[str, str], music: Music) -> None:
    with Running("share", music.short_track, home=home, env=env) as sharing:
        link = sharing.line(LINK).group()
        assert requests.get(link, timeout=30).status_code == 200
        assert "track28.ogg" in requests.get(link, timeout=30).text
        assert sharing.process.poll() is None
        assert sharing.stop() == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(link, timeout=5)


def test_share_draws_the_link_as_a_qr_code(home: Path, env: dict[str, str], music: Music) -> None:
    with Running("share", music.short_track, home=home, env=env) as sharing:
        sharing.line(LINK)
        sharing.stop()
        assert re.search("[█▀▄]{8}", sharing.stdout + sharing.stderr)


def test_share_gives_the_item_and_never_what_lies_beside_it(home: Path, env: dict[str, str], music: Music) -> None:
    with Running("share", music.short_track, home=home, env=env) as sharing:
        link = sharing.line(LINK).group()
        base, share = link.rsplit("/s/", 1)
        query = {"uri": f"cloudreve://{share}@share"}
        listed = requests.get(f"{base}/api/v4/file", params=query, timeout=30).json()["data"]["files"]
        assert [file["name"] for file in listed] == ["track28.ogg"]
        query["uri"] += "/track1.ogg"
        assert requests.get(f"{base}/api/v4/file/info", params=query, timeout=30).json()["code"] != 0


def test_share_prints_one_json_object_for_scripts(server: Server, music: Music) -> None:
    made = shared(server, music.drascula / "audio", "--expires", "7d", "--downloads", "3", "--title", "The album")
    assert re.fullmatch("[A-Za-z0-9]{22}", made["id"])
    assert made["url"] == f"{server.url}/s/{made['id']}"
    data = requests.get(f"{server.url}/api/v4/share/info/{made['id']}", timeout=30).json()["data"]
    assert (data["remain_downloads"], data["expired"]) == (3, False)
    assert data["expires"]
    assert "The album" in requests.get(made["url"], timeout=30).text


def test_a_share_with_a_password_is_locked_and_the_given_one_opens_it(server: Server, music: Music) -> None:
    chosen = shared(server, music.drascula, "--password=Secret1")
    made_up = shared(server, music.drascula, "--password")
    assert made_up["password"].isalnum()
    for share, password in ((chosen, "Secret1"), (made_up, made_up["password"])):
        info = f"{server.url}/api/v4/share/info/{share['id']}"
        assert requests.get(info, timeout=30).json()["data"]["unlocked"] is False
        assert requests.get(info, params={"password": password}, timeout=30).json()["data"]["unlocked"] is True


def test_a_slug_is_another_name_of_the_share(server: Server, music: Music) -> None:
    made = shared(server, music.drascula / "audio", "--slug", "count-drascula")
    assert requests.get(f"{server.url}/s/count-drascula", timeout=30).status_code == 200
    again = server.command("share", music.drascula, "--slug", "count-drascula", check=False)
    assert again.returncode != 0
    server.command("shares", "revoke", made["id"])


def test_sharing_what_is_not_there_fails_with_a_word_on_stderr(server: Server, home: Path) -> None:
    done = server.command("share", home / "absent", check=False)
    assert done.returncode != 0
    assert "absent" in done.stderr
    assert "panicked" not in done.stderr


def test_shares_are_listed_shown_edited_and_revoked(server: Server, music: Music) -> None:
    share = shared(server, music.drascula / "audio", "--title", "Before")["id"]
    assert share in server.command("shares", "list").stdout
    assert "Before" in server.command("shares", "show", share).stdout
    server.command("shares", "edit", share, "--title", "After")
    assert "After" in server.command("shares", "show", share).stdout
    server.command("shares", "revoke", share)
    assert share not in server.command("shares", "list").stdout
    assert requests.get(f"{server.url}/s/{share}", timeout=30).status_code == 404
    unknown = server.command("shares", "show", share, check=False)
    assert unknown.returncode != 0


def test_users_come_get_a_new_password_and_go(server: Server) -> None:
    server.command("user", "add", "mia")
    server.command("user", "password", "mia", "--stdin", input="first-Password_1\n")
    assert signs_in(server, "mia", "first-Password_1")
    assert "mia" in server.command("user", "list").stdout
    server.command("user", "password", "mia", "--stdin", input="second-Password_2\n")
    assert signs_in(server, "mia", "second-Password_2")
    assert not signs_in(server, "mia", "first-Password_1")
    server.command("user", "remove", "mia")
    assert "mia" not in server.command("user", "list").stdout
    assert not signs_in(server, "mia", "second-Password_2")


@pytest.mark.parametrize("running", [True, False], ids=["server running", "server stopped"])
def test_a_lost_admin_password_is_reset(home: Path, running: bool) -> None:
    new = "found-Again_3"
    with Server(home=home) as server:
        assert signs_in(server, ADMIN, PASSWORD)
        if running:
            server.command("user", "password", ADMIN, "--stdin", input=f"{new}\n")
            assert signs_in(server, ADMIN, new)
    if not running:
        env = {**environment(home), "OPENSHELF_DATA": str(home / "data")}
        run("user", "password", ADMIN, "--stdin", env=env, input=f"{new}\n")
    # The password of the environment is for the first start only.
    with Server(home=home) as server:
        assert signs_in(server, ADMIN, new)
        assert not signs_in(server, ADMIN, PASSWORD)


def test_libraries_come_and_go_while_serving(home: Path, music: Music) -> None:
    with Server(home=home) as server:
        server.command("library", "add", music.drascula)
        server.scanned()
        assert "drascula" in server.command("library", "list").stdout
        query = {"songCount": 100, "artistCount": 0, "albumCount": 0, "query": ""}
        assert len(server.subsonic("search3", **query)["searchResult3"]["song"]) >= len(music.tracks)
        server.command("library", "remove", "drascula")
        assert "drascula" not in server.command("library", "list").stdout
        assert not server.subsonic("search3", **query)["searchResult3"].get("song")
    assert music.short_track.is_file()


def test_scan_finds_a_new_file_before_it_returns(home: Path, music: Music, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    folder.mkdir()
    with Server(folder, home=home) as server:
        server.scanned()
        shutil.copy(music.tagged_tracks[0], folder)
        server.command("scan")
        found = server.subsonic("search3", query="First Bubble")["searchResult3"]["song"]
        assert [song["title"] for song in found] == ["First Bubble"]


def test_a_served_folder_stays_a_library(home: Path, music: Music) -> None:
    for folders in ([music.drascula], []):
        with Server(*folders, home=home) as server:
            assert "drascula" in server.command("library", "list").stdout


def test_a_backup_restores_accounts_shares_and_files(home: Path, music: Music, tmp_path: Path) -> None:
    kept = tmp_path / "kept.tar"
    with Server(music.drascula, home=home) as server:
        server.scanned()
        link = shared(server, music.drascula / "audio", "--password=Secret1", "--title", "Kept")
        server.command("user", "add", "mia")
        server.command("user", "password", "mia", "--stdin", input="first-Password_1\n")
        server.command("backup", kept)
        server.command("shares", "revoke", link["id"])

    other = tmp_path / "other"
    other.mkdir()
    env = {**environment(other), "OPENSHELF_DATA": str(other / "data")}
    run("restore", kept, env=env)
    with Server(home=other) as server:
        info = f"{server.url}/api/v4/share/info/{link['id']}"
        assert requests.get(info, params={"password": "Secret1"}, timeout=30).json()["data"]["unlocked"] is True
        assert "Kept" in server.command("shares", "show", link["id"]).stdout
        assert signs_in(server, "mia", "first-Password_1")
        assert signs_in(server, ADMIN, PASSWORD)
        query = {"uri": f"cloudreve://{link['id']}:Secret1@share"}
        listed = requests.get(f"{server.url}/api/v4/file", params=query, timeout=30).json()["data"]["files"]
        assert len(listed) == len(music.tracks)


def test_a_backup_is_for_its_owner_only(home: Path, tmp_path: Path) -> None:
    with Server(home=home) as server:
        server.command("backup", tmp_path / "kept.tar")
    assert (tmp_path / "kept.tar").stat().st_mode & 0o077 == 0


def test_restore_does_not_overwrite_an_installation(home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.tar"
    with Server(home=home) as server:
        server.command("backup", kept)
    env = {**environment(home), "OPENSHELF_DATA": str(home / "data")}
    assert run("restore", kept, env=env, check=False).returncode != 0


def test_doctor_is_content_with_a_fresh_installation(server: Server) -> None:
    assert server.command("doctor").stdout


def test_completions_are_a_script_that_bash_accepts(env: dict[str, str]) -> None:
    script = run("completions", "bash", env=env).stdout
    assert "openshelf" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_an_unknown_setting_in_the_file_is_refused(home: Path, env: dict[str, str]) -> None:
    settings = home / "settings.toml"
    settings.write_text('lisen = "127.0.0.1:0"\n')
    done = run("serve", "--config", settings, env=env, check=False)
    assert done.returncode != 0
    assert "lisen" in done.stderr


def test_the_settings_file_serves_as_the_options_do(home: Path, music: Music) -> None:
    settings = home / "settings.toml"
    settings.write_text(
        f'listen = "127.0.0.1:0"\ndata = "{home / "elsewhere"}"\npublic-url = "https://shelf.example"\n'
    )
    with Running("serve", music.drascula, "--config", settings, home=home) as serving:
        serving.line(r"http://[^\s/]+:\d+")
        assert (home / "elsewhere").is_dir()


def test_the_data_folder_is_for_its_owner_only(server: Server) -> None:
    assert server.data.stat().st_mode & 0o077 == 0


def test_no_password_is_in_the_log(server: Server, music: Music) -> None:
    shared(server, music.drascula, "--password=Secret1")
    signs_in(server, ADMIN, "Wrong-Secret_9")
    server.subsonic("ping")
    log = server.stderr + server.stdout
    for secret in (PASSWORD, "Secret1", "Wrong-Secret_9"):
        assert secret not in log


def test_a_port_in_use_is_an_error_and_no_panic(server: Server, home: Path) -> None:
    env = environment(home)
    done = run("serve", "--listen", f"127.0.0.1:{server.port}", "--data", home / "data", env=env, check=False)
    assert done.returncode != 0
    assert str(server.port) in done.stderr
    assert "panicked" not in done.stderr


def test_sigterm_ends_the_server_with_success(home: Path) -> None:
    with Server(home=home) as server:
        assert server.stop() == 0
