//! The speed and size of exported files, measured on their very bytes and against each other: all files take turns in every
//! round, so that a machine that slows down slows all of them.

use std::hint::black_box;

use rand::RngExt;
use sha2::{Digest, Sha256};

use crate::meter::timing::{Comparison, Contender, Protocol, compare, verdict};
use crate::spec::{Deployed, Latency, LatencySummary, Metrics, Recipe, RunId, Speed, Verdict, hexadecimal, stream};

use super::{DeployError, Exported};

/// The larger of the two batches that are timed, and the one whose memory is counted.
pub const LARGE_BATCH: usize = 64;

/// What was measured on one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// On one thread.
    pub latency_us: Latency,
    /// Against the baseline at batch 1.
    pub verdict_batch1: Verdict,
    /// Against the baseline at [`LARGE_BATCH`].
    pub verdict: Verdict,
    /// The loaded file and its buffers at [`LARGE_BATCH`], exactly: of a network packed weights and arena.
    pub memory_bytes: u64,
    /// Layers that run on integer kernels.
    pub int8_layers: usize,
    pub size_bytes: u64,
    /// After zstd at level 19.
    pub zstd_bytes: u64,
    /// Of the bytes, in hexadecimal.
    pub sha256: String,
    /// Instruction set that the runtime chose, or what else does the arithmetic.
    pub engine: String,
}

impl Measured {
    /// The row of the comparison for a network that scores `test` on the test split.
    pub fn deployed(self, recipe: Option<Recipe>, parent: Option<RunId>, test: &Metrics, speed: Speed) -> Deployed {
        Deployed {
            recipe,
            parent,
            accuracy: test.accuracy.or(test.r2).unwrap_or_default(),
            size_bytes: self.size_bytes,
            zstd_bytes: self.zstd_bytes,
            latency_us: self.latency_us,
            memory_bytes: self.memory_bytes,
            speed,
            int8_layers: self.int8_layers,
            sha256: self.sha256,
            against: None,
            verdict: self.verdict,
            verdict_batch1: self.verdict_batch1,
            engine: self.engine,
        }
    }
}

/// A file to be measured, and what was read from it.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    pub bytes: &'a [u8],
    pub exported: &'a Exported,
}

/// Times the files at batch 1 and [`LARGE_BATCH`] on one thread in interleaved rounds and counts their bytes. The first is the
/// baseline of the others. `goes_on` is asked before each round and file; none where it said no.
pub fn measure(files: &[Candidate<'_>], goes_on: &dyn Fn() -> bool) -> Result<Option<Vec<Measured>>, DeployError> {
    let (Some(single), Some(large)) = (time(files, 1, goes_on)?, time(files, LARGE_BATCH, goes_on)?) else {
        return Ok(None);
    };
    let (mut single, mut large) = (single.into_iter(), large.into_iter());
    let mut measured = Vec::with_capacity(files.len());
    for Candidate { bytes, exported } in files {
        let model = exported.model();
        let (Some((batch1, verdict_batch1)), Some((batch64, verdict))) = (single.next(), large.next()) else {
            break;
        };
        if !goes_on() {
            return Ok(None);
        }
        measured.push(Measured {
            latency_us: Latency { batch1, batch64 },
            verdict_batch1,
            verdict,
            memory_bytes: model.memory_bytes(LARGE_BATCH),
            int8_layers: model.int8_layers(),
            size_bytes: bytes.len() as u64,
            zstd_bytes: compressed_size(bytes)?,
            sha256: sha256(bytes),
            engine: model.engine(),
        });
    }
    Ok(Some(measured))
}

/// The median time of `other` for [`LARGE_BATCH`] samples on one thread, as a share of that of `baseline`.
pub fn relative_time(baseline: Candidate<'_>, other: Candidate<'_>) -> Result<f64, DeployError> {
    let times = time(&[baseline, other], LARGE_BATCH, &|| true)?;
    let Some([(baseline, _), (other, _)]) = times.as_deref() else {
        return Ok(1.0);
    };
    Ok(other.median / baseline.median)
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Latency and verdict of each model, the first being the baseline; none where `goes_on` said no.
fn time(
    files: &[Candidate<'_>],
    batch: usize,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<Vec<(LatencySummary, Verdict)>>, DeployError> {
    let mut calls = Vec::with_capacity(files.len());
    for Candidate { exported, .. } in files {
        let mut session = exported.model().session(batch)?;
        // Dense kernels take the same time for any numbers; these are of the size of standardised inputs.
        let mut random = stream(0, "timing input", batch as u64);
        let inputs: Vec<f32> = (0..batch * exported.inputs())
            .map(|_| match exported.model().vocabulary() {
                Some(vocabulary) => random.random_range(0..vocabulary) as f32,
                None => random.random_range(-1.0..1.0),
            })
            .collect();
        session.run(&inputs, batch)?;
        calls.push(move || {
            // The same call has just succeeded.
            let _ = black_box(session.run(black_box(&inputs), batch));
        });
    }
    let mut contenders: Vec<Contender<'_>> = calls.iter_mut().map(|call| call as Contender<'_>).collect();
    let comparison = compare(&mut contenders, &Protocol::default(), goes_on);
    Ok(comparison.map(|Comparison { latencies, ratios }| {
        let verdicts = ratios.iter().map(|ratios| verdict(ratios));
        latencies.into_iter().zip(verdicts).collect()
    }))
}

fn compressed_size(bytes: &[u8]) -> Result<u64, DeployError> {
    let compressed = zstd::bulk::compress(bytes, 19).map_err(|error| DeployError::Mismatch {
        problem: format!("the file of {} bytes could not be compressed: {error}", bytes.len()),
        remedy: "free some memory",
    })?;
    Ok(compressed.len() as u64)
}
