//! What became of files: told as it happens, and the history of one.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::answers::{self, Pagination};
use super::scopes::needs;
use super::tree::{self, At, Spot};
use super::uri::FileUri;
use super::{Failure, OWNER_ONLY, Outcome, data, query};
use crate::account::User;
use crate::account::token::sha256;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::http::events::Stream;
use crate::http::fields::Fields;
use crate::library::Item;
use crate::library::changes::{Change, Kind, News, Place, Told, Watched, What, path_under};
use crate::share::grant::Action;
use crate::share::visit::Visitor;
use crate::store::Tx;
use crate::store::changes::Way;
use crate::work::changes::{self, Heard, Judge, Listener, Start, Wanted, Who};

// As it happens -------------------------------------------------------------------------------------------------------

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    file_id: &'a str,
    from: String,
    to: String,
}

impl Event<'_> {
    /// Clients read where something is from `from`, and of a rename where it went from `to`.
    fn of(told: &Told) -> Event<'_> {
        let path = |names: &[String]| format!("/{}", names.join("/"));
        let (r#type, from, to) = match &told.news {
            News::Create { at } => ("create", path(at), String::new()),
            News::Modify { at } => ("modify", path(at), String::new()),
            News::Rename { from, to } => ("rename", path(from), path(to)),
            News::Delete { from } => ("delete", path(from), String::new()),
        };
        Event { r#type, file_id: &told.id, from, to }
    }
}

/// A stream of events, which ends when the caller may not listen any more.
pub async fn get_events(call: Call, user: User) -> Outcome {
    let client = call.header("x-cr-client-id").and_then(|id| Uuid::parse_str(id).ok());
    let client = client.ok_or_else(|| Error::invalid("X-Cr-Client-Id", "it is a UUID"))?.to_string();
    let fields = query(&call)?;
    let wanted = fields.get("uri").unwrap_or("cloudreve://my");
    let uri = FileUri::parse(wanted)?;
    let app = Arc::clone(&call.app);
    let who = Who { user: user.key, client, uri: sha256(wanted) };
    let (stream, response) = Stream::open(&call);
    let (listener, start) = Listener::begin(&app, who, judge(Arc::new(call), user, uri)).await?;
    tokio::spawn(tell(listener, start, stream));
    Ok(response)
}

/// Asks, each time anew, whether the token still speaks for this user, and what of the URI they may see.
fn judge(call: Arc<Call>, user: User, uri: FileUri) -> Judge {
    Box::new(move || {
        let (call, key, uri) = (Arc::clone(&call), user.key, uri.clone());
        Box::pin(async move {
            let user = super::caller(&call, needs("GET", "/api/v4/file/events"))
                .await
                .ok()
                .flatten()
                .filter(|user| user.key == key);
            let user = user.ok_or(Error::SignInNeeded)?;
            let visitor = tree::visitor(&call, Some(&user), &uri).await.map_err(refused)?;
            call.app.db.read(move |tx| watched(tx, &uri, &user, &visitor)).await
        })
    })
}

fn refused(failure: Failure) -> Error {
    match failure {
        Failure::Of(error) => error,
        Failure::Code(..) | Failure::Batch(_) | Failure::Partly(..) => {
            Error::Forbidden("this share does not open to you")
        }
    }
}

/// What of a URI the visitor may listen to: a share of one file is that file, whatever lies beside it.
fn watched(tx: &mut Tx, uri: &FileUri, user: &User, visitor: &Visitor) -> Result<Vec<Watched>> {
    Ok(match tree::spot(tx, uri, visitor, Action::List)? {
        Spot::Root => changes::own_tree(tx, user)?,
        Spot::Own(item) => vec![changes::one(&item)],
        Spot::Shared(found) => match found.at {
            At::Item(item) | At::Only(item) => vec![changes::one(&item)],
            At::Set(entries) => {
                entries.iter().map(|entry| changes::named(&entry.item, vec![entry.shown.clone()])).collect()
            }
        },
    })
}

async fn tell(mut listener: Listener, start: Start, stream: Stream) {
    let first = match start {
        Start::Anew => "subscribed",
        Start::Resumed => "resumed",
    };
    let mut sent = stream.send(first, "").await;
    while sent.is_ok() {
        let heard = tokio::select! {
            heard = listener.next() => heard,
            () = stream.left() => return,
        };
        sent = match heard {
            Heard::Changes(all) => {
                let events: Vec<Event> = all.iter().map(Event::of).collect();
                stream.send("event", &serde_json::json!(events).to_string()).await
            }
            Heard::Quiet => stream.send("keep-alive", "").await,
            Heard::BeginAnew | Heard::Ended => {
                // Where it may not listen any more, coming back tells it why.
                let _ = stream.send("reconnect-required", "").await;
                return;
            }
        };
    }
}

