//! The second opinion on an exported file: another engine (rten) runs the very same bytes, and where the two disagree the
//! export fails. It shares no code with our runtime, so an error would have to be made twice.

use std::sync::Arc;

use rten::{Model, RunOptions, ThreadPool, Value};

use crate::data::Inputs;
use crate::spec::{ActivationQuantization, Range, Shape, class_of};

use super::{DeployError, Form, twin};

/// Largest difference between two engines in floating point, for outputs up to 1 in magnitude; of larger outputs, this share.
pub const FLOAT_TOLERANCE: f64 = 1e-4;
/// Share of the rows that must keep their class in int8, where the second engine computes in floating point between the
/// grids.
pub const INT8_AGREEMENT: f64 = 0.995;

/// How far two lists of outputs lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Rows compared.
    pub rows: usize,
    /// Share of the rows whose largest output is the same one; 1 where there is only one output.
    pub same_class: f64,
    /// Mean absolute difference.
    pub mean: f64,
    /// Largest absolute difference.
    pub largest: f64,
}

impl Agreement {
    /// Compares outputs of `width` values a row.
    pub fn between(a: &[f32], b: &[f32], width: usize) -> Self {
        let rows = a.len() / width.max(1);
        let same = a
            .chunks_exact(width.max(1))
            .zip(b.chunks_exact(width.max(1)))
            .filter(|(a, b)| class_of(a) == class_of(b))
            .count();
        let differences = a.iter().zip(b).map(|(a, b)| f64::from(a - b).abs());
        // A comparison of unequal lists, or with NaN, must not pass for agreement.
        let comparable = a.len() == b.len();
        Self {
            rows,
            same_class: same as f64 / rows.max(1) as f64,
            mean: if comparable {
                differences.clone().sum::<f64>() / a.len().max(1) as f64
            } else {
                f64::INFINITY
            },
            largest: if comparable {
                differences.fold(0.0, |largest, difference| {
                    if difference > largest || difference.is_nan() {
                        difference
                    } else {
                        largest
                    }
                })
            } else {
                f64::INFINITY
            },
        }
    }

    /// Fails where two computations of the same floating-point function lie further apart than [`FLOAT_TOLERANCE`].
    pub fn require_float(self, outputs: &[f32], between: &'static str) -> Result<Self, DeployError> {
        let magnitude = outputs
            .iter()
            .fold(1.0_f32, |largest, output| largest.max(output.abs()));
        let allowed = FLOAT_TOLERANCE * f64::from(magnitude);
        if self.largest <= allowed {
            Ok(self)
        } else {
            Err(self.disagreement(between, 0.0, "largest", allowed))
        }
    }

    /// Fails where fewer than [`INT8_AGREEMENT`] of the rows have the same class, or the mean difference is half a `step` of
    /// the output's grid or more.
    pub fn require_int8(self, step: f32, between: &'static str) -> Result<Self, DeployError> {
        let allowed = 0.5 * f64::from(step);
        if self.same_class >= INT8_AGREEMENT && self.mean < allowed {
            Ok(self)
        } else {
            Err(self.disagreement(between, INT8_AGREEMENT, "mean", allowed))
        }
    }

    fn disagreement(self, between: &'static str, needed: f64, figure: &'static str, allowed: f64) -> DeployError {
        DeployError::Disagreement {
            between,
            rows: self.rows,
            agreement: self.same_class,
            needed_agreement: needed,
            mean: self.mean,
            largest: self.largest,
            allowed,
            figure,
        }
    }
}

/// Holds `outputs`, what our runtime made of `inputs` with the file `bytes`, against what rten makes of them.
///
/// Floating-point forms must lie within [`FLOAT_TOLERANCE`]; with grids of 8 bits at least [`INT8_AGREEMENT`] of the rows must
/// have the same class and the mean difference must be under half a step of the output's grid, or of one that covers the
/// outputs where they are on none. What rten cannot read it is given rewritten: `RNN` as a `GRU`, and 4-bit weights as the
/// floating-point numbers that they stand for, so that its word on these is about the codes and not about the operator.
pub fn referee(
    bytes: &[u8],
    form: &Form,
    shape: Shape,
    inputs: &Inputs,
    outputs: &[f32],
) -> Result<Agreement, DeployError> {
    const BETWEEN: &str = "the runtime and the referee (rten)";
    let other = second_opinion(bytes, shape, inputs)?;
    let rows = inputs.len() / shape.len().max(1);
    let agreement = Agreement::between(outputs, &other, outputs.len() / rows.max(1));
    let range = match form {
        Form::Fp32 | Form::Fp16 => return agreement.require_float(outputs, BETWEEN),
        Form::Int4(_) if !twin::has_grids(bytes) => return agreement.require_float(outputs, BETWEEN),
        Form::Int8(ranges) => ranges.at(ranges.layers.len()),
        Form::Int4(_) | Form::Int8Dynamic { .. } => Range::of(outputs),
    };
    agreement.require_int8(ActivationQuantization::covering(range).scale, BETWEEN)
}

