//! Text within HTML and XML: marks are passed over, one after the other. There are no entities but characters, nothing is held
//! but the place, and nothing has to fit: an end that never comes is the end of the text.

use quick_xml::escape::resolve_html5_entity;

use super::Text;

/// Which text between the marks counts, and which marks part words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Html,
    /// All of it; each mark parts words.
    Xml,
    /// Of ISO 29500: runs of text, and numbers in cells.
    Office,
    /// Of ISO 26300: the body.
    OpenDocument,
}

/// Elements of HTML within words.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
    "wbr",
];
/// Elements whose content is no text: of HTML, and of all else, where pictures stand as letters and digits.
const UNREAD: &[&str] = &["script", "style", "template"];
const UNREAD_DATA: &[&str] = &["binary", "binary-data"];
const LONGEST_ENTITY_BYTES: usize = 32;

/// Adds the text of the markup.
pub fn read(markup: &str, shape: Shape, text: &mut Text) {
    let mut reader =
        Reader { shape, is_read: shape != Shape::OpenDocument && shape != Shape::Office, in_number: false };
    let mut rest = markup;
    // Quotes that do not end would hide all that follows, and be looked for from each mark on.
    let mut quotes_hold = true;
    while let Some(start) = rest.find('<').filter(|_| !text.is_full()) {
        reader.text(&rest[..start], text);
        let mark = &rest[start + 1..];
        rest = if let Some(comment) = mark.strip_prefix("!--") {
            after(comment, "-->")
        } else if let Some(raw) = mark.strip_prefix("![CDATA[") {
            let end = raw.find("]]>").unwrap_or(raw.len());
            if reader.is_read {
                text.push(&raw[..end]);
            }
            after(raw, "]]>")
        } else if mark.starts_with(['!', '?']) {
            after(mark, ">")
        } else if mark.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') {
            let quoted = if quotes_hold { end_of_mark(mark) } else { None };
            quotes_hold &= quoted.is_some();
            let Some(end) = quoted.or_else(|| mark.find('>')) else { return };
            reader.mark(&mark[..end], text);
            let rest = &mark[end + 1..];
            match reader.unread(&mark[..end]) {
                Some(name) => after_element(rest, name),
                None => rest,
            }
        } else {
            reader.text("<", text);
            mark
        };
    }
    reader.text(rest, text);
}

fn after<'a>(text: &'a str, end: &str) -> &'a str {
    text.find(end).map_or("", |at| &text[at + end.len()..])
}

/// From the mark on that ends an element whose content is not read.
fn after_element<'a>(text: &'a str, name: &str) -> &'a str {
    let ends = |at: &usize| {
        let mark = &text.as_bytes()[at + 2..];
        mark.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    };
    text.match_indices("</").map(|(at, _)| at).find(ends).map_or("", |at| &text[at..])
}

/// The `>` that ends a mark, which is none within quotes.
fn end_of_mark(mark: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in mark.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn whole_name_of(mark: &str) -> &str {
    mark.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default()
}

/// The name of an element, without what says whose it is.
fn name_of(mark: &str) -> &str {
    let name = whole_name_of(mark);
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

struct Reader {
    shape: Shape,
    is_read: bool,
    /// In a cell whose value is a number, and no place in a list of texts.
    in_number: bool,
}

impl Reader {
    fn mark(&mut self, mark: &str, text: &mut Text) {
        let (is_end, inner) = mark.strip_prefix('/').map_or((false, mark), |inner| (true, inner));
        let name = name_of(inner);
        let is_empty = mark.ends_with('/');
        match self.shape {
            Shape::Html if INLINE.iter().any(|known| known.eq_ignore_ascii_case(name)) => {}
            Shape::Html | Shape::Xml => text.push("\n"),
            Shape::Office => match name {
                "t" => self.is_read = !is_end && !is_empty,
                "v" => self.is_read = !is_end && !is_empty && self.in_number,
                "c" => {
                    self.in_number =
                        !is_end && !["t=\"s\"", "t=\"b\"", "t=\"e\""].iter().any(|kind| inner.contains(kind));
                    text.push("\n");
                }
                "p" | "si" | "br" | "cr" | "tab" | "row" => text.push("\n"),
                _ => {}
            },
            Shape::OpenDocument => match name {
                "body" => self.is_read = !is_end,
                "p" | "h" | "tab" | "s" | "line-break" | "table-cell" => text.push("\n"),
                _ => {}
            },
        }
    }

    /// The whole name of the element whose content is passed over, if this mark begins one.
    fn unread<'a>(&self, mark: &'a str) -> Option<&'a str> {
        let unread = if self.shape == Shape::Html { UNREAD } else { UNREAD_DATA };
        let name = name_of(mark);
        let is_unread = !mark.ends_with('/') && unread.iter().any(|known| known.eq_ignore_ascii_case(name));
        is_unread.then(|| whole_name_of(mark))
    }

    fn text(&self, mut marked: &str, text: &mut Text) {
        if !self.is_read {
            return;
        }
        while let Some(start) = marked.find('&') {
            text.push(&marked[..start]);
            let most = &marked[start + 1..marked.floor_char_boundary(start + 1 + LONGEST_ENTITY_BYTES)];
            match most.split_once(';') {
                Some((name, _)) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#') => {
                    character(name, text);
                    marked = &marked[start + name.len() + 2..];
                }
                _ => {
                    text.push("&");
                    marked = &marked[start + 1..];
                }
            }
        }
        text.push(marked);
    }
}

