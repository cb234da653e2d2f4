//! Where what was deleted waits: `.openshelf/trash/{id}`, out of sight of every listing and scan.

use super::*;

const TRASH: &[u8] = b"trash";

impl Root {
    /// Moves a file or folder out of sight. `id` is its name there: letters and digits.
    pub fn trash<N: AsRef<[u8]>>(&self, path: &[N], id: &str) -> Result<()> {
        let path = self.checked(path)?;
        self.stat(&path)?;
        let (parent, name) = self.parent_to_change(&path)?;
        let trash = self.trash_folder()?;
        rename_new(&parent, name, &trash, checked_id(id)?)?;
        sync_folder(&trash)?;
        sync_folder(&parent)
    }

    /// The way back; never onto something else.
    pub fn restore<N: AsRef<[u8]>>(&self, id: &str, to: &[N]) -> Result<()> {
        let to = self.checked(to)?;
        let (parent, name) = self.parent_to_change(&to)?;
        let trash = self.trash_folder()?;
        rename_new(&trash, checked_id(id)?, &parent, name)?;
        sync_folder(&parent)?;
        sync_folder(&trash)
    }

    /// Final. What is gone already is no error.
    pub fn purge(&self, id: &str) -> Result<()> {
        let (trash, id) = (self.trash_folder()?, checked_id(id)?);
        match unlinkat(&trash, id, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // Which of the two a folder is answered with depends on the system.
            Err(Errno::ISDIR | Errno::PERM) => remove_tree(&trash, id)?,
            Err(cause) => return Err(failed(cause, b"")),
        }
        sync_folder(&trash)
    }

    /// Names of all that waits.
    pub fn in_trash(&self) -> Result<Vec<String>> {
        let trash = match self.reach(&[HIDDEN, TRASH], OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Error::NotFound(_)) => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in Dir::read_from(&trash).map_err(|e| failed(e, b""))? {
            let entry = entry.map_err(|e| failed(e, b""))?;
            found.extend(entry.file_name().to_str().ok().filter(|name| checked_id(name).is_ok()).map(str::to_owned));
        }
        Ok(found)
    }

    fn trash_folder(&self) -> Result<OwnedFd> {
        let hidden = self.hidden_folder()?;
        match mkdirat(&hidden, TRASH, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => self.reach(&[HIDDEN, TRASH], OFlags::RDONLY | OFlags::DIRECTORY),
            Err(cause) => Err(failed(cause, TRASH)),
        }
    }
}

fn checked_id(id: &str) -> Result<&[u8]> {
    match id.bytes().all(|b| b.is_ascii_alphanumeric()) && (1..=64).contains(&id.len()) {
        true => Ok(id.as_bytes()),
        false => Err(Error::NotFound(Thing::File)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_trash_shows_nowhere_until_it_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("album/disc")).unwrap();
        std::fs::write(folder.path().join("album/disc/song"), "x").unwrap();
        let root = Root::open(folder.path()).unwrap();
        root.trash(&[b"album"], "d1").unwrap();
        assert!(root.list::<&[u8]>(&[]).unwrap().is_empty());
        assert_eq!(root.in_trash().unwrap(), ["d1"]);
        assert_eq!(root.sweep_temporaries(|_| false).unwrap(), 0);
        root.restore("d1", &[b"again"]).unwrap();
        assert_eq!(std::fs::read(folder.path().join("again/disc/song")).unwrap(), b"x");
        root.trash(&[b"again"], "d1").unwrap();
        root.purge("d1").unwrap();
        root.purge("d1").unwrap();
        assert!(root.in_trash().unwrap().is_empty());
        for odd in ["", "..", "../../album", "a/b"] {
            assert!(matches!(root.purge(odd), Err(Error::NotFound(_))));
            assert!(matches!(root.restore(odd, &[b"x"]), Err(Error::NotFound(_))));
        }
    }
}
