//! Text within RTF 1.9: groups, words of control, characters by their numbers.

use encoding_rs::{BIG5, Decoder, EUC_KR, Encoding, GBK, IBM866, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_1252};

use super::Text;

/// Groups within groups; what lies deeper is not read.
const DEEPEST: usize = 1000;
/// Groups that hold no text of the document.
const UNREAD: &[&str] = &[
    "colortbl",
    "datastore",
    "filetbl",
    "fonttbl",
    "generator",
    "info",
    "listtable",
    "object",
    "pict",
    "revtbl",
    "rsidtbl",
    "stylesheet",
    "themedata",
    "xmlnstbl",
];

#[derive(Clone, Copy)]
struct Group {
    is_read: bool,
    /// Characters that stand behind a Unicode one, for those who do not know it.
    stand_ins: usize,
}

/// Adds the text of the document; none of what is no RTF.
pub fn read(bytes: &[u8], text: &mut Text) {
    if !bytes.starts_with(b"{\\rtf") {
        return;
    }
    let mut groups = vec![Group { is_read: true, stand_ins: 1 }];
    let (mut at, mut skipped) = (0, 0);
    let mut high = None;
    let mut decoder = WINDOWS_1252.new_decoder_without_bom_handling();
    while let (Some(byte), false) = (bytes.get(at), text.is_full()) {
        at += 1;
        let Some(group) = groups.last().copied() else { return };
        match byte {
            b'{' if groups.len() >= DEEPEST => return,
            // No stand-in lies in another group than its character.
            b'{' => {
                skipped = 0;
                groups.push(group);
            }
            b'}' => {
                skipped = 0;
                groups.pop();
            }
            b'\r' | b'\n' => {}
            b'\\' => {
                let control = Control::read(bytes, &mut at);
                let Some(group) = groups.last_mut() else { return };
                match control {
                    Control::Byte(_) if skipped > 0 => skipped -= 1,
                    Control::Byte(byte) if group.is_read => push_byte(byte, &mut decoder, text),
                    Control::Byte(_) => {}
                    Control::Star => group.is_read = false,
                    Control::Word("u", Some(number)) => {
                        skipped = group.stand_ins;
                        if group.is_read {
                            push_unit(number as u16, &mut high, text);
                        }
                    }
                    Control::Word("ansicpg", Some(number)) => {
                        if let Some(encoding) = encoding_of(number) {
                            decoder = encoding.new_decoder_without_bom_handling();
                        }
                    }
                    Control::Word("uc", number) => group.stand_ins = number.map_or(1, |n| n.clamp(0, 16) as usize),
                    Control::Word("bin", number) => {
                        at = at.saturating_add(number.map_or(0, |n| usize::try_from(n).unwrap_or(0)));
                    }
                    Control::Word(name, _) if UNREAD.contains(&name) => group.is_read = false,
                    Control::Word("par" | "line" | "tab" | "cell" | "row" | "sect" | "page", _) if group.is_read => {
                        text.push("\n");
                    }
                    Control::Word(..) => {}
                }
            }
            _ if skipped > 0 => skipped -= 1,
            byte if group.is_read => push_byte(*byte, &mut decoder, text),
            _ => {}
        }
    }
}

/// By the number of a code page.
fn encoding_of(number: i32) -> Option<&'static Encoding> {
    match number {
        866 => Some(IBM866),
        932 => Some(SHIFT_JIS),
        936 => Some(GBK),
        949 => Some(EUC_KR),
        950 => Some(BIG5),
        10_000 => Some(MACINTOSH),
        65_001 => Some(UTF_8),
        number => Encoding::for_label(format!("windows-{number}").as_bytes()),
    }
}

/// Several bytes may be one character.
fn push_byte(byte: u8, decoder: &mut Decoder, text: &mut Text) {
    let mut said = String::with_capacity(16);
    let _ = decoder.decode_to_string(&[byte], &mut said, false);
    text.push(&said);
}

/// Of UTF-16: two may be one character.
fn push_unit(unit: u16, high: &mut Option<u16>, text: &mut Text) {
    let first = |units: &[u16]| char::decode_utf16(units.iter().copied()).next()?.ok();
    // One that waits for its other half in vain is none.
    match high.take().and_then(|high| first(&[high, unit])).or_else(|| first(&[unit])) {
        Some(c) => text.push_char(c),
        None => *high = Some(unit),
    }
}

enum Control<'a> {
    Byte(u8),
    /// What only those read who know it.
    Star,
    Word(&'a str, Option<i32>),
}

impl<'a> Control<'a> {
    /// From behind the backslash on.
    fn read(bytes: &'a [u8], at: &mut usize) -> Control<'a> {
        let rest = bytes.get(*at..).unwrap_or_default();
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count().min(32);
        if letters == 0 {
            let symbol = rest.first().copied().unwrap_or(b' ');
            *at += 1;
            return match symbol {
                b'*' => Control::Star,
                b'\'' => {
                    let hex = rest.get(1..3).and_then(|hex| std::str::from_utf8(hex).ok());
                    *at += 2;
                    Control::Byte(hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(b'?'))
                }
                b'~' => Control::Byte(b' '),
                b'{' | b'}' | b'\\' => Control::Byte(symbol),
                _ => Control::Word("", None),
            };
        }
        let sign = usize::from(rest.get(letters) == Some(&b'-'));
        let digits = rest[letters + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count().min(10);
        let text = |part: &'a [u8]| std::str::from_utf8(part).unwrap_or_default();
        let number = text(&rest[letters..letters + if digits > 0 { sign + digits } else { 0 }]).parse().ok();
        let length = letters + if digits > 0 { sign + digits } else { 0 };
        *at += length + usize::from(rest.get(length) == Some(&b' '));
        Control::Word(text(&rest[..letters]), number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(document: &str) -> String {
        let mut text = Text::default();
        read(document.as_bytes(), &mut text);
        text.text.trim().to_owned()
    }

    #[test]
    fn text_is_read_without_fonts_and_hidden_groups() {
        let document = r"{\rtf1\ansi\deff0{\fonttbl{\f0 Times;}}{\*\generator Some 1;}{\info{\title No}}\f0\b Quarterly\b0  report\par caf\'e9 \u8364?5 \uc2\u-10179??\u-8704??\{x\}{\pict 0102}}";
        assert_eq!(text(document), "Quarterly report\ncafé €5 😀{x}");
    }

    #[test]
    fn characters_are_those_of_the_code_page_or_their_numbers() {
        assert_eq!(text(r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}"), "Привет");
        assert_eq!(text(r"{\rtf1\ansi\ansicpg932 \'93\'fa\'96\'7b a}"), "日本 a");
        assert_eq!(text(r"{\rtf1\ansi\ansicpg99999 caf\'e9}"), "café");
        assert_eq!(text(r"{\rtf1 \u-10179?\u233?\u-10179?\u-8704?}"), "é😀");
        assert_eq!(text(r"{\rtf1 {\u233}a\u233{b}}"), "éaéb");
    }

    #[test]
    fn what_is_broken_ends() {
        for broken in [
            "",
            "plain",
            r"{\rtf1",
            r"{\rtf1 a\",
            r"{\rtf1 a\'",
            r"{\rtf1 a}}}}b",
            r"{\rtf1 \bin99999999999 a",
            r"{\rtf1 \u",
        ] {
            text(broken);
        }
        assert_eq!(text(&format!("{{\\rtf1 a {}", "{".repeat(100_000))), "a");
    }
}
