//! What tells a jump of a noisy series, or a slow rise, from outliers: medians of blocks.

use std::collections::VecDeque;

use crate::spec::median;

/// Steps whose median is compared with those before it: fewer than half of them can be outliers.
pub const BLOCK: usize = 5;
/// Blocks whose level a new one is compared with, and those that tell how far neighbours lie apart.
pub const LEVEL_BLOCKS: usize = 8;
const HISTORY: usize = 32;
/// Makes a median absolute deviation the standard deviation of a normal distribution (Hampel 1974).
const DEVIATION_SCALE: f64 = 1.4826;
/// The loss diverges where its level over [`LEVEL_BLOCKS`] blocks is this many times the lowest such level, and higher than it began.
const DIVERGENCE_RATIO: f64 = 2.0;

/// What blocks of values were like of late.
#[derive(Debug, Clone, Copy)]
pub struct Usual {
    pub median: f64,
    pub deviation: f64,
}

/// Finds the blocks of values that rise far above those before them; of a rise only the first is told.
#[derive(Debug, Clone, Default)]
pub struct Jumps {
    block: Vec<f64>,
    /// Medians of the blocks before, without those that rose far.
    history: VecDeque<f64>,
    is_high: bool,
}

impl Jumps {
    /// The value of a block that is complete now and `is_far` above what was usual, and the usual one.
    pub fn take(&mut self, value: f64, is_far: impl Fn(f64, Usual) -> bool) -> Option<(f64, f64)> {
        self.block.push(value);
        if self.block.len() < BLOCK {
            return None;
        }
        let level = median(&mut self.block);
        self.block.clear();
        let usual = self.usual();
        let was_high = self.is_high;
        self.is_high = usual.is_some_and(|usual| is_far(level, usual) || !level.is_finite());
        if self.is_high && was_high {
            // What stays high becomes usual.
            self.remember(level);
            return None;
        }
        if !self.is_high {
            self.remember(level);
            return None;
        }
        usual.map(|usual| (level, usual.median))
    }

    fn remember(&mut self, level: f64) {
        if !level.is_finite() {
            return;
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(level);
    }

    fn usual(&self) -> Option<Usual> {
        let recent = self.history.len().checked_sub(LEVEL_BLOCKS)?;
        let mut levels: Vec<f64> = self.history.range(recent..).copied().collect();
        // Differences of neighbours: a trend does not widen them.
        let pairs = self.history.iter().zip(self.history.iter().skip(1));
        let mut differences: Vec<f64> = pairs.map(|(a, b)| (b - a).abs()).collect();
        Some(Usual {
            median: median(&mut levels),
            deviation: DEVIATION_SCALE * median(&mut differences) / std::f64::consts::SQRT_2,
        })
    }
}

/// Finds a loss that rises slowly, and stays high.
#[derive(Debug, Clone, Default)]
pub struct Level {
    block: Vec<f64>,
    /// Medians of the last blocks.
    recent: VecDeque<f64>,
    /// The first level, and the lowest.
    first: Option<f64>,
    lowest: f64,
    is_high: bool,
}

impl Level {
    /// The level and the lowest one, at the step where it has become too high; again only after it was low.
    pub fn take(&mut self, value: f64) -> Option<(f64, f64)> {
        self.block.push(value);
        if self.block.len() < BLOCK {
            return None;
        }
        if self.recent.len() == LEVEL_BLOCKS {
            self.recent.pop_front();
        }
        self.recent.push_back(median(&mut self.block));
        self.block.clear();
        if self.recent.len() < LEVEL_BLOCKS {
            return None;
        }
        let level = median(&mut self.recent.iter().copied().collect::<Vec<_>>());
        let Some(first) = self.first else {
            self.first = Some(level);
            self.lowest = level;
            return None;
        };
        self.lowest = self.lowest.min(level);
        let was_high = self.is_high;
        self.is_high = level > DIVERGENCE_RATIO * self.lowest && level > first;
        (self.is_high && !was_high).then_some((level, self.lowest))
    }
}
