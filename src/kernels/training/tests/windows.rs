//! Max pools against plain loops.

use super::super::{PoolShape, max_pool, max_pool_backward, plane_means, plane_means_backward};
use super::{close, numbers, sets};

#[test]
fn the_first_of_the_largest_gets_the_gradient() {
    for (images, input, window, values) in [
        (3, [8, 8], [2, 2], 1),
        (2, [7, 9], [2, 2], 1),
        (2, [9, 7], [3, 3], 1),
        (1, [11, 13], [5, 5], 1),
        (2, [4, 4], [1, 1], 1),
        (2, [13, 1], [2, 1], 6),
        (2, [6, 9], [3, 2], 17),
        (2, [12, 33], [4, 4], 1),
    ] {
        let shape = PoolShape { input, window, values };
        let [height, width] = shape.out();
        // Few different numbers, so that many are equal.
        let x: Vec<f32> = numbers(images * input[0] * input[1] * values, 5)
            .into_iter()
            .map(|value| (value * 3.0).round())
            .collect();
        let gradient = numbers(images * height * width * values, 6);
        let (mut out, mut back) = (vec![0.0; gradient.len()], vec![0.0; x.len()]);
        for image in 0..images {
            for y in 0..height {
                for column in 0..width {
                    for value in 0..values {
                        let mut best = (f32::NEG_INFINITY, 0);
                        for ky in 0..window[0] {
                            for kx in 0..window[1] {
                                let (iy, ix) = (y * window[0] + ky, column * window[1] + kx);
                                let place = ((image * input[0] + iy) * input[1] + ix) * values + value;
                                if x[place] > best.0 {
                                    best = (x[place], place);
                                }
                            }
                        }
                        let to = ((image * height + y) * width + column) * values + value;
                        out[to] = best.0;
                        back[best.1] += gradient[to];
                    }
                }
            }
        }
        for set in sets() {
            let (ours, places) = max_pool(set, &shape, &x);
            assert_eq!(ours, out, "{shape:?} {set:?}");
            assert_eq!(max_pool_backward(&shape, &places, &gradient), back, "{shape:?} {set:?}");
        }
    }
}

#[test]
fn what_is_not_a_number_stays_visible() {
    let shape = PoolShape {
        input: [2, 4],
        window: [2, 2],
        values: 1,
    };
    let x = [1.0, f32::NAN, 3.0, 4.0, 5.0, 6.0, 7.0, 2.0];
    for set in sets() {
        let (out, places) = max_pool(set, &shape, &x);
        assert!(out[0].is_nan() && out[1] == 7.0 && places == [1, 2]);
    }
}

#[test]
fn the_mean_of_a_plane_spreads_its_gradient() {
    let x = numbers(3 * 37, 9);
    let plain: Vec<f32> = x
        .chunks_exact(37)
        .map(|plane| plane.iter().sum::<f32>() / 37.0)
        .collect();
    for set in sets() {
        close("means", &plane_means(set, 37, &x), &plain);
    }
    assert_eq!(plane_means_backward(2, &[1.0, 3.0]), [0.5, 0.5, 1.5, 1.5]);
}
