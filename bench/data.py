"""The files that are served."""

import os
from pathlib import Path

from places import DATA
from processes import program, run

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

FILES = DATA / "files"
BIG = "big.bin"
MEDIUM = [f"{number:04}.bin" for number in range(1024)]
SMALL = [f"{number:04}.bin" for number in range(1024)]


def files() -> Path:
    """One file of 1 GiB, 1,024 files of 1 MiB beneath `medium`, 1,024 of 16 KiB beneath `small`."""
    for below, names, size_bytes in [("", [BIG], GIB), ("medium", MEDIUM, MIB), ("small", SMALL, 16 * KIB)]:
        for name in names:
            filled(FILES / below / name, size_bytes)
    return FILES


def filled(path: Path, size_bytes: int) -> None:
    """A file of random bytes, unless it is there already."""
    if path.exists() and path.stat().st_size == size_bytes:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, size_bytes, MIB):
            file.write(os.urandom(min(MIB, size_bytes - start)))


def warm(folder: Path) -> None:
    """Reads what lies in a folder, so that all servers find it in the page cache."""
    block = bytearray(4 * MIB)
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.readinto(block):
                    pass


def music(name: str, albums: int, tracks: int) -> Path:
    """Albums of short tagged MP3 files, each in a folder of its own."""
    folder = DATA / name
    done = folder / ".done"
    if done.exists() and done.read_text() == f"{albums} {tracks}":
        return folder
    sound = DATA / "sound.mp3"
    sound.parent.mkdir(parents=True, exist_ok=True)
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1", "-b:a", "32k", "-map_metadata", "-1"]
    run([program("ffmpeg"), "-y", "-loglevel", "error", *tone, "-id3v2_version", "0", "-write_xing", "0", sound])
    frames = sound.read_bytes()
    for album in range(albums):
        artist = f"Artist {album // 3:04}"
        below = folder / artist / f"Album {album:04}"
        below.mkdir(parents=True, exist_ok=True)
        for track in range(1, tracks + 1):
            tags = {
                "TIT2": f"Title {album:04}-{track:02}",
                "TPE1": artist,
                "TPE2": artist,
                "TALB": f"Album {album:04}",
                "TRCK": f"{track}/{tracks}",
                "TDRC": str(1960 + album % 60),
                "TCON": f"Genre {album % 20}",
            }
            (below / f"{track:02}.mp3").write_bytes(id3(tags) + frames)
    done.write_text(f"{albums} {tracks}")
    return folder


def collection(name: str, albums: int, tracks: int) -> Path:
    """Albums as people keep them: MP3, FLAC and M4A, each track with a cover of 200 kB in it, and short."""
    folder = DATA / name
    done = folder / ".done"
    if done.exists() and done.read_text() == f"{albums} {tracks}":
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    templates = [(suffix, template(suffix)) for suffix in ("mp3", "flac", "m4a")]
    for album in range(albums):
        artist = f"Artist {album // 3:05}"
        below = folder / artist / f"Album {album:05}"
        below.mkdir(parents=True, exist_ok=True)
        suffix, content = templates[album % len(templates)]
        content = content.replace(b"artist@@@@@@", artist.encode()).replace(
            b"album@@@@@@", f"Album {album:05}".encode()
        )
        for track in range(1, tracks + 1):
            title = f"Title {album:05}-{track:02}".encode()
            (below / f"{track:02}.{suffix}").write_bytes(content.replace(b"title@@@@@@@@@", title))
    done.write_text(f"{albums} {tracks}")
    return folder


def names(name: str, folders: int, files: int) -> Path:
    """Folders of folders with empty files in them."""
    folder = DATA / name
    done = folder / ".done"
    if not (done.exists() and done.read_text() == f"{folders} {files}"):
        for number in range(folders):
            below = folder / f"Artist {number // 50:04}" / f"Album {number:05}"
            below.mkdir(parents=True, exist_ok=True)
            for file in range(files):
                (below / f"{file:02} A title of {file}.txt").touch()
        done.write_text(f"{folders} {files}")
    return folder


def template(suffix: str) -> bytes:
    """A track whose names can be written over by others of the same length."""
    path, cover = DATA / f"template.{suffix}", DATA / "cover.jpg"
    ffmpeg = [program("ffmpeg"), "-y", "-loglevel", "error"]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=800x800,noise=alls=12:all_seed=1", "-frames:v", "1", "-update", "1"]
    run([*ffmpeg, *picture, "-q:v", "3", cover], timeout=60)
    noise = ["-f", "lavfi", "-i", "anoisesrc=duration=3:amplitude=0.05:seed=1:sample_rate=44100"]
    codec = {"mp3": "libmp3lame", "flac": "flac", "m4a": "aac"}[suffix]
    sound = [
        "-map",
        "0:a",
        "-map",
        "1:v",
        "-c:a",
        codec,
        "-b:a",
        "128k",
        "-c:v",
        "copy",
        "-disposition:v",
        "attached_pic",
    ]
    tags = {"title": "title@@@@@@@@@", "artist": "artist@@@@@@", "album_artist": "artist@@@@@@", "album": "album@@@@@@"}
    tags |= {"genre": "Rock", "date": "1994"}
    said = [word for name, text in tags.items() for word in ("-metadata", f"{name}={text}")]
    run([*ffmpeg, *noise, "-i", cover, *sound, *said, "-id3v2_version", "4", path], timeout=60)
    return path.read_bytes()


def id3(tags: dict[str, str]) -> bytes:
    """An ID3v2.4 tag; its sizes count in digits of 128."""

    def size(number: int) -> bytes:
        return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))

    texts = [(name, b"\x03" + text.encode()) for name, text in tags.items()]
    frames = b"".join(name.encode() + size(len(text)) + b"\0\0" + text for name, text in texts)
    return b"ID3\x04\0\0" + size(len(frames)) + frames
