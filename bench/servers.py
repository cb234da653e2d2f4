"""The programs that people would use instead, and the bare servers, each with the settings that make it quickest."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import install
from places import HOMES, TARGET
from processes import Process, free_port, program

LOGS = TARGET / "logs"


@dataclass
class Server:
    """A running server and where its files begin."""

    name: str
    process: Process
    port: int

    @staticmethod
    def target(path: str) -> str:
        return "/" + quote(path)

    def stop(self) -> None:
        self.process.stop()


def nginx(folder: Path) -> Server:
    """Without `tcp_nopush`, which is Debian's setting: with it a kept connection waits 40 ms in each answer that is a
    little longer than one of loopback's 64 KiB segments."""
    install.present("nginx")
    port, home = free_port(), HOMES / "nginx"
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
    tcp_nopush off;
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
    return Server("nginx, sendfile", process, port)


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
    return Server("copyparty", process, port)


def dufs(folder: Path) -> Server:
    install.present("dufs")
    port = free_port()
    command = [TARGET / "cargo" / "bin" / "dufs", "--bind", "127.0.0.1", "--port", port, "--allow-all"]
    process = Process("dufs", [*command, "--log-format", "", folder], LOGS / "dufs.log")
    process.listening(port)
    return Server("dufs", process, port)


def miniserve(folder: Path) -> Server:
    install.present("miniserve")
    port = free_port()
    command = [TARGET / "cargo" / "bin" / "miniserve", "--interfaces", "127.0.0.1", "--port", port]
    process = Process("miniserve", [*command, folder], LOGS / "miniserve.log")
    process.listening(port)
    return Server("miniserve", process, port)


def serve_file(folder: Path) -> Server:
    return _bare("tower-http ServeFile", "folder", folder)


def same_bytes(file: Path, kind: str) -> Server:
    return _bare("bare axum, same bytes", "bytes", file, kind)


def _bare(name: str, *arguments: str | Path) -> Server:
    process = Process(name, [TARGET / "load" / "release" / "bare", *arguments], LOGS / "bare.log")
    port = process.line(r"http://127\.0\.0\.1:(\d+)\s").group(1)
    return Server(name, process, int(port))


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
