//! How long things take against each other: interleaved rounds, percentiles, and a verdict that admits noise.
//!
//! Contenders are timed in turns, A B A B, so that a machine that slows down slows all of them. A round repeats its contender
//! until it is far above the clock's noise, and the ratios are taken within a round. Whether a ratio is a difference is decided
//! by the percentile bootstrap (Efron, 1979) of its median.

use std::time::Instant;

use crate::spec::{LatencySummary, Verdict};

/// The fewest rounds from which a verdict is drawn.
pub const MIN_ROUNDS: usize = 30;
/// Ratios between these two are called noise.
pub const NOISE_BAND: (f64, f64) = (0.97, 1.03);

/// What is timed: one call is one repetition.
pub type Contender<'a> = &'a mut dyn FnMut();

/// How rounds are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    /// Interleaved rounds; at least [`MIN_ROUNDS`] are run.
    pub rounds: usize,
    /// Time that every contender runs before the first round, in microseconds.
    pub warm_up_us: f64,
    /// The shortest time a round of one contender takes, in microseconds.
    pub min_round_us: f64,
}

impl Default for Protocol {
    /// 40 rounds of at least 200 microseconds after 20 milliseconds of warming up.
    fn default() -> Self {
        Self {
            rounds: 40,
            warm_up_us: 20_000.0,
            min_round_us: 200.0,
        }
    }
}

/// What interleaved rounds gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Latency of each contender, in the order given; the first is the baseline.
    pub latencies: Vec<LatencySummary>,
    /// For each contender, its time over the baseline's in each round: below 1 is faster. The baseline's own are 1.
    pub ratios: Vec<Vec<f64>>,
}

/// Times the contenders in interleaved rounds; the first is the baseline. With none, the result is empty. `goes_on` is asked
/// before each of them warms up and before each round; where it says no, there is no result.
pub fn compare(
    contenders: &mut [Contender<'_>],
    protocol: &Protocol,
    goes_on: &dyn Fn() -> bool,
) -> Option<Comparison> {
    let rounds = protocol.rounds.max(MIN_ROUNDS);
    let repetitions: Vec<usize> = contenders
        .iter_mut()
        .map(|contender| goes_on().then(|| warm_up(contender, protocol)))
        .collect::<Option<_>>()?;
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        if !goes_on() {
            return None;
        }
        for ((contender, &repetitions), times) in contenders.iter_mut().zip(&repetitions).zip(&mut times) {
            times.push(time_round(contender, repetitions));
        }
    }
    let ratios = times
        .iter()
        .map(|own| {
            own.iter()
                .zip(&times[0])
                .map(|(own, baseline)| own / baseline)
                .collect()
        })
        .collect();
    Some(Comparison {
        latencies: times.into_iter().map(summarise).collect(),
        ratios,
    })
}

/// Judges the ratios of one contender by the 95 % bootstrap interval of their median. The resampling is seeded: the same ratios
/// give the same verdict.
pub fn verdict(ratios: &[f64]) -> Verdict {
    if ratios.len() < MIN_ROUNDS {
        return Verdict::CannotTell;
    }
    let (low, high) = median_interval(ratios);
    if high < NOISE_BAND.0 {
        Verdict::Faster
    } else if low > NOISE_BAND.1 {
        Verdict::Slower
    } else {
        Verdict::CannotTell
    }
}

/// Summary of the times of single calls, in microseconds. Without any, all figures are NaN.
pub fn summarise(mut times: Vec<f64>) -> LatencySummary {
    times.sort_unstable_by(f64::total_cmp);
    LatencySummary {
        p10: quantile(&times, 0.1),
        median: quantile(&times, 0.5),
        p90: quantile(&times, 0.9),
        n: times.len(),
    }
}

/// Runs a contender until the warm-up time is over; returns how often it must be repeated to fill a round.
fn warm_up(contender: &mut Contender<'_>, protocol: &Protocol) -> usize {
    let start = Instant::now();
    let mut calls = 0_usize;
    let mut best_us = f64::INFINITY;
    while calls == 0 || elapsed_us(start) < protocol.warm_up_us {
        let call = Instant::now();
        contender();
        best_us = best_us.min(elapsed_us(call));
        calls += 1;
    }
    (protocol.min_round_us / best_us.max(1e-3)).ceil().max(1.0) as usize
}

