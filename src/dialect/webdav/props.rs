//! Properties: those that the server knows, and those that clients note.

use std::fmt::Write;

use axum::http::StatusCode;

use super::locks::{self as dav_locks, Shown};
use super::tree::{Mount, Node, Tree};
use super::xml::{DAV, Element, Name, written};
use super::{Outcome, XML_LIMIT_BYTES, conditions, status_of, xml, xml_answer};
use crate::error::{Error, Result};
use crate::http::send::conditions::modified_time;
use crate::http::send::mime_of;
use crate::http::{Call, deliver};
use crate::library::Item;
use crate::share::grant::Action;
use crate::store::properties::Property;
use crate::work::files::{self, Usage};
use crate::work::properties::{self, Change};

/// Which properties a request is about.
pub enum Asked {
    /// Those that RFC 4918 knows, what clients noted, and these.
    All(Vec<Name>),
    Names,
    These(Vec<Name>),
}

impl Asked {
    /// Whether it is about one of the server's own.
    pub fn wants(&self, live: &str) -> bool {
        match self {
            Asked::Names => false,
            Asked::All(more) => IN_ALL.contains(&live) || more.iter().any(|name| name.is_dav(live)),
            Asked::These(names) => names.iter().any(|name| name.is_dav(live)),
        }
    }

    pub fn wants_notes(&self) -> bool {
        match self {
            Asked::All(_) | Asked::Names => true,
            Asked::These(names) => names.iter().any(|name| !is_live(name)),
        }
    }
}

const IN_ALL: [&str; 9] = [
    "creationdate",
    "displayname",
    "getcontentlength",
    "getcontenttype",
    "getetag",
    "getlastmodified",
    "lockdiscovery",
    "resourcetype",
    "supportedlock",
];
const QUOTA: [&str; 2] = ["quota-available-bytes", "quota-used-bytes"];

/// The server's own: no client sets them.
fn is_live(name: &Name) -> bool {
    name.namespace == DAV && (IN_ALL.contains(&name.local.as_str()) || QUOTA.contains(&name.local.as_str()))
}

/// What an answer speaks of.
pub struct Subject {
    pub href: String,
    pub shown: String,
    pub is_folder: bool,
    /// None for roots that are no folder of anybody's.
    pub item: Option<Item>,
}

/// All that is needed to say something of it.
pub struct Writing<'a> {
    pub mount: &'a Mount,
    pub subject: &'a Subject,
    pub notes: &'a [Property],
    pub locks: &'a [Shown],
    pub usage: Option<Usage>,
}

impl Writing<'_> {
    pub fn response(&self, asked: &Asked, to: &mut String) {
        let (mut found, mut missing) = (String::new(), String::new());
        match asked {
            Asked::Names => {
                for name in IN_ALL.iter().filter(|name| self.live(name).is_some()) {
                    let _ = write!(found, "<D:{name}/>");
                }
                self.notes.iter().for_each(|note| empty(&note.namespace, &note.name, &mut found));
            }
            Asked::All(more) => {
                for name in IN_ALL {
                    self.write_live(name, &mut found);
                }
                self.notes.iter().for_each(|note| found.push_str(&note.xml));
                let more = more.iter().filter(|name| !(name.namespace == DAV && IN_ALL.contains(&name.local.as_str())));
                more.for_each(|name| self.write_one(name, &mut found, &mut missing));
            }
            Asked::These(names) => names.iter().for_each(|name| self.write_one(name, &mut found, &mut missing)),
        }
        let _ = write!(to, "<D:response><D:href>{}</D:href>", self.subject.href);
        if !found.is_empty() || missing.is_empty() {
            propstat(&found, StatusCode::OK, to);
        }
        if !missing.is_empty() {
            propstat(&missing, StatusCode::NOT_FOUND, to);
        }
        to.push_str("</D:response>");
    }

    fn write_one(&self, name: &Name, found: &mut String, missing: &mut String) {
        let note = self.notes.iter().find(|note| note.namespace == name.namespace && note.name == name.local);
        match note {
            _ if is_live(name) && self.write_live(&name.local, found) => {}
            Some(note) => found.push_str(&note.xml),
            None => empty(&name.namespace, &name.local, missing),
        }
    }

    /// Whether there is something to say.
    fn write_live(&self, name: &str, to: &mut String) -> bool {
        let Some(value) = self.live(name) else { return false };
        let _ = write!(to, "<D:{name}>{value}</D:{name}>");
        true
    }

    fn live(&self, name: &str) -> Option<String> {
        let (item, is_own) = (self.subject.item.as_ref(), matches!(self.mount.tree, Tree::Own { .. }));
        let file = item.filter(|item| !item.is_folder());
        match name {
            "resourcetype" => Some(if self.subject.is_folder { "<D:collection/>".to_owned() } else { String::new() }),
            "displayname" => Some(written(&self.subject.shown)).filter(|name| !name.is_empty()),
            "creationdate" => item.map(|item| rfc3339(item.added_ms)),
            "getlastmodified" => item.and_then(|item| modified_time(item.modified_ms)).map(httpdate::fmt_http_date),
            "getcontentlength" => file.map(|file| file.size_bytes.to_string()),
            "getcontenttype" => file.map(|file| mime_of(&file.shown).to_owned()),
            "getetag" => file.map(|file| format!("\"{}\"", deliver::etag_of(file, file.modified_ms, file.size_bytes))),
            "supportedlock" if is_own => Some(dav_locks::SUPPORTED.to_owned()),
            "lockdiscovery" => match &self.mount.tree {
                Tree::Own { user, .. } => Some(dav_locks::written(self.locks, user.key)),
                Tree::Share { .. } => None,
            },
            "quota-used-bytes" if self.subject.is_folder => self.usage.map(|usage| usage.used_bytes.to_string()),
            "quota-available-bytes" if self.subject.is_folder => {
                self.usage.map(|usage| usage.total_bytes.saturating_sub(usage.used_bytes).to_string())
            }
            _ => None,
        }
    }
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

