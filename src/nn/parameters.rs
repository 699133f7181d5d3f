//! What an optimizer must know of a parameter beside its numbers, and the running statistics, which are no parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use super::network::{Network, numbers};
use crate::spec::LayerSpec;

/// A trainable parameter of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Index of the layer in the model and the part's name in the module, as in `layers.2.bias`.
    pub name: String,
    /// Number of values.
    pub length: usize,
    /// Whether it is one that weight decay is meant for: not a bias, not the scale of a normalisation, not a position, not
    /// the class token.
    pub decays: bool,
}

impl Network {
    /// What each trainable parameter is, in the order of [`parameters`](Self::parameters).
    pub fn describe_parameters(&self) -> Vec<Parameter> {
        struct Describe<'a> {
            network: &'a Network,
            path: Vec<String>,
            found: Vec<Parameter>,
        }
        impl ModuleVisitor for Describe<'_> {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.push(name.to_owned());
            }

            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.pop();
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if !param.is_require_grad() {
                    return;
                }
                let index = self
                    .path
                    .iter()
                    .find_map(|part| part.parse::<usize>().ok())
                    .unwrap_or_default();
                let part = self.path.last().map_or("", String::as_str);
                let belongs_to_weights = !matches!(
                    self.network.model().layers.get(index),
                    Some(
                        LayerSpec::BatchNorm
                            | LayerSpec::LayerNorm
                            | LayerSpec::Positions { .. }
                            | LayerSpec::ClassToken
                    )
                );
                self.found.push(Parameter {
                    name: format!("layers.{index}.{part}"),
                    length: param.shape().num_elements(),
                    decays: belongs_to_weights && !part.contains("bias"),
                });
            }
        }
        let mut describe = Describe {
            network: self,
            path: Vec::new(),
            found: Vec::new(),
        };
        self.visit(&mut describe);
        describe.found
    }

    /// Running means and variances of the batch norms, in the order of the module.
    pub fn statistics(&self) -> Vec<Vec<f32>> {
        struct Read(Vec<Vec<f32>>);
        impl ModuleVisitor for Read {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if !param.is_require_grad() {
                    self.0.push(numbers(param.val()));
                }
            }
        }
        let mut read = Read(Vec::new());
        self.visit(&mut read);
        read.0
    }

    /// Replaces what [`statistics`](Self::statistics) gives.
    pub fn set_statistics(&mut self, statistics: &[Vec<f32>]) {
        struct Write<'a>(std::slice::Iter<'a, Vec<f32>>);
        impl ModuleMapper for Write<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if param.is_require_grad() {
                    return param;
                }
                let (id, tensor, mapper) = param.consume();
                let tensor = match self.0.next() {
                    Some(values) => Tensor::from_data(TensorData::new(values.clone(), tensor.dims()), &tensor.device()),
                    None => tensor,
                };
                Param::from_mapped_value(id, tensor, mapper)
            }
        }
        if !statistics.is_empty() {
            self.layers = std::mem::take(&mut self.layers).map(&mut Write(statistics.iter()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DropoutKey, device};
    use super::*;
    use crate::spec::{self, ActivationKind, ModelSpec, PaddingKind, Shape};

    fn network() -> Network {
        let model = ModelSpec {
            input: Shape::Image {
                channels: 1,
                height: 4,
                width: 4,
            },
            layers: vec![
                LayerSpec::Conv2d {
                    filters: 2,
                    kernel: 3,
                    stride: 1,
                    padding: PaddingKind::Same,
                },
                LayerSpec::BatchNorm,
                LayerSpec::Activation {
                    function: ActivationKind::Relu,
                },
                LayerSpec::Flatten,
                LayerSpec::Dropout { probability: 0.5 },
                LayerSpec::Dense { units: 3 },
            ],
        };
        Network::new(&model, 1, &device(spec::Device::Flex).unwrap().autodiff()).unwrap()
    }

    #[test]
    fn weights_decay_and_biases_and_norms_do_not() {
        let network = network();
        let found = network.describe_parameters();
        let lengths: Vec<usize> = network.parameters().iter().map(Vec::len).collect();
        assert!(found.iter().map(|parameter| parameter.length).eq(lengths));
        let named = |name: &str| found.iter().find(|parameter| parameter.name == name).unwrap().decays;
        assert_eq!(found.len(), 6);
        assert!(named("layers.0.weight") && named("layers.5.weight"));
        for name in ["layers.0.bias", "layers.1.weight", "layers.1.bias", "layers.5.bias"] {
            assert!(!named(name), "{name}");
        }
    }

    #[test]
    fn statistics_are_those_of_the_last_step_on_whatever_thread_it_was() {
        let mut network = network();
        let before = network.statistics();
        assert_eq!(before, [vec![0.0; 2], vec![1.0; 2]]);
        let inputs: Vec<f32> = (0..32).map(|value| value as f32 / 8.0).collect();
        let key = DropoutKey {
            seed: 0,
            step: 0,
            first_row: 0,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                network
                    .gradients(inputs, 2, key, |outputs| Ok::<_, ()>(outputs.to_vec()))
                    .unwrap()
            });
        });
        let after = network.statistics();
        assert_ne!(before, after);
        let weights = network.to_weights();
        assert_eq!(weights.part(1, "running_mean").unwrap().data, after[0]);
        let other = vec![vec![2.0, 3.0], vec![4.0, 5.0]];
        network.set_statistics(&other);
        assert_eq!(network.statistics(), other);
        assert_eq!(network.to_weights().part(1, "running_var").unwrap().data, other[1]);
    }

    #[test]
    fn a_share_of_a_batch_draws_the_masks_of_its_own_rows() {
        let network = network();
        let inputs: Vec<f32> = (0..64).map(|value| value as f32 / 8.0).collect();
        let model = ModelSpec {
            layers: network.model().layers[3..].to_vec(),
            ..network.model().clone()
        };
        let network = Network::new(&model, 1, &device(spec::Device::Flex).unwrap().autodiff()).unwrap();
        let outputs = |inputs: &[f32], first_row| {
            let key = DropoutKey {
                seed: 3,
                step: 4,
                first_row,
            };
            let mut seen = Vec::new();
            network
                .gradients(inputs.to_vec(), inputs.len() / 16, key, |outputs| {
                    seen = outputs.to_vec();
                    Ok::<_, ()>(seen.clone())
                })
                .unwrap();
            seen
        };
        let whole = outputs(&inputs, 0);
        assert_eq!([outputs(&inputs[..16], 0), outputs(&inputs[16..], 1)].concat(), whole);
        assert_ne!(outputs(&inputs[16..], 0), whole[3..]);
    }
}
