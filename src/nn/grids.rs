//! A network that computes in floating point as if on the grids of its exported file: fake quantization, with which a network
//! is trained for its grids and its quantized answers are known layer by layer.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};

use super::network::numbers;
use crate::spec::{
    ActivationQuantization, GROUP, GridPlan, NibbleGroup, QuantizationRanges, Range, WeightGrid, weight_scale,
    weight_steps,
};

/// The grids of a batch-norm-folded network, and the ranges that they cover. The ranges follow the values of training by a
/// moving average (Jacob et al. 2018, section 3.1).
#[derive(Debug)]
pub struct Grids {
    plan: GridPlan,
    ranges: Mutex<QuantizationRanges>,
    /// From this training step on the ranges stand still.
    still_from: usize,
}

/// Share of a step's range in the moving average.
const NEWEST: f32 = 0.01;

impl Grids {
    /// Grids that begin with `ranges` and follow the values until the training step `still_from`; with 0 they are fixed.
    pub fn new(plan: GridPlan, ranges: QuantizationRanges, still_from: usize) -> Self {
        Self {
            plan,
            ranges: Mutex::new(ranges),
            still_from,
        }
    }

    pub fn plan(&self) -> &GridPlan {
        &self.plan
    }

    /// As they are now.
    pub fn ranges(&self) -> QuantizationRanges {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The network's input, on its grid if it has one. `step` is that of training.
    pub fn entering(&self, x: Tensor<2>, step: Option<usize>) -> Tensor<2> {
        if self.plan.is_chain && self.plan.places[0] {
            self.put(0, x, step)
        } else {
            x
        }
    }

    /// What the layer at `index` reads: in a chain the value is on its grid already.
    pub fn before(&self, index: usize, x: Tensor<2>, step: Option<usize>) -> Tensor<2> {
        if !self.plan.is_chain && self.plan.places[index] {
            self.put(index, x, step)
        } else {
            x
        }
    }

    /// What the layer at `index` has made.
    pub fn after(&self, index: usize, x: Tensor<2>, step: Option<usize>) -> Tensor<2> {
        if self.plan.is_chain && self.plan.places[index + 1] {
            self.put(index + 1, x, step)
        } else {
            x
        }
    }

    /// How the weights of the layer at `index` are put on their grid; none where they stay as they are.
    pub fn weights(&self, index: usize) -> Option<WeightRounding> {
        match self.plan.weights[index] {
            WeightGrid::Float => None,
            WeightGrid::Nibbles => Some(WeightRounding::Nibbles),
            WeightGrid::Bytes => {
                let place = self.plan.inputs[index]?;
                let input_scale = ActivationQuantization::covering(self.ranges().at(place)).scale;
                Some(WeightRounding::Bytes { input_scale })
            }
        }
    }

    /// What the heads of the attention layer at `index` gather, on its grid, and how the weights that read it are rounded.
    pub fn gathered(&self, index: usize, x: Tensor<2>, step: Option<usize>) -> (Tensor<2>, WeightRounding) {
        let none = Range { min: 0.0, max: 0.0 };
        let range = self.range(step, &x, |ranges| {
            if ranges.gathered.len() <= index {
                ranges.gathered.resize(index + 1, None);
            }
            ranges.gathered[index].get_or_insert(none)
        });
        let grid = ActivationQuantization::covering(range);
        let rounding = WeightRounding::Bytes {
            input_scale: grid.scale,
        };
        (on_grid(x, grid), rounding)
    }

    /// The nearest values on the grid of a place.
    fn put(&self, place: usize, x: Tensor<2>, step: Option<usize>) -> Tensor<2> {
        let range = self.range(step, &x, |ranges| match place.checked_sub(1) {
            Some(layer) => &mut ranges.layers[layer],
            None => &mut ranges.input,
        });
        on_grid(x, ActivationQuantization::covering(range))
    }

    /// One of the ranges, which a step of training moves towards what is seen.
    fn range(
        &self,
        step: Option<usize>,
        x: &Tensor<2>,
        of: impl FnOnce(&mut QuantizationRanges) -> &mut Range,
    ) -> Range {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        let range = of(&mut ranges);
        if step.is_some_and(|step| step < self.still_from) {
            let seen = Range::of(&numbers(x.clone().inner()));
            if seen.min <= seen.max && (seen.max - seen.min).is_finite() {
                range.min += NEWEST * (seen.min - range.min);
                range.max += NEWEST * (seen.max - range.max);
            }
        }
        *range
    }
}

/// The nearest values on a grid. Backward, the gradient passes where the value is within the range and not elsewhere: the
/// straight-through estimator (Bengio et al. 2013).
fn on_grid(x: Tensor<2>, grid: ActivationQuantization) -> Tensor<2> {
    let values = numbers(x.clone().inner());
    let limits = grid.limits();
    let shape = x.dims();
    let device = x.device().without_autodiff();
    let tensor = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, shape), &device);
    let nearest: Vec<f32> = values.iter().map(|&value| grid.nearest(value)).collect();
    if !x.is_autodiff() {
        return tensor(nearest);
    }
    let is_inside = |value: f32| value >= limits.min && value <= limits.max;
    if values.iter().all(|&value| is_inside(value)) {
        let change = nearest.iter().zip(&values).map(|(to, from)| to - from).collect();
        return x + tensor(change);
    }
    let inside: Vec<f32> = values
        .iter()
        .map(|&value| f32::from(u8::from(is_inside(value))))
        .collect();
    let change = nearest.iter().zip(values.iter().zip(&inside));
    let change = change.map(|(to, (from, inside))| to - from * inside).collect();
    x * tensor(inside) + tensor(change)
}

