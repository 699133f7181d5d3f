//! Files of pictures and arrays by value, and that broken ones are errors.

use super::*;
use crate::data::{Targets, load};

fn write(folder: &std::path::Path, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn config(path: &std::path::Path) -> DataConfig {
    DataConfig {
        source: path.display().to_string(),
        ..DataConfig::default()
    }
}

fn refusal(config: &DataConfig) -> String {
    load(config).map(|_| ()).unwrap_err().to_string()
}

/// An IDX file of `count` images of 2 x 3 pixels, image `i` all `10 * i`, and its labels `i % classes`.
fn idx_pair(count: u8, classes: u8) -> [Vec<u8>; 2] {
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3];
    images.extend((0..count).flat_map(|image| [10 * (image % 20); 6]));
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0, count];
    labels.extend((0..count).map(|image| image % classes));
    [images, labels]
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Mean and deviation that were fitted.
fn scales(preprocessing: &Preprocessing) -> Vec<(f64, f64)> {
    match &preprocessing.form {
        InputForm::Pixels { channels, .. } => channels.iter().map(|scale| (scale.mean, scale.deviation)).collect(),
        form => panic!("{form:?}"),
    }
}

#[test]
fn idx_pairs_are_read_with_their_own_test_part() {
    let folder = tempfile::tempdir().unwrap();
    let [images, labels] = idx_pair(40, 2);
    let [test_images, test_labels] = idx_pair(10, 2);
    write(folder.path(), "train-images-idx3-ubyte.gz", &packed(&images));
    write(folder.path(), "train-labels-idx1-ubyte", &labels);
    write(folder.path(), "t10k-images-idx3-ubyte", &test_images);
    write(folder.path(), "t10k-labels-idx1-ubyte.gz", &packed(&test_labels));
    let set = load(&config(folder.path())).unwrap();
    let split = set.summary.split;
    assert_eq!((split.train + split.validation, split.test), (40, 10));
    assert_eq!(set.summary.input, Frame::grey(2, 3).shape());
    assert_eq!(set.test.targets, Targets::Classes((0..10).map(|row| row % 2).collect()));
    // The raw pixels of the test part are those of the file.
    let [(mean, deviation)] = scales(&set.preprocessing)[..] else {
        panic!("one channel");
    };
    for row in 0..10 {
        for &input in &*set.test.row(row) {
            assert!((f64::from(input) * deviation + mean - 10.0 * row as f64).abs() < 1e-3);
        }
    }
    // Fitted on the training part: standardised values have mean 0 and deviation 1 there.
    let train = set.train.inputs.all().unwrap();
    let n = train.len() as f64;
    let own = train.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
    let spread = train.iter().map(|&value| (f64::from(value) - own).powi(2)).sum::<f64>() / n;
    assert!(own.abs() < 1e-6 && (spread - 1.0).abs() < 1e-5);
    // The same from a file in blocks.
    let small = DataConfig {
        memory_mb: 1,
        ..config(folder.path())
    };
    assert_eq!(load(&small).unwrap().train, set.train);
    // New pictures are encoded as in training.
    let new = crate::data::read_rows(&folder.path().join("t10k-images-idx3-ubyte"), &set.preprocessing).unwrap();
    assert_eq!(new.inputs, *set.test.inputs.all().unwrap());
    assert_eq!(new.targets.as_ref(), Some(&set.test.targets));
    let single = load(&config(&folder.path().join("t10k-images-idx3-ubyte"))).unwrap();
    assert_eq!(single.summary.rows, 10);
}

