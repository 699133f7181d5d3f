//! Pictures of the network in training, for whoever looks: few enough that the training hardly notices.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::evaluation::outputs;
use super::failures::{self, unfit};
use super::objective::Objective;
use super::replicas::descent;
use crate::data::{DataError, Dataset, Loader, Samples};
use crate::inspect::{Subject, Viewer, gradients};
use crate::meter::alloc;
use crate::nn::{self, DropoutKey, Network};
use crate::spec::{Attention, EventSink, Failure, Gradients, RunPlan, Snapshot, Wanted, Weights};

/// Between two pictures of one kind.
const INTERVAL: Duration = Duration::from_millis(250);
/// Times that a picture took that pass before the next one of its kind. There are two kinds, so both together take at most 3 %.
const PATIENCE: u32 = 66;
/// Rows of a decision surface that are computed at a time.
const BATCH: usize = 256;

pub struct Pictures<'a> {
    dataset: &'a Dataset,
    sink: &'a dyn EventSink,
    /// Made for the first picture.
    viewer: Option<Viewer<'a>>,
    /// The last picture: between two epochs only what changes from step to step is made anew.
    shown: Option<Snapshot>,
    epochs: Budget,
    steps: Budget,
}

/// When the last picture of a kind was done, and what it took.
#[derive(Default)]
struct Budget(Option<(Instant, Duration)>);

impl Budget {
    fn is_spent(&self) -> bool {
        self.0
            .is_some_and(|(at, took)| at.elapsed() < INTERVAL.max(took * PATIENCE))
    }

    fn book(&mut self, began: Instant) {
        self.0 = Some((Instant::now(), began.elapsed()));
    }
}

impl<'a> Pictures<'a> {
    pub fn new(dataset: &'a Dataset, sink: &'a dyn EventSink) -> Self {
        Self {
            dataset,
            sink,
            viewer: None,
            shown: None,
            epochs: Budget::default(),
            steps: Budget::default(),
        }
    }

    /// Shows the network after `epoch` epochs with its outputs for the validation split, if it is time for a picture.
    pub fn epoch(&mut self, epoch: usize, network: &Network, validation: &[f32]) {
        if self.epochs.is_spent() {
            return;
        }
        let Some(wanted) = self.sink.wants_snapshot() else {
            return;
        };
        let began = Instant::now();
        // A picture is no memory of the training, and whoever looks at it frees it.
        alloc::uncounted(|| {
            let subject = Subject {
                epoch,
                part: "validation",
                samples: &self.dataset.validation,
                outputs: validation,
                model: network.model(),
                weights: &network.to_weights(),
            };
            let viewer = self.viewer.get_or_insert_with(|| Viewer::new(self.dataset));
            let answer = |inputs: &[f32]| Ok::<_, Infallible>(outputs(network, inputs, BATCH));
            let Ok(mut snapshot) = viewer.snapshot(subject, answer);
            // They are of a step, and this is none.
            snapshot.gradients = self.shown.take().and_then(|shown| shown.gradients);
            self.finish(snapshot, wanted, network);
        });
        self.epochs.book(began);
    }

    /// Shows what changes from step to step, if somebody looks at it and it is time for a picture: the gradients of
    /// `step` (from 0), in the order of the network's parameters, and the network's attention.
    pub fn step(&mut self, step: usize, network: &Network, values: &[Vec<f32>]) {
        if self.steps.is_spent() {
            return;
        }
        let Some(wanted) = self.sink.wants_snapshot().filter(|wanted| !wanted.is_nothing()) else {
            return;
        };
        let began = Instant::now();
        alloc::uncounted(|| {
            let mut snapshot = self.shown.take().unwrap_or_else(|| self.unanswered());
            if wanted.gradients {
                snapshot.gradients = Some(gradients(Some(step), &parameter_names(network), values));
            }
            self.finish(snapshot, wanted, network);
        });
        self.steps.book(began);
    }

