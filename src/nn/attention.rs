//! Self-attention over tensor operations, as PyTorch's `MultiheadAttention` computes it.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};

use super::dense::linear;
use super::fused::{self, Keeps, Operand, Operation, Output, Step};
use super::grids::{Order, WeightRounding};
use super::kept::Kept;
use super::layers::{Source, transposed};
use super::network::numbers;
use crate::kernels::InstructionSet;
use crate::kernels::training::{self, Heads};
use crate::spec::{AttentionLayer, MASKED_SCORE, Shape};

/// Scaled dot-product attention (Vaswani et al. 2017): `softmax(q k^T / sqrt(d)) v` in each of `heads` heads of `d` features.
#[derive(Module, Debug)]
pub struct Attention {
    /// Query, key and value side by side: `[features, 3 * heads * width]`
    input_weight: Param<Tensor<2>>,
    input_bias: Param<Tensor<1>>,
    /// `[heads * width, features]`
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
        let mixed = self.mix(self.project(x), mask);
        linear(mixed, self.output_weight.val(), self.output_bias.val())
    }

    /// As [`forward`](Self::forward) with its weights on grids. `gather` puts what the heads gather, `[samples, values]`, on its grid,
    /// and says how the weights that read it are rounded.
    pub fn forward_rounded(
        &self,
        x: Tensor<2>,
        mask: Option<Tensor<2>>,
        rounding: WeightRounding,
        gather: impl FnOnce(Tensor<2>) -> (Tensor<2>, WeightRounding),
    ) -> Tensor<2> {
        let (weight, bias) = rounding.put(self.input_weight.val(), self.input_bias.val(), Order::Columns);
        let (mixed, rounding) = gather(self.mix(linear(x, weight, bias), mask));
        let (weight, bias) = rounding.put(self.output_weight.val(), self.output_bias.val(), Order::Columns);
        linear(mixed, weight, bias)
    }

    /// What the heads gather for every step, side by side: `[samples, steps * heads * width]`.
    fn mix(&self, projected: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        if fused::serves(&projected) {
            let mixed = Mixed {
                heads: self.heads,
                steps: self.steps,
                mask: mask.map(numbers),
            };
            return fused::run(mixed, [projected.into()]);
        }
        let value = self.part(&projected, 2);
        let [samples, heads, steps, width] = value.dims();
        self.shares(projected, mask)
            .matmul(value)
            .swap_dims(1, 2)
            .reshape([samples, steps * heads * width])
    }

    /// What the heads gather, before it is projected: `[samples, steps * heads * width]`.
    pub fn gathered(&self, x: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        self.mix(self.project(x), mask)
    }

    /// What each step of the one sample `x` attends to; `layer` is its place in the network.
    pub fn seen(&self, layer: usize, x: Tensor<2>, mask: Option<Tensor<2>>) -> AttentionLayer {
        AttentionLayer {
            layer,
            heads: self.heads,
            steps: self.steps,
            shares: numbers(self.shares(self.project(x), mask)),
        }
    }

    /// Query, key and value of every step: `[samples, steps * 3 * heads * width]`.
    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.input_weight.val(), self.input_bias.val())
    }

    /// Query (0), key (1) or value (2) of each head: `[samples, heads, steps, width]`.
    fn part(&self, projected: &Tensor<2>, place: usize) -> Tensor<4> {
        let [samples, values] = projected.dims();
        let features = values / (3 * self.steps);
        projected
            .clone()
            .reshape([samples, self.steps, 3, self.heads, features / self.heads])
            .narrow(2, place, 1)
            .squeeze_dim::<4>(2)
            .swap_dims(1, 2)
    }

    /// What each step gives to every other: `[samples, heads, steps, steps]`, each row sums to 1.
    fn shares(&self, projected: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<4> {
        let [query, key] = [0, 1].map(|place| self.part(&projected, place));
        drop(projected);
        let [samples, heads, steps, width] = query.dims();
        let query = query.mul_scalar(1.0 / (width as f64).sqrt());
        let mut scores = query.matmul(key.swap_dims(2, 3));
        if let Some(mask) = mask {
            let padding = mask.lower_elem(0.5).reshape([samples, 1, 1, steps]);
            scores = scores.mask_fill(padding.expand([samples, heads, steps, steps]), MASKED_SCORE);
        }
        activation::softmax(scores, 3)
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

/// What the heads gather, from query, key and value of every step; see [`training::attention`].
#[derive(Debug)]
struct Mixed {
    heads: usize,
    steps: usize,
    /// `[samples, steps]`, 1 where a step may be attended to.
    mask: Option<Vec<f32>>,
}

impl Mixed {
    fn shape(&self, projected: &Operand) -> Heads<'_> {
        let [samples, values] = [projected.shape()[0], projected.shape()[1]];
        Heads {
            samples,
            heads: self.heads,
            steps: self.steps,
            width: values / (3 * self.steps * self.heads),
            mask: self.mask.as_deref(),
            masked: MASKED_SCORE as f32,
        }
    }
}

impl Operation<1> for Mixed {
    /// The shares of every step in every other.
    type Saved = Kept;

    fn forward(&self, [projected]: [Operand; 1], [wanted]: [bool; 1]) -> Output<Kept> {
        let shape = self.shape(&projected);
        let (values, saved) = training::attention(InstructionSet::best(), &shape, projected.values(), wanted);
        Output {
            values,
            shape: vec![shape.samples, self.steps * self.heads * shape.width],
            saved: Kept::new(saved),
        }
    }

    fn keeps(&self, _: [bool; 1]) -> Keeps<1> {
        Keeps {
            inputs: [true],
            output: false,
        }
    }

    fn backward(&self, step: Step<Kept, 1>) -> [Option<Vec<f32>>; 1] {
        let [projected] = &step.inputs;
        let shape = self.shape(projected);
        let gradient = training::attention_backward(
            InstructionSet::best(),
            &shape,
            projected.values(),
            &step.saved.into_values(),
            &step.gradient,
        );
        [Some(gradient)]
    }
}
