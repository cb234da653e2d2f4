//! Archives as others make them, some of them to do harm.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// Noon of the first of January 2024.
pub const MADE_S: u64 = 1_704_110_400;
const DATE: u16 = 0x5821;
const TIME: u16 = 0x6000;

/// A file or folder in a zip archive.
#[derive(Clone)]
pub struct Entry {
    name: Vec<u8>,
    content: Vec<u8>,
    is_deflated: bool,
    claims_bytes: Option<u32>,
    claims_sum: Option<u32>,
    method: Option<u16>,
    mode: u32,
    flags: u16,
    password: Option<&'static str>,
}

pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
    Entry {
        name: name.as_ref().to_vec(),
        content: content.as_ref().to_vec(),
        is_deflated: false,
        claims_bytes: None,
        claims_sum: None,
        method: None,
        mode: 0o100_644,
        flags: 0,
        password: None,
    }
}

impl Entry {
    pub fn deflated(mut self) -> Entry {
        self.is_deflated = true;
        self
    }

    /// As if it had so many bytes.
    pub fn claiming(mut self, bytes: u32) -> Entry {
        self.claims_bytes = Some(bytes);
        self
    }

    pub fn with_sum(mut self, sum: u32) -> Entry {
        self.claims_sum = Some(sum);
        self
    }

    pub fn with_method(mut self, method: u16) -> Entry {
        self.method = Some(method);
        self
    }

    /// Of Unix, its kind included.
    pub fn with_mode(mut self, mode: u32) -> Entry {
        self.mode = mode;
        self
    }

    pub fn in_utf8(mut self) -> Entry {
        self.flags |= 1 << 11;
        self
    }

    pub fn locked(mut self, password: &'static str) -> Entry {
        self.flags |= 1;
        self.password = Some(password);
        self
    }

    fn sum(&self) -> u32 {
        self.claims_sum.unwrap_or_else(|| crc32fast::hash(&self.content))
    }

    fn packed(&self) -> Vec<u8> {
        let packed = match self.is_deflated {
            true => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(&self.content).unwrap();
                encoder.finish().unwrap()
            }
            false => self.content.clone(),
        };
        match self.password {
            Some(password) => encrypted(&packed, password, (self.sum() >> 24) as u8),
            None => packed,
        }
    }

    /// What headers of both kinds have in common.
    fn head(&self, packed_bytes: usize) -> Vec<u8> {
        let method = self.method.unwrap_or(if self.is_deflated { 8 } else { 0 });
        let mut head = Vec::new();
        for word in [20, self.flags, method, TIME, DATE] {
            head.extend(word.to_le_bytes());
        }
        head.extend(self.sum().to_le_bytes());
        head.extend((packed_bytes as u32).to_le_bytes());
        head.extend(self.claims_bytes.unwrap_or(self.content.len() as u32).to_le_bytes());
        head.extend((self.name.len() as u16).to_le_bytes());
        head.extend(0u16.to_le_bytes());
        head
    }
}

pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut zip, mut lines) = (Vec::new(), Vec::new());
    for entry in entries {
        let (offset, packed) = (zip.len() as u32, entry.packed());
        let head = entry.head(packed.len());
        zip.extend([b"PK\x03\x04", &head[..], &entry.name, &packed].concat());
        lines.extend([b"PK\x01\x02\x14\x03", &head[..], &[0; 6]].concat());
        lines.extend((entry.mode << 16).to_le_bytes());
        lines.extend([&offset.to_le_bytes()[..], &entry.name].concat());
    }
    let count = entries.len() as u16;
    let (start, length) = (zip.len() as u32, lines.len() as u32);
    zip.extend(lines);
    zip.extend(end(count, length, start));
    zip
}

/// The end of a zip archive of so many entries.
pub fn end(count: u16, length: u32, start: u32) -> Vec<u8> {
    let count = count.to_le_bytes();
    [b"PK\x05\x06\0\0\0\0", &count[..], &count, &length.to_le_bytes(), &start.to_le_bytes(), &[0; 2]].concat()
}

