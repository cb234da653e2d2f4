//! Tasks that users have the server do behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::policies;
use super::answers::{self, Pagination};
use super::uri::FileUri;
use super::{Failure, Outcome, ROOT_PROTECTED, TOO_MANY_URIS, data, done, query, tree};
use crate::account::{Role, User};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::work::node::{self, Node};
use crate::work::tasks::{self, FromDisk, Kind, Named, Progress, State, Task, Unpack, Which, Wish};

const PAGE_LEAST: usize = 10;
const PAGE_MOST: usize = 100;
const GROUP_NOT_ALLOWED: Failure = Failure::Code(40007, "You may not have files fetched");
const TOO_MANY_DOWNLOADS: Failure = Failure::Code(40015, "Too many of your tasks are under way");
/// A download has one file, and clients count from one.
const ONLY_FILE: i64 = 1;

// Answers -------------------------------------------------------------------------------------------------------------

#[derive(Serialize)]
struct TaskResponse {
    created_at: String,
    updated_at: String,
    id: String,
    status: &'static str,
    r#type: &'static str,
    node: answers::Node,
    summary: Summary,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_count: Option<i64>,
}

#[derive(Serialize)]
pub struct Summary {
    phase: &'static str,
    props: Value,
}

impl Summary {
    pub fn of(task: &Task) -> Summary {
        Summary { phase: phase(task), props: props(task) }
    }

    /// For whoever is told how far it is, and not what it is about.
    pub fn without_names(self, task: &Task) -> Summary {
        Summary { props: json!({ "failed": task.progress.files_failed }), ..self }
    }
}

#[derive(Serialize)]
struct Tasks {
    tasks: Vec<TaskResponse>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct Count {
    total: u64,
    current: u64,
    identifier: &'static str,
}

fn uri(path: &[String]) -> String {
    FileUri::my(path.to_vec()).to_string()
}

/// With the node that works on it.
async fn told(call: &Call, task: &Task) -> Outcome {
    let node = call.app.db.read(node::read).await?;
    data(&TaskResponse::of(task, &node))
}

impl TaskResponse {
    fn of(task: &Task, node: &Node) -> TaskResponse {
        TaskResponse {
            created_at: answers::time(task.created_ms),
            updated_at: answers::time(task.updated_ms),
            id: task.id.clone(),
            status: status(task.state),
            r#type: type_of(task.wish.kind()),
            node: answers::Node::of(node),
            summary: Summary::of(task),
            duration: (task.worked_ms > 0).then_some(task.worked_ms),
            resume_time: (task.state == State::Waiting).then_some(task.due_ms / 1000),
            error: task.error.clone(),
            retry_count: (task.tries > 0).then_some(task.tries),
        }
    }
}

pub fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Pack => "create_archive",
        Kind::Unpack => "extract_archive",
        Kind::Fetch => "remote_download",
        Kind::Relocate => "relocate",
        Kind::Import => "import",
        Kind::Reread => "full_text_rebuild",
    }
}

pub fn status(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Working => "processing",
        State::Waiting => "suspending",
        State::Failed => "error",
        State::Canceled => "canceled",
        State::Completed => "completed",
    }
}

/// By the names that clients have words for.
fn phase(task: &Task) -> &'static str {
    match (&task.wish, task.state) {
        (Wish::Pack { .. }, State::Queued) => "not_started",
        (Wish::Pack { .. }, State::Completed) => "upload_archive",
        (Wish::Pack { .. }, _) => "compress_files",
        (Wish::Unpack { .. } | Wish::Relocate { .. } | Wish::Import(_) | Wish::Reread, _)
        | (Wish::Fetch { .. }, State::Queued) => "",
        (Wish::Fetch { .. }, State::Completed) => "transfer",
        (Wish::Fetch { .. }, _) => "monitor",
    }
}

fn props(task: &Task) -> Value {
    let failed = task.progress.files_failed;
    let all = |named: &[Named]| named.iter().map(|named| uri(&named.path)).collect::<Vec<_>>();
    match &task.wish {
        Wish::Pack { sources, into, name } => {
            let dst = FileUri::my(into.path.clone()).child(name).to_string();
            json!({ "src_multiple": all(sources), "dst": dst, "failed": failed })
        }
        Wish::Unpack { source, into, .. } => {
            json!({ "src": uri(&source.path), "dst": uri(&into.path), "failed": failed })
        }
        Wish::Fetch { url, into } => json!({
            "src": "", "src_str": url, "dst": uri(&into.path), "failed": failed, "download": download(task),
        }),
        Wish::Relocate { sources, policy } => {
            json!({ "src_multiple": all(sources), "dst_policy_id": policy, "failed": failed })
        }
        Wish::Import(wish) => json!({
            "src_str": wish.source, "dst": FileUri::my(wish.into.path.clone()).owned_by(&wish.receiver).to_string(),
            "dst_policy_id": wish.policy, "failed": failed,
        }),
        Wish::Reread => json!({ "total": task.progress.files_total, "failed": failed }),
    }
}

