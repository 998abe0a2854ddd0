"""SeaweedFS as an S3 server on this machine, for as long as a benchmark needs it.

It gets time that nobody else wants, and is in the session of its caller, so that it yields to training
as a store on another machine would. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

BUCKET = "checkpoints"
KEY, SECRET = "benchkey", "benchsecretbenchsecret"
# Flags that name a port; the first is that of the S3 gateway.
PORTS = (
    "s3.port",
    "filer.port",
    *("s3.port.grpc", "filer.port.grpc", "master.port", "master.port.grpc"),
    *("volume.port", "volume.port.grpc", "admin.port", "admin.port.grpc"),
)
FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    f"-bucket={BUCKET}",
    "-admin.ui=false",
    "-webdav=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
)
START_LIMIT_S = 60


class SeaweedFs:
    """A server with its data, ended and removed at the end of a `with`."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.folder = Path(tempfile.mkdtemp(prefix="schliff-weed-"))
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SeaweedFs:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The variables by which clients find and enter it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['s3.port']}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def cpu_s(self) -> float:
        """Processor seconds that it has used."""
        if self.process is None:
            return 0.0
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends the server and removes what it left."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        for name, port in self.ports.items():
            if name.endswith(".port.grpc"):
                service = name.partition(".")[0]
                Path(f"/tmp/seaweedfs-{service}-grpc-{port}.sock").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        sockets = [f"-{name}.localSocket={self.folder / name}.sock" for name in ("s3", "filer")]
        ports = [f"-{name}={port}" for name, port in self.ports.items()]
        own = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "GOMEMLIMIT": "512MiB"}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["chrt", "--idle", "0", str(self.program), "mini", f"-dir={data}"]
                + [*FLAGS, *sockets, *ports],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **own, "TMPDIR": str(self.folder)},
            )
        until = time.monotonic() + START_LIMIT_S
        while not self._serves():
            if self.process.poll() is not None or time.monotonic() > until:
                words = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"SeaweedFS does not start:\n{words}")
            time.sleep(0.1)

    def _serves(self) -> bool:
        """Whether the gateway refuses what is not signed, the bucket is made, a volume takes a write."""
        filer = f"http://127.0.0.1:{self.ports['filer.port']}"
        gateway = f"http://127.0.0.1:{self.ports['s3.port']}/{BUCKET}"
        return (
            _status("GET", gateway) == 403
            and _status("GET", f"{filer}/buckets/{BUCKET}/?limit=1") == 200
            and _status("PUT", f"{filer}/ready", b"x") == 201
        )


def _status(method: str, url: str, body: bytes | None = None) -> int:
    """The status of an answer; 0 where there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, body, method=method), timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _free_ports(count: int) -> list[int]:
    """So many ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
