#!/usr/bin/env bash
# Holds training and inference against PyTorch: four networks at three batch sizes, each side in a process of its own, in turns, three
# rounds. Prints PyTorch's time over Trimtab's of the best and of the median step, and how much memory each side's steps took.
# Usage: bench.sh TRIMTAB PYTHON [PEER]   (a Python with torch; PEER is torch_bench.py unless another script prints the same lines)
# Read from the environment: WORKLOADS, BATCHES, THREADS, STEPS, ROUNDS, and OPTIONS for `trimtab bench`.
# Other work on the machine hurts both sides: run it on an idle one.
set -euo pipefail
trimtab=$1
python=$2
here=$(cd "$(dirname "$0")" && pwd)
peer=${3:-$here/torch_bench.py}
threads=${THREADS:-2}
steps=${STEPS:-60}
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

for round in $(seq "${ROUNDS:-3}"); do
    for batch in ${BATCHES:-64 32 8}; do
        for workload in ${WORKLOADS:-mlp784 cnn28 gru28 transformer28}; do
            echo "round $round: $workload, batch $batch" >&2
            what=(--workload "$workload" --batch "$batch" --threads "$threads" --steps "$steps")
            # shellcheck disable=SC2086
            ours=$("$trimtab" bench "${what[@]}" --json ${OPTIONS:-})
            theirs=$("$python" "$peer" "${what[@]}")
            printf '[%s, %s]\n' "$ours" "$theirs" >>"$lines"
        done
    done
done

"$python" - "$lines" <<'END'
import json
import statistics
import sys

rows = {}
for ours, theirs in map(json.loads, open(sys.argv[1])):
    assert ours["params"] == theirs["params"], "the networks differ"
    rows.setdefault((ours["workload"], ours["batch"]), []).append((ours, theirs))
titles = ["workload", "batch", "ms", "PyTorch ms", "best", "median", "inference", "memory MB", "PyTorch MB"]
print("  ".join(f"{title:>13}" for title in titles))
for (workload, batch), rounds in rows.items():
    best, median, infer, memory = (
        [summary(side[key] for side in sides) for sides in zip(*rounds)]
        for key, summary in [("train_ms_min", min), ("train_ms", statistics.median), ("infer_ms_min", min),
                             ("rss_growth_bytes", statistics.median)])
    ratio = lambda pair: f"{pair[1] / pair[0]:.2f}"
    cells = [workload, batch, f"{best[0]:.3f}", f"{best[1]:.3f}", ratio(best), ratio(median), ratio(infer)]
    cells += [f"{bytes / 1e6:.1f}" for bytes in memory]
    print("  ".join(f"{cell:>13}" for cell in cells))
END