    /// Before the first epoch has ended.
    fn unanswered(&mut self) -> Snapshot {
        let viewer = self.viewer.get_or_insert_with(|| Viewer::new(self.dataset));
        Snapshot {
            epoch: 0,
            part: "validation",
            wanted: Wanted::default(),
            answers: viewer.answers(&self.dataset.validation, &[]),
            surface: None,
            histograms: Vec::new(),
            filters: None,
            gradients: None,
            attention: None,
            changes: None,
        }
    }

    /// Adds what is wanted, and shows it.
    fn finish(&mut self, mut snapshot: Snapshot, wanted: Wanted, network: &Network) {
        let viewer = self.viewer.get_or_insert_with(|| Viewer::new(self.dataset));
        snapshot.wanted = wanted;
        snapshot.attention = wanted
            .attention
            .and_then(|row| attention(viewer, network, &self.dataset.validation, row));
        if !wanted.gradients {
            snapshot.gradients = None;
        }
        self.sink.show(snapshot.clone());
        self.shown = Some(snapshot);
    }
}

/// What `network` attends to in row `row` of `samples`; none where it has no such layer.
pub fn attention(viewer: &Viewer<'_>, network: &Network, samples: &Samples, row: usize) -> Option<Attention> {
    let inputs = samples.row(row);
    let layers = network.attention(&inputs);
    if layers.is_empty() {
        return None;
    }
    viewer.attention(network.model(), samples, row, &outputs(network, &inputs, 1), layers)
}

/// The gradients of one batch of training rows with the kept weights, as a training step has them, dropout included.
pub fn batch_gradients(plan: &RunPlan, weights: &Weights, dataset: &Dataset) -> Result<Gradients, Failure> {
    let train = &plan.config.train;
    let device = nn::device(plan.config.run.device).map_err(failures::device)?;
    let network = Network::from_weights(&plan.model, weights, &device.autodiff()).map_err(|error| unfit(&error))?;
    let loader = Loader::new(
        dataset,
        plan.config.run.seed,
        train.batch_size,
        &plan.config.data.augment,
    );
    let Some(batch) = loader.epoch(0, 0).next() else {
        return Ok(gradients(None, &[], &[]));
    };
    let batch = batch.map_err(DataError::into_failure)?;
    let objective = Objective::new(train, dataset);
    let mass = objective.mass(&batch);
    let key = DropoutKey {
        seed: plan.config.run.seed,
        step: 0,
        first_row: 0,
    };
    let descent = descent(&network, batch, key, &objective, mass).map_err(|loss| {
        Failure::new(
            "gradients",
            format!("the loss of the kept weights is {loss}"),
            "train the run again with a lower learning rate",
        )
    })?;
    Ok(gradients(None, &parameter_names(&network), &descent.gradients))
}