#[test]
fn hostile_idx_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [images, labels] = idx_pair(40, 2);
    let path = folder.path().join("x-images-idx3-ubyte");
    let refused = |images: &[u8], labels: &[u8]| {
        write(folder.path(), "x-images-idx3-ubyte", images);
        write(folder.path(), "x-labels-idx1-ubyte", labels);
        refusal(&config(&path))
    };
    for cut in 0..images.len() {
        assert!(refused(&images[..cut], &labels).contains("ends within"), "{cut}");
    }
    for cut in 0..labels.len() {
        assert!(refused(&images, &labels[..cut]).contains("ends within"), "{cut}");
    }
    let patched = |place: usize, bytes: &[u8]| {
        let mut images = images.clone();
        images[place..place + bytes.len()].copy_from_slice(bytes);
        images
    };
    let huge = [255; 4];
    assert!(refused(&patched(4, &huge), &labels).contains("announces"));
    assert!(refused(&patched(8, &huge), &labels).contains("values"));
    assert!(refused(&patched(8, &[0; 4]), &labels).contains("1 x 0 x 3"));
    assert!(refused(&patched(2, &[13]), &labels).contains("type 13"));
    assert!(refused(&patched(0, &[1]), &labels).contains("does not begin"));
    assert!(refused(&[&images[..], &[0]].concat(), &labels).contains("goes on"));
    assert!(refused(&images, &idx_pair(39, 2)[1]).contains("39 labels for 40"));
    let gz = packed(&images);
    assert!(refused(&gz[..gz.len() / 2], &labels).contains("within"));
    std::fs::remove_file(folder.path().join("x-labels-idx1-ubyte")).unwrap();
    assert!(refusal(&config(&path)).contains("labels are not beside it"));
}

#[test]
fn a_gz_bomb_is_read_no_further_than_its_header_says() {
    let folder = tempfile::tempdir().unwrap();
    let [mut images, labels] = idx_pair(40, 2);
    images.resize(20_000_000, 0);
    // Cut off far behind what is announced: whoever reads on would say that it ends early.
    let bomb = packed(&images);
    write(folder.path(), "x-images-idx3-ubyte.gz", &bomb[..bomb.len() / 2]);
    write(folder.path(), "x-labels-idx1-ubyte", &labels);
    assert!(refusal(&config(folder.path())).contains("goes on behind"));
}

#[test]
fn cifar_batches_are_read_channel_after_channel() {
    let folder = tempfile::tempdir().unwrap();
    let batch = |count: u8| -> Vec<u8> {
        (0..count)
            .flat_map(|image| {
                let mut record = vec![image % 10];
                record.extend([10 + image; 1024]);
                record.extend([100 + image; 1024]);
                record.extend([200; 1024]);
                record
            })
            .collect()
    };
    write(folder.path(), "data_batch_1.bin", &batch(40));
    write(folder.path(), "data_batch_2.bin", &batch(20));
    write(folder.path(), "test_batch.bin", &batch(10));
    let set = load(&config(folder.path())).unwrap();
    let split = set.summary.split;
    assert_eq!((split.train + split.validation, split.test), (60, 10));
    assert_eq!(set.summary.task.outputs(), 10);
    let scales = scales(&set.preprocessing);
    assert_eq!(scales[2], (200.0, 1.0));
    let row = set.test.row(3);
    for (channel, expected) in [(0, 13.0), (1, 103.0), (2, 200.0)] {
        let (mean, deviation) = scales[channel];
        let found = f64::from(row[1024 * channel + 77]) * deviation + mean;
        assert!((found - expected).abs() < 1e-4, "{channel}: {found}");
    }
    write(folder.path(), "data_batch_1.bin", &batch(40)[..100]);
    assert!(refusal(&config(folder.path())).contains("ends within image 1"));
    write(folder.path(), "data_batch_1.bin", &[77; 3073]);
    assert!(refusal(&config(folder.path())).contains("label 77"));
}

fn png(width: u32, height: u32, color: [u8; 3]) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(width, height, image::Rgb(color));
    encoded(&image::DynamicImage::from(picture), image::ImageFormat::Png)
}

