"""The whole path with the mouse alone: start, Run, Compress, Compare, Try it, Export; a kill while it trains; what the window
costs while it is idle and while it trains."""

import os
import signal
import subprocess
import time

from window import PATIENCE_SECS, check, draw, in_theme, over_store, pointer


def whole_path(window, theme):
    in_theme(window, theme)
    window.picture(f"{theme}-1-start")
    window.press("Run")
    time.sleep(1.0)
    window.picture(f"{theme}-2-training")
    window.until("the run is finished", lambda runs: [run["status"] for run in runs] == ["finished"])
    window.picture(f"{theme}-3-trained")
    window.press("Compress")
    window.picture(f"{theme}-4-compress")
    window.press("Try the usual four")
    window.until("five runs are measured", lambda runs: sum("size_bytes" in run for run in runs) == 5)
    window.picture(f"{theme}-5-compressed")
    window.press("Compare")
    window.picture(f"{theme}-6-compare")
    window.press("Try it")
    time.sleep(1.0)
    window.picture(f"{theme}-7-try")
    pad = window.find("Drawing pad")
    draw(pad, [(0.35, 0.25), (0.7, 0.25), (0.45, 0.85)])
    window.picture(f"{theme}-8-drawn")


def export(window, theme):
    window.press("Compress")
    window.press("Actions of digits-cnn")
    window.press("Export…")
    window.picture(f"{theme}-9-export")
    window.press("Export", role="push button")
    folder = os.path.join(os.environ["HOME"], "trimtab-exports")
    end = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < end and not any("card.md" in files for _, _, files in os.walk(folder)):
        time.sleep(0.3)
    time.sleep(1.5)
    window.picture(f"{theme}-10-exported")
    files = {name: root for root, _, names in os.walk(folder) for name in names}
    expected = {"model.onnx", "model.safetensors", "config.toml", "preprocessing.json", "labels.txt", "card.md"}
    check(expected <= files.keys(), f"the export has its six files in {files.get('card.md')}")
    window.press("Close")


# The scrolled part of the window at 1440 x 900.
SET_UP = (90, 130, 380, 520)
# Enough to be still at work after some seconds.
EPOCHS = 400


def killed(window):
    """kill -9 while it trains; the run is interrupted, its curve whole, and Resume goes on."""
    window.press("Train")
    window.enter("Epochs", EPOCHS, SET_UP)
    run = window.find("Run", role="push button")
    center = (run.x + run.width // 2, run.y + run.height // 2)
    pointer("mousemove", *center)
    pointer("click", 1)
    window.until("a run is open", lambda runs: any(run["status"] == "running" for run in runs))
    number, name = (window.runs()[-1][key] for key in ("run", "name"))
    window.end(signal.SIGKILL)
    last = window.runs()[-1]
    check(last["status"] == "interrupted", f"{number} is interrupted after kill -9")
    curve = subprocess.run(
        [window.trimtab, "--store", window.home, "curves", number, "--csv"], check=True, capture_output=True, text=True
    ).stdout
    steps = [int(line.split(",")[0]) for line in curve.splitlines()[1:] if line]
    check(steps == list(range(len(steps))) and len(steps) > 10, f"its curve is whole: {len(steps)} steps without a gap")
    window.start()
    window.press(f"Resume {name}")
    window.until("it is finished", lambda runs: any(run["run"] == number and run["status"] == "finished" for run in runs))
    check(True, f"Resume took {number} to its end")
    # What was typed before the kill is not in the form any more.
    window.enter("Epochs", EPOCHS, SET_UP)
    window.quit()


def costs(window, run_button, stop_button):
    """What the window costs without a screen reader listening: idle, and while it trains."""
    window.start(is_accessible=False)
    pointer("mousemove", 720, 4)
    time.sleep(3.0)
    idle = window.share(window.process_ticks, 10.0)
    check(idle < 0.01, f"idle: {idle:.2%} of a core (limit 1 %)")
    shares = []
    for _ in range(3):
        known = {run["run"] for run in window.runs()}
        # The window may not have heard yet that the run before has ended, and lets Run be pressed when it has.
        for _ in range(3):
            pointer("mousemove", *run_button)
            time.sleep(0.2)
            pointer("click", 1)
            pointer("mousemove", 720, 4)
            if window.comes(lambda runs: any(run["run"] not in known for run in runs)):
                break
        time.sleep(0.5)
        whole = window.process_ticks()
        shares.append(window.share(window.thread_ticks, 2.0))
        whole = (window.process_ticks() - whole) / os.sysconf("SC_CLK_TCK")
        began = [run for run in window.runs() if run["run"] not in known]
        check(len(began) == 1 and began[0]["status"] == "running" and whole > 0.5, f"pressing Run trains: {whole:.1f} s of processor time over 2 s")
        pointer("mousemove", *stop_button)
        time.sleep(0.2)
        pointer("click", 1)
        window.until("nothing trains", lambda runs: not any(run["status"] in ("running", "queued") for run in runs))
    share = sorted(shares)[1]
    check(share < 0.05, f"training: the window's thread takes {share:.2%} of a core (limit 5 %), median of 3")
    window.end()


def act(window, theme):
    whole_path(window, theme)
    export(window, theme)
    run, stop = (window.find(name, role="push button") for name in ("Run", "Stop"))
    killed(window)
    costs(window, *((button.x + button.width // 2, button.y + button.height // 2) for button in (run, stop)))


over_store(act)
