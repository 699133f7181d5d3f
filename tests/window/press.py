"""Presses the window's buttons with the mouse and looks at what came of it. Called by run.sh."""

import json
import os
import signal
import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

PATIENCE_SECS = 90


class Window:
    """The program with its window, over a store of its own."""

    def __init__(self, trimtab, out, home):
        self.trimtab, self.out, self.home = trimtab, out, home
        self.process = None

    def start(self, is_accessible=True):
        switch(is_accessible)
        began = time.monotonic()
        self.process = subprocess.Popen([self.trimtab], env={**os.environ, "TRIMTAB_HOME": self.home})
        if is_accessible:
            self.find("Train")
        else:
            time.sleep(4)
        return time.monotonic() - began

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=20)

    def nodes(self):
        desktop = Atspi.get_desktop(0)
        for place in range(desktop.get_child_count()):
            app = desktop.get_child_at_index(place)
            if app is not None and app.get_process_id() == self.process.pid:
                yield from walk(app)

    def look(self, name, role=None):
        """The rectangle of the first widget of this accessible name, or None."""
        for node in self.nodes():
            try:
                if node.get_name() == name and (role is None or node.get_role_name() == role):
                    place = node.get_extents(Atspi.CoordType.SCREEN)
                    if place.width > 0:
                        return place
            except gi.repository.GLib.GError:
                continue
        return None

    def names(self):
        found = []
        for node in self.nodes():
            try:
                found.append(f"{node.get_role_name()} {node.get_name()!r}")
            except gi.repository.GLib.GError:
                continue
        return found

    def find(self, name, role=None, patience=PATIENCE_SECS):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if self.process.poll() is not None:
                sys.exit(f"the window has gone with {self.process.returncode} while {name!r} was looked for")
            place = self.look(name, role)
            if place is not None:
                return place
            time.sleep(0.2)
        self.picture("lost")
        sys.exit(f"no widget is named {name!r}; there are:\n" + "\n".join(self.names()))

    def find_beginning(self, words, patience=PATIENCE_SECS):
        """The name of the first widget that begins with these words."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for node in self.nodes():
                try:
                    if node.get_name().startswith(words):
                        return node.get_name()
                except gi.repository.GLib.GError:
                    continue
            time.sleep(0.3)
        self.picture("lost")
        sys.exit(f"no widget's name begins with {words!r}")

    def gone(self, name, patience=PATIENCE_SECS):
        """Waits until nothing has this name (any more)."""
        end = time.monotonic() + patience
        time.sleep(1.0)
        while self.look(name) is not None:
            if time.monotonic() > end:
                self.picture("stuck")
                sys.exit(f"still there: {name!r}")
            time.sleep(0.3)
        time.sleep(0.5)

    def press(self, name, role=None):
        place = self.find(name, role)
        pointer("mousemove", place.x + place.width // 2, place.y + place.height // 2)
        time.sleep(0.15)
        pointer("click", 1)
        time.sleep(0.4)

    def picture(self, stage):
        pointer("mousemove", 720, 4)
        time.sleep(0.7)
        subprocess.run(["import", "-window", "root", f"{self.out}/{stage}.png"], check=True)

    def runs(self):
        """What the command line says of the same store."""
        text = subprocess.run(
            [self.trimtab, "--store", self.home, "runs", "--json"], check=True, capture_output=True, text=True
        ).stdout
        return json.loads(text)

    def until(self, what, reached):
        end = time.monotonic() + PATIENCE_SECS
        while time.monotonic() < end:
            if reached(self.runs()):
                time.sleep(1.0)
                return
            time.sleep(0.3)
        self.picture("stuck")
        sys.exit(f"not reached: {what}; runs: {self.runs()}")

    def thread_ticks(self):
        """Processor time of the window's own thread, in clock ticks."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def process_ticks(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def share(self, ticks, secs):
        """Share of one core over the next `secs`, by what `ticks` counts."""
        before, began = ticks(), time.monotonic()
        time.sleep(secs)
        return (ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)


def walk(node):
    for place in range(node.get_child_count()):
        child = node.get_child_at_index(place)
        if child is not None:
            yield child
            yield from walk(child)


def switch(is_accessible):
    """Says on the bus whether a screen reader listens."""
    value = "<true>" if is_accessible else "<false>"
    for key in ("IsEnabled", "ScreenReaderEnabled"):
        command = ["gdbus", "call", "--session", "--dest", "org.a11y.Bus", "--object-path", "/org/a11y/bus", "--method"]
        command += ["org.freedesktop.DBus.Properties.Set", "org.a11y.Status", key, value]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def pointer(*arguments):
    subprocess.run(["xdotool", *map(str, arguments)], check=True)


