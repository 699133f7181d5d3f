#!/usr/bin/env python3
"""Training and inference time of a reference network in PyTorch, with the names that `trimtab bench --json` gives its figures.

Usage: torch_bench.py --workload NAME --batch N --threads N --steps N   (a Python with torch)
A step is forward, cross entropy, its value read, backward and Adam; memory is the growth of the largest resident size over the steps.
"""
import argparse
import json
import resource
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

WARM_UP = 5


class Last(nn.Module):
    """The last state of a recurrent layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0][:, -1]


class Mean(nn.Module):
    """The mean over the steps."""

    def forward(self, x):
        return x.mean(1)


def network(workload):
    relu = nn.ReLU
    if workload == "mlp784":
        layers = [nn.Flatten(), nn.Linear(784, 256), relu(), nn.Linear(256, 128), relu(), nn.Linear(128, 10)]
    elif workload == "cnn28":
        layers = [nn.Unflatten(1, (1, 28)), nn.Conv2d(1, 32, 3), relu(), nn.Conv2d(32, 64, 3), relu(), nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(64 * 144, 128), relu(), nn.Linear(128, 10)]
    elif workload == "gru28":
        layers = [Last(nn.GRU(28, 64, batch_first=True)), nn.Linear(64, 10)]
    else:
        block = nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True)
        layers = [nn.Linear(28, 64), nn.TransformerEncoder(block, 2), Mean(), nn.Linear(64, 10)]
    return nn.Sequential(*layers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True, choices=["mlp784", "cnn28", "gru28", "transformer28"])
    for name in ["batch", "threads", "steps"]:
        parser.add_argument(f"--{name}", type=int, required=True)
    workload, batch, threads, steps = vars(parser.parse_args()).values()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = network(workload)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    x, y = torch.rand(batch, 28, 28), torch.arange(batch) % 10
    resident = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def step():
        loss = F.cross_entropy(net(x), y)
        loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def timed(work):
        times = []
        for _ in range(steps + WARM_UP):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) * 1e3)
        times = sorted(times[WARM_UP:])
        return times[len(times) // 2], times[0]

    before = resident()
    train, train_min = timed(step)
    growth = resident() - before
    net.eval()
    with torch.inference_mode():
        infer, infer_min = timed(lambda: net(x).numpy())
    print(json.dumps({
        "workload": workload, "batch": batch, "threads": threads,
        "train_ms": train, "train_ms_min": train_min, "samples_per_s": batch / train * 1e3,
        "infer_ms": infer, "infer_ms_min": infer_min,
        "params": sum(p.numel() for p in net.parameters()), "rss_growth_bytes": growth,
    }))


main()
