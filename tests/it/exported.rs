//! What a person takes away and asks: how it was made, and what it answers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use trimtab::data;
use trimtab::deploy::{self, Form};
use trimtab::meter::alloc::{self, Growth};
use trimtab::spec::{Architecture, RunConfig};
use trimtab::train;

use super::alone::alone;
use super::command_line::Desk;

fn config(desk: &Desk, source: &str, arguments: &[&str]) {
    let text = desk.text(&[&["init", "--dataset", source], arguments].concat());
    desk.write("config.toml", &text);
}

#[test]
fn the_card_of_a_run_compressed_twice_leads_back_to_its_training() {
    let desk = Desk::new();
    config(&desk, "digits", &["--architecture", "mlp"]);
    let words = "train config.toml --name first --set train.epochs=2 --set train.warmup_epochs=2";
    desk.text(&words.split(' ').collect::<Vec<_>>());
    // The warm-up of two epochs is cut to the one that there is.
    desk.text(&["compress", "r1", "distil:preset=tiny:epochs=1"]);
    desk.text(&["compress", "r2", "int8-static"]);
    desk.text(&["export", "r3", "--to", "out"]);
    let read = |name: &str| fs::read_to_string(desk.path("out").join(name)).unwrap();
    let hidden = |text: &str| text.lines().find(|line| line.starts_with("hidden")).map(str::to_owned);
    let trained = hidden(&fs::read_to_string(desk.path("config.toml")).unwrap());
    assert_eq!(hidden(&read("config.toml")), trained, "the teacher's configuration");
    let card = read("card.md");
    let place = |words: &str| card.find(words).unwrap_or_else(|| panic!("{words} is not in:\n{card}"));
    assert!(place("trains run r1 (first) again") < place("compress RUN distil:preset=tiny:epochs=1`"));
    assert!(place("compress RUN distil:preset=tiny:epochs=1`") < place("compress RUN int8-static`"));
    assert!(!card.contains("Fine-tuned"), "{card}");

    desk.text(&["delete", "r1"]);
    desk.text(&["export", "r3", "--to", "orphan"]);
    let card = fs::read_to_string(desk.path("orphan").join("card.md")).unwrap();
    assert!(card.contains("run r1, which has been deleted"), "{card}");
}

#[test]
fn what_was_left_out_of_the_data_is_told_wherever_they_are_read() {
    let desk = Desk::new();
    let mut rows = "id,month,promo,sales\n".to_owned();
    for row in 0..120 {
        let (month, promo) = (row + 1, row % 2);
        let sales = 100 + 3 * row + 20 * promo;
        let _ = writeln!(rows, "{month},{month},{promo},{sales}");
    }
    desk.write("sales.csv", &rows);
    let left_out = "Left out \"id\": a running number";
    let told = |arguments: &[&str]| {
        let output = desk.run(arguments);
        assert!(output.status.success(), "{arguments:?}");
        let (text, told) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert!(told.contains(left_out), "{arguments:?}: {told}");
        (text, told)
    };
    let (config, _) = told(&["init", "--dataset", "sales.csv"]);
    desk.write("config.toml", &config);
    told(&["choose", "sales.csv"]);
    let (_, idle) = told(&["cost", "config.toml", "--set", "model.units=[9]"]);
    assert!(idle.contains("without effect on this network: model.units"), "{idle}");
    let quick = ["--set", "train.epochs=20", "--set", "train.learning_rate=0.02"];
    let (text, _) = told(&[&["train", "config.toml", "--name", "sales"][..], &quick].concat());
    // The trend is in the months.
    let r2: f64 = text
        .split("R2 ")
        .last()
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(r2 > 0.8, "{text}");
    assert!(desk.text(&["show", "sales"]).contains(left_out));
    desk.text(&["export", "sales", "--to", "out"]);
    assert!(
        fs::read_to_string(desk.path("out").join("card.md"))
            .unwrap()
            .contains(left_out)
    );
}

fn train(desk: &Desk, name: &str) {
    desk.text(&["train", "config.toml", "--name", name, "--set", "train.epochs=2"]);
    desk.text(&["export", name, "--to", name]);
}

