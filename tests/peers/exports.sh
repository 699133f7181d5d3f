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
    # A linear model has no units to remove.
    local units=(units:0.5:finetune=1 units:0.5+int8-static)
    [[ $architecture == linear ]] && units=()
    "$trimtab" compress "$name" fp16 int8-static weights:0.8:finetune=1 "${units[@]}" \
        int8-static:method=percentile:bias-correction:equalize int8-static:method=mse:tolerate=0 int8-dynamic \
        int8-qat:epochs=1 int4 int4:epochs=1 --json >"$work/$name.json"
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

# NAME DATASET ARCHITECTURES RECIPES SETTINGS...: one short run of each small network, its compressed children, and an export
# folder of each.
check_all() {
    local name=$1 dataset=$2 architectures=$3 recipes=$4
    local architecture run runs setting settings=(--set "data.split=[0.5, 0.2, 0.3]") checks=()
    for setting in "${@:5}"; do settings+=(--set "$setting"); done
    "$trimtab" datasets "$dataset" --rows test "${settings[@]}" >"$work/$name.csv"
    for architecture in $architectures; do
        local stem="$work/$name-$architecture"
        cat >"$stem.toml" <<END
[data]
source = "$dataset"
[model]
architecture = "$architecture"
hidden = [16]
filters = [8, 16]
units = [8]
dimensions = 16
heads = 2
blocks = 1
feed_forward = 32
[train]
epochs = 1
END
        "$trimtab" train "$stem.toml" "${settings[@]}" --name "$name-$architecture" --json >/dev/null
        runs="$name-$architecture"
        if [[ -n $recipes ]]; then
            # shellcheck disable=SC2086
            "$trimtab" compress "$runs" $recipes --json >"$stem.json"
            runs+=" $("$python" -c 'import json, sys; print(*(row["run"] for row in json.load(open(sys.argv[1]))))' "$stem.json")"
        fi
        for run in $runs; do
            local folder="$stem-$run"
            "$trimtab" export "$run" --to "$folder" >/dev/null
            "$trimtab" predict "$folder" "$work/$name.csv" --json >"$folder.json" 2>/dev/null
            checks+=("$folder" "$folder.json")
        done
    done
    "$python" "$here/onnx_check.py" "$work/$name.csv" "${checks[@]}"
}

check cnn digits cnn
check mlp digits mlp
check table wine mlp
check linear iris linear
check regression diabetes mlp

stepwise="linear mlp cnn1d rnn gru lstm transformer"
check_all images digits "linear mlp cnn resnet mobilenet cnn1d rnn gru lstm transformer" ""
check_all patches digits transformer "" "model.patch=2" "model.summary=first" "model.pre_norm=false"
check_all sequences adding "$stepwise" "" data.samples=300 data.steps=12
check_all series sines "$stepwise" "" data.samples=300 data.window=12 data.horizon=3
check_all brackets brackets "$stepwise" "" data.samples=300 data.steps=10
check_all texts languages "$stepwise" "" data.vocabulary=60 model.bidirectional=true
check_all targets diabetes "linear mlp" "" "data.target=bmi,target"
check_all compressed digits "resnet mobilenet cnn1d transformer" "fp16 int8-static int8-dynamic int8-qat:epochs=1 int4"
check_all halved languages gru "fp16 int8-static int8-dynamic int4" data.vocabulary=60