/// How the weights of a layer are put on their grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightRounding {
    Bytes { input_scale: f32 },
    Nibbles,
}

/// How a weight lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Output channels outermost.
    Rows,
    /// Output channels innermost.
    Columns,
}

impl WeightRounding {
    /// A layer's weight and bias on their grids; the gradient passes as if they were not.
    pub fn put<const D: usize>(self, weight: Tensor<D>, bias: Tensor<1>, order: Order) -> (Tensor<D>, Tensor<1>) {
        let mut weights = numbers(weight.clone().inner());
        let mut biases = numbers(bias.clone().inner());
        let channels = Channels::of(weights.len(), biases.len(), order);
        match self {
            Self::Bytes { input_scale } => channels.to_bytes(&mut weights, &mut biases, input_scale),
            Self::Nibbles => channels.to_nibbles(&mut weights),
        }
        (straight_through(weight, weights), straight_through(bias, biases))
    }
}

/// `values` in place of those of `tensor`, with its gradient.
fn straight_through<const D: usize>(tensor: Tensor<D>, values: Vec<f32>) -> Tensor<D> {
    let device = tensor.device().without_autodiff();
    let values = Tensor::from_data(TensorData::new(values, tensor.dims()), &device);
    if !tensor.is_autodiff() {
        return values;
    }
    let change = values - tensor.clone().inner();
    tensor + change
}

/// Where the weights of an output channel lie.
#[derive(Clone, Copy)]
struct Channels {
    count: usize,
    /// Weights of a channel.
    size: usize,
    /// From a channel to the next, and from a weight to the next.
    steps: [usize; 2],
}

impl Channels {
    fn of(weights: usize, count: usize, order: Order) -> Self {
        let size = weights / count.max(1);
        Self {
            count,
            size,
            steps: match order {
                Order::Rows => [size, 1],
                Order::Columns => [1, count],
            },
        }
    }

    fn places(self, channel: usize) -> impl Iterator<Item = usize> + Clone {
        (0..self.size).map(move |weight| channel * self.steps[0] + weight * self.steps[1])
    }

    fn to_bytes(self, weights: &mut [f32], biases: &mut [f32], input_scale: f32) {
        for (channel, bias) in biases.iter_mut().enumerate().take(self.count) {
            let largest = self
                .places(channel)
                .fold(0.0_f32, |largest, place| largest.max(weights[place].abs()));
            // What has no grid stays as it is; the writer of the file refuses it by name.
            let Some(scale) = weight_scale(largest, *bias, input_scale) else {
                continue;
            };
            for place in self.places(channel) {
                weights[place] = weight_steps(weights[place], scale) * scale;
            }
            let step = f64::from(input_scale * scale);
            *bias = ((f64::from(*bias) / step).round_ties_even() * step) as f32;
        }
    }

