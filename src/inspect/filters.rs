//! The weights of the first layer that has any, as pictures of what it looks for.

use super::Viewer;
use crate::data::Dataset;
use crate::spec::{ColumnKind, FilterPicture, Filters, LayerSpec, ModelSpec, NamedTensor, Placed, Shape, Weights};

/// Most images, most rows and columns of a matrix, and most tokens with their neighbours.
const IMAGES: usize = 64;
const EDGE: usize = 64;
const TOKENS: usize = 48;
const NEIGHBOURS: usize = 5;
/// Tokens among which neighbours are looked for.
const SEARCHED: usize = 4096;

impl Viewer<'_> {
    /// None where no layer has weights that can be drawn, or the model and the weights do not belong together.
    pub fn filters(&self, model: &ModelSpec, weights: &Weights) -> Option<Filters> {
        let placed = model.walk().ok()?;
        let mut sees = match model.input {
            Shape::Image {
                channels,
                height,
                width,
            } => Some([channels, height, width]),
            _ => None,
        };
        // The inputs have kept their names so far.
        let mut is_named = matches!(model.input, Shape::Features { .. });
        for place in &placed {
            if let Some((tensor, kind)) = first_weights(place, weights) {
                let picture = match kind {
                    Kind::Images(shape) => images(tensor, shape),
                    Kind::Units(gates) => match sees.filter(|shape| shape.iter().product::<usize>() == columns(tensor))
                    {
                        Some(shape) if gates.is_empty() => images(tensor, shape),
                        _ => matrix(
                            tensor,
                            gates,
                            if is_named {
                                input_names(self.dataset)
                            } else {
                                Vec::new()
                            },
                        ),
                    },
                    Kind::Tokens => match &self.tokens {
                        Some(names) if !names.is_empty() => neighbours(tensor, names),
                        _ => matrix(tensor, &[], Vec::new()),
                    },
                };
                return Some(Filters {
                    tensor: tensor.name.clone(),
                    layer: place.layer.name(),
                    largest: largest(&picture),
                    picture,
                });
            }
            match place.layer {
                LayerSpec::Flatten
                | LayerSpec::Dropout { .. }
                | LayerSpec::BatchNorm
                | LayerSpec::LayerNorm
                | LayerSpec::Branch
                | LayerSpec::Positions { .. }
                | LayerSpec::ClassToken => {}
                LayerSpec::Patches { size } => sees = Some([place.input.channels(), size, size]),
                LayerSpec::Rows => {
                    sees = sees.map(|[channels, _, width]| [channels, 1, width]);
                }
                _ => (sees, is_named) = (None, false),
            }
        }
        None
    }
}

enum Kind {
    Images([usize; 3]),
    /// `[gates x units, inputs]`, the units of one gate after those of another.
    Units(&'static [&'static str]),
    /// `[vocabulary, dimensions]`
    Tokens,
}

fn first_weights<'a>(place: &Placed, weights: &'a Weights) -> Option<(&'a NamedTensor, Kind)> {
    let channels = place.input.channels();
    let (part, kind) = match place.layer {
        LayerSpec::Dense { .. } => ("weight", Kind::Units(&[])),
        LayerSpec::Conv2d { kernel, .. } => ("weight", Kind::Images([channels, kernel, kernel])),
        LayerSpec::DepthwiseConv2d { kernel, .. } => ("weight", Kind::Images([1, kernel, kernel])),
        LayerSpec::Conv1d { kernel, .. } => ("weight", Kind::Images([1, channels, kernel])),
        LayerSpec::Recurrent { cell, .. } => ("weight_ih_l0", Kind::Units(cell.gate_names())),
        LayerSpec::SelfAttention { .. } => ("in_proj_weight", Kind::Units(&["query", "key", "value"])),
        LayerSpec::Embedding { .. } => ("weight", Kind::Tokens),
        _ => return None,
    };
    let tensor = weights.part(place.index, part)?;
    (tensor.shape.len() > 1 && !tensor.data.is_empty()).then_some((tensor, kind))
}

fn columns(tensor: &NamedTensor) -> usize {
    tensor.data.len() / tensor.shape[0].max(1)
}

