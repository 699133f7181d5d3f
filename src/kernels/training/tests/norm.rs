//! Batch normalisation against plain loops.

use super::super::{NormShape, batch_norm, batch_norm_backward};
use super::{close, numbers, sets};

#[test]
fn output_and_gradients_are_those_of_plain_loops() {
    const EPSILON: f32 = 1e-5;
    for (samples, channels, area, channels_last) in [
        (5, 3, 16, false),
        (17, 4, 25, false),
        (33, 7, 1, false),
        (4, 18, 10, true),
        (2, 1, 3, false),
        (64, 16, 64, false),
    ] {
        let shape = NormShape {
            channels,
            area,
            channels_last,
        };
        let len = samples * channels * area;
        let x: Vec<f32> = numbers(len, 1).iter().map(|value| 2.0 * value + 0.5).collect();
        let (weight, bias, gradient) = (numbers(channels, 2), numbers(channels, 3), numbers(len, 4));
        let places = |channel: usize| -> Vec<usize> {
            let all = (0..samples).flat_map(|sample| (0..area).map(move |position| (sample, position)));
            all.map(|(sample, position)| {
                if channels_last {
                    (sample * area + position) * channels + channel
                } else {
                    (sample * channels + channel) * area + position
                }
            })
            .collect()
        };
        let (mut out, mut back) = (vec![0.0; len], vec![0.0; len]);
        let [mut means, mut variances, mut weights, mut biases] = [const { Vec::new() }; 4];
        for channel in 0..channels {
            let places = places(channel);
            let count = places.len() as f64;
            let mean = places.iter().map(|&place| f64::from(x[place])).sum::<f64>() / count;
            let square = |&place: &usize| (f64::from(x[place]) - mean).powi(2);
            let variance = places.iter().map(square).sum::<f64>() / count;
            let inverse = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            let normal = |place: usize| (f64::from(x[place]) - mean) * inverse;
            let sum: f64 = places.iter().map(|&place| f64::from(gradient[place])).sum();
            let product: f64 = places
                .iter()
                .map(|&place| f64::from(gradient[place]) * normal(place))
                .sum();
            for &place in &places {
                let scale = f64::from(weight[channel]);
                out[place] = (normal(place) * scale + f64::from(bias[channel])) as f32;
                let inner = f64::from(gradient[place]) - sum / count - normal(place) * product / count;
                back[place] = (scale * inverse * inner) as f32;
            }
            means.push(mean as f32);
            variances.push(variance as f32);
            weights.push(product as f32);
            biases.push(sum as f32);
        }
        for set in sets() {
            let name = format!("{shape:?} {set:?}");
            let ours = batch_norm(set, &shape, [&x, &weight, &bias], EPSILON);
            close(&name, &ours.out, &out);
            close(&name, &ours.mean, &means);
            close(&name, &ours.variance, &variances);
            let statistics = [&ours.mean[..], &ours.variance];
            let [input, weight, bias] =
                batch_norm_backward(set, &shape, [&x, &weight], statistics, EPSILON, &gradient, [true; 3]);
            close(&name, &input.unwrap(), &back);
            close(&name, &weight.unwrap(), &weights);
            close(&name, &bias.unwrap(), &biases);
        }
    }
}
