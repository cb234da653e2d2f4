//! Addresses: names from a request's path or a `Destination`, and paths made of names.
//!
//! A path is cut at its slashes first and decoded once after that. A name that is none then, `..` and its disguises among
//! them, is refused, so that no path means another place to somebody who reads it otherwise.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Result};
use crate::http::Call;

const DEEPEST: usize = 256;

/// RFC 3986's unreserved characters stay: some clients compare addresses letter by letter.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the tree of a request begins: `/dav`, or `/s/{id}/-/dav`, after the prefix that the server lies beneath.
#[derive(Debug, Clone)]
pub struct Base {
    prefix: String,
    /// As the request wrote it, without a trailing slash.
    top: String,
}

/// Names from the top, and whether the address ends as a folder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub names: Vec<String>,
    pub is_folders: bool,
}

fn refused(why: &str) -> Error {
    Error::invalid("path", why)
}

fn name(part: &str) -> Result<String> {
    let name = percent_decode_str(part).decode_utf8().map_err(|_| refused("it is not UTF-8"))?;
    if matches!(&*name, "." | "..") || name.contains(['/', '\0']) {
        return Err(refused("a name in it is none"));
    }
    Ok(name.into_owned())
}

/// Of what follows the top in an address.
fn parse(rest: &str) -> Result<Path> {
    let names = rest.split('/').filter(|part| !part.is_empty()).map(name).collect::<Result<Vec<_>>>()?;
    if names.len() > DEEPEST {
        return Err(refused("it is too deep"));
    }
    Ok(Path { is_folders: rest.is_empty() || rest.ends_with('/'), names })
}

impl Base {
    /// The base of a call's own path and the names after it. `depth` is how many components the top has.
    pub fn of(call: &Call, depth: usize) -> Result<(Base, Path)> {
        let path = call.parts.uri.path();
        let end = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).nth(depth).unwrap_or(path.len());
        let (top, rest) = path.split_at(end);
        let base = Base { prefix: call.origin.prefix().to_owned(), top: top.to_owned() };
        Ok((base, parse(rest)?))
    }

    /// The path of an address of ours, as `Destination` and `If` have them: with a host or without. `Forbidden` for those
    /// of other servers, and of other trees of this one.
    pub fn within(&self, call: &Call, address: &str) -> Result<Path> {
        let elsewhere = || Error::Forbidden("that address lies outside of this tree");
        let path = match address.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) && !address.starts_with('/') => {
                let at = rest.find('/').unwrap_or(rest.len());
                if !is_ours(call, &rest[..at]) {
                    return Err(elsewhere());
                }
                &rest[at..]
            }
            _ => address,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let rest = path.strip_prefix(&self.prefix).ok_or_else(elsewhere)?;
        let rest = rest.strip_prefix(&self.top).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        parse(rest.ok_or_else(elsewhere)?)
    }

    /// The address of what lies at a path, from the root of the host on.
    pub fn href(&self, names: &[String], is_folder: bool) -> String {
        let mut href = format!("{}{}", self.prefix, self.top);
        for name in names {
            href.push('/');
            href.extend(utf8_percent_encode(name, COMPONENT));
        }
        if is_folder {
            href.push('/');
        }
        href
    }
}

/// Whether a host in an address is the one that was asked, or the one that links name. Schemes differ behind proxies.
fn is_ours(call: &Call, host: &str) -> bool {
    let known = call.origin.site().split_once("://").map_or("", |(_, host)| host);
    let asked = [call.header("host"), call.header("x-forwarded-host")];
    let host = without_port(host);
    asked.into_iter().flatten().chain([known]).any(|ours| without_port(ours).eq_ignore_ascii_case(host))
}

/// Proxies and clients disagree about ports that go without saying.
fn without_port(host: &str) -> &str {
    host.strip_suffix(":80").or(host.strip_suffix(":443")).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base { prefix: "/shelf".to_owned(), top: "/dav".to_owned() }
    }

    #[test]
    fn a_path_is_decoded_once_and_name_by_name() {
        let path = parse("/a%20b/%C3%A4/c%2Bd").unwrap();
        assert_eq!((path.names, path.is_folders), (vec!["a b".to_owned(), "ä".to_owned(), "c+d".to_owned()], false));
        assert_eq!(parse("/%252e%252e").unwrap().names, ["%2e%2e"], "what is encoded twice is a name");
        assert!(parse("//a//").unwrap().is_folders);
        assert_eq!(parse("").unwrap(), Path { names: Vec::new(), is_folders: true });
    }

    #[test]
    fn what_leads_upwards_is_refused() {
        for rest in ["/..", "/a/../b", "/%2e%2e/b", "/%2E./b", "/.", "/a%2fb", "/a%00", "/%ff", "/a/.%2e"] {
            assert!(matches!(parse(rest), Err(Error::Invalid { what: "path", .. })), "{rest}");
        }
        assert!(parse(&"/a".repeat(DEEPEST + 1)).is_err());
    }

    #[test]
    fn an_address_is_written_so_that_it_reads_back() {
        let names = ["a b".to_owned(), "100%".to_owned(), "ä?#".to_owned()];
        let href = base().href(&names, true);
        assert_eq!(href, "/shelf/dav/a%20b/100%25/%C3%A4%3F%23/");
        assert_eq!(parse(href.strip_prefix("/shelf/dav").unwrap()).unwrap().names, names);
    }
}
