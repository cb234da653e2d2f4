//! The text of documents: what can be read in a file, for searching. Nothing in a file is believed: what is read, unpacked and
//! kept is bounded, nothing refers to anything else, and what cannot be read has no text. Calls block.

mod markup;
mod rtf;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use encoding_rs::{Encoding, UTF_8};

use self::markup::Shape;
use super::child::{INPUT, Limits};
use super::text::decoded;
use super::unpack::{Archive, Entry, How, Opened, Source, Trouble};
use crate::library::text::MOST_KEPT_BYTES;

/// Of plain text twice of what is kept, as UTF-16 takes it; the rest is not read.
const MOST_PLAIN_BYTES: u64 = 2 * MOST_KEPT_BYTES as u64;
/// Of what has marks around its text; of an archive, unpacked and in all.
const MOST_MARKED_BYTES: u64 = 16 << 20;
/// How far into a file its encoding is looked for.
const HEAD_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Plain,
    Html,
    Xml,
    Rtf,
    /// Zip archives of XML, each with the texts that count elsewhere: those of ISO 29500 (docx, xlsx, pptx), ISO 26300
    /// (odt, ods, odp), EPUB.
    Office,
    OpenDocument,
    Epub,
    /// By a foreign program; see [`of_pdf`].
    Pdf,
}

const PLAIN: &[&str] = &[
    "adoc",
    "asciidoc",
    "asm",
    "bash",
    "bat",
    "bib",
    "c",
    "cc",
    "cfg",
    "clj",
    "cls",
    "cmake",
    "cmd",
    "conf",
    "cpp",
    "cs",
    "css",
    "csv",
    "cue",
    "cxx",
    "dart",
    "diff",
    "env",
    "erl",
    "ex",
    "exs",
    "f90",
    "fish",
    "go",
    "gradle",
    "graphql",
    "groovy",
    "h",
    "hpp",
    "hs",
    "ics",
    "ini",
    "java",
    "jl",
    "js",
    "json",
    "json5",
    "jsonl",
    "jsx",
    "kt",
    "kts",
    "less",
    "lisp",
    "log",
    "lrc",
    "lua",
    "m3u",
    "m3u8",
    "m",
    "markdown",
    "md",
    "mdx",
    "mjs",
    "ml",
    "mm",
    "nfo",
    "nim",
    "nix",
    "org",
    "pas",
    "patch",
    "php",
    "pl",
    "pm",
    "po",
    "properties",
    "proto",
    "ps1",
    "py",
    "r",
    "rb",
    "rs",
    "rst",
    "sass",
    "scala",
    "scss",
    "sh",
    "sql",
    "srt",
    "sty",
    "svelte",
    "swift",
    "tcl",
    "tex",
    "text",
    "textile",
    "tf",
    "toml",
    "ts",
    "tsv",
    "tsx",
    "txt",
    "vb",
    "vcf",
    "vim",
    "vtt",
    "vue",
    "yaml",
    "yml",
    "zig",
    "zsh",
];
/// Without an ending.
const PLAIN_NAMES: &[&str] = &[
    "authors",
    "changelog",
    "contributing",
    "copying",
    "dockerfile",
    "license",
    "makefile",
    "news",
    "notes",
    "readme",
    "todo",
];

impl Format {
    /// Of a file that may have text, as far as its name tells.
    pub fn of_name(name: &str) -> Option<Format> {
        let name = name.to_lowercase();
        let Some((_, ending)) = name.rsplit_once('.') else {
            return PLAIN_NAMES.contains(&name.as_str()).then_some(Format::Plain);
        };
        match ending {
            "htm" | "html" | "xhtml" => Some(Format::Html),
            "fb2" | "fodp" | "fods" | "fodt" | "opml" | "xml" => Some(Format::Xml),
            "rtf" => Some(Format::Rtf),
            "docm" | "docx" | "dotx" | "pptm" | "pptx" | "ppsx" | "xlsm" | "xlsx" => Some(Format::Office),
            "odg" | "odp" | "ods" | "odt" | "otp" | "ots" | "ott" => Some(Format::OpenDocument),
            "epub" => Some(Format::Epub),
            "pdf" => Some(Format::Pdf),
            plain => PLAIN.contains(&plain).then_some(Format::Plain),
        }
    }
}

