//! Every page as a picture: light and dark; empty, running, failed and with results; wide and narrow. The pages are those
//! of the real window over a real store, which was recorded once (`TRIMTAB_RECORD=1`, and `TRIMTAB_RECORD=networks` for
//! the second one) so that the figures in the pictures
//! are those of one machine and do not change from run to run.
//!
//! The pictures need a graphics adapter. Without one they are reported as ignored; with `TRIMTAB_PIXELS=1` that is a
//! failure. `UPDATE_SNAPSHOTS=1` writes them anew; the README's are written to `screenshots/`.

mod recorded;
mod stage;

use egui_kittest::SnapshotOptions;
use libtest_mimic::{Arguments, Failed, Trial};
use trimtab::app::{Page, Panel};
use trimtab::spec::{Architecture, Augmentation};

use stage::{Look, Stage};

/// One state of the window.
struct Scene {
    name: &'static str,
    /// Name in `screenshots/` of the dark, wide picture, for the README.
    readme: Option<&'static str>,
    play: fn(Look) -> Stage,
}

const SCENES: [Scene; 27] = [
    Scene {
        name: "train_empty",
        readme: None,
        play: |look| Stage::empty(look),
    },
    Scene {
        name: "train_running",
        readme: Some("train"),
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.select(recorded::RUNNING);
            stage
        },
    },
    Scene {
        name: "train_failed",
        readme: None,
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.select(recorded::FAILED);
            stage
        },
    },
    Scene {
        name: "train_surface",
        readme: Some("surface"),
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.select(recorded::MOONS);
            stage
        },
    },
    Scene {
        name: "set_up_layers",
        readme: Some("layers"),
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.panel(Panel::Layers, |config| {
                config.model.architecture = Architecture::Resnet;
            });
            stage
        },
    },
    Scene {
        name: "set_up_choose",
        readme: Some("choose"),
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.panel(Panel::Choose, |_| ());
            stage
        },
    },
    Scene {
        name: "set_up_rate",
        readme: None,
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.panel(Panel::Rate, |_| ());
            stage.press("Find a learning rate");
            stage.until_found();
            stage
        },
    },
    Scene {
        name: "set_up_augmentation",
        readme: Some("augmentation"),
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.panel(Panel::Augmentation, |config| {
                config.data.augment = vec![
                    Augmentation::Rotate { degrees: 15.0 },
                    Augmentation::Shift { pixels: 1.0 },
                    Augmentation::Noise { deviation: 0.2 },
                ];
            });
            stage.until_augmented();
            stage
        },
    },
    Scene {
        name: "tab_classes",
        readme: None,
        play: |look| Stage::recorded(look).with_tab(recorded::RUNNING, "Classes"),
    },
    Scene {
        name: "tab_roc",
        readme: None,
        play: |look| Stage::recorded(look).with_tab(recorded::RUNNING, "ROC"),
    },
    Scene {
        name: "tab_calibration",
        readme: None,
        play: |look| Stage::recorded(look).with_tab(recorded::RUNNING, "Calibration"),
    },
    Scene {
        name: "tab_gradients",
        readme: None,
        play: |look| Stage::recorded(look).with_tab(recorded::RUNNING, "Gradients"),
    },
    Scene {
        name: "tab_first_layer",
        readme: None,
        play: |look| Stage::recorded(look).with_tab(recorded::RUNNING, "First layer"),
    },
    Scene {
        name: "tab_attention",
        readme: None,
        play: |look| Stage::networks(look).with_tab(recorded::TRANSFORMER, "Attention"),
    },
    Scene {
        name: "tab_forecast",
        readme: None,
        play: |look| Stage::networks(look).with_tab(recorded::SERIES, "Forecast"),
    },
    Scene {
        name: "tab_residuals",
        readme: None,
        play: |look| Stage::networks(look).with_tab(recorded::REGRESSION, "Residuals"),
    },
    Scene {
        name: "tab_findings",
        readme: None,
        play: |look| Stage::recorded(look).with_tab(recorded::FAILED, "Findings"),
    },
    Scene {
        name: "tab_changes",
        readme: None,
        play: |look| Stage::recorded(look).with_tab(recorded::HALVED, "What broke"),
    },
    Scene {
        name: "compress_empty",
        readme: None,
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.go(Page::Compress);
            stage
        },
    },
    Scene {
        name: "compress_results",
        readme: Some("compress"),
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.select(recorded::BASELINE);
            stage.go(Page::Compress);
            stage
        },
    },
    Scene {
        name: "compress_layers",
        readme: None,
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.select(recorded::BASELINE);
            stage.go(Page::Compress);
            stage.press("Layer by layer");
            stage.press("Measure the layers");
            stage.until_found();
            stage.press("Protect layer 0 convolution");
            stage
        },
    },
    Scene {
        name: "compare_empty",
        readme: None,
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.go(Page::Compare);
            stage
        },
    },
    Scene {
        name: "compare_results",
        readme: Some("compare"),
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.select(recorded::BASELINE);
            stage.go(Page::Compare);
            stage
        },
    },
    Scene {
        name: "try_empty",
        readme: None,
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.go(Page::TryIt);
            stage
        },
    },
    Scene {
        name: "try_asked",
        readme: None,
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.select(recorded::BASELINE);
            stage.go(Page::TryIt);
            stage.leave_times_out();
            stage
        },
    },
    Scene {
        name: "export_dialog",
        readme: None,
        play: |look| {
            let mut stage = Stage::recorded(look);
            stage.export(recorded::BASELINE);
            stage
        },
    },
    Scene {
        name: "palette",
        readme: None,
        play: |look| {
            let mut stage = Stage::empty(look);
            stage.palette();
            stage
        },
    },
];

fn main() {
    if let Some(which) = std::env::var_os("TRIMTAB_RECORD") {
        if which == "networks" {
            recorded::record_networks();
        } else {
            recorded::record();
        }
        return;
    }
    // The folder that an export suggests lies in the person's home, and what a training takes depends on the threads.
    for (name, value) in [("HOME", "/home/you"), ("RAYON_NUM_THREADS", "2")] {
        // SAFETY: no other thread is running yet.
        unsafe { std::env::set_var(name, value) };
    }
    let arguments = Arguments::from_args();
    let has_adapter = stage::has_adapter();
    let must = std::env::var("TRIMTAB_PIXELS").is_ok_and(|value| value == "1");
    let mut trials = Vec::new();
    for scene in &SCENES {
        for look in Look::ALL {
            let name = format!("{}_{look}", scene.name);
            let picture = name.clone();
            let draw = move || {
                if !has_adapter {
                    return Err("there is no graphics adapter (Debian: mesa-vulkan-drivers)".into());
                }
                draw(scene, look, &picture)
            };
            trials.push(Trial::test(name, draw).with_ignored_flag(!has_adapter && !must));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn draw(scene: &Scene, look: Look, name: &str) -> Result<(), Failed> {
    let mut stage = (scene.play)(look);
    let root = env!("CARGO_MANIFEST_DIR");
    let options = SnapshotOptions::new().output_path(format!("{root}/tests/pictures/expected"));
    let image = stage.render()?;
    egui_kittest::try_image_snapshot_options(&image, name, &options).map_err(|error| error.to_string())?;
    if let Some(readme) = scene.readme.filter(|_| look == Look::ALL[0]) {
        let options = SnapshotOptions::new().output_path(format!("{root}/screenshots"));
        egui_kittest::try_image_snapshot_options(&image, readme, &options).map_err(|error| error.to_string())?;
    }
    Ok(())
}
