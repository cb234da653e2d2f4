//! The XML of requests and answers: small documents, read whole and bounded, and written as text.

use std::fmt::Write;

use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

use crate::error::{Error, Result};

pub const DAV: &str = "DAV:";

const DEEPEST: usize = 32;
const MOST_ELEMENTS: usize = 2000;
const MOST_ATTRIBUTES: usize = 50;
const LONGEST_NAMESPACE_BYTES: usize = 256;
const LONGEST_NAME_BYTES: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    pub name: Name,
    /// Names with their values; those that declare namespaces are resolved and gone.
    attributes: Vec<(Name, String)>,
    children: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    pub namespace: String,
    pub local: String,
}

impl Name {
    pub fn is_dav(&self, local: &str) -> bool {
        self.namespace == DAV && self.local == local
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Element(Element),
    Text(String),
}

fn broken(why: impl Into<String>) -> Error {
    Error::invalid("body", why)
}

/// The one element of a document. Entities, document types and unknown prefixes are refused.
pub fn parse(body: &[u8]) -> Result<Element> {
    let text = std::str::from_utf8(body).map_err(|_| broken("it is not UTF-8"))?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().check_end_names = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|cause| broken(cause.to_string()))?;
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                elements += 1;
                if elements > MOST_ELEMENTS || open.len() >= DEEPEST || root.is_some() {
                    return Err(broken("it holds too much"));
                }
                let element = element(&reader, &start)?;
                if is_empty { close(element, &mut open, &mut root) } else { open.push(element) }
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(|| broken("it ends what never began"))?;
                close(element, &mut open, &mut root);
            }
            Event::Text(piece) => text_in(&mut open, &piece.xml10_content())?,
            Event::CData(piece) => text_in(&mut open, &piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                let char = reference.resolve_char_ref().map_err(|cause| broken(cause.to_string()))?;
                let known = match char {
                    Some(char) if is_xml(char) => char.to_string(),
                    Some(_) => return Err(broken("it names a character that XML has not")),
                    None => resolve_predefined_entity(&reference.xml10_content())
                        .ok_or_else(|| broken("it names an entity"))?
                        .to_owned(),
                };
                text_in(&mut open, &known)?;
            }
            Event::DocType(_) => return Err(broken("it has a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() => return root.ok_or_else(|| broken("it holds no element")),
            Event::Eof => return Err(broken("it breaks off")),
        }
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(Node::Element(element)),
        None => *root = Some(element),
    }
}

fn text_in(open: &mut [Element], text: &str) -> Result<()> {
    if !text.chars().all(is_xml) {
        return Err(broken("it holds a character that XML has not"));
    }
    match open.last_mut() {
        Some(element) => match element.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => element.children.push(Node::Text(text.to_owned())),
        },
        None if text.trim().is_empty() => {}
        None => return Err(broken("it holds text beside its element")),
    }
    Ok(())
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart) -> Result<Element> {
    let (namespace, local) = reader.resolver().resolve_element(start.name());
    let mut element = Element { name: name(&namespace, local.into_inner())?, ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|cause| broken(cause.to_string()))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|cause| broken(cause.to_string()))?;
        if attribute.key.as_namespace_binding().is_some() {
            let is_prefix = attribute.key.prefix().is_some();
            // `xmlns:x=""` is what namespaces forbid, and what a checker of servers tries.
            if is_prefix && value.is_empty() {
                return Err(broken("it declares a prefix for no namespace"));
            }
            continue;
        }
        if element.attributes.len() >= MOST_ATTRIBUTES || !value.chars().all(is_xml) {
            return Err(broken("its attributes cannot be kept"));
        }
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        element.attributes.push((name(&namespace, local.into_inner())?, value.into_owned()));
    }
    Ok(element)
}

