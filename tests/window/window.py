"""The real window: its widgets by their accessible names, the mouse, and what the process costs."""

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
        # Without a window manager nobody else gives it the keys.
        pointer("search", "--name", "^Trimtab$", "windowfocus")
        return time.monotonic() - began

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=20)

    def quit(self):
        pointer("key", "ctrl+q")
        check(self.process.wait(PATIENCE_SECS) == 0, "Ctrl+Q closes the window")

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

    def press(self, name, role=None, within=None):
        """Clicks the middle of a widget; where it lies beyond the edges of the area `within` (left, top, right, bottom), it is
        scrolled into it first."""
        # A list draws only the lines that are to be seen.
        for _ in range(40 if within else 0):
            if self.look(name, role) is not None:
                break
            self.scroll(within, 5)
        place = self.find(name, role)
        for _ in range(60):
            middle = place.y + place.height // 2
            if within is None or within[1] <= middle <= within[3]:
                break
            self.scroll(within, 5 if middle > within[3] else 4)
            place = self.find(name, role)
        pointer("mousemove", place.x + place.width // 2, place.y + place.height // 2)
        time.sleep(0.15)
        pointer("click", 1)
        time.sleep(0.4)

    def enter(self, name, value, within):
        """Types a value into the field of this name."""
        self.press(name, role="spin button", within=within)
        pointer("key", "ctrl+a")
        pointer("type", value)
        pointer("key", "Return")
        time.sleep(0.4)

    def scroll(self, within, button):
        pointer("mousemove", (within[0] + within[2]) // 2, (within[1] + within[3]) // 2)
        pointer("click", button)
        # The scrolling glides.
        time.sleep(0.6)

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

    def comes(self, reached, secs=10.0):
        """Whether the runs come to be so within `secs`."""
        end = time.monotonic() + secs
        while time.monotonic() < end:
            if reached(self.runs()):
                return True
            time.sleep(0.3)
        return False

    def until(self, what, reached):
        if self.comes(reached, PATIENCE_SECS):
            time.sleep(1.0)
            return
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


def over_store(act):
    """Runs `act(window, theme)` with the window of the command line's program, over an empty store."""
    trimtab, out, theme = sys.argv[1:]
    bus = subprocess.Popen(["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"], stderr=subprocess.DEVNULL)
    time.sleep(1.0)
    try:
        act(Window(trimtab, out, os.path.join(os.environ["HOME"], "store")), theme)
    finally:
        bus.terminate()


def in_theme(window, theme):
    window.start()
    if theme == "light":
        window.press("Settings")
        window.press("Light")
        window.press("Close")


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