/// The text of a file, up to what is kept of one; empty where there is none to be read, as of one that is damaged. A PDF has
/// none here. Fails where the disk does.
pub fn text_of(format: Format, mut file: File) -> io::Result<String> {
    let mut text = Text::default();
    match format {
        Format::Plain => {
            let bytes = head_of(&mut file, MOST_PLAIN_BYTES)?;
            text.push(&unless_binary(decoded(&bytes)));
        }
        Format::Html => markup::read(&marked(&head_of(&mut file, MOST_MARKED_BYTES)?), Shape::Html, &mut text),
        Format::Xml => markup::read(&marked(&head_of(&mut file, MOST_MARKED_BYTES)?), Shape::Xml, &mut text),
        Format::Rtf => rtf::read(&head_of(&mut file, MOST_MARKED_BYTES)?, &mut text),
        Format::Office | Format::OpenDocument | Format::Epub => read_archive(format, file, &mut text)?,
        Format::Pdf => {}
    }
    Ok(text.text)
}

/// As much of a file as is read, without the half of a character at its end.
fn head_of(file: &mut File, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most_bytes).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == most_bytes {
        bytes.truncate(end_of_characters(&bytes));
    }
    Ok(bytes)
}

/// Where the last whole character ends.
fn end_of_characters(bytes: &[u8]) -> usize {
    match Encoding::for_bom(bytes) {
        Some((encoding, _)) if encoding != UTF_8 => bytes.len() & !1,
        _ => match std::str::from_utf8(bytes) {
            Err(broken) if broken.error_len().is_none() => broken.valid_up_to(),
            _ => bytes.len(),
        },
    }
}

/// No text has such a character; nearly all else has it soon.
fn unless_binary(text: String) -> String {
    if text.contains('\0') { String::new() } else { text }
}

/// What says how it is written may say it within.
fn marked(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let said = || {
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let (_, said) = head.split_once("charset=").or_else(|| head.split_once("encoding="))?;
        let label = said.trim_start_matches(['"', '\'']).split(['"', '\'', ' ', ';', '>', '/', '?']).next()?;
        Encoding::for_label(label.as_bytes())
    };
    let has_mark = Encoding::for_bom(bytes).is_some();
    match said().filter(|_| !has_mark && std::str::from_utf8(bytes).is_err()) {
        Some(encoding) => unless_binary(encoding.decode_without_bom_handling(bytes).0.into_owned()),
        None => unless_binary(decoded(bytes)),
    }
}

/// How the text of an entry is read; `None` for one that has none to be found.
fn shape_in(format: Format, name: &str) -> Option<Shape> {
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start)) && name.ends_with(".xml");
    const OFFICE: &[&str] = &[
        "word/document",
        "word/footnotes",
        "word/endnotes",
        "word/comments",
        "word/header",
        "word/footer",
        "ppt/slides/slide",
        "ppt/notesSlides/notesSlide",
        "xl/sharedStrings",
        "xl/worksheets/sheet",
    ];
    match format {
        Format::Office if begins(OFFICE) => Some(Shape::Office),
        Format::OpenDocument if name == "content.xml" => Some(Shape::OpenDocument),
        Format::Epub if [".xhtml", ".html", ".htm"].iter().any(|ending| name.ends_with(ending)) => Some(Shape::Html),
        _ => None,
    }
}