fn name(namespace: &ResolveResult, local: &str) -> Result<Name> {
    let namespace = match namespace {
        ResolveResult::Bound(Namespace(namespace)) => (*namespace).to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(_) => return Err(broken("it uses a prefix that it does not declare")),
    };
    // Answers say each name that was asked for once for every file.
    if namespace.len() > LONGEST_NAMESPACE_BYTES || local.len() > LONGEST_NAME_BYTES {
        return Err(broken("a name in it is too long"));
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !local.starts_with(|c: char| c.is_alphabetic() || c == '_') || !local.chars().all(is_name) {
        return Err(broken("a name in it is none"));
    }
    Ok(Name { namespace, local: local.to_owned() })
}

fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

impl Element {
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| if let Node::Element(element) = node { Some(element) } else { None })
    }

    /// The first of DAV's own elements of that name in it.
    pub fn dav(&self, local: &str) -> Option<&Element> {
        self.elements().find(|element| element.name.is_dav(local))
    }

    pub fn text(&self) -> String {
        let text = |node: &Node| match node {
            Node::Text(text) => text.clone(),
            Node::Element(element) => element.text(),
        };
        self.children.iter().map(text).collect()
    }

    /// The whole element, which needs nothing around it: each one in it says its namespace.
    pub fn write(&self, to: &mut String) {
        let _ = write!(to, "<{} xmlns=\"{}\"", self.name.local, escape(&self.name.namespace));
        for (number, (name, value)) in self.attributes.iter().enumerate() {
            let value = written(value);
            let _ = match name.namespace.as_str() {
                "" => write!(to, " {}=\"{value}\"", name.local),
                XML => write!(to, " xml:{}=\"{value}\"", name.local),
                namespace => {
                    write!(to, " xmlns:a{number}=\"{}\" a{number}:{}=\"{value}\"", escape(namespace), name.local)
                }
            };
        }
        if self.children.is_empty() {
            to.push_str("/>");
            return;
        }
        to.push('>');
        self.write_inside(to);
        let _ = write!(to, "</{}>", self.name.local);
    }

    /// What is in it.
    pub fn write_inside(&self, to: &mut String) {
        for node in &self.children {
            match node {
                Node::Text(text) => to.push_str(&written(text)),
                Node::Element(element) => element.write(to),
            }
        }
    }
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A text as it stands between tags and in attributes. What XML has no place for is replaced, line ends survive.
pub fn written(text: &str) -> String {
    let clean: String = text.chars().map(|c| if is_xml(c) { c } else { '\u{fffd}' }).collect();
    escape(&clean).replace('\r', "&#13;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        let mut out = String::new();
        parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}")).write(&mut out);
        out
    }

    #[test]
    fn what_is_kept_means_the_same_without_what_stood_around_it() {
        let text = r#"<a:x xmlns:a="urn:1" xmlns="urn:2" l="&quot;1&lt;" xml:lang="de" a:y="z"><b/>5 &lt; &#228; <![CDATA[&]]></a:x>"#;
        let once = rewritten(text);
        assert_eq!(
            once,
            r#"<x xmlns="urn:1" l="&quot;1&lt;" xml:lang="de" xmlns:a2="urn:1" a2:y="z"><b xmlns="urn:2"/>5 &lt; ä &amp;</x>"#
        );
        assert_eq!(rewritten(&once).replace("a2", "a"), once.replace("a2", "a"), "and reads back as itself");
        assert_eq!(rewritten("<x xmlns=''>\u{1f600}</x>"), "<x xmlns=\"\">\u{1f600}</x>");
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        let wide = format!("<a>{}</a>", "<b/>".repeat(5000));
        for text in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "</a>",
            "<p:a/>",
            "<a p:b='1'/>",
            "<a xmlns:p=''/>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a>&x;</a>",
            "<a>&#0;</a>",
            "<a>&#x1;</a>",
            "<a b='&#1;'/>",
            "<a b='1' b='2'/>",
            "<a",
            &deep,
            &wide,
        ] {
            assert!(matches!(parse(text.as_bytes()), Err(Error::Invalid { what: "body", .. })), "{text:.60}");
        }
        assert!(parse(b"<a>\xff</a>").is_err());
    }
}
