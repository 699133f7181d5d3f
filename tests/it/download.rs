//! Getting data sets from a server that also breaks off, stalls, lies and refuses, and none at all.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use trimtab::data;
use trimtab::jobs::{Engine, Job, Message, fetchable};
use trimtab::spec::{Command, DataConfig};
use trimtab::store::Store;

/// How the server answers a request for a file.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    /// Closes after this many bytes of each answer.
    Cut(usize),
    /// Sends this many bytes of its first answer, then nothing, and keeps the connection; later answers are honest.
    StallOnce(usize),
    /// Never sends anything.
    Silent,
    /// One byte is another.
    Wrong,
    /// More than the file.
    Endless,
    NotFound,
    /// Cuts, and sends all of it whatever part was asked for.
    CutWithoutRanges(usize),
    /// Always cuts, every other time a little later, and sends all of it whatever part was asked for.
    UnevenWithoutRanges(usize),
}

struct Server {
    url: String,
    /// First byte that each request asked for.
    asked: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    fn start(manner: Manner, files: Vec<(&'static str, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, log) = (files.clone(), Arc::clone(&log));
                thread::spawn(move || answer(stream, manner, &files, &log));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, manner: Manner, files: &[(&str, Vec<u8>)], log: &Mutex<Vec<usize>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let path = request
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .trim_start_matches('/')
        .to_owned();
    let mut start = 0;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap();
        }
    }
    let count = {
        let mut log = log.lock().unwrap();
        log.push(start);
        log.len()
    };
    let first = count == 1;
    let Some((_, bytes)) = files
        .iter()
        .find(|(name, _)| *name == path)
        .filter(|_| manner != Manner::NotFound)
    else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    };
    if manner == Manner::Silent {
        thread::sleep(Duration::from_secs(20));
        return;
    }
    let mut bytes = bytes.clone();
    match manner {
        Manner::Wrong => bytes[10] ^= 1,
        Manner::Endless => bytes.extend([0; 1000]),
        Manner::CutWithoutRanges(_) | Manner::UnevenWithoutRanges(_) => start = 0,
        _ => {}
    }
    let rest = &bytes[start.min(bytes.len())..];
    let status = if start > 0 {
        let (last, all) = (bytes.len() - 1, bytes.len());
        format!("206 Partial Content\r\nContent-Range: bytes {start}-{last}/{all}")
    } else {
        "200 OK".to_owned()
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    );
    let _ = stream.write_all(head.as_bytes());
    let sent = match manner {
        Manner::Cut(most) => &rest[..most.min(rest.len())],
        Manner::UnevenWithoutRanges(most) => &rest[..(most + 100 * (count % 2)).min(rest.len())],
        Manner::CutWithoutRanges(most) if first => &rest[..most.min(rest.len())],
        Manner::StallOnce(most) if first => &rest[..most.min(rest.len())],
        _ => rest,
    };
    let _ = stream.write_all(sent);
    if let (Manner::StallOnce(_), true) = (manner, first) {
        thread::sleep(Duration::from_secs(20));
    }
}

/// An IDX pair of 60 images of 28 x 28 pixels.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 28, 0, 0, 0, 28];
    images.extend((0..60 * 784_usize).map(|place| (place * place % 251) as u8));
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0, 60];
    labels.extend((0..60).map(|image| image % 3));
    vec![("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)]
}

fn list(home: &Path, mirrors: &[&str]) {
    let mut text = "timeout_secs = 1\n\n[[set]]\nname = \"tiny\"\nabout = \"a test\"\n".to_owned();
    let _ = writeln!(text, "mirrors = {mirrors:?}\nfiles = [");
    for (name, bytes) in files() {
        let _ = write!(text, "{{ name = \"{name}\", bytes = {}, sha256 = \"", bytes.len());
        for byte in Sha256::digest(&bytes) {
            let _ = write!(text, "{byte:02x}");
        }
        text.push_str("\" },\n");
    }
    std::fs::create_dir_all(home).unwrap();
    std::fs::write(home.join("mirrors.toml"), text + "]\n").unwrap();
}

/// A message of progress: what, how much of how much.
type Told = (String, usize, usize);

/// What getting the set comes to, with the messages of progress.
fn get(home: &Path, set: &str) -> (Result<(), String>, Vec<Told>) {
    let engine = Engine::start(Arc::new(Store::open(home).unwrap()), || {}).unwrap();
    engine.submit(Job::Get { name: set.to_owned() }).unwrap();
    let mut told = Vec::new();
    loop {
        match engine.next_within(Duration::from_mins(1)) {
            Some(Message::Progress { what, done, total, .. }) => told.push((what, done, total)),
            Some(Message::Closed { outcome, .. }) => {
                return (outcome.map(|_| ()).map_err(|error| error.to_string()), told);
            }
            Some(_) => {}
            None => panic!("nothing was said for a minute"),
        }
    }
}

/// Every byte has arrived, the set can be loaded, and no half file is left.
fn is_complete(home: &Path) {
    let folder = home.join("data/tiny");
    for (name, bytes) in files() {
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), bytes);
        assert!(!folder.join(format!("{name}.part")).exists());
    }
    assert!(fetchable(home).unwrap().iter().all(|set| set.is_there));
    let config = DataConfig {
        source: folder.display().to_string(),
        ..DataConfig::default()
    };
    assert_eq!(data::load(&config).unwrap().summary.rows, 60);
}

