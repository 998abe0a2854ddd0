"""Kills one of two ranks in the middle of training, and times how long no new step comes.

Schliff's ranks are restarted by `schliff run`, torch's by torchrun; both go on from a folder with a
state of every step. The time is that from the kill to the end of the first step that no rank had
reached before. Standard library only.
"""

from __future__ import annotations

import os
import queue
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_checkpoint_steps import Job, step_lines

RANKS = 2
# Steps between a recovery and the next kill.
STEPS_BETWEEN = 3
# Progress tells every step of runs shorter than 40.
MORE_STEPS_THAN_NEEDED = 39
# A rank is killed this share of a step after the step before was done: in its middle.
WITHIN_STEP = 0.5
END_LIMIT_S = 30
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "GLOO_SOCKET_IFNAME": "lo",
    # With torchrun's own store, gloo finds the addresses of ranks that are gone and spends restarts.
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}


@dataclass
class Recovery:
    """Both contenders, and how often a rank is killed."""

    schliff: Path
    python: Path
    job: Job
    model: Path
    kills: int

    def ours(self) -> list[float]:
        """Seconds of each recovery of `schliff run`."""
        with tempfile.TemporaryDirectory(prefix="schliff-bench-") as folder:
            job = Path(folder) / "job.toml"
            job.write_text(self.job.file(MORE_STEPS_THAN_NEEDED), encoding="utf-8")
            command = [str(self.schliff), "run", str(job), "--out", f"{folder}/out"]
            command += ["--ranks", str(RANKS), "--set", "checkpoint.every_steps=1"]
            return self._recoveries(command, "stderr", lambda process: _children(process.pid)[-1])

    def theirs(self) -> list[float]:
        """Seconds of each recovery under torchrun."""
        with tempfile.TemporaryDirectory(prefix="schliff-bench-") as folder:
            script = Path(__file__).with_name("bench_checkpoint_elastic.py")
            command = [str(self.python), "-W", "ignore", "-m", "torch.distributed.run"]
            command += ["--standalone", f"--nproc-per-node={RANKS}", f"--max-restarts={self.kills}"]
            command += [str(script), str(self.model), str(self.job.data), folder]
            command += [str(MORE_STEPS_THAN_NEEDED), str(self.job.batch)]
            last_rank = Path(folder) / f"rank-{RANKS - 1}"
            return self._recoveries(command, "stdout", lambda _: int(last_rank.read_text()))

    def _recoveries(
        self, command: list[str], stream: str, victim: Callable[[subprocess.Popen[str]], int]
    ) -> list[float]:
        said: list[str] = []
        with tempfile.TemporaryFile("w+") as other:
            pipes = {"stdout": other, "stderr": other} | {stream: subprocess.PIPE}
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                text=True,
                env={**os.environ, **ENVIRONMENT},
                **pipes,
            )
            try:
                lines = getattr(process, stream)
                steps = _as_they_come(step_lines(iter(lines), said))
                seconds = list(self._killed(steps, lambda: os.kill(victim(process), signal.SIGKILL)))
            finally:
                _end(process)
            if len(seconds) < self.kills:
                other.seek(0)
                words = "\n".join(said[-20:]) + other.read()[-2000:]
                raise RuntimeError(f"{' '.join(command)} did not recover:\n{words}")
        return seconds

    def _killed(self, steps: Iterator[tuple[int, float]], kill: Callable[[], None]) -> Iterator[float]:
        """Kills when enough new steps are done, and gives the seconds to the next new one."""
        furthest, since_kill, last, killed_at = 0, 0, 0.0, None
        paces: list[float] = []
        given = 0
        for step, moment in steps:
            if step <= furthest:
                continue
            if killed_at is not None and moment < killed_at:
                # It was done when the kill came.
                furthest = step
                continue
            if killed_at is not None:
                yield moment - killed_at
                given += 1
                killed_at, since_kill = None, 0
                if given == self.kills:
                    return
            elif furthest > 0:
                paces.append(moment - last)
            furthest, last, since_kill = step, moment, since_kill + 1
            if since_kill > STEPS_BETWEEN:
                time.sleep(WITHIN_STEP * statistics.median(paces))
                killed_at = time.monotonic()
                kill()


def _as_they_come(steps: Iterator[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    """The same, read by a thread of its own, so that moments are right whatever the reader does."""
    arrived: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()

    def read() -> None:
        for step in steps:
            arrived.put(step)
        arrived.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (step := arrived.get()) is not None:
        yield step


def _children(pid: int) -> list[int]:
    """Processes that a process started, the oldest first."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += map(int, (task / "children").read_text().split())
    return sorted(children)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a launcher and what it started, by their ids."""
    ranks = _children(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for rank in ranks:
        try:
            os.kill(rank, signal.SIGKILL)
        except ProcessLookupError:
            pass