fn empty(namespace: &str, name: &str, to: &mut String) {
    let _ = write!(to, "<{name} xmlns=\"{}\"/>", written(namespace));
}

fn propstat(props: &str, status: StatusCode, to: &mut String) {
    let _ = write!(to, "<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>");
}

// Setting -------------------------------------------------------------------------------------------------------------

/// All that is asked for or nothing, and for each property whether it, or another, was what could not be.
pub async fn proppatch(mut call: Call, mut mount: Mount) -> Outcome {
    let body = call.body_bytes(XML_LIMIT_BYTES).await?;
    let changes = changes(&xml::parse(&body)?)?;
    conditions::check(&call, &mut mount).await?;
    let (user, _) = mount.writer()?;
    let node = mount.node(&call.app, Action::See).await?;
    let item = match &node {
        Node::Item(item) => item,
        Node::Root | Node::Set(_) | Node::Box => {
            return Err(Error::Forbidden("nothing can be noted about the root").into());
        }
    };
    let is_refused = |change: &Change| is_live(&name_of(change));
    let refused = if changes.iter().any(is_refused) {
        Some(StatusCode::FORBIDDEN)
    } else {
        match properties::change(&call.app, user, &item.id, changes.clone()).await {
            Ok(()) => None,
            Err(error @ Error::NoSpace) => Some(status_of(&error)),
            Err(error) => return Err(error.into()),
        }
    };
    if refused.is_none()
        && let Some(modified_ms) = changes.iter().find_map(win32_modified)
    {
        files::set_modified(&call.app, user, &item.id, modified_ms).await?;
    }
    let mut answer = format!(
        "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>{}</D:href>",
        mount.base.href(&mount.path.names, node.is_folder())
    );
    for change in &changes {
        let status = match refused {
            None => StatusCode::OK,
            Some(StatusCode::FORBIDDEN) if !is_refused(change) => StatusCode::FAILED_DEPENDENCY,
            Some(status) => status,
        };
        let (name, mut prop) = (name_of(change), String::new());
        empty(&name.namespace, &name.local, &mut prop);
        propstat(&prop, status, &mut answer);
    }
    answer.push_str("</D:response></D:multistatus>\n");
    Ok(xml_answer(StatusCode::MULTI_STATUS, answer.into()))
}

const MOST_CHANGES: usize = 500;

fn changes(root: &Element) -> Result<Vec<Change>> {
    let wrong = |why: &str| Error::invalid("body", why);
    if !root.name.is_dav("propertyupdate") {
        return Err(wrong("it changes no properties"));
    }
    let mut changes = Vec::new();
    for step in root.elements() {
        let sets = step.name.is_dav("set");
        if !sets && !step.name.is_dav("remove") {
            continue;
        }
        for element in step.dav("prop").ok_or_else(|| wrong("it names no property"))?.elements() {
            let Name { namespace, local: name } = element.name.clone();
            changes.push(match sets {
                true => {
                    let mut xml = String::new();
                    element.write(&mut xml);
                    Change::Set(Property { namespace, name, xml })
                }
                false => Change::Remove { namespace, name },
            });
        }
    }
    match changes.len() {
        0 => Err(wrong("it names no property")),
        count if count > MOST_CHANGES => Err(wrong("it changes too much")),
        _ => Ok(changes),
    }
}

fn name_of(change: &Change) -> Name {
    let (namespace, local) = match change {
        Change::Set(property) => (&property.namespace, &property.name),
        Change::Remove { namespace, name } => (namespace, name),
    };
    Name { namespace: namespace.clone(), local: local.clone() }
}

/// Windows tells the time of a file that it copied here in a property of its own, after the copy.
fn win32_modified(change: &Change) -> Option<i64> {
    let Change::Set(property) = change else { return None };
    let is_it = property.namespace == "urn:schemas-microsoft-com:" && property.name == "Win32LastModifiedTime";
    let text = xml::parse(property.xml.as_bytes()).ok().filter(|_| is_it)?.text();
    let at = httpdate::parse_http_date(text.trim()).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(at.as_millis()).ok()
}
