//! Golden answers: what clients read, byte for byte.

use super::*;
use crate::error::Thing;

const XML_HEAD: &str =
    r#"<?xml version="1.0" encoding="UTF-8"?><subsonic-response xmlns="http://subsonic.org/restapi" "#;

/// The XML with the part that all answers share cut off at both ends.
fn xml(payload: &Payload) -> String {
    let head = format!(
        r#"{XML_HEAD}status="ok" version="1.16.1" type="openshelf" serverVersion="{}" openSubsonic="true">"#,
        env!("CARGO_PKG_VERSION")
    );
    let Rendered { content_type, body } = render(&Format::Xml, Ok(payload));
    assert_eq!(content_type, "text/xml; charset=utf-8");
    body.strip_prefix(&head).unwrap().strip_suffix("</subsonic-response>").unwrap().to_owned()
}

/// The JSON likewise.
fn json(payload: &Payload) -> String {
    let head = format!(
        r#"{{"subsonic-response":{{"status":"ok","version":"1.16.1","type":"openshelf","serverVersion":"{}","openSubsonic":true,"#,
        env!("CARGO_PKG_VERSION")
    );
    let Rendered { content_type, body } = render(&Format::Json, Ok(payload));
    assert_eq!(content_type, "application/json");
    body.strip_prefix(&head).unwrap().strip_suffix("}}").unwrap().to_owned()
}

fn refused_json(failure: &Failure) -> String {
    let body = render(&Format::Json, Err(failure)).body;
    body.split_once("\"openSubsonic\":true,").unwrap().1.strip_suffix("}}").unwrap().to_owned()
}

fn asked(query: &str) -> Result<Format, (Format, Error)> {
    Format::asked(&Params::read(query, b"").0)
}

fn song() -> Child {
    Child {
        id: "t1".into(),
        parent: Some("a1".into()),
        title: "Rock & <Roll>".into(),
        album: Some("Live".into()),
        artist: Some("Ann".into()),
        track: Some(3),
        year: Some(1999),
        genre: Some("Rock".into()),
        cover_art: Some("c1".into()),
        size: Some(5_000_000_000),
        content_type: Some("audio/flac".into()),
        suffix: Some("flac".into()),
        duration: Some(215),
        bit_rate: Some(900),
        bit_depth: 16,
        sampling_rate: 44100,
        channel_count: 2,
        path: Some("Ann/Live/03.flac".into()),
        user_rating: Some(4),
        play_count: Some(0),
        disc_number: Some(1),
        created: Some(Date(1_700_000_000_007)),
        album_id: Some("a1".into()),
        artist_id: Some("r1".into()),
        kind: Some(MediaKind::Music),
        media_type: Some(MediaType::Song),
        sort_name: "rock".into(),
        isrc: vec!["USX1".into(), "USX2".into()],
        genres: vec![ItemGenre { name: "Rock".into() }],
        artists: vec![ArtistRef { id: "r1".into(), name: "Ann".into() }],
        display_artist: "Ann".into(),
        contributors: vec![Contributor {
            role: "composer".into(),
            sub_role: None,
            artist: ArtistRef { id: "r2".into(), name: "Bo".into() },
        }],
        replay_gain: ReplayGain { track_gain: Some(-6.5), album_gain: Some(f64::NAN), ..ReplayGain::default() },
        ..Child::default()
    }
}

/// What a shared folder looks like: the least that a child holds.
fn folder() -> Child {
    Child { id: "f1".into(), is_dir: true, title: "Folder".into(), ..Child::default() }
}

fn share(entry: Vec<Child>) -> Share {
    Share {
        id: "s1".into(),
        url: "https://example.org/share/s1".into(),
        description: Some("For \"you\"".into()),
        username: "ann".into(),
        created: Date(0),
        expires: Some(Date(1_700_000_000_000)),
        last_visited: None,
        visit_count: 0,
        entry,
    }
}

