//! The cipher of old zip archives. It keeps nothing secret from anybody who tries; it is here because archives have it.
//! APPNOTE.TXT 6.1.

use std::io::{self, Read};

/// What stands in front of the content of an encrypted file.
pub(super) const HEADER_BYTES: usize = 12;

const TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
};

fn crc32(sum: u32, byte: u8) -> u32 {
    (sum >> 8) ^ TABLE[usize::from((sum as u8) ^ byte)]
}

struct Keys(u32, u32, u32);

impl Keys {
    fn of(password: &[u8]) -> Keys {
        let mut keys = Keys(0x1234_5678, 0x2345_6789, 0x3456_7890);
        password.iter().for_each(|byte| keys.update(*byte));
        keys
    }

    fn update(&mut self, byte: u8) {
        self.0 = crc32(self.0, byte);
        self.1 = self.1.wrapping_add(self.0 & 0xff).wrapping_mul(134_775_813).wrapping_add(1);
        self.2 = crc32(self.2, (self.1 >> 24) as u8);
    }

    fn decrypt(&mut self, byte: u8) -> u8 {
        let word = (self.2 | 2) as u16;
        let plain = byte ^ (word.wrapping_mul(word ^ 1) >> 8) as u8;
        self.update(plain);
        plain
    }
}

pub(super) struct Decrypted<R> {
    packed: R,
    keys: Keys,
}

impl<R: Read> Decrypted<R> {
    /// None: the password is another one. Of wrong ones, one in 256 is found out by the content's checksum only.
    pub(super) fn new(mut packed: R, password: &str, check: u8) -> io::Result<Option<Decrypted<R>>> {
        let mut keys = Keys::of(password.as_bytes());
        let mut header = [0; HEADER_BYTES];
        packed.read_exact(&mut header)?;
        let last = header.into_iter().map(|byte| keys.decrypt(byte)).last();
        Ok((last == Some(check)).then_some(Decrypted { packed, keys }))
    }
}

impl<R: Read> Read for Decrypted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.packed.read(buffer)?;
        buffer[..count].iter_mut().for_each(|byte| *byte = self.keys.decrypt(*byte));
        Ok(count)
    }
}
