//! What is fuzzed, built from Openshelf's own sources but without the rest of it: in seconds, where the whole takes minutes.

#[path = "../../src/error.rs"]
pub mod error;

#[path = "../../src/http/send"]
pub mod http {
    pub mod conditions;
}

#[path = "../../src/media"]
pub mod media {
    pub mod captions;
    pub mod unpack;
    pub mod zip;
}

#[path = "../../src/library"]
pub mod library {
    pub mod bounded;
    pub mod id3;
    pub mod lyrics;
    pub mod names;
    pub mod pictures;
    pub mod role;
    pub mod tags;
}

#[path = "../../src/work/upload"]
pub mod upload {
    pub mod ranges;
}

#[path = "../../src/dialect/mycloud/files"]
pub mod mycloud {
    pub mod multipart;
}

#[path = "../../src/dialect/subsonic"]
pub mod subsonic {
    pub mod params;
}

#[path = "../../src/dialect/cloudreve"]
pub mod cloudreve {
    pub mod uri;
}
