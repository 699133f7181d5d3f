//! The seam itself, with an operation small enough to be followed by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// `x * y + z`, each of the same shape; counts its backward passes and looks at what was kept.
#[derive(Debug)]
struct Combined {
    backwards: Arc<AtomicUsize>,
}

impl Operation<3> for Combined {
    type Saved = f32;

    fn forward(&self, inputs: [Operand; 3], wanted: [bool; 3]) -> Output<f32> {
        let [x, y, z] = inputs;
        let shape = x.shape().to_vec();
        let values = x
            .values()
            .iter()
            .zip(y.values())
            .zip(z.values())
            .map(|((x, y), z)| x * y + z);
        Output {
            values: values.collect(),
            shape,
            saved: if wanted.contains(&true) { 1.0 } else { f32::NAN },
        }
    }

    fn keeps(&self, wanted: [bool; 3]) -> Keeps<3> {
        Keeps {
            inputs: [wanted[1], wanted[0], false],
            output: true,
        }
    }

    fn backward(&self, step: Step<f32, 3>) -> [Option<Vec<f32>>; 3] {
        self.backwards.fetch_add(1, Ordering::Relaxed);
        let [x, y, z] = step.inputs;
        assert_eq!((z.values().len(), z.shape()), (0, x.shape()));
        assert_eq!((step.output.values().len(), step.saved), (step.gradient.len(), 1.0));
        assert_eq!(x.values().is_empty(), !step.wanted[1]);
        let times = |factors: &[f32]| step.gradient.iter().zip(factors).map(|(g, f)| g * f).collect();
        [
            step.wanted[0].then(|| times(y.values())),
            step.wanted[1].then(|| times(x.values())),
            step.wanted[2].then(|| step.gradient.clone()),
        ]
    }
}

fn at<const N: usize>(values: [f32; N], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::from(values), device)
}

fn combined(inputs: [&Tensor<1>; 3]) -> (Tensor<1>, Arc<AtomicUsize>) {
    let backwards = Arc::new(AtomicUsize::new(0));
    let operation = Combined {
        backwards: backwards.clone(),
    };
    (run(operation, inputs.map(|input| input.clone().into())), backwards)
}

fn read(tensor: Tensor<1>) -> Vec<f32> {
    super::super::network::numbers(tensor)
}

#[test]
fn it_serves_the_cpu_with_and_without_autodiff() {
    let device = Device::flex();
    assert!(serves(&at([1.0], &device)) && serves(&at([1.0], &device.clone().autodiff())));
    #[cfg(feature = "ndarray")]
    assert!(!serves(&at(
        [1.0],
        &super::super::device(crate::spec::Device::Ndarray).unwrap()
    )));
}

#[test]
fn gradients_reach_every_leaf_through_operations_around_it() {
    let device = Device::flex().autodiff();
    let [x, y, z] = [[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]].map(|values| at(values, &device).require_grad());
    let (between, backwards) = combined([&x.clone().mul_scalar(2.0), &y, &z]);
    assert_eq!(read(between.clone().inner()), [22.0, 37.0]);
    let (end, _) = combined([&between, &y, &between]);
    let mut gradients = end.mul_scalar(3.0).backward();
    // end = between * (y + 1); between = 2 x y + z
    assert_eq!(backwards.load(Ordering::Relaxed), 1);
    assert_eq!(read(z.grad_remove(&mut gradients).unwrap()), [15.0, 18.0]);
    assert_eq!(
        read(x.grad_remove(&mut gradients).unwrap()),
        [2.0 * 4.0 * 15.0, 2.0 * 5.0 * 18.0]
    );
    let expected = [3.0 * 22.0 + 4.0 * 15.0, 3.0 * 37.0 + 6.0 * 18.0];
    assert_eq!(read(y.grad_remove(&mut gradients).unwrap()), expected);
}

#[test]
fn a_constant_gets_no_gradient_and_may_come_without_autodiff() {
    let device = Device::flex().autodiff();
    let x = at([2.0, 3.0], &device).require_grad();
    let constant = at([4.0, 5.0], &Device::flex());
    let (end, _) = combined([&x, &constant, &at([1.0, 1.0], &device)]);
    let mut gradients = end.backward();
    assert_eq!(read(x.grad_remove(&mut gradients).unwrap()), [4.0, 5.0]);
}

#[test]
fn nothing_is_recorded_where_no_gradient_is_wanted() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let [x, y, z] = [1.0, 2.0, 3.0].map(|value| at([value], &device));
        let (end, backwards) = combined([&x, &y, &z]);
        assert_eq!(end.device().is_autodiff(), device.is_autodiff());
        assert_eq!(read(end), [5.0]);
        assert_eq!(Arc::strong_count(&backwards), 1);
    }
}

#[test]
fn views_are_read_in_their_own_order() {
    let device = Device::flex().autodiff();
    let matrix = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device).require_grad();
    let view = matrix.clone().transpose().reshape([4]);
    let one = at([1.0; 4], &device);
    let (end, _) = combined([&view, &at([1.0, 10.0, 100.0, 1000.0], &device), &one]);
    assert_eq!(read(end.clone().inner()), [2.0, 31.0, 201.0, 4001.0]);
    let mut gradients = end.backward();
    let found = matrix.grad_remove(&mut gradients).unwrap();
    assert_eq!(read(found.reshape([4])), [1.0, 100.0, 10.0, 1000.0]);
}

#[test]
fn values_are_taken_without_a_copy_where_nobody_else_holds_them() {
    let values = vec![1.0_f32; 64];
    let place = values.as_ptr();
    let operand = Operand::new(tensor(values, &[8, 8]));
    assert_eq!(operand.shape(), [8, 8]);
    let held = operand.clone();
    let copy = operand.into_values();
    assert_ne!(copy.as_ptr(), place);
    let taken = held.into_values();
    assert_eq!(taken.as_ptr(), place);
}