def draw(place, points):
    """Drags through `points`, given as shares of a rectangle."""
    at = [(place.x + x * place.width, place.y + y * place.height) for x, y in points]
    pointer("mousemove", int(at[0][0]), int(at[0][1]))
    pointer("mousedown", 1)
    for (x0, y0), (x1, y1) in zip(at, at[1:]):
        for step in range(1, 13):
            pointer("mousemove", int(x0 + (x1 - x0) * step / 12), int(y0 + (y1 - y0) * step / 12))
            time.sleep(0.01)
    pointer("mouseup", 1)
    time.sleep(1.2)


def check(holds, what):
    print(("holds: " if holds else "BROKEN: ") + what, flush=True)
    if not holds:
        sys.exit(1)


def whole_path(window, theme):
    window.start()
    if theme == "light":
        window.press("Settings")
        window.press("Light")
        window.press("Close")
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
    return window


def tools(window, theme):
    """What helps to set up a run: the ranked choice, the layers, augmentation, and the measurements before training."""
    command(window, "Which architecture? Ranked with reasons")
    window.find("Run the baselines first")
    time.sleep(1.0)
    window.picture(f"{theme}-20-choose")
    window.press("Run the baselines first")
    window.until(
        "the baselines are measured", lambda runs: sum(run["status"] == "finished" and "size_bytes" in run for run in runs) >= 3
    )
    window.picture(f"{theme}-21-baselines")
    command(window, "Edit the layers")
    window.press("Add layer")
    window.picture(f"{theme}-22-add-layer")
    window.press("Add dropout")
    window.picture(f"{theme}-23-layers")
    window.press("Back to the knobs")
    command(window, "Edit the augmentation of training samples")
    for change in ("rotate", "shift", "noise", "cut-out", "mixup"):
        window.press("Add change")
        window.press(f"Add {change}")
    time.sleep(1.0)
    window.picture(f"{theme}-24-augmentation")
    window.press("Undo")
    command(window, "Find a learning rate")
    window.press("Find a learning rate", role="push button")
    rate = window.find_beginning("Use the suggested rate")
    window.picture(f"{theme}-25-rate")
    window.press(rate)
    command(window, "Find the largest batch, and the fastest")
    window.press("Find the largest batch", role="push button")
    window.find_beginning("Use the largest batch")
    window.press("Time the batches", role="push button")
    window.gone("Stop: Time the batches")
    window.picture(f"{theme}-26-batch")
    command(window, "Measure the speed-up of workers")
    window.press("Measure the workers", role="push button")
    window.gone("Stop: Measure the workers")
    window.picture(f"{theme}-27-workers")
    window.press("Back to the charts")


def command(window, name):
    """An action of the palette, found by its first word and pressed."""
    # Without a window manager nobody gives the window the keyboard.
    found = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--pid", str(window.process.pid), ""], check=True, capture_output=True, text=True
    ).stdout.split()
    pointer("windowfocus", found[0])
    window.press("All actions (Ctrl+K)")
    pointer("type", "--delay", 60, name.split()[0])
    time.sleep(0.5)
    window.press(name)
    time.sleep(0.8)


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


def killed(window):
    """kill -9 while it trains; the run is interrupted, its curve whole, and Resume goes on."""
    window.press("Train")
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
    window.end()


def costs(window, run_button):
    """What the window costs without a screen reader listening: idle, and while it trains."""
    window.start(is_accessible=False)
    pointer("mousemove", 720, 4)
    time.sleep(3.0)
    idle = window.share(window.process_ticks, 10.0)
    check(idle < 0.01, f"idle: {idle:.2%} of a core (limit 1 %)")
    shares = []
    for _ in range(3):
        known = {run["run"] for run in window.runs()}
        pointer("mousemove", *run_button)
        time.sleep(0.2)
        pointer("click", 1)
        pointer("mousemove", 720, 4)
        time.sleep(0.5)
        whole = window.process_ticks()
        shares.append(window.share(window.thread_ticks, 2.0))
        whole = (window.process_ticks() - whole) / os.sysconf("SC_CLK_TCK")
        began = [run for run in window.runs() if run["run"] not in known]
        check(len(began) == 1 and whole > 0.5, f"pressing Run trains: {whole:.1f} s of processor time over 2 s")
        window.until("nothing trains", lambda runs: not any(run["status"] in ("running", "queued") for run in runs))
    share = sorted(shares)[1]
    check(share < 0.05, f"training: the window's thread takes {share:.2%} of a core (limit 5 %), median of 3")
    window.end()


def main():
    trimtab, out, theme = sys.argv[1:]
    bus = subprocess.Popen(["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"], stderr=subprocess.DEVNULL)
    time.sleep(1.0)
    try:
        home = os.path.join(os.environ["HOME"], "store")
        window = whole_path(Window(trimtab, out, home), theme)
        export(window, theme)
        if os.environ.get("TRIMTAB_TOOLS"):
            window.press("Train")
            tools(window, theme)
        run = window.find("Run", role="push button")
        killed(window)
        costs(window, (run.x + run.width // 2, run.y + run.height // 2))
    finally:
        bus.terminate()


main()
