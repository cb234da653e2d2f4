//! File URIs: how clients of this protocol name a folder or file.
//!
//! `cloudreve://[id[:password]@]my|share|trash|shared_with_me[/path][?search]`. A path's parts are percent-encoded as
//! JavaScript's `encodeURIComponent` does it; one client sends them raw, so a stray `%` stands for itself.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Result};

/// Whose files a URI speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    My,
    Share,
    Trash,
    SharedWithMe,
}

impl Space {
    fn name(self) -> &'static str {
        match self {
            Space::My => "my",
            Space::Share => "share",
            Space::Trash => "trash",
            Space::SharedWithMe => "shared_with_me",
        }
    }
}

/// Holds a share's password, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct FileUri {
    pub space: Space,
    /// Of the share in `share`, of the user in `my`.
    pub id: Option<String>,
    pub password: Option<String>,
    /// Names from the root of the space.
    pub path: Vec<String>,
    pub search: Vec<(String, String)>,
}

/// A place in a share, whichever way the URI says it.
pub struct InShare<'a> {
    pub id: &'a str,
    pub password: Option<&'a str>,
    pub path: &'a [String],
}

/// Beneath the user's root; hand-picked, album, artist and playlist shares have no folder of their own, and their owner
/// finds them here. No item is ever called so: names with a leading dot stay out of libraries.
const SHARES: &str = ".shares";
const SCHEME: &str = "cloudreve://";
const LONGEST_BYTES: usize = 32 * 1024;
const DEEPEST: usize = 256;

/// What `encodeURIComponent` encodes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// As a part of a URI or of an address's path.
pub fn encode(part: &str) -> String {
    utf8_percent_encode(part, COMPONENT).to_string()
}

fn refused(why: &str) -> Error {
    Error::invalid("uri", why)
}

fn decode(part: &str) -> Result<String> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| refused("it is not UTF-8"))?;
    if text.contains('\0') { Err(refused("it holds a NUL")) } else { Ok(text.into_owned()) }
}

fn path_part(part: &str) -> Result<String> {
    let name = decode(part)?;
    if name == "." || name == ".." || name.contains('/') {
        return Err(refused("a name in it is none"));
    }
    Ok(name)
}

impl FileUri {
    pub fn my(path: Vec<String>) -> FileUri {
        FileUri { space: Space::My, id: None, password: None, path, search: Vec::new() }
    }

    /// The folder under which a share without a folder of its own lies for its owner.
    pub fn of_share_for_owner(share_id: &str) -> FileUri {
        FileUri::my(vec![SHARES.to_owned(), share_id.to_owned()])
    }

    /// With the user's id in it, as `source_uri` has it.
    pub fn owned_by(mut self, user_id: &str) -> FileUri {
        self.id = Some(user_id.to_owned());
        self
    }

    pub fn parse(text: &str) -> Result<FileUri> {
        if text.len() > LONGEST_BYTES {
            return Err(refused("it is too long"));
        }
        let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        let rest = &text[scheme.ok_or(refused("it begins with cloudreve://"))?.len()..];
        let (rest, search) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let space = match host.to_ascii_lowercase().as_str() {
            "my" => Space::My,
            "share" => Space::Share,
            "trash" => Space::Trash,
            "shared_with_me" => Space::SharedWithMe,
            _ => return Err(refused("no such file system")),
        };
        let (id, password) = user.split_once(':').unwrap_or((user, ""));
        let given = |part: &str| Ok::<_, Error>(Some(decode(part)?).filter(|part| !part.is_empty()));
        let (id, password) = (given(id)?, given(password)?);
        if id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err(refused("the id in it is none"));
        }
        if space == Space::Share && id.is_none() {
            return Err(refused("a share's URI names the share"));
        }
        let path = path.split('/').filter(|part| !part.is_empty()).map(path_part).collect::<Result<Vec<_>>>()?;
        if path.len() > DEEPEST {
            return Err(refused("it is too deep"));
        }
        let search: Vec<(String, String)> =
            serde_html_form::from_str(search).map_err(|_| refused("its search cannot be read"))?;
        Ok(FileUri { space, id, password, path, search })
    }

    /// The place in a share that it names, if it names one.
    pub fn in_share(&self) -> Option<InShare<'_>> {
        match (self.space, &self.id, self.path.as_slice()) {
            (Space::Share, Some(id), path) => Some(InShare { id, password: self.password.as_deref(), path }),
            (Space::My, _, [first, id, path @ ..]) if first == SHARES => Some(InShare { id, password: None, path }),
            _ => None,
        }
    }

    pub fn child(&self, name: &str) -> FileUri {
        let mut child = self.clone();
        child.path.push(name.to_owned());
        child.search.clear();
        child
    }

    /// The folder around it and its name there; `None` at the root.
    pub fn split(&self) -> Option<(FileUri, &str)> {
        let (name, path) = self.path.split_last()?;
        let parent = FileUri { path: path.to_vec(), search: Vec::new(), ..self.clone() };
        Some((parent, name))
    }
}