#[test]
fn answers_to_files_have_the_names_of_the_files() {
    let desk = Desk::new();
    let picture = |name: &str, shade: u8| {
        let path = desk.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_pixel(6, 6, image::Luma([shade]))
            .save(path)
            .unwrap();
    };
    for row in 0..12 {
        picture(&format!("pictures/dark/{row}.png"), row);
        picture(&format!("pictures/light/{row}.png"), 200 + row);
    }
    config(&desk, "pictures", &[]);
    train(&desk, "shades");
    picture("asked/b.png", 3);
    desk.write("asked/c.png", "no picture\n at all");
    picture("asked/d.png", 210);
    let asked = desk.text(&["predict", "shades", "asked"]);
    let files: Vec<&str> = asked.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(files, ["file", "b.png", "d.png"], "{asked}");
    let asked = desk.json(&["predict", "shades", "pictures", "--json"]);
    assert_eq!(asked[12]["file"], Path::new("light").join("0.png").to_str().unwrap());
    assert_eq!(
        desk.json(&["predict", "shades", "asked/d.png", "--json"])[0]["file"],
        "d.png"
    );

    for (class, word) in [("cold", "ice"), ("warm", "sun")] {
        fs::create_dir_all(desk.path("texts").join(class)).unwrap();
        for row in 0..12 {
            desk.write(&format!("texts/{class}/{row}.txt"), &format!("{word} number {row}"));
        }
    }
    config(&desk, "texts", &["--architecture", "linear"]);
    train(&desk, "words");
    fs::create_dir(desk.path("flat")).unwrap();
    desk.write("flat/first.txt", "sun and more sun");
    desk.write("flat/last.txt", "ice");
    let asked = desk.text(&["predict", "words", "flat"]);
    let files: Vec<&str> = asked.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(files, ["file", "first.txt", "last.txt"], "{asked}");
    let written = fs::read_to_string(desk.path("words").join("preprocessing.json")).unwrap();
    let card = fs::read_to_string(desk.path("words").join("card.md")).unwrap();
    for text in [written, card] {
        assert!(text.contains("byte + 1") && text.contains("zeros in front"), "{text}");
    }
}

#[test]
fn several_values_are_called_by_their_targets() {
    let desk = Desk::new();
    let mut rows = "a,y1,y2\n".to_owned();
    for row in 0..80 {
        let _ = writeln!(rows, "{},{},{}.5", row * 7 % 11, row * 5 % 13, row * 3 % 17);
    }
    desk.write("two.csv", &rows);
    config(&desk, "two.csv", &["--target", "y1,y2"]);
    train(&desk, "both");
    let asked = desk.text(&["predict", "both", "two.csv"]);
    assert_eq!(
        asked.split_whitespace().take(3).collect::<Vec<_>>(),
        ["row", "y1", "y2"]
    );
    // No more digits than 32 bits hold.
    let cell = asked.split_whitespace().nth(4).unwrap();
    assert!(cell.chars().filter(char::is_ascii_digit).count() <= 9, "{asked}");
    let asked = desk.json(&["predict", "both", "two.csv", "--json"]);
    assert_eq!(asked[0]["targets"], serde_json::json!(["y1", "y2"]));

    desk.write(
        "config.toml",
        "[data]\nsource = \"two.csv\"\ntask = \"forecast\"\ntarget = \"y1\"\nwindow = 5\nhorizon = 2\n",
    );
    train(&desk, "ahead");
    let asked = desk.text(&["predict", "ahead", "two.csv"]);
    assert!(
        asked.lines().next().unwrap().contains("y1 +1") && asked.contains("y1 +2"),
        "{asked}"
    );
    desk.write("short.csv", &rows.lines().take(4).collect::<Vec<_>>().join("\n"));
    let refusal = desk.failure(1, &["predict", "ahead", "short.csv"]);
    assert!(
        refusal.contains("3 of the 5 rows") && refusal.contains("at least 5 rows"),
        "{refusal}"
    );
    assert!(!refusal.contains("data.window"), "{refusal}");
}

