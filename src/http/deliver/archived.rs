//! What is in an archive, told without unpacking it.

use encoding_rs::Encoding;
use tokio::sync::Semaphore;

use super::on_disk;
use crate::error::{Error, Result, Thing};
use crate::library::Library;
use crate::library::versions::Version;
use crate::media::unpack::{Archive, Entry, How, Source, Trouble};
use crate::share::grant::Grant;
use crate::work::roots;

/// Tables of contents that are read at a time: each may take some dozens of MB.
static READING: Semaphore = Semaphore::const_new(2);

/// Its table of contents, or that of a former content with the library that it lies in; `Unsupported` for what has none, or is
/// no archive that can be read here. Names that do not say what they are written in are taken to be in `encoding`.
pub async fn archived(
    grant: Grant,
    former: Option<(Version, Library)>,
    encoding: Option<&'static Encoding>,
) -> Result<Vec<Entry>> {
    if grant.item().is_folder() {
        return Err(Error::NotFound(Thing::File));
    }
    let _turn = READING.acquire().await.map_err(|cause| Error::internal("archives", cause))?;
    on_disk(move || {
        let file = match former {
            Some((version, lies_in)) => roots::open(&lies_in)?.open_version(&version.id)?,
            None => roots::open(grant.library())?.open_file(grant.path())?,
        };
        let archive = Archive::open(Source::new(file)?, &How { encoding, password: None }).map_err(unreadable)?;
        let entries = archive.entries().ok_or(Error::Unsupported("This kind of archive"))?;
        Ok(entries.cloned().collect())
    })
    .await
}

fn unreadable(trouble: Trouble) -> Error {
    match trouble {
        Trouble::NotOne | Trouble::Unsupported(_) => Error::Unsupported("This kind of archive"),
        Trouble::Io(cause) => cause.into(),
        trouble => Error::invalid("archive", trouble.to_string()),
    }
}