/// What can be an id of a user or share.
pub fn is_id(id: &str) -> bool {
    id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Display for FileUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        if let Some(id) = &self.id {
            f.write_str(id)?;
            if let Some(password) = &self.password {
                write!(f, ":{}", encode(password))?;
            }
            f.write_str("@")?;
        }
        f.write_str(self.space.name())?;
        self.path.iter().try_for_each(|part| write!(f, "/{}", encode(part)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> FileUri {
        FileUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_uri_of_each_space_is_read_as_clients_write_it() {
        let uri = parsed("cloudreve://g2guA:gcqzfaze@share/a%20b/c%2Bd.txt");
        assert!(uri.space == Space::Share);
        assert_eq!((uri.id.as_deref(), uri.password.as_deref()), (Some("g2guA"), Some("gcqzfaze")));
        assert_eq!(uri.path, ["a b", "c+d.txt"]);
        for root in ["cloudreve://my", "cloudreve://my/", "Cloudreve://MY//", "cloudreve://bnUn@my"] {
            assert!(parsed(root).space == Space::My && parsed(root).path.is_empty(), "{root}");
        }
        assert!(parsed("cloudreve://trash").space == Space::Trash);
        assert!(parsed("cloudreve://shared_with_me").space == Space::SharedWithMe);
        let search = parsed("cloudreve://my/a?name=x%20y&name=z&case_folding=");
        assert_eq!(search.search[0], ("name".to_owned(), "x y".to_owned()));
        assert_eq!(search.path, ["a"]);
    }

    #[test]
    fn names_that_came_unencoded_are_taken_as_they_are() {
        assert_eq!(parsed("cloudreve://my/Größe & Maß+1#2.txt").path, ["Größe & Maß+1#2.txt"]);
        assert_eq!(parsed("cloudreve://my/100% sure").path, ["100% sure"]);
    }

    #[test]
    fn the_same_id_in_another_case_is_another_id() {
        assert_eq!(parsed("cloudreve://aB@share").id.as_deref(), Some("aB"));
    }

    #[test]
    fn hostile_uris_are_refused() {
        let long = format!("cloudreve://my/{}", "a/".repeat(LONGEST_BYTES));
        let deep = format!("cloudreve://my{}", "/a".repeat(DEEPEST + 1));
        for text in [
            "",
            "cloudreve:/",
            "cloudreve://",
            "http://my/a",
            "ü",
            "cloudreve://share/a",
            "cloudreve://:pw@share/a",
            "cloudreve://admin",
            "cloudreve://my/..",
            "cloudreve://my/a/%2e%2e/b",
            "cloudreve://my/a/.",
            "cloudreve://my/a%2Fb",
            "cloudreve://my/%00",
            "cloudreve://my/%ff",
            "cloudreve://a%2Fb@share",
            "cloudreve://a'b@share",
            &long,
            &deep,
        ] {
            assert!(matches!(FileUri::parse(text), Err(Error::Invalid { what: "uri", .. })), "{text:.60}");
        }
    }

    #[test]
    fn a_share_is_named_by_its_own_uri_and_beneath_its_owners_root() {
        let by_owner = FileUri::of_share_for_owner("abc").child("x").owned_by("u1");
        assert_eq!(by_owner.to_string(), "cloudreve://u1@my/.shares/abc/x");
        let place = by_owner.in_share().unwrap();
        assert_eq!((place.id, place.path), ("abc", &["x".to_owned()][..]));
        assert!(parsed("cloudreve://my/abc/x").in_share().is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            path in prop::collection::vec("[^/\0]{1,20}", 0..5),
            id in "[A-Za-z0-9]{1,22}",
            password in proptest::option::of("[A-Za-z0-9@:/?#% ]{1,32}"),
        ) {
            prop_assume!(path.iter().all(|name| name != "." && name != ".."));
            let uri = FileUri { space: Space::Share, id: Some(id), password, path, search: Vec::new() };
            prop_assert!(FileUri::parse(&uri.to_string())? == uri);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(cloudreve://)?\\PC{0,60}") {
            let _ = FileUri::parse(&text);
        }
    }
}