const FOLDER_JSON: &str = concat!(
    r#"{"id":"f1","isDir":true,"title":"Folder","bitDepth":0,"samplingRate":0,"channelCount":0,"isVideo":false,"#,
    r#""bpm":0,"comment":"","sortName":"","musicBrainzId":"","isrc":[],"genres":[],"artists":[],"displayArtist":"","#,
    r#""albumArtists":[],"displayAlbumArtist":"","contributors":[],"displayComposer":"","moods":[],"replayGain":{},"#,
    r#""explicitStatus":""}"#
);

const FOLDER_XML: &str = concat!(
    r#" id="f1" isDir="true" title="Folder" bitDepth="0" samplingRate="0" channelCount="0" isVideo="false" bpm="0""#,
    r#" comment="" sortName="" musicBrainzId="" displayArtist="" displayAlbumArtist="" displayComposer="""#,
    r#" explicitStatus=""/>"#
);

#[test]
fn a_song_is_attributes_and_repeated_elements_in_xml() {
    assert_eq!(
        xml(&Payload::Song(Box::new(song()))),
        concat!(
            r#"<song id="t1" parent="a1" isDir="false" title="Rock &amp; &lt;Roll&gt;" album="Live" artist="Ann""#,
            r#" track="3" year="1999" genre="Rock" coverArt="c1" size="5000000000" contentType="audio/flac""#,
            r#" suffix="flac" duration="215" bitRate="900" bitDepth="16" samplingRate="44100" channelCount="2""#,
            r#" path="Ann/Live/03.flac" isVideo="false" userRating="4" playCount="0" discNumber="1""#,
            r#" created="2023-11-14T22:13:20.007Z" albumId="a1" artistId="r1" type="music" mediaType="song" bpm="0""#,
            r#" comment="" sortName="rock" musicBrainzId="" displayArtist="Ann" displayAlbumArtist="""#,
            r#" displayComposer="" explicitStatus=""><isrc>USX1</isrc><isrc>USX2</isrc><genres name="Rock"/>"#,
            r#"<artists id="r1" name="Ann"/><contributors role="composer"><artist id="r2" name="Bo"/></contributors>"#,
            r#"<replayGain trackGain="-6.5"/></song>"#
        )
    );
}

#[test]
fn a_song_has_numbers_booleans_and_lists_in_json() {
    assert_eq!(
        json(&Payload::Song(Box::new(song()))),
        concat!(
            r#""song":{"id":"t1","parent":"a1","isDir":false,"title":"Rock & <Roll>","album":"Live","artist":"Ann","#,
            r#""track":3,"year":1999,"genre":"Rock","coverArt":"c1","size":5000000000,"contentType":"audio/flac","#,
            r#""suffix":"flac","duration":215,"bitRate":900,"bitDepth":16,"samplingRate":44100,"channelCount":2,"#,
            r#""path":"Ann/Live/03.flac","isVideo":false,"userRating":4,"playCount":0,"discNumber":1,"#,
            r#""created":"2023-11-14T22:13:20.007Z","albumId":"a1","artistId":"r1","type":"music","mediaType":"song","#,
            r#""bpm":0,"comment":"","sortName":"rock","musicBrainzId":"","isrc":["USX1","USX2"],"#,
            r#""genres":[{"name":"Rock"}],"artists":[{"id":"r1","name":"Ann"}],"displayArtist":"Ann","#,
            r#""albumArtists":[],"displayAlbumArtist":"","#,
            r#""contributors":[{"role":"composer","artist":{"id":"r2","name":"Bo"}}],"displayComposer":"","moods":[],"#,
            r#""replayGain":{"trackGain":-6.5},"explicitStatus":""}"#
        )
    );
}

#[test]
fn a_share_lists_its_entries_and_counts_visits_from_zero() {
    let shares = Payload::Shares(Shares { share: vec![share(vec![folder()])] });
    assert_eq!(
        xml(&shares),
        format!(
            concat!(
                r#"<shares><share id="s1" url="https://example.org/share/s1" description="For &quot;you&quot;""#,
                r#" username="ann" created="1970-01-01T00:00:00.000Z" expires="2023-11-14T22:13:20.000Z" visitCount="0">"#,
                r#"<entry{}</share></shares>"#
            ),
            FOLDER_XML
        )
    );
    assert_eq!(
        json(&shares),
        format!(
            concat!(
                r#""shares":{{"share":[{{"id":"s1","url":"https://example.org/share/s1","description":"For \"you\"","#,
                r#""username":"ann","created":"1970-01-01T00:00:00.000Z","expires":"2023-11-14T22:13:20.000Z","#,
                r#""visitCount":0,"entry":[{}]}}]}}"#
            ),
            FOLDER_JSON
        )
    );
}

