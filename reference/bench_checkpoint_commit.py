"""Times commits: what handing a state over costs its caller, and how long it takes until it is safe.

Schliff's writer and torch's async DCP commit the same bytes, one commit after the other, to a folder and
to an S3 server on this machine. Standard library only.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from seaweedfs import BUCKET

LIMIT_S = 300
CONTENDERS = ("schliff", "torch DCP")
PLACES = ("folder", "S3")


@dataclass
class Commits:
    """The programs, and milliseconds by contender, place and kind (`pause` or `latency`)."""

    ours: Path
    python: Path
    environment: dict[str, str]
    times: int
    measured: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def round(self, number: int) -> None:
        """Every contender once at every place."""
        with tempfile.TemporaryDirectory(prefix="schliff-bench-") as folder:
            for place in PLACES:
                for contender in CONTENDERS:
                    name = contender.replace(" ", "-")
                    there = f"{folder}/{name}" if place == "folder" else f"s3://{BUCKET}/{name}/{number}"
                    if contender == "schliff":
                        command = [str(self.ours), there, str(self.times)]
                    else:
                        command = self._peer(there, self.times)
                    printed = self._output(command)
                    for kind in ("pause", "latency"):
                        cell = self.measured.setdefault((contender, place, kind), [])
                        cell += printed[f"{kind}_ms"]

    def training(self, uri: str, pairs: int, model: Path, data: Path) -> dict[str, list[float]]:
        """DCP beside training: steps that begin with a save, and the same steps without one."""
        return self._output([*self._peer(uri, pairs), str(model), str(data)])

    def median(self, contender: str, place: str, kind: str) -> tuple[float, float, float]:
        """Middle, lowest and highest."""
        values = self.measured[contender, place, kind]
        return statistics.median(values), min(values), max(values)

    def _peer(self, place: str, times: int) -> list[str]:
        script = Path(__file__).with_name("bench_checkpoint_dcp.py")
        return [str(self.python), "-W", "ignore", str(script), place, str(times)]

    def _output(self, command: list[str]) -> dict[str, list[float]]:
        loopback = {"GLOO_SOCKET_IFNAME": "lo"}
        environment = {**os.environ, **self.environment, **loopback}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, env=environment
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])