fn encoded(picture: &image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn folders_of_classes_are_read_and_broken_pictures_named() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10 {
        write(
            folder.path(),
            &format!("cat/{number}.png"),
            &png(4, 3, [200, number, 0]),
        );
        write(
            folder.path(),
            &format!("dog/{number}.png"),
            &png(8, 6, [0, number, 200]),
        );
    }
    let bmp = image::DynamicImage::from(image::RgbImage::from_pixel(4, 3, image::Rgb([1, 2, 3])));
    write(folder.path(), "cat/a.bmp", &encoded(&bmp, image::ImageFormat::Bmp));
    write(folder.path(), "dog/b.JPG", &encoded(&bmp, image::ImageFormat::Jpeg));
    write(folder.path(), "dog/broken.png", b"\x89PNG\r\n\x1a\nnothing");
    write(folder.path(), "dog/cut.png", &png(8, 6, [9, 9, 9])[..40]);
    write(folder.path(), "dog/notes.txt", b"no picture");
    write(folder.path(), "stray.png", &png(4, 3, [9, 9, 9]));
    std::fs::create_dir(folder.path().join("bird")).unwrap();
    let set = load(&config(folder.path())).unwrap();
    assert_eq!(set.summary.rows, 22);
    assert_eq!(set.summary.class_rows, [11, 11]);
    let size = set.summary.input.dimensions();
    assert!(size == [3, 3, 4] || size == [3, 6, 8], "{size:?}");
    let notes = set.summary.notes.join("\n");
    assert!(notes.contains("2 broken pictures are left out"), "{notes}");
    assert!(notes.contains("Left out the folders \"bird\": no picture"), "{notes}");
    assert!(
        notes.contains("Left out \"stray.png\": a picture belongs into"),
        "{notes}"
    );
    assert!(set.summary.notes.iter().all(|note| !note.contains('\n')), "{notes}");
    assert!(
        notes.contains("kB of pixels are held") || notes.contains(" B of pixels are held"),
        "{notes}"
    );
    assert!(
        notes.contains("dog/broken.png") && notes.contains("dog/cut.png"),
        "{notes}"
    );
    let grey = DataConfig {
        grey: true,
        image_size: Some(5),
        ..config(folder.path())
    };
    let set = load(&grey).unwrap();
    assert_eq!(set.summary.input.dimensions(), [1, 5, 5]);
    // Predicting from the folder finds the truth in its folders' names; one file alone has none.
    let new = crate::data::read_rows(folder.path(), &set.preprocessing).unwrap();
    assert_eq!((new.rows, new.targets.map(|targets| targets.len())), (22, Some(22)));
    assert!(new.notes[0].contains("2 broken pictures"), "{:?}", new.notes);
    let one = crate::data::read_rows(&folder.path().join("cat/3.png"), &set.preprocessing).unwrap();
    assert_eq!((one.rows, one.targets, one.inputs.len()), (1, None, 25));
    let broken = crate::data::read_rows(&folder.path().join("dog/cut.png"), &set.preprocessing);
    assert!(broken.unwrap_err().to_string().contains("can't be read as a picture"));
}

#[test]
fn folders_train_and_test_are_the_sets_own_division() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..8 {
        for class in ["a", "b"] {
            write(
                folder.path(),
                &format!("train/{class}/{number}.png"),
                &png(2, 2, [number; 3]),
            );
        }
    }
    for class in ["a", "b"] {
        write(folder.path(), &format!("test/{class}/x.png"), &png(2, 2, [50; 3]));
    }
    let set = load(&config(folder.path())).unwrap();
    assert_eq!((set.summary.split.test, set.summary.rows), (2, 18));
}

#[test]
fn a_folder_of_broken_pictures_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a/x.png", b"");
    write(folder.path(), "b/x.jpg", b"\xff\xd8\xff");
    let message = refusal(&config(folder.path()));
    assert!(message.contains("no picture in it can be read"), "{message}");
}

/// An NPY file.
fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

