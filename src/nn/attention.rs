//! Self-attention over tensor operations, as PyTorch's `MultiheadAttention` computes it.

use burn::module::{Module, Param};
use burn::tensor::module::linear;
use burn::tensor::{Tensor, activation};

use super::layers::{Source, transposed};
use super::network::numbers;
use crate::spec::{MASKED_SCORE, Shape};

/// Scaled dot-product attention (Vaswani et al. 2017): `softmax(q k^T / sqrt(d)) v` in each of `heads` heads of `d` features.
#[derive(Module, Debug)]
pub struct Attention {
    /// Query, key and value side by side: `[features, 3 * features]`
    input_weight: Param<Tensor<2>>,
    input_bias: Param<Tensor<1>>,
    /// `[features, features]`
    output_weight: Param<Tensor<2>>,
    output_bias: Param<Tensor<1>>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    steps: usize,
}

impl Attention {
    pub fn new(heads: usize, input: Shape, source: &Source) -> Self {
        Self {
            input_weight: source.transposed("in_proj_weight"),
            input_bias: source.tensor("in_proj_bias"),
            output_weight: source.transposed("out_proj.weight"),
            output_bias: source.tensor("out_proj.bias"),
            heads,
            steps: input.positions(),
        }
    }

    /// `mask` is `[samples, steps]`, 1 where a step may be attended to.
    pub fn forward(&self, x: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let [samples, values] = x.dims();
        let (steps, heads) = (self.steps, self.heads);
        let features = values / steps;
        let width = features / heads;
        let x = x.reshape([samples * steps, features]);
        let projected = linear(x, self.input_weight.val(), Some(self.input_bias.val()));
        let part = |place: usize| {
            projected
                .clone()
                .narrow(1, place * features, features)
                .reshape([samples, steps, heads, width])
                .swap_dims(1, 2)
        };
        let query = part(0).mul_scalar(1.0 / (width as f64).sqrt());
        let mut scores = query.matmul(part(1).swap_dims(2, 3));
        if let Some(mask) = mask {
            let padding = mask.lower_elem(0.5).reshape([samples, 1, 1, steps]);
            scores = scores.mask_fill(padding.expand([samples, heads, steps, steps]), MASKED_SCORE);
        }
        let mixed = activation::softmax(scores, 3)
            .matmul(part(2))
            .swap_dims(1, 2)
            .reshape([samples * steps, features]);
        linear(mixed, self.output_weight.val(), Some(self.output_bias.val())).reshape([samples, values])
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        vec![
            ("in_proj_weight", transposed(&self.input_weight)),
            ("in_proj_bias", numbers(self.input_bias.val())),
            ("out_proj.weight", transposed(&self.output_weight)),
            ("out_proj.bias", numbers(self.output_bias.val())),
        ]
    }
}