/// What an entity stands for; nothing for one that the document made up.
fn character(name: &str, text: &mut Text) {
    let number = match name.strip_prefix('#').map(|number| (number, number.strip_prefix(['x', 'X']))) {
        None => return text.push(resolve_html5_entity(name).unwrap_or_default()),
        Some((_, Some(hex))) => u32::from_str_radix(hex, 16).ok(),
        Some((decimal, None)) => decimal.parse().ok(),
    };
    if let Some(c) = number.and_then(char::from_u32) {
        text.push_char(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(markup: &str, shape: Shape) -> String {
        let mut text = Text::default();
        read(markup, shape, &mut text);
        text.text.trim().to_owned()
    }

    #[test]
    fn html_is_read_as_it_is_seen() {
        let page = "<!DOCTYPE html><head><title>A title</title><style>p > a { color: red }</style>
            <script>if (a < b) { document.write('</p>') }</SCRIPT ></head><body><p class=\"a > b\">In<b>visi</b>ble &uuml;&#252;&#xFC;
            &amp; AT&T &nosuch; <!-- not > this --><br>next<img src='x.png'/>1 < 2";
        assert_eq!(text(page, Shape::Html), "A title\nInvisible üüü\n& AT&T\nnext\n1 < 2");
    }

    #[test]
    fn xml_is_read_without_its_entities() {
        let laughs = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>one&b;<i>two</i><![CDATA[<raw>]]></l>";
        assert_eq!(text(laughs, Shape::Xml), "]>\none\ntwo\n<raw>");
    }

    #[test]
    fn pictures_within_markup_are_no_words() {
        let book = "<p>one</p><binary id=\"a\">aGVsbG8</binary><p>two</p><binary/>three";
        assert_eq!(text(book, Shape::Xml), "one\ntwo\nthree");
        let open = "<office:body><text:p>one<office:binary-data>aGVs</office:binary-data> two</text:p></office:body>";
        assert_eq!(text(open, Shape::OpenDocument), "one two");
        assert_eq!(text(open, Shape::Xml), "one\ntwo");
    }

    #[test]
    fn runs_of_office_documents_are_joined_and_what_is_deleted_is_not_read() {
        let document = "<w:p><w:r><w:t>Quar</w:t></w:r><w:r><w:t xml:space=\"preserve\">terly </w:t></w:r><w:delText>gone</w:delText></w:p>
            <w:p><w:instrText>PAGE</w:instrText><w:t/><w:t>next</w:t></w:p>";
        assert_eq!(text(document, Shape::Office), "Quarterly\nnext");
        let sheet =
            "<c r=\"A1\" t=\"s\"><v>17</v></c><c r=\"A2\"><v>42.5</v></c><c t=\"inlineStr\"><is><t>in</t></is></c>";
        assert_eq!(text(sheet, Shape::Office), "42.5\nin");
        let open = "<office:automatic-styles>x</office:automatic-styles><office:body><text:p>a<text:span>b</text:span></text:p><text:h>c</text:h></office:body>";
        assert_eq!(text(open, Shape::OpenDocument), "ab\nc");
    }

    #[test]
    fn what_never_ends_ends_soon() {
        for broken in ["<a href=\"", "<!-- ", "<![CDATA[", "<script>", "&#", "<", "</"] {
            let page = format!("begin {}", broken.repeat(200_000));
            let began = std::time::Instant::now();
            for shape in [Shape::Html, Shape::Xml] {
                assert!(text(&page, shape).starts_with("begin"), "{broken}");
            }
            assert!(began.elapsed().as_secs() < 5, "{broken}");
        }
    }
}
