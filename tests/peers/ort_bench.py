#!/usr/bin/env python3
"""Times ONNX Runtime and Trimtab's runtime on the same files, one thread each, in interleaved rounds.

    ort_bench.py TRIMTAB [--only NAME] [--rounds 40] [--json FILE]     (a Python with onnx, onnxruntime and numpy)

`trimtab bench runtime --files DIR` leaves the reference files in a folder; with --turns it runs one round of a file whenever it is
asked over standard input: a round of ONNX Runtime, a round of ours, and so on; while one works, the other waits. A ratio is ONNX
Runtime's time over ours within a round, its median is printed: above 1, ours is faster. The outputs of 256 samples are compared
too: in int8 in steps of the grid of the last quantization, if there is one.
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


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def round_us(engine, binding):
    """The time of a call in a round of ONNX Runtime, whose input and output are bound so that no array is made."""
    start = time.perf_counter()
    calls = 0
    while True:
        for _ in range(4):
            engine.run_with_iobinding(binding)
        calls += 4
        elapsed = time.perf_counter() - start
        if elapsed >= ROUND_S:
            return elapsed / calls * 1e6


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
        cases = []

        def own_round(name, batch):
            ours.stdin.write(f"{name} {batch}\n")
            ours.stdin.flush()
            answer = ours.stdout.readline()
            if not answer:
                raise SystemExit(f"{args.trimtab} ended early")
            return float(answer)

        for path in sorted(folder.glob("*.onnx")):
            name = path.stem
            engine = session(path)
            shape = engine.get_inputs()[0].shape[1:]
            agreement = compare_outputs(folder, name, engine, shape)
            inputs = np.fromfile(folder / f"{name}.inputs", "<f4").reshape([-1, *shape])
            for batch in BATCHES:
                binding = engine.io_binding()
                binding.bind_cpu_input("input", np.ascontiguousarray(inputs[:batch]))
                binding.bind_output(engine.get_outputs()[0].name, "cpu")
                cases.append((name, batch, engine, binding, agreement))
        print(f"{'file':<22}{'batch':>6}{'ORT us':>11}{'ours us':>11}{'ORT/ours':>10}   equal samples, same class, largest difference")
        rows = []
        for name, batch, engine, binding, agreement in cases:
            for _ in range(3):
                round_us(engine, binding), own_round(name, batch)
            pairs = [(round_us(engine, binding), own_round(name, batch)) for _ in range(args.rounds)]
            row = {
                "file": name,
                "batch": batch,
                "ort_us": statistics.median(a for a, _ in pairs),
                "ours_us": statistics.median(b for _, b in pairs),
                "ort_min_us": min(a for a, _ in pairs),
                "ours_min_us": min(b for _, b in pairs),
                "ratio": statistics.median(a / b for a, b in pairs),
                "rounds": args.rounds,
                **agreement,
            }
            rows.append(row)
            steps = "" if row["largest_steps"] is None else f" = {row['largest_steps']:.2f} steps"
            print(
                f"{name:<22}{batch:>6}{row['ort_us']:>11.1f}{row['ours_us']:>11.1f}{row['ratio']:>10.2f}"
                f"   {row['equal_samples']:.3f}  {row['same_class']:.3f}  {row['largest']:.2g}{steps}",
                flush=True,
            )
        ours.stdin.close()
        ours.wait()
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


main()
