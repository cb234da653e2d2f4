//! Viewers: what the official interface opens files with.
//!
//! All are its own, and read and write files by calls that every client has. A session of one is answered as documented, for
//! clients that ask before they open; its token opens nothing, since nothing here speaks WOPI: office programs would need a
//! server beside this one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tree::{self, At, Spot};
use super::uri::FileUri;
use super::{Failure, Outcome, data};
use crate::account::User;
use crate::account::token::random_base62;
use crate::error::{Error, Thing};
use crate::http::Call;
use crate::now_ms;
use crate::share::grant::Action;
use crate::work::{sharing, versions};

const SESSION_LASTS_MS: i64 = 60 * 60 * 1000;

/// One of the interface's own viewers.
struct Viewer {
    id: &'static str,
    /// As the interface calls it.
    name: &'static str,
    /// Endings that it opens.
    exts: &'static [&'static str],
    /// Endings of new files that it makes, and what those are called.
    makes: &'static [(&'static str, &'static str)],
}

impl Viewer {
    const fn of(id: &'static str, name: &'static str, exts: &'static [&'static str]) -> Viewer {
        Viewer { id, name, exts, makes: &[] }
    }
}

const VIEWERS: [Viewer; 9] = [
    Viewer::of("music", "fileManager.musicPlayer", &["mp3", "ogg", "opus", "wav", "flac", "m4a"]),
    Viewer::of("epub", "fileManager.epubViewer", &["epub"]),
    Viewer::of("pdf", "fileManager.pdfViewer", &["pdf"]),
    Viewer::of("video", "Artplayer", &["mp4", "mkv", "webm", "mov"]),
    Viewer { makes: &[("md", "Markdown")], ..Viewer::of("markdown", "fileManager.markdownEditor", &["md"]) },
    Viewer::of(
        "image",
        "fileManager.imageViewer",
        &["bmp", "png", "gif", "jpg", "jpeg", "webp", "heic", "heif", "avif"],
    ),
    Viewer {
        makes: &[("txt", "Text")],
        ..Viewer::of(
            "monaco",
            "fileManager.monacoEditor",
            &[
                "txt", "md", "json", "xml", "yml", "yaml", "toml", "ini", "conf", "csv", "log", "html", "css", "scss",
                "js", "ts", "jsx", "tsx", "php", "py", "rb", "rs", "go", "c", "h", "cpp", "hpp", "cs", "java", "kt",
                "swift", "sh", "bat", "ps1", "sql", "lua", "pl", "r", "vue", "lrc", "srt", "vtt",
            ],
        )
    },
    Viewer { makes: &[("excalidraw", "Excalidraw")], ..Viewer::of("excalidraw", "Excalidraw", &["excalidraw"]) },
    // What `GET /file/archive` lists.
    Viewer::of("archive", "fileManager.archivePreview", &["zip", "7z"]),
];

/// For the site's settings.
pub fn groups() -> Value {
    let viewers: Vec<Value> = VIEWERS.iter().map(told).collect();
    json!([{ "viewers": viewers }])
}

fn told(viewer: &Viewer) -> Value {
    let Viewer { id, name, exts, makes } = viewer;
    let mut told = json!({ "id": id, "type": "builtin", "display_name": name, "exts": exts });
    if !makes.is_empty() {
        told["templates"] = makes.iter().map(|(ext, name)| json!({ "ext": ext, "display_name": name })).collect();
    }
    told
}

/// The viewer of each ending; the first that opens it.
pub fn mapping() -> Value {
    let mut of_ending = Map::new();
    for Viewer { id, exts, .. } in &VIEWERS {
        for ext in *exts {
            of_ending.entry(*ext).or_insert((*id).into());
        }
    }
    Value::Object(of_ending)
}

#[derive(Deserialize)]
struct Asked {
    uri: Option<String>,
    version: Option<String>,
    viewer_id: Option<String>,
    preferred_action: Option<String>,
}

#[derive(Serialize)]
struct Opened {
    session: Session,
}

#[derive(Serialize)]
struct Session {
    id: String,
    access_token: String,
    /// Unix milliseconds.
    expires: i64,
}

pub async fn put_session(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Asked = call.json().await?;
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    let viewer = asked.viewer_id.ok_or(Error::Missing("viewer_id"))?;
    if !VIEWERS.iter().any(|known| known.id == viewer) {
        return Err(Error::invalid("viewer_id", "there is no such viewer").into());
    }
    let action = match asked.preferred_action.as_deref() {
        Some("edit") => Action::Update,
        Some("view") => Action::See,
        _ => return Err(Error::invalid("preferred_action", "it is view or edit").into()),
    };
    let version = asked.version.filter(|version| !version.is_empty());
    check(&call, user.as_ref(), uri, action, version).await?;
    let id = uuid::Uuid::new_v4().to_string();
    data(&Opened { session: Session { id, access_token: random_base62(43), expires: now_ms() + SESSION_LASTS_MS } })
}

/// Whether they may do that with the file.
async fn check(
    call: &Call,
    user: Option<&User>,
    uri: FileUri,
    action: Action,
    version: Option<String>,
) -> Result<(), Failure> {
    let visitor = tree::visitor(call, user, &uri).await?;
    let gone = Error::NotFound(Thing::File);
    let checked = call.app.db.read(move |tx| {
        let item = match tree::spot(tx, &uri, &visitor, action)? {
            Spot::Own(item) => item,
            Spot::Shared(found) => match found.at {
                At::Item(item) => item,
                At::Only(item) => sharing::reach(tx, &found.facts.share.id, &visitor, &item.id, action)?.item().clone(),
                At::Set(_) => return Err(gone),
            },
            Spot::Root => return Err(gone),
        };
        if item.is_folder() {
            return Err(gone);
        }
        match (version.filter(|version| *version != item.etag()), visitor.user) {
            (None, _) => Ok(()),
            (Some(version), Some(user)) => versions::find(tx, &user, &item, &version).map(drop),
            (Some(_), None) => Err(Error::NotFound(Thing::Version)),
        }
    });
    Ok(checked.await?)
}
