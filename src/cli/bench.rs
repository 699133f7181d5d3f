//! Commands that time the reference networks: their training, and the runtime in which exported files run.

use std::io::{BufRead as _, Write as _};
use std::path::Path;

use super::arguments::BenchPart;
use super::{CommandError, report};
use crate::jobs::{self, Bench, ReferenceFile, Turns, Workload};
use crate::spec::{Device, units};

/// The shortest round of a file, in microseconds.
const ROUND_US: f64 = 3000.0;

/// Times training and inference of the reference networks of these names, or of all.
pub fn training(
    workloads: &[String],
    device: &str,
    [batch, workers, steps]: [u32; 3],
    threads: Option<u32>,
    json: bool,
) -> Result<String, CommandError> {
    let device = if device == "ndarray" {
        Device::Ndarray
    } else {
        Device::Flex
    };
    let wanted = |workload: &Workload| workloads.is_empty() || workloads.iter().any(|name| name == workload.name());
    let mut lines = String::new();
    let mut rows = Vec::new();
    for workload in Workload::ALL.into_iter().filter(wanted) {
        let row = jobs::bench(Bench {
            workload,
            batch: batch as usize,
            threads: threads.map_or_else(cores, |threads| threads as usize),
            device,
            workers: workers as usize,
            steps: steps as usize,
        })?;
        lines += &(serde_json::to_string(&row)? + "\n");
        rows.push(vec![
            row.workload.to_owned(),
            row.batch.to_string(),
            row.threads.to_string(),
            format!("{:.3}", row.train_ms),
            format!("{:.3}", row.train_ms_min),
            format!("{:.0}", row.samples_per_s),
            format!("{:.3}", row.infer_ms),
            format!("{:.3}", row.infer_ms_min),
            units::bytes(row.rss_growth_bytes),
        ]);
    }
    if json {
        return Ok(lines);
    }
    let titles = [
        "workload",
        "batch",
        "threads",
        "step ms",
        "best",
        "samples/s",
        "inference ms",
        "best",
        "memory growth",
    ];
    Ok(report::table(&titles, &rows))
}

/// Times the runtime on the reference files.
pub fn runtime(part: &BenchPart) -> Result<String, CommandError> {
    let BenchPart::Runtime {
        only,
        files: folder,
        turns,
        json,
    } = part;
    let files = jobs::reference_files(only.as_deref())?;
    if files.is_empty() {
        return Err("no reference file has such a name; leave --only out to see them all".into());
    }
    if let Some(folder) = folder {
        leave(&files, folder)?;
    }
    if *turns {
        take_turns(&files)?;
        return Ok(String::new());
    }
    if let (Some(folder), false) = (folder, json) {
        let count = files.len();
        return Ok(format!(
            "wrote {count} files with their inputs and outputs into {}\n",
            folder.display()
        ));
    }
    let mut lines = String::new();
    let mut rows = Vec::new();
    for file in files.iter().filter(|file| !file.name.ends_with(jobs::TRUNK)) {
        for row in jobs::race(file)? {
            lines += &(serde_json::to_string(&row)? + "\n");
            rows.push(vec![
                row.file,
                row.batch.to_string(),
                format!("{:.1}", row.runtime_us),
                format!("{:.1}", row.rten_us),
                format!("{:.2}", row.ratio),
                row.int8_layers.to_string(),
                units::bytes(row.weight_bytes as u64),
                units::bytes(row.arena_bytes as u64),
            ]);
        }
    }
    if *json {
        return Ok(lines);
    }
    let titles = [
        "file",
        "batch",
        "runtime us",
        "rten us",
        "ratio",
        "int8 layers",
        "weights",
        "arena",
    ];
    Ok(report::table(&titles, &rows))
}

/// Writes the files with their inputs and outputs into a folder, which is made where it is missing.
fn leave(files: &[ReferenceFile], folder: &Path) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| format!("{}: {error}; choose a folder that can be written", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    for file in files {
        let outputs = jobs::reference_outputs(file)?;
        let write = |ending: &str, bytes: &[u8]| std::fs::write(folder.join(format!("{}.{ending}", file.name)), bytes);
        write("onnx", &file.bytes).map_err(failed)?;
        for (ending, values) in [("inputs", &file.inputs), ("outputs", &outputs)] {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            write(ending, &bytes).map_err(failed)?;
        }
    }
    Ok(())
}

/// Answers each line `NAME BATCH` of standard input with the time of a call in one round, and the number of calls.
fn take_turns(files: &[ReferenceFile]) -> Result<(), CommandError> {
    let loaded = Turns::load(files)?;
    let mut turns = Turns::new(files, &loaded)?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let asked = line
            .split_once(' ')
            .and_then(|(name, batch)| Some((name, batch.trim().parse().ok()?)));
        let answer = asked.and_then(|(name, batch)| turns.round(name, batch, ROUND_US));
        let (time_us, calls) = answer.ok_or_else(|| format!("`{line}` is no file and batch that is timed"))?;
        writeln!(output, "{time_us} {calls}")?;
        output.flush()?;
    }
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