/// `null` as long as nothing is known of what comes.
fn download(task: &Task) -> Value {
    let Some(name) = &task.file_name else { return Value::Null };
    let Progress { bytes, bytes_total, rate_bytes_s, .. } = task.progress;
    let part = if bytes_total > 0 { bytes as f64 / bytes_total as f64 } else { 0.0 };
    let state = match task.state {
        State::Completed => "completed",
        State::Failed | State::Canceled => "error",
        State::Queued | State::Working | State::Waiting => "downloading",
    };
    json!({
        "name": name, "state": state, "total": bytes_total, "downloaded": bytes, "download_speed": rate_bytes_s,
        "uploaded": 0, "upload_speed": 0, "hash": "", "pieces": "", "num_pieces": 0,
        "files": [{ "index": ONLY_FILE, "name": name, "size": bytes_total, "progress": part, "selected": true }],
    })
}

// Lists ---------------------------------------------------------------------------------------------------------------

pub async fn get_workflow(call: Call, user: User) -> Outcome {
    let query = query(&call)?;
    let which = match query.get("category") {
        None | Some("" | "general") => Which::General,
        Some("downloading") => Which::Fetching,
        Some("downloaded") => Which::Fetched,
        Some(_) => return Err(Error::invalid("category", "it is general, downloading or downloaded").into()),
    };
    let size = query.number::<usize>("page_size")?.unwrap_or(PAGE_LEAST).clamp(PAGE_LEAST, PAGE_MOST);
    let after = query.get("next_page_token").filter(|token| !token.is_empty()).map(str::to_owned);
    let mut found = tasks::list(&call.app, &user, which, after, size + 1).await?;
    let has_more = found.len() > size;
    found.truncate(size);
    let next_token = found.last().filter(|_| has_more).map(|task| task.id.clone());
    let node = call.app.db.read(node::read).await?;
    data(&Tasks {
        tasks: found.iter().map(|task| TaskResponse::of(task, &node)).collect(),
        pagination: Pagination { page: 0, page_size: size, next_token, is_cursor: true },
    })
}

pub async fn get_progress(call: Call, user: User) -> Outcome {
    let task = tasks::by_id(&call.app, &user, call.path("id")).await?;
    let Progress { files, files_total, bytes, bytes_total, .. } = task.progress;
    let count = |total, current| Count { total, current, identifier: "" };
    let (of_files, of_bytes) = match task.wish {
        _ if task.state != State::Working => return done(),
        Wish::Pack { .. } => ("archive_count", "archive_size"),
        Wish::Unpack { .. } => ("extract_count", "extract_size"),
        Wish::Fetch { .. } => ("download_count", "download"),
        Wish::Relocate { .. } => ("relocated", "relocated_size"),
        Wish::Import(_) => ("imported", "imported_size"),
        Wish::Reread => return data(&BTreeMap::from([("indexed", count(files_total, files))])),
    };
    data(&BTreeMap::from([(of_files, count(files_total, files)), (of_bytes, count(bytes_total, bytes))]))
}

// Asking --------------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Asked {
    src: Option<Vec<String>>,
    dst: Option<String>,
    src_file: Option<String>,
    encoding: Option<String>,
    password: Option<String>,
    file_mask: Option<Vec<String>>,
}

impl Asked {
    fn sources(&mut self) -> Result<Vec<String>, Failure> {
        let sources = self.src.take().filter(|src| !src.is_empty()).ok_or(Error::Missing("src"))?;
        if sources.len() > tasks::MOST_THINGS { Err(TOO_MANY_URIS) } else { Ok(sources) }
    }

    fn target(&self, user: &User) -> Result<Vec<String>, Failure> {
        own(user, self.dst.as_deref().ok_or(Error::Missing("dst"))?)
    }
}

/// A path in the user's own files.
fn own(user: &User, uri: &str) -> Result<Vec<String>, Failure> {
    Ok(tree::own_path(user, &FileUri::parse(uri)?)?.to_vec())
}

/// Something there; the root of all is too much.
fn own_thing(user: &User, uri: &str) -> Result<Vec<String>, Failure> {
    let path = own(user, uri)?;
    if path.is_empty() { Err(ROOT_PROTECTED) } else { Ok(path) }
}

pub async fn post_archive(mut call: Call, user: User) -> Outcome {
    let mut asked: Asked = call.json().await?;
    if asked.password.as_ref().is_some_and(|password| !password.is_empty()) {
        return Err(Error::Unsupported("An archive with a password").into());
    }
    let sources = asked.sources()?.iter().map(|uri| own_thing(&user, uri)).collect::<Result<Vec<_>, Failure>>()?;
    let mut folder = asked.target(&user)?;
    let name = folder.pop().ok_or(ROOT_PROTECTED)?;
    told(&call, &tasks::pack(&call.app, &user, sources, folder, name).await?).await
}