/// The trainable tensors as the file calls them, in the order of the network's parameters, which is that of the parts of a
/// layer.
fn parameter_names(network: &Network) -> Vec<String> {
    let placed = network.model().walk().unwrap_or_default();
    let names = placed.iter().flat_map(|place| {
        let parts = place.tensors().into_iter().map(|(part, _)| part);
        let trained = parts.filter(|part| !part.starts_with("running_"));
        trained.map(|part| format!("layers.{}.{part}", place.index))
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::data;
    use crate::spec::{
        Architecture, ArtifactKind, DataConfig, Event, GradientHealth, LayerSpec, ModelConfig, PresetSize, RunConfig,
        RunControl,
    };
    use crate::train::{Start, TrainJob, train};

    /// Looks at what it wants, or at nothing.
    #[derive(Default)]
    struct Watcher {
        wanted: Option<Wanted>,
        shown: Mutex<Vec<Snapshot>>,
    }

    impl EventSink for Watcher {
        fn emit(&self, _: Event) -> Result<(), Failure> {
            Ok(())
        }

        fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
            Ok(())
        }

        fn wants_snapshot(&self) -> Option<Wanted> {
            self.wanted
        }

        fn show(&self, snapshot: Snapshot) {
            self.shown.lock().unwrap().push(snapshot);
        }
    }

    fn prepared(config: &RunConfig) -> (RunPlan, Dataset) {
        let dataset = data::load(&config.data).unwrap();
        (config.check(&dataset.summary).unwrap(), dataset)
    }

    fn attentive() -> RunConfig {
        let mut config = RunConfig {
            data: DataConfig::default(),
            model: ModelConfig {
                layers: Some(vec![
                    LayerSpec::Rows,
                    LayerSpec::Dense { units: 8 },
                    LayerSpec::ClassToken,
                    LayerSpec::SelfAttention {
                        heads: 2,
                        head_width: None,
                    },
                    LayerSpec::FirstStep,
                    LayerSpec::Dense { units: 10 },
                ]),
                ..ModelConfig::default()
            },
            ..RunConfig::default()
        };
        config.train.epochs = 2;
        config
    }

    fn trained(plan: &RunPlan, dataset: &Dataset, watcher: &Watcher) {
        let job = TrainJob::new(plan, dataset, Start::Fresh);
        train(job, &RunControl::default(), watcher).unwrap();
    }

    #[test]
    fn gradients_have_the_names_of_the_weights() {
        let mut checked = 0;
        for architecture in Architecture::ALL {
            for bidirectional in [false, true] {
                let mut config = RunConfig::default();
                if architecture == Architecture::Transformer {
                    config.data.source = "languages".to_owned();
                }
                let dataset = data::load(&config.data).unwrap();
                config.model = ModelConfig {
                    bidirectional,
                    ..ModelConfig::preset(architecture, PresetSize::Tiny, dataset.preprocessing.shape)
                };
                let Ok(plan) = config.check(&dataset.summary) else {
                    continue;
                };
                let device = nn::device(plan.config.run.device).unwrap();
                let network = Network::new(&plan.model, 0, &device.autodiff()).unwrap();
                let weights = network.to_weights();
                checked += usize::from(!weights.tensors.is_empty());
                let described = network.describe_parameters();
                let names = parameter_names(&network);
                assert_eq!(names.len(), described.len(), "{architecture:?}");
                for (name, parameter) in names.iter().zip(described) {
                    let tensor = weights.tensors.iter().find(|tensor| tensor.name == *name).unwrap();
                    assert_eq!(tensor.data.len(), parameter.length, "{architecture:?} {name}");
                }
            }
        }
        assert!(checked > 9, "{checked}");
    }

    #[test]
    fn gradients_and_attention_are_shown_before_the_first_epoch_has_ended() {
        let (plan, dataset) = prepared(&attentive());
        let wanted = Wanted {
            gradients: true,
            attention: Some(5),
        };
        let watcher = Watcher {
            wanted: Some(wanted),
            ..Watcher::default()
        };
        trained(&plan, &dataset, &watcher);
        let shown = watcher.shown.lock().unwrap();
        let first = &shown[0];
        assert!(first.answers.is_empty() && first.epoch == 0 && first.wanted == wanted);
        let gradients = first.gradients.as_ref().unwrap();
        assert_eq!(gradients.step, Some(0));
        let named = |part: &str| {
            gradients
                .tensors
                .iter()
                .find(|seen| seen.histogram.name == part)
                .unwrap()
        };
        assert_eq!(named("layers.1.weight").histogram.values, 64);
        assert_eq!(named("layers.5.bias").histogram.values, 10);
        assert!(gradients.health().contains(&GradientHealth::Fine));
        let attention = first.attention.as_ref().unwrap();
        assert_eq!((attention.rows, attention.sample.row), (dataset.validation.len(), 5));
        assert_eq!((attention.labels.len(), attention.grid), (9, Some([1, 8])));
        assert_eq!(
            (attention.labels[0].as_str(), attention.labels[8].as_str()),
            ("class", "row 8")
        );
        let [layer] = &attention.layers[..] else { panic!() };
        assert_eq!((layer.layer, layer.heads, layer.steps), (3, 2, 9));
        for row in layer.shares.chunks_exact(9) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        }
        // The picture at the end of the first epoch has answers, and keeps the last gradients.
        let answered = shown.iter().find(|snapshot| !snapshot.answers.is_empty()).unwrap();
        assert!(answered.gradients.is_some() && answered.attention.is_some() && answered.filters.is_some());
    }

    #[test]
    fn what_nobody_looks_at_is_not_made() {
        let (plan, dataset) = prepared(&attentive());
        let watcher = Watcher {
            wanted: Some(Wanted::default()),
            ..Watcher::default()
        };
        trained(&plan, &dataset, &watcher);
        let shown = watcher.shown.lock().unwrap();
        assert!(!shown.is_empty());
        for snapshot in shown.iter() {
            assert!(!snapshot.answers.is_empty() && snapshot.gradients.is_none() && snapshot.attention.is_none());
        }
    }

    #[test]
    fn gradients_of_kept_weights_are_those_of_a_batch() {
        let (plan, dataset) = prepared(&attentive());
        let device = nn::device(plan.config.run.device).unwrap();
        let weights = Network::new(&plan.model, 0, &device).unwrap().to_weights();
        let seen = batch_gradients(&plan, &weights, &dataset).unwrap();
        assert_eq!(seen.step, None);
        let values: usize = seen.tensors.iter().map(|seen| seen.histogram.values).sum();
        assert_eq!(
            values,
            weights.tensors.iter().map(|tensor| tensor.data.len()).sum::<usize>()
        );
        assert!(seen.tensors.iter().all(|seen| seen.size.is_finite()));
    }

    /// Steps a second of a digits CNN and of an MLP: unwatched and watched in turns, with what costs most looked at.
    #[test]
    #[ignore = "a measurement: run it alone, with `--ignored --nocapture`"]
    fn what_watching_costs() {
        let mut small = RunConfig::digits_cnn();
        small.train.epochs = 12;
        let mut mlp = RunConfig::default();
        mlp.model.hidden = vec![256, 256];
        mlp.train.epochs = 60;
        let mut transformer = attentive();
        transformer.train.epochs = 30;
        let everything = Wanted {
            gradients: true,
            attention: Some(0),
        };
        for (name, config) in [("digits CNN", small), ("MLP", mlp), ("attention", transformer)] {
            let (plan, dataset) = prepared(&config);
            let steps = plan.total_steps() as f64;
            let mut rates = [Vec::new(), Vec::new(), Vec::new()];
            let mut pictures = 0;
            for _ in 0..7 {
                for (place, wanted) in [None, Some(Wanted::default()), Some(everything)]
                    .into_iter()
                    .enumerate()
                {
                    let watcher = Watcher {
                        wanted,
                        ..Watcher::default()
                    };
                    let began = Instant::now();
                    trained(&plan, &dataset, &watcher);
                    rates[place].push(steps / began.elapsed().as_secs_f64());
                    pictures += watcher.shown.lock().unwrap().len();
                }
            }
            let medians = rates.clone().map(|mut rates| {
                rates.sort_by(f64::total_cmp);
                rates[rates.len() / 2]
            });
            let cost = |watched: f64| 100.0 * (1.0 - watched / medians[0]);
            println!(
                "{name}: {steps} steps; {:.1} steps/s unwatched, {:.1} watched ({:+.2} %), {:.1} with gradients and attention ({:+.2} %); {pictures} pictures",
                medians[0],
                medians[1],
                cost(medians[1]),
                medians[2],
                cost(medians[2]),
            );
            println!("  all: {rates:.1?}");
        }
    }
}
