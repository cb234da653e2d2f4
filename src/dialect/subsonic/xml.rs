//! Writes the structs that serve as JSON answers as Subsonic's XML.
//!
//! One rule covers almost all of it: a scalar is an attribute, a struct a child element with its field's name, a list
//! repeated child elements with the field's name, `None` nothing at all. The exceptions are marked on the type, by the
//! serde name that it bears (`#[serde(rename = "…")]` on the struct), which JSON never shows:
//!
//! | name | meaning |
//! |---|---|
//! | [`TEXT`], on a newtype | the text content of the element around it |
//! | [`CHILDREN`], on a struct | its scalars are child elements instead of attributes |
//! | [`OMIT_EMPTY`], on a struct | no element when it holds nothing |
//! | [`EACH`] and a name, on a newtype of a list | the elements have that name instead of the field's |

use std::fmt;

use serde::ser::{self, Impossible, SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

pub const TEXT: &str = "xml:text";
pub const CHILDREN: &str = "xml:children";
pub const OMIT_EMPTY: &str = "xml:omit-empty";
pub const EACH: &str = "xml:each:";

/// `value` as a whole document with the root element `root`.
///
/// Fails only on shapes that the protocol does not have (tuples, bytes, enums with content).
pub fn document<T: Serialize + ?Sized>(root: &str, value: &T) -> Result<String, Error> {
    let mut document = Element::default();
    document.content.push_str(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    value.serialize(Member { name: root, parent: &mut document, place: Place::Attribute })?;
    Ok(document.content)
}

/// `value` as an element alone; see [`document`].
pub fn element<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<String, Error> {
    let mut parent = Element::default();
    value.serialize(Member { name, parent: &mut parent, place: Place::Element })?;
    Ok(parent.content)
}

#[derive(Debug, thiserror::Error)]
#[error("cannot be written as XML: {0}")]
pub struct Error(String);

impl ser::Error for Error {
    fn custom<T: fmt::Display>(cause: T) -> Error {
        Error(cause.to_string())
    }
}

/// An element under construction: attributes have to stand before the content, whatever the fields' order.
#[derive(Default)]
struct Element {
    attributes: String,
    content: String,
}

impl Element {
    fn attribute(&mut self, name: &str, value: &str) {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        escape(value, &mut self.attributes);
        self.attributes.push('"');
    }

    fn child(&mut self, name: &str, child: &Element) {
        self.content.push('<');
        self.content.push_str(name);
        self.content.push_str(&child.attributes);
        if child.content.is_empty() {
            self.content.push_str("/>");
            return;
        }
        self.content.push('>');
        self.content.push_str(&child.content);
        self.content.push_str("</");
        self.content.push_str(name);
        self.content.push('>');
    }

    fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.content.is_empty()
    }
}

/// Escapes for attributes and text alike. Line breaks and tabs go as references, since a parser turns raw ones in an
/// attribute into spaces. What XML 1.0 cannot hold even as a reference is dropped: tags do contain such characters.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(c),
        }
    }
}

/// Where a scalar goes.
#[derive(Clone, Copy)]
enum Place {
    Attribute,
    Element,
    Text,
}

/// One named value inside `parent`.
struct Member<'a> {
    name: &'a str,
    parent: &'a mut Element,
    place: Place,
}

impl<'a> Member<'a> {
    fn scalar(self, value: &str) -> Result<(), Error> {
        match self.place {
            Place::Attribute => self.parent.attribute(self.name, value),
            Place::Text => escape(value, &mut self.parent.content),
            Place::Element => {
                let mut child = Element::default();
                escape(value, &mut child.content);
                self.parent.child(self.name, &child);
            }
        }
        Ok(())
    }

    fn fields(self, marker: &'static str) -> Fields<'a> {
        Fields { name: self.name, parent: self.parent, element: Element::default(), key: String::new(), marker }
    }
}

/// The struct or map `name` inside `parent`, becoming `element`.
struct Fields<'a> {
    name: &'a str,
    parent: &'a mut Element,
    element: Element,
    key: String,
    marker: &'static str,
}

impl Fields<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let place = if self.marker == CHILDREN { Place::Element } else { Place::Attribute };
        value.serialize(Member { name, parent: &mut self.element, place })
    }

    fn close(self) {
        if self.marker != OMIT_EMPTY || !self.element.is_empty() {
            self.parent.child(self.name, &self.element);
        }
    }
}

/// The list `name` inside `parent`.
struct Items<'a> {
    name: &'a str,
    parent: &'a mut Element,
}

macro_rules! scalars {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<(), Error> {
            self.scalar(&value.to_string())
        })*
    };
}

