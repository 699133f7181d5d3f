//! From the knobs of a configuration to a list of layers.

use super::{CellKind, LayerSpec, ModelSpec, Shape};
use crate::spec::{Architecture, ConfigIssue, ModelConfig, PaddingKind, SummaryKind};

impl ModelSpec {
    /// The network that `config` describes, for samples of shape `input` and `outputs` logits or values. The architecture picks its
    /// view of the data: a recurrent network or a Transformer reads an image row by row, an MLP as one list of numbers.
    ///
    /// A classical baseline has no layers.
    pub fn from_config(config: &ModelConfig, input: Shape, outputs: usize) -> Result<Self, Vec<ConfigIssue>> {
        let mut builder = Builder {
            config,
            layers: Vec::new(),
            issues: Vec::new(),
        };
        if config.architecture.is_classical() {
            if matches!(input, Shape::Tokens { .. }) && config.architecture != Architecture::Majority {
                builder.refuse(input, "numbers");
            }
            let layers = Vec::new();
            return if builder.issues.is_empty() {
                Ok(Self { input, layers })
            } else {
                Err(builder.issues)
            };
        }
        match &config.layers {
            Some(layers) => builder.layers.extend(layers),
            None => builder.hidden(input),
        }
        builder.layers.push(LayerSpec::Dense { units: outputs });
        let model = Self {
            input,
            layers: builder.layers,
        };
        let mut issues = builder.issues;
        if issues.is_empty() {
            match model.walk() {
                Err(error) => {
                    let field = if config.layers.is_some() {
                        "model.layers"
                    } else {
                        "model"
                    };
                    issues.push(ConfigIssue::new(field, error.to_string(), "change the layer named"));
                }
                Ok(placed) => {
                    if let Some(last) = placed.last()
                        && !matches!(last.output, Shape::Features { .. })
                    {
                        issues.push(ConfigIssue::new(
                            "model.layers",
                            format!("the layers end with {}, and the output layer needs features", last.input),
                            "end with flatten, a global average pool, the first step, or a recurrent layer without its sequence",
                        ));
                    }
                }
            }
        }
        if issues.is_empty() { Ok(model) } else { Err(issues) }
    }
}

struct Builder<'a> {
    config: &'a ModelConfig,
    layers: Vec<LayerSpec>,
    issues: Vec<ConfigIssue>,
}

