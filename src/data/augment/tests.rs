//! Every augmentation by value, and that strength 0 changes nothing.

use rand::RngExt;

use super::*;
use crate::data::load;
use crate::spec::{DataConfig, stream};

const IMAGE: Shape = Shape::Image {
    channels: 2,
    height: 3,
    width: 4,
};

fn image() -> Vec<f32> {
    (0..24).map(|value| value as f32).collect()
}

fn changed(sample: &[f32], shape: Shape, step: Augmentation, draw: u64) -> Vec<f32> {
    let mut sample = sample.to_vec();
    let mut generator = stream(0, "test", draw);
    change(&mut sample, shape, &[step], &mut generator, &mut Workspace::default());
    sample
}

#[test]
fn a_flip_exchanges_left_and_right_in_half_of_the_samples() {
    let flipped = [
        3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16, 23, 22, 21, 20,
    ];
    let flipped: Vec<f32> = flipped.map(|value| value as f32).to_vec();
    let mut count = 0;
    for draw in 0..200 {
        let after = changed(&image(), IMAGE, Augmentation::Flip, draw);
        assert!(after == flipped || after == image());
        count += usize::from(after == flipped);
    }
    assert!((75..=125).contains(&count), "{count}");
}

#[test]
fn a_shift_repeats_the_edge() {
    let frame = Frame { height: 3, width: 4 };
    let mut one = image()[..12].to_vec();
    shift(&mut one, frame, 1, 0, &mut Workspace::default());
    assert_eq!(one, [0.0, 0.0, 1.0, 2.0, 4.0, 4.0, 5.0, 6.0, 8.0, 8.0, 9.0, 10.0]);
    let mut two = image()[..12].to_vec();
    shift(&mut two, frame, -2, -1, &mut Workspace::default());
    assert_eq!(
        two,
        [6.0, 7.0, 7.0, 7.0, 10.0, 11.0, 11.0, 11.0, 10.0, 11.0, 11.0, 11.0]
    );
    let mut far = image()[..12].to_vec();
    shift(&mut far, frame, 1000, 1000, &mut Workspace::default());
    assert_eq!(far, [0.0; 12]);
}

