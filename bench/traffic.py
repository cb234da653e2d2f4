"""One run of the load generator against one server."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from places import TARGET
from processes import LOAD_CORE, Process, pinned, run

LOAD = TARGET / "load" / "release" / "load"
GIB = 1024**3


@dataclass
class Request:
    target: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, object] | None = None
    status: int = 200
    bytes: int | None = None
    group: str = ""

    @staticmethod
    def part(file: Path, offset: int, size_bytes: int) -> dict[str, object]:
        """A body that is a part of a file."""
        return {"file": str(file), "offset": offset, "bytes": size_bytes}

    @staticmethod
    def text(text: str) -> dict[str, object]:
        return {"text": text}


@dataclass
class Sample:
    """What one run came to."""

    requests: int
    bytes: int
    elapsed_s: float
    server_cpu_s: float
    client_cpu_s: float
    median_us: int
    p99_us: int
    groups: dict[str, list[int]]

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.elapsed_s

    @property
    def mb_per_s(self) -> float:
        return self.bytes / self.elapsed_s / 1e6

    @property
    def cpu_s_per_gib(self) -> float:
        return self.server_cpu_s / (self.bytes / GIB)

    @property
    def cpu_us_per_request(self) -> float:
        return self.server_cpu_s / self.requests * 1e6


class Asked(Protocol):
    """A server as the load sees it."""

    process: Process
    port: int


def load(
    server: Asked,
    requests: list[Request],
    *,
    connections: int = 1,
    seconds: float | None = None,
    count: int | None = None,
    every_latency: bool = False,
) -> Sample:
    plan = {
        "address": f"127.0.0.1:{server.port}",
        "connections": connections,
        "seconds": seconds,
        "count": count,
        "every_latency": every_latency,
        "requests": [asdict(request) for request in requests],
    }
    path = TARGET / f"plan-{os.getpid()}.json"
    path.write_text(json.dumps(plan))
    before_s = server.process.cpu_s()
    outcome = json.loads(run(pinned(LOAD_CORE, [str(LOAD), str(path)]), name="the load"))
    cpu_s = server.process.cpu_s() - before_s
    path.unlink()
    return Sample(
        requests=outcome["requests"],
        bytes=outcome["bytes"],
        elapsed_s=outcome["elapsed_s"],
        server_cpu_s=cpu_s,
        client_cpu_s=outcome["client_cpu_s"],
        median_us=outcome["latency"]["median_us"],
        p99_us=outcome["latency"]["p99_us"],
        groups=outcome.get("groups", {}),
    )
