//! Pictures that a person can read and a simple program cannot: a few letters and digits, bent, over noise.

use image::{ImageFormat, Rgb, RgbImage};

use crate::account::token::random_bytes;

const WIDTH: u32 = 240;
const HEIGHT: u32 = 80;
const CHARS: usize = 5;

/// What stands in pictures, each with the seven rows of its five columns. Nothing that looks like something else.
const GLYPHS: [(char, [u8; 7]); 24] = [
    ('2', [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111]),
    ('3', [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110]),
    ('4', [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010]),
    ('6', [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110]),
    ('7', [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000]),
    ('9', [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100]),
    ('A', [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001]),
    ('C', [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110]),
    ('E', [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111]),
    ('F', [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('H', [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001]),
    ('J', [0b00111, 0b00010, 0b00010, 0b00010, 0b00010, 0b10010, 0b01100]),
    ('K', [0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001]),
    ('L', [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111]),
    ('M', [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001]),
    ('N', [0b10001, 0b11001, 0b10101, 0b10011, 0b10001, 0b10001, 0b10001]),
    ('P', [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('R', [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001]),
    ('T', [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100]),
    ('U', [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('V', [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100]),
    ('W', [0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b11011, 0b10001]),
    ('X', [0b10001, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001, 0b10001]),
    ('Y', [0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100]),
];

/// Letters and digits to be read.
pub fn word() -> String {
    random_bytes::<CHARS>().iter().map(|byte| GLYPHS[usize::from(*byte) % GLYPHS.len()].0).collect()
}

/// A PNG that shows the word.
pub fn draw(word: &str) -> Vec<u8> {
    let mut chance = Chance(u64::from_le_bytes(random_bytes()) | 1);
    let mut picture = RgbImage::new(WIDTH, HEIGHT);
    for pixel in picture.pixels_mut() {
        let light = 205 + chance.below(50) as u8;
        *pixel = Rgb([light, light, 255 - chance.below(40) as u8]);
    }
    let room = WIDTH as f32 / CHARS as f32;
    for (place, c) in word.chars().take(CHARS).enumerate() {
        let Some((_, rows)) = GLYPHS.iter().find(|(known, _)| *known == c) else { continue };
        let middle = (room * (place as f32 + 0.5) + chance.around(4.0), HEIGHT as f32 / 2.0 + chance.around(8.0));
        glyph(&mut picture, rows, middle, &mut chance);
    }
    for _ in 0..3 {
        line(&mut picture, &mut chance);
    }
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).expect("a picture of this size can be written to memory");
    png.into_inner()
}

/// Turned, leaned and bent: each pixel of the picture is looked up in the glyph.
fn glyph(picture: &mut RgbImage, rows: &[u8; 7], middle: (f32, f32), chance: &mut Chance) {
    let (sine, cosine) = chance.around(0.35).sin_cos();
    let (lean, size) = (chance.around(0.25), 6.5 + chance.around(0.8));
    let (bend, phase) = (chance.around(2.5), chance.around(3.0));
    let ink = Rgb([chance.below(110) as u8, chance.below(110) as u8, chance.below(140) as u8]);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (dx, dy) = (x as f32 - middle.0, y as f32 - middle.1);
        let (u, v) = (dx * cosine + dy * sine, dy * cosine - dx * sine);
        let u = u + v * lean + bend * (v / 9.0 + phase).sin();
        let (column, row) = (u / size + 2.5, v / size + 3.5);
        let inside = (0.0..5.0).contains(&column) && (0.0..7.0).contains(&row);
        if inside && rows[row as usize] & (0b10000 >> column as usize) != 0 {
            *pixel = ink;
        }
    }
}

/// Across the whole, of the same colours as what is to be read.
fn line(picture: &mut RgbImage, chance: &mut Chance) {
    let ink = Rgb([chance.below(120) as u8, chance.below(120) as u8, chance.below(150) as u8]);
    let (height, rise) = (HEIGHT as f32 / 2.0 + chance.around(25.0), chance.around(0.15));
    let (swing, width) = (5.0 + chance.around(4.0), 25.0 + chance.around(8.0));
    for x in 0..WIDTH {
        let y = height + rise * (x as f32 - WIDTH as f32 / 2.0) + swing * (x as f32 / width).sin();
        for y in [y, y + 1.0] {
            if (0.0..HEIGHT as f32).contains(&y) {
                picture.put_pixel(x, y as u32, ink);
            }
        }
    }
}

/// Numbers that need not be secret: the word is what has to be.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From `-most` to `most`.
    fn around(&mut self, most: f32) -> f32 {
        (self.below(2001) as f32 / 1000.0 - 1.0) * most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_its_word_and_is_another_each_time() {
        let word = word();
        assert_eq!(word.chars().count(), CHARS);
        let (first, second) = (draw(&word), draw(&word));
        assert_ne!(first, second);
        let picture = image::load_from_memory(&first).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (WIDTH, HEIGHT));
        let dark = picture.pixels().filter(|pixel| pixel.0[0] < 130).count();
        let blank = image::load_from_memory(&draw("")).unwrap().to_rgb8();
        let lines = blank.pixels().filter(|pixel| pixel.0[0] < 130).count();
        assert!(dark > lines + 1000, "{dark} dark pixels, {lines} of lines");
    }
}
