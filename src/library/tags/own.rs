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

#[cfg(test)]
mod tests {
    use lofty::TextEncoding;
    use lofty::id3::v2::KeyValueFrame;
    use lofty::mp4::Atom;

    use super::*;

    fn filled(tag: impl Into<Tag>) -> Facts {
        let mut facts = Facts::default();
        fill(&mut facts, tag.into());
        facts
    }

    fn players(facts: &Facts) -> Vec<(Role, &str, &str)> {
        let contributions = facts.contributions.iter();
        contributions.map(|one| (one.role, one.part.as_str(), one.credit.name.as_str())).collect()
    }

    #[test]
    fn vorbis_comments_name_players_by_their_instrument_and_what_is_explicit() {
        let mut comments = VorbisComments::new();
        for (name, value) in [("performer:guitar", "Gui"), ("PERFORMER:", "Any"), ("ItunesAdvisory", "1"), ("X:", "y")]
        {
            comments.push(name.to_owned(), value.to_owned());
        }
        let facts = filled(comments);
        assert_eq!(players(&facts), [(Role::Performer, "guitar", "Gui"), (Role::Performer, "", "Any")]);
        assert_eq!(facts.advisory, "explicit");
    }

    #[test]
    fn id3_names_musicians_in_a_frame_of_pairs() {
        let pairs = [("violin", "Vio"), ("drums", "Ann, Bob"), ("", ""), ("violin", "Vio")];
        let pairs: Vec<_> = pairs.into_iter().map(|(part, name)| (part.into(), name.into())).collect();
        let mut tag = Id3v2Tag::new();
        let id = FrameId::Valid(Cow::Borrowed("TMCL"));
        tag.insert(Frame::KeyValue(KeyValueFrame::new(id, TextEncoding::UTF8, pairs)));
        let facts = filled(tag);
        let expected = [("violin", "Vio"), ("drums", "Ann"), ("drums", "Bob")];
        assert_eq!(players(&facts), expected.map(|(part, name)| (Role::Performer, part, name)));
    }

    #[test]
    fn mp4_has_the_tempo_as_a_number() {
        for (told, bpm) in [(130, Some(130)), (0, None), (-5, None), (i32::MAX, None)] {
            let mut tag = Ilst::new();
            tag.insert(Atom::new(AtomIdent::Fourcc(*b"tmpo"), AtomData::SignedInteger(told)));
            assert_eq!(filled(tag).bpm, bpm, "{told}");
        }
    }
}
