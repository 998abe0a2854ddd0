"""One rank of torch's gloo: seconds of each sum on its slowest rank, as a list in JSON.

bench_collective_gloo.py RANK RANKS STORE BYTES TIMES, once for each rank, with a file as the store.
"""

import json
import sys
import time

import torch
import torch.distributed

WARM_UP = 2


def main() -> None:
    rank, ranks, store, size, times = sys.argv[1:]
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=int(rank), world_size=int(ranks)
    )
    data = torch.empty(int(size) // 4)
    own = []
    for number in range(WARM_UP + int(times)):
        data.fill_(1.0)
        torch.distributed.barrier()
        start = time.perf_counter()
        torch.distributed.all_reduce(data)
        if number >= WARM_UP:
            own.append(time.perf_counter() - start)
    slowest = torch.tensor(own, dtype=torch.float64)
    torch.distributed.all_reduce(slowest, op=torch.distributed.ReduceOp.MAX)
    if rank == "0":
        print(json.dumps(slowest.tolist()))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
