//! Parts that people have in music.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Artist,
    AlbumArtist,
    Composer,
    Lyricist,
    Arranger,
    Conductor,
    Performer,
    Producer,
    Director,
    Engineer,
    Mixer,
    Remixer,
    DjMixer,
}

impl Role {
    pub const ALL: [Role; 13] = [
        Role::Artist,
        Role::AlbumArtist,
        Role::Composer,
        Role::Lyricist,
        Role::Arranger,
        Role::Conductor,
        Role::Performer,
        Role::Producer,
        Role::Director,
        Role::Engineer,
        Role::Mixer,
        Role::Remixer,
        Role::DjMixer,
    ];

    /// One lower case word, as taggers and apps write it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Artist => "artist",
            Role::AlbumArtist => "albumartist",
            Role::Composer => "composer",
            Role::Lyricist => "lyricist",
            Role::Arranger => "arranger",
            Role::Conductor => "conductor",
            Role::Performer => "performer",
            Role::Producer => "producer",
            Role::Director => "director",
            Role::Engineer => "engineer",
            Role::Mixer => "mixer",
            Role::Remixer => "remixer",
            Role::DjMixer => "djmixer",
        }
    }

    pub fn named(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}
