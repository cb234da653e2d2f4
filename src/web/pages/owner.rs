//! What an owner sees.

use askama::Template;

use super::filters;
use super::visitor::{Crumb, FileRow, FolderRow, UploadForm, UploadOf};

/// Posts `user`, `password` and `next` to `{base}/app/sign-in`.
#[derive(Debug, Clone, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    pub base: String,
    /// What was typed, after a failure.
    pub user: String,
    /// Local path to go to afterwards, beneath `base`; the handler checks it when it comes back.
    pub next: Option<String>,
    /// The provider by which users may sign in as well, by a post of `next` to `{base}/app/sign-in/openid`.
    pub openid: Option<String>,
    pub problem: Option<SignInProblem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInProblem {
    WrongCredentials,
    Throttled {
        retry_after_s: u64,
    },
    /// The session ended in between.
    Expired,
    /// They registered, and the address in their mail was not opened yet.
    NotActivated,
    /// A sentence without its end.
    OpenId(String),
}

/// Leads a browser on to a provider, at an address of the web.
#[derive(Clone, Template)]
#[template(path = "lead_on.html")]
pub struct LeadOnPage {
    pub base: String,
    pub name: String,
    pub address: String,
}

/// The second step of signing in. Posts `step`, `code` and `next` to `{base}/app/sign-in/code`.
#[derive(Clone, Template)]
#[template(path = "sign_in_code.html")]
pub struct CodePage {
    pub base: String,
    /// Stands for the first step, which was right.
    pub step: String,
    pub next: Option<String>,
    pub problem: Option<CodeProblem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeProblem {
    Wrong,
    Throttled { retry_after_s: u64 },
}

/// `{base}/app/shares`: what the signed-in user shares.
#[derive(Debug, Clone, Template)]
#[template(path = "shares.html")]
pub struct SharesPage {
    pub base: String,
    /// The signed-in user's display name.
    pub user: String,
    pub notice: Option<String>,
    /// Newest first.
    pub shares: Vec<ShareRow>,
    /// The share that was just made, to be put before the others.
    pub made: Option<MadeShare>,
    /// Cursor of the next page.
    pub after: Option<String>,
}

#[derive(Debug, Clone)]
pub struct MadeShare {
    pub title: String,
    /// Absolute.
    pub link: String,
    pub has_password: bool,
}

#[derive(Debug, Clone)]
pub struct ShareRow {
    pub id: String,
    pub title: String,
    /// Absolute.
    pub link: String,
    pub created_ms: i64,
    pub expires_ms: Option<i64>,
    pub views: u64,
    pub view_limit: Option<u64>,
    pub downloads: u64,
    pub download_limit: Option<u64>,
    pub has_password: bool,
    pub state: ShareState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareState {
    Open,
    NotYet,
    Expired,
    UsedUp,
    /// Its items are away, or its owner may not read them now.
    Unavailable,
}

impl ShareState {
    fn called(self) -> &'static str {
        match self {
            ShareState::Open => "Open",
            ShareState::NotYet => "Not open yet",
            ShareState::Expired => "Expired",
            ShareState::UsedUp => "Used up",
            ShareState::Unavailable => "Unavailable",
        }
    }

    fn is_open(self) -> bool {
        self == ShareState::Open
    }
}

/// `{base}/app/files?in=ITEM`: the user's own root, to pick from. Its form leads to `{base}/app/shares/new?item=ITEM&item=…`.
#[derive(Debug, Clone, Template)]
#[template(path = "files.html")]
pub struct FilesPage {
    pub base: String,
    pub user: String,
    /// From the first folder below the root to the folder that is shown; empty at the root.
    pub path: Vec<Crumb>,
    pub folders: Vec<FolderRow>,
    pub files: Vec<FileRow>,
    pub after: Option<String>,
    /// The form came back without anything ticked.
    pub nothing_ticked: bool,
    /// Where the user may put files here.
    pub upload: Option<UploadForm>,
    /// Files that a form without the script just brought.
    pub uploaded: Option<u64>,
}

impl FilesPage {
    fn address(&self) -> String {
        format!("{}/app/files", self.base)
    }

