//! Covers and thumbnails: pictures made smaller, from a fixed set of sizes.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};

use fast_image_resize::images::Image;
use fast_image_resize::{PixelType, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::error::{Error, Result, Thing};
use crate::library::{Item, Media, tags};

/// Sizes that are made; a wish is rounded up to one, so that guests cannot fill a cache or a core with odd ones.
const SIZES: [u32; 7] = [64, 128, 256, 384, 512, 768, 1024];
/// Pictures of more pixels, or files of more bytes, are not decoded.
const PIXELS_MAX: u64 = 64_000_000;
const SOURCE_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DECODED_BYTES_MAX: u64 = 300 * 1024 * 1024;
const JPEG_QUALITY: u8 = 85;

/// A picture that is ready to be sent.
pub struct Picture {
    pub mime: &'static str,
    pub bytes: Vec<u8>,
}

/// The size that is made for a wish; 0 stands for the original.
pub fn size_class(size_px: Option<u32>) -> u32 {
    match size_px {
        None | Some(0) => 0,
        Some(wanted) => SIZES.into_iter().find(|size| *size >= wanted).unwrap_or(1024),
    }
}

/// The picture in a track's tags, or an image file itself. `NotFound(Cover)` when there is none that can be read.
pub fn of_item(file: File, item: &Item, size_px: Option<u32>) -> Result<Picture> {
    let none = || Error::NotFound(Thing::Cover);
    let bytes = match item.media {
        Media::Audio => tags::cover(BufReader::new(file), &item.name).ok_or_else(none)?.1,
        Media::Image if item.size_bytes <= SOURCE_BYTES_MAX => {
            let mut bytes = Vec::new();
            file.take(SOURCE_BYTES_MAX).read_to_end(&mut bytes)?;
            bytes
        }
        Media::Image | Media::Video | Media::None => return Err(none()),
    };
    // A decoder that panics on a hostile picture must not take its thread along.
    std::panic::catch_unwind(|| made(&bytes, size_class(size_px))).ok().flatten().ok_or_else(none)
}

fn made(bytes: &[u8], size_px: u32) -> Option<Picture> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    reader.limits(limits);
    let mime = match reader.format()? {
        image::ImageFormat::Jpeg => "image/jpeg",
        image::ImageFormat::Png => "image/png",
        image::ImageFormat::Gif => "image/gif",
        image::ImageFormat::WebP => "image/webp",
        _ => return None,
    };
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return None;
    }
    let longest = width.max(height);
    if size_px == 0 || longest <= size_px {
        return Some(Picture { mime, bytes: bytes.to_vec() });
    }
    let orientation = decoder.orientation().ok()?;
    let whole = DynamicImage::from_decoder(decoder).ok()?.to_rgb8();
    let whole = Image::from_vec_u8(width, height, whole.into_raw(), PixelType::U8x3).ok()?;
    let scaled =
        |side: u32| u32::try_from(u64::from(side) * u64::from(size_px) / u64::from(longest)).unwrap_or(1).max(1);
    let mut small = Image::new(scaled(width), scaled(height), PixelType::U8x3);
    Resizer::new().resize(&whole, &mut small, None).ok()?;
    let small = image::RgbImage::from_raw(small.width(), small.height(), small.into_vec())?;
    let mut picture = DynamicImage::ImageRgb8(small);
    picture.apply_orientation(orientation);
    let mut out = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY)).ok()?;
    Some(Picture { mime: "image/jpeg", bytes: out })
}
