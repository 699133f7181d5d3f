//! Native file dialogs, each on a thread of its own, and pictures of parts of the window.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use egui::{ColorImage, Context, Rect, ScreenshotCallback, ViewportCommand};

/// What came of a dialog; a cancelled one says nothing.
pub enum Chosen {
    DataFile(PathBuf),
    ExportFolder(PathBuf),
    /// A file of recipes.
    Ladder(PathBuf),
    Save {
        path: PathBuf,
        bytes: Vec<u8>,
    },
    /// A picture that was taken, to be saved.
    Picture {
        name: String,
        bytes: Vec<u8>,
    },
    /// Why nothing came of it.
    Failed(String),
}

/// The window's way to the dialogs.
pub struct Dialogs {
    ctx: Context,
    sender: Sender<Chosen>,
    receiver: Receiver<Chosen>,
}

impl Dialogs {
    pub fn new(ctx: &Context) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            ctx: ctx.clone(),
            sender,
            receiver,
        }
    }

    /// The next choice that was made.
    pub fn chosen(&self) -> Option<Chosen> {
        self.receiver.try_recv().ok()
    }

    pub fn choose_data_file(&self) {
        self.spawn(|| {
            rfd::FileDialog::new()
                .set_title("Open a data file")
                .pick_file()
                .map(Chosen::DataFile)
        });
    }

    pub fn choose_data_folder(&self) {
        self.spawn(|| {
            rfd::FileDialog::new()
                .set_title("Open a folder of data")
                .pick_folder()
                .map(Chosen::DataFile)
        });
    }

    pub fn open_ladder(&self) {
        self.spawn(|| {
            let dialog = rfd::FileDialog::new().set_title("Open a ladder");
            dialog.add_filter("Ladder", &["toml"]).pick_file().map(Chosen::Ladder)
        });
    }

    pub fn choose_export_folder(&self) {
        self.spawn(|| {
            rfd::FileDialog::new()
                .set_title("Choose a folder for the export")
                .pick_folder()
                .map(Chosen::ExportFolder)
        });
    }

    pub fn save(&self, name: String, bytes: Vec<u8>) {
        self.spawn(move || {
            let path = rfd::FileDialog::new()
                .set_title("Save")
                .set_file_name(name)
                .save_file()?;
            Some(Chosen::Save { path, bytes })
        });
    }

    /// Takes a picture of the part of the window in `rect` (in points) and asks where to save it.
    pub fn save_picture(&self, rect: Rect, name: String) {
        let sender = self.sender.clone();
        let ctx = self.ctx.clone();
        let pixels_per_point = ctx.pixels_per_point();
        let callback = ScreenshotCallback::new(move |image: Arc<ColorImage>| {
            let chosen = match png(&image.region(&rect, Some(pixels_per_point))) {
                Ok(bytes) => Chosen::Picture { name, bytes },
                Err(why) => Chosen::Failed(format!("The picture was not made: {why}")),
            };
            // The window may be closed by now.
            let _ = sender.send(chosen);
            ctx.request_repaint();
        });
        self.ctx.send_viewport_cmd(ViewportCommand::Screenshot(callback));
    }

    fn spawn(&self, dialog: impl FnOnce() -> Option<Chosen> + Send + 'static) {
        let (sender, ctx) = (self.sender.clone(), self.ctx.clone());
        let work = move || {
            if let Some(chosen) = dialog() {
                // The window may be closed by now.
                let _ = sender.send(chosen);
                ctx.request_repaint();
            }
        };
        if let Err(error) = thread::Builder::new().name("trimtab-dialog".to_owned()).spawn(work) {
            let why = format!("No dialog could be opened: {error}; close other programs and try again");
            let _ = self.sender.send(Chosen::Failed(why));
        }
    }
}

fn png(part: &ColorImage) -> Result<Vec<u8>, String> {
    let [width, height] = part.size.map(|side| side as u32);
    let pixels: Vec<u8> = part.pixels.iter().flat_map(egui::Color32::to_array).collect();
    let picture = image::RgbaImage::from_raw(width, height, pixels).ok_or("it has no size")?;
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}
