#!/usr/bin/env bash
# Holds every exported form against ONNX Runtime: trains, compresses and exports with the program, predicts the whole test
# split from the export folders, and lets onnx_check.py compare.
# Usage: exports.sh TRIMTAB PYTHON   (a Python with onnx, onnxruntime and numpy)
set -euo pipefail
trimtab=$1
python=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TRIMTAB_HOME="$work/store"

# NAME DATASET ARCHITECTURE: one run, its compressed children, and an export folder of each.
check() {
    local name=$1 dataset=$2 architecture=$3
    "$trimtab" init --dataset "$dataset" --architecture "$architecture" >"$work/$name.toml"
    "$trimtab" train "$work/$name.toml" --name "$name" --json >/dev/null
    "$trimtab" compress "$name" fp16 int8-static weights:0.8:finetune=1 units:0.5:finetune=1 units:0.5+int8-static --json >"$work/$name.json"
    "$trimtab" datasets "$dataset" --rows test >"$work/$name.csv"
    local runs checks=()
    runs=$("$python" -c 'import json, sys; print(*(row["run"] for row in json.load(open(sys.argv[1]))))' "$work/$name.json")
    for run in "$name" $runs; do
        local folder="$work/$name-$run"
        "$trimtab" export "$run" --to "$folder" >/dev/null
        "$trimtab" predict "$folder" "$work/$name.csv" --json >"$folder.json"
        checks+=("$folder" "$folder.json")
    done
    "$python" "$here/onnx_check.py" "$work/$name.csv" "${checks[@]}"
}

check cnn digits cnn
check mlp digits mlp
check table wine mlp
check linear iris linear
check regression diabetes mlp
