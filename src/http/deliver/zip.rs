//! Archives: many files as one answer, whose every byte follows from what lies on the disk.

use std::sync::Arc;

use axum::http::header;
use axum::response::Response;

use super::{on_disk, settle, transfer};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::http::send::{Content, Disposition, Source, respond};
use crate::store::shares::LeaseEnd;
use crate::work::archives::{self, Archive, Part};

/// All files of these parts as one archive, stored under safe names: Range, conditions, HEAD; ends within seconds when a
/// share it comes by is revoked, and settles its leases. An archive without files costs nothing.
pub async fn zip(call: &Call, parts: Vec<Part>) -> Result<Response> {
    let name = if let [part] = parts.as_slice() { part.name().to_owned() } else { archives::SEVERAL.to_owned() };
    let leases: Vec<_> = parts.iter().filter_map(Part::lease).collect();
    let shares = parts.iter().filter_map(Part::share).collect();
    let transfer = transfer(call, shares, parts.iter().filter_map(Part::rate), leases.clone());
    let key = parts.iter().map(Part::key).collect::<Vec<_>>().join(" ");
    let found = async {
        let archive = match planned(call, &key) {
            Some(archive) => archive,
            None => {
                let files = call.app.db.read(move |tx| archives::files(tx, &parts)).await?;
                let archive = Arc::new(on_disk(move || Archive::look(files)).await?);
                call.app.plans.keep(key.clone(), archive.clone());
                archive
            }
        };
        let (app, of) = (call.app.clone(), archive.clone());
        Ok::<_, Error>((on_disk(move || of.reader(&app, key)).await?, archive))
    };
    let (reader, archive) = match found.await {
        Ok(found) if found.1.files() > 0 => found,
        found => {
            settle(&call.app, leases, LeaseEnd::NotThere).await;
            found?
        }
    };
    let content = Content {
        source: Source::Zip(Box::new(reader)),
        size_bytes: archive.size_bytes(),
        // A file that was taken out leaves no date behind.
        modified_ms: None,
        etag: archive.etag().to_owned(),
        name: format!("{name}.zip"),
        mime: "application/zip".to_owned(),
        disposition: Disposition::Attachment,
    };
    Ok(respond(&call.parts.method, &call.parts.headers, content, transfer))
}

/// The plan of before, for a part from somewhere in the middle: of what its client has already, unless that says otherwise.
fn planned(call: &Call, key: &str) -> Option<Arc<Archive>> {
    call.header(header::RANGE).filter(|range| !range.starts_with("bytes=0-"))?;
    let archive = call.app.plans.find(key)?;
    let is_meant = |name| call.header(name).is_none_or(|tags| tags.contains(archive.etag()));
    (is_meant(header::IF_RANGE) && is_meant(header::IF_MATCH)).then_some(archive)
}
