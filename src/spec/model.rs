//! The description of a network: an ordered list of layers, with the shape after each. `cost` reads it, `nn` builds it,
//! `compress` edits it, `deploy` writes it; a new kind of layer is one variant here and one arm in each reader.

use serde::{Deserialize, Serialize};

use super::{Architecture, ConfigIssue, ModelConfig, PaddingKind};

/// Shape of one sample, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Shape {
    Features {
        features: usize,
    },
    Image {
        channels: usize,
        height: usize,
        width: usize,
    },
}

impl Shape {
    /// Number of values.
    pub fn len(&self) -> usize {
        match *self {
            Self::Features { features } => features,
            Self::Image {
                channels,
                height,
                width,
            } => channels * height * width,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[features]` or `[channels, height, width]`.
    pub fn dimensions(&self) -> Vec<usize> {
        match *self {
            Self::Features { features } => vec![features],
            Self::Image {
                channels,
                height,
                width,
            } => vec![channels, height, width],
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Features { features } => write!(f, "{features} features"),
            Self::Image {
                channels,
                height,
                width,
            } => write!(f, "{channels} x {height} x {width}"),
        }
    }
}

/// A network: every layer feeds the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    pub input: Shape,
    pub layers: Vec<LayerSpec>,
}

/// Added to the variance in batch normalisation.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LayerSpec {
    /// `y = W x + b`, `units` outputs.
    Dense {
        units: usize,
    },
    /// Square convolution with bias over `[channels, height, width]`.
    Conv2d {
        filters: usize,
        kernel: usize,
        stride: usize,
        padding: PaddingKind,
    },
    /// Batch normalisation of each channel, or of each feature (Ioffe and Szegedy 2015).
    BatchNorm,
    Activation {
        function: ActivationKind,
    },
    /// Square window with a stride of its own size; a remainder at the edge is dropped.
    MaxPool {
        size: usize,
    },
    /// Active in training only (Srivastava et al. 2014).
    Dropout {
        probability: f64,
    },
    /// Image to features, channel by channel.
    Flatten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationKind {
    Relu,
}

/// A layer that cannot follow what stands before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer} ({name}): {problem}")]
pub struct ShapeError {
    /// Index into [`ModelSpec::layers`].
    pub layer: usize,
    pub name: &'static str,
    pub problem: String,
}

impl LayerSpec {
    /// The field's word for this kind of layer.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Conv2d { .. } => "convolution",
            Self::BatchNorm => "batch norm",
            Self::Activation {
                function: ActivationKind::Relu,
            } => "ReLU",
            Self::MaxPool { .. } => "max pool",
            Self::Dropout { .. } => "dropout",
            Self::Flatten => "flatten",
        }
    }

    /// Shape of the output for one sample of shape `input`; the error says what is wrong and what would fit.
    pub fn output(&self, input: Shape) -> Result<Shape, String> {
        match (*self, input) {
            (Self::Dense { units: 0 }, _) => Err("has no units; use at least 1".to_owned()),
            (Self::Dense { units }, Shape::Features { .. }) => Ok(Shape::Features { features: units }),
            (Self::Dense { .. }, Shape::Image { .. }) => {
                Err("needs features; put a flatten layer before it".to_owned())
            }
            (Self::Conv2d { .. } | Self::MaxPool { .. }, Shape::Features { .. }) => {
                Err("needs an image; this data has no height and width".to_owned())
            }
            (
                Self::Conv2d {
                    filters,
                    kernel,
                    stride,
                    padding,
                },
                Shape::Image { height, width, .. },
            ) => {
                if filters == 0 || kernel == 0 || stride == 0 {
                    return Err("filters, kernel and stride must be at least 1".to_owned());
                }
                if padding == PaddingKind::Same && kernel % 2 == 0 {
                    return Err(format!("same padding needs an odd kernel, not {kernel}"));
                }
                let pad = Self::padding_pixels(kernel, padding);
                if kernel > height + 2 * pad || kernel > width + 2 * pad {
                    return Err(format!(
                        "a kernel of {kernel} is larger than the image of {height} x {width} at this place; use a smaller kernel or fewer pools"
                    ));
                }
                Ok(Shape::Image {
                    channels: filters,
                    height: (height + 2 * pad - kernel) / stride + 1,
                    width: (width + 2 * pad - kernel) / stride + 1,
                })
            }
            (
                Self::MaxPool { size },
                Shape::Image {
                    channels,
                    height,
                    width,
                },
            ) => {
                if size == 0 || size > height || size > width {
                    return Err(format!(
                        "a window of {size} does not fit the image of {height} x {width} at this place; use a smaller window or fewer pools"
                    ));
                }
                Ok(Shape::Image {
                    channels,
                    height: height / size,
                    width: width / size,
                })
            }
            (Self::Dropout { probability }, _) if !(0.0..1.0).contains(&probability) => {
                Err(format!("probability {probability} is not in 0 to below 1"))
            }
            (Self::Flatten, _) => Ok(Shape::Features { features: input.len() }),
            (Self::BatchNorm | Self::Activation { .. } | Self::Dropout { .. }, _) => Ok(input),
        }
    }

    /// Zeros added at each edge.
    pub fn padding_pixels(kernel: usize, padding: PaddingKind) -> usize {
        match padding {
            PaddingKind::Same => kernel / 2,
            PaddingKind::Valid => 0,
        }
    }
}

impl ModelSpec {
    /// The network that `config` describes, for samples of shape `input` and `outputs` logits or values.
    pub fn from_config(config: &ModelConfig, input: Shape, outputs: usize) -> Result<Self, Vec<ConfigIssue>> {
        let mut layers = Vec::new();
        let mut issues = Vec::new();
        if config.architecture == Architecture::Cnn {
            if matches!(input, Shape::Features { .. }) {
                issues.push(ConfigIssue::new(
                    "model.architecture",
                    "a cnn needs images, and this data is a table",
                    "choose mlp or linear",
                ));
            }
            if config.filters.is_empty() {
                issues.push(ConfigIssue::new(
                    "model.filters",
                    "no convolution block",
                    "give at least one number of filters",
                ));
            }
            let kernel = broadcast("model.kernel", &config.kernel, config.filters.len(), &mut issues);
            let pool = broadcast("model.pool", &config.pool, config.filters.len(), &mut issues);
            for ((&filters, &kernel), &pool) in config.filters.iter().zip(&kernel).zip(&pool) {
                layers.push(LayerSpec::Conv2d {
                    filters,
                    kernel,
                    stride: 1,
                    padding: config.padding,
                });
                if config.batch_norm {
                    layers.push(LayerSpec::BatchNorm);
                }
                layers.push(LayerSpec::Activation {
                    function: ActivationKind::Relu,
                });
                if pool != 1 {
                    layers.push(LayerSpec::MaxPool { size: pool });
                }
            }
        }
        if matches!(input, Shape::Image { .. }) {
            layers.push(LayerSpec::Flatten);
        }
        if config.architecture != Architecture::Linear {
            for &units in &config.hidden {
                layers.push(LayerSpec::Dense { units });
                layers.push(LayerSpec::Activation {
                    function: ActivationKind::Relu,
                });
                if config.dropout > 0.0 {
                    layers.push(LayerSpec::Dropout {
                        probability: config.dropout,
                    });
                }
            }
        }
        layers.push(LayerSpec::Dense { units: outputs });
        let model = Self { input, layers };
        if issues.is_empty()
            && let Err(error) = model.shapes()
        {
            issues.push(ConfigIssue::new("model", error.to_string(), "change the layer named"));
        }
        if issues.is_empty() { Ok(model) } else { Err(issues) }
    }

    /// Shape after each layer, in their order.
    pub fn shapes(&self) -> Result<Vec<Shape>, ShapeError> {
        let mut shape = self.input;
        self.layers
            .iter()
            .enumerate()
            .map(|(layer, spec)| {
                shape = spec.output(shape).map_err(|problem| ShapeError {
                    layer,
                    name: spec.name(),
                    problem,
                })?;
                Ok(shape)
            })
            .collect()
    }

    /// Shape of the input of each layer, in their order.
    pub fn inputs(&self) -> Result<Vec<Shape>, ShapeError> {
        let mut shapes = self.shapes()?;
        shapes.insert(0, self.input);
        shapes.pop();
        Ok(shapes)
    }

    /// Values in the network's output.
    pub fn outputs(&self) -> Result<usize, ShapeError> {
        Ok(self.shapes()?.last().copied().unwrap_or(self.input).len())
    }
}

/// One value a block: a list of one serves all blocks.
fn broadcast(field: &str, values: &[usize], blocks: usize, issues: &mut Vec<ConfigIssue>) -> Vec<usize> {
    match values {
        [value] => vec![*value; blocks],
        _ if values.len() == blocks => values.to_vec(),
        _ => {
            issues.push(ConfigIssue::new(
                field,
                format!("{} values for {blocks} blocks", values.len()),
                format!("give one value, or {blocks}"),
            ));
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RunConfig;

    const DIGITS: Shape = Shape::Image {
        channels: 1,
        height: 8,
        width: 8,
    };

    #[test]
    fn the_digits_preset_has_the_shapes_it_is_named_for() {
        let model = ModelSpec::from_config(&RunConfig::digits_cnn().model, DIGITS, 10).unwrap();
        let dense: Vec<usize> = model
            .layers
            .iter()
            .zip(model.shapes().unwrap())
            .filter(|(layer, _)| matches!(layer, LayerSpec::Flatten | LayerSpec::Dense { .. }))
            .map(|(_, shape)| shape.len())
            .collect();
        assert_eq!(dense, [32 * 2 * 2, 64, 10]);
    }

    #[test]
    fn a_kernel_larger_than_the_image_names_its_layer() {
        let config = ModelConfig {
            kernel: vec![9],
            padding: PaddingKind::Valid,
            ..RunConfig::digits_cnn().model
        };
        let issues = ModelSpec::from_config(&config, DIGITS, 10).unwrap_err();
        assert!(issues[0].to_string().contains("kernel of 9"), "{}", issues[0]);
    }

    #[test]
    fn all_wrong_lists_are_found_at_once() {
        let config = ModelConfig {
            kernel: vec![3, 3, 3],
            pool: vec![],
            ..RunConfig::digits_cnn().model
        };
        let issues = ModelSpec::from_config(&config, Shape::Features { features: 4 }, 3).unwrap_err();
        assert_eq!(issues.len(), 3);
    }
}
