"""Real music: what Debian packages, and an album with every common tag made from it.

drascula/               the folder of Debian's drascula-music, read where it lies
├── audio/              31 Ogg Vorbis tracks without a single tag; titles come from file names
└── de/ en/ es/ fr/ it/ the same 31 names as links into audio/, which stay within the root
snd/                    the folder of Debian's fb-music-high
└── frozen-mainzik-2p.xm    a tracker module: a file for every door, and no tag reader knows it
Frozen Bubble/          made here by ffmpeg from the two above
├── 01 First Bubble.mp3     tags and an embedded cover
├── 02 Second Bubble.flac   the same album in another format
└── 03 Third & Last.ogg     a character that XML and HTML must escape
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ARTIST = "Matths"
ALBUM = "Frozen Bubble"
GENRE = "Chiptune"
YEAR = 2002
TITLES = {
    "01 First Bubble.mp3": "First Bubble",
    "02 Second Bubble.flac": "Second Bubble",
    "03 Third & Last.ogg": "Third & Last",
}
CODECS = {".mp3": ["-c:a", "libmp3lame"], ".flac": ["-c:a", "flac"], ".ogg": ["-c:a", "libvorbis"]}


@dataclass(frozen=True)
class Music:
    drascula: Path
    module: Path
    tagged: Path

    @property
    def folders(self) -> tuple[Path, Path, Path]:
        """What `openshelf serve` is given."""
        return self.drascula, self.module.parent, self.tagged

    @property
    def tracks(self) -> list[Path]:
        """The untagged tracks, each once."""
        return sorted((self.drascula / "audio").glob("*.ogg"))

    @property
    def short_track(self) -> Path:
        """A track of 7 seconds and 87 kB."""
        return self.drascula / "audio/track28.ogg"

    @property
    def tagged_tracks(self) -> list[Path]:
        return sorted(self.tagged.glob("0*"))


def packaged(package: str, suffix: str) -> list[Path]:
    """The regular files with that suffix which a Debian package installed; empty without the package."""
    listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False)
    paths = map(Path, listed.stdout.splitlines())
    return [path for path in paths if path.suffix == suffix and path.is_file() and not path.is_symlink()]


def make_album(folder: Path, source: Path) -> None:
    """Three short tracks of one album, each in another format."""
    folder.mkdir(parents=True)
    cover = folder / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=c=0x3366cc:s=200x200", "-frames:v", "1", cover)
    for number, (name, title) in enumerate(TITLES.items(), start=1):
        path = folder / name
        tags = {"title": title, "artist": ARTIST, "album_artist": ARTIST, "album": ALBUM, "genre": GENRE, "date": YEAR}
        tags["track"] = f"{number}/{len(TITLES)}"
        written = [word for key, value in tags.items() for word in ("-metadata", f"{key}={value}")]
        inputs = ["-ss", str(number * 10), "-t", "4", "-i", source]
        streams = ["-map", "0:a"]
        if path.suffix == ".mp3":
            inputs += ["-i", cover]
            streams += ["-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic", "-id3v2_version", "3"]
        ffmpeg(*inputs, *streams, "-map_metadata", "-1", *CODECS[path.suffix], *written, path)
    cover.unlink()


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)