/// The time of one call, in microseconds, as the mean of a round.
fn time_round(contender: &mut Contender<'_>, repetitions: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..repetitions {
        contender();
    }
    // A clock that did not move would make ratios of zero and infinity.
    elapsed_us(start).max(1e-3) / repetitions as f64
}

fn elapsed_us(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

/// Linear interpolation between the two nearest of the sorted values.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = q * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

/// The 2.5th and 97.5th percentile of the medians of resampled ratios.
fn median_interval(ratios: &[f64]) -> (f64, f64) {
    const RESAMPLES: usize = 2000;
    let mut state = 0x7472_696d_7461_6221_u64;
    let mut sample = vec![0.0; ratios.len()];
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for slot in &mut sample {
                *slot = ratios[(split_mix(&mut state) % ratios.len() as u64) as usize];
            }
            sample.sort_unstable_by(f64::total_cmp);
            quantile(&sample, 0.5)
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    (quantile(&medians, 0.025), quantile(&medians, 0.975))
}

/// The next number of the `SplitMix64` generator (Steele, Lea and Flood, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use std::hint::black_box;

    fn spin(count: u64) -> impl FnMut() {
        move || {
            black_box((0..count).fold(0_u64, |sum, i| black_box(sum ^ i)));
        }
    }

    #[test]
    fn nothing_is_timed_after_it_was_told_to_stop() {
        let (rounds, calls) = (Cell::new(0), Cell::new(0));
        let mut work = || calls.set(calls.get() + 1);
        let goes_on = || {
            rounds.set(rounds.get() + 1);
            rounds.get() <= 3
        };
        let protocol = Protocol {
            min_round_us: 0.0,
            ..Protocol::default()
        };
        assert_eq!(compare(&mut [&mut work], &protocol, &goes_on), None);
        // One before warming up, two rounds, and the one that is not made.
        assert_eq!(rounds.get(), 4);
    }

    #[test]
    fn percentiles_interpolate() {
        let summary = summarise((1..=11).rev().map(f64::from).collect());
        assert_eq!(
            (summary.p10, summary.median, summary.p90, summary.n),
            (2.0, 6.0, 10.0, 11)
        );
        assert!(summarise(Vec::new()).median.is_nan());
    }

    #[test]
    fn a_verdict_needs_an_interval_outside_the_band() {
        let around = |centre: f64, spread: f64| -> Vec<f64> {
            (0..40).map(|i| centre + spread * f64::from(i % 5 - 2)).collect()
        };
        assert_eq!(verdict(&around(0.5, 0.01)), Verdict::Faster);
        assert_eq!(verdict(&around(1.5, 0.01)), Verdict::Slower);
        assert_eq!(verdict(&around(1.0, 0.01)), Verdict::CannotTell);
        assert_eq!(verdict(&around(0.98, 0.001)), Verdict::CannotTell);
        assert_eq!(verdict(&around(0.95, 0.3)), Verdict::CannotTell);
        assert_eq!(verdict(&[0.1; MIN_ROUNDS - 1]), Verdict::CannotTell);
        assert_eq!(verdict(&[]), Verdict::CannotTell);
    }

    #[test]
    fn the_same_ratios_give_the_same_interval() {
        let ratios: Vec<f64> = (0..50).map(|i| 0.9 + f64::from(i * 7 % 50) / 200.0).collect();
        assert_eq!(median_interval(&ratios), median_interval(&ratios));
    }

    #[test]
    fn a_contender_that_does_ten_times_the_work_is_slower() {
        let protocol = Protocol {
            rounds: 0,
            warm_up_us: 500.0,
            min_round_us: 100.0,
        };
        let (mut light, mut heavy) = (spin(2_000), spin(20_000));
        let comparison = compare(&mut [&mut light, &mut heavy], &protocol, &|| true).unwrap();
        assert_eq!(comparison.latencies[1].n, MIN_ROUNDS);
        assert!(comparison.latencies[1].median > 3.0 * comparison.latencies[0].median);
        assert!(comparison.ratios[0].iter().all(|&ratio| ratio == 1.0));
        assert_eq!(verdict(&comparison.ratios[1]), Verdict::Slower);
    }

    #[test]
    fn no_contenders_give_an_empty_comparison() {
        let none = compare(&mut [], &Protocol::default(), &|| true).unwrap();
        assert!(none.latencies.is_empty());
    }
}