#[test]
fn a_quarter_turn_is_exact() {
    // Clockwise, because rows run down.
    let mut square = vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let frame = Frame { height: 3, width: 3 };
    let map = [[0.0, 1.0, 0.0], [-1.0, 0.0, 2.0]];
    resample(&mut square, frame, map, &mut Workspace::default());
    assert_eq!(square, [6.0, 3.0, 0.0, 7.0, 4.0, 1.0, 8.0, 5.0, 2.0]);
    // Drawn angles keep the centre where it is, and the brightness of a ring around it.
    let ring = [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    let shape = Shape::Image {
        channels: 1,
        height: 3,
        width: 3,
    };
    for draw in 0..50 {
        let after = changed(&ring, shape, Augmentation::Rotate { degrees: 180.0 }, draw);
        assert!((after[4] - 1.0).abs() < 1e-5, "{after:?}");
        assert!((after[0] - after[8]).abs() < 1e-5 && (after[1] - after[7]).abs() < 1e-5);
    }
}

#[test]
fn between_pixels_values_lie_between() {
    let mut line = vec![0.0, 10.0, 20.0, 30.0];
    let frame = Frame { height: 1, width: 4 };
    let map = [[0.5, 0.0, 0.25], [0.0, 1.0, 0.0]];
    resample(&mut line, frame, map, &mut Workspace::default());
    assert_eq!(line, [2.5, 7.5, 12.5, 17.5]);
}

#[test]
fn crops_stay_within_the_image() {
    // On a ramp the step between neighbours is the part that is kept.
    let shape = Shape::Image {
        channels: 1,
        height: 1,
        width: 20,
    };
    let ramp: Vec<f32> = (0..20).map(|value| value as f32).collect();
    let mut parts = Vec::new();
    for draw in 0..200 {
        let after = changed(&ramp, shape, Augmentation::Crop { smallest: 0.5 }, draw);
        let part = after[10] - after[9];
        assert!((0.499..=1.001).contains(&part), "{part}");
        assert!(after[0] >= 0.0 && after[19] <= 19.0 && after.is_sorted());
        parts.push(part);
    }
    assert!(parts.iter().any(|&part| part < 0.6) && parts.iter().any(|&part| part > 0.9));
}

#[test]
fn brightness_and_contrast_are_one_line_over_all_values() {
    for draw in 0..50 {
        let after = changed(&image(), IMAGE, Augmentation::Brightness { strength: 0.3 }, draw);
        let contrast = (after[23] - after[0]) / 23.0;
        assert!((0.7..=1.3).contains(&contrast) && (-0.3..=0.3).contains(&after[0]));
        for (value, after) in image().iter().zip(&after) {
            assert!((contrast * value + changed_offset(&image(), draw) - after).abs() < 1e-4);
        }
    }
}

fn changed_offset(image: &[f32], draw: u64) -> f32 {
    // The first value is 0, so what it becomes is the brightness.
    changed(image, IMAGE, Augmentation::Brightness { strength: 0.3 }, draw)[0]
}

#[test]
fn a_cutout_is_one_square_of_zeros_in_every_channel() {
    let shape = Shape::Image {
        channels: 2,
        height: 9,
        width: 9,
    };
    let ones = vec![1.0; 162];
    let mut areas = Vec::new();
    for draw in 0..100 {
        let after = changed(&ones, shape, Augmentation::Cutout { pixels: 3 }, draw);
        assert_eq!(after[..81], after[81..]);
        let holes: Vec<usize> = (0..81).filter(|&pixel| after[pixel] == 0.0).collect();
        let (rows, columns): (Vec<_>, Vec<_>) = holes.iter().map(|hole| (hole / 9, hole % 9)).unzip();
        let extent = |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap() + 1;
        assert_eq!(holes.len(), extent(&rows) * extent(&columns));
        assert!(extent(&rows) <= 3 && extent(&columns) <= 3);
        areas.push(holes.len());
    }
    assert!(areas.contains(&9) && areas.iter().all(|&area| area >= 4));
    // Larger than the image is all of it.
    let all = changed(&ones, shape, Augmentation::Cutout { pixels: 1000 }, 0);
    assert!(all.iter().all(|&value| value == 0.0));
}

#[test]
fn noise_has_its_deviation() {
    for shape in [
        Shape::Features { features: 10_001 },
        Shape::Sequence {
            steps: 73,
            features: 137,
        },
        Shape::Image {
            channels: 1,
            height: 73,
            width: 137,
        },
    ] {
        let after = changed(
            &vec![1.0; shape.len()],
            shape,
            Augmentation::Noise { deviation: 0.5 },
            1,
        );
        let n = after.len() as f32;
        let mean = after.iter().sum::<f32>() / n;
        let variance = after.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / n;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!((variance.sqrt() - 0.5).abs() < 0.02, "{variance}");
    }
}

const SEQUENCE: Shape = Shape::Sequence { steps: 9, features: 2 };

/// Two features: the step, and ten times the step.
fn steps() -> Vec<f32> {
    (0..9).flat_map(|step| [step as f32, 10.0 * step as f32]).collect()
}

#[test]
fn scaling_has_one_factor_for_each_feature() {
    for draw in 0..50 {
        let after = changed(&steps(), SEQUENCE, Augmentation::Scale { strength: 0.2 }, draw);
        let factors = [after[2], after[3] / 10.0];
        assert!(factors.iter().all(|factor| (0.8..=1.2).contains(factor)) && factors[0] != factors[1]);
        for (place, (before, after)) in steps().iter().zip(&after).enumerate() {
            assert!((before * factors[place % 2] - after).abs() < 1e-4);
        }
    }
}

#[test]
fn time_warp_keeps_the_ends_and_the_order() {
    let mut strayed = 0.0_f32;
    for draw in 0..100 {
        let after = changed(&steps(), SEQUENCE, Augmentation::TimeWarp { strength: 0.9 }, draw);
        let times: Vec<f32> = after.iter().copied().step_by(2).collect();
        assert!(times[0].abs() < 1e-5 && (times[8] - 8.0).abs() < 1e-4 && times.is_sorted());
        for pair in after.chunks(2) {
            assert!((pair[1] - 10.0 * pair[0]).abs() < 1e-3);
        }
        strayed = times
            .iter()
            .zip(0..)
            .map(|(time, step)| (time - step as f32).abs())
            .fold(strayed, f32::max);
    }
    assert!(strayed > 0.5, "{strayed}");
}

#[test]
fn a_time_crop_is_a_stretch_of_the_sequence() {
    for draw in 0..100 {
        let after = changed(&steps(), SEQUENCE, Augmentation::TimeCrop { smallest: 0.5 }, draw);
        let times: Vec<f32> = after.iter().copied().step_by(2).collect();
        let part = times[1] - times[0];
        assert!((0.499..=1.001).contains(&part) && times[0] >= 0.0 && times[8] <= 8.0);
        assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - part).abs() < 1e-4));
    }
}