impl<'a> Serializer for Member<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeMap = Fields<'a>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    scalars! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.scalar(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Error> {
        let place = if name == TEXT { Place::Text } else { self.place };
        value.serialize(Member { name: name.strip_prefix(EACH).unwrap_or(self.name), place, ..self })
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.scalar(variant)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(Items { name: self.name, parent: self.parent })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, Error> {
        Ok(self.fields(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a>, Error> {
        Ok(self.fields(""))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Error> {
        Err(shapeless("bytes"))
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Err(shapeless("a unit"))
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Error> {
        Err(shapeless(name))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(shapeless(name))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(shapeless("a tuple"))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(shapeless(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(shapeless(name))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(shapeless(name))
    }
}

fn shapeless(what: &str) -> Error {
    Error(format!("{what} has no form in this protocol"))
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Member { name: self.name, parent: self.parent, place: Place::Element })
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

/// Structs with flattened parts arrive as maps.
impl SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let mut scratch = Element::default();
        key.serialize(Member { name: "", parent: &mut scratch, place: Place::Text })?;
        self.key = scratch.content;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = std::mem::take(&mut self.key);
        self.field(&key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

    fn xml(value: &impl Serialize) -> String {
        let whole = document("root", value).unwrap();
        whole.strip_prefix(HEAD).unwrap().to_owned()
    }

    #[derive(Serialize, Default)]
    struct Leaf {
        name: &'static str,
    }

    #[derive(Serialize, Default)]
    #[serde(rename = "xml:omit-empty")]
    struct Maybe {
        #[serde(skip_serializing_if = "Option::is_none")]
        gain: Option<f64>,
    }

    #[derive(Serialize)]
    #[serde(rename = "xml:children")]
    struct Info {
        notes: Option<&'static str>,
        url: &'static str,
        similar: Vec<Leaf>,
    }

    #[derive(Serialize)]
    #[serde(rename = "xml:text")]
    struct Text(&'static str);

    #[derive(Serialize)]
    struct Worded {
        value: Text,
        count: u32,
    }

    #[test]
    fn scalars_are_attributes_and_the_rest_are_elements_named_by_the_field() {
        #[derive(Serialize)]
        struct Whole {
            many: Vec<Leaf>,
            id: i64,
            flag: bool,
            one: Leaf,
            words: Vec<&'static str>,
            absent: Option<Leaf>,
            none: Vec<Leaf>,
        }
        let whole = Whole {
            many: vec![Leaf { name: "a" }, Leaf { name: "b" }],
            id: -7,
            flag: true,
            one: Leaf { name: "c" },
            words: vec!["x", "y"],
            absent: None,
            none: vec![],
        };
        assert_eq!(
            xml(&whole),
            r#"<root id="-7" flag="true"><many name="a"/><many name="b"/><one name="c"/><words>x</words><words>y</words></root>"#
        );
    }

    #[test]
    fn flattened_parts_stand_among_the_fields_around_them() {
        #[derive(Serialize)]
        struct Outer {
            #[serde(flatten)]
            leaf: Leaf,
            song: Vec<Leaf>,
        }
        let outer = Outer { leaf: Leaf { name: "a" }, song: vec![Leaf { name: "b" }] };
        assert_eq!(xml(&outer), r#"<root name="a"><song name="b"/></root>"#);
    }

    #[test]
    fn marked_structs_take_their_own_form() {
        assert_eq!(xml(&Worded { value: Text(" a\tb "), count: 2 }), r#"<root count="2"> a&#9;b </root>"#);
        let info = Info { notes: None, url: "u", similar: vec![Leaf { name: "s" }] };
        assert_eq!(xml(&info), r#"<root><url>u</url><similar name="s"/></root>"#);
        assert_eq!(xml(&Maybe { gain: Some(-6.5) }), r#"<root gain="-6.5"/>"#);
        assert_eq!(xml(&Maybe::default()), "");
    }

    #[test]
    fn a_list_may_name_its_elements_otherwise() {
        #[derive(Serialize)]
        #[serde(rename = "xml:each:leaf")]
        struct Leaves(Vec<Leaf>);
        #[derive(Serialize)]
        struct Whole {
            leaves: Option<Leaves>,
        }
        assert_eq!(xml(&Whole { leaves: Some(Leaves(vec![Leaf { name: "a" }])) }), r#"<root><leaf name="a"/></root>"#);
    }

    #[test]
    fn hostile_text_is_escaped_and_what_xml_forbids_is_dropped() {
        assert_eq!(
            xml(&Leaf { name: "a&b<c>\"d'\n\r\t\0\u{1}\u{b}\u{1b}\u{fffe}\u{ffff}é🎵" }),
            r#"<root name="a&amp;b&lt;c&gt;&quot;d&#39;&#10;&#13;&#9;é🎵"/>"#
        );
        assert_eq!(
            xml(&Worded { value: Text("]]></root>\u{8}<!--"), count: 0 }),
            r#"<root count="0">]]&gt;&lt;/root&gt;&lt;!--</root>"#
        );
    }

    #[test]
    fn shapes_the_protocol_lacks_are_refused() {
        assert!(document("root", &(1, 2)).is_err());
    }
}
