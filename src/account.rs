//! People: who they are, what role they have, what they may do.

pub mod password;
pub mod token;

/// Key of a user inside this server; never leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub i64);

/// Key of a group of users inside this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey(pub i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Manages accounts and libraries; does not read others' homes by that.
    Admin,
    User,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    Active,
    Banned,
}

/// Which of a user's shares others see in a list of them. A list is hidden unless its user opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Hidden,
    Public,
    All,
}

/// A user as every face sees one. Holds no secret.
#[derive(Debug, Clone)]
pub struct User {
    pub key: UserKey,
    /// Opaque id that apps see: `u` and 16 base62 characters.
    pub id: String,
    pub name: String,
    pub mail: String,
    pub display_name: String,
    pub role: Role,
    pub state: UserState,
    pub profile: Profile,
    pub groups: Vec<GroupKey>,
    pub quota_bytes: Option<u64>,
    /// Raised at a password change; sessions of an older epoch are dead.
    pub epoch: i64,
    pub created_ms: i64,
}

impl User {
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    pub fn is_active(&self) -> bool {
        self.state == UserState::Active
    }
}

/// The form in which names and mail addresses are compared: NFKC, lower case, trimmed.
pub fn name_key(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    name.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect()
}
