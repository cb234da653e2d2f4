//! What formats say in words of their own, for which lofty's tag for all formats has no place.

use std::borrow::Cow;

use lofty::id3::v2::{Frame, FrameId, Id3v2Tag};
use lofty::mp4::{AtomData, AtomIdent, Ilst};
use lofty::ogg::tag::VorbisComments;
use lofty::tag::{Tag, TagType};

use super::{Contribution, Credit, Facts, Role, add, advisory_of, bpm_of, clean_line};

/// Adds it to what was read of the other tags.
pub(super) fn fill(facts: &mut Facts, mut tag: Tag) {
    if !tag.has_format_specific_items() {
        return;
    }
    // The rest has been read.
    tag.retain(|_| false);
    match tag.tag_type() {
        TagType::VorbisComments => vorbis(facts, &VorbisComments::from(tag)),
        TagType::Id3v2 => musicians(facts, &Id3v2Tag::from(tag)),
        TagType::Mp4Ilst => tempo(facts, &Ilst::from(tag)),
        _ => {}
    }
}

/// `ITUNESADVISORY`, and `PERFORMER:violin` as some write it in place of `Ann (violin)`.
fn vorbis(facts: &mut Facts, comments: &VorbisComments) {
    for (name, value) in comments.items() {
        if name.eq_ignore_ascii_case("ITUNESADVISORY") && facts.advisory.is_empty() {
            facts.advisory = advisory_of(value);
        }
        if let Some((performer, part)) = name.split_once(':')
            && performer.eq_ignore_ascii_case("PERFORMER")
        {
            plays(facts, part, value);
        }
    }
}

/// Instruments and who plays them (ID3v2.4.0, section 4.2.2).
fn musicians(facts: &mut Facts, tag: &Id3v2Tag) {
    if let Some(Frame::KeyValue(frame)) = tag.get(&FrameId::Valid(Cow::Borrowed("TMCL"))) {
        for (part, names) in frame.key_value_pairs.iter() {
            names.split(',').for_each(|name| plays(facts, part, name));
        }
    }
}

fn plays(facts: &mut Facts, part: &str, name: &str) {
    let credit = Credit { name: clean_line(name), ..Credit::default() };
    add(&mut facts.contributions, Contribution { role: Role::Performer, part: clean_line(part), credit });
}

/// A number, where all other formats have text.
fn tempo(facts: &mut Facts, tag: &Ilst) {
    let data = tag.get(&AtomIdent::Fourcc(*b"tmpo")).and_then(|atom| atom.data().next());
    let told = match data {
        Some(AtomData::SignedInteger(number)) => Some(f64::from(*number)),
        Some(AtomData::UnsignedInteger(number)) => Some(f64::from(*number)),
        _ => None,
    };
    facts.bpm = facts.bpm.or_else(|| bpm_of(told?));
}