/// APPNOTE.TXT 6.1, from the other side.
fn encrypted(plain: &[u8], password: &str, check: u8) -> Vec<u8> {
    let crc32 = |sum: u32, byte: u8| {
        let mut sum = sum ^ u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
        sum
    };
    let mut keys = [0x1234_5678u32, 0x2345_6789, 0x3456_7890];
    let mut update = |byte: u8| {
        keys[0] = crc32(keys[0], byte);
        keys[1] = keys[1].wrapping_add(keys[0] & 0xff).wrapping_mul(134_775_813).wrapping_add(1);
        keys[2] = crc32(keys[2], (keys[1] >> 24) as u8);
        let word = (keys[2] | 2) as u16;
        (word.wrapping_mul(word ^ 1) >> 8) as u8
    };
    let mut mask = 0;
    password.bytes().for_each(|byte| mask = update(byte));
    let header = [7u8; 11].into_iter().chain([check]);
    header
        .chain(plain.iter().copied())
        .map(|byte| {
            let hidden = byte ^ mask;
            mask = update(byte);
            hidden
        })
        .collect()
}

/// One thing in a tar archive: `0` is a file, `5` a folder, `2` a link whose target the content is.
pub fn tar(entries: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, name, content) in entries {
        tar.extend(head(*kind, name.as_bytes(), content.len() as u64));
        tar.extend(*content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

/// A header of tar that says this.
pub fn head(kind: u8, name: &[u8], size_bytes: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(size_bytes);
    header.set_mode(0o644);
    header.set_mtime(MADE_S);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_cksum();
    header.as_bytes().to_vec()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `d/a.txt`, of 4 bytes; `b.txt`, of 9000; and a link, as 7-Zip packs them.
pub const SEVEN: &str = "N3q8ryccAASqvOcTtQAAAAAAAAAhAAAAAAAAAF6yovbgIy8AMl0AMW/7v/6jsV7l+D+yqiZV+GhwQXAVD439HkwbikK3GfRpGHGuVMGqqpL/j7\
    p4MYGRDAAAAACBMweuD9GYLRigkKB3XrpXH+bJ7oYwEi1I0KdVapXyX1VScpbWZP+YiN0qoCABUkyjd1gljhE6Zg70RTkrYynHnPt33OJURhJF\
    CQptJTPe+UZi2iRW/WvJicL5lbmxuMtxGSOH9xoV6Jv41BQuQaKHtOYBrmAtAAAAFwY6AQl7AAcLAQABIwMBAQVdABAAAAyAngoBhTHgAgAA";
/// The same without the link, locked with `open it`, names and all.
pub const SEVEN_LOCKED: &str = "N3q8ryccAARqr4BS0AAAAAAAAAA+AAAAAAAAAIagMsm0ls+S5b973puycArV4MYxuNKa+FvSgHulkpO+5GlDOFhIqhgW5tYitmE7xZr1pV+k/Y\
    xFLgEsDRTcJ+eB+6bdoORai9Yp2LuxTcJ9ILJtbpEMpW5YgmqAloR4cNJTeOX0mg6rZMdmK6fWSPE3YYYpSKHAH88H/+94vVg0CdMbC/teIl4u\
    VsB2dlotObZAJwtapEsyWT/mL6LiYi2rYZT3ChfvxzvI4rxQ6NQqTO6rg9TmnRzbobM4uDGhVjigeVmBiqJr6W9myWSm3jhMaAdiFwZAAQmAkA\
    AHCwEAAiQG8QcBElMPx88EPgesHZa3lEQrwkDcaCMDAQEFXQAQAAABAAyAjYCiCgGddB1+AAA=";
/// The same, but anybody sees the names.
pub const SEVEN_LOCKED_CONTENT: &str = "N3q8ryccAARDAyKazQAAAAAAAAAiAAAAAAAAAI0pKnca+4fHi42TCJE2DmjW8UExv6CGBtjdfZLqF9+HjC2YA39EY/A0xGL6nAWRie/kbcil3Q\
    NYQ8kBbQ8fLU4uqgA4AACBMweuD9Hy+/1Au5RkOzmkeudqI0YG5ykcbTRMF2rB6hLagKIh8DcNA48SgAdGC1MQI0XtrG/oiENBHmHTwrb4Q0Ed\
    kLx13JkXBFX5O1lXaLCuDBcZvc/RNrBJ5j9A8UjyfKwey6b2+HouAWggamSb4PhDBrHAFJjeYXvLLqpeioazIiDpK6WdAAAAFwZAAQmAjQAHCw\
    EAASMDAQEFXQAQAAAMgKIKATyIdFsAAA==";

pub fn base64(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
}
