//! Layers that make a sequence, or take from one: rows, patches and tokens as steps, their places, and the first of them.

use burn::module::{Module, Param};
use burn::tensor::module::embedding;
use burn::tensor::{Tensor, TensorData};

use super::layers::{Source, image};
use super::network::numbers;
use crate::spec::{PositionKind, Shape, sinusoidal};

#[derive(Module, Debug)]
pub struct Rows {
    #[module(skip)]
    pub input: Shape,
}

#[derive(Module, Debug)]
pub struct Patches {
    #[module(skip)]
    pub input: Shape,
    #[module(skip)]
    pub size: usize,
}

/// Weight `[vocabulary, dimensions]`, whose first row is never read nor trained: padding is the zero vector.
#[derive(Module, Debug)]
pub struct Embedding {
    pub weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
pub struct Positions {
    /// `[steps, features]`
    weight: Option<Param<Tensor<2>>>,
    #[module(skip)]
    input: Shape,
}

/// Weight `[features]`.
#[derive(Module, Debug)]
pub struct ClassToken {
    pub weight: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
pub struct FirstStep {
    #[module(skip)]
    pub input: Shape,
}

impl Rows {
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [samples, _] = x.dims();
        let [channels, height, width] = image(self.input);
        if channels == 1 {
            return x;
        }
        x.reshape([samples, channels, height, width])
            .swap_dims(1, 2)
            .flatten(1, 3)
    }
}

impl Patches {
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [samples, _] = x.dims();
        let [channels, height, width] = image(self.input);
        let size = self.size;
        x.reshape([samples, channels, height / size, size, width / size, size])
            .permute([0, 2, 4, 1, 3, 5])
            .flatten(1, 5)
    }
}

impl Embedding {
    pub fn new(source: &Source) -> Self {
        Self {
            weight: source.tensor("weight"),
        }
    }

    /// What is no place in the vocabulary is read as its nearest.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let last = weight.dims()[0].saturating_sub(1);
        let text = mask(&x).unsqueeze_dim(2);
        let tokens = x.clamp(0.0, last as f64).int();
        (embedding(weight, tokens) * text).flatten(1, 2)
    }
}

/// Of tokens `[samples, steps]`: 1 for text and 0 for padding.
pub fn mask(tokens: &Tensor<2>) -> Tensor<2> {
    tokens.clone().greater_elem(0.5).float()
}

/// The mask with a class token, which is no padding, in front.
pub fn with_class(mask: Tensor<2>) -> Tensor<2> {
    let [samples, _] = mask.dims();
    let device = mask.device();
    Tensor::cat(vec![Tensor::ones([samples, 1], &device), mask], 1)
}

impl Positions {
    pub fn new(encoding: PositionKind, input: Shape, source: &Source) -> Self {
        Self {
            weight: match encoding {
                PositionKind::Learned => Some(source.tensor("weight")),
                PositionKind::Sinusoidal => None,
            },
            input,
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (steps, features) = (self.input.positions(), self.input.channels());
        let places = match &self.weight {
            Some(weight) => weight.val().reshape([1, steps * features]),
            None => Tensor::from_data(
                TensorData::new(sinusoidal(steps, features), [1, steps * features]),
                &x.device().without_autodiff(),
            ),
        };
        x + places
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        let weight = self.weight.iter();
        weight.map(|weight| ("weight", numbers(weight.val()))).collect()
    }
}

impl ClassToken {
    pub fn new(source: &Source) -> Self {
        Self {
            weight: source.tensor("weight"),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [samples, _] = x.dims();
        let [features] = self.weight.dims();
        let token = self.weight.val().reshape([1, features]).repeat_dim(0, samples);
        Tensor::cat(vec![token, x], 1)
    }
}

impl FirstStep {
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.narrow(1, 0, self.input.channels())
    }
}
