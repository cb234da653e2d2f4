//! Drop boxes: on which terms a share takes files from guests.

use super::{Change, Mode};
use crate::error::{Error, Result};
use crate::library::names::ending;

/// What a drop box asks of those who send to it. `None` means "no such limit".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DropBox {
    pub asks_name: bool,
    /// Each sender's files lie in a folder of their own.
    pub folder_per_sender: bool,
    pub most_file_bytes: Option<u64>,
    /// Of all files that were ever sent, and so with their count.
    pub most_total_bytes: Option<u64>,
    pub most_files: Option<u64>,
    /// Endings of names in small letters, without the dot. Empty: any.
    pub types: Vec<String>,
}

/// What was sent to a drop box, and what is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    pub files: u64,
    pub bytes: u64,
}

impl DropBox {
    /// One file by itself: its type, and its size as far as that is known.
    pub fn check_file(&self, name: &str, size_bytes: u64) -> Result<()> {
        if !self.types.is_empty() && !self.types.contains(&ending(name)) {
            return Err(Error::invalid("type", format!("only {} can be sent here", self.types.join(", "))));
        }
        match self.most_file_bytes {
            Some(limit_bytes) if size_bytes > limit_bytes => Err(Error::TooLarge { size_bytes, limit_bytes }),
            _ => Ok(()),
        }
    }

    /// One more file of this size, beside what the others are.
    pub fn check_room(&self, others: Received, size_bytes: u64) -> Result<()> {
        if self.most_files.is_some_and(|most| others.files >= most) {
            return Err(Error::Forbidden("this box takes no more files"));
        }
        match self.room_bytes(others) {
            Some(room) if size_bytes > room => Err(Error::Forbidden("so much does not fit into this box any more")),
            _ => Ok(()),
        }
    }

    /// How much all files on their way may still bring; `None` without a limit.
    pub fn room_bytes(&self, others: Received) -> Option<u64> {
        self.most_total_bytes.map(|most| most.saturating_sub(others.bytes))
    }

    /// How long a file may become whose size is not known beforehand.
    pub fn most_bytes(&self, others: Received) -> Option<u64> {
        [self.most_file_bytes, self.room_bytes(others)].into_iter().flatten().min()
    }
}

/// What a door wishes of a drop box; what it does not say stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DropWish {
    pub asks_name: Option<bool>,
    pub folder_per_sender: Option<bool>,
    pub most_file_bytes: Change<u64>,
    pub most_total_bytes: Change<u64>,
    pub most_files: Change<u64>,
    pub types: Option<Vec<String>>,
}

const MOST_TYPES: usize = 100;

impl DropWish {
    /// Refuses limits that let nothing through, and types that no name ends in.
    pub fn check(&self) -> Result<()> {
        for (what, change) in [
            ("max_file", &self.most_file_bytes),
            ("max_total", &self.most_total_bytes),
            ("max_files", &self.most_files),
        ] {
            if matches!(change, Change::Set(n) if *n < 1 || i64::try_from(*n).is_err()) {
                return Err(Error::invalid(what, "at least 1"));
            }
        }
        let is_ending = |ending: &String| {
            (1..=16).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if self.types.as_ref().is_some_and(|types| types.len() > MOST_TYPES || !types.iter().all(is_ending)) {
            return Err(Error::invalid("types", "endings of names by comma, such as jpg, png"));
        }
        Ok(())
    }

    /// Refuses what a share that takes no files would not keep.
    pub fn check_mode(&self, mode: Mode) -> Result<()> {
        if mode.takes_files() || *self == DropWish::default() {
            return Ok(());
        }
        Err(Error::invalid("mode", "only a drop box has such terms"))
    }

    pub fn apply(self, to: &mut DropBox) {
        to.asks_name = self.asks_name.unwrap_or(to.asks_name);
        to.folder_per_sender = self.folder_per_sender.unwrap_or(to.folder_per_sender);
        self.most_file_bytes.apply(&mut to.most_file_bytes);
        self.most_total_bytes.apply(&mut to.most_total_bytes);
        self.most_files.apply(&mut to.most_files);
        if let Some(types) = self.types {
            to.types = types;
        }
    }
}

/// A list of types as people write it: `jpg, .PNG`.
pub fn types_in(text: &str) -> Vec<String> {
    let ending = |part: &str| part.trim().trim_start_matches(['.', '*']).to_lowercase();
    text.split([',', ' ']).map(ending).filter(|ending| !ending.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_the_end_of_a_name_in_any_case() {
        let photos = DropBox { types: types_in("jpg, .PNG,*.gif"), ..DropBox::default() };
        assert_eq!(photos.types, ["jpg", "png", "gif"]);
        for name in ["a.jpg", "a.JPG", "a.b.Png"] {
            assert!(photos.check_file(name, 0).is_ok(), "{name}");
        }
        for name in ["a", "jpg", ".jpg", "a.jpg.exe", "a.jpg ", "a.jpg.", "a.jp\u{0261}"] {
            assert!(photos.check_file(name, 0).is_err(), "{name}");
        }
    }

    #[test]
    fn a_full_box_takes_nothing_and_an_open_one_what_fits() {
        let small =
            DropBox { most_files: Some(2), most_total_bytes: Some(10), most_file_bytes: Some(8), ..DropBox::default() };
        let others = |files, bytes| Received { files, bytes };
        assert!(small.check_room(others(1, 4), 6).is_ok());
        assert!(small.check_room(others(1, 4), 7).is_err());
        assert!(small.check_room(others(2, 0), 0).is_err());
        assert!(small.check_file("a", 9).is_err());
        assert_eq!(small.most_bytes(others(0, 0)), Some(8));
        assert_eq!(small.most_bytes(others(1, 7)), Some(3));
        assert_eq!(small.most_bytes(others(1, 70)), Some(0));
        assert_eq!(DropBox::default().most_bytes(others(9, 9)), None);
    }

    #[test]
    fn a_wish_that_lets_nothing_through_is_refused() {
        let wish = |most_files| DropWish { most_files, ..DropWish::default() };
        assert!(wish(Change::Set(1)).check().is_ok());
        assert!(wish(Change::Set(0)).check().is_err());
        assert!(wish(Change::Set(u64::MAX)).check().is_err());
        for types in ["a/b", "jpg\n", "..", "überlang"] {
            let types = Some(vec![types.to_owned()]);
            assert!(DropWish { types, ..DropWish::default() }.check().is_err());
        }
    }
}