pub async fn post_extract(mut call: Call, user: User) -> Outcome {
    let mut asked: Asked = call.json().await?;
    let sources = asked.sources()?;
    let [source] = sources.as_slice() else {
        return Err(Error::invalid("src", "one archive is unpacked at a time").into());
    };
    let source = own_thing(&user, source)?;
    let folder = asked.target(&user)?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let only = asked.file_mask.unwrap_or_default();
    if only.len() > tasks::MOST_THINGS {
        return Err(TOO_MANY_URIS);
    }
    let how = Unpack { encoding: filled(asked.encoding), password: filled(asked.password), only };
    told(&call, &tasks::unpack(&call.app, &user, source, folder, how).await?).await
}

pub async fn post_download(mut call: Call, user: User) -> Outcome {
    if !user.has(Role::Fetch) {
        return Err(GROUP_NOT_ALLOWED);
    }
    let mut asked: Asked = call.json().await?;
    let is_torrent =
        |url: &String| url.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("magnet:"));
    let wants_file = asked.src_file.as_ref().is_some_and(|file| !file.is_empty());
    if wants_file || asked.src.iter().flatten().any(is_torrent) {
        return Err(Error::Unsupported("BitTorrent").into());
    }
    let (urls, folder) = (asked.sources()?, asked.target(&user)?);
    match tasks::fetch(&call.app, &user, urls, folder).await {
        Err(Error::Forbidden(tasks::TOO_MANY)) => Err(TOO_MANY_DOWNLOADS),
        made => {
            let node = call.app.db.read(node::read).await?;
            data(&made?.iter().map(|task| TaskResponse::of(task, &node)).collect::<Vec<_>>())
        }
    }
}

#[derive(Deserialize)]
struct AskedRelocate {
    src: Option<Vec<String>>,
    dst_policy_id: Option<String>,
}

pub async fn post_relocate(mut call: Call, user: User) -> Outcome {
    let asked: AskedRelocate = call.json().await?;
    let sources = asked.src.filter(|src| !src.is_empty()).ok_or(Error::Missing("src"))?;
    if sources.len() > tasks::MOST_THINGS {
        return Err(TOO_MANY_URIS);
    }
    let sources = sources.iter().map(|uri| own(&user, uri)).collect::<Result<Vec<_>, Failure>>()?;
    let policy = asked.dst_policy_id.ok_or(Error::Missing("dst_policy_id"))?;
    told(&call, &tasks::relocate(&call.app, &user, sources, &policy).await?).await
}

#[derive(Deserialize)]
struct AskedImport {
    src: Option<String>,
    dst: Option<String>,
    user_id: Option<String>,
    recursive: Option<bool>,
    policy_id: Option<i64>,
}

/// Tags are always read: `extract_media_meta` changes nothing.
pub async fn post_import(mut call: Call, admin: User) -> Outcome {
    let asked: AskedImport = call.json().await?;
    let number = asked.policy_id.ok_or(Error::Missing("policy_id"))?;
    let from_disk = FromDisk {
        source: asked.src.ok_or(Error::Missing("src"))?,
        recursive: asked.recursive == Some(true),
        folder: folder_named(asked.dst.as_deref().ok_or(Error::Missing("dst"))?)?,
        receiver: asked.user_id.ok_or(Error::Missing("user_id"))?,
        policy: call.app.db.read(move |tx| policies::find(tx, number)).await?,
    };
    let task = tasks::import(&call.app, &admin, from_disk).await?;
    tracing::info!(admin = admin.name, task = task.id, "an import was asked for");
    told(&call, &task).await
}

/// A path from the root of a user's own files, as the dashboard has it, or a URI of it.
fn folder_named(text: &str) -> Result<Vec<String>> {
    match text.contains("://") {
        true => Ok(FileUri::parse(text)?.path),
        false => Ok(text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()),
    }
}

#[derive(Deserialize)]
struct Choice {
    files: Option<Vec<Chosen>>,
}

#[derive(Deserialize)]
struct Chosen {
    index: i64,
    download: Option<bool>,
}

/// What is at an address is one file: there is nothing to leave out of it.
pub async fn patch_download(mut call: Call, user: User) -> Outcome {
    let asked: Choice = call.json().await?;
    let task = tasks::by_id(&call.app, &user, call.path("id")).await?;
    if !matches!(task.wish, Wish::Fetch { .. }) || !task.state.is_open() {
        return Err(Error::NotFound(Thing::Task).into());
    }
    match asked.files.ok_or(Error::Missing("files"))?.as_slice() {
        [] => Err(Error::Missing("files").into()),
        files if files.iter().any(|file| file.index != ONLY_FILE) => {
            Err(Error::invalid("files", "it has one file, of index 1").into())
        }
        files if files.iter().any(|file| file.download == Some(false)) => {
            Err(Error::invalid("files", "it has no other file; cancel the download instead").into())
        }
        _ => done(),
    }
}

/// All that files say is read anew; meanwhile a search finds what was read already.
pub async fn post_rebuild_fts_index(call: Call, user: User) -> Outcome {
    let task = tasks::reread(&call.app, &user).await?;
    told(&call, &task).await
}

/// Ends tasks of the other kinds as well, which no other call does.
pub async fn delete_download(call: Call, user: User) -> Outcome {
    tasks::cancel(&call.app, &user, call.path("id")).await?;
    done()
}
