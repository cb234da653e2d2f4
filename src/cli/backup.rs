//! `openshelf backup` and `restore`: one tar file with all that an installation cannot be made anew from.
//!
//! `manifest.json`, `tables/{name}.jsonl` in an order in which rows can be put back, `master.key`, and `homes/{user id}/…`.
//! The same on both engines, and from one to the other. Folders that are served in place are no part of it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, EntryType, Header};
use walkdir::WalkDir;

use super::control::Claim;
use super::order::Progress;
use crate::account::token::{Keys, random_base62};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::store::backup::{self as rows, Intake, TABLES};
use crate::store::{Db, settings};
use crate::work::libraries::{HOMES, home_folder};
use crate::{App, now_ms};

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const KEY: &str = "master.key";
const SMALL_BYTES: u64 = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// Of the program that made it.
    version: String,
    /// Number of the schema's last step.
    schema: i64,
    created_ms: i64,
}

// Backup -------------------------------------------------------------------------------------------------------------

/// Writes a backup to `file`, aside first, so that a backup of that name is either the old one or whole. Blocks.
pub fn write(app: &App, file: &Path, progress: &dyn Fn(Progress)) -> Result<()> {
    let mut aside = file.as_os_str().to_owned();
    aside.push(format!(".{}.part", random_base62(6)));
    let aside = Aside(PathBuf::from(aside));
    let out = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&aside.0);
    let out = out.map_err(|cause| cannot_write(file, cause))?;

    progress(Progress { what: "Keeping rows".to_owned(), done: 0, total: 0 });
    let (mut tar, homes) = app.db.read_blocking(move |tx| {
        let mut tar = Builder::new(BufWriter::new(out));
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: rows::schema(tx)?,
            created_ms: now_ms(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(|cause| Error::internal("manifest", cause))?;
        append_small(&mut tar, MANIFEST, &manifest)?;
        for table in TABLES {
            let mut header = header(EntryType::Regular, 0o600, now_ms() / 1000);
            let mut entry = tar.append_writer(&mut header, format!("tables/{}.jsonl", table.0))?;
            let mut lines = BufWriter::new(&mut entry);
            rows::dump(tx, *table, |row| {
                serde_json::to_writer(&mut lines, row).map_err(std::io::Error::from)?;
                Ok(lines.write_all(b"\n")?)
            })?;
            lines.flush()?;
            drop(lines);
            entry.finish()?;
        }
        Ok((tar, rows::homes(tx)?))
    })?;
    append_small(&mut tar, KEY, app.keys.text().as_bytes())?;
    let mut done = 0;
    for (owner_id, root) in homes {
        let root = PathBuf::from(std::ffi::OsString::from_vec(root));
        append_home(&mut tar, &owner_id, &root, &mut || {
            done += 1;
            progress(Progress { what: "Keeping files".to_owned(), done, total: 0 });
        })?;
    }
    let out = tar.into_inner()?.into_inner().map_err(|cause| Error::from(cause.into_error()))?;
    out.sync_all()?;
    std::fs::rename(&aside.0, file).map_err(|cause| cannot_write(file, cause))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

fn cannot_write(file: &Path, cause: std::io::Error) -> Error {
    Error::invalid("file", format!("{} cannot be written: {cause}", file.display()))
}

/// A file or folder that is removed unless it was moved to its place.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        if self.0.is_dir() {
            let _ = std::fs::remove_dir_all(&self.0);
        } else {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

fn header(kind: EntryType, mode: u32, modified_s: i64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(modified_s.max(0) as u64);
    header.set_size(0);
    header
}

fn append_small(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<()> {
    let mut header = header(EntryType::Regular, 0o600, now_ms() / 1000);
    header.set_size(bytes.len() as u64);
    Ok(tar.append_data(&mut header, name, bytes)?)
}

/// Files and folders of a home. What vanishes meanwhile is left out; links are no part of a home.
fn append_home(tar: &mut Builder<impl Write>, owner_id: &str, root: &Path, each: &mut dyn FnMut()) -> Result<()> {
    for found in WalkDir::new(root).follow_links(false).sort_by_file_name() {
        let Ok(found) = found else { continue };
        let Ok(below) = found.path().strip_prefix(root) else { continue };
        let place = Path::new(HOMES).join(owner_id).join(below);
        let Ok(metadata) = found.metadata() else { continue };
        let modified_s = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_secs() as i64);
        if metadata.is_dir() {
            tar.append_data(&mut header(EntryType::Directory, 0o755, modified_s), &place, std::io::empty())?;
        } else if metadata.is_file() {
            let file = match File::open(found.path()) {
                Ok(file) => file,
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                Err(cause) => return Err(Error::internal(&format!("cannot read {}", found.path().display()), cause)),
            };
            let mut header = header(EntryType::Regular, 0o644, modified_s);
            header.set_size(metadata.len());
            // A file that is being written to: as much as was announced, whatever became of it.
            tar.append_data(&mut header, &place, file.chain(std::io::repeat(0)).take(metadata.len()))?;
        }
        each();
    }
    Ok(())
}

// Restore ------------------------------------------------------------------------------------------------------------

/// Brings a backup into an empty installation. Rows come in one transaction; files are unpacked aside and moved. Blocks.
pub fn restore(config: &Config, file: &Path) -> anyhow::Result<()> {
    let archive = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    for folder in [&config.data, &config.storage] {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let _claim = Claim::new(&config.data)?;
    let storage = config.storage.canonicalize()?;
    let used = "restore only works into an empty installation";
    let homes = storage.join(HOMES);
    let has_homes = std::fs::read_dir(&homes).is_ok_and(|mut entries| entries.next().is_some());
    ensure!(!has_homes, "{used}: {} holds files", homes.display());
    let db = Db::open(&config.database)?;
    ensure!(db.read_blocking(rows::is_empty)?, "{used}: the database holds rows");

    let aside = Aside(storage.join(format!(".restore-{}", random_base62(8))));
    std::fs::DirBuilder::new().mode(0o700).create(&aside.0)?;
    unpack(archive, &aside.0).with_context(|| format!("{} cannot be restored", file.display()))?;
    let manifest: Manifest =
        serde_json::from_slice(&std::fs::read(aside.0.join(MANIFEST)).context("it has no manifest")?)?;
    ensure!(manifest.format == FORMAT, "it was made by another version of Openshelf, {}", manifest.version);
    let schema = db.read_blocking(rows::schema)?;
    ensure!(manifest.schema <= schema, "it was made by a newer version of Openshelf, {}", manifest.version);
    let text = std::fs::read_to_string(aside.0.join(KEY)).context("it has no master key")?;
    let keys = Keys::parse(&text).context("its master key is none")?;
    let key_file = config.data.join(KEY);
    if key_file.exists() {
        let own = Keys::load_or_create(&key_file)?;
        ensure!(own.fingerprint() == keys.fingerprint(), "{used}: {} is another one", key_file.display());
    }

    let (unpacked, into, fingerprint) = (aside.0.clone(), storage.clone(), keys.fingerprint());
    let key_aside = aside.0.join(KEY);
    db.write_blocking(move |tx| {
        let mut intake = Intake::default();
        for (table, _) in TABLES {
            let lines = match File::open(unpacked.join("tables").join(format!("{table}.jsonl"))) {
                Ok(lines) => BufReader::new(lines),
                // An older version had no such table.
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                Err(cause) => return Err(cause.into()),
            };
            for line in lines.lines() {
                let row = serde_json::from_str(&line?)
                    .map_err(|cause| Error::invalid("backup", format!("a row of {table} is not JSON: {cause}")))?;
                intake.row(tx, table, &row)?;
            }
        }
        intake.finish(tx)?;
        if settings::get(tx, "key-fingerprint")?.is_some_and(|stored| stored != fingerprint) {
            return Err(Error::invalid("backup", "its rows were made with another master key"));
        }
        for (owner_id, _) in rows::homes(tx)? {
            rows::set_home(tx, &owner_id, home_folder(&into, &owner_id).as_os_str().as_bytes())?;
        }
        // Before the rows are there for good: what fails here leaves an empty database to try again with.
        let (from, to) = (unpacked.join(HOMES), into.join(HOMES));
        if from.exists() {
            std::fs::rename(&from, &to)?;
        }
        std::fs::rename(&key_aside, &key_file)?;
        Ok(())
    })?;
    db.close();
    Ok(())
}

/// Unpacks what a backup may hold, and refuses all else: links, absolute paths, ways up, other places.
fn unpack(archive: File, aside: &Path) -> anyhow::Result<()> {
    let mut archive = Archive::new(BufReader::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let bytes = entry.path_bytes().into_owned();
        let name = String::from_utf8_lossy(&bytes).into_owned();
        let path = PathBuf::from(OsStr::from_bytes(&bytes));
        let parts: Option<Vec<&OsStr>> =
            path.components().map(|part| if let Component::Normal(name) = part { Some(name) } else { None }).collect();
        let Some(parts) = parts else { bail!("the entry {name:?} leads elsewhere") };
        let kind = entry.header().entry_type();
        let names: Vec<&str> = parts.iter().take(2).filter_map(|part| part.to_str()).collect();
        let fits = match names.as_slice() {
            [MANIFEST | KEY] => kind == EntryType::Regular && parts.len() == 1 && entry.size() <= SMALL_BYTES,
            ["tables", file] => {
                let table = file.strip_suffix(".jsonl");
                kind == EntryType::Regular
                    && parts.len() == 2
                    && table.is_some_and(|table| TABLES.iter().any(|(known, _)| *known == table))
            }
            [HOMES, owner_id] => {
                matches!(kind, EntryType::Regular | EntryType::Directory)
                    && owner_id.bytes().all(|b| b.is_ascii_alphanumeric())
                    && (parts.len() > 2 || kind == EntryType::Directory)
            }
            _ => false,
        };
        ensure!(fits, "the entry {name:?} is none of a backup");
        let to = aside.join(&path);
        let folder = if kind == EntryType::Directory { Some(to.as_path()) } else { to.parent() };
        if let Some(folder) = folder {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        if kind == EntryType::Regular {
            // No link can be there: none was unpacked, and the folder is new.
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
            let copied = std::io::copy(&mut entry, &mut file)?;
            ensure!(copied == entry.size(), "the entry {name:?} breaks off");
            if let Ok(modified_s) = entry.header().mtime() {
                let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(modified_s));
                at.map(|at| file.set_modified(at)).transpose()?;
            }
        }
    }
    Ok(())
}
