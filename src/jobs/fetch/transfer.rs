//! One file from the first mirror that brings it whole, going on where an earlier try broke off.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::cannot_write;
use super::mirrors::Wanted;
use crate::spec::units::bytes as in_words;
use crate::spec::{Command, Failure, RunControl, hexadecimal};

/// Tries of one mirror, one after another, that bring nothing before the next is asked.
const VAIN_TRIES: usize = 2;
/// Between two messages of progress.
const TELL_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes that are written at once.
const PIECE: usize = 1 << 16;

/// What the files of one set have in common.
pub struct Transfer<'a> {
    /// Seconds that one request may take; one that brought something is followed by the next.
    pub timeout_secs: u64,
    pub control: &'a RunControl,
    pub tell: &'a dyn Fn(String, usize, usize),
    pub set: &'a str,
    /// Bytes of all files.
    pub total: u64,
}

impl Transfer<'_> {
    /// Brings `wanted` into `folder`. `before` counts the bytes of the files before it. A failure without a remedy means that no mirror brought
    /// it.
    pub fn file(&self, folder: &Path, wanted: &Wanted, mirrors: &[String], before: u64) -> Result<(), Failure> {
        let path = folder.join(&wanted.name);
        if path.exists() {
            self.say(&format!("checking {}", wanted.name), before);
            if sha256_of(&path)? == wanted.sha256.to_lowercase() {
                return Ok(());
            }
            // Of a person's own, perhaps: kept beside.
            let aside = folder.join(format!("{}.wrong", wanted.name));
            std::fs::rename(&path, &aside).map_err(|error| cannot_write(&aside, &error))?;
        }
        let part = folder.join(format!("{}.part", wanted.name));
        let mut problems = Vec::new();
        for mirror in mirrors {
            let url = format!("{mirror}{}", wanted.name);
            match self.ask_mirror(&url, &part, wanted, before)? {
                Ok(()) => return std::fs::rename(&part, &path).map_err(|error| cannot_write(&path, &error)),
                Err(problem) => problems.push(format!("{url}: {problem}")),
            }
        }
        let problem = if problems.is_empty() {
            "the list names no mirror".to_owned()
        } else {
            problems.join("; ")
        };
        Err(Failure::new(
            wanted.name.clone(),
            format!("no mirror brought it ({problem})"),
            "",
        ))
    }

    /// The whole file from one mirror, or what was wrong with it.
    fn ask_mirror(&self, url: &str, part: &Path, wanted: &Wanted, before: u64) -> Result<Result<(), String>, Failure> {
        let mut vain = 0;
        // A server without ranges begins anew each time: what counts is to come further than ever before.
        let mut most = part.metadata().map_or(0, |found| found.len());
        loop {
            let start = part.metadata().map_or(0, |found| found.len());
            if start == wanted.bytes {
                if sha256_of(part)? == wanted.sha256.to_lowercase() {
                    return Ok(Ok(()));
                }
                std::fs::remove_file(part).map_err(|error| cannot_write(part, &error))?;
                return Ok(Err("brought other bytes than the checksum says".to_owned()));
            }
            if start > wanted.bytes {
                std::fs::remove_file(part).map_err(|error| cannot_write(part, &error))?;
                continue;
            }
            let problem = match self.request(url, part, wanted, start, before)? {
                Ok(()) => "the answer ended early".to_owned(),
                Err(problem) => problem,
            };
            let now = part.metadata().map_or(0, |found| found.len());
            if now > most {
                (most, vain) = (now, 0);
            } else {
                vain += 1;
                if vain >= VAIN_TRIES {
                    return Ok(Err(problem));
                }
            }
        }
    }

    /// Appends to `part` what one request brings from byte `start` on.
    fn request(
        &self,
        url: &str,
        part: &Path,
        wanted: &Wanted,
        start: u64,
        before: u64,
    ) -> Result<Result<(), String>, Failure> {
        self.go_on()?;
        self.say(&format!("asking for {}", wanted.name), before + start);
        let mut request = minreq::get(url)
            .with_timeout(self.timeout_secs)
            .with_header("Accept-Encoding", "identity");
        if start > 0 {
            request = request.with_header("Range", format!("bytes={start}-"));
        }
        let response = match request.send_lazy() {
            Ok(response) => response,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let continues = response.status_code == 206
            && response
                .headers
                .get("content-range")
                .is_some_and(|range| range.trim_start_matches("bytes ").starts_with(&format!("{start}-")));
        let mut file = OpenOptions::new();
        let mut have = match response.status_code {
            206 if continues => start,
            // A server that does not know ranges sends all of it.
            200 => 0,
            status => return Ok(Err(format!("answers {status} {}", response.reason_phrase))),
        };
        let opened = if have > 0 {
            file.append(true).open(part)
        } else {
            File::create(part)
        };
        let mut file = opened.map_err(|error| cannot_write(part, &error))?;
        let mut piece = Vec::with_capacity(PIECE);
        let mut told = Instant::now();
        let mut problem = None;
        for byte in response {
            match byte {
                Ok((byte, _)) => piece.push(byte),
                Err(error) => {
                    problem = Some(error.to_string());
                    break;
                }
            }
            if have + piece.len() as u64 > wanted.bytes {
                // More than there can be: it will not be the file.
                drop(file);
                std::fs::remove_file(part).map_err(|error| cannot_write(part, &error))?;
                return Ok(Err(format!("sends more than the {} bytes of the file", wanted.bytes)));
            }
            if piece.len() == PIECE {
                file.write_all(&piece).map_err(|error| cannot_write(part, &error))?;
                have += piece.len() as u64;
                piece.clear();
                self.go_on()?;
                if told.elapsed() >= TELL_INTERVAL {
                    told = Instant::now();
                    self.say(&wanted.name, before + have);
                }
            }
        }
        file.write_all(&piece).map_err(|error| cannot_write(part, &error))?;
        Ok(problem.map_or(Ok(()), Err))
    }

    /// An error where the job was asked to stop; what has arrived stays.
    fn go_on(&self) -> Result<(), Failure> {
        while self.control.requested() == Command::Pause {
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.control.requested() == Command::Stop {
            return Err(Failure::new(
                self.set,
                "was stopped",
                "get it again to go on where it stopped",
            ));
        }
        Ok(())
    }

    fn say(&self, what: &str, done: u64) {
        /// Progress counts thousands of bytes.
        const THOUSAND: u64 = 1_000;
        let text = format!("{}: {what}, {} of {}", self.set, in_words(done), in_words(self.total));
        (self.tell)(text, (done / THOUSAND) as usize, self.total.div_ceil(THOUSAND) as usize);
    }
}

/// In lower-case hexadecimal digits.
fn sha256_of(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            path.display().to_string(),
            format!("cannot be read ({error})"),
            "check its permissions",
        )
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
    }
    Ok(hexadecimal(&hash.finalize()))
}
