#!/usr/bin/env bash
# The real window under Xvfb, pressed with the mouse alone. Widgets are found by their accessible names, over the bus that
# screen readers use. Leaves a picture of each stage in OUT.
#
#   tests/window/run.sh TRIMTAB OUT [dark|light] [press|tools|compress]
#
# press: start, Run, Compress, Compare, Try it, Export; a kill while it trains; what it costs while it is idle and while it
# trains. tools: what helps to set up a run and to mend one. compress: the ladder, the recommendation, what broke, lineage, locks.
#
# Needs (Debian): xvfb xdotool imagemagick mesa-vulkan-drivers at-spi2-core dbus gir1.2-atspi-2.0 python3-gi
set -euo pipefail
trimtab="$(realpath "$1")"; out="$2"; theme="${3:-dark}"; script="${4:-press}"
mkdir -p "$out"
here="$(dirname "$(realpath "$0")")"
scratch="$(mktemp -d)"
chmod 700 "$scratch"
export XDG_RUNTIME_DIR="$scratch" HOME="$scratch/home" PYTHONDONTWRITEBYTECODE=1
mkdir -p "$HOME"
# A display of its own, that answers before the program starts. It does not begin anew when its last client has gone, since it
# refuses the next one meanwhile. A server that ends takes the socket of its number with it, and one that starts at that moment on
# the same number would lose its own: so the end is waited for.
xvfb=""
close() { [ -z "$xvfb" ] || { kill "$xvfb" 2>/dev/null || true; wait "$xvfb" 2>/dev/null || true; xvfb=""; }; }
trap 'close; rm -rf "$scratch"' EXIT
open_display() {
    : >"$scratch/display"
    exec 3<>"$scratch/display"
    Xvfb -displayfd 3 -noreset -screen 0 1440x900x24 >"$scratch/xvfb.log" 2>&1 &
    xvfb=$!
    for _ in $(seq 100); do
        DISPLAY=":$(head -n1 "$scratch/display" | tr -d '[:space:]')"
        [ "$DISPLAY" = ":" ] || ! xdotool getdisplaygeometry >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    close
    return 1
}
export DISPLAY
open_display || open_display || { cat "$scratch/xvfb.log" >&2; echo "no X display opened in 20 s" >&2; exit 1; }
dbus-run-session -- /usr/bin/python3 "$here/$script.py" "$trimtab" "$out" "$theme" 2> >(grep -v "dbus-daemon" >&2)