fn read_archive(format: Format, file: File, text: &mut Text) -> io::Result<()> {
    let how = How::default();
    let source = Source::new(file)?;
    let archive = match Archive::open(source, &how) {
        Ok(archive @ Archive::Zip(..)) => archive,
        // Another archive than a zip could have to be unpacked from its beginning.
        Ok(_) => return Ok(()),
        Err(trouble) => return of_disk(trouble).map_or(Ok(()), Err),
    };
    let mut left_bytes = MOST_MARKED_BYTES;
    let mut failed = None;
    let mut visit = |entry: &Entry, content: Opened| {
        if let Some(shape) = shape_in(format, &entry.name) {
            let mut bytes = Vec::new();
            let read = content.and_then(|content| Ok(content.take(left_bytes).read_to_end(&mut bytes)?));
            // What is damaged further on has text up to there.
            failed = read.err().and_then(of_disk);
            left_bytes -= bytes.len() as u64;
            markup::read(&marked(&bytes), shape, text);
            text.push("\n");
        }
        let is_enough = failed.is_some() || left_bytes == 0 || text.is_full();
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let _ = archive.each(&how, &mut visit);
    failed.map_or(Ok(()), Err)
}

/// What the system tells of; all else is the archive's own.
fn of_disk(trouble: Trouble) -> Option<io::Error> {
    match trouble {
        Trouble::Io(cause) if cause.raw_os_error().is_some() => Some(cause),
        _ => None,
    }
}

/// Text that is taken in, with single spaces and line breaks, and none of what no column can hold.
#[derive(Default)]
struct Text {
    text: String,
}

impl Text {
    pub fn push(&mut self, text: &str) {
        text.chars().for_each(|c| self.push_char(c));
    }

    pub fn push_char(&mut self, c: char) {
        let c = if c.is_control() && c != '\n' { ' ' } else { c };
        let goes_on = !c.is_whitespace() || !self.text.ends_with(char::is_whitespace);
        if goes_on && !self.is_full() {
            self.text.push(c);
        } else if c == '\n' && self.text.ends_with(' ') {
            self.text.pop();
            self.text.push(c);
        }
    }

    pub fn is_full(&self) -> bool {
        self.text.len() >= MOST_KEPT_BYTES
    }
}

// PDF -----------------------------------------------------------------------------------------------------------------

/// For pdftotext, which writes what it finds to its standard output.
pub fn of_pdf() -> Vec<String> {
    ["-q", "-nopgbrk", "-enc", "UTF-8", INPUT, "-"].map(str::to_owned).to_vec()
}

/// More is not waited for.
pub const MOST_SAID_BYTES: usize = MOST_KEPT_BYTES;
pub const PDF_LIMITS: Limits = Limits { processor_s: 30, clock: Duration::from_secs(60), memory_bytes: 1 << 30 };

/// What pdftotext wrote, as far as it is kept.
pub fn said_of_pdf(bytes: &[u8]) -> String {
    let mut text = Text::default();
    text.push(&String::from_utf8_lossy(bytes));
    text.text
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn what_may_have_text_is_told_by_its_name() {
        for (name, format) in [
            ("a.TXT", Some(Format::Plain)),
            ("README", Some(Format::Plain)),
            ("letter.docx", Some(Format::Office)),
            ("a.tar.gz", None),
            ("noending", None),
            ("song.flac", None),
            ("x.pdf", Some(Format::Pdf)),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
    }

    #[test]
    fn marked_text_says_how_it_is_written() {
        let said = b"<meta charset=\"windows-1251\">\xcf\xf0\xe8\xe2\xe5\xf2";
        assert!(marked(said).ends_with("Привет"));
        let said = b"<?xml version='1.0' encoding='Shift_JIS'?>\x93\xfa\x96\x7b";
        assert!(marked(said).ends_with("日本"));
        assert_eq!(marked(b"caf\xe9"), "café");
        assert_eq!(marked(b"MZ\0\0"), "");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        for before in ["", "a"] {
            let said = format!("{before}{}", "привет".repeat(400_000));
            assert!(said.len() as u64 > MOST_PLAIN_BYTES);
            let wide: Vec<u8> = [0xfeff].into_iter().chain(said.encode_utf16()).flat_map(u16::to_le_bytes).collect();
            for bytes in [said.as_bytes(), &wide] {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(bytes).unwrap();
                file.rewind().unwrap();
                let text = text_of(Format::Plain, file).unwrap();
                assert!(text.len() >= MOST_KEPT_BYTES && said.starts_with(&text));
            }
        }
    }

    #[test]
    fn text_is_kept_with_single_spaces_and_up_to_its_limit() {
        let mut text = Text::default();
        text.push(" a \t\u{1}b \n\n c\0d");
        assert_eq!(text.text, " a b\nc d");
        text.push(&"é".repeat(MOST_KEPT_BYTES));
        assert!(text.is_full() && text.text.len() <= MOST_KEPT_BYTES + 1);
    }
}
