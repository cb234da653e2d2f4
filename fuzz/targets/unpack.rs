//! Whatever an archive says: reading it ends, its entries are as many as may be, their names lead nowhere else, and content that
//! is read to its end is as long as it says.

#![no_main]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::sync::{Mutex, OnceLock};

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::media::unpack::{Archive, EntryKind, How, MOST_ENTRIES, Source, path_of};

/// What is unpacked of one input.
const MOST_BYTES: u64 = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let how = How { encoding: None, password: Some("open it".to_owned()) };
    let Ok(archive) = Archive::open(Source::new(file(input)).unwrap(), &how) else { return };
    if let Some(entries) = archive.entries() {
        assert!(entries.count() <= MOST_ENTRIES);
    }
    let (mut count, mut left) = (0, MOST_BYTES);
    let _ = archive.each(&how, &mut |entry, content| {
        count += 1;
        if let Some(path) = path_of(&entry.name) {
            assert!(
                !path.is_empty()
                    && path.iter().all(|name| !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\\']))
            );
        }
        if let (EntryKind::File, Ok(content)) = (entry.kind, content) {
            let mut bytes = Vec::new();
            if content.take(left + 1).read_to_end(&mut bytes).is_ok() && (bytes.len() as u64) <= left {
                // Of a tar archive that is cut short, the end is told by who goes on to the next.
                assert!(bytes.len() as u64 <= entry.size_bytes);
            }
            left = left.saturating_sub(bytes.len() as u64);
        }
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(count <= MOST_ENTRIES);
});

/// A file of these bytes, without a name.
fn file(bytes: &[u8]) -> File {
    static ONE: OnceLock<Mutex<File>> = OnceLock::new();
    let one = ONE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("unpack-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        Mutex::new(file)
    });
    let mut file = one.lock().unwrap().try_clone().unwrap();
    file.set_len(0).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(bytes).unwrap();
    file
}