#[test]
fn strength_0_changes_nothing() {
    for step in [
        Augmentation::Rotate { degrees: 0.0 },
        Augmentation::Shift { pixels: 0.0 },
        Augmentation::Crop { smallest: 1.0 },
        Augmentation::Brightness { strength: 0.0 },
        Augmentation::Noise { deviation: 0.0 },
        Augmentation::Scale { strength: 0.0 },
        Augmentation::TimeWarp { strength: 0.0 },
        Augmentation::TimeCrop { smallest: 1.0 },
    ] {
        for (sample, shape) in [(image(), IMAGE), (steps(), SEQUENCE)] {
            for (before, after) in sample.iter().zip(changed(&sample, shape, step, 3)) {
                assert!((before - after).abs() < 1e-4, "{step:?}: {before} {after}");
            }
        }
    }
}

#[test]
fn smallest_shapes_and_tokens_survive_everything() {
    let steps = [
        Augmentation::Flip,
        Augmentation::Rotate { degrees: 180.0 },
        Augmentation::Shift { pixels: 1000.0 },
        Augmentation::Crop { smallest: 0.05 },
        Augmentation::Brightness { strength: 1.0 },
        Augmentation::Noise { deviation: 10.0 },
        Augmentation::Cutout { pixels: 1 },
        Augmentation::Scale { strength: 1.0 },
        Augmentation::TimeWarp { strength: 0.9 },
        Augmentation::TimeCrop { smallest: 0.05 },
    ];
    for shape in [
        Shape::Image {
            channels: 1,
            height: 1,
            width: 1,
        },
        Shape::Image {
            channels: 3,
            height: 0,
            width: 5,
        },
        Shape::Sequence { steps: 1, features: 1 },
        Shape::Sequence { steps: 0, features: 3 },
        Shape::Features { features: 1 },
    ] {
        let mut sample = vec![1.0; shape.len()];
        change(
            &mut sample,
            shape,
            &steps,
            &mut stream(0, "test", 0),
            &mut Workspace::default(),
        );
        assert!(sample.iter().all(|value| value.is_finite()), "{shape}: {sample:?}");
    }
    let tokens = Shape::Tokens {
        steps: 3,
        vocabulary: 9,
    };
    let mut sample = vec![1.0, 2.0, 3.0];
    change(
        &mut sample,
        tokens,
        &steps,
        &mut stream(0, "test", 0),
        &mut Workspace::default(),
    );
    assert_eq!(sample, [1.0, 2.0, 3.0]);
}

#[test]
fn beta_has_its_moments() {
    // Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)).
    for alpha in [0.05, 0.2, 1.0, 1.5, 4.0, 10.0] {
        let mut generator = stream(0, "beta", 0);
        let drawn: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut generator)).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let variance = drawn.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 20_000.0;
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!(drawn.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!((mean - 0.5).abs() < 0.012, "{alpha}: {mean}");
        assert!(
            (variance / expected - 1.0).abs() < 0.05,
            "{alpha}: {variance} {expected}"
        );
    }
    let mut tiny = stream(0, "beta", 1);
    assert!((0..1000).all(|_| beta(1e-9, &mut tiny).is_finite()));
    assert!(tiny.random::<f64>() < 1.0);
}

#[test]
fn a_preview_is_deterministic_and_shows_each_epoch() {
    let dataset = load(&DataConfig::default()).unwrap();
    let augment = [Augmentation::Shift { pixels: 2.0 }, Augmentation::Mixup { alpha: 1.0 }];
    let shown = preview(&dataset, 5, &augment, 17, 6).unwrap();
    assert_eq!(shown, preview(&dataset, 5, &augment, 17, 6).unwrap());
    assert_eq!(shown.before, *dataset.train.row(17));
    assert_eq!(shown.after.len(), 6);
    assert!(shown.after.iter().all(|after| after.len() == 64));
    assert!(shown.after.windows(2).any(|pair| pair[0] != pair[1]));
    let none = preview(&dataset, 5, &[], 17, 2).unwrap();
    assert!(none.after.iter().all(|after| *after == none.before));
    assert!(preview(&dataset, 5, &augment, 1_000_000, 2).is_ok());
}
