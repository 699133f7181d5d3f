//! Which model, and how large.

use serde::{Deserialize, Serialize};

use crate::spec::{ActivationKind, LayerSpec, PositionKind};

/// The knobs from which a [`ModelSpec`](crate::spec::ModelSpec) is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    pub architecture: Architecture,
    /// Widths of the hidden dense layers: of the MLP, and behind the convolutions or the recurrent layers.
    pub hidden: Vec<usize>,
    /// Filters of each convolution block.
    pub filters: Vec<usize>,
    /// Kernel edge of each block in pixels (steps for 1-D); one value serves all blocks.
    pub kernel: Vec<usize>,
    /// Max-pooling window after each block in pixels (steps), 1 for none; one value serves all blocks. Residual and separable
    /// networks take it as the stride of the block.
    pub pool: Vec<usize>,
    pub padding: PaddingKind,
    /// Batch normalisation after each convolution.
    pub batch_norm: bool,
    pub activation: ActivationKind,
    /// Probability of dropping a unit: after each hidden dense layer, between recurrent layers, and in a Transformer's blocks.
    pub dropout: f64,
    pub initialiser: Initialiser,
    /// Units of each recurrent layer.
    pub units: Vec<usize>,
    /// Recurrent layers read the sequence from both ends.
    pub bidirectional: bool,
    /// Width of a Transformer, and of the vectors that stand for tokens.
    pub dimensions: usize,
    /// Attention heads; they share the dimensions.
    pub heads: usize,
    /// Encoder blocks of a Transformer.
    pub blocks: usize,
    /// Width of the feed-forward part of an encoder block.
    pub feed_forward: usize,
    pub positions: PositionKind,
    /// What of the steps a Transformer classifies by.
    pub summary: SummaryKind,
    /// Normalises before attention and feed-forward part (Xiong et al. 2020), not after them.
    pub pre_norm: bool,
    /// Edge of a Transformer's image patches in pixels; whole rows are its steps when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<usize>,
    /// Random forest: number of trees.
    pub trees: usize,
    /// Nearest neighbours: how many are asked.
    pub neighbours: usize,
    /// Logistic and ridge regression: the L2 penalty.
    pub penalty: f64,
    /// The hidden layers themselves, in place of those that the knobs above make; the output layer follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerSpec>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// The most frequent class, or the mean.
    Majority,
    Logistic,
    Ridge,
    /// k nearest neighbours.
    Knn,
    /// Random forest.
    Forest,
    Linear,
    Mlp,
    Cnn,
    Resnet,
    /// Depth-wise separable convolutions.
    Mobilenet,
    Cnn1d,
    Rnn,
    Gru,
    Lstm,
    Transformer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaddingKind {
    /// Zeros around the image, so that a stride of 1 keeps its size.
    Same,
    /// No padding.
    Valid,
}

/// From which numbers the weights start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialiser {
    /// Variance `2 / inputs` in front of an activation that cuts, else `1 / inputs` (He et al. 2015).
    Kaiming,
    /// Variance `2 / (inputs + outputs)` (Glorot and Bengio 2010).
    Xavier,
    /// Rows, or columns, at right angles (Saxe et al. 2014).
    Orthogonal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SummaryKind {
    /// The mean over the steps.
    Mean,
    /// A learned step in front.
    First,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            architecture: Architecture::Mlp,
            hidden: vec![32],
            filters: vec![16, 32],
            kernel: vec![3],
            pool: vec![2],
            padding: PaddingKind::Same,
            batch_norm: true,
            activation: ActivationKind::Relu,
            dropout: 0.0,
            initialiser: Initialiser::Kaiming,
            units: vec![64],
            bidirectional: false,
            dimensions: 32,
            heads: 4,
            blocks: 2,
            feed_forward: 64,
            positions: PositionKind::Learned,
            summary: SummaryKind::Mean,
            pre_norm: true,
            patch: None,
            trees: 100,
            neighbours: 5,
            penalty: 1.0,
            layers: None,
        }
    }
}

impl Architecture {
    /// All, the cheapest to try first.
    pub const ALL: [Self; 15] = [
        Self::Majority,
        Self::Logistic,
        Self::Ridge,
        Self::Knn,
        Self::Forest,
        Self::Linear,
        Self::Mlp,
        Self::Cnn,
        Self::Resnet,
        Self::Mobilenet,
        Self::Cnn1d,
        Self::Rnn,
        Self::Gru,
        Self::Lstm,
        Self::Transformer,
    ];

    /// Fitted without gradient steps; it has no layers and no ONNX form.
    pub fn is_classical(self) -> bool {
        matches!(
            self,
            Self::Majority | Self::Logistic | Self::Ridge | Self::Knn | Self::Forest
        )
    }

    /// What makes a classical baseline smaller, which no recipe can.
    pub fn instead_of_compressing(self) -> &'static str {
        match self {
            Self::Forest => "train a forest of fewer trees, or a network",
            _ => "train a network",
        }
    }

    /// The word of configuration and command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Logistic => "logistic",
            Self::Ridge => "ridge",
            Self::Knn => "knn",
            Self::Forest => "forest",
            Self::Linear => "linear",
            Self::Mlp => "mlp",
            Self::Cnn => "cnn",
            Self::Resnet => "resnet",
            Self::Mobilenet => "mobilenet",
            Self::Cnn1d => "cnn1d",
            Self::Rnn => "rnn",
            Self::Gru => "gru",
            Self::Lstm => "lstm",
            Self::Transformer => "transformer",
        }
    }

    /// The name as a person reads it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Majority => "Majority",
            Self::Logistic => "Logistic regression",
            Self::Ridge => "Ridge regression",
            Self::Knn => "Nearest neighbours",
            Self::Forest => "Random forest",
            Self::Linear => "Linear",
            Self::Mlp => "MLP",
            Self::Cnn => "CNN",
            Self::Resnet => "Residual CNN",
            Self::Mobilenet => "Separable CNN",
            Self::Cnn1d => "1-D CNN",
            Self::Rnn => "RNN",
            Self::Gru => "GRU",
            Self::Lstm => "LSTM",
            Self::Transformer => "Transformer",
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
