//! A library with all the oddities that we know of, made from nothing: no audio tool is needed and no file is kept.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lofty::config::WriteOptions;
use lofty::file::FileType;
use lofty::picture::{MimeType, Picture, PictureType};
use lofty::tag::{ItemKey, Tag, TagExt};

/// ```text
/// root/
/// ├── Music/
/// │   ├── The Band/
/// │   │   ├── First Album/
/// │   │   │   ├── cover.png                    a picture of the album beside it
/// │   │   │   ├── 01 Opening.flac              all tags that we read; two artists in a tag of two values
/// │   │   │   ├── 02 Middle.mp3                ID3v2 with an embedded picture
/// │   │   │   └── 10 Last.wav                  track 10 comes after 2
/// │   │   └── Double Album/
/// │   │       ├── front.jpg                    above the folders of the discs
/// │   │       ├── CD1/01 One.flac              one album in two folders, disc 1 with a title
/// │   │       └── CD2/01 Two.flac
/// │   ├── Sampler/
/// │   │   ├── 01 A.flac                        a compilation: each track by another artist, no album artist
/// │   │   └── 02 B.flac
/// │   ├── Untagged/
/// │   │   └── Some Song.mp3                    no tags: title and album come from the names
/// │   ├── Broken/
/// │   │   ├── broken.mp3                       not MPEG audio at all
/// │   │   ├── empty.mp3                        no byte
/// │   │   └── vbr.mp3                          changing bit rate and no Xing header: lofty alone is wrong on it
/// │   └── notes.txt                            not music, among music
/// ├── Names/
/// │   ├── 100% sure "quoted" & <b>.txt         what URLs, HTML and shells trip over
/// │   ├── plus+and space#hash?.txt
/// │   ├── line⏎break.txt                       a newline in the name
/// │   ├── café.txt (NFC), café.txt (NFD)       two names that look alike
/// │   ├── \xff\xfe.bin                         no UTF-8
/// │   ├── xxx… (255 bytes)                     as long as a name can be
/// │   └── empty                                a file of no bytes, no suffix
/// ├── pub/open.txt                             two folders, one name the beginning of the other
/// ├── pub-secret/hidden.txt
/// ├── README.md
/// ├── .hidden                                  left out, like the next three
/// ├── .openshelf/temporary
/// ├── Thumbs.db
/// ├── @eaDir/index
/// ├── escape → ../outside                      leads out of the root: must not exist
/// └── inside → Music                           leads back in: must not exist either
/// outside/secret.txt
/// ```
pub struct Fixture {
    pub root: PathBuf,
}

impl Fixture {
    /// Files and folders that a scan finds, without the root.
    pub const ITEMS: usize = 37;
    pub const TRACKS: usize = 11;
    pub const BROKEN: u64 = 2;
    pub const VBR_FRAMES: u64 = 1000;

