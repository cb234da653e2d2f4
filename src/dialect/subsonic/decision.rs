//! Whether a player plays a track as it is, and if not, as what it gets it: the rules of the extension `transcoding`, on
//! plain data.
//!
//! First the player's profiles for direct play, with its limits for the track's codec; then its profiles for transcoding,
//! in their order, each made as good as all of its limits allow. Bit rates are in bits per second here, and nowhere else
//! in the protocol.

use serde::{Deserialize, Deserializer};

use crate::media::transcode::{Codec, Limits, Profile};

/// Entries of each list that are read, and limits of one codec: no player has so many, and all are tried with all that a
/// codec can be made as.
const LIST_MAX: usize = 32;

/// What a player says of itself. What it leaves out is no limit, and no profile.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientInfo {
    #[serde(deserialize_with = "limit")]
    pub max_audio_bitrate: Option<u64>,
    #[serde(deserialize_with = "limit")]
    pub max_transcoding_audio_bitrate: Option<u64>,
    #[serde(deserialize_with = "list")]
    pub direct_play_profiles: Vec<DirectPlayProfile>,
    #[serde(deserialize_with = "list")]
    pub transcoding_profiles: Vec<TranscodingProfile>,
    #[serde(deserialize_with = "list")]
    pub codec_profiles: Vec<CodecProfile>,
}

/// An empty list is anything.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DirectPlayProfile {
    #[serde(deserialize_with = "list")]
    pub containers: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub audio_codecs: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub protocols: Vec<String>,
    #[serde(deserialize_with = "limit")]
    pub max_audio_channels: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TranscodingProfile {
    pub container: String,
    pub audio_codec: String,
    pub protocol: String,
    #[serde(deserialize_with = "limit")]
    pub max_audio_channels: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CodecProfile {
    pub r#type: String,
    pub name: String,
    #[serde(deserialize_with = "list")]
    pub limitations: Vec<Limitation>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Limitation {
    pub name: String,
    pub comparison: String,
    /// The documents call it a text and show a list.
    #[serde(deserialize_with = "values")]
    pub values: Vec<String>,
    pub required: bool,
}

/// 0 and what is below are no limit.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<f64>::deserialize(deserializer)?;
    Ok(number.filter(|number| *number >= 1.0).map(|number| number as u64))
}

fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let mut list = Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default();
    list.truncate(LIST_MAX);
    Ok(list)
}

fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Text(String),
        Number(f64),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Values {
        Many(Vec<Value>),
        One(Value),
        None(()),
    }
    let text = |value| match value {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string(),
    };
    Ok(match Values::deserialize(deserializer)? {
        Values::Many(many) => many.into_iter().take(LIST_MAX).map(text).collect(),
        Values::One(one) => vec![text(one)],
        Values::None(()) => Vec::new(),
    })
}

/// What is known of a track, or of what it would be made into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sound {
    pub container: String,
    pub codec: String,
    pub profile: Option<String>,
    pub channels: Option<u32>,
    pub bits_per_second: Option<u64>,
    pub rate_hz: Option<u32>,
    /// Of what loses nothing.
    pub bits: Option<u32>,
}

impl Sound {
    pub fn loses_nothing(&self) -> bool {
        const CODECS: [&str; 11] =
            ["flac", "alac", "pcm", "ape", "wavpack", "tta", "tak", "truehd", "mlp", "wmalossless", "shorten"];
        CODECS.contains(&self.codec.as_str()) || self.codec.starts_with("pcm_") || self.codec.starts_with("dsd")
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub can_direct_play: bool,
    /// Why not, for each profile of direct play.
    pub reasons: Vec<&'static str>,
    /// Only where it cannot be played as it is.
    pub target: Option<(Profile, Sound)>,
}

pub fn decide(source: &Sound, client: &ClientInfo) -> Decision {
    let refused = client.direct_play_profiles.iter().map(|profile| refusal(source, client, profile));
    let reasons: Option<Vec<&'static str>> = refused.collect();
    match reasons {
        None => Decision { can_direct_play: true, reasons: Vec::new(), target: None },
        Some(reasons) => {
            let target = client.transcoding_profiles.iter().find_map(|profile| target(source, client, profile));
            Decision { can_direct_play: false, reasons, target }
        }
    }
}

/// Why a track is not played by this profile; none if it is.
fn refusal(source: &Sound, client: &ClientInfo, profile: &DirectPlayProfile) -> Option<&'static str> {
    let exceeds = |has: Option<u64>, most: Option<u64>| has.zip(most).is_some_and(|(has, most)| has > most);
    let any_or = |list: &[String], is: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|word| is(word));
    if exceeds(source.bits_per_second, client.max_audio_bitrate) {
        return Some("audio bitrate not supported");
    }
    if !any_or(&profile.protocols, &is_http) {
        return Some("protocol not supported");
    }
    if !any_or(&profile.containers, &|name| same(name, &source.container, CONTAINERS)) {
        return Some("container not supported");
    }
    if !any_or(&profile.audio_codecs, &|name| same(name, &source.codec, CODECS)) {
        return Some("audio codec not supported");
    }
    if exceeds(source.channels.map(u64::from), profile.max_audio_channels) {
        return Some("audio channels not supported");
    }
    let mut limits = limits_of(client, &source.codec).filter(|limit| limit.required);
    limits.find(|limit| !holds(limit, source)).map(|limit| match limit.name.as_str() {
        "audioChannels" => "audio channels not supported",
        "audioBitrate" => "audio bitrate not supported",
        "audioProfile" => "audio profile not supported",
        "audioSamplerate" => "audio samplerate not supported",
        _ => "audio bitdepth not supported",
    })
}