impl Builder<'_> {
    /// All layers but the last.
    fn hidden(&mut self, input: Shape) {
        match self.config.architecture {
            Architecture::Linear => self.features(input),
            Architecture::Mlp => {
                self.features(input);
                self.dense();
            }
            Architecture::Cnn => {
                self.image(input);
                self.convolutions(|filters, kernel, padding| LayerSpec::Conv2d {
                    filters,
                    kernel,
                    stride: 1,
                    padding,
                });
                self.layers.push(LayerSpec::Flatten);
                self.dense();
            }
            Architecture::Resnet => {
                self.image(input);
                self.residual();
            }
            Architecture::Mobilenet => {
                self.image(input);
                self.separable();
            }
            Architecture::Cnn1d => {
                self.sequence(input);
                self.convolutions(|filters, kernel, padding| LayerSpec::Conv1d {
                    filters,
                    kernel,
                    stride: 1,
                    padding,
                });
                // In a text it matters what occurs, elsewhere also where.
                let is_text = matches!(input, Shape::Tokens { .. });
                self.layers.push(if is_text {
                    LayerSpec::GlobalAveragePool
                } else {
                    LayerSpec::Flatten
                });
                self.dense();
            }
            Architecture::Rnn => self.recurrent(input, CellKind::Rnn),
            Architecture::Gru => self.recurrent(input, CellKind::Gru),
            Architecture::Lstm => self.recurrent(input, CellKind::Lstm),
            Architecture::Transformer => self.transformer(input),
            Architecture::Majority
            | Architecture::Logistic
            | Architecture::Ridge
            | Architecture::Knn
            | Architecture::Forest => {}
        }
    }

    fn refuse(&mut self, input: Shape, needs: &str) {
        let is = match input {
            Shape::Features { .. } => "a table",
            Shape::Image { .. } => "images",
            Shape::Sequence { .. } => "sequences",
            Shape::Tokens { .. } => "text",
        };
        let remedy = match input {
            Shape::Features { .. } => "choose mlp or linear",
            Shape::Image { .. } => "choose cnn or mlp",
            Shape::Sequence { .. } => "choose gru or cnn1d",
            Shape::Tokens { .. } => "choose transformer, gru or cnn1d",
        };
        let name = self.config.architecture.name();
        let article = if matches!(name, "mlp" | "rnn" | "lstm") {
            "an"
        } else {
            "a"
        };
        self.issues.push(ConfigIssue::new(
            "model.architecture",
            format!("{article} {name} needs {needs}, and this data is {is}"),
            remedy,
        ));
    }

    fn activate(&mut self) {
        self.layers.push(LayerSpec::Activation {
            function: self.config.activation,
        });
    }

    fn normalise(&mut self) {
        if self.config.batch_norm {
            self.layers.push(LayerSpec::BatchNorm);
        }
    }

    fn drop(&mut self) {
        if self.config.dropout > 0.0 {
            self.layers.push(LayerSpec::Dropout {
                probability: self.config.dropout,
            });
        }
    }

    /// One list of numbers; of a text the mean of its vectors.
    fn features(&mut self, input: Shape) {
        match input {
            Shape::Features { .. } => {}
            Shape::Image { .. } | Shape::Sequence { .. } => self.layers.push(LayerSpec::Flatten),
            Shape::Tokens { .. } => {
                self.embed();
                self.layers.push(LayerSpec::GlobalAveragePool);
            }
        }
    }

    fn image(&mut self, input: Shape) {
        if !matches!(input, Shape::Image { .. }) {
            self.refuse(input, "images");
        }
        if self.config.filters.is_empty() {
            self.no_filters();
        }
    }

    fn no_filters(&mut self) {
        self.issues.push(ConfigIssue::new(
            "model.filters",
            "no convolution block",
            "give at least one number of filters",
        ));
    }

    /// Steps in order.
    fn sequence(&mut self, input: Shape) {
        match input {
            Shape::Features { .. } => self.refuse(input, "images, sequences or text"),
            Shape::Image { .. } => self.layers.push(LayerSpec::Rows),
            Shape::Sequence { .. } => {}
            Shape::Tokens { .. } => self.embed(),
        }
        if self.config.architecture == Architecture::Cnn1d && self.config.filters.is_empty() {
            self.no_filters();
        }
    }

    fn embed(&mut self) {
        self.layers.push(LayerSpec::Embedding {
            dimensions: self.config.dimensions,
        });
    }

    fn dense(&mut self) {
        for &units in &self.config.hidden {
            self.layers.push(LayerSpec::Dense { units });
            self.activate();
            self.drop();
        }
    }

    fn convolutions(&mut self, convolution: impl Fn(usize, usize, PaddingKind) -> LayerSpec) {
        for (filters, kernel, pool) in self.blocks() {
            self.layers.push(convolution(filters, kernel, self.config.padding));
            self.normalise();
            self.activate();
            if pool != 1 {
                self.layers.push(LayerSpec::MaxPool { size: pool });
            }
        }
    }

    /// Filters, kernel and pool of each block.
    fn blocks(&mut self) -> Vec<(usize, usize, usize)> {
        let count = self.config.filters.len();
        let kernel = broadcast("model.kernel", &self.config.kernel, count, &mut self.issues);
        let pool = broadcast("model.pool", &self.config.pool, count, &mut self.issues);
        let sizes = kernel.into_iter().zip(pool);
        let blocks = self.config.filters.iter().zip(sizes);
        blocks
            .map(|(&filters, (kernel, pool))| (filters, kernel, pool))
            .collect()
    }

    /// A convolution, then a block of two for each number of filters (He et al. 2016), whose first has the block's stride; the first
    /// block keeps the size.
    fn residual(&mut self) {
        for (place, (filters, kernel, pool)) in self.blocks().into_iter().enumerate() {
            let convolution = |stride| LayerSpec::Conv2d {
                filters,
                kernel,
                stride,
                padding: PaddingKind::Same,
            };
            if place == 0 {
                self.layers.push(convolution(1));
                self.normalise();
                self.activate();
            }
            self.layers.push(LayerSpec::Branch);
            self.layers.push(convolution(if place == 0 { 1 } else { pool }));
            self.normalise();
            self.activate();
            self.layers.push(convolution(1));
            self.normalise();
            self.layers.push(LayerSpec::Sum);
            self.activate();
        }
        self.layers.push(LayerSpec::GlobalAveragePool);
        self.drop();
    }

    /// A convolution, then for each further number of filters a depth-wise convolution with the block's stride and one of a single
    /// pixel (Howard et al. 2017).
    fn separable(&mut self) {
        for (place, (filters, kernel, pool)) in self.blocks().into_iter().enumerate() {
            let convolution = |kernel| LayerSpec::Conv2d {
                filters,
                kernel,
                stride: 1,
                padding: PaddingKind::Same,
            };
            if place == 0 {
                self.layers.push(convolution(kernel));
            } else {
                self.layers.push(LayerSpec::DepthwiseConv2d {
                    kernel,
                    stride: pool,
                    padding: PaddingKind::Same,
                });
                self.normalise();
                self.activate();
                self.layers.push(convolution(1));
            }
            self.normalise();
            self.activate();
        }
        self.layers.push(LayerSpec::GlobalAveragePool);
        self.drop();
    }

    fn recurrent(&mut self, input: Shape, cell: CellKind) {
        self.sequence(input);
        let count = self.config.units.len();
        if count == 0 {
            self.issues.push(ConfigIssue::new(
                "model.units",
                "no recurrent layer",
                "give at least one number of units",
            ));
        }
        for (place, &units) in self.config.units.iter().enumerate() {
            let is_last = place + 1 == count;
            self.layers.push(LayerSpec::Recurrent {
                cell,
                units,
                bidirectional: self.config.bidirectional,
                sequence: !is_last,
            });
            if !is_last {
                self.drop();
            }
        }
        self.dense();
    }

    fn transformer(&mut self, input: Shape) {
        let config = self.config;
        let dimensions = config.dimensions;
        match (input, config.patch) {
            (Shape::Image { .. }, Some(size)) => self.layers.push(LayerSpec::Patches { size }),
            _ => self.sequence(input),
        }
        if !matches!(input, Shape::Tokens { .. }) {
            self.layers.push(LayerSpec::Dense { units: dimensions });
        }
        if config.summary == SummaryKind::First {
            self.layers.push(LayerSpec::ClassToken);
        }
        self.layers.push(LayerSpec::Positions {
            encoding: config.positions,
        });
        self.drop();
        for _ in 0..config.blocks {
            self.encoder_part(|builder| {
                builder.layers.push(LayerSpec::SelfAttention {
                    heads: config.heads,
                    head_width: None,
                });
            });
            self.encoder_part(|builder| {
                builder.layers.push(LayerSpec::Dense {
                    units: config.feed_forward,
                });
                builder.activate();
                builder.layers.push(LayerSpec::Dense { units: dimensions });
            });
        }
        if config.pre_norm {
            self.layers.push(LayerSpec::LayerNorm);
        }
        self.layers.push(match config.summary {
            SummaryKind::First => LayerSpec::FirstStep,
            SummaryKind::Mean => LayerSpec::GlobalAveragePool,
        });
    }

    /// A residual part of an encoder block, with its normalisation before or after.
    fn encoder_part(&mut self, part: impl FnOnce(&mut Self)) {
        self.layers.push(LayerSpec::Branch);
        if self.config.pre_norm {
            self.layers.push(LayerSpec::LayerNorm);
        }
        part(self);
        self.drop();
        self.layers.push(LayerSpec::Sum);
        if !self.config.pre_norm {
            self.layers.push(LayerSpec::LayerNorm);
        }
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