fn floats(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

#[test]
fn arrays_become_pictures_tables_or_sequences_by_their_shape() {
    let folder = tempfile::tempdir().unwrap();
    let labels = npy(
        "<i8",
        "(30,)",
        &(0..30_i64).flat_map(|row| (row % 3).to_le_bytes()).collect::<Vec<_>>(),
    );
    write(folder.path(), "y.npy", &labels);
    let load_x = |x: &[u8]| {
        write(folder.path(), "x.npy", x);
        load(&config(&folder.path().join("x.npy")))
    };
    let bytes: Vec<u8> = (0..30 * 12).map(|value| (value % 251) as u8).collect();
    let grey = load_x(&npy("|u1", "(30, 4, 3)", &bytes)).unwrap();
    assert_eq!(grey.summary.input.dimensions(), [1, 4, 3]);
    let first = load_x(&npy("|u1", "(30, 3, 2, 2)", &bytes)).unwrap();
    let last = load_x(&npy("|u1", "(30, 2, 2, 3)", &bytes)).unwrap();
    assert_eq!(first.summary.input, last.summary.input);
    let pixel = |set: &Dataset, place: usize, channel: usize| {
        let (mean, deviation) = scales(&set.preprocessing)[channel];
        f64::from(set.train.row(0)[place]) * deviation + mean
    };
    assert!((pixel(&first, 1, 0) - pixel(&first, 0, 0) - 1.0).abs() < 1e-3);
    assert!((pixel(&last, 1, 0) - pixel(&last, 0, 0) - 3.0).abs() < 1e-3);
    let numbers = floats((0..30 * 12).map(|value| value as f32 * 0.5));
    let table = load_x(&npy("<f4", "(30, 12)", &numbers)).unwrap();
    assert_eq!((table.summary.kind, table.summary.input.len()), (DataKind::Table, 12));
    let sequences = load_x(&npy("<f4", "(30, 4, 3)", &numbers)).unwrap();
    assert_eq!(sequences.summary.input, Shape::Sequence { steps: 4, features: 3 });
    let pictures = load_x(&npy("<f4", "(30, 1, 3, 4)", &numbers)).unwrap();
    assert_eq!(pictures.summary.input.dimensions(), [1, 3, 4]);
    let swapped: Vec<u8> = (0..30 * 12)
        .flat_map(|value| (value as f32 * 0.5).to_be_bytes())
        .collect();
    assert_eq!(
        load_x(&npy(">f4", "(30, 1, 3, 4)", &swapped)).unwrap().train,
        pictures.train
    );
    let path = folder.path().join("x.npy");
    let new = crate::data::read_rows(&path, &pictures.preprocessing).unwrap();
    assert_eq!((new.rows, new.targets.unwrap().len()), (30, 30));
    for (x, problem) in [
        (npy("|O", "(30, 12)", &[]), "type"),
        (npy("<f4", "(30, 12)", &numbers[..99]), "ends before"),
        (npy("<f4", "(99999999999999999999, 12)", &numbers), "shape"),
        (npy("<f4", "(30, 18446744073709551615)", &numbers), "columns"),
        (npy("<f4", "(30, 99999, 99999, 3)", &numbers), "edges"),
        (npy("|u1", "(30, 0, 0)", &[]), "edges"),
        (npy("<f4", "(29, 12)", &numbers), "as many targets"),
        (npy("<f4", "()", &numbers), "as many targets"),
        (npy("<f4", "(30, 1, 1, 1, 1)", &numbers), "dimensions"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "header"),
        (npy("<f4", "(30, 12)", &floats((0..360).map(|_| f32::NAN))), "only NaN"),
        (
            npy("<f4", "(30, 4, 3)", &floats((0..360).map(|_| f32::NAN))),
            "only NaN",
        ),
        (
            npy("<f4", "(30, 12)", &floats((0..360).map(|value| (value % 12) as f32))),
            "constant",
        ),
        (b"hello".to_vec(), "ends within"),
        (b"".to_vec(), "ends within"),
    ] {
        let message = load_x(&x).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains(problem), "{message}");
    }
    let several = npy("<f4", "(30, 2)", &floats((0..60).map(|value| value as f32)));
    write(folder.path(), "y.npy", &several);
    let table = load(&config(&folder.path().join("x.npy")));
    assert!(table.is_err(), "an array that is no longer one");
    write(folder.path(), "x.npy", &npy("<f4", "(30, 12)", &numbers));
    let table = load(&config(&folder.path().join("x.npy"))).unwrap();
    assert_eq!(table.summary.task.outputs(), 2);
}