    fn to_nibbles(self, weights: &mut [f32]) {
        for channel in 0..self.count {
            let places: Vec<usize> = self.places(channel).collect();
            for places in places.chunks(GROUP) {
                let mut group = [0.0; GROUP];
                for (value, &place) in group.iter_mut().zip(places) {
                    *value = weights[place];
                }
                let nearest = NibbleGroup::nearest(&group[..places.len()]);
                for (code, &place) in places.iter().enumerate() {
                    weights[place] = nearest.weight(code);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device;
    use crate::spec::{self, LayerSpec, ModelSpec, Shape};

    fn grids(range: Range, still_from: usize) -> Grids {
        let model = ModelSpec {
            input: Shape::Features { features: 2 },
            layers: vec![LayerSpec::Dense { units: 1 }],
        };
        let plan = GridPlan::of(&model, WeightGrid::Bytes, &[]).unwrap();
        let ranges = QuantizationRanges {
            input: range,
            layers: vec![range],
            gathered: Vec::new(),
            protected: Vec::new(),
        };
        Grids::new(plan, ranges, still_from)
    }

    #[test]
    fn the_gradient_passes_within_the_range_only() {
        let device = device(spec::Device::Flex).unwrap().autodiff();
        let x = Tensor::<2>::from_data(TensorData::new(vec![0.3, 5.0, -0.2, -7.0], [2, 2]), &device).require_grad();
        let grids = grids(Range { min: -1.0, max: 1.55 }, 0);
        let y = grids.entering(x.clone(), Some(0));
        let put = numbers(y.clone().inner());
        assert!(
            put.iter()
                .zip([0.3, 1.55, -0.2, -1.0])
                .all(|(a, b)| (a - b).abs() < 1e-6),
            "{put:?}"
        );
        let gradients = y.sum().backward();
        assert_eq!(numbers(x.grad(&gradients).unwrap()), [1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn ranges_follow_until_they_stand_still() {
        let device = device(spec::Device::Flex).unwrap();
        let x = Tensor::<2>::from_data(TensorData::new(vec![0.0, 3.0], [1, 2]), &device);
        let grids = grids(Range { min: -1.0, max: 1.0 }, 5);
        grids.entering(x.clone(), None);
        grids.entering(x.clone(), Some(5));
        assert_eq!(grids.ranges().input, Range { min: -1.0, max: 1.0 });
        grids.entering(x, Some(4));
        let after = grids.ranges().input;
        assert!(
            (after.min + 0.99).abs() < 1e-6 && (after.max - 1.02).abs() < 1e-6,
            "{after:?}"
        );
    }

    #[test]
    fn weights_lie_on_one_grid_whatever_their_order() {
        let device = device(spec::Device::Flex).unwrap();
        let rows: Vec<f32> = (0..80).map(|value| (value as f32 * 0.77).sin()).collect();
        let columns: Vec<f32> = (0..80).map(|place| rows[place % 2 * 40 + place / 2]).collect();
        let biases = Tensor::<1>::from_floats([0.123_456, -1.0], &device);
        for rounding in [WeightRounding::Bytes { input_scale: 0.1 }, WeightRounding::Nibbles] {
            let put = |values: &[f32], shape: [usize; 2], order| {
                let weight = Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), &device);
                numbers(rounding.put(weight, biases.clone(), order).0)
            };
            let by_row = put(&rows, [2, 40], Order::Rows);
            let by_column = put(&columns, [40, 2], Order::Columns);
            assert!((0..80).all(|place| by_column[place] == by_row[place % 2 * 40 + place / 2]));
            assert_ne!(by_row, rows);
            let steps = if rounding == WeightRounding::Nibbles {
                15.0
            } else {
                254.0
            };
            let error = by_row
                .iter()
                .zip(&rows)
                .fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(error < 2.0 / steps, "{error}");
        }
    }
}
