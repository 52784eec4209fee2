//! One image file: whatever its format, the pixels of a data set.

use super::troubles::TroubleKind;
use image::error::UnsupportedErrorKind;
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, GenericImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Rgb, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// How an image of another ratio of sides becomes one of the wanted ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Its middle.
    Crop,
    /// The whole, with the background beside it.
    Pad,
    /// The whole, out of proportion.
    Stretch,
}

/// What every image becomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) grey: bool,
    pub(super) fit: Fit,
    pub(super) background: [u8; 3],
}

/// What the beginning of a file says of its image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) grey: bool,
}

/// Height, width (as its EXIF turns it), and whether it is grey.
pub(super) fn head(path: &Path) -> Result<Head, String> {
    let bytes = read(path)?;
    let mut decoder = decoder(path, &bytes)?.1;
    let (width, height) = decoder.dimensions();
    let grey = decoder.color_type().channel_count() < 3;
    let turned = decoder.orientation().is_ok_and(on_its_side);
    let (height, width) = if turned { (width, height) } else { (height, width) };
    Ok(Head { height, width, grey })
}

/// Writes its pixels, C x H x W, and says what was unusual about it.
pub(super) fn read_into(path: &Path, target: &Target, out: &mut [u8]) -> Result<Vec<TroubleKind>, String> {
    let bytes = read(path)?;
    let (format, mut decoder) = decoder(path, &bytes)?;
    let mut unusual = Vec::new();
    let colours = decoder.color_type();
    match (colours.channel_count() < 3, target.grey) {
        (true, false) => unusual.push(TroubleKind::Grey),
        (false, true) => unusual.push(TroubleKind::Colour),
        _ => {}
    }
    if colours.bytes_per_pixel() > colours.channel_count() {
        unusual.push(TroubleKind::SixteenBits);
    }
    if has_palette(format, &bytes) {
        unusual.push(TroubleKind::Palette);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| in_words(&error))?;
    if orientation != Orientation::NoTransforms {
        unusual.push(TroubleKind::Turned);
        image.apply_orientation(orientation);
    }
    let image = if colours.has_alpha() {
        let (image, see_through) = over(&image, target.background);
        unusual.extend(see_through.then_some(TroubleKind::Opacity));
        image
    } else {
        image.into_rgb8()
    };
    if (image.height(), image.width()) != (target.height, target.width) {
        unusual.push(TroubleKind::OtherSize);
        if u64::from(image.height()) * u64::from(target.width) != u64::from(image.width()) * u64::from(target.height) {
            unusual.push(TroubleKind::NotSquare);
        }
    }
    let image = fitted(image, target);
    if target.grey {
        out.copy_from_slice(&DynamicImage::ImageRgb8(image).into_luma8());
    } else {
        let size = out.len() / 3;
        for (place, pixel) in image.pixels().enumerate() {
            (0..3).for_each(|channel| out[channel * size + place] = pixel.0[channel]);
        }
    }
    Ok(unusual)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))
}

/// By the content, whatever the ending says; but TGA, which has no mark of its own, by the ending.
fn decoder<'a>(path: &Path, bytes: &'a [u8]) -> Result<(ImageFormat, impl ImageDecoder + 'a), String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let by_ending = || ImageFormat::from_path(path).ok().filter(|&format| format == ImageFormat::Tga);
    let format = reader.format().or_else(by_ending).ok_or("is no image")?;
    reader.set_format(format);
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        return Err("is cut short".into());
    }
    let decoder = reader.into_decoder().map_err(|error| in_words(&error))?;
    Ok((format, decoder))
}

fn in_words(error: &ImageError) -> String {
    match error {
        ImageError::Unsupported(error) => match error.kind() {
            UnsupportedErrorKind::Format(_) => {
                "is of a format that is not decoded here: PNG, JPEG, GIF, BMP, WebP, TIFF, TGA, QOI, PNM, ICO and \
                 farbfeld are"
                    .into()
            }
            _ => format!("holds what is not decoded here: {}", error.to_string().lines().next().unwrap_or_default()),
        },
        ImageError::Limits(_) => "would take more than 512 MB of memory".into(),
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => "is cut short".into(),
        other => {
            let text = other.to_string();
            let lower = text.to_lowercase();
            if ["unexpected end", "unexpected eof", "failed to fill"].iter().any(|words| lower.contains(words)) {
                return "is cut short".into();
            }
            format!("is broken: {}", text.lines().next().unwrap_or_default())
        }
    }
}

/// Whether the mark of the end follows the first scan: the decoder fills what is missing with grey and says nothing.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    // Segments: 0xff, a marker, and a length that counts itself, up to the start of a scan. Thumbnails lie inside one.
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == 0xda {
            return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // A marker may be filled up with 0xff before it.
        at += if marker == 0xff { 1 } else { 2 + (usize::from(high) << 8 | usize::from(low)) };
    }
    false
}

fn has_palette(format: ImageFormat, bytes: &[u8]) -> bool {
    match format {
        ImageFormat::Gif => true,
        // The colour type in the header, which comes first.
        ImageFormat::Png => bytes.get(25) == Some(&3),
        // Bits a pixel.
        ImageFormat::Bmp => bytes.get(28).is_some_and(|&bits| bits <= 8),
        _ => false,
    }
}

fn on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// The image over a background, and whether one sees any of that.
fn over(image: &DynamicImage, background: [u8; 3]) -> (RgbImage, bool) {
    let image = image.to_rgba8();
    let mut see_through = false;
    let mut flat = RgbImage::new(image.width(), image.height());
    for (to, from) in flat.pixels_mut().zip(image.pixels()) {
        let alpha = u32::from(from.0[3]);
        see_through |= alpha < 255;
        to.0 = std::array::from_fn(|channel| {
            let mixed = u32::from(from.0[channel]) * alpha + u32::from(background[channel]) * (255 - alpha);
            ((mixed + 127) / 255) as u8
        });
    }
    (flat, see_through)
}

fn fitted(image: RgbImage, target: &Target) -> RgbImage {
    let (width, height) = image.dimensions();
    let to = (target.width, target.height);
    if (width, height) == to {
        return image;
    }
    let resized = |image: &RgbImage, (width, height): (u32, u32)| {
        if image.dimensions() == (width, height) {
            image.clone()
        } else {
            imageops::resize(image, width, height, FilterType::Triangle)
        }
    };
    // `a` as b/c of it, rounded, and at least 1.
    let share =
        |a: u32, b: u32, c: u32| ((u64::from(a) * u64::from(b) + u64::from(c) / 2) / u64::from(c)).max(1) as u32;
    let wide = u64::from(width) * u64::from(to.1) > u64::from(height) * u64::from(to.0);
    match target.fit {
        Fit::Stretch => resized(&image, to),
        Fit::Crop => {
            let (w, h) = if wide {
                (share(height, to.0, to.1).min(width), height)
            } else {
                (width, share(width, to.1, to.0).min(height))
            };
            resized(&imageops::crop_imm(&image, (width - w) / 2, (height - h) / 2, w, h).to_image(), to)
        }
        Fit::Pad => {
            let (w, h) = if wide {
                (to.0, share(height, to.0, width).min(to.1))
            } else {
                (share(width, to.1, height).min(to.0), to.1)
            };
            let mut canvas = RgbImage::from_pixel(to.0, to.1, Rgb(target.background));
            // It fits: w and h are at most the canvas's.
            let _ = canvas.copy_from(&resized(&image, (w, h)), (to.0 - w) / 2, (to.1 - h) / 2);
            canvas
        }
    }
}
