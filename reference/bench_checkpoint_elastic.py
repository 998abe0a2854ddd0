"""One rank of a LoRA training that torchrun restarts: it goes on from the newest saved state.

torchrun ... bench_checkpoint_elastic.py MODEL DATA FOLDER STEPS BATCH. Ordinary practice for small
adapters: rank 0 saves adapter and optimizer after each step with torch.save beside the last ones and
moves them into place; gradients are summed over gloo. Rank 0 prints `step N` when a step is done and
saved; every rank writes its process id to FOLDER/rank-N. Needs the interpreter of `setup_env.sh`.
"""

import os
import sys
from pathlib import Path

import bench_peer
import torch
import torch.distributed as dist


def main() -> None:
    model_folder, data, folder, steps, batch = sys.argv[1:]
    rank, state = int(os.environ["RANK"]), Path(folder) / "state.pt"
    (Path(folder) / f"rank-{rank}").write_text(str(os.getpid()))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dist.init_process_group("gloo")
    samples = bench_peer.read_samples(Path(data))
    model = bench_peer.load_model(Path(model_folder))
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), lr=2e-4, weight_decay=0.0)
    done = 0
    if state.exists():
        saved = torch.load(state)
        done = saved["step"]
        with torch.no_grad():
            for name, value in saved["adapter"].items():
                parameters[name].copy_(value)
        optimizer.load_state_dict(saved["optimizer"])
    own = int(batch) // dist.get_world_size()
    for step in range(done, int(steps)):
        first = step * int(batch) + rank * own
        inputs, _ = bench_peer.collate([samples[(first + i) % len(samples)] for i in range(own)])
        model(**inputs).loss.backward()
        gradients = [p.grad for p in parameters.values()]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for gradient, piece in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(piece.view_as(gradient))
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if rank == 0:
            draft = state.with_suffix(".new")
            adapter = {name: p.detach() for name, p in parameters.items()}
            torch.save(
                {"step": step + 1, "adapter": adapter, "optimizer": optimizer.state_dict()}, draft
            )
            draft.replace(state)
            print(f"step {step + 1}/{steps}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
