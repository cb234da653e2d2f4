"""Takes every HTTPS request of a client to one plain server, whatever host the client names.

The client is told of it only by HTTPS_PROXY and REQUESTS_CA_BUNDLE, so clients with host names built in run unmodified.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass
class Exchange:
    """The first request of a connection, which is the only one of a client without a pool, and what was answered."""

    request: str = ""
    status: int = 0

    def ask(self, beginning: bytes) -> None:
        self.request = beginning.split(b"\r\n", 1)[0].decode()

    def answer(self, beginning: bytes) -> None:
        self.status = int(beginning.split(b" ", 2)[1])


class Gateway:
    """A CONNECT proxy in front of a TLS endpoint in front of a port on this machine."""

    def __init__(self, port: int, hosts: tuple[str, ...], folder: Path):
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*hosts).configure_cert(self._tls)
        self._backend = port
        self.asked: list[str] = []
        self.exchanges: list[Exchange] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_exception: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> str:
        self._endpoint = await asyncio.start_server(self._terminate, "127.0.0.1", 0, ssl=self._tls)
        self._proxy = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._proxy.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        self._proxy.close()
        self._endpoint.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        method, target, _version = request.split(b"\r\n", 1)[0].split(b" ")
        self.asked.append(target.decode())
        if method != b"CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        await join(reader, writer, self._endpoint.sockets[0].getsockname()[1])

    async def _terminate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange()
        self.exchanges.append(exchange)
        await join(reader, writer, self._backend, exchange)


async def join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, exchange: Exchange | None = None
) -> None:
    """Carries bytes both ways until both sides are done."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    # A cancelled connection would be logged as a fault of the server's.
    with contextlib.suppress(asyncio.CancelledError):
        ask, answer = (exchange.ask, exchange.answer) if exchange else (None, None)
        await asyncio.gather(pour(reader, far_writer, ask), pour(far_reader, writer, answer))


async def pour(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None] | None
) -> None:
    try:
        while piece := await reader.read(1 << 16):
            if note:
                note(piece)
                note = None
            writer.write(piece)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass  # A client that hangs up is not the gateway's business.
    finally:
        writer.close()