// History -------------------------------------------------------------------------------------------------------------

/// Numbers of the protocol's log, as far as they are of files.
fn category(kind: Kind) -> u8 {
    match kind {
        // There is none for what came back.
        Kind::Create | Kind::Restore => 7,
        Kind::Rename => 8,
        Kind::Modify => 10,
        Kind::Move => 14,
        Kind::Delete => 16,
    }
}

#[derive(Serialize)]
struct Entry {
    category: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

#[derive(Serialize)]
struct Activity {
    id: String,
    content: Entry,
    created_at: String,
    user: Option<answers::User>,
    version_id: Option<String>,
}

#[derive(Serialize)]
struct Activities {
    activities: Vec<Activity>,
    pagination: Pagination,
}

impl Activity {
    fn of(change: &Change, who: Option<&User>, tree: &[Watched]) -> Option<Activity> {
        let What::Item { kind, before, after, .. } = &change.what else { return None };
        // Of a place that this user does not see, nothing.
        let seen = |place: &Option<Place>| path_under(place.as_ref()?, tree);
        let (from, to) = (seen(before), seen(after));
        let name = |path: &Option<Vec<String>>| path.as_ref()?.last().cloned().filter(|_| *kind == Kind::Rename);
        let uri = |path: Option<Vec<String>>| path.map(|path| FileUri::my(path).to_string());
        let content = Entry {
            category: category(*kind),
            original_name: name(&from),
            new_name: name(&to),
            from: uri(from),
            to: uri(to),
        };
        Some(Activity {
            id: change.number.to_string(),
            content,
            created_at: answers::time(change.at_ms),
            user: who.map(answers::User::redacted),
            version_id: None,
        })
    }
}

const MOST_ACTIVITIES: usize = 100;

struct Asked {
    wanted: Option<Wanted>,
    way: Way,
    after: Option<i64>,
    page_size: usize,
}

fn asked(fields: &Fields) -> Result<Asked> {
    let page_size: usize = fields.number("page_size")?.ok_or(Error::Missing("page_size"))?;
    if page_size < 10 {
        return Err(Error::invalid("page_size", "at least 10"));
    }
    Ok(Asked {
        wanted: match fields.get("filter") {
            None | Some("updates") => Some(Wanted::All),
            Some("my") => Some(Wanted::Own),
            // Who looks at what is nobody's business, and not kept.
            Some("reads") => None,
            Some(_) => return Err(Error::invalid("filter", "my, updates or reads")),
        },
        way: match fields.get("order_direction") {
            None | Some("asc") => Way::EarliestFirst,
            Some("desc") => Way::LatestFirst,
            Some(_) => return Err(Error::invalid("order_direction", "asc or desc")),
        },
        after: fields.number("next_page_token")?,
        page_size: page_size.min(MOST_ACTIVITIES),
    })
}

/// What became of one of the user's own files; visitors of a share are not told.
pub async fn get_activities(call: Call, user: User) -> Outcome {
    let fields = query(&call)?;
    let uri = FileUri::parse(fields.need("uri")?)?;
    let Asked { wanted, way, after, page_size } = asked(&fields)?;
    let visitor = tree::visitor(&call, Some(&user), &uri).await?;
    let found = call.app.db.read(move |tx| {
        let Some(item) = own_item(tx, &uri, &visitor)? else { return Ok(None) };
        let tree = changes::own_tree(tx, &user)?;
        let Some(wanted) = wanted else { return Ok(Some((Vec::new(), None))) };
        let mut found = changes::history(tx, &user, item.key, wanted, way, after, page_size + 1)?;
        let is_more = found.len() > page_size;
        found.truncate(page_size);
        let next = found.last().filter(|_| is_more).map(|(change, _)| change.number.to_string());
        let all = found.iter().filter_map(|(change, who)| Activity::of(change, who.as_ref(), &tree)).collect();
        Ok(Some((all, next)))
    });
    let (activities, next) = found.await?.ok_or(OWNER_ONLY)?;
    // The document has the token in every answer.
    let pagination = Pagination { page: 0, page_size, next_token: Some(next.unwrap_or_default()), is_cursor: true };
    data(&Activities { activities, pagination })
}

fn own_item(tx: &mut Tx, uri: &FileUri, visitor: &Visitor) -> Result<Option<Item>> {
    match tree::spot(tx, uri, visitor, Action::See)? {
        Spot::Own(item) => Ok(Some(item)),
        Spot::Root => Err(Error::invalid("uri", "it names a file or folder")),
        Spot::Shared(_) => Ok(None),
    }
}
