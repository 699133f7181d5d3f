//! The files of CIFAR-10 out of their archive (tar, gz): by name alone, never by the paths in it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::cannot_write;
use crate::spec::Failure;

/// Most bytes of a file, and most entries.
const MAX_FILE: u64 = 256 << 20;
const MAX_ENTRIES: usize = 1_000;
const BLOCK: u64 = 512;

/// Puts every `.bin` and `.txt` file of the archive into `folder`, unless it is there in full.
pub fn unpack(archive: &Path, folder: &Path) -> Result<(), Failure> {
    let place = archive.display().to_string();
    let broken = |what: &str| Failure::new(&*place, what, "delete it and get it again");
    let file = File::open(archive).map_err(|error| broken(&format!("cannot be read ({error})")))?;
    let mut tar = GzDecoder::new(BufReader::new(file));
    for _ in 0..MAX_ENTRIES {
        let mut header = [0; BLOCK as usize];
        tar.read_exact(&mut header)
            .map_err(|error| broken(&format!("ends within an entry ({error})")))?;
        if header.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let text = |from: usize, to: usize| {
            let bytes = header[from..to].split(|&byte| byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(bytes).trim().to_owned()
        };
        let size = u64::from_str_radix(&text(124, 136), 8).unwrap_or(u64::MAX);
        let path = text(0, 100);
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let is_file = matches!(header[156], b'0' | 0);
        if size > MAX_FILE {
            return Err(broken(&format!("holds \"{name}\" of an unlikely size")));
        }
        let padded = size.div_ceil(BLOCK) * BLOCK;
        let wanted = is_file
            && !name.starts_with('.')
            && Path::new(&name)
                .extension()
                .is_some_and(|ending| ending == "bin" || ending == "txt");
        let mut entry = tar.by_ref().take(padded);
        if wanted {
            let to = folder.join(&name);
            if to.metadata().is_ok_and(|found| found.len() == size) {
                skip(&mut entry, &broken)?;
                continue;
            }
            let unfinished = folder.join(format!("{name}.part"));
            let mut output = File::create(&unfinished).map_err(|error| cannot_write(&unfinished, &error))?;
            let copied = std::io::copy(&mut entry.by_ref().take(size), &mut output)
                .map_err(|error| broken(&format!("cannot be unpacked ({error})")))?;
            if copied < size {
                return Err(broken("is cut short"));
            }
            std::fs::rename(&unfinished, &to).map_err(|error| cannot_write(&to, &error))?;
        }
        skip(&mut entry, &broken)?;
    }
    Err(broken("holds too many files"))
}

fn skip(entry: &mut impl Read, broken: &dyn Fn(&str) -> Failure) -> Result<(), Failure> {
    std::io::copy(entry, &mut std::io::sink()).map_err(|error| broken(&format!("cannot be unpacked ({error})")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
        let mut entry = vec![0; 512];
        entry[..name.len()].copy_from_slice(name.as_bytes());
        entry[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        entry[156] = kind;
        entry.extend(bytes);
        entry.resize(entry.len().div_ceil(512) * 512, 0);
        entry
    }

    fn archive(folder: &Path, tar: &[u8]) -> std::path::PathBuf {
        let path = folder.join("a.tar.gz");
        let mut encoder = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, tar).unwrap();
        encoder.finish().unwrap();
        path
    }

    #[test]
    fn only_plain_files_of_the_right_kind_come_out() {
        let folder = tempfile::tempdir().unwrap();
        let tar = [
            entry("cifar/", b'5', b""),
            entry("cifar/data_batch_1.bin", b'0', &[7; 1000]),
            entry("../../evil.bin", b'0', b"kept here"),
            entry("/etc/x.sh", b'0', b"no"),
            entry("cifar/link.bin", b'2', b""),
            entry("cifar/batches.meta.txt", 0, b"cat\n"),
            vec![0; 1024],
        ]
        .concat();
        unpack(&archive(folder.path(), &tar), folder.path()).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["a.tar.gz", "batches.meta.txt", "data_batch_1.bin", "evil.bin"]);
        assert_eq!(
            std::fs::read(folder.path().join("data_batch_1.bin")).unwrap(),
            [7; 1000]
        );
    }

    #[test]
    fn broken_archives_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let whole = [entry("a.bin", b'0', &[7; 1000]), vec![0; 1024]].concat();
        for cut in [0, 100, 512, 700, 1500] {
            let path = archive(folder.path(), &whole[..cut]);
            assert!(unpack(&path, folder.path()).is_err(), "{cut}");
        }
        let mut huge = whole.clone();
        huge[124..136].copy_from_slice(b"77777777777\0");
        assert!(
            unpack(&archive(folder.path(), &huge), folder.path())
                .unwrap_err()
                .to_string()
                .contains("unlikely")
        );
        let mut nonsense = whole;
        nonsense[124..136].copy_from_slice(b"zzzzzzzzzzzz");
        assert!(unpack(&archive(folder.path(), &nonsense), folder.path()).is_err());
    }
}
