//! What the tests of compression see: samples for any network, and a plan whose loss is asked for.

use crate::data::{self, Dataset, Samples, Targets};
use crate::deploy::fixtures::random_inputs;
use crate::spec::{DataConfig, ModelSpec, RunConfig, RunPlan};
use crate::train::Evidence;

/// A plan and data of three classes that fit a network.
pub struct Seen {
    pub plan: RunPlan,
    pub dataset: Dataset,
}

impl Seen {
    /// Random samples for `model`, whose three outputs are classes.
    pub fn of(model: &ModelSpec, seed: u64) -> Self {
        const ROWS: usize = 24;
        let config = RunConfig {
            data: DataConfig {
                source: "iris".to_owned(),
                ..DataConfig::default()
            },
            ..RunConfig::default()
        };
        let mut dataset = data::load(&config.data).unwrap();
        let mut plan = config.check(&dataset.summary).unwrap();
        plan.model = model.clone();
        let samples = Samples {
            shape: model.input,
            inputs: random_inputs(model, ROWS, seed).into(),
            targets: Targets::Classes((0..ROWS as u32).map(|row| row % 3).collect()),
        };
        plan.steps_per_epoch = ROWS.div_ceil(plan.config.train.samples_per_step());
        (dataset.train, dataset.validation, dataset.test) = (samples.clone(), samples.clone(), samples);
        Self { plan, dataset }
    }

    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            plan: &self.plan,
            dataset: &self.dataset,
            rows: 64,
            seed: 0,
        }
    }
}
