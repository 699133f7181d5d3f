//! The answer over the plane of two inputs, in raw units.

use super::Viewer;
use crate::data::{Dataset, Inputs, Targets};
use crate::spec::{ColumnKind, Range, Surface, TargetTransform, class_of};

/// Cells along each side of a surface.
const SIZE: usize = 64;
/// What of the training rows' extent a surface shows beyond them on each side.
const MARGIN: f32 = 0.1;
/// Most points that a picture of the data needs.
const POINTS: usize = 2_000;

/// Data of exactly two numeric inputs.
#[derive(Debug)]
pub(super) struct Plane {
    axes: [Axis; 2],
    points: Vec<([f64; 2], u32)>,
    /// Of the training rows' standardised targets, for a regression.
    values: Range,
}

#[derive(Debug)]
struct Axis {
    name: String,
    /// Standardised, with the margin.
    range: Range,
    mean: f64,
    deviation: f64,
}

impl Plane {
    pub fn of(dataset: &Dataset) -> Option<Self> {
        let [x, y] = &dataset.preprocessing.columns[..] else {
            return None;
        };
        let train = &dataset.train;
        let ranges = ranges(&train.inputs)?;
        let axis = |place: usize, name: &str, kind: &ColumnKind| {
            let &ColumnKind::Numeric { mean, deviation, .. } = kind else {
                return None;
            };
            let Range { min, max } = ranges[place];
            let margin = if max > min { MARGIN * (max - min) } else { 1.0 };
            Some(Axis {
                name: name.to_owned(),
                range: Range {
                    min: min - margin,
                    max: max + margin,
                },
                mean,
                deviation,
            })
        };
        let axes = [axis(0, &x.name, &x.kind)?, axis(1, &y.name, &y.kind)?];
        let shown = train.len().min(POINTS);
        // Evenly from all rows: a file may be sorted by class.
        let rows = (0..shown).map(|place| place * train.len() / shown);
        let points = rows.map(|row| {
            let inputs = train.inputs.slice(2 * row..2 * row + 2).ok()?;
            let [x, y] = [0, 1].map(|place| axes[place].raw(inputs[place]));
            let class = match &train.targets {
                Targets::Classes(classes) => classes[row],
                Targets::Values { .. } => 0,
            };
            Some(([x, y], class))
        });
        Some(Self {
            points: points.collect::<Option<_>>()?,
            axes,
            values: match &train.targets {
                Targets::Classes(_) => Range { min: 0.0, max: 1.0 },
                Targets::Values { values, .. } => Range::of(values),
            },
        })
    }
}

/// Of the even and of the odd ones of all values, of which some are read at once.
fn ranges(inputs: &Inputs) -> Option<[Range; 2]> {
    let mut ranges = [Range::of(&[]); 2];
    for chunk in inputs.chunks(1 << 16) {
        for pair in chunk.ok()?.as_chunks::<2>().0 {
            for (range, value) in ranges.iter_mut().zip(pair) {
                *range = range.union(Range::of(std::slice::from_ref(value)));
            }
        }
    }
    Some(ranges)
}

impl Axis {
    fn raw(&self, input: f32) -> f64 {
        self.mean + self.deviation * f64::from(input)
    }

    /// Centre of a cell.
    fn centre(&self, cell: usize) -> f32 {
        let place = (cell as f32 + 0.5) / SIZE as f32;
        self.range.min + place * (self.range.max - self.range.min)
    }

    fn ends(&self) -> [f64; 2] {
        [self.raw(self.range.min), self.raw(self.range.max)]
    }
}

impl Viewer<'_> {
    /// Up to 2000 training rows: x, y and class (0 for a regression); none unless the data have exactly two numeric inputs.
    pub fn points(&self) -> &[([f64; 2], u32)] {
        self.plane.as_ref().map_or(&[], |plane| &plane.points)
    }

    /// What `network` answers over the plane; it gets preprocessed inputs, row by row.
    pub fn surface<E>(&self, network: impl FnOnce(&[f32]) -> Result<Vec<f32>, E>) -> Result<Option<Surface>, E> {
        let Some(plane) = &self.plane else {
            return Ok(None);
        };
        let [x, y] = &plane.axes;
        let cells = (0..SIZE * SIZE).flat_map(|cell| [x.centre(cell % SIZE), y.centre(cell / SIZE)]);
        let outputs = network(&cells.collect::<Vec<_>>())?;
        let width = outputs.len() / (SIZE * SIZE);
        let Range { min, max } = plane.values;
        let cell = |outputs: &[f32]| match self.dataset.preprocessing.target {
            TargetTransform::Classes { .. } => {
                let class = class_of(outputs);
                (class as u32, super::answers::probability(outputs, class))
            }
            TargetTransform::Values { .. } => {
                let place = (outputs[0] - min) / (max - min).max(f32::MIN_POSITIVE);
                (0, place.clamp(0.0, 1.0))
            }
        };
        Ok(Some(Surface {
            columns: [x.name.clone(), y.name.clone()],
            x: x.ends(),
            y: y.ends(),
            size: SIZE,
            cells: outputs.chunks_exact(width.max(1)).map(cell).collect(),
            points: plane.points.clone(),
        }))
    }
}
