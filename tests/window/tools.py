"""What helps to set up a run and to mend one, with the mouse alone: the ranked choice, the layer editor, every augmentation, the
learning-rate finder, the largest batch, workers, the learning curve, and every finding of a run's curves."""

import subprocess
import time

from window import check, in_theme, over_store

# The scrolled parts of the window at 1440 x 900.
SET_UP = (90, 130, 380, 520)
DATA_SETS = (220, 230, 780, 580)
DRAWER = (90, 760, 1400, 890)

IMAGES = ["flip", "rotate", "shift", "crop and resize", "brightness and contrast", "noise", "cut-out", "mixup"]
SEQUENCES = ["noise", "scaling", "time warp", "time crop"]

# Runs in which something is to be found, what it is, and what the button changes.
FINDINGS = [
    ("too-high", "moons", "mlp", ["train.learning_rate=1e6", "train.optimizer=sgd", "train.momentum=0.99"], "Learning rate too high"),
    ("too-low", "digits", "mlp", ["train.learning_rate=1e-5", "train.epochs=8", "train.schedule=constant"], "Learning rate too low"),
    ("over", "diabetes", "mlp", ["train.epochs=80", "model.hidden=[128]", "train.learning_rate=0.01"], "Over-fitting"),
    ("under", "spirals", "linear", ["train.epochs=20"], "Under-fitting"),
    ("small-batch", "digits", "mlp", ["train.batch_size=8", "train.epochs=6"], "Batch too small for this machine"),
    ("early", "digits", "mlp", ["train.early_stopping.patience=1", "train.epochs=40", "model.dropout=0.5"], "Stopped too early"),
]


def record(window):
    """Trains the runs of the findings on the command line."""
    for name, source, architecture, changes, _ in FINDINGS:
        command = [window.trimtab, "--store", window.home]
        text = subprocess.run([*command, "init", "--dataset", source, "--architecture", architecture], check=True, capture_output=True).stdout
        with open(f"{window.home}.toml", "wb") as file:
            file.write(text)
        sets = [argument for change in changes for argument in ("--set", change)]
        # The first of them diverges, and so fails.
        subprocess.run([*command, "train", f"{window.home}.toml", "--name", name, *sets], capture_output=True)


def panels(window, theme):
    window.press("Which one? Opens a ranked list with reasons", within=SET_UP)
    window.find("Run the baselines first")
    time.sleep(1.0)
    window.picture(f"{theme}-20-choose")
    known = len(window.runs())
    window.press("Run the baselines first")
    window.until("the baselines are there", lambda runs: len(runs) >= known + 4 and all(run["status"] != "running" for run in runs))
    window.picture(f"{theme}-21-baselines")
    window.press("Layers", role="page tab")
    window.press("Add layer")
    window.picture(f"{theme}-22-add-layer")
    window.press("Add dropout")
    window.picture(f"{theme}-23-layers")
    window.press("Undo (Ctrl+Z)")
    augmentations(window, f"{theme}-24-augmentation", IMAGES)
    window.press("Learning rate", role="page tab")
    window.press("Find a learning rate", role="push button")
    rate = window.find_beginning("Use the suggested rate")
    window.picture(f"{theme}-25-rate")
    window.press(rate)
    window.press("Batch", role="page tab")
    window.press("Find the largest batch", role="push button")
    window.gone("Stop: Find the largest batch", patience=240)
    window.press("Time the batches", role="push button")
    window.gone("Stop: Time the batches", patience=240)
    window.picture(f"{theme}-26-batch")
    window.press("Workers", role="page tab")
    window.press("Measure the workers", role="push button")
    window.gone("Stop: Measure the workers", patience=240)
    window.picture(f"{theme}-27-workers")
    window.press("Learning curve", role="page tab")
    window.press("Draw the learning curve", role="push button")
    window.gone("Stop: Draw the learning curve", patience=240)
    window.picture(f"{theme}-28-learning-curve")


def augmentations(window, stage, changes):
    """Each change alone and its preview, and all of them together."""
    window.press("Augmentation", role="page tab")
    for place, change in enumerate(changes):
        window.press("Add change")
        window.press(f"Add {change}")
        time.sleep(0.6)
        window.picture(f"{stage}-{place + 1}-{change.replace(' ', '-')}")
        window.press("Undo (Ctrl+Z)")
    for change in changes:
        window.press("Add change")
        window.press(f"Add {change}")
    time.sleep(1.0)
    window.picture(f"{stage}-all")
    for _ in changes:
        window.press("Undo (Ctrl+Z)")


def sequences(window, theme):
    window.press("Data set", role="combo box", within=SET_UP)
    window.picture(f"{theme}-29-data-sets")
    window.press("adding", within=DATA_SETS)
    time.sleep(1.5)
    augmentations(window, f"{theme}-29-sequences", SEQUENCES)
    window.press("Back to the charts")


def findings(window, theme):
    """Each finding is read, and its button puts the changed configuration into the form."""
    for place, (name, _, _, _, title) in enumerate(FINDINGS):
        window.press(f"{name}, r{place + 1}", within=DRAWER)
        time.sleep(0.5)
        if window.look(f"Change the set-up: {title}") is None:
            window.press("Findings", role="page tab")
        window.find(f"Change the set-up: {title}")
        window.picture(f"{theme}-30-finding-{place + 1}-{name}")
        window.press(f"Change the set-up: {title}")
        window.gone(f"Change the set-up: {title}")
        check(True, f"the finding of {name} is taken into the set-up: {title}")


def act(window, theme):
    record(window)
    in_theme(window, theme)
    panels(window, theme)
    sequences(window, theme)
    findings(window, theme)
    window.end()


over_store(act)