/// A ZIP archive of deflated entries.
fn zip_of(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, bytes) in entries {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        let packed = encoder.finish().unwrap();
        let place = file.len() as u32;
        let mut shared = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        shared.extend((packed.len() as u32).to_le_bytes());
        shared.extend((bytes.len() as u32).to_le_bytes());
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&shared);
        file.extend(name.as_bytes());
        file.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend(place.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([(entries.len() as u16).to_le_bytes(); 2].concat());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

fn keras_archive() -> Vec<u8> {
    let bytes: Vec<u8> = (0..40 * 4).map(|value| value as u8).collect();
    let labels: Vec<u8> = (0..40).map(|row| row % 4).collect();
    zip_of(&[
        ("x_train.npy", npy("|u1", "(40, 2, 2)", &bytes)),
        ("y_train.npy", npy("|u1", "(40,)", &labels)),
        ("x_test.npy", npy("|u1", "(12, 2, 2)", &bytes[..48])),
        ("y_test.npy", npy("|u1", "(12,)", &labels[..12])),
    ])
}

#[test]
fn an_archive_of_four_arrays_brings_its_test_part() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "mnist.npz", &keras_archive());
    let path = folder.path().join("mnist.npz");
    let set = load(&config(&path)).unwrap();
    assert_eq!((set.summary.split.test, set.summary.rows), (12, 52));
    let new = crate::data::read_rows(&path, &set.preprocessing).unwrap();
    assert_eq!(new.inputs, *set.test.inputs.all().unwrap());
    assert_eq!(new.targets.as_ref(), Some(&set.test.targets));
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let mut archive = keras_archive();
    // The directory announces more than may come out.
    let place = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    archive[place + 24..place + 28].copy_from_slice(&u32::MAX.to_le_bytes());
    std::fs::write(&path, &archive).unwrap();
    assert!(refusal(&config(&path)).contains("unpacks to"));
    // What comes out beyond what was announced is not read.
    let zeros = npy("|u1", "(40, 4000, 250)", &vec![0; 40_000_000]);
    let mut bomb = zip_of(&[("x.npy", zeros), ("y.npy", npy("|u1", "(40,)", &[0; 40]))]);
    let place = bomb.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    bomb[place + 24..place + 28].copy_from_slice(&1000_u32.to_le_bytes());
    std::fs::write(&path, &bomb).unwrap();
    assert!(refusal(&config(&path)).contains("ends before"));
}

#[test]
fn what_is_wrong_in_an_archive_is_named_with_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.npz");
    let inputs = npy("<f4", "(30, 2)", &floats((0..60).map(|value| value as f32)));
    std::fs::write(
        &path,
        zip_of(&[("x.npy", inputs), ("y.npy", npy("|u1", "(9,)", &[0; 9]))]),
    )
    .unwrap();
    let message = refusal(&config(&path));
    assert!(
        message.contains("both.npz/y.npy") && message.contains("both.npz/x.npy"),
        "{message}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]

    #[test]
    fn mutated_files_never_panic(
        which in 0..6_usize,
        changes in proptest::collection::vec((0.0..1.0_f64, proptest::prelude::any::<u8>()), 0..8),
        cut in proptest::option::of(0.0..1.0_f64),
    ) {
        let [images, labels] = idx_pair(40, 2);
        let numbers = floats((0..30 * 12).map(|value| value as f32));
        let (name, mut bytes) = match which {
            0 => ("x-images-idx3-ubyte", images),
            1 => ("x-images-idx3-ubyte.gz", packed(&images)),
            2 => ("x.npz", keras_archive()),
            3 => ("x.npy", npy("<f4", "(30, 4, 3)", &numbers)),
            4 => ("a/x.png", png(5, 5, [1, 2, 3])),
            _ => ("data_batch_1.bin", vec![1; 3073 * 3]),
        };
        let length = bytes.len() as f64;
        for (place, byte) in changes {
            bytes[(place * length) as usize] = byte;
        }
        bytes.truncate((cut.unwrap_or(1.0) * length) as usize);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), name, &bytes);
        write(folder.path(), "x-labels-idx1-ubyte", &labels);
        write(folder.path(), "y.npy", &npy("|u1", "(30,)", &[0, 1, 2].repeat(10)));
        write(folder.path(), "b/y.png", &png(3, 3, [5, 5, 5]));
        let _ = load(&config(folder.path()));
        let _ = load(&config(&folder.path().join(name)));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x-images-idx3-ubyte", "x.npz", "x.npy", "x.png", "data_batch_1.bin"] {
            write(folder.path(), name, &bytes);
            let _ = load(&config(&folder.path().join(name)));
        }
        let _ = load(&config(folder.path()));
    }
}