    /// To be followed by an item's id.
    fn folder_address(&self) -> String {
        format!("{}?in=", self.address())
    }
}

/// `{base}/app/shares/{id}/revoke`, asked before it is done; posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "revoke.html")]
pub struct RevokePage {
    pub base: String,
    pub user: String,
    pub id: String,
    pub title: String,
    /// Absolute.
    pub link: String,
    pub views: u64,
    pub downloads: u64,
}

/// `{base}/app/account`. Posts a form with the file `picture` to `{base}/app/account/picture`, and nothing to its `/remove`.
#[derive(Debug, Clone, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    pub base: String,
    pub user: String,
    /// When it was last another, of one who has a picture.
    pub picture: Option<i64>,
    pub has_second_factor: bool,
    pub openid: Option<LinkedOpenId>,
    pub apps: Vec<LetInApp>,
    /// With the picture.
    pub problem: Option<String>,
}

/// Who the user is at a provider. Posts to `{base}/app/account/openid`, or to its `/unlink`.
#[derive(Debug, Clone)]
pub struct LinkedOpenId {
    pub name: String,
    pub linked_ms: Option<i64>,
    /// A sentence without its end.
    pub problem: Option<String>,
}

/// An app that the user let in. Its form posts `app` to `{base}/app/account/apps/shut-out`.
#[derive(Debug, Clone)]
pub struct LetInApp {
    pub id: String,
    pub name: String,
}

/// `{base}/app/authorize`: whether an app is let in. Posts its fields back, with `answer` (`allow`, `deny`).
#[derive(Debug, Clone, Template)]
#[template(path = "authorize.html")]
pub struct AuthorizePage {
    pub base: String,
    pub user: String,
    /// What the app is called.
    pub app: String,
    pub description: String,
    /// Where it waits for the answer, unless that is a page of ours.
    pub waits_at: Option<String>,
    /// What it would be allowed, each to go on after "to".
    pub permits: Vec<&'static str>,
    pub fields: Vec<(&'static str, String)>,
}

/// Leads on to an app that a user let in, or did not.
#[derive(Debug, Clone, Template)]
#[template(path = "callback.html")]
pub struct CallbackPage {
    pub base: String,
    /// Of the app's own scheme.
    pub address: String,
    pub is_let_in: bool,
}

/// A QR code: the path of its dark squares, in a square of this many.
#[derive(Clone)]
pub struct Drawn {
    pub size: usize,
    pub squares: String,
}

/// A second factor that is to be turned on. Posts `code` to `{base}/app/account/second-factor/on`.
#[derive(Clone, Template)]
#[template(path = "second_factor.html")]
pub struct SecondFactorPage {
    pub base: String,
    pub user: String,
    /// What a phone reads.
    pub code: Drawn,
    /// The same for typing.
    pub secret: String,
}

/// An address that signs in another device of the same user, once.
#[derive(Clone, Template)]
#[template(path = "device.html")]
pub struct DevicePage {
    pub base: String,
    pub user: String,
    pub code: Drawn,
    pub address: String,
}

/// Where an address in a mail leads. Posts `id`, `slip` and, for a new password, `password` to the same path.
#[derive(Clone, Template)]
#[template(path = "mail_link.html")]
pub struct MailLinkPage {
    pub base: String,
    pub of: MailLink,
    pub id: String,
    pub slip: String,
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailLink {
    Activate,
    Reset,
    Done,
    /// It was used, or is too old.
    Over,
}

/// `{base}/app/keys`. Posts `name` to it to make a key, and to `{base}/app/keys/{id}/revoke` to end one.
#[derive(Debug, Clone, Template)]
#[template(path = "keys.html")]
pub struct KeysPage {
    pub base: String,
    pub user: String,
    pub keys: Vec<KeyRow>,
    /// The key that was just made; shown this once.
    pub made: Option<MadeKey>,
    pub problem: Option<String>,
}

#[derive(Debug, Clone)]
pub struct KeyRow {
    pub id: String,
    pub name: String,
    pub created_ms: i64,
    pub last_used_ms: Option<i64>,
}

#[derive(Clone)]
pub struct MadeKey {
    pub name: String,
    pub secret: String,
}

impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").field("name", &self.name).finish_non_exhaustive()
    }
}
