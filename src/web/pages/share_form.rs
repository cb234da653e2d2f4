//! The form that makes and changes shares.

use askama::Template;

use super::filters;

/// The form of a new share (posts to `{base}/app/shares`) or of one that is there (`{base}/app/shares/{id}`).
///
/// Fields: `item` (repeated, new only), `title`, `description`, `slug`, `password_is` (`keep`, `set`, `clear`), `password`,
/// `expires` (`YYYY-MM-DDTHH:MM`, UTC, or empty), `view_limit`, `download_limit` (number or empty), `rate` (`2M` or
/// empty), `mode` (`read`, `listen`, `drop`, `read-drop`), `downloads` (`allowed`, or absent); of a drop box `ask_name`,
/// `sender_folders` (`yes`, or absent), `max_file`, `max_total` (a size such as `2G`, or empty), `max_files` (number or
/// empty), `types` (endings by comma).
#[derive(Debug, Clone, Template)]
#[template(path = "share_form.html")]
pub struct ShareFormPage {
    pub base: String,
    pub user: String,
    pub of: FormOf,
    /// Names of the items that it shares.
    pub item_names: Vec<String>,
    pub has_password: bool,
    pub fields: ShareFields,
    /// What was wrong with the form as it came, to be put right.
    pub problem: Option<FormProblem>,
}

/// The texts of the form's fields, as they are to be shown: a share's own, or what was typed when that has to be put right.
#[derive(Clone)]
pub struct ShareFields {
    pub title: String,
    pub description: String,
    pub slug: String,
    pub password_is: PasswordIs,
    pub password: String,
    pub expires: String,
    pub view_limit: String,
    pub download_limit: String,
    /// Bytes per second.
    pub rate: String,
    pub mode: FormMode,
    pub downloads_allowed: bool,
    pub drop_box: DropFields,
}

/// Texts of the fields of a drop box.
#[derive(Debug, Clone, Default)]
pub struct DropFields {
    pub asks_name: bool,
    pub folder_per_sender: bool,
    pub most_file: String,
    pub most_total: String,
    pub most_files: String,
    pub types: String,
}

/// A password that was typed is not printed.
impl std::fmt::Debug for ShareFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareFields").field("title", &self.title).finish_non_exhaustive()
    }
}

/// What the form does to the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordIs {
    Kept,
    Set,
    Cleared,
}

/// A time as the value of `<input type=datetime-local>`, in UTC.
pub fn local_time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|time| time.strftime("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default()
}

#[derive(Debug, Clone)]
pub enum FormOf {
    New {
        item_ids: Vec<String>,
    },
    Edit {
        id: String,
        /// Absolute.
        link: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormMode {
    Read,
    Listen,
    Drop,
    ReadDrop,
}

#[derive(Debug, Clone)]
pub struct FormProblem {
    /// Name of the form's field, such as `slug`; empty if it is about the whole.
    pub field: String,
    pub message: String,
}

impl ShareFormPage {
    fn is_new(&self) -> bool {
        matches!(self.of, FormOf::New { .. })
    }

    fn problem_of(&self, field: &str) -> Option<&str> {
        self.problem.as_ref().filter(|problem| problem.field == field).map(|problem| problem.message.as_str())
    }

    fn is_mode(&self, mode: FormMode) -> bool {
        self.fields.mode == mode
    }

    fn sets_password(&self) -> bool {
        self.fields.password_is == PasswordIs::Set
    }

    fn clears_password(&self) -> bool {
        self.fields.password_is == PasswordIs::Cleared
    }
}
