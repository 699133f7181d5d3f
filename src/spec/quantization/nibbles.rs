//! Weights in four bits: groups along the inputs of one output, each with a scale of its own (as `com.microsoft.MatMulNBits`
//! stores them).

/// Weights that share a scale.
pub const GROUP: usize = 32;
/// The code that stands for zero.
const ZERO: u8 = 8;

/// A group of weights: `weight = scale * (code - 8)` with codes of 0 to 15. The scale may be negative, which turns the longer
/// end of the codes to the side of the largest weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NibbleGroup {
    pub scale: f32,
    /// Those beyond the given weights stand for zero.
    pub codes: [u8; GROUP],
}

impl NibbleGroup {
    /// The group with the least squared error that a search over scales finds: the largest weight at either end of the codes or
    /// somewhat beyond them, then the scale that fits the codes best. At most [`GROUP`] weights are read.
    pub fn nearest(weights: &[f32]) -> Self {
        const REACH: [f32; 6] = [1.0, 0.93, 0.86, 0.79, 0.72, 0.65];
        let weights = &weights[..weights.len().min(GROUP)];
        let extreme = weights.iter().fold(
            0.0_f32,
            |most, &weight| if weight.abs() > most.abs() { weight } else { most },
        );
        let mut best = (f32::INFINITY, 0.0);
        for end in [-8.0, 7.0] {
            for reach in REACH {
                let scale = extreme * reach / end;
                let error = squared_error(weights, scale);
                if error < best.0 {
                    best = (error, scale);
                }
            }
        }
        let mut group = Self {
            scale: best.1,
            codes: [ZERO; GROUP],
        };
        if !group.scale.is_normal() {
            group.scale = 0.0;
            return group;
        }
        let (mut product, mut square) = (0.0_f32, 0.0_f32);
        for (code, &weight) in group.codes.iter_mut().zip(weights) {
            let steps = steps(weight, best.1);
            *code = (steps + f32::from(ZERO)) as u8;
            product += steps * weight;
            square += steps * steps;
        }
        let fitted = product / square;
        if fitted.is_normal() {
            group.scale = fitted;
        }
        group
    }

    /// The number that the code at `place` stands for.
    pub fn weight(&self, place: usize) -> f32 {
        (f32::from(self.codes[place]) - f32::from(ZERO)) * self.scale
    }

    /// Two codes a byte, the earlier in the lower half.
    pub fn packed(&self) -> [u8; GROUP / 2] {
        std::array::from_fn(|byte| self.codes[2 * byte] | self.codes[2 * byte + 1] << 4)
    }
}

fn steps(weight: f32, scale: f32) -> f32 {
    (weight / scale).round_ties_even().clamp(-8.0, 7.0)
}

fn squared_error(weights: &[f32], scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    weights
        .iter()
        .map(|weight| {
            let steps = (weight * inverse).round_ties_even().clamp(-8.0, 7.0);
            let error = weight - steps * scale;
            error * error
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::spec::stream;

    #[test]
    fn no_plain_scale_is_better() {
        let mut random = stream(0, "nibbles", 0);
        for length in [1, 5, 31, 32] {
            let weights: Vec<f32> = (0..length).map(|_| random.random_range(-1.0..1.0)).collect();
            let group = NibbleGroup::nearest(&weights);
            let error: f32 = weights
                .iter()
                .enumerate()
                .map(|(place, weight)| (weight - group.weight(place)).powi(2))
                .sum();
            let largest = weights
                .iter()
                .fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            assert!(error <= squared_error(&weights, largest / 7.0) * 1.0001, "{length}");
            assert!(group.codes[length..].iter().all(|&code| code == ZERO));
        }
    }

    #[test]
    fn numbers_on_the_grid_stay() {
        let weights: Vec<f32> = (0..16_u8).map(|code| (f32::from(code) - 8.0) * 0.25).collect();
        let group = NibbleGroup::nearest(&weights);
        for (place, &weight) in weights.iter().enumerate() {
            assert!((group.weight(place) - weight).abs() < 1e-6, "{place}");
        }
        assert_eq!(group.packed()[0], 0x10);
    }

    #[test]
    fn zeros_stay_zeros() {
        let group = NibbleGroup::nearest(&[0.0; 32]);
        assert!((0..32).all(|place| group.weight(place) == 0.0));
        assert!(NibbleGroup::nearest(&[1e-45]).scale.is_finite());
    }
}