/// What rten makes of `inputs` (samples of shape `shape`, a batch of which is read at once) with the file `bytes`: all outputs,
/// row-major.
pub fn second_opinion(bytes: &[u8], shape: Shape, inputs: &Inputs) -> Result<Vec<f32>, DeployError> {
    const BATCH: usize = 64;
    let referee = Referee::load(bytes, shape)?;
    let mut outputs = Vec::new();
    for inputs in inputs.chunks(BATCH * shape.len().max(1)) {
        outputs.extend(referee.batch(&inputs?)?.run()?);
    }
    Ok(outputs)
}

/// A file loaded in the second engine.
pub struct Referee {
    model: Model,
    shape: Shape,
    /// Of one thread.
    options: RunOptions,
}

/// Samples ready to be run.
pub struct RefereeBatch<'r> {
    referee: &'r Referee,
    input: Value,
}

impl Referee {
    /// Loads a file that reads samples of `shape`.
    pub fn load(bytes: &[u8], shape: Shape) -> Result<Self, DeployError> {
        let one_thread = Arc::new(ThreadPool::with_num_threads(1));
        Ok(Self {
            model: Model::load(twin::readable(bytes)).map_err(|error| failed(&error))?,
            shape,
            options: RunOptions::default().with_thread_pool(Some(one_thread)),
        })
    }

    /// Samples of the file's shape, row-major.
    pub fn batch(&self, inputs: &[f32]) -> Result<RefereeBatch<'_>, DeployError> {
        let mut dimensions = self.shape.dimensions();
        dimensions.insert(0, inputs.len() / self.shape.len().max(1));
        let input = if let Shape::Tokens { .. } = self.shape {
            let tokens: Vec<i32> = inputs.iter().map(|&token| token as i32).collect();
            Value::from_shape(&dimensions, tokens).map_err(|error| failed(&error))
        } else {
            Value::from_shape(&dimensions, inputs.to_vec()).map_err(|error| failed(&error))
        }?;
        Ok(RefereeBatch { referee: self, input })
    }
}

impl RefereeBatch<'_> {
    /// All outputs, row-major.
    pub fn run(&self) -> Result<Vec<f32>, DeployError> {
        let Referee { model, options, .. } = self.referee;
        let output = model.run_one((&self.input).into(), Some(options.clone()));
        let output = output.map_err(|error| failed(&error))?;
        let (_, values) = output.into_shape_vec::<f32, 2>().map_err(|error| failed(&error))?;
        Ok(values)
    }
}

fn failed(error: &dyn std::fmt::Display) -> DeployError {
    DeployError::Referee {
        problem: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_what_they_say() {
        let agreement = Agreement::between(&[1.0, 2.0, 5.0, 3.0], &[1.0, 2.0, 3.0, 4.0], 2);
        assert_eq!(
            agreement,
            Agreement {
                rows: 2,
                same_class: 0.5,
                mean: 0.75,
                largest: 2.0
            }
        );
    }

    #[test]
    fn a_disagreement_names_both_figures() {
        let error = Agreement::between(&[1.0, 2.0], &[2.0, 1.0], 2)
            .require_int8(0.1, "one and the other")
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("0.0000 of 1 rows") && text.contains("mean difference 1e0"),
            "{text}"
        );
    }

    #[test]
    fn nothing_passes_by_not_being_a_number_or_by_being_short() {
        let nan = Agreement::between(&[f32::NAN, 0.0], &[0.0, 0.0], 2);
        assert!(nan.require_float(&[0.0], "a").is_err());
        assert!(nan.require_int8(1.0, "a").is_err());
        let short = Agreement::between(&[0.0], &[0.0, 0.0], 1);
        assert!(short.require_float(&[0.0], "a").is_err());
    }

    #[test]
    fn a_file_that_is_none_is_an_error() {
        let error = second_opinion(b"not a network", Shape::Features { features: 1 }, &vec![0.0].into()).unwrap_err();
        assert!(matches!(error, DeployError::Referee { .. }), "{error}");
    }
}
