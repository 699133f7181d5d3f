//! A smaller network that learns from a trained one (Hinton et al. 2015).

use std::sync::Arc;

use crate::cost;
use crate::data::Dataset;
use crate::spec::{Failure, Lesson, ModelConfig, RunPlan, Weights};
use crate::train::Teacher;

/// The plan of a student of the same architecture, smaller than the network of `plan`: what the preset does not size stays as the
/// parent has it. It trains for `epochs` epochs from fresh weights, without early ends.
pub fn student(plan: &RunPlan, dataset: &Dataset, lesson: &Lesson) -> Result<RunPlan, Failure> {
    let parent = &plan.config.model;
    let preset = ModelConfig::preset(parent.architecture, lesson.size, plan.model.input);
    let mut config = plan.config.clone();
    config.model = ModelConfig {
        hidden: preset.hidden,
        filters: preset.filters,
        pool: preset.pool,
        units: preset.units,
        dimensions: preset.dimensions,
        heads: preset.heads,
        blocks: preset.blocks,
        feed_forward: preset.feed_forward,
        kernel: vec![parent.kernel.first().copied().unwrap_or(3)],
        layers: None,
        ..parent.clone()
    };
    let train = &mut config.train;
    train.epochs = lesson.epochs;
    train.warmup_epochs = train.warmup_epochs.min(lesson.epochs as f64);
    train.early_stopping = None;
    train.target = None;
    train.time_limit = None;
    let student = config.check(&dataset.summary).map_err(|issues| {
        let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
        Failure::new("distil", issues.join("; "), "choose another preset")
    })?;
    let [own, before] = [&student.model, &plan.model].map(cost::parameters);
    if own >= before {
        return Err(Failure::new(
            "distil",
            format!(
                "the preset {} has {own} parameters and the network {before}, so there is nothing to gain",
                lesson.size.name()
            ),
            "choose a smaller preset, or remove units",
        ));
    }
    Ok(student)
}

/// The network of `plan` with `weights` as a teacher.
pub fn teacher(plan: &RunPlan, weights: &Weights, lesson: &Lesson) -> Result<Arc<Teacher>, Failure> {
    let device = plan.config.run.device;
    Teacher::new(&plan.model, weights, device, lesson.temperature, lesson.weight)
        .map(Arc::new)
        .map_err(|error| Failure::new("distil", error.to_string(), "train the parent run again"))
}
