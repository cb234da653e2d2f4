//! What a request asks to be true before it changes anything: `If` of RFC 4918, `If-Match` and its kin of RFC 9110.

use std::collections::HashMap;

use axum::http::{HeaderName, StatusCode, header};

use super::Failure;
use super::path::Path;
use super::tree::{Mount, Tree};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::http::deliver::etag_of;
use crate::http::send::conditions::{Conditions, Decision, decide};
use crate::library::Item;
use crate::share::grant::Action;
use crate::store::Tx;
use crate::work::locks;

const MOST_CONDITIONS: usize = 200;

/// One list in parentheses: all of it must hold, of what `about` names or of the request's own path.
#[derive(Debug, PartialEq, Eq)]
struct List {
    about: Option<String>,
    all: Vec<Condition>,
}

#[derive(Debug, PartialEq, Eq)]
struct Condition {
    holds: bool,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Token(String),
    Etag(String),
}

/// What is so of a path now.
#[derive(Default)]
struct State {
    etag: Option<String>,
    tokens: Vec<String>,
}

/// Holds the request against its `If`, and shows the tokens in it to all that follows.
pub async fn check(call: &Call, mount: &mut Mount) -> Result<(), Failure> {
    let Some(lists) = said(call)? else { return Ok(()) };
    let mut states: HashMap<Option<String>, State> = HashMap::new();
    for list in &lists {
        if states.contains_key(&list.about) {
            continue;
        }
        let path = match &list.about {
            None => Some(mount.path.clone()),
            // Nothing is so of what lies elsewhere.
            Some(address) => mount.base.within(call, address).ok(),
        };
        let state = match path {
            Some(path) => state(call, mount.at(path)).await?,
            None => State::default(),
        };
        states.insert(list.about.clone(), state);
    }
    let holds = |list: &List| list.all.iter().all(|condition| states[&list.about].fits(condition));
    if !lists.iter().any(holds) {
        return Err(StatusCode::PRECONDITION_FAILED.into());
    }
    mount.show(tokens(lists).collect());
    Ok(())
}

/// The tokens that a request shows.
pub fn shown(call: &Call) -> Result<Vec<String>> {
    Ok(said(call)?.map(|lists| tokens(lists).collect()).unwrap_or_default())
}

fn said(call: &Call) -> Result<Option<Vec<List>>> {
    let text = call.parts.headers.get(HeaderName::from_static("if"));
    let broken = || Error::invalid("If", "it cannot be read");
    text.map(|text| parse(text.to_str().map_err(|_| broken())?).ok_or_else(broken)).transpose()
}

fn tokens(lists: Vec<List>) -> impl Iterator<Item = String> {
    let all = lists.into_iter().flat_map(|list| list.all);
    all.filter_map(|condition| if let What::Token(token) = condition.what { Some(token) } else { None })
}

impl State {
    fn fits(&self, condition: &Condition) -> bool {
        let is_so = match &condition.what {
            What::Token(token) => self.tokens.contains(token),
            What::Etag(etag) => self.etag.as_ref() == Some(etag),
        };
        is_so == condition.holds
    }
}

async fn state(call: &Call, mount: Mount) -> Result<State> {
    call.app.db.read(move |tx| state_now(tx, &mount)).await
}

/// What is not there has no tag, and the locks of the folder around it.
fn state_now(tx: &mut Tx, mount: &Mount) -> Result<State> {
    let Tree::Own { user, .. } = &mount.tree else { return Ok(State::default()) };
    let mut names = mount.path.names.clone();
    loop {
        let is_there = names.len() == mount.path.names.len();
        let at = mount.at(Path { names: names.clone(), is_folders: false });
        match at.look(tx, Action::See) {
            Ok(node) => {
                let Some(item) = node.item() else { return Ok(State::default()) };
                let locks = locks::on_each(tx, user, std::slice::from_ref(item))?.remove(&item.key).unwrap_or_default();
                let reaches =
                    |lock: &crate::library::lock::Lock| is_there || lock.depth == crate::library::lock::Depth::Tree;
                let tokens = locks.into_iter().filter(reaches).map(|lock| lock.token).collect();
                return Ok(State { etag: (is_there && !item.is_folder()).then(|| tag(item)), tokens });
            }
            Err(Error::NotFound(_)) if names.pop().is_some() => {}
            Err(error) => return Err(error),
        }
    }
}

fn tag(item: &Item) -> String {
    etag_of(item, item.modified_ms, item.size_bytes)
}

/// Holds a change against `If-Match`, `If-None-Match` and `If-Unmodified-Since`.
pub fn check_tags(call: &Call, there: Option<&Item>) -> Result<(), Failure> {
    let headers = &call.parts.headers;
    let holds = match there {
        None => !headers.contains_key(header::IF_MATCH),
        Some(item) => {
            let conditions = Conditions::of(headers).without_range();
            let decision = decide(&conditions, &tag(item), Some(item.modified_ms), item.size_bytes);
            !matches!(decision, Decision::PreconditionFailed | Decision::NotModified)
        }
    };
    if holds { Ok(()) } else { Err(StatusCode::PRECONDITION_FAILED.into()) }
}

fn parse(text: &str) -> Option<Vec<List>> {
    let mut lists = Vec::new();
    let (mut rest, mut about, mut count) = (text.trim(), None, 0);
    while !rest.is_empty() {
        if let Some(tagged) = rest.strip_prefix('<') {
            let (address, after) = tagged.split_once('>')?;
            (about, rest) = (Some(address.to_owned()), after.trim_start());
        }
        let mut all = Vec::new();
        rest = rest.strip_prefix('(')?.trim_start();
        while !rest.starts_with(')') {
            let (holds, after) = match rest.get(..3) {
                Some(word) if word.eq_ignore_ascii_case("not") => (false, rest[3..].trim_start()),
                _ => (true, rest),
            };
            let (what, after) = if let Some(token) = after.strip_prefix('<') {
                let (token, after) = token.split_once('>')?;
                (What::Token(token.to_owned()), after)
            } else {
                let (tag, after) = after.strip_prefix('[')?.split_once(']')?;
                let tag = tag.trim().trim_start_matches("W/");
                (What::Etag(tag.strip_prefix('"')?.strip_suffix('"')?.to_owned()), after)
            };
            all.push(Condition { holds, what });
            rest = after.trim_start();
            count += 1;
            if count > MOST_CONDITIONS {
                return None;
            }
        }
        if all.is_empty() {
            return None;
        }
        lists.push(List { about: about.clone(), all });
        rest = rest[1..].trim_start();
    }
    if lists.is_empty() { None } else { Some(lists) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_if_is_read_as_the_rfc_writes_it() {
        let lists = parse("<http://h/dav/a> (<urn:uuid:1> [W/\"x\"]) (Not <DAV:no-lock>)").unwrap();
        assert_eq!(lists.len(), 2);
        assert_eq!(lists[0].about.as_deref(), Some("http://h/dav/a"));
        assert_eq!(lists[0].all[1], Condition { holds: true, what: What::Etag("x".into()) });
        assert_eq!(lists[1].all, [Condition { holds: false, what: What::Token("DAV:no-lock".into()) }]);
        assert_eq!(parse("(<a>)").unwrap()[0].about, None);
    }

    #[test]
    fn what_is_no_if_is_refused() {
        let many = "(<a>)".repeat(MOST_CONDITIONS + 1);
        for text in ["", "()", "(", "(<a>", "<a>", "a", "([a])", "(Not)", "(<a>))", "\u{e4}", "(Nöt <a>)", &many] {
            assert_eq!(parse(text), None, "{text:.40}");
        }
    }
}
