"""The programs that people would use instead, and the bare servers, each with the settings that make it quickest."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import install
from places import HOMES, TARGET
from processes import Failed, Process, free_port, program, run
from traffic import Request

LOGS = TARGET / "logs"


@dataclass
class Server:
    """A running server and where its files begin."""

    name: str
    process: Process
    port: int
    folder: Path

    @staticmethod
    def request(path: str) -> Request:
        return Request("/" + quote(path))

    def stop(self) -> None:
        self.process.stop()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def started(stack: contextlib.ExitStack, starts: dict[str, Callable[[], Server]]) -> tuple[list[Server], list[str]]:
    """Those that can be had, stopped with the stack, and why the others cannot."""
    running, missing = [], []
    for name, start in starts.items():
        try:
            running.append(start())
            stack.callback(running[-1].stop)
        except Failed as cause:
            missing.append(f"Missing: {name}: {cause}")
    return running, missing


def nginx(folder: Path) -> Server:
    return _nginx(folder, "nginx, sendfile", "off")


def nginx_nopush(folder: Path) -> Server:
    """Quicker with large files; but a kept connection waits 40 ms in each answer that is a little longer than one of
    loopback's 64 KiB segments."""
    return _nginx(folder, "nginx, sendfile and tcp_nopush", "on")


def _nginx(folder: Path, name: str, nopush: str) -> Server:
    install.present("nginx")
    port, home = free_port(), HOMES / f"nginx-nopush-{nopush}"
    home.mkdir(parents=True, exist_ok=True)
    (home / "nginx.conf").write_text(f"""
daemon off;
pid {home}/pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush {nopush};
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        dav_methods PUT;
    }}
}}
""")
    # Root's workers become www-data, who cannot read a folder of root's.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    command = [program("nginx"), "-p", home, "-c", home / "nginx.conf", "-e", "stderr", *user]
    process = Process("nginx", command, LOGS / "nginx.log")
    process.listening(port)
    return Server(name, process, port, folder)


def copyparty(folder: Path) -> Server:
    """Everyone may read and write; no index of hashes, no thumbnails, no log."""
    install.present("copyparty")
    port, home = free_port(), HOMES / "copyparty"
    home.mkdir(parents=True, exist_ok=True)
    python = TARGET / "copyparty" / "bin" / "python"
    command = [python, "-m", "copyparty", "-i", "127.0.0.1", "-p", port, "-v", f"{folder}::rwd"]
    command += ["-q", "--no-thumb", "--no-crt", "--hist", home / "hist", "--no-ansi"]
    process = Process("copyparty", command, LOGS / "copyparty.log", env=_environment(home), cwd=home)
    process.listening(port)
    return Server("copyparty", process, port, folder)


def dufs(folder: Path) -> Server:
    install.present("dufs")
    port = free_port()
    command = [TARGET / "cargo" / "bin" / "dufs", "--bind", "127.0.0.1", "--port", port, "--allow-all"]
    process = Process("dufs", [*command, "--log-format", "", folder], LOGS / "dufs.log")
    process.listening(port)
    return Server("dufs", process, port, folder)


def miniserve(folder: Path) -> Server:
    install.present("miniserve")
    port = free_port()
    command = [TARGET / "cargo" / "bin" / "miniserve", "--interfaces", "127.0.0.1", "--port", port]
    process = Process("miniserve", [*command, folder], LOGS / "miniserve.log")
    process.listening(port)
    return Server("miniserve", process, port, folder)


def supysonic(folder: Path, user: str, password: str) -> Server:
    """With the folder scanned; waitress, because it keeps connections."""
    install.present("supysonic")
    port, home = free_port(), HOMES / "supysonic"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "supysonic.conf").write_text(f"""
[base]
database_uri = sqlite:///{home}/supysonic.db
[webapp]
cache_dir = {home}/cache
[daemon]
socket = {home}/socket
""")
    programs = TARGET / "supysonic" / "bin"
    where = {"env": _environment(home), "cwd": home}
    for arguments in [
        ["user", "add", user, "--password", password],
        ["folder", "add", "music", folder],
        ["folder", "scan", "--foreground"],
    ]:
        run([programs / "supysonic-cli", *arguments], **where)
    command = [programs / "supysonic-server", "--server", "waitress", "--host", "127.0.0.1", "--port", port]
    process = Process("supysonic", command, LOGS / "supysonic.log", **where)
    process.listening(port)
    return Server("supysonic", process, port, folder)


def serve_file(folder: Path) -> Server:
    return _bare("tower-http ServeFile", folder, "folder", folder)


def same_bytes(file: Path, kind: str) -> Server:
    return _bare("bare axum, same bytes", file.parent, "bytes", file, kind)


def _bare(name: str, folder: Path, *arguments: str | Path) -> Server:
    process = Process(name, [TARGET / "load" / "release" / "bare", *arguments], LOGS / "bare.log")
    port = process.line(r"http://127\.0\.0\.1:(\d+)\s").group(1)
    return Server(name, process, int(port), folder)


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
