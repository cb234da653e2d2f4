//! PROPFIND: what is there and what is said of it, written as it is read, however long the folder is.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, StatusCode};
use futures_util::stream;

use super::locks::Shown;
use super::props::{Asked, Subject, Writing};
use super::tree::{Mount, Node, Tree};
use super::xml::{Element, Name};
use super::{Failure, Outcome, XML_LIMIT_BYTES, xml, xml_answer};
use crate::App;
use crate::error::{Error, Result};
use crate::http::{Call, log_internal};
use crate::library::{Item, ItemKey};
use crate::share::grant::Action;
use crate::store::{Tx, properties};
use crate::work::list::Listing;
use crate::work::{files, locks, look, sharing};

/// Entries that are read at once.
const AT_ONCE: usize = 200;
/// Each is answered for each entry, found or not.
const MOST_NAMES: usize = 100;

/// How far down it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Itself,
    /// And what is in it.
    Entries,
}

pub async fn propfind(mut call: Call, mount: Mount) -> Outcome {
    let depth = match call.header(HeaderName::from_static("depth")) {
        Some("0") => Depth::Itself,
        Some("1") => Depth::Entries,
        None => return Err(INFINITE),
        Some(depth) if depth.eq_ignore_ascii_case("infinity") => return Err(INFINITE),
        Some(_) => return Err(Error::invalid("Depth", "0 or 1").into()),
    };
    let body = call.body_bytes(XML_LIMIT_BYTES).await?;
    let asked = if body.is_empty() { Asked::All(Vec::new()) } else { asked(&xml::parse(&body)?)? };
    let first = first(&call.app, &mount, asked, depth).await?;
    count_view(&call, &mount).await?;
    Ok(xml_answer(StatusCode::MULTI_STATUS, streamed(Arc::clone(&call.app), first)))
}

const INFINITE: Failure = Failure::Status(StatusCode::FORBIDDEN, Some("propfind-finite-depth"));

fn asked(root: &Element) -> Result<Asked> {
    let unknown = || Error::invalid("body", "it asks for nothing that is known");
    if !root.name.is_dav("propfind") {
        return Err(unknown());
    }
    let names = |of: &Element| -> Result<Vec<Name>> {
        let names: Vec<Name> = of.elements().map(|element| element.name.clone()).collect();
        if names.len() > MOST_NAMES { Err(Error::invalid("body", "it asks for too much")) } else { Ok(names) }
    };
    if let Some(prop) = root.dav("prop") {
        Ok(Asked::These(names(prop)?))
    } else if root.dav("allprop").is_some() {
        Ok(Asked::All(root.dav("include").map(names).transpose()?.unwrap_or_default()))
    } else if root.dav("propname").is_some() {
        Ok(Asked::Names)
    } else {
        Err(unknown())
    }
}

/// A listing of a share is a visit of it.
async fn count_view(call: &Call, mount: &Mount) -> Result<()> {
    let Tree::Share { id, .. } = &mount.tree else { return Ok(()) };
    let look = look::at(&call.app, id, &mount.visitor).await?;
    sharing::count_view(&call.app, &look.facts, &mount.visitor).await
}

/// An answer on its way.
struct Answer {
    mount: Mount,
    asked: Arc<Asked>,
    rest: Listing,
    written: String,
}

async fn first(app: &App, mount: &Mount, asked: Asked, depth: Depth) -> Result<Answer> {
    let mount = mount.clone();
    app.db
        .read(move |tx| {
            let node = mount.look(tx, Action::See)?;
            let rest = match depth {
                Depth::Entries if node.is_folder() => mount.list(tx)?,
                _ => Listing::default(),
            };
            let (mut written, asked) = ("<D:multistatus xmlns:D=\"DAV:\">".to_owned(), Arc::new(asked));
            let subject = Subject::of(&mount, &node);
            write(tx, &mount, &asked, &[subject], &mut written)?;
            let mut answer = Answer { mount, asked, rest, written };
            answer.go_on(tx)?;
            Ok(answer)
        })
        .await
}

fn write(tx: &mut Tx, mount: &Mount, asked: &Asked, subjects: &[Subject], to: &mut String) -> Result<()> {
    let keys: Vec<ItemKey> = subjects.iter().filter_map(|subject| subject.item.as_ref().map(|item| item.key)).collect();
    let own = if let Tree::Own { user, .. } = &mount.tree { Some(user) } else { None };
    let mut notes = match own {
        Some(_) if asked.wants_notes() => properties::of(tx, &keys)?,
        _ => Default::default(),
    };
    let usage = match own {
        Some(user) if asked.wants("quota-used-bytes") || asked.wants("quota-available-bytes") => {
            Some(files::usage(tx, user)?)
        }
        _ => None,
    };
    let items: Vec<Item> = subjects.iter().filter_map(|subject| subject.item.clone()).collect();
    let mut locked = match own {
        Some(user) if asked.wants("lockdiscovery") => locks::on_each(tx, user, &items)?,
        _ => Default::default(),
    };
    for subject in subjects {
        let notes = subject.item.as_ref().and_then(|item| notes.remove(&item.key)).unwrap_or_default();
        let locks = subject.item.as_ref().and_then(|item| locked.remove(&item.key)).unwrap_or_default();
        let locks = locks.into_iter().map(|lock| Shown::of(tx, mount, lock)).collect::<Result<Vec<_>>>()?;
        Writing { mount, subject, notes: &notes, locks: &locks, usage }.response(asked, to);
    }
    Ok(())
}

impl Answer {
    /// Writes some more of it. Whoever may not look any more sees it break off.
    fn go_on(&mut self, tx: &mut Tx) -> Result<()> {
        let entries = self.rest.next(tx, AT_ONCE)?;
        let subjects: Vec<Subject> =
            entries.into_iter().map(|entry| Subject::child(&self.mount, entry.item, entry.shown)).collect();
        let (mount, asked) = (&self.mount, &self.asked);
        write(tx, mount, asked, &subjects, &mut self.written)?;
        if self.rest.is_empty() {
            self.written.push_str("</D:multistatus>\n");
        }
        Ok(())
    }
}

fn streamed(app: Arc<App>, first: Answer) -> Body {
    let parts = stream::try_unfold(Some(first), move |answer| {
        let app = Arc::clone(&app);
        async move {
            let Some(mut answer) = answer else { return Ok::<_, Error>(None) };
            let written = std::mem::take(&mut answer.written);
            if answer.rest.is_empty() {
                return Ok(Some((written, None)));
            }
            let more = app.db.read(move |tx| {
                answer.mount.look(tx, Action::List)?;
                answer.go_on(tx)?;
                Ok(answer)
            });
            let answer = more.await.inspect_err(|error| log_internal("propfind", error))?;
            Ok(Some((written, Some(answer))))
        }
    });
    Body::from_stream(parts)
}

impl Subject {
    fn of(mount: &Mount, node: &Node) -> Subject {
        let shown = mount.path.names.last().cloned().unwrap_or_default();
        let href = mount.base.href(&mount.path.names, node.is_folder());
        Subject { href, shown, is_folder: node.is_folder(), item: node.item().cloned() }
    }

    fn child(mount: &Mount, item: Item, shown: String) -> Subject {
        let names = [mount.path.names.as_slice(), std::slice::from_ref(&shown)].concat();
        Subject {
            href: mount.base.href(&names, item.is_folder()),
            shown,
            is_folder: item.is_folder(),
            item: Some(item),
        }
    }
}
