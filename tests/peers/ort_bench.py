#!/usr/bin/env python3
"""Times ONNX Runtime and Trimtab's runtime on the same files, one thread each, in interleaved rounds.

    ort_bench.py TRIMTAB [--only NAME] [--rounds 40] [--json FILE]     (a Python with onnx, onnxruntime and numpy)

`trimtab bench runtime --files DIR` leaves the reference files in a folder; with --turns it runs one round of a file whenever it is
asked over standard input: a round of ONNX Runtime, a round of ours, and so on; while one works, the other waits. A ratio is ONNX
Runtime's time over ours within a round, its median is printed: above 1, ours is faster. Beside the time of the clock stands that of
the processor, which each process spent in its rounds: on a machine with other work it is the one to look at (Linux only). The outputs of 256 samples are compared
too. Files that end in -trunk are int8 networks up to the last value on a grid: they are compared in its steps, and not timed.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

BATCHES = (1, 64)
ROUND_S = 3e-3
TRUNK = "-trunk"


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def round_us(engine, binding):
    """Time of a call in a round of ONNX Runtime, of the clock and of the processor. Input and output are bound: no array is made."""
    start = time.perf_counter()
    spent = time.process_time()
    calls = 0
    while True:
        for _ in range(4):
            engine.run_with_iobinding(binding)
        calls += 4
        elapsed = time.perf_counter() - start
        if elapsed >= ROUND_S:
            return elapsed / calls * 1e6, (time.process_time() - spent) / calls * 1e6


def output_step(path):
    """The scale of the grid that the output is on, or None."""
    graph = onnx.load(str(path)).graph
    (output,) = (value.name for value in graph.output)
    maker = next(node for node in graph.node if output in node.output)
    if maker.op_type != "DequantizeLinear":
        return None
    scale = next(tensor for tensor in graph.initializer if tensor.name == maker.input[1])
    return float(onnx.numpy_helper.to_array(scale))


def compare_outputs(folder, name, engine, shape):
    inputs = np.fromfile(folder / f"{name}.inputs", "<f4").reshape([-1, *shape])
    ours = np.fromfile(folder / f"{name}.outputs", "<f4").reshape([len(inputs), -1])
    (theirs,) = engine.run(None, {"input": inputs})
    difference = np.abs(ours - theirs)
    step = output_step(folder / f"{name}.onnx")
    return {
        "equal_samples": float((difference.max(axis=1) == 0).mean()),
        "equal_values": float((difference == 0).mean()),
        "same_class": float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
        "largest": float(difference.max()),
        "largest_steps": None if step is None else float(difference.max() / step),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trimtab")
    parser.add_argument("--only", default=None)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        command = [args.trimtab, "bench", "runtime"] + (["--only", args.only] if args.only else [])
        subprocess.run([*command, "--files", str(folder)], check=True)
        ours = subprocess.Popen([*command, "--turns"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cases, trunks = [], []
        # The clock of another process's time on the processor, as clock_getcpuclockid(3) makes it.
        own_clock = (~ours.pid << 3) | 2

        def own_round(name, batch):
            spent = time.clock_gettime(own_clock)
            ours.stdin.write(f"{name} {batch}\n")
            ours.stdin.flush()
            answer = ours.stdout.readline()
            if not answer:
                raise SystemExit(f"{args.trimtab} ended early")
            time_us, calls = answer.split()
            return float(time_us), (time.clock_gettime(own_clock) - spent) / int(calls) * 1e6

        for path in sorted(folder.glob("*.onnx")):
            name = path.stem
            engine = session(path)
            shape = engine.get_inputs()[0].shape[1:]
            agreement = compare_outputs(folder, name, engine, shape)
            if name.endswith(TRUNK):
                trunks.append((name, agreement))
                continue
            inputs = np.fromfile(folder / f"{name}.inputs", "<f4").reshape([-1, *shape])
            for batch in BATCHES:
                binding = engine.io_binding()
                binding.bind_cpu_input("input", np.ascontiguousarray(inputs[:batch]))
                binding.bind_output(engine.get_outputs()[0].name, "cpu")
                cases.append((name, batch, engine, binding, agreement))
        print(
            f"{'file':<24}{'batch':>6}{'ORT us':>11}{'ours us':>11}{'ORT/ours':>10}{'processor':>11}"
            "   equal samples, same class, largest difference"
        )
        rows = []
        for name, batch, engine, binding, agreement in cases:
            for _ in range(3):
                round_us(engine, binding), own_round(name, batch)
            pairs = [(round_us(engine, binding), own_round(name, batch)) for _ in range(args.rounds)]
            row = {
                "file": name,
                "batch": batch,
                "ort_us": statistics.median(a[0] for a, _ in pairs),
                "ours_us": statistics.median(b[0] for _, b in pairs),
                "ort_min_us": min(a[0] for a, _ in pairs),
                "ours_min_us": min(b[0] for _, b in pairs),
                "ratio": statistics.median(a[0] / b[0] for a, b in pairs),
                "ort_processor_us": statistics.median(a[1] for a, _ in pairs),
                "ours_processor_us": statistics.median(b[1] for _, b in pairs),
                "processor_ratio": statistics.median(a[1] / b[1] for a, b in pairs),
                "rounds": args.rounds,
                **agreement,
            }
            rows.append(row)
            steps = "" if row["largest_steps"] is None else f" = {row['largest_steps']:.2f} steps"
            print(
                f"{name:<24}{batch:>6}{row['ort_us']:>11.1f}{row['ours_us']:>11.1f}{row['ratio']:>10.2f}{row['processor_ratio']:>11.2f}"
                f"   {row['equal_samples']:.3f}  {row['same_class']:.3f}  {row['largest']:.2g}{steps}",
                flush=True,
            )
        for name, agreement in trunks:
            print(
                f"{name:<28} {agreement['equal_samples']:.3f} of the samples equal, {agreement['equal_values']:.5f} of the values,"
                f" largest difference {agreement['largest_steps']:.2f} steps"
            )
        ours.stdin.close()
        ours.wait()
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


main()
