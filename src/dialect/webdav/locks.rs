//! LOCK and UNLOCK, and how locks are written.

use std::fmt::Write;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;

use super::conditions;
use super::tree::{Mount, Node, Tree};
use super::xml::{self, Element};
use super::{Failure, Outcome, XML_LIMIT_BYTES, change, xml_answer};
use crate::account::UserKey;
use crate::error::{Error, Result, Thing};
use crate::http::{Call, put_header};
use crate::library::Item;
use crate::library::lock::{Depth, Hold, Lock};
use crate::share::grant::Action;
use crate::store::{Tx, library};
use crate::work::files::path_of;
use crate::work::locks::{self, Wish};

pub const SUPPORTED: &str = "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>\
    </D:lockentry><D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>";

/// A lock, and the address of what it lies on as far as that is in the tree.
pub struct Shown {
    lock: Lock,
    href: Option<String>,
}

impl Shown {
    pub fn of(tx: &mut Tx, mount: &Mount, lock: Lock) -> Result<Shown> {
        let Tree::Own { user, root, .. } = &mount.tree else { return Ok(Shown { lock, href: None }) };
        let href = match library::item(tx, lock.item)? {
            Some(item) => {
                let path = path_of(tx, user, &item)?;
                path.strip_prefix(root.as_slice()).map(|names| mount.base.href(names, item.is_folder()))
            }
            None => None,
        };
        Ok(Shown { lock, href })
    }
}

/// What `lockdiscovery` holds. A token is told to whom it belongs.
pub fn written(locks: &[Shown], reader: UserKey) -> String {
    let mut all = String::new();
    for Shown { lock, href } in locks {
        let hold = if lock.hold == Hold::Shared { "shared" } else { "exclusive" };
        let depth = if lock.depth == Depth::Tree { "infinity" } else { "0" };
        let _ = write!(
            all,
            "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:{hold}/></D:lockscope>\
             <D:depth>{depth}</D:depth><D:owner>{}</D:owner><D:timeout>Second-{}</D:timeout>",
            lock.owner,
            lock.lasts_ms / 1000
        );
        if lock.maker == reader {
            let _ = write!(all, "<D:locktoken><D:href>{}</D:href></D:locktoken>", lock.token);
        }
        if let Some(href) = href {
            let _ = write!(all, "<D:lockroot><D:href>{href}</D:href></D:lockroot>");
        }
        all.push_str("</D:activelock>");
    }
    all
}

pub async fn lock(mut call: Call, mut mount: Mount) -> Outcome {
    let depth = match call.header(HeaderName::from_static("depth")) {
        Some("0") => Depth::Item,
        None => Depth::Tree,
        Some(depth) if depth.eq_ignore_ascii_case("infinity") => Depth::Tree,
        Some(_) => return Err(Error::invalid("Depth", "0 or infinity").into()),
    };
    let lasts_ms = call.header(HeaderName::from_static("timeout")).and_then(timeout_ms);
    let body = call.body_bytes(XML_LIMIT_BYTES).await?;
    mount.writer()?;
    if body.is_empty() {
        return renew(&call, &mount, lasts_ms).await;
    }
    let wish = Wish { depth, lasts_ms, ..asked(&xml::parse(&body)?)? };
    wish.check()?;
    conditions::check(&call, &mut mount).await?;
    let (item, status) = lockable(&call, &mount).await?;
    let (user, _) = mount.writer()?;
    let lock = locks::take(&call.app, user, &item.id, wish).await.map_err(|error| match error {
        Error::Locked(_) => Failure::Status(StatusCode::LOCKED, Some("no-conflicting-lock")),
        other => other.into(),
    })?;
    answer(&call, &mount, lock, status).await
}

