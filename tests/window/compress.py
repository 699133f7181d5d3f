"""The ladder, the limits and the recommendation, what broke, compressing further, and the layers with their locks, with the mouse
alone."""

import time

from window import Atspi, check, in_theme, over_store, pointer

# The results of the Compress page at 1440 x 900; the list of runs below has menus of the same names.
RESULTS = (480, 260, 1420, 600)


def menu(window, name):
    """Opens the menu of a result."""
    for _ in range(25):
        for node in window.nodes():
            if node.get_name() == f"Actions of {name}":
                place = node.get_extents(Atspi.CoordType.SCREEN)
                if place.width > 0 and RESULTS[1] < place.y < RESULTS[3]:
                    pointer("mousemove", place.x + place.width // 2, place.y + place.height // 2)
                    time.sleep(0.2)
                    pointer("click", 1)
                    time.sleep(0.6)
                    return
        window.scroll(RESULTS, 5)
    window.picture("lost")
    raise SystemExit(f"the results have no menu for {name}")


def selected(window, names):
    """The name of the result that is selected."""
    states = (Atspi.StateType.PRESSED, Atspi.StateType.CHECKED, Atspi.StateType.SELECTED)
    for node in window.nodes():
        if node.get_name() in names and any(node.get_state_set().contains(state) for state in states):
            return node.get_name()
    return None


def ladder(window, theme):
    in_theme(window, theme)
    window.press("Run")
    window.until("the run is finished", lambda runs: [run["status"] for run in runs] == ["finished"])
    window.press("Compress")
    window.press("Build the ladder")
    window.until("the ladder is measured", lambda runs: sum("size_bytes" in run for run in runs) == 13)
    time.sleep(2.0)
    window.picture(f"{theme}-40-ladder")
    window.press("The recommended result")
    window.picture(f"{theme}-41-recommended")
    runs = window.runs()
    parent = next(run for run in runs if run["parent"] is None)
    fits = [run for run in runs if parent["accuracy"] - run["accuracy"] <= 0.01 + 1e-12]
    fits = [run for run in fits if run is parent or run["verdict"] == "faster"]
    best = min(fits, key=lambda run: (run["latency_us"]["batch64"]["median"], -run["accuracy"]))["name"]
    chosen = selected(window, [run["name"] for run in runs])
    check(chosen == best, f"{chosen!r} is recommended, and is the quickest of {len(fits)} that are faster and lose at most a point: {best!r}")


def what_broke(window, theme):
    result = next(run for run in window.runs() if run["recipe"] == "units:0.7:finetune=5")
    name = result["name"]
    menu(window, name)
    window.press("Open in Train")
    window.press("What broke", role="page tab")
    time.sleep(1.0)
    window.picture(f"{theme}-42-what-broke")
    window.press("Compress")
    menu(window, name)
    window.press("Compress further")
    time.sleep(1.0)
    window.picture(f"{theme}-43-further")
    window.press("Compress", role="push button")
    window.until("the child's child is measured", lambda runs: sum("size_bytes" in run for run in runs) == 14)
    window.picture(f"{theme}-44-lineage")
    parent = window.runs()[-1]["parent"]
    check(parent == result["run"], f"the compressed run {result['run']} was compressed further: {parent} is the parent")


def layers(window, theme):
    window.press("Layer by layer")
    window.press("Find the mix")
    window.find_beginning("Within ")
    window.picture(f"{theme}-45-layers")
    lock = window.find_beginning("Protect layer ")
    window.press(lock)
    window.picture(f"{theme}-46-locked")
    window.press("Compress", role="push button")
    window.until("the protected run is measured", lambda runs: sum("size_bytes" in run for run in runs) == 15)
    recipe = window.runs()[-1]["recipe"]
    check("protect=" + lock.split()[2] in recipe, f"the lock is in the recipe that was applied: {recipe}")


def act(window, theme):
    ladder(window, theme)
    what_broke(window, theme)
    layers(window, theme)
    window.end()


over_store(act)
