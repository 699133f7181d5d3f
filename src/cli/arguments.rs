//! What can be typed after `trimtab`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::compare::Axis;
use crate::spec::LayerChange;

/// Train small neural networks, compress them, and measure what that cost and bought. Without a command, the window opens.
#[derive(Debug, Parser)]
#[command(name = "trimtab", version, disable_help_subcommand = true)]
pub struct Arguments {
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Folder of the runs [default: $TRIMTAB_HOME, else the platform's data folder]"
    )]
    pub store: Option<PathBuf>,
    /// None opens the window.
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network on handwritten digits, compress it four ways and compare what was measured
    Demo {
        /// Seed of the run
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Print a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Print a configuration with every key and a comment on each
    Init {
        /// A shipped or generated set, a file, or a folder
        #[arg(long, value_name = "NAME-OR-PATH")]
        dataset: Option<String>,
        /// Column to predict
        #[arg(long, value_name = "COLUMN")]
        target: Option<String>,
        /// Any of `trimtab choose` [default: cnn for images, else mlp]
        #[arg(long)]
        architecture: Option<String>,
    },
    /// Rank the architectures for a data set, with reasons and predicted cost
    Choose {
        #[arg(value_name = "NAME-OR-PATH")]
        dataset: String,
        /// Column to predict
        #[arg(long, value_name = "COLUMN")]
        target: Option<String>,
        /// Override a key, as in `data.samples=5000`
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// What a key of the configuration does, what it costs, and what to try; without a key, a page on all of them
    Explain {
        /// Dotted, as in `train.learning_rate`
        key: Option<String>,
    },
    /// Parameters, multiply-adds, size and predicted training memory of a configuration
    Cost {
        #[arg(value_name = "CONFIG")]
        config: PathBuf,
        /// Override a key, as in `train.batch_size=64`
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// Train what a configuration describes
    Train(TrainArguments),
    /// Compress a finished run by one or more recipes, each measured on its exported bytes
    #[command(after_help = crate::spec::Recipe::help())]
    Compress {
        /// Number (r12) or name
        run: String,
        /// Steps joined by +: weights:0.8, units:0.5:finetune=3, fp16, int8-static, int8-qat, int4, distil:preset=tiny
        #[arg(required = true, value_name = "RECIPE")]
        recipes: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// Quantize or prune one layer of a finished run at a time: what each costs, on the validation split
    Sensitivity {
        /// Number (r12) or name
        run: String,
        /// What is done to a layer: int8, int4 or weights:0.8
        #[arg(long, default_value = "int8")]
        change: LayerChange,
        /// Find the layers to protect so that at most this many points of the score are lost
        #[arg(long, value_name = "POINTS", value_parser = limit)]
        tolerate: Option<f64>,
        #[arg(long)]
        json: bool,
    },
    /// Try a ladder of recipes on a finished run, and say which result to take within a budget; rungs that are there already are
    /// not tried again
    Ladder {
        /// Number (r12) or name; without it, print the standard ladder as a file to edit
        run: Option<String>,
        /// Recipes to try, as `trimtab ladder` prints them
        #[arg(long, value_name = "LADDER.toml")]
        file: Option<PathBuf>,
        #[command(flatten)]
        budget: BudgetArguments,
        #[arg(long)]
        json: bool,
    },
    /// Measure runs against each other in the same rounds; all finished runs when none is named
    Compare {
        /// Numbers or names; the first uncompressed one is the baseline. Runs on other data, another target or another split are
        /// in a table of their own
        #[arg(value_name = "RUN")]
        runs: Vec<String>,
        #[arg(long, conflicts_with = "csv")]
        json: bool,
        /// Write the rows to a CSV file
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
    /// Write a run's model, preprocessing, configuration and card into a folder
    Export {
        run: String,
        /// The folder to make
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Get a data set from the network (`mnist`, `fashion_mnist`, `cifar10`); without a name, list them
    Get { name: Option<String> },
    /// Predict new rows, sequences, pictures, texts, or what follows a series, with an exported folder and nothing else
    Predict {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// What the model was trained on: a CSV file, a .ts file, a series as CSV, a folder of texts, a picture or a folder of
        /// pictures, an IDX file, or NPZ and NPY arrays
        #[arg(value_name = "ROWS")]
        csv: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// List the runs
    Runs {
        #[arg(long)]
        json: bool,
    },
    /// Show one run
    Show {
        run: String,
        #[arg(long)]
        json: bool,
    },
    /// A run's loss, learning rate and gradient norm at every step
    Curves {
        run: String,
        /// Print comma-separated values
        #[arg(long)]
        csv: bool,
    },
    /// Delete runs and their files for good
    Delete {
        /// Numbers (r12) or whole names
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<String>,
    },
    /// List the data sets, or describe one with what its health check finds
    Datasets {
        #[arg(value_name = "NAME-OR-PATH")]
        dataset: Option<String>,
        /// Print the raw rows of one part of the split as CSV
        #[arg(long, value_name = "PART", requires = "dataset", value_parser = ["train", "validation", "test"])]
        rows: Option<String>,
        /// Override a key, as in `data.target=price`
        #[arg(long, value_name = "KEY=VALUE", requires = "dataset")]
        set: Vec<String>,
        #[arg(long, conflicts_with = "rows")]
        json: bool,
    },
    /// Find a learning rate by a short training whose rate rises (a range test)
    FindRate(ProbeArguments),
    /// Find the largest batch whose training steps fit into a memory budget, by measuring
    FindBatch {
        #[command(flatten)]
        options: ProbeArguments,
        /// Memory of the training, such as 512MB
        #[arg(long, value_name = "SIZE", value_parser = super::probe::budget)]
        budget: u64,
    },
    /// Measure speed and memory of training against the size of the batch
    Throughput(ProbeArguments),
    /// Measure what data-parallel workers buy on this machine
    Workers(ProbeArguments),
    /// Show where the time of a training step goes: data, forward, backward, optimizer, and each layer's part
    Profile {
        #[command(flatten)]
        options: ProbeArguments,
        /// Timed steps
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        steps: u32,
    },
    /// Train on ever more rows: whether more data or another model would help
    LearningCurve {
        #[command(flatten)]
        options: ProbeArguments,
        /// Numbers of training rows
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=50))]
        points: u32,
        /// Parts of the data, each left out once
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=100))]
        folds: u32,
    },
    /// Time training and inference of the reference networks
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        part: Option<BenchPart>,
        /// Networks [default: all four]
        #[arg(long, num_args = 1.., value_parser = ["mlp784", "cnn28", "gru28", "transformer28"])]
        workload: Vec<String>,
        /// Samples a step
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
        batch: u32,
        /// Threads [default: all cores]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
        threads: Option<u32>,
        /// What computes
        #[arg(long, default_value = "flex", value_parser = ["flex", "ndarray"])]
        device: String,
        /// Data-parallel replicas, which share the threads
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
        workers: u32,
        /// Timed steps
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        steps: u32,
        /// Print one compact object a line instead of a table
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum BenchPart {
    /// Time the embedded runtime against the second engine (rten) on the same files, in turns, on one thread
    Runtime {
        /// Only the files whose name contains this
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Leave the files there, and time them with --json alone: with inputs and what the runtime makes of them (NAME.onnx, NAME.inputs, NAME.outputs: f32, little endian)
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
        /// For each line `NAME BATCH` of standard input, run one round of that file and print microseconds a call and calls
        #[arg(long, conflicts_with = "json")]
        turns: bool,
        #[arg(long)]
        json: bool,
    },
}

/// What every probe of a configuration takes.
#[derive(Debug, Args)]
pub struct ProbeArguments {
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Override a key, as in `train.batch_size=64`
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TrainArguments {
    /// TOML file; `trimtab init` prints one
    #[arg(required_unless_present = "resume")]
    pub config: Option<PathBuf>,
    /// Override a key, as in `train.epochs=5`
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "resume")]
    pub set: Vec<String>,
    /// Name in the list of runs
    #[arg(long, conflicts_with = "resume")]
    pub name: Option<String>,
    /// Go on with a stopped or interrupted run
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    pub resume: Option<String>,
    /// Cross-validate with this number of folds
    #[arg(long, value_name = "K", conflicts_with = "resume", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub folds: Option<u32>,
    #[arg(long)]
    pub json: bool,
}

