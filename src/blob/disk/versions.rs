//! Former contents of files: `.openshelf/versions/{id}`, out of sight of every listing and scan.
//!
//! A content is given its second name there before its first one goes to another. So whatever stops the machine in between,
//! it has one of both; [`Root::is_at`] tells which.

use rustix::fs::linkat;

use super::*;

const VERSIONS: &[u8] = b"versions";
/// Contents that were kept under one id: files that were written over again before their rows told.
const MOST_TWINS: u32 = 1000;

impl Root {
    /// Keeps what is at a path now. `wish` is its name there: letters, digits, `-`; the id that it got is that or longer.
    pub fn keep_version<N: AsRef<[u8]>>(&self, path: &[N], wish: &str) -> Result<String> {
        let path = self.checked(path)?;
        let (parent, name) = self.parent_to_change(&path)?;
        let versions = self.versions_folder()?;
        for number in 1..=MOST_TWINS {
            let id = if number == 1 { wish.to_owned() } else { format!("{wish}-{number}") };
            match linkat(&parent, name, &versions, checked_id(&id)?, AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::EXIST) if self.is_at(&id, &path)? => {}
                Err(Errno::EXIST) => continue,
                // Not every file system gives a file two names.
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::XDEV) => {
                    match self.copy_to_versions(&path, &versions, &id) {
                        Err(Error::Exists(_)) => continue,
                        copied => copied?,
                    }
                }
                Err(cause) => return Err(failed(cause, name)),
            }
            sync_folder(&versions)?;
            return Ok(id);
        }
        Err(Error::Busy)
    }

    fn copy_to_versions(&self, path: &[&[u8]], versions: &OwnedFd, id: &str) -> Result<()> {
        let mut source = self.open_file(path)?;
        let stat = Stat::of(&source)?;
        let mut copy = self.create_temporary(stat.size_bytes)?;
        std::io::copy(&mut source, &mut copy.file())?;
        set_modified(copy.file(), stat.modified_ms)?;
        copy.file().sync_all()?;
        rename_new(&copy.folder, copy.name.as_bytes(), versions, checked_id(id)?)?;
        copy.unlink = false;
        Ok(())
    }

    /// For reading.
    pub fn open_version(&self, id: &str) -> Result<File> {
        let gone = |cause| match cause {
            Error::NotFound(_) => Error::NotFound(Thing::Version),
            other => other,
        };
        let path = [HIDDEN, VERSIONS, checked_id(id)?];
        let file = self.reach(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(gone)?;
        match Stat::of(&file)?.kind {
            Kind::File => Ok(File::from(file)),
            Kind::Folder => Err(Error::NotFound(Thing::Version)),
        }
    }

    /// Gives a former content the name of the current one, in place of that.
    pub fn put_version<N: AsRef<[u8]>>(&self, id: &str, to: &[N]) -> Result<()> {
        let to = self.checked(to)?;
        let (parent, name) = self.parent_to_change(&to)?;
        let versions = self.versions_folder()?;
        renameat(&versions, checked_id(id)?, &parent, name).map_err(|cause| match cause {
            Errno::NOENT => Error::NotFound(Thing::Version),
            cause => moving(cause, name),
        })?;
        sync_folder(&parent)?;
        sync_folder(&versions)
    }

    /// Final. What is gone already is no error.
    pub fn remove_version(&self, id: &str) -> Result<()> {
        let versions = self.versions_folder()?;
        match unlinkat(&versions, checked_id(id)?, AtFlags::empty()) {
            Ok(()) => sync_folder(&versions),
            Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(failed(cause, b"")),
        }
    }

    /// Whether what is at the path is that very version: it was to be written over, and never was.
    pub fn is_at<N: AsRef<[u8]>>(&self, id: &str, path: &[N]) -> Result<bool> {
        let kept = Stat::of(self.open_version(id)?)?;
        match self.stat(path) {
            Ok(current) => Ok((current.device, current.inode) == (kept.device, kept.inode)),
            Err(Error::NotFound(_)) => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    /// Ids of all that are there; `None` where nothing was ever kept, which a disk that is not mounted looks like.
    pub fn versions(&self) -> Result<Option<Vec<String>>> {
        let versions = match self.reach(&[HIDDEN, VERSIONS], OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Error::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in Dir::read_from(&versions).map_err(|e| failed(e, b""))? {
            let entry = entry.map_err(|e| failed(e, b""))?;
            found.extend(entry.file_name().to_str().ok().filter(|name| checked_id(name).is_ok()).map(str::to_owned));
        }
        Ok(Some(found))
    }

    fn versions_folder(&self) -> Result<OwnedFd> {
        let hidden = self.hidden_folder()?;
        match mkdirat(&hidden, VERSIONS, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => self.reach(&[HIDDEN, VERSIONS], OFlags::RDONLY | OFlags::DIRECTORY),
            Err(cause) => Err(failed(cause, VERSIONS)),
        }
    }
}

fn checked_id(id: &str) -> Result<&[u8]> {
    match id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && (1..=64).contains(&id.len()) {
        true => Ok(id.as_bytes()),
        false => Err(Error::NotFound(Thing::Version)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn text(root: &Root, id: &str) -> String {
        let mut text = String::new();
        root.open_version(id).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn write(root: &Root, content: &str) {
        let temporary = root.create_temporary(0).unwrap();
        std::io::Write::write_all(&mut temporary.file(), content.as_bytes()).unwrap();
        root.commit(temporary, &[b"note"], Existing::Replace).unwrap();
    }

    #[test]
    fn what_is_written_over_stays_under_its_id_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("note"), "one").unwrap();
        let root = Root::open(folder.path()).unwrap();
        assert_eq!(root.keep_version(&[b"note"], "f1-1").unwrap(), "f1-1");
        assert!(root.is_at("f1-1", &[b"note"]).unwrap(), "nothing was written over yet");
        assert_eq!(root.keep_version(&[b"note"], "f1-1").unwrap(), "f1-1", "it is kept already");
        write(&root, "two");
        assert!(!root.is_at("f1-1", &[b"note"]).unwrap());
        assert_eq!(
            root.keep_version(&[b"note"], "f1-1").unwrap(),
            "f1-1-2",
            "another content is not lost to the same id"
        );
        write(&root, "three");
        assert_eq!((text(&root, "f1-1"), text(&root, "f1-1-2")), ("one".to_owned(), "two".to_owned()));
        assert_eq!(root.sweep_temporaries(|_| false).unwrap(), 0);
        root.put_version("f1-1", &[b"note"]).unwrap();
        assert_eq!(std::fs::read(folder.path().join("note")).unwrap(), b"one");
        assert_eq!(root.versions().unwrap().unwrap(), ["f1-1-2"]);
        root.remove_version("f1-1-2").unwrap();
        root.remove_version("f1-1-2").unwrap();
        assert!(root.versions().unwrap().unwrap().is_empty());
        for odd in ["", "..", "../../note", "a/b", "a.b"] {
            assert!(matches!(root.open_version(odd), Err(Error::NotFound(Thing::Version))), "{odd}");
            assert!(matches!(root.put_version(odd, &[b"note"]), Err(Error::NotFound(Thing::Version))));
            assert!(matches!(root.remove_version(odd), Err(Error::NotFound(Thing::Version))));
        }
    }
}