fn images(tensor: &NamedTensor, shape: [usize; 3]) -> FilterPicture {
    let size = shape.iter().product::<usize>().max(1);
    FilterPicture::Images {
        shape,
        images: tensor
            .data
            .chunks_exact(size)
            .take(IMAGES)
            .map(<[f32]>::to_vec)
            .collect(),
        total: tensor.data.len() / size,
    }
}

fn matrix(tensor: &NamedTensor, gates: &[&'static str], mut names: Vec<String>) -> FilterPicture {
    let blocks = gates.len().max(1);
    let units = tensor.shape[0] / blocks;
    let all = columns(tensor);
    let shown = all.min((EDGE / blocks).max(1));
    let rows = units.min(EDGE);
    // A row of the picture is a unit, the inputs of its gates side by side.
    let places = (0..rows).flat_map(|unit| (0..blocks).map(move |gate| gate * units + unit));
    let values: Vec<f32> = places
        .filter_map(|row| tensor.data.get(row * all..row * all + shown))
        .flatten()
        .copied()
        .collect();
    if names.len() == all {
        names.truncate(shown);
    } else {
        names.clear();
    }
    FilterPicture::Matrix {
        gates: gates.to_vec(),
        columns: names,
        size: [rows, blocks * shown],
        values,
        total: [units, all],
    }
}

fn neighbours(tensor: &NamedTensor, names: &[String]) -> FilterPicture {
    let width = columns(tensor).max(1);
    let norm = |row: &[f32]| row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let is_shown = |name: &&String| !name.is_empty() && !name.starts_with("byte ");
    let total = names.iter().take(tensor.shape[0]).filter(is_shown).count();
    let rows: Vec<(&String, &[f32], f64)> = names
        .iter()
        .zip(tensor.data.chunks_exact(width))
        .filter(|(name, _)| is_shown(name))
        .map(|(name, row)| (name, row, norm(row)))
        .filter(|(.., norm)| norm.is_finite() && *norm > 0.0)
        .take(SEARCHED)
        .collect();
    let cosine = |a: &(&String, &[f32], f64), b: &(&String, &[f32], f64)| {
        let product: f64 = a.1.iter().zip(b.1).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        (product / (a.2 * b.2)) as f32
    };
    let shown = rows.iter().enumerate().take(TOKENS).map(|(place, token)| {
        let others = rows.iter().enumerate().filter(|(other, _)| *other != place);
        let mut near: Vec<(f32, &String)> = others.map(|(_, other)| (cosine(token, other), other.0)).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(NEIGHBOURS);
        let near = near.into_iter().map(|(cosine, name)| (name.clone(), cosine));
        (token.0.clone(), near.collect())
    });
    FilterPicture::Neighbours {
        tokens: shown.collect(),
        total,
    }
}

fn largest(picture: &FilterPicture) -> f32 {
    let magnitude = |largest: f32, &value: &f32| {
        if value.is_finite() {
            largest.max(value.abs())
        } else {
            largest
        }
    };
    match picture {
        FilterPicture::Images { images, .. } => images.iter().flatten().fold(0.0, magnitude),
        FilterPicture::Matrix { values, .. } => values.iter().fold(0.0, magnitude),
        FilterPicture::Neighbours { .. } => 1.0,
    }
}

/// One a network input: a column's name, or `column = category`.
fn input_names(dataset: &Dataset) -> Vec<String> {
    let columns = dataset.preprocessing.columns.iter();
    columns
        .flat_map(|column| match &column.kind {
            ColumnKind::Numeric { .. } => vec![column.name.clone()],
            ColumnKind::Category { categories } => {
                let each = categories
                    .iter()
                    .map(|category| format!("{} = {category}", column.name));
                each.collect()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;
    use crate::spec::{CellKind, DataConfig, PaddingKind};

    fn tensor(name: &str, shape: &[usize], data: Vec<f32>) -> NamedTensor {
        NamedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data,
        }
    }

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|value| value as f32 - count as f32 / 2.0).collect()
    }

    fn filters(source: &str, input: Option<Shape>, layers: Vec<LayerSpec>, tensor: NamedTensor) -> Option<Filters> {
        let config = DataConfig {
            source: source.to_owned(),
            ..DataConfig::default()
        };
        let dataset = data::load(&config).unwrap();
        let model = ModelSpec {
            input: input.unwrap_or(dataset.preprocessing.shape),
            layers,
        };
        let weights = Weights { tensors: vec![tensor] };
        Viewer::new(&dataset).filters(&model, &weights)
    }

    #[test]
    fn convolutions_and_units_on_an_image_are_images() {
        let convolution = LayerSpec::Conv2d {
            filters: 2,
            kernel: 3,
            stride: 1,
            padding: PaddingKind::Same,
        };
        let weights = tensor("layers.1.weight", &[2, 1, 3, 3], numbers(18));
        let seen = filters("digits", None, vec![LayerSpec::BatchNorm, convolution], weights).unwrap();
        assert_eq!(
            (seen.tensor.as_str(), seen.layer, seen.largest),
            ("layers.1.weight", "convolution", 9.0)
        );
        let FilterPicture::Images { shape, images, total } = seen.picture else {
            panic!()
        };
        assert_eq!((shape, images.len(), total), ([1, 3, 3], 2, 2));
        assert_eq!(images[1], numbers(18)[9..]);

        let weights = tensor("layers.1.weight", &[100, 64], numbers(6400));
        let layers = vec![LayerSpec::Flatten, LayerSpec::Dense { units: 100 }];
        let seen = filters("digits", None, layers, weights).unwrap();
        let FilterPicture::Images { shape, images, total } = seen.picture else {
            panic!()
        };
        assert_eq!((shape, images.len(), total), ([1, 8, 8], 64, 100));

        let weights = tensor("layers.1.weight", &[4, 16], numbers(64));
        let layers = vec![LayerSpec::Patches { size: 4 }, LayerSpec::Dense { units: 4 }];
        let seen = filters("digits", None, layers, weights).unwrap();
        assert!(matches!(seen.picture, FilterPicture::Images { shape: [1, 4, 4], .. }));
    }

    #[test]
    fn units_on_a_table_are_a_matrix_with_the_columns_names() {
        let weights = tensor(
            "layers.0.weight",
            &[2, 4],
            vec![1.0, 2.0, f32::NAN, -4.0, 0.0, 0.0, 0.0, 0.5],
        );
        let seen = filters("iris", None, vec![LayerSpec::Dense { units: 2 }], weights).unwrap();
        assert_eq!(seen.largest, 4.0);
        let FilterPicture::Matrix {
            columns, size, total, ..
        } = seen.picture
        else {
            panic!()
        };
        assert_eq!((columns.len(), size, total), (4, [2, 4], [2, 4]));
    }

    #[test]
    fn gates_of_a_unit_stand_side_by_side() {
        let recurrent = LayerSpec::Recurrent {
            cell: CellKind::Gru,
            units: 2,
            bidirectional: false,
            sequence: false,
        };
        let input = Shape::Sequence { steps: 5, features: 1 };
        let weights = tensor("layers.0.weight_ih_l0", &[6, 1], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let seen = filters("sines", Some(input), vec![recurrent], weights).unwrap();
        let FilterPicture::Matrix {
            gates,
            size,
            values,
            total,
            ..
        } = seen.picture
        else {
            panic!()
        };
        assert_eq!(
            (&gates[..], size, total),
            (&["reset", "update", "new"][..], [2, 3], [2, 1])
        );
        assert_eq!(values, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn tokens_have_those_of_similar_direction_beside_them() {
        let names = ["", "up", "upper", "down"].map(str::to_owned);
        let weights = tensor("w", &[4, 2], vec![0.0, 0.0, 0.0, 2.0, 0.1, 1.0, 0.0, -1.0]);
        let FilterPicture::Neighbours { tokens, total } = neighbours(&weights, &names) else {
            panic!()
        };
        assert_eq!((total, tokens.len()), (3, 3));
        let (token, near) = &tokens[0];
        assert_eq!(
            (token.as_str(), near[0].0.as_str(), near[1].0.as_str()),
            ("up", "upper", "down")
        );
        assert!((near[0].1 - 1.0 / 1.01_f32.sqrt()).abs() < 1e-6 && (near[1].1 + 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_does_not_belong_together_has_no_picture() {
        let weights = tensor("layers.7.weight", &[2, 4], numbers(8));
        assert_eq!(
            filters("iris", None, vec![LayerSpec::Dense { units: 2 }], weights),
            None
        );
        let weights = tensor("layers.0.weight", &[2, 4], numbers(8));
        assert_eq!(filters("iris", None, vec![LayerSpec::Rows], weights), None);
    }
}