/// What a network may cost.
#[derive(Debug, Clone, Args)]
pub struct BudgetArguments {
    /// Points of accuracy (or hundredths of R2) that may be lost against the run itself
    #[arg(long, value_name = "POINTS", default_value_t = 1.0, value_parser = limit)]
    pub max_loss: f64,
    /// Size of the exported file, such as 20kB
    #[arg(long, value_name = "BYTES", value_parser = super::probe::budget)]
    pub max_size: Option<u64>,
    /// Microseconds of a call with one sample
    #[arg(long, value_name = "MICROSECONDS", value_parser = limit)]
    pub max_latency: Option<f64>,
    /// Microseconds of a call with 64 samples
    #[arg(long, value_name = "MICROSECONDS", value_parser = limit)]
    pub max_latency64: Option<f64>,
    /// Memory of the loaded network at batch 64, such as 1MB
    #[arg(long, value_name = "BYTES", value_parser = super::probe::budget)]
    pub max_memory: Option<u64>,
    /// What to save: size, zstd, batch1, batch64, memory, multiply-adds or parameters
    #[arg(long, value_name = "FIGURE", value_parser = axis, default_value = "batch64")]
    pub save: Axis,
}

/// A number that something may be at most.
fn limit(text: &str) -> Result<f64, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit: &f64| limit.is_finite() && *limit >= 0.0);
    limit.ok_or_else(|| "not a number from 0 on, such as 0.5".to_owned())
}

fn axis(text: &str) -> Result<Axis, String> {
    let axis = Axis::ALL.into_iter().find(|axis| axis.word() == text);
    axis.ok_or_else(|| format!("one of {}", Axis::ALL.map(Axis::word).join(", ")))
}
