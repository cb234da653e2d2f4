//! Covers and thumbnails: pictures made smaller, from a fixed set of sizes.

use std::fs::File;
use std::io::{Cursor, Read};

use fast_image_resize::images::Image;
use fast_image_resize::{PixelType, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use sha2::{Digest, Sha256};

use crate::error::Result;

/// Sizes that are made; a wish is rounded up to one, so that guests cannot fill a cache or a core with odd ones.
const SIZES: [u32; 7] = [64, 128, 256, 384, 512, 768, LARGEST_PX];
pub const LARGEST_PX: u32 = 1024;
/// Pictures of more pixels, or files of more bytes, are not decoded.
const PIXELS_MAX: u64 = 64_000_000;
const SOURCE_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DECODED_BYTES_MAX: u64 = 300 * 1024 * 1024;
const JPEG_QUALITY: u8 = 85;
const PORTRAIT_PX: u32 = 512;

/// The size that is made for a wish; 0 stands for the original.
pub fn size_class(size_px: Option<u32>) -> u32 {
    match size_px {
        None | Some(0) => 0,
        Some(wanted) => SIZES.into_iter().find(|size| *size >= wanted).unwrap_or(LARGEST_PX),
    }
}

/// A file that may be drawn from; none if it is too large for that.
pub fn read(file: &File) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(SOURCE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= SOURCE_BYTES_MAX))
}

/// A picture at most so wide and high as a size class says; itself where it is not larger. None when it cannot be read.
pub fn drawn(bytes: Vec<u8>, size_px: u32) -> Option<Vec<u8>> {
    // A decoder that panics on a hostile picture must not take its thread along.
    std::panic::catch_unwind(|| made(bytes, size_px)).ok().flatten()
}

/// Whether files of this ending are drawn without a foreign program.
pub fn draws(ending: &str) -> bool {
    ["jpg", "jpeg", "jfif", "png", "gif", "webp"].contains(&ending)
}

/// What a picture's first bytes say it is.
pub fn mime_of(bytes: &[u8]) -> Option<&'static str> {
    match image::guess_format(bytes).ok()? {
        ImageFormat::Jpeg => Some("image/jpeg"),
        ImageFormat::Png => Some("image/png"),
        ImageFormat::Gif => Some("image/gif"),
        ImageFormat::WebP => Some("image/webp"),
        _ => None,
    }
}

/// A square of four pictures, each cut to a square from its middle; of fewer, the first as it is. None when none can be
/// read.
pub fn mosaic(pictures: &[Vec<u8>], size_px: u32) -> Option<Vec<u8>> {
    std::panic::catch_unwind(|| {
        let [a, b, c, d] = pictures else { return made(pictures.first()?.clone(), size_px) };
        let side = (size_px / 2).max(1);
        let mut whole = image::RgbImage::new(2 * side, 2 * side);
        for (n, picture) in [a, b, c, d].into_iter().enumerate() {
            let tile = DynamicImage::from_decoder(decoder(picture)?)
                .ok()?
                .resize_to_fill(side, side, image::imageops::FilterType::Triangle)
                .to_rgb8();
            let (column, row) = (i64::from(side) * (n as i64 % 2), i64::from(side) * (n as i64 / 2));
            image::imageops::replace(&mut whole, &tile, column, row);
        }
        jpeg(&DynamicImage::ImageRgb8(whole))
    })
    .ok()
    .flatten()
}

/// None for what is too large to be decoded, or no picture.
fn decoder(bytes: &[u8]) -> Option<impl ImageDecoder> {
    mime_of(bytes)?;
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    (u64::from(width) * u64::from(height) <= PIXELS_MAX).then_some(decoder)
}

fn jpeg(picture: &DynamicImage) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY)).ok()?;
    Some(out)
}

fn made(bytes: Vec<u8>, size_px: u32) -> Option<Vec<u8>> {
    let mut decoder = decoder(&bytes)?;
    let (width, height) = decoder.dimensions();
    let longest = width.max(height);
    if size_px == 0 || longest <= size_px {
        drop(decoder);
        return Some(bytes);
    }
    let orientation = decoder.orientation().ok()?;
    let whole = DynamicImage::from_decoder(decoder).ok()?.to_rgb8();
    let whole = Image::from_vec_u8(width, height, whole.into_raw(), PixelType::U8x3).ok()?;
    let scaled =
        |side: u32| u32::try_from(u64::from(side) * u64::from(size_px) / u64::from(longest)).unwrap_or(1).max(1);
    let mut small = Image::new(scaled(width), scaled(height), PixelType::U8x3);
    Resizer::new().resize(&whole, &mut small, None).ok()?;
    let small = RgbImage::from_raw(small.width(), small.height(), small.into_vec())?;
    let mut picture = DynamicImage::ImageRgb8(small);
    picture.apply_orientation(orientation);
    jpeg(&picture)
}

/// For whoever chose no picture: fields by what their name hashes to, the left half mirrored.
pub fn pattern(name: &str) -> Option<Vec<u8>> {
    const FIELDS: u32 = 5;
    const FIELD_PX: u32 = 50;
    let digest = Sha256::digest(name.as_bytes());
    // Neither so light nor so dark that it goes under in a page.
    let colour = Rgb([digest[0], digest[1], digest[2]].map(|part| 64 + part / 2));
    let is_filled =
        |column: u32, row: u32| digest[(8 + row * FIELDS + column.min(FIELDS - 1 - column)) as usize % 32] & 1 == 1;
    let picture = RgbImage::from_fn(FIELDS * FIELD_PX, FIELDS * FIELD_PX, |x, y| {
        if is_filled(x / FIELD_PX, y / FIELD_PX) { colour } else { Rgb([240; 3]) }
    });
    jpeg(&DynamicImage::ImageRgb8(picture))
}

/// The square in the middle of a user's own picture, at most so wide. Always made anew, so that nothing else of the file
/// goes along. None when it cannot be read.
pub fn portrait(bytes: &[u8]) -> Option<Vec<u8>> {
    std::panic::catch_unwind(|| {
        let mut decoder = decoder(bytes)?;
        let orientation = decoder.orientation().ok()?;
        let mut picture = DynamicImage::from_decoder(decoder).ok()?;
        picture.apply_orientation(orientation);
        let side = picture.width().min(picture.height()).min(PORTRAIT_PX);
        let square = picture.resize_to_fill(side, side, image::imageops::FilterType::Triangle);
        jpeg(&DynamicImage::ImageRgb8(square.to_rgb8()))
    })
    .ok()
    .flatten()
}