#[test]
fn an_honest_server_brings_every_file_with_progress() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Manner::Honest, files());
    list(home.path(), &[&server.url]);
    assert!(!fetchable(home.path()).unwrap()[0].is_there);
    let (outcome, told) = get(home.path(), "tiny");
    outcome.unwrap();
    is_complete(home.path());
    assert!(told.iter().any(|(what, ..)| what.contains("train-images")));
    assert!(told.iter().all(|(_, done, total)| done <= total));
    assert!(told.last().unwrap().0.contains("data/tiny"), "{told:?}");
    // A second time nothing is asked for.
    get(home.path(), "tiny").0.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn an_answer_that_is_cut_short_is_resumed_where_it_ended() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Manner::Cut(20_000), files());
    list(home.path(), &[&server.url]);
    get(home.path(), "tiny").0.unwrap();
    is_complete(home.path());
    assert_eq!(server.asked(), [0, 20_000, 40_000, 0]);
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Manner::CutWithoutRanges(20_000), files());
    list(home.path(), &[&server.url]);
    get(home.path(), "tiny").0.unwrap();
    is_complete(home.path());
}

#[test]
fn a_server_that_never_comes_further_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let bad = Server::start(Manner::UnevenWithoutRanges(20_000), files());
    let good = Server::start(Manner::Honest, files());
    list(home.path(), &[&bad.url, &good.url]);
    get(home.path(), "tiny").0.unwrap();
    is_complete(home.path());
    assert!(bad.asked().len() < 10, "{:?}", bad.asked());
}

#[test]
fn a_stalled_answer_times_out_and_is_resumed() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Manner::StallOnce(10_000), files());
    list(home.path(), &[&server.url]);
    let began = Instant::now();
    get(home.path(), "tiny").0.unwrap();
    assert!(began.elapsed() < Duration::from_secs(15));
    is_complete(home.path());
    let asked = server.asked();
    assert!(asked[1] > 0 && asked[1] <= 10_000, "{asked:?}");
}

#[test]
fn mirrors_that_are_silent_wrong_endless_or_empty_are_passed_over() {
    for manner in [Manner::Silent, Manner::Wrong, Manner::Endless, Manner::NotFound] {
        let home = tempfile::tempdir().unwrap();
        let bad = Server::start(manner, files());
        let good = Server::start(Manner::Honest, files());
        list(home.path(), &["http://127.0.0.1:9/", &bad.url, &good.url]);
        get(home.path(), "tiny").0.unwrap();
        is_complete(home.path());
    }
}

#[test]
fn wrong_bytes_alone_are_an_error_and_are_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Manner::Wrong, files());
    list(home.path(), &[&server.url]);
    let error = get(home.path(), "tiny").0.unwrap_err();
    assert!(error.contains("checksum") && error.contains("by hand"), "{error}");
    let left: Vec<_> = std::fs::read_dir(home.path().join("data/tiny")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn without_a_network_the_error_says_which_files_to_put_where() {
    let home = tempfile::tempdir().unwrap();
    list(home.path(), &["http://127.0.0.1:9/", "http://no.such.host.invalid/"]);
    let error = get(home.path(), "tiny").0.unwrap_err();
    for part in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "by hand",
        "data/tiny",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // Put there by hand, they are taken; a wrong one is set aside.
    let folder = home.path().join("data/tiny");
    for (name, bytes) in files() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    get(home.path(), "tiny").0.unwrap();
    is_complete(home.path());
    std::fs::write(folder.join("train-labels-idx1-ubyte"), b"wrong").unwrap();
    assert!(get(home.path(), "tiny").0.is_err());
    assert!(folder.join("train-labels-idx1-ubyte.wrong").exists());
}

#[test]
fn an_unknown_set_or_a_broken_list_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let error = get(home.path(), "imagenet").0.unwrap_err();
    assert!(error.contains("mnist") && error.contains("mirrors.toml"), "{error}");
    // The shipped list is there to be edited now.
    assert!(home.path().join("mirrors.toml").exists());
    std::fs::write(home.path().join("mirrors.toml"), "timeout_secs = \"soon\"").unwrap();
    let error = get(home.path(), "mnist").0.unwrap_err();
    assert!(error.contains("mirrors.toml"), "{error}");
}

#[test]
fn a_stop_ends_a_transfer_and_keeps_what_has_arrived() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Manner::StallOnce(10_000), files());
    list(home.path(), &[&server.url]);
    let engine = Engine::start(Arc::new(Store::open(home.path()).unwrap()), || {}).unwrap();
    let ticket = engine
        .submit(Job::Get {
            name: "tiny".to_owned(),
        })
        .unwrap();
    let closed = loop {
        match engine.next_within(Duration::from_mins(1)) {
            Some(Message::Progress { .. }) => ticket.control.request(Command::Stop),
            Some(Message::Closed { outcome, .. }) => break outcome,
            Some(_) => {}
            None => panic!("nothing was said for a minute"),
        }
    };
    let error = closed.unwrap_err().to_string();
    assert!(error.contains("stopped"), "{error}");
    get(home.path(), "tiny").0.unwrap();
    is_complete(home.path());
}