async fn answer(call: &Call, mount: &Mount, lock: Lock, status: StatusCode) -> Outcome {
    let (user, _) = mount.writer()?;
    let (key, token, of) = (user.key, lock.token.clone(), mount.clone());
    let shown = call.app.db.read(move |tx| Shown::of(tx, &of, lock)).await?;
    let body =
        format!("<D:prop xmlns:D=\"DAV:\"><D:lockdiscovery>{}</D:lockdiscovery></D:prop>\n", written(&[shown], key));
    let mut response = xml_answer(status, body.into());
    put_header(&mut response, HeaderName::from_static("lock-token"), &format!("<{token}>"));
    Ok(response)
}

/// What is to be locked. A name that is free is taken by an empty file.
async fn lockable(call: &Call, mount: &Mount) -> Result<(Item, StatusCode), Failure> {
    match mount.node(&call.app, Action::See).await {
        Ok(Node::Item(item)) => Ok((item, StatusCode::OK)),
        Ok(_) => Err(Error::Forbidden("the root cannot be locked").into()),
        Err(Error::NotFound(_)) if !mount.path.is_folders => {
            let (user, names) = mount.writer()?;
            let (into, name) = change::folder_of(call, user, &names).await?;
            let made = crate::work::files::create_file(&call.app, user, &into, &name).await?;
            Ok((made, StatusCode::CREATED))
        }
        Err(error) => Err(error.into()),
    }
}

async fn renew(call: &Call, mount: &Mount, lasts_ms: Option<i64>) -> Outcome {
    let tokens = conditions::shown(call)?;
    let token = tokens.first().ok_or_else(|| Error::invalid("If", "it names the lock to be renewed"))?;
    let node = mount.node(&call.app, Action::See).await?;
    let item = node.item().ok_or(Error::NotFound(Thing::File))?;
    let (user, _) = mount.writer()?;
    match locks::renew(&call.app, user, &item.id, token, lasts_ms).await? {
        Some(lock) => answer(call, mount, lock, StatusCode::OK).await,
        None => Err(Failure::Status(StatusCode::PRECONDITION_FAILED, Some("lock-token-matches-request-uri"))),
    }
}

fn asked(root: &Element) -> Result<Wish> {
    let wrong = |why: &str| Error::invalid("body", why);
    let scope = root.dav("lockscope").filter(|_| root.name.is_dav("lockinfo"));
    let scope = scope.ok_or_else(|| wrong("it asks for no lock"))?;
    let hold = if scope.dav("shared").is_some() {
        Hold::Shared
    } else if scope.dav("exclusive").is_some() {
        Hold::Exclusive
    } else {
        return Err(wrong("it asks for a lock of no known kind"));
    };
    if root.dav("locktype").is_none_or(|kind| kind.dav("write").is_none()) {
        return Err(wrong("only writing can be locked"));
    }
    let mut owner = String::new();
    if let Some(element) = root.dav("owner") {
        element.write_inside(&mut owner);
    }
    Ok(Wish { hold, owner, depth: Depth::Tree, lasts_ms: None })
}

/// The first of what a client would be content with: `Second-600, Infinite`.
fn timeout_ms(text: &str) -> Option<i64> {
    let first = text.split(',').next()?.trim();
    first.strip_prefix("Second-")?.parse::<i64>().ok()?.checked_mul(1000)
}

pub async fn unlock(call: Call, mount: Mount) -> Outcome {
    let (user, _) = mount.writer()?;
    let token = call.header(HeaderName::from_static("lock-token")).map(str::trim);
    let token = token.and_then(|token| token.strip_prefix('<')?.strip_suffix('>'));
    let token = token.ok_or_else(|| Error::invalid("Lock-Token", "<the lock's token>"))?;
    let node = mount.node(&call.app, Action::See).await?;
    let was_there = match node.item() {
        Some(item) => locks::give_back(&call.app, user, &item.id, token).await?,
        None => false,
    };
    if !was_there {
        return Err(Failure::Status(StatusCode::CONFLICT, Some("lock-token-matches-request-uri")));
    }
    Ok((StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response())
}
