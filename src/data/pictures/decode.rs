//! A picture file to the bytes of a frame.

use std::path::Path;

use image::{DynamicImage, ImageReader, Limits};

use super::{Frame, MAX_EDGE};

/// Longest edge of a file that is read before it is resized, and most memory that this may take.
const MAX_FILE_EDGE: u32 = 16_384;
const MAX_DECODED: u64 = 512 << 20;

/// The formats that are read, by their usual endings.
pub(in crate::data) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ["png", "jpg", "jpeg", "bmp"].contains(&ending.as_str()))
}

/// Reads a file; the error is what is wrong with it.
pub(super) fn read(path: &Path) -> Result<DynamicImage, String> {
    // Looked at before opening: opening a named pipe would wait for its writer.
    let file = std::fs::metadata(path).map_err(|error| in_one_line(&error))?;
    if !file.is_file() {
        return Err("is no file".to_owned());
    }
    let mut reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| in_one_line(&error))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_FILE_EDGE);
    limits.max_image_height = Some(MAX_FILE_EDGE);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| in_one_line(&error))?;
    if picture.width() == 0 || picture.height() == 0 {
        return Err("has no pixels".to_owned());
    }
    Ok(picture)
}

/// A decoder's message without the line breaks that it may have.
fn in_one_line(error: &impl ToString) -> String {
    let message = error.to_string();
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether it has no colours.
pub(super) fn is_grey(picture: &DynamicImage) -> bool {
    !picture.color().has_color()
}

/// Size and channels of the first picture, as far as the configuration does not say them.
pub(super) fn frame_of(picture: &DynamicImage, size: Option<usize>, grey: bool) -> Frame {
    Frame {
        channels: if grey || is_grey(picture) { 1 } else { 3 },
        height: size.unwrap_or(picture.height() as usize).min(MAX_EDGE + 1),
        width: size.unwrap_or(picture.width() as usize).min(MAX_EDGE + 1),
        is_bytes: true,
    }
}

/// The bytes of a picture in the frame: resized, in grey where that is asked, channel after channel.
pub(super) fn bytes(picture: &DynamicImage, frame: Frame) -> Vec<u8> {
    let (width, height) = (frame.width as u32, frame.height as u32);
    let resized;
    let picture = if (picture.width(), picture.height()) == (width, height) {
        picture
    } else {
        resized = picture.resize_exact(width, height, image::imageops::FilterType::Triangle);
        &resized
    };
    if frame.channels == 1 {
        return picture.to_luma8().into_raw();
    }
    let pixels = picture.to_rgb8().into_raw();
    planes(&pixels, frame.channels)
}

/// From pixel after pixel to channel after channel.
pub(super) fn planes<T: Copy>(pixels: &[T], channels: usize) -> Vec<T> {
    (0..channels)
        .flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied())
        .collect()
}