#[test]
fn an_empty_list_is_an_empty_element_in_xml_and_a_list_in_json() {
    assert_eq!(xml(&Payload::Shares(Shares::default())), "<shares/>");
    assert_eq!(json(&Payload::Shares(Shares::default())), r#""shares":{"share":[]}"#);
}

#[test]
fn an_answer_written_piece_by_piece_is_the_answer_written_at_once() {
    let payload = Payload::Shares(Shares { share: vec![share(vec![folder()]), share(vec![])] });
    for asked_for in ["f=xml", "f=json", "f=jsonp&callback=got"] {
        let format = asked(asked_for).unwrap();
        let mut writer = Writer::new(format.clone());
        let mut pieces = Vec::new();
        writer.object("shares", &std::collections::BTreeMap::<String, i64>::new());
        writer.list("share");
        for share in [share(vec![folder()]), share(vec![])] {
            writer.item(&share);
            pieces.push(writer.take());
        }
        (0..3).for_each(|_| writer.close());
        pieces.push(writer.take());
        assert_eq!(pieces.concat(), render(&format, Ok(&payload)).body, "{asked_for}");
    }
}

#[test]
fn lists_in_lists_are_written_piece_by_piece() {
    #[derive(Serialize)]
    struct Named {
        name: &'static str,
    }
    let write = |format: Format| {
        let mut writer = Writer::new(format);
        writer.object("artists", &Named { name: "all" });
        writer.list("index");
        for name in ["A", "B"] {
            writer.entry(&Named { name });
            writer.list("artist");
            writer.item(&Named { name: "x" });
            writer.item(&Named { name: "y" });
            writer.close();
            writer.close();
        }
        writer.close();
        writer.list("child");
        (0..3).for_each(|_| writer.close());
        writer.take()
    };
    let one = r#""artist":[{"name":"x"},{"name":"y"}]}"#;
    let written = write(Format::Json);
    let index = format!(r#""artists":{{"name":"all","index":[{{"name":"A",{one},{{"name":"B",{one}],"child":[]}}}}}}"#);
    assert!(written.ends_with(&index), "{written}");
    let one = r#"<artist name="x"/><artist name="y"/></index>"#;
    let written = write(Format::Xml);
    let index =
        format!(r#"<artists name="all"><index name="A">{one}<index name="B">{one}</artists></subsonic-response>"#);
    assert!(written.ends_with(&index), "{written}");
}

#[test]
fn an_answer_without_content_is_the_envelope_alone() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        render(&Format::Xml, Ok(&Payload::Empty)).body,
        format!(
            r#"{XML_HEAD}status="ok" version="1.16.1" type="openshelf" serverVersion="{version}" openSubsonic="true"/>"#
        )
    );
    assert_eq!(
        render(&Format::Json, Ok(&Payload::Empty)).body,
        format!(
            r#"{{"subsonic-response":{{"status":"ok","version":"1.16.1","type":"openshelf","serverVersion":"{version}","openSubsonic":true}}}}"#
        )
    );
}

#[test]
fn a_genre_is_text_in_xml_and_a_value_in_json() {
    let genre = Genre { value: Text("R&B".into()), song_count: 28, album_count: 6 };
    let genres = Payload::Genres(Genres { genre: vec![genre] });
    assert_eq!(xml(&genres), r#"<genres><genre songCount="28" albumCount="6">R&amp;B</genre></genres>"#);
    assert_eq!(json(&genres), r#""genres":{"genre":[{"value":"R&B","songCount":28,"albumCount":6}]}"#);
}

#[test]
fn an_album_holds_its_songs_beside_its_own_fields() {
    let album = AlbumID3 {
        id: "a1".into(),
        name: "Live".into(),
        release_date: ItemDate { year: Some(1999), ..ItemDate::default() },
        release_types: vec!["Album".into()],
        disc_titles: vec![DiscTitle { disc: 1, title: "One".into() }],
        ..AlbumID3::default()
    };
    let album = Payload::Album(Box::new(AlbumID3WithSongs { album, song: vec![folder()] }));
    assert_eq!(
        xml(&album),
        format!(
            concat!(
                r#"<album id="a1" name="Live" songCount="0" duration="0" created="1970-01-01T00:00:00.000Z""#,
                r#" musicBrainzId="" displayArtist="" sortName="" isCompilation="false" explicitStatus="">"#,
                r#"<releaseTypes>Album</releaseTypes><releaseDate year="1999"/><discTitles disc="1" title="One"/>"#,
                r#"<song{}</album>"#
            ),
            FOLDER_XML
        )
    );
    assert_eq!(
        json(&album),
        format!(
            concat!(
                r#""album":{{"id":"a1","name":"Live","songCount":0,"duration":0,"created":"1970-01-01T00:00:00.000Z","#,
                r#""recordLabels":[],"musicBrainzId":"","genres":[],"artists":[],"displayArtist":"","#,
                r#""releaseTypes":["Album"],"moods":[],"sortName":"","originalReleaseDate":{{}},"#,
                r#""releaseDate":{{"year":1999}},"isCompilation":false,"explicitStatus":"","#,
                r#""discTitles":[{{"disc":1,"title":"One"}}],"song":[{}]}}"#
            ),
            FOLDER_JSON
        )
    );
}

#[test]
fn extensions_are_a_bare_list_on_the_envelope() {
    let extensions = Payload::OpenSubsonicExtensions(vec![
        OpenSubsonicExtension { name: "formPost".into(), versions: vec![1] },
        OpenSubsonicExtension { name: "songLyrics".into(), versions: vec![1, 2] },
    ]);
    assert_eq!(
        xml(&extensions),
        concat!(
            r#"<openSubsonicExtensions name="formPost"><versions>1</versions></openSubsonicExtensions>"#,
            r#"<openSubsonicExtensions name="songLyrics"><versions>1</versions><versions>2</versions></openSubsonicExtensions>"#
        )
    );
    assert_eq!(
        json(&extensions),
        r#""openSubsonicExtensions":[{"name":"formPost","versions":[1]},{"name":"songLyrics","versions":[1,2]}]"#
    );
}

#[test]
fn ids_are_strings_but_for_music_folders() {
    let folders =
        Payload::MusicFolders(MusicFolders { music_folder: vec![MusicFolder { id: 1, name: "Music".into() }] });
    assert_eq!(json(&folders), r#""musicFolders":{"musicFolder":[{"id":1,"name":"Music"}]}"#);
    let user = Payload::User(User { username: "ann".into(), folder: vec![1, 2], ..User::default() });
    assert!(json(&user).ends_with(r#""videoConversionRole":false,"folder":[1,2]}"#));
    assert!(xml(&user).ends_with(r#" videoConversionRole="false"><folder>1</folder><folder>2</folder></user>"#));
}

#[test]
fn tags_with_characters_that_xml_forbids_still_make_a_document() {
    let title = "a\u{0}b\u{b}c\u{ffff}\u{2028}\r\n";
    let song = Payload::Song(Box::new(Child { title: title.into(), ..folder() }));
    assert!(xml(&song).contains(" title=\"abc\u{2028}&#13;&#10;\" "));
    assert!(json(&song).contains("\"title\":\"a\\u0000b\\u000bc\u{ffff}\u{2028}\\r\\n\""));
    let Rendered { content_type, body } = render(&asked("f=jsonp&callback=app.on_song$1").unwrap(), Ok(&song));
    assert_eq!(content_type, "application/javascript");
    assert!(body.starts_with("app.on_song$1({\"subsonic-response\":{") && body.ends_with("}});"), "{body}");
    assert!(body.contains("\u{ffff}\\u2028\\r\\n"), "{body}");
}

#[test]
fn the_form_is_xml_unless_asked_for_another() {
    assert_eq!(asked("").unwrap(), Format::Xml);
    assert_eq!(asked("f=").unwrap(), Format::Xml);
    assert_eq!(asked("f=JSON").unwrap(), Format::Json);
    let (shown_in, error) = asked("f=yaml").unwrap_err();
    assert_eq!((shown_in, error_of(&error).0), (Format::Xml, 0));
}

#[test]
fn a_callback_that_is_not_a_function_name_is_refused_in_json() {
    let long = "a".repeat(65);
    for hostile in ["alert(1)//", "a;b", "1a", "a..b", ".a", "a.", "a[0]", "a%20b", "%C3%A9", "%3Cscript%3E", &long] {
        let (shown_in, error) = asked(&format!("f=jsonp&callback={hostile}")).unwrap_err();
        assert_eq!((shown_in, error_of(&error).0), (Format::Json, 0), "{hostile}");
    }
    let (shown_in, error) = asked("f=jsonp").unwrap_err();
    assert_eq!((shown_in, error_of(&error)), (Format::Json, (10, "Required parameter 'callback' is missing".into())));
    assert!(asked(&format!("f=jsonp&callback={}", &long[1..])).is_ok());
}

#[test]
fn a_failure_is_an_envelope_with_code_and_message() {
    let failure = Failure::from(&Error::NotFound(Thing::Share));
    assert_eq!(refused_json(&failure), r#""error":{"code":70,"message":"Share not found"}"#);
    assert_eq!(
        render(&Format::Xml, Err(&failure)).body,
        format!(
            concat!(
                r#"{}status="failed" version="1.16.1" type="openshelf" serverVersion="{}" openSubsonic="true">"#,
                r#"<error code="70" message="Share not found"/></subsonic-response>"#
            ),
            XML_HEAD,
            env!("CARGO_PKG_VERSION")
        )
    );
    let failure = Failure { help_url: Some("https://example.org/app/keys".into()), ..AuthRefusal::BadApiKey.into() };
    assert_eq!(
        refused_json(&failure),
        r#""error":{"code":44,"message":"Invalid API key","helpUrl":"https://example.org/app/keys"}"#
    );
}

#[test]
fn every_error_has_its_code_and_faults_of_ours_stay_inside() {
    let cases = [
        (Error::Missing("id"), 10, "Required parameter 'id' is missing"),
        (Error::SignInNeeded, 10, "Required parameter 'u' or 'apiKey' is missing"),
        (Error::invalid("size", "it cannot be negative"), 0, "Parameter 'size' is not valid: it cannot be negative"),
        (Error::WrongCredentials, 40, "Wrong user name or password"),
        (Error::Forbidden("sharing is off"), 50, "Not allowed: sharing is off"),
        (Error::ShareLocked, 50, "This share needs its password"),
        (Error::PurchaseNeeded { points: 5 }, 50, "This share costs 5 points"),
        (Error::NotFound(Thing::Album), 70, "Album not found"),
        (Error::Throttled { retry_after_s: 30 }, 0, "Too many tries. Try again in 30 s"),
        (Error::Unsupported("getPodcasts"), 0, "getPodcasts is not available on this server"),
        (Error::internal("store", "no such table: secrets"), 0, "Something went wrong on the server"),
    ];
    for (error, code, message) in cases {
        assert_eq!(error_of(&error), (code, message.to_owned()));
    }
    for (refusal, code) in [
        (AuthRefusal::TokensOff, 41),
        (AuthRefusal::MechanismOff, 42),
        (AuthRefusal::Conflicting, 43),
        (AuthRefusal::BadApiKey, 44),
    ] {
        assert_eq!(Failure::from(refusal).code, code);
    }
}

#[test]
fn dates_are_utc_with_milliseconds_and_never_beyond_four_digit_years() {
    assert_eq!(Date(1_678_932_803_412).to_string(), "2023-03-16T02:13:23.412Z");
    assert_eq!(Date(-1).to_string(), "1969-12-31T23:59:59.999Z");
    assert_eq!(Date(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
    assert_eq!(Date(i64::MIN).to_string(), "0001-01-01T00:00:00.000Z");
}
