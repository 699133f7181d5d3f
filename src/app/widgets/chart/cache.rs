//! Curves as they are drawn, kept from frame to frame: what is drawn again without a change costs nothing but the drawing.

use std::collections::HashMap;

use egui_plot::PlotPoint;

use super::axis::Scale;
use crate::spec::RunId;
use crate::timeline::{Curve, RunView, Series, Trace, Watch, XAxis};

/// Frames after which what was not drawn is forgotten.
const PATIENCE: u64 = 300;

/// The part of a chart's plane that is seen, and how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub axis: XAxis,
    pub x: Scale,
    pub y: Scale,
    /// Places of the left and the right edge.
    pub from: f64,
    pub to: f64,
}

#[derive(Debug, Default)]
pub struct Cache {
    curves: HashMap<(RunId, Trace), Kept>,
    watches: HashMap<RunId, (Watch, u64)>,
    frame: u64,
}

#[derive(Debug)]
struct Kept {
    curve: Curve,
    axis: XAxis,
    shown: Drawn,
    raw: Drawn,
    used: u64,
}

/// A line's points, in places of the window.
#[derive(Debug, Default)]
pub struct Drawn {
    /// The window, its columns and the version of the curve that the points are of.
    key: Option<(Window, usize, (u64, usize, u64))>,
    pub points: Vec<PlotPoint>,
    /// The lowest and the highest place in sight.
    pub extremes: Option<[f64; 2]>,
}

/// A line that is ready to be drawn.
#[derive(Clone, Copy)]
pub struct Ready<'a> {
    pub curve: &'a Curve,
    pub shown: &'a Drawn,
    /// What is smoothed, behind.
    pub raw: Option<&'a Drawn>,
}

impl Cache {
    /// Begins a frame.
    pub fn begin(&mut self, frame: u64) {
        if self.frame == frame {
            return;
        }
        self.frame = frame;
        let is_recent = |used: u64| used + PATIENCE >= frame;
        if frame.is_multiple_of(PATIENCE) {
            self.curves.retain(|_, kept| is_recent(kept.used));
            self.watches.retain(|_, (_, used)| is_recent(*used));
        }
    }

    /// Brings a line up to date with its run; `with_raw` where the raw trace is drawn behind the smoothed one.
    pub fn prepare(
        &mut self,
        (run, view): (RunId, &RunView),
        trace: Trace,
        smoothing: f64,
        window: Window,
        columns: usize,
        with_raw: bool,
    ) {
        let kept = self.curves.entry((run, trace)).or_insert_with(|| Kept {
            curve: Curve::new(trace, window.axis, smoothing),
            axis: window.axis,
            shown: Drawn::default(),
            raw: Drawn::default(),
            used: self.frame,
        });
        kept.used = self.frame;
        if kept.axis != window.axis {
            kept.axis = window.axis;
            kept.curve = Curve::new(trace, window.axis, smoothing);
            kept.shown.key = None;
            kept.raw.key = None;
        }
        kept.curve.smooth_by(smoothing);
        kept.curve.take(view);
        let version = kept.curve.version();
        kept.shown.draw(kept.curve.shown(), window, columns, version);
        if with_raw && kept.curve.is_smoothed() {
            kept.raw.draw(kept.curve.raw(), window, columns, version);
        } else {
            kept.raw = Drawn::default();
        }
    }

    /// A line that was prepared.
    pub fn line(&self, run: RunId, trace: Trace) -> Option<Ready<'_>> {
        let kept = self.curves.get(&(run, trace))?;
        Some(Ready {
            curve: &kept.curve,
            shown: &kept.shown,
            raw: kept.raw.key.is_some().then_some(&kept.raw),
        })
    }

    /// What is to be said of a run so far.
    pub fn watch(&mut self, run: RunId, view: &RunView) {
        let (watch, used) = self.watches.entry(run).or_default();
        *used = self.frame;
        watch.take(view);
    }

    pub fn alarms(&self, run: RunId) -> &[crate::timeline::Alarm] {
        self.watches.get(&run).map_or(&[], |(watch, _)| watch.alarms())
    }
}

impl Drawn {
    fn draw(&mut self, series: &Series, window: Window, columns: usize, version: (u64, usize, u64)) {
        let key = Some((window, columns, version));
        if self.key == key {
            return;
        }
        self.key = key;
        let Window { x, y, from, to, .. } = window;
        let edge = |column: usize| x.value(from + (to - from) * column as f64 / columns as f64);
        let edges: Vec<f64> = (0..=columns).map(edge).collect();
        self.points.clear();
        let places = series
            .envelope(&edges)
            .into_iter()
            .filter_map(|point| Some(PlotPoint::new(x.place(point[0])?, y.place(point[1])?)));
        self.points.extend(places);
        let in_sight = self.points.iter().filter(|point| (from..=to).contains(&point.x));
        self.extremes = in_sight.fold(None, |found: Option<[f64; 2]>, point| {
            let [low, high] = found.unwrap_or([point.y; 2]);
            Some([low.min(point.y), high.max(point.y)])
        });
    }

    /// Where the line stands at a place of the x axis.
    pub fn at(&self, x: f64) -> Option<f64> {
        let after = self.points.partition_point(|point| point.x < x);
        let next = self.points.get(after)?;
        let Some(before) = after.checked_sub(1).and_then(|place| self.points.get(place)) else {
            return (next.x == x).then_some(next.y);
        };
        let share = (x - before.x) / (next.x - before.x);
        Some(before.y + share * (next.y - before.y))
    }
}
