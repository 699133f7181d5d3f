//! The middle of a few measured values, by which one odd value is no matter.

/// The middle value, the upper one of two; 0 of none. Values are put in another order, NaN counts as largest.
pub fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn it_is_the_middle_and_the_upper_one_of_two() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 3.0);
        assert_eq!(median(&mut [f64::NAN, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
