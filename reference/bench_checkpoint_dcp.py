"""Commits an adapter and its moments with torch.distributed.checkpoint.async_save, and times it.

bench_checkpoint_dcp.py PLACE TIMES [MODEL DATA]. PLACE is a folder, or s3://bucket/prefix by way of
s3fs. Without a model, commits follow one another with nothing beside them. With one, a LoRA adapter is
trained, and every second step begins with a save; both steps of such a pair take the same batch, so
that the save is the only difference. Prints one JSON object with milliseconds: `pause_ms` is how long
async_save keeps its caller, `latency_ms` the time from its call to the end of its future. A save waits
for the one before, as DCP asks for. Needs the interpreter of `setup_env.sh`.
"""

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import torch.distributed
import torch.distributed.checkpoint as dcp

# As many numbers as a LoRA adapter of rank 8 on all linear layers of SmolLM2-135M has.
PARAMETERS = 2_442_240
KEEP = 3
BATCH = 8


class Saver:
    """Saves states at a place, keeps the newest few, and notes how long that took."""

    def __init__(self, place: str) -> None:
        self.place, self.number, self.last = place, 0, None
        self.pauses, self.latencies = [], []

    def save(self, state: dict) -> None:
        """Saves a state asynchronously; an earlier save is waited for first."""
        start = time.perf_counter()
        self.wait()
        self.number += 1
        path = f"{self.place}/{self.number}"
        self.last = dcp.async_save(state, storage_writer=self._writer(path))
        self.pauses.append((time.perf_counter() - start) * 1e3)
        done = threading.Event()

        def note(_: object) -> None:
            self.latencies.append((time.perf_counter() - start) * 1e3)
            done.set()

        self.last.add_done_callback(note)
        self.done = done
        self._remove(self.number - KEEP)

    def wait(self) -> None:
        """Until the last save is done; its failure is raised."""
        if self.last is not None:
            self.last.result()
            self.done.wait()

    def _writer(self, path: str):
        if path.startswith("s3://"):
            from torch.distributed.checkpoint.fsspec_filesystem import FsspecWriter

            return FsspecWriter(path)
        return dcp.FileSystemWriter(path)

    def _remove(self, number: int) -> None:
        if number > 0 and not self.place.startswith("s3://"):
            shutil.rmtree(f"{self.place}/{number}", ignore_errors=True)


def commits(saver: Saver, times: int) -> dict:
    """Saves one after the other; the first also pays for connections."""
    tensors = {name: torch.randn(PARAMETERS) for name in ("adapter", "exp_avg", "exp_avg_sq")}
    for _ in range(times + 1):
        for tensor in tensors.values():
            tensor.add_(1.0)
        saver.save(tensors)
        saver.wait()
    return {"pause_ms": saver.pauses[1:], "latency_ms": saver.latencies[1:]}


def training(saver: Saver, times: int, model_folder: Path, data: Path) -> dict:
    """Trains in pairs of steps on one batch each, the first of a pair after a save."""
    import bench_peer

    samples = bench_peer.read_samples(data)
    model = bench_peer.load_model(model_folder)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), lr=2e-4, weight_decay=0.0)
    having, without = [], []
    for pair in range(times + 1):
        batch = [samples[(pair * BATCH + i) % len(samples)] for i in range(BATCH)]
        inputs, _ = bench_peer.collate(batch)
        # Which of the two is first changes, so that neither gains by its place.
        kinds = (True, False) if pair % 2 else (False, True)
        for saves in kinds:
            start = time.perf_counter()
            if saves and pair > 0:
                saver.save({"adapter": parameters, "optimizer": optimizer.state_dict()})
            model(**inputs).loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if pair > 0:
                (having if saves else without).append(time.perf_counter() - start)
            # What is left of a save does not burden the step without one.
            saver.wait()
    return {
        "pause_ms": saver.pauses,
        "latency_ms": saver.latencies,
        "having_s": having,
        "without_s": without,
    }


def main() -> None:
    place, times, *model_and_data = sys.argv[1:]
    torch.manual_seed(0)
    store = f"{Path(sys.argv[0]).name}-{os.getpid()}"
    store_path = Path(os.environ.get("TMPDIR", "/tmp")) / store
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store_path}", rank=0, world_size=1
    )
    try:
        saver = Saver(place)
        if model_and_data:
            model, data = model_and_data
            measures = training(saver, int(times), Path(model), Path(data))
        else:
            measures = commits(saver, int(times))
        print(json.dumps(measures))
    finally:
        torch.distributed.destroy_process_group()
        store_path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
