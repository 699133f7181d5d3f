//! The layers in floating point: one arm for each kind, in operators that every engine has.

use crate::deploy::DeployError;
use crate::runtime::onnx::AttributeProto;
use crate::spec::{
    ActivationKind, BATCH_NORM_EPSILON, LAYER_NORM_EPSILON, LEAKY_SLOPE, LayerSpec, PaddingKind, Placed, Shape,
};

use super::graph::{Layout, Value, Writer};

/// Names of a layer's weight and bias.
pub(super) type Parameters = [String; 2];

impl Writer<'_> {
    /// All layers.
    pub(super) fn float_layers(&mut self, walk: &[Placed]) -> Result<(), DeployError> {
        for placed in walk {
            self.start(placed)?;
            if placed.layer.is_product() {
                let parameters = self.parameters(["w", "b"], placed)?;
                self.arrange_for(placed);
                self.product(placed, &parameters);
            } else {
                self.layer(placed)?;
            }
        }
        Ok(())
    }

    /// Brings the current value into the layout in which the dense layer or convolution `placed` reads it.
    pub(super) fn arrange_for(&mut self, placed: &Placed) {
        let layout = match placed.layer {
            LayerSpec::Dense { .. } => Layout::Rows,
            LayerSpec::Conv1d { .. } => Layout::Channels,
            _ => Layout::Natural,
        };
        self.arrange(layout, placed.input);
    }

    /// The node of a dense layer or convolution.
    pub(super) fn product(&mut self, placed: &Placed, [weight, bias]: &Parameters) {
        let (operator, attributes) = match placed.layer {
            LayerSpec::Conv2d {
                kernel,
                stride,
                padding,
                ..
            } => ("Conv", window(kernel, stride, padding, 2)),
            LayerSpec::DepthwiseConv2d {
                kernel,
                stride,
                padding,
            } => {
                let mut attributes = window(kernel, stride, padding, 2);
                attributes.push(AttributeProto::int("group", placed.input.channels() as i64));
                ("Conv", attributes)
            }
            LayerSpec::Conv1d {
                kernel,
                stride,
                padding,
                ..
            } => ("Conv", window(kernel, stride, padding, 1)),
            _ => ("Gemm", transposed()),
        };
        self.apply(operator, &[weight, bias], attributes);
    }

    /// A layer that is no dense layer or convolution.
    pub(super) fn layer(&mut self, placed: &Placed) -> Result<(), DeployError> {
        match placed.layer {
            LayerSpec::BatchNorm => {
                let names = self.parameters(["w", "b", "m", "v"], placed)?;
                if matches!(self.value.layout, Layout::Natural | Layout::Time) {
                    self.arrange(Layout::Rows, placed.input);
                }
                let epsilon = AttributeProto::float("epsilon", BATCH_NORM_EPSILON as f32);
                self.apply(
                    "BatchNormalization",
                    &names.each_ref().map(String::as_str),
                    vec![epsilon],
                );
            }
            LayerSpec::LayerNorm => {
                let names = self.parameters(["w", "b"], placed)?;
                if self.value.layout == Layout::Channels {
                    self.make_natural(placed.input);
                }
                let epsilon = AttributeProto::float("epsilon", LAYER_NORM_EPSILON as f32);
                self.apply(
                    "LayerNormalization",
                    &names.each_ref().map(String::as_str),
                    vec![epsilon],
                );
            }
            LayerSpec::Activation { function } => self.activation(function),
            LayerSpec::MaxPool { size } => {
                let axes = if matches!(placed.input, Shape::Image { .. }) {
                    2
                } else {
                    1
                };
                self.arrange(Layout::Channels, placed.input);
                let attributes = vec![equal("kernel_shape", size, axes), equal("strides", size, axes)];
                self.apply("MaxPool", &[], attributes);
            }
            LayerSpec::GlobalAveragePool => self.mean(placed),
            LayerSpec::Flatten => match (placed.input, self.value.layout) {
                (Shape::Features { .. }, _) => {}
                (Shape::Sequence { .. }, Layout::Rows) => {
                    self.reshape(&[-1, placed.input.len() as i64]);
                    self.value.layout = Layout::Natural;
                }
                _ => {
                    self.make_natural(placed.input);
                    self.apply("Flatten", &[], Vec::new());
                }
            },
            LayerSpec::Branch => self.remembered.push(self.value.clone()),
            LayerSpec::Sum => self.sum(placed)?,
            _ => self.step_layer(placed)?,
        }
        Ok(())
    }

    fn activation(&mut self, function: ActivationKind) {
        match function {
            ActivationKind::Relu => self.apply("Relu", &[], Vec::new()),
            ActivationKind::LeakyRelu => {
                let slope = AttributeProto::float("alpha", LEAKY_SLOPE as f32);
                self.apply("LeakyRelu", &[], vec![slope]);
            }
            ActivationKind::Tanh => self.apply("Tanh", &[], Vec::new()),
            ActivationKind::Silu => {
                let x = self.value.name.clone();
                self.apply("Sigmoid", &[], Vec::new());
                self.apply("Mul", &[&x], Vec::new());
            }
            ActivationKind::Gelu => {
                let x = self.value.name.clone();
                let root = self.scalar("root2", std::f32::consts::SQRT_2);
                let one = self.scalar("one", 1.0);
                let half = self.scalar("half", 0.5);
                self.apply("Div", &[root], Vec::new());
                self.apply("Erf", &[], Vec::new());
                self.apply("Add", &[one], Vec::new());
                self.apply("Mul", &[&x], Vec::new());
                self.apply("Mul", &[half], Vec::new());
            }
        }
    }

    /// The mean over the pixels, or over the steps that are no padding.
    fn mean(&mut self, placed: &Placed) {
        let Shape::Sequence { steps, .. } = placed.input else {
            self.apply("GlobalAveragePool", &[], Vec::new());
            self.apply("Flatten", &[], Vec::new());
            return;
        };
        let over = |axis: i64| {
            vec![
                AttributeProto::ints("axes", &[axis]),
                AttributeProto::int("keepdims", 0),
            ]
        };
        if placed.padded {
            self.make_natural(placed.input);
            let text = self.text();
            let beside_features = self.whole_numbers(&[-1, steps as i64, 1]);
            let shares = self.push("Reshape", &[&text, &beside_features], Vec::new());
            self.apply("Mul", &[&shares], Vec::new());
            self.apply("ReduceMean", &[], over(1));
            // Of a text of padding alone the mean is zero.
            let least = self.scalar("least", 1.0 / steps as f32);
            let share = self.push("ReduceMean", &[&text], vec![AttributeProto::ints("axes", &[1])]);
            let share = self.push("Max", &[&share, least], Vec::new());
            self.apply("Div", &[&share], Vec::new());
        } else {
            if self.value.layout == Layout::Rows {
                self.make_natural(placed.input);
            }
            self.apply(
                "ReduceMean",
                &[],
                over(match self.value.layout {
                    Layout::Channels => 2,
                    Layout::Time => 0,
                    _ => 1,
                }),
            );
        }
        self.value.layout = Layout::Natural;
    }

    /// Adds what the branch remembered, projected where its shape differs.
    fn sum(&mut self, placed: &Placed) -> Result<(), DeployError> {
        let (Some(mut shortcut), Some(from)) = (self.remembered.pop(), placed.shortcut) else {
            return Ok(());
        };
        if let Some(projection) = placed.projection() {
            let [weight, bias] = self.parameters(["w", "b"], placed)?;
            shortcut = self.aside(shortcut, |writer| {
                if matches!(from, Shape::Image { .. }) {
                    let attributes = window(1, projection.stride, PaddingKind::Valid, 2);
                    writer.apply("Conv", &[&weight, &bias], attributes);
                } else {
                    writer.arrange(Layout::Rows, from);
                    writer.apply("Gemm", &[&weight, &bias], transposed());
                }
            });
        }
        if shortcut.layout != self.value.layout {
            self.make_natural(placed.input);
            shortcut = self.aside(shortcut, |writer| writer.make_natural(placed.input));
        }
        self.apply("Add", &[&shortcut.name], Vec::new());
        Ok(())
    }

    /// Does something to another value than the current one.
    fn aside(&mut self, value: Value, work: impl FnOnce(&mut Self)) -> Value {
        let current = std::mem::replace(&mut self.value, value);
        work(self);
        std::mem::replace(&mut self.value, current)
    }
}

/// Weights are `[outputs, inputs]`.
pub(super) fn transposed() -> Vec<AttributeProto> {
    vec![AttributeProto::int("transB", 1)]
}

fn window(kernel: usize, stride: usize, padding: PaddingKind, axes: usize) -> Vec<AttributeProto> {
    let mut attributes = vec![equal("kernel_shape", kernel, axes)];
    if stride != 1 {
        attributes.push(equal("strides", stride, axes));
    }
    if padding == PaddingKind::Same {
        attributes.push(equal("pads", LayerSpec::padding_pixels(kernel, padding), 2 * axes));
    }
    attributes
}

/// A list of `count` equal numbers.
fn equal(name: &str, value: usize, count: usize) -> AttributeProto {
    AttributeProto::ints(name, &vec![value as i64; count])
}
