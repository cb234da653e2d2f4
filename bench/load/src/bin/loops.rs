//! What a scan cannot do without, and nothing else: `loops tags THREADS DIR` reads the tags of all files beneath DIR with
//! the crate that Openshelf reads them with, `loops walk DIR` lists them and asks for the stat of each. Both print how
//! many files there were and the seconds that it took, as JSON.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::bail;
use lofty::probe::Probe;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (files, took) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tags", threads, folder] => tags(threads.parse()?, Path::new(folder))?,
        ["walk", folder] => {
            let began = Instant::now();
            let (files, _inodes) = walk(Path::new(folder))?;
            (files.len(), began.elapsed())
        }
        _ => bail!("loops tags THREADS DIR, or loops walk DIR"),
    };
    println!("{{\"files\": {files}, \"seconds\": {}}}", took.as_secs_f64());
    Ok(())
}

fn walk(folder: &Path) -> anyhow::Result<(Vec<PathBuf>, u64)> {
    let (mut files, mut folders, mut inodes) = (Vec::new(), vec![folder.to_owned()], 0u64);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let stat = fs::symlink_metadata(&path)?;
            inodes = inodes.wrapping_add(stat.ino());
            if stat.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok((files, inodes))
}

/// The walk is not counted.
fn tags(threads: usize, folder: &Path) -> anyhow::Result<(usize, std::time::Duration)> {
    let (files, _inodes) = walk(folder)?;
    let (next, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tagged = Probe::open(path).ok().and_then(|probe| probe.guess_file_type().ok()?.read().ok());
                    read.fetch_add(usize::from(tagged.is_some()), Ordering::Relaxed);
                }
            });
        }
    });
    Ok((read.into_inner(), began.elapsed()))
}
