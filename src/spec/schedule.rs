//! The learning rate over the steps of a run.

use super::ScheduleKind;

/// One of [`ScheduleKind`], after a linear warm-up. The one cycle has a rise of its own, and no warm-up beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SchedulePlan {
    pub kind: ScheduleKind,
    pub peak: f64,
    pub warmup_steps: f64,
    pub total_steps: usize,
    pub drop_steps: usize,
    pub drop_factor: f64,
}

impl SchedulePlan {
    /// Learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: usize) -> f64 {
        let step = step as f64;
        if self.kind == ScheduleKind::OneCycle {
            return self.one_cycle(step);
        }
        if step < self.warmup_steps {
            return self.peak * (step + 1.0) / (self.warmup_steps + 1.0);
        }
        // Counted from the end of the warm-up, where the rate stands at its peak.
        let drops = (step - self.warmup_steps).max(0.0) / self.drop_steps as f64;
        match self.kind {
            // Loshchilov and Hutter 2017, without restarts.
            ScheduleKind::Cosine => {
                let span = (self.total_steps as f64 - self.warmup_steps).max(1.0);
                let progress = ((step - self.warmup_steps) / span).min(1.0);
                self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            ScheduleKind::Step => self.peak * self.drop_factor.powf(drops.floor()),
            ScheduleKind::Exponential => self.peak * self.drop_factor.powf(drops),
            ScheduleKind::CosineRestarts => {
                // Cycle k is 2^k times as long as the first and begins after 2^k - 1 of its lengths.
                let cycle = (drops + 1.0).log2().floor();
                let progress = (drops + 1.0) / cycle.exp2() - 1.0;
                self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            // The peak is reached when the warm-up ends.
            ScheduleKind::Noam => self.peak * ((self.warmup_steps + 1.0) / (step + 1.0)).sqrt().min(1.0),
            // The drops of a plateau are for the loop to know.
            ScheduleKind::Constant | ScheduleKind::OneCycle | ScheduleKind::Plateau => self.peak,
        }
    }

    /// Up from a 25th of the peak over three tenths of the run, then down to a ten-thousandth of that, both along a cosine: what
    /// `torch.optim.lr_scheduler.OneCycleLR` does when nothing else is asked of it.
    fn one_cycle(&self, step: f64) -> f64 {
        const RISE: f64 = 0.3;
        let last = (self.total_steps as f64 - 1.0).max(1.0);
        let top = (RISE * self.total_steps as f64 - 1.0).max(0.0);
        let low = self.peak / 25.0;
        let between = |from: f64, to: f64, progress: f64| {
            to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos())
        };
        if step <= top && top > 0.0 {
            between(low, self.peak, step / top)
        } else {
            between(self.peak, low / 1e4, (step - top) / (last - top).max(1e-9))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(kind: ScheduleKind, total_steps: usize, drop_steps: usize, drop_factor: f64) -> Vec<f64> {
        let plan = SchedulePlan {
            kind,
            peak: 1.0,
            warmup_steps: 0.0,
            total_steps,
            drop_steps,
            drop_factor,
        };
        (0..total_steps).map(|step| plan.learning_rate(step)).collect()
    }

    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn whatever_the_schedule_the_rate_is_at_its_peak_when_the_warm_up_ends() {
        for kind in [
            ScheduleKind::Constant,
            ScheduleKind::Cosine,
            ScheduleKind::Step,
            ScheduleKind::Exponential,
            ScheduleKind::CosineRestarts,
            ScheduleKind::Noam,
            ScheduleKind::Plateau,
        ] {
            let plan = SchedulePlan {
                kind,
                peak: 1.0,
                warmup_steps: 120.0,
                total_steps: 240,
                drop_steps: 40,
                drop_factor: 0.1,
            };
            assert_near(&[plan.learning_rate(120)], &[1.0]);
            let before = plan.learning_rate(119);
            assert!(before < 1.0 && before > 0.99, "{kind:?}: {before}");
        }
    }

    #[test]
    fn one_cycle_is_pytorch_s() {
        // OneCycleLR(max_lr=1, total_steps=10): up over 2 steps, down over 7.
        let expected = [
            0.04,
            0.52,
            1.0,
            0.950_484_6,
            0.811_745_7,
            0.611_262_0,
            0.388_742_0,
            0.188_258_3,
            0.049_519_3,
            4e-6,
        ];
        assert_near(&rates(ScheduleKind::OneCycle, 10, 1, 0.1), &expected);
        for total in 1..6 {
            assert!(
                rates(ScheduleKind::OneCycle, total, 1, 0.1)
                    .iter()
                    .all(|rate| (0.0..=1.0).contains(rate))
            );
        }
    }

    #[test]
    fn restarts_double_the_cycle_as_pytorch_has_it() {
        // CosineAnnealingWarmRestarts(T_0=2, T_mult=2)
        let expected = [1.0, 0.5, 1.0, 0.853_553_4, 0.5, 0.146_446_6, 1.0, 0.961_939_8];
        assert_near(&rates(ScheduleKind::CosineRestarts, 8, 2, 0.1), &expected);
    }

    #[test]
    fn an_exponential_fall_loses_the_factor_every_so_many_steps() {
        // ExponentialLR(gamma=0.5 ** 0.5) once a step
        let root = std::f64::consts::FRAC_1_SQRT_2;
        let expected = [1.0, root, 0.5, 0.5 * root, 0.25];
        assert_near(&rates(ScheduleKind::Exponential, 5, 2, 0.5), &expected);
    }

    #[test]
    fn noam_rises_to_its_peak_and_falls_with_the_root() {
        // d^-0.5 min(s^-0.5, s w^-1.5) with w = 4, counted from 1, over its peak at s = w (Vaswani et al. 2017).
        let plan = SchedulePlan {
            kind: ScheduleKind::Noam,
            peak: 1.0,
            warmup_steps: 3.0,
            total_steps: 16,
            drop_steps: 1,
            drop_factor: 0.1,
        };
        let found: Vec<f64> = [0, 1, 2, 3, 8, 15].map(|step| plan.learning_rate(step)).to_vec();
        assert_near(&found, &[0.25, 0.5, 0.75, 1.0, 2.0 / 3.0, 0.5]);
    }
}