    pub fn build(folder: &Path) -> Fixture {
        let fixture = Fixture { root: folder.join("root") };
        fs::create_dir(&fixture.root).unwrap();
        fs::create_dir(folder.join("outside")).unwrap();
        fs::write(folder.join("outside/secret.txt"), "secret").unwrap();
        fixture.music();
        fixture.names();
        fixture.write("pub/open.txt", b"open");
        fixture.write("pub-secret/hidden.txt", b"hidden");
        fixture.write("README.md", b"# A fixture\n");
        fixture.write(".hidden", b"dot");
        fixture.write(".openshelf/temporary", b"half");
        fixture.write("Thumbs.db", b"thumbs");
        fixture.write("@eaDir/index", b"index");
        symlink("../outside", fixture.root.join("escape")).unwrap();
        symlink("Music", fixture.root.join("inside")).unwrap();
        fixture
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Silence in the format that the path's suffix names, with these tags.
    pub fn song(&self, path: &str, tags: &[(ItemKey, &str)]) {
        let content = match path.rsplit_once('.').unwrap().1 {
            "flac" => flac(),
            "wav" => wav(),
            "mp3" => mp3([9; 40]),
            other => panic!("no {other} here"),
        };
        self.write(path, &content);
        self.tag(path, tags, None);
    }

    /// Tags a file that has none.
    fn tag(&self, path: &str, tags: &[(ItemKey, &str)], picture: Option<Vec<u8>>) {
        let path = self.path(path);
        let kind = FileType::from_path(&path).unwrap();
        let mut tag = Tag::new(kind.primary_tag_type());
        for (key, value) in tags {
            tag.push(lofty::tag::TagItem::new(*key, lofty::tag::ItemValue::Text((*value).to_owned())));
        }
        if let Some(bytes) = picture {
            let picture = Picture::unchecked(bytes).pic_type(PictureType::CoverFront).mime_type(MimeType::Png).build();
            tag.push_picture(picture);
        }
        tag.save_to_path(&path, WriteOptions::default()).unwrap();
    }

    fn music(&self) {
        use ItemKey::*;
        let first = |title, number| {
            vec![
                (TrackTitle, title),
                (TrackNumber, number),
                (AlbumTitle, "First Album"),
                (AlbumArtist, "The Band"),
                (TrackArtist, "The Band"),
                (RecordingDate, "1999-05-04"),
            ]
        };
        let mut all = first("Opening", "1");
        all.retain(|(key, _)| *key != TrackArtist);
        all.extend([
            (TrackArtist, "The Band"),
            (TrackArtist, "Guest; Other Guest"),
            (Genre, "Rock"),
            (Genre, "Pop"),
            (Composer, "A Composer"),
            (ReplayGainTrackGain, "-7.30 dB"),
            (ReplayGainTrackPeak, "0.98"),
            (MusicBrainzRecordingId, "11111111-2222-3333-4444-555555555555"),
            (Isrc, "DEAB12345678"),
            (Comment, "a comment"),
            (Lyrics, "la\nla"),
            (TrackTitleSortOrder, "Opening, The"),
        ]);
        self.song("Music/The Band/First Album/01 Opening.flac", &all);
        self.song("Music/The Band/First Album/02 Middle.mp3", &[]);
        // "2/10" in the file; the writer of tags makes it of two numbers.
        let middle = [first("Middle", "2"), vec![(TrackTotal, "10")]].concat();
        self.tag("Music/The Band/First Album/02 Middle.mp3", &middle, Some(png()));
        self.song("Music/The Band/First Album/10 Last.wav", &first("Last", "10"));
        self.write("Music/The Band/First Album/cover.png", &png());
        for (disc, title) in [("1", "One"), ("2", "Two")] {
            let tags = [
                (TrackTitle, title),
                (AlbumTitle, "Double Album"),
                (AlbumArtist, "The Band"),
                (TrackArtist, "The Band"),
                (DiscNumber, disc),
                (SetSubtitle, "Disc of its own"),
                (TrackNumber, "1"),
            ];
            self.song(&format!("Music/The Band/Double Album/CD{disc}/01 {title}.flac"), &tags);
        }
        self.write("Music/The Band/Double Album/front.jpg", &[0xff, 0xd8, 0xff, 0xd9]);
        for (number, name) in [("1", "A"), ("2", "B")] {
            let tags = [
                (TrackTitle, name),
                (TrackNumber, number),
                (TrackArtist, name),
                (AlbumTitle, "Sampler"),
                (FlagCompilation, "1"),
            ];
            self.song(&format!("Music/Sampler/0{number} {name}.flac"), &tags);
        }
        self.write("Music/Untagged/Some Song.mp3", &mp3([9; 40]));
        self.write("Music/Broken/broken.mp3", &[b'x'; 5000]);
        self.write("Music/Broken/empty.mp3", b"");
        self.write("Music/Broken/vbr.mp3", &mp3((0..Self::VBR_FRAMES).map(|i| if i < 500 { 5 } else { 11 })));
        self.write("Music/notes.txt", b"notes");
    }

    fn names(&self) {
        let folder = self.path("Names");
        let write = |name: &[u8], content: &[u8]| {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(OsStr::from_bytes(name)), content).unwrap();
        };
        write(br#"100% sure "quoted" & <b>.txt"#, b"1");
        write(b"plus+and space#hash?.txt", b"2");
        write(b"line\nbreak.txt", b"3");
        write("caf\u{e9}.txt".as_bytes(), b"composed");
        write("cafe\u{301}.txt".as_bytes(), b"decomposed");
        write(b"\xff\xfe.bin", b"4");
        write(&[b'x'; 255], b"5");
        write(b"empty", b"");
    }
}

/// A quarter of a second of silence: 8 kHz, 16 bit, one channel.
pub fn wav() -> Vec<u8> {
    let data = vec![0u8; 4000];
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    for (value, size) in [(16u32, 4), (1, 2), (1, 2), (8000, 4), (16_000, 4), (2, 2), (16, 2)] {
        wav.extend_from_slice(&value.to_le_bytes()[..size]);
    }
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&(data.len() as u32).to_le_bytes());
    wav.extend_from_slice(&data);
    wav
}

/// The head of a FLAC stream that says: one second at 44.1 kHz, 16 bit, two channels. No frame follows; none is read.
pub fn flac() -> Vec<u8> {
    let mut flac = b"fLaC".to_vec();
    flac.extend_from_slice(&[0x80, 0, 0, 34]);
    flac.extend_from_slice(&4096u16.to_be_bytes());
    flac.extend_from_slice(&4096u16.to_be_bytes());
    flac.extend_from_slice(&[0; 6]);
    let (rate, channels, depth, samples) = (44_100u64, 2u64, 16u64, 44_100u64);
    flac.extend_from_slice(&(rate << 44 | (channels - 1) << 41 | (depth - 1) << 36 | samples).to_be_bytes());
    flac.extend_from_slice(&[0; 16]);
    flac
}

/// Silent frames of MPEG-1 layer III, 44.1 kHz, stereo; each by its place in the table of bit rates (5: 64, 9: 128, 11: 192).
pub fn mp3(rates: impl IntoIterator<Item = u8>) -> Vec<u8> {
    const KBPS: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    let mut mp3 = Vec::new();
    for rate in rates {
        let size = 144_000 * KBPS[usize::from(rate)] / 44_100;
        mp3.extend_from_slice(&[0xff, 0xfb, rate << 4, 0]);
        mp3.resize(mp3.len() + size - 4, 0);
    }
    mp3
}

/// One grey pixel.
pub fn png() -> Vec<u8> {
    let mut png = Vec::new();
    let pixel = image::GrayImage::new(1, 1);
    pixel.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    png
}
