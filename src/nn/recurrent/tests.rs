//! The fused layer against its plain twin, which runs on the other device.
#![cfg(feature = "ndarray")]

use crate::nn::{DropoutKey, Network, device};
use crate::spec::{self, CellKind, LayerSpec, ModelSpec, Shape};

fn numbers(length: usize) -> Vec<f32> {
    (0..length)
        .map(|index| ((index * 7919 % 211) as f32 - 105.0) / 80.0)
        .collect()
}

/// Outputs, gradients, and the outputs where nothing is kept.
fn whole(model: &ModelSpec, rows: usize, on: spec::Device) -> Vec<Vec<f32>> {
    let device = device(on).unwrap();
    let network = Network::new(model, 5, &device.clone().autodiff()).unwrap();
    let inputs = numbers(rows * model.input.len());
    let key = DropoutKey {
        seed: 1,
        step: 2,
        first_row: 0,
    };
    let mut outputs = Vec::new();
    let mut all = network
        .gradients(inputs.clone(), rows, key, |values| {
            outputs = values.to_vec();
            Ok::<_, ()>(numbers(values.len()))
        })
        .unwrap();
    all.push(outputs);
    all.push(network.predict(inputs, rows));
    all
}

#[test]
fn fused_cells_are_their_plain_twins() {
    let dense = LayerSpec::Dense { units: 6 };
    for cell in [CellKind::Rnn, CellKind::Gru, CellKind::Lstm] {
        for (bidirectional, sequence) in [(false, false), (false, true), (true, false), (true, true)] {
            for [steps, units, rows] in [[5, 8, 3], [1, 4, 1], [9, 20, 40]] {
                let recurrent = LayerSpec::Recurrent {
                    cell,
                    units,
                    bidirectional,
                    sequence,
                };
                let model = ModelSpec {
                    input: Shape::Sequence { steps, features: 3 },
                    layers: vec![dense, recurrent, dense],
                };
                let fused = whole(&model, rows, spec::Device::Flex);
                let twin = whole(&model, rows, spec::Device::Ndarray);
                for (place, (fused, twin)) in fused.iter().zip(&twin).enumerate() {
                    assert_eq!(fused.len(), twin.len());
                    let size = twin.iter().fold(0.0_f32, |size, value| size.max(value.abs()));
                    for (a, b) in fused.iter().zip(twin) {
                        assert!(
                            (a - b).abs() <= 1e-5 * size,
                            "{recurrent:?} over {steps}, tensor {place}: {a} is not {b}"
                        );
                    }
                }
            }
        }
    }
}