/// An array as `numpy.save` writes it.
fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[test]
fn a_model_of_arrays_is_asked_with_arrays() {
    for (shape, architecture) in [("(40, 6)", "mlp"), ("(40, 3, 2)", "gru")] {
        let desk = Desk::new();
        fs::create_dir(desk.path("arrays")).unwrap();
        let x: Vec<f32> = (0..240_u16).map(|value| f32::from(value * 37 % 101)).collect();
        let y: Vec<f32> = (0..40_u16).map(|row| f32::from(row * 7 % 40) / 3.0).collect();
        fs::write(desk.path("arrays/x.npy"), npy(shape, &x)).unwrap();
        fs::write(desk.path("arrays/y.npy"), npy("(40,)", &y)).unwrap();
        config(&desk, "arrays", &["--architecture", architecture]);
        train(&desk, "model");
        let output = desk.run(&["predict", "model", "arrays/x.npy", "--json"]);
        let answers: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answers.as_array().map(Vec::len), Some(40), "{output:?}");
        // All rows with their truth: the parts' own error lies around it.
        let scored = desk.run(&["predict", "model", "arrays"]);
        assert!(String::from_utf8(scored.stderr).unwrap().contains("RMSE"));
        let refusal = desk.failure(1, &["predict", "model", "nowhere.npy"]);
        assert!(refusal.contains("nowhere.npy: cannot be read"), "{refusal}");
        #[cfg(target_os = "linux")]
        {
            // A full disk behind standard error is no reason to give no answers.
            let full = fs::File::options().write(true).open("/dev/full").unwrap();
            let output = desk
                .command(&["predict", "model", "arrays"])
                .stderr(full)
                .output()
                .unwrap();
            assert!(output.status.success() && output.stdout.len() > 40, "{output:?}");
        }
        fs::write(desk.path("x.npy"), npy("(2, 5)", &x[..10])).unwrap();
        let refusal = desk.failure(1, &["predict", "model", "x.npy"]);
        assert!(refusal.contains("x.npy") && refusal.contains("[2, 5]"), "{refusal}");
    }
}

#[test]
fn what_is_read_from_a_file_is_scored_and_proved_in_parts() {
    alone("exported::measure_parts");
}

#[test]
#[ignore = "alone in its process, started by the test above"]
fn measure_parts() {
    const ROWS: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let sides = |dimensions: &[usize]| -> Vec<u8> {
        let kind = [0, 0, 8, dimensions.len() as u8];
        let sizes = dimensions.iter().flat_map(|&size| (size as u32).to_be_bytes());
        kind.into_iter().chain(sizes).collect()
    };
    let mut images = sides(&[ROWS, 28, 28]);
    images.extend((0..ROWS * 784).map(|place| (place * place % 251) as u8));
    let mut labels = sides(&[ROWS]);
    labels.extend((0..ROWS).map(|row| (row % 3) as u8));
    fs::write(folder.path().join("train-images-idx3-ubyte"), images).unwrap();
    fs::write(folder.path().join("train-labels-idx1-ubyte"), labels).unwrap();
    let mut config = RunConfig::default();
    config.data.source = folder.path().display().to_string();
    config.data.split = [0.1, 0.1, 0.8];
    config.data.memory_mb = 1;
    config.model.architecture = Architecture::Linear;

    alloc::count_this_thread();
    let dataset = data::load(&config.data).unwrap();
    let plan = config.check(&dataset.summary).unwrap();
    let weights = train::first_weights(&plan).unwrap();
    let bytes = deploy::to_onnx(&plan.model, &weights, &plan.dataset.task, &Form::Fp32).unwrap();
    let heap = Growth::begin();
    let scores = deploy::score(&bytes, &dataset.test, &dataset.preprocessing.target).unwrap();
    let test = &dataset.test;
    deploy::referee(&bytes, &Form::Fp32, test.shape, &test.inputs, &scores.outputs).unwrap();
    // All of it would be 50 MB.
    let (_, peak) = heap.live_and_peak();
    assert!(4 * test.inputs.len() > 50_000_000 && peak < 25_000_000, "{peak}");
}
