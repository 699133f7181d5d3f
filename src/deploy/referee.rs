//! The second opinion on an exported file: another engine (rten) runs the very same bytes, and where the two disagree the
//! export fails. It shares no code with our runtime, so an error would have to be made twice.

use rten::{Model, Value};

use crate::runtime::onnx::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};
use crate::spec::{ActivationQuantization, Shape, class_of};

use super::{DeployError, Form};

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
/// Floating-point forms must lie within [`FLOAT_TOLERANCE`]; in int8 at least [`INT8_AGREEMENT`] of the rows must have the
/// same class and the mean difference must be under half a step of the output's grid.
pub fn referee(
    bytes: &[u8],
    form: &Form,
    shape: Shape,
    inputs: &[f32],
    outputs: &[f32],
) -> Result<Agreement, DeployError> {
    const BETWEEN: &str = "the runtime and the referee (rten)";
    let other = second_opinion(bytes, shape, inputs)?;
    let rows = inputs.len() / shape.len().max(1);
    let agreement = Agreement::between(outputs, &other, outputs.len() / rows.max(1));
    match form {
        Form::Fp32 | Form::Fp16 => agreement.require_float(outputs, BETWEEN),
        Form::Int8(ranges) => {
            let range = ranges.layers.last().copied().unwrap_or(ranges.input);
            agreement.require_int8(ActivationQuantization::covering(range).scale, BETWEEN)
        }
    }
}

/// What rten makes of `inputs` (samples of shape `shape`, row-major) with the file `bytes`: all outputs, row-major.
pub fn second_opinion(bytes: &[u8], shape: Shape, inputs: &[f32]) -> Result<Vec<f32>, DeployError> {
    const BATCH: usize = 64;
    let failed = |problem: String| DeployError::Referee { problem };
    let model = Model::load(with_gates(bytes)).map_err(|error| failed(error.to_string()))?;
    let mut outputs = Vec::new();
    for batch in inputs.chunks(BATCH * shape.len().max(1)) {
        let mut dimensions = shape.dimensions();
        dimensions.insert(0, batch.len() / shape.len().max(1));
        let input = if let Shape::Tokens { .. } = shape {
            let tokens: Vec<i32> = batch.iter().map(|&token| token as i32).collect();
            Value::from_shape(&dimensions, tokens).map_err(|error| failed(error.to_string()))
        } else {
            Value::from_shape(&dimensions, batch.to_vec()).map_err(|error| failed(error.to_string()))
        }?;
        let output = model
            .run_one(input.into(), None)
            .map_err(|error| failed(error.to_string()))?;
        let (_, values) = output
            .into_shape_vec::<f32, 2>()
            .map_err(|error| failed(error.to_string()))?;
        outputs.extend(values);
    }
    Ok(outputs)
}

/// The file as rten can read it: it has no RNN operator, so each is written as a GRU whose gates are held open. With an update
/// gate of `sigmoid(-HELD) = 0` and a reset gate of `sigmoid(HELD) = 1` its state is `tanh(W x + b + U h + c)`.
fn with_gates(bytes: &[u8]) -> Vec<u8> {
    let is_rnn = |node: &NodeProto| node.op_type() == "RNN";
    match ModelProto::from_bytes(bytes) {
        Ok(ModelProto {
            graph: Some(mut graph), ..
        }) if graph.node.iter().any(is_rnn) => {
            for mut node in std::mem::take(&mut graph.node) {
                if is_rnn(&node) && hold_gates(&mut node, &mut graph).is_none() {
                    return bytes.to_vec();
                }
                graph.node.push(node);
            }
            ModelProto::new(graph).to_bytes()
        }
        _ => bytes.to_vec(),
    }
}

/// Makes a GRU of an RNN, and adds what makes its weights; none where they are not as [`super::to_onnx`] writes them.
fn hold_gates(node: &mut NodeProto, graph: &mut GraphProto) -> Option<()> {
    const HELD: f32 = 100.0;
    let [_, weight, state, bias] = &node.input[..] else {
        return None;
    };
    let (weight, state, bias) = (weight.clone(), state.clone(), bias.clone());
    let dims = |name: &str| {
        let widened = graph
            .node
            .iter()
            .find(|node| node.output.first().is_some_and(|output| output == name));
        let name = widened.and_then(|node| node.input.first()).map_or(name, String::as_str);
        let tensor = graph.initializer.iter().find(|tensor| tensor.name() == name)?;
        let sizes: Option<Vec<usize>> = tensor.dims.iter().map(|&size| usize::try_from(size).ok()).collect();
        <[usize; 3]>::try_from(sizes?).ok()
    };
    let ([directions, units, features], [_, _, states]) = (dims(&weight)?, dims(&state)?);
    let along = |axis| AttributeProto::int("axis", axis);
    let label = node.name().to_owned();
    let name = |part: &str| format!("{label}_{part}");
    for (place, part, depth) in [(1, &weight, features), (2, &state, states)] {
        let [gates, joined] = [name(&format!("gates{place}")), name(&format!("joined{place}"))];
        let zeros = vec![0.0; directions * 2 * units * depth];
        graph
            .initializer
            .push(TensorProto::from_f32(&gates, &[directions, 2 * units, depth], &zeros));
        graph
            .node
            .push(NodeProto::new("Concat", &joined, &[&gates, part], &[&joined]).with(along(1)));
        node.input[place] = joined;
    }
    // Of update, reset and new: first those of the input, then those of the state.
    let held = [vec![-HELD; units], vec![HELD; units]].concat().repeat(directions);
    let [gates, none, axes, joined] = ["held", "none", "axes", "biases"].map(name);
    graph
        .initializer
        .push(TensorProto::from_f32(&gates, &[directions, 2 * units], &held));
    graph.initializer.push(TensorProto::from_f32(
        &none,
        &[directions, 2 * units],
        &vec![0.0; held.len()],
    ));
    graph.initializer.push(TensorProto::from_i64(&axes, &[1], &[1]));
    let halves = [(0, "input"), (units, "state")].map(|(start, part)| {
        let [from, to, half] = ["from", "to", "half"].map(|end| name(&format!("{part}_{end}")));
        graph
            .initializer
            .push(TensorProto::from_i64(&from, &[1], &[start as i64]));
        graph
            .initializer
            .push(TensorProto::from_i64(&to, &[1], &[(start + units) as i64]));
        graph
            .node
            .push(NodeProto::new("Slice", &half, &[&bias, &from, &to, &axes], &[&half]));
        half
    });
    let parts = [gates.as_str(), &halves[0], &none, &halves[1]];
    graph
        .node
        .push(NodeProto::new("Concat", &joined, &parts, &[&joined]).with(along(1)));
    node.input[3] = joined;
    node.op_type = Some("GRU".to_owned());
    node.attribute.push(AttributeProto::int("linear_before_reset", 1));
    Some(())
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
        let error = second_opinion(b"not a network", Shape::Features { features: 1 }, &[0.0]).unwrap_err();
        assert!(matches!(error, DeployError::Referee { .. }), "{error}");
    }
}
