//! The dense layer, and the product with a bias that attention makes too.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module;

use super::fused::{self, Keeps, Operand, Operation, Output, Step};
use super::layers::{Source, transposed};
use super::network::numbers;
use crate::kernels::InstructionSet;
use crate::kernels::training::{Matrix, Product, Start, column_sums, new_product};

/// `y = x W + b`, of each step by itself; the weight is `[inputs, units]`, PyTorch's transposed.
#[derive(Module, Debug)]
pub struct Dense {
    pub weight: Param<Tensor<2>>,
    pub bias: Param<Tensor<1>>,
}

impl Dense {
    pub fn new(source: &Source) -> Self {
        Self {
            weight: source.transposed("weight"),
            bias: source.tensor("bias"),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.weight.val(), self.bias.val())
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        vec![("weight", transposed(&self.weight)), ("bias", numbers(self.bias.val()))]
    }
}

/// `x W + b` of every step: `[samples, steps * inputs]` to `[samples, steps * units]`, by a weight `[inputs, units]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    if fused::serves(&x) {
        return fused::run(Linear, [x.into(), weight.into(), bias.into()]);
    }
    let [samples, values] = x.dims();
    let [inputs, units] = weight.dims();
    let steps = values / inputs;
    let x = x.reshape([samples * steps, inputs]);
    module::linear(x, weight, Some(bias)).reshape([samples, steps * units])
}

/// `y = x W + b`; backward `dx = dy W^T`, `dW = x^T dy`, `db` the sum of `dy` over all steps.
#[derive(Debug)]
struct Linear;

impl Operation<3> for Linear {
    type Saved = ();

    fn forward(&self, inputs: [Operand; 3], _: [bool; 3]) -> Output<()> {
        let [x, weight, bias] = &inputs;
        let [inputs, units] = [weight.shape()[0], weight.shape()[1]];
        let product = Product {
            a: Matrix::new(x.values(), x.values().len() / inputs.max(1), inputs),
            b: Matrix::new(weight.values(), inputs, units),
            start: Start::Bias(bias.values()),
            relu: false,
        };
        let values = new_product(InstructionSet::best(), &product);
        let samples = x.shape()[0];
        Output {
            shape: vec![samples, values.len() / samples.max(1)],
            values,
            saved: (),
        }
    }

    fn keeps(&self, [x, weight, _]: [bool; 3]) -> Keeps<3> {
        Keeps {
            inputs: [weight, x, false],
            output: false,
        }
    }

    fn backward(&self, step: Step<(), 3>) -> [Option<Vec<f32>>; 3] {
        let set = InstructionSet::best();
        let [x, weight, bias] = &step.inputs;
        let units = bias.shape()[0];
        let gradient = Matrix::new(&step.gradient, step.gradient.len() / units.max(1), units);
        let product = |a, b| {
            let start = Start::Zero;
            let relu = false;
            new_product(set, &Product { a, b, start, relu })
        };
        let inputs = weight.shape()[0];
        [
            step.wanted[0].then(|| product(gradient, Matrix::new(weight.values(), inputs, units).transposed())),
            step.wanted[1].then(|| {
                let x = Matrix::new(x.values(), x.values().len() / inputs.max(1), inputs);
                product(x.transposed(), gradient)
            }),
            step.wanted[2].then(|| column_sums(set, &step.gradient, units)),
        ]
    }
}
