#!/usr/bin/env python3
"""Lets ONNX's own checker and ONNX Runtime judge exported folders against what `trimtab predict` says.

    onnx_check.py ROWS.csv FOLDER PREDICTIONS.json [FOLDER PREDICTIONS.json ...]

ROWS.csv holds raw rows with a header (texts, sequences in wide form, or a series where the data set is of these); PREDICTIONS.json is what `trimtab predict FOLDER ROWS.csv --json` printed. Every
model must pass the checker with full_check, and on every row ONNX Runtime's class must be the predicted label (for a
regression, its value must be the predicted one). Exits with 1 where something differs, and with 2 when given nothing.

The rows are preprocessed here from preprocessing.json alone, by code that shares nothing with Trimtab.
"""

import csv
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

# Largest accepted difference of a probability, or of a value relative to the target's deviation.
TOLERANCE = 1e-4


def tokens(text, vocabulary):
    """A text's tokens; 0 is padding."""
    if vocabulary["kind"] == "bytes":
        return [byte + 1 for byte in text.encode("utf-8")]
    words = []
    inside = False
    for character in text.lower():
        if character.isalnum():
            words[-1:] = [words[-1] + character] if inside else [*words[-1:], character]
        elif not character.isspace():
            words.append(character)
        inside = character.isalnum()
    places = {word: place + 2 for place, word in enumerate(vocabulary["words"])}
    return [places.get(word, 1) for word in words]


def steps_of(rows, form, steps):
    """Samples of steps, [N, steps, features]."""
    features = [(f["name"], f["mean"], f["deviation"]) for f in form["features"]]
    if form["kind"] == "steps":
        values = [
            [[(float(row[f"{name}_{step}"]) - mean) / deviation for name, mean, deviation in features] for step in range(steps)]
            for row in rows
        ]
        return np.array(values)
    series = np.array([[(float(row[name]) - mean) / deviation for name, mean, deviation in features] for row in rows])
    # Every window whose truth the file holds, and the one at its end.
    starts = [*range(len(rows) - steps - form["horizon"] + 1), len(rows) - steps]
    return np.stack([series[start : start + steps] for start in starts])


def inputs(rows, preprocessing):
    """The network's input, [N, ...]: float32, or int64 for tokens."""
    form = preprocessing["form"]
    shape = preprocessing["shape"]
    if form["kind"] == "text":
        texts = [tokens(row[form["column"]], form["vocabulary"])[: shape["steps"]] for row in rows]
        return np.array([[0] * (shape["steps"] - len(text)) + text for text in texts], dtype=np.int64)
    if form["kind"] in ("steps", "window"):
        return steps_of(rows, form, shape["steps"]).astype(np.float32)
    parts = []
    for column in preprocessing["columns"]:
        cells = [row[column["name"]].strip() for row in rows]
        if column["kind"] == "numeric":
            values = np.array([float(cell) if cell else column["fill"] for cell in cells])
            parts.append(((values - column["mean"]) / column["deviation"])[:, None])
        else:
            parts.append(np.array([[float(cell == category) for category in column["categories"]] for cell in cells]))
    if shape["kind"] == "image":
        dimensions = [shape["channels"], shape["height"], shape["width"]]
    else:
        dimensions = [shape["features"]]
    return np.concatenate(parts, axis=1).astype(np.float32).reshape([len(rows), *dimensions])


def session(path):
    """ONNX Runtime on one thread, optimized as it is by default."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Without VNNI, ONNX Runtime's default u8 x s8 product saturates 16-bit sums; this setting makes it exact.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def check(folder, rows, predictions):
    """Problems found in one folder, as sentences."""
    path = folder / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    preprocessing = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
    samples = inputs(rows, preprocessing)
    if len(predictions) != len(samples):
        return [f"{len(predictions)} predictions for {len(samples)} samples"]
    engine = session(path)
    names = ([value.name for value in engine.get_inputs()], [value.name for value in engine.get_outputs()])
    operators = {node.op_type for node in onnx.load(str(path)).graph.node}
    # A grid that is made on the way is one of the whole batch, so the batches must be those of `predict`.
    size = 64 if "DynamicQuantizeLinear" in operators else len(samples)
    batches = [samples[start : start + size] for start in range(0, len(samples), size)]
    output = np.concatenate([engine.run(None, {"input": batch})[0] for batch in batches])
    target = preprocessing["target"]
    problems = []
    if target["kind"] == "classes":
        if names != (["input"], ["logits"]):
            problems.append(f"inputs and outputs are called {names}")
        labels = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
        found = [labels[index] for index in output.argmax(axis=1)]
        wrong = [row for row, prediction in enumerate(predictions) if prediction["label"] != found[row]]
        if wrong:
            problems.append(f"{len(wrong)} of {len(samples)} classes differ, the first in row {wrong[0] + 1}")
        expected = np.array([prediction["probabilities"] for prediction in predictions])
        difference = float(np.abs(softmax(output) - expected).max())
    else:
        if names != (["input"], ["prediction"]):
            problems.append(f"inputs and outputs are called {names}")
        expected = np.array([p["values"] if "values" in p else [p["value"]] for p in predictions])
        mean, deviation = (np.array([t[key] for t in target["targets"]]) for key in ("mean", "deviation"))
        difference = float((np.abs(mean + deviation * output.astype(np.float64) - expected) / deviation).max())
    # On an 8-bit grid a rounding tie moves an output by one step; there the class is what must hold.
    is_integer = not operators.isdisjoint({"QuantizeLinear", "DynamicQuantizeLinear"})
    if not difference <= TOLERANCE and not (is_integer and target["kind"] == "classes"):
        problems.append(f"outputs differ by up to {difference:.3g}")
    print(f"{folder}: {len(samples)} samples, largest difference {difference:.3g}")
    return problems


def main(arguments):
    if len(arguments) < 3 or len(arguments) % 2 == 0:
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[0], newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        print(f"{arguments[0]}: no rows", file=sys.stderr)
        return 2
    failed = False
    for folder, predictions in zip(arguments[1::2], arguments[2::2]):
        predictions = json.loads(pathlib.Path(predictions).read_text(encoding="utf-8"))
        for problem in check(pathlib.Path(folder), rows, predictions):
            print(f"{folder}: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