fn is_http(protocol: &str) -> bool {
    protocol.is_empty() || protocol.eq_ignore_ascii_case("http")
}

/// Names of the same thing, as players write them.
const CONTAINERS: &[&[&str]] = &[
    &["mp4", "m4a", "m4b", "m4p", "alac", "aac", "adts"],
    &["mp3", "mpeg"],
    &["ogg", "oga", "opus", "spx"],
    &["matroska", "mka", "mkv", "webm"],
    &["aiff", "aif", "aifc"],
    &["wav", "wave"],
    &["asf", "wma"],
    &["wv", "wavpack"],
];
const CODECS: &[&[&str]] = &[
    &["aac", "adts", "mp4a"],
    &["mp3", "mpeg"],
    &["pcm", "wav", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_u8"],
    &["wavpack", "wv"],
    &["ape", "monkeysaudio"],
    &["wmav2", "wma", "wmav1", "wma2"],
    &["musepack8", "musepack7", "mpc", "mpc8", "mpc7"],
];

fn same(a: &str, b: &str, groups: &[&[&str]]) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    a == b || groups.iter().any(|group| group.contains(&a.as_str()) && group.contains(&b.as_str()))
}

fn limits_of<'a>(client: &'a ClientInfo, codec: &'a str) -> impl Iterator<Item = &'a Limitation> {
    let of_codec = client
        .codec_profiles
        .iter()
        .filter(|profile| profile.r#type.eq_ignore_ascii_case("AudioCodec") && same(&profile.name, codec, CODECS));
    of_codec.flat_map(|profile| &profile.limitations).take(LIST_MAX)
}

/// What is not known of a sound, and a limit of an unknown kind, keeps nobody from playing it.
fn holds(limit: &Limitation, sound: &Sound) -> bool {
    let number = match limit.name.as_str() {
        "audioChannels" => sound.channels.map(u64::from),
        "audioBitrate" => sound.bits_per_second,
        "audioSamplerate" => sound.rate_hz.map(u64::from),
        "audioBitdepth" => sound.bits.map(u64::from),
        "audioProfile" => {
            let Some(profile) = &sound.profile else { return true };
            let is_among = limit.values.iter().any(|value| value.eq_ignore_ascii_case(profile));
            return match limit.comparison.as_str() {
                "Equals" => is_among,
                "NotEquals" => !is_among,
                _ => true,
            };
        }
        _ => return true,
    };
    let values: Vec<u64> = limit.values.iter().filter_map(|value| value.trim().parse().ok()).collect();
    let (Some(number), Some(first)) = (number, values.first()) else { return true };
    match limit.comparison.as_str() {
        "Equals" => values.contains(&number),
        "NotEquals" => !values.contains(&number),
        "LessThanEqual" => number <= *first,
        "GreaterThanEqual" => number >= *first,
        _ => true,
    }
}

/// The best that a track can be made into by this profile; none if its limits allow nothing.
fn target(source: &Sound, client: &ClientInfo, wanted: &TranscodingProfile) -> Option<(Profile, Sound)> {
    let codec = codec_of(wanted).filter(|_| is_http(&wanted.protocol))?;
    // What was lost does not come back; it would only be larger.
    if codec.loses_nothing() && !source.loses_nothing() {
        return None;
    }
    let most = client.max_audio_bitrate.into_iter().chain(client.max_transcoding_audio_bitrate).min();
    let candidates: Vec<(Profile, Sound)> = candidates(source, codec, most, wanted.max_audio_channels)
        .map(|(profile, sound)| {
            let container = if wanted.container.is_empty() { codec.suffix() } else { &wanted.container };
            (profile, Sound { container: container.to_ascii_lowercase(), ..sound })
        })
        .collect();
    let fits = |sound: &Sound, counts: fn(&Limitation) -> bool| {
        limits_of(client, codec.sound()).filter(|limit| counts(limit)).all(|limit| holds(limit, sound))
    };
    // What a player only wishes for is kept where it can be.
    let wished = candidates.iter().find(|(_, sound)| fits(sound, |_| true));
    wished.or_else(|| candidates.iter().find(|(_, sound)| fits(sound, |limit| limit.required))).cloned()
}

fn codec_of(wanted: &TranscodingProfile) -> Option<Codec> {
    let container = wanted.container.to_ascii_lowercase();
    let name = if wanted.audio_codec.is_empty() { container.clone() } else { wanted.audio_codec.to_ascii_lowercase() };
    let is_in = |containers: &[&str]| container.is_empty() || containers.contains(&container.as_str());
    match name.as_str() {
        "mp3" if is_in(&["mp3", "mpeg"]) => Some(Codec::Mp3),
        "opus" if is_in(&["ogg", "oga", "opus"]) => Some(Codec::Opus),
        "aac" | "mp4a" | "adts" if is_in(&["aac", "adts"]) => Some(Codec::Aac),
        "aac" | "mp4a" | "mp4" | "m4a" if is_in(&["mp4", "m4a", "m4b"]) => Some(Codec::M4a),
        "flac" if is_in(&["flac"]) => Some(Codec::Flac),
        _ => None,
    }
}

/// All that a codec can be made as within a bit rate, the best first, none better than the source.
fn candidates(
    source: &Sound,
    codec: Codec,
    most_bits_per_second: Option<u64>,
    most_channels: Option<u64>,
) -> impl Iterator<Item = (Profile, Sound)> {
    let channels_max = u64::from(source.channels.unwrap_or(2)).min(u64::from(codec.channels_max()));
    let channels_max = channels_max.min(most_channels.unwrap_or(u64::MAX)).max(1) as u8;
    let bit_rates = bit_rates(source, codec, most_bits_per_second);
    let rates = rates(source, codec);
    let depths: Vec<Option<u32>> = match source.bits {
        _ if !codec.loses_nothing() => vec![None],
        Some(bits) if bits > 16 => vec![Some(bits), Some(16)],
        bits => vec![bits],
    };
    let mut all = Vec::new();
    for base in bit_rates {
        for channels in (1..=channels_max).rev() {
            for rate_hz in &rates {
                for bits in &depths {
                    let usual = if codec.loses_nothing() { source.channels } else { Some(2) };
                    let is_usual = usual == Some(u32::from(channels));
                    let limits = Limits {
                        channels: Some(channels).filter(|_| !is_usual),
                        rate_hz: rate_hz.filter(|rate| codec != Codec::Opus && Some(*rate) != source.rate_hz),
                        bits: (*bits != source.bits).then_some(16).filter(|_| bits.is_some()),
                    };
                    let sound = Sound {
                        container: String::new(),
                        codec: codec.sound().to_owned(),
                        profile: None,
                        channels: Some(channels.into()),
                        bits_per_second: Some(u64::from(base.kbps()) * 1000)
                            .filter(|_| !codec.loses_nothing())
                            .or(source.bits_per_second),
                        rate_hz: *rate_hz,
                        bits: *bits,
                    };
                    all.extend(base.limited(limits).map(|profile| (profile, sound)));
                }
            }
        }
    }
    all.into_iter()
}

fn bit_rates(source: &Sound, codec: Codec, most_bits_per_second: Option<u64>) -> Vec<Profile> {
    let kbps = |bits: u64| u32::try_from(bits / 1000).unwrap_or(u32::MAX);
    if codec.loses_nothing() {
        let is_within = source.bits_per_second.zip(most_bits_per_second).is_none_or(|(has, most)| has <= most);
        return if is_within { vec![Profile::new(codec, None)] } else { Vec::new() };
    }
    let has = source.bits_per_second.filter(|_| !source.loses_nothing()).map(kbps);
    // A source below the lowest bit rate gets the lowest: nothing else can be made.
    let wish = match (has.map(|has| has.max(codec.lowest_kbps())), most_bits_per_second.map(kbps)) {
        (Some(has), most) => has.min(most.unwrap_or(u32::MAX)),
        (None, Some(most)) => most,
        (None, None) => Profile::new(codec, None).kbps(),
    };
    let mut profiles = Vec::new();
    let mut next = Profile::new(codec, Some(wish));
    while next.kbps() <= wish && profiles.last() != Some(&next) {
        profiles.push(next);
        next = Profile::new(codec, Some(next.kbps() - 1));
    }
    profiles
}

/// The source's rate first, then lower ones; where it is not known, the encoder's choice.
fn rates(source: &Sound, codec: Codec) -> Vec<Option<u32>> {
    let all = codec.rates_hz();
    let Some(has) = source.rate_hz else { return vec![None] };
    let mut rates: Vec<Option<u32>> = all.iter().rev().filter(|rate| **rate <= has).map(|rate| Some(*rate)).collect();
    if rates.is_empty() {
        rates.push(all.first().copied());
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flac() -> Sound {
        Sound {
            container: "flac".to_owned(),
            codec: "flac".to_owned(),
            profile: None,
            channels: Some(2),
            bits_per_second: Some(900_000),
            rate_hz: Some(44_100),
            bits: Some(16),
        }
    }

    fn mp3() -> Sound {
        let words = ("mp3".to_owned(), "mp3".to_owned());
        Sound { container: words.0, codec: words.1, bits_per_second: Some(320_000), bits: None, ..flac() }
    }

    fn client(json: &str) -> ClientInfo {
        serde_json::from_str(json).unwrap()
    }

    /// A player with these profiles for transcoding, and more.
    fn made(source: &Sound, profiles: &str, more: &str) -> Option<(String, Sound)> {
        let client = client(&format!(r#"{{"transcodingProfiles":[{profiles}]{more}}}"#));
        decide(source, &client).target.map(|(profile, sound)| (profile.name(), sound))
    }

    fn name(source: &Sound, profiles: &str, more: &str) -> Option<String> {
        made(source, profiles, more).map(|(name, _)| name)
    }

    const MP3: &str = r#"{"container":"mp3","audioCodec":"mp3","protocol":"http"}"#;
    const OPUS: &str = r#"{"container":"ogg","audioCodec":"opus","protocol":"http"}"#;
    const FLAC: &str = r#"{"container":"flac","audioCodec":"flac","protocol":"http"}"#;

    fn limits(codec: &str, limits: &str) -> String {
        format!(r#","codecProfiles":[{{"type":"AudioCodec","name":"{codec}","limitations":[{limits}]}}]"#)
    }

    #[test]
    fn an_empty_list_of_a_profile_is_anything_and_no_profile_is_nothing() {
        let plays = |json: &str| decide(&flac(), &client(json)).can_direct_play;
        assert!(plays(r#"{"directPlayProfiles":[{"containers":[],"audioCodecs":[],"protocols":[]}]}"#));
        assert!(plays(
            r#"{"directPlayProfiles":[{"containers":["FLAC"],"audioCodecs":["flac"],"protocols":["hls","http"]}]}"#
        ));
        assert!(plays(r#"{"directPlayProfiles":[{}],"maxAudioBitrate":0,"transcodingProfiles":null}"#));
        assert!(!plays(r#"{"directPlayProfiles":[]}"#));
        assert!(!plays("{}"));
    }

    #[test]
    fn each_profile_that_does_not_play_has_its_reason() {
        let decision = decide(
            &flac(),
            &client(
                r#"{"directPlayProfiles":[
                    {"containers":["mp3"],"audioCodecs":["mp3"],"protocols":["http"]},
                    {"containers":["flac"],"audioCodecs":["alac"],"protocols":["http"]},
                    {"containers":["flac"],"audioCodecs":["flac"],"protocols":["hls"]},
                    {"containers":[],"audioCodecs":[],"protocols":[],"maxAudioChannels":1}]}"#,
            ),
        );
        let words =
            ["container", "audio codec", "protocol", "audio channels"].map(|word| format!("{word} not supported"));
        assert_eq!((decision.can_direct_play, decision.reasons), (false, words.iter().map(String::as_str).collect()));
        assert_eq!(decision.target, None);
        let slow = client(r#"{"maxAudioBitrate":128000,"directPlayProfiles":[{},{}]}"#);
        assert_eq!(decide(&flac(), &slow).reasons, ["audio bitrate not supported"; 2]);
    }

    #[test]
    fn names_of_one_container_are_one() {
        let m4a = Sound { container: "m4a".to_owned(), codec: "aac".to_owned(), ..mp3() };
        let plays = |container: &str, codec: &str| {
            let json =
                format!(r#"{{"directPlayProfiles":[{{"containers":["{container}"],"audioCodecs":["{codec}"]}}]}}"#);
            decide(&m4a, &client(&json)).can_direct_play
        };
        assert!(plays("mp4", "aac") && plays("m4a", "AAC"));
        assert!(!plays("mp4", "alac") && !plays("ogg", "aac"));
    }

    #[test]
    fn only_required_limits_keep_a_track_from_being_played() {
        let refused = |limit: &str, required: bool| {
            let limit = format!(r#"{{{limit},"required":{required}}}"#);
            let more = limits("flac", &limit);
            let decision = decide(&flac(), &client(&format!(r#"{{"directPlayProfiles":[{{}}]{more}}}"#)));
            decision.reasons.first().copied()
        };
        for (limit, reason) in [
            (
                r#""name":"audioSamplerate","comparison":"LessThanEqual","values":["32000","96000"]"#,
                Some("audio samplerate not supported"),
            ),
            (r#""name":"audioSamplerate","comparison":"LessThanEqual","values":["44100"]"#, None),
            (r#""name":"audioSamplerate","comparison":"Equals","values":["48000","44100"]"#, None),
            (r#""name":"audioChannels","comparison":"NotEquals","values":["2"]"#, Some("audio channels not supported")),
            (
                r#""name":"audioBitdepth","comparison":"GreaterThanEqual","values":["24"]"#,
                Some("audio bitdepth not supported"),
            ),
            (
                r#""name":"audioBitrate","comparison":"LessThanEqual","values":"500000""#,
                Some("audio bitrate not supported"),
            ),
            (r#""name":"audioProfile","comparison":"Equals","values":["LC"]"#, None),
            (r#""name":"audioBitrate","comparison":"Sideways","values":["1"]"#, None),
            (r#""name":"smell","comparison":"Equals","values":["1"]"#, None),
            (r#""name":"audioBitrate","comparison":"Equals","values":[]"#, None),
            (r#""name":"audioBitrate","comparison":"Equals","values":["many"]"#, None),
        ] {
            assert_eq!(refused(limit, true), reason, "{limit}");
            assert_eq!(refused(limit, false), None, "{limit}");
        }
        let of_another =
            limits("mp3", r#"{"name":"audioChannels","comparison":"Equals","values":["9"],"required":true}"#);
        assert!(decide(&flac(), &client(&format!(r#"{{"directPlayProfiles":[{{}}]{of_another}}}"#))).can_direct_play);
    }

    #[test]
    fn profiles_for_transcoding_are_tried_in_their_order() {
        assert_eq!(name(&flac(), &format!("{OPUS},{MP3}"), "").as_deref(), Some("opus-128"));
        assert_eq!(name(&flac(), &format!("{MP3},{OPUS}"), "").as_deref(), Some("mp3-192"));
        let hls = MP3.replace("http", "hls");
        let odd =
            r#"{"container":"webm","audioCodec":"opus","protocol":"http"},{"container":"mp3","audioCodec":"wma"}"#;
        assert_eq!(name(&flac(), &format!("{hls},{odd},{OPUS}"), "").as_deref(), Some("opus-128"));
        assert_eq!(name(&flac(), &format!("{hls},{odd}"), ""), None);
        let mp4 = r#"{"container":"mp4","audioCodec":"aac","protocol":"http"}"#;
        let (name, sound) = made(&flac(), mp4, "").unwrap();
        assert_eq!((name.as_str(), sound.container.as_str(), sound.codec.as_str()), ("m4a-192", "mp4", "aac"));
    }

    #[test]
    fn bit_rates_are_below_all_limits_and_never_above_the_source() {
        let limited = |limit: &str| format!(r#","maxTranscodingAudioBitrate":{limit}"#);
        assert_eq!(name(&flac(), MP3, &limited("320000")).as_deref(), Some("mp3-320"));
        assert_eq!(name(&flac(), MP3, &limited("150000")).as_deref(), Some("mp3-128"));
        assert_eq!(
            name(&flac(), MP3, r#","maxTranscodingAudioBitrate":256000,"maxAudioBitrate":100000"#).as_deref(),
            Some("mp3-96")
        );
        assert_eq!(name(&flac(), MP3, &limited("1000")), None, "nothing so small can be made");
        assert_eq!(
            name(&Sound { bits_per_second: Some(96_000), ..mp3() }, OPUS, &limited("320000")).as_deref(),
            Some("opus-96")
        );
        assert_eq!(name(&Sound { bits_per_second: Some(8000), ..mp3() }, MP3, "").as_deref(), Some("mp3-64"));
        assert_eq!(made(&flac(), MP3, "").unwrap().1.bits_per_second, Some(192_000));
        assert_eq!(name(&flac(), FLAC, "").as_deref(), Some("flac-0"));
        assert_eq!(name(&flac(), FLAC, r#","maxAudioBitrate":500000"#), None);
        assert_eq!(name(&mp3(), FLAC, ""), None, "what was lost does not come back");
    }

    #[test]
    fn limits_of_the_target_are_met_or_the_profile_is_passed_over() {
        let loud = Sound { channels: Some(6), rate_hz: Some(192_000), bits: Some(24), ..flac() };
        assert_eq!(name(&loud, MP3, "").as_deref(), Some("mp3-192-48000hz"));
        assert_eq!(name(&loud, FLAC, "").as_deref(), Some("flac-0"));
        let limit = |name: &str, comparison: &str, values: &str, required: bool| {
            format!(r#"{{"name":"{name}","comparison":"{comparison}","values":{values},"required":{required}}}"#)
        };
        let all = [
            limit("audioChannels", "LessThanEqual", r#"["2"]"#, true),
            limit("audioSamplerate", "Equals", r#"["44100","48000"]"#, true),
            limit("audioBitdepth", "LessThanEqual", r#"["16"]"#, true),
        ];
        assert_eq!(name(&loud, FLAC, &limits("flac", &all.join(","))).as_deref(), Some("flac-0-2ch-48000hz-16bit"));
        let mono = limits("mp3", &limit("audioChannels", "Equals", r#"["1"]"#, true));
        assert_eq!(name(&flac(), MP3, &mono).as_deref(), Some("mp3-192-1ch"));
        let single = MP3.replace('}', r#","maxAudioChannels":1}"#);
        assert_eq!(name(&flac(), &single, "").as_deref(), Some("mp3-192-1ch"));
        let low = limits("mp3", &limit("audioBitrate", "LessThanEqual", "[\"100000\"]", true));
        assert_eq!(name(&flac(), MP3, &low).as_deref(), Some("mp3-96"));
        let many = |required| limits("mp3", &limit("audioChannels", "GreaterThanEqual", r#"["6"]"#, required));
        assert_eq!(name(&flac(), &format!("{MP3},{OPUS}"), &many(true)).as_deref(), Some("opus-128"));
        assert_eq!(name(&flac(), &format!("{MP3},{OPUS}"), &many(false)).as_deref(), Some("mp3-192"));
        assert_eq!(
            name(&flac(), OPUS, &limits("opus", &limit("audioSamplerate", "Equals", r#"["44100"]"#, true))),
            None
        );
        assert_eq!(made(&flac(), OPUS, "").unwrap().1.rate_hz, Some(48_000));
    }

    #[test]
    fn hostile_lists_are_cut() {
        let limit = r#"{"name":"audioBitrate","comparison":"Equals","values":["1"],"required":true}"#;
        let json = format!(
            r#"{{"codecProfiles":[{}],"transcodingProfiles":[{}]}}"#,
            vec![
                format!(r#"{{"type":"AudioCodec","name":"mp3","limitations":[{}]}}"#, vec![limit; 500].join(","));
                500
            ]
            .join(","),
            vec![MP3; 500].join(",")
        );
        let client = client(&json);
        assert_eq!((client.codec_profiles.len(), client.codec_profiles[0].limitations.len()), (LIST_MAX, LIST_MAX));
        assert_eq!(decide(&flac(), &client).target, None);
        for odd in ["1", "null", r#"{"directPlayProfiles":{}}"#, r#"{"maxAudioBitrate":"many"}"#] {
            assert!(serde_json::from_str::<ClientInfo>(odd).is_err(), "{odd}");
        }
    }
}
