//! Orders about what is shared.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

use super::{Clear, DiskPath, Drop, DropTerms, Progress, Reply, ShareLine, Terms, scanning, users};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::share::drop_box::DropWish;
use crate::share::{self, Change, Door, Mode, Share, Shared, Wish};
use crate::size::written_bytes;
use crate::store::{Tx, accounts, shares};
use crate::work::{libraries, sharing};
use crate::{App, now_ms};

/// Characters of a password that is made up.
const PASSWORD_CHARS: usize = 10;

pub(super) async fn make(
    app: &Arc<App>,
    paths: &[DiskPath],
    terms: Terms,
    user: Option<String>,
    progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> Result<Reply> {
    let owner = match user {
        Some(name) => users::named(app, name).await?,
        None => first_admin(app).await?,
    };
    let mut items = Vec::with_capacity(paths.len());
    for DiskPath(path) in paths {
        let tell = scanning::tell(path_name(path), progress.clone());
        items.push(Shared::Item(libraries::item_at(app, &owner, path, tell).await?.key));
    }
    let share = sharing::create(app, &owner, Door::CommandLine, items, terms.wish()).await?;
    shown(app, share, owner).await
}

fn path_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Whose shares the command line makes when nobody is named.
async fn first_admin(app: &App) -> Result<User> {
    let users = app.db.read(accounts::list).await?;
    users
        .into_iter()
        .filter(|user| user.is_admin() && user.is_active())
        .min_by_key(|user| (user.name != libraries::FIRST_USER, user.key))
        .ok_or(Error::NotFound(Thing::User))
}

pub(super) async fn list(app: &App) -> Result<Reply> {
    let all = app.db.read(all).await?;
    let mut lines = Vec::with_capacity(all.len());
    for (share, owner) in all {
        lines.push(line(app, share, owner).await?);
    }
    Ok(Reply::Shares(lines))
}

pub(super) async fn show(app: &App, id: String) -> Result<Reply> {
    let (share, owner) = standing(app, id).await?;
    shown(app, share, owner).await
}

pub(super) async fn edit(app: &App, id: String, terms: Terms) -> Result<Reply> {
    let (share, owner) = standing(app, id).await?;
    let share = sharing::edit(app, share.owner, &share.id, terms.wish()).await?;
    shown(app, share, owner).await
}

pub(super) async fn revoke(app: &App, id: String) -> Result<Reply> {
    let (share, owner) = standing(app, id).await?;
    sharing::revoke(app, share.owner, &share.id).await?;
    let title = title_of(app, &owner, &share).await?;
    Ok(Reply::Done(format!("Revoked {}.", if title.is_empty() { &share.id } else { &title })))
}

/// A share that stands, by its id, slug or link, with its owner.
pub(in crate::cli) async fn standing(app: &App, id: String) -> Result<(Share, User)> {
    // People paste what they have, which is the link.
    let id = id.rsplit_once("/s/").map_or(id.as_str(), |(_, rest)| rest).trim_end_matches('/').to_owned();
    app.db
        .read(move |tx| {
            let share = shares::by_id(tx, &id)?.ok_or(Error::NotFound(Thing::Share))?;
            let owner = accounts::by_key(tx, share.owner)?.ok_or(Error::NotFound(Thing::Share))?;
            Ok((share, owner))
        })
        .await
}

fn all(tx: &mut Tx) -> Result<Vec<(Share, User)>> {
    let mut all = Vec::new();
    for user in accounts::list(tx)? {
        all.extend(shares::of_owner(tx, user.key)?.into_iter().map(|share| (share, user.clone())));
    }
    all.sort_by_key(|(share, _)| Reverse(share.created_ms));
    Ok(all)
}

async fn shown(app: &App, share: Share, owner: User) -> Result<Reply> {
    Ok(Reply::Share(line(app, share, owner).await?))
}

async fn line(app: &App, share: Share, owner: User) -> Result<ShareLine> {
    let password = sharing::password_for_owner(app, &share).await?;
    Ok(ShareLine {
        title: title_of(app, &owner, &share).await?,
        id: share.id,
        slug: share.slug,
        takes: takes(&share.terms),
        owner: owner.name,
        password,
        expires_ms: share.terms.expires_ms,
        views: share.views,
        downloads: share.downloads,
        download_limit: share.terms.download_limit,
        rate_bytes_s: share.terms.rate_bytes_s,
        price: share.terms.price,
        created_ms: share.created_ms,
    })
}

/// Empty where there is nothing to call it by.
async fn title_of(app: &App, owner: &User, share: &Share) -> Result<String> {
    // What is printed gets passed on, and what a blind box's folder is called is nobody's business.
    if !share.title.is_empty() || share.terms.mode == Mode::Drop {
        return Ok(share.title.clone());
    }
    let (owner, share) = (owner.clone(), share.clone());
    let title = app.db.read(move |tx| sharing::title_of(tx, &owner, &share)).await?;
    Ok(title.unwrap_or_default())
}

/// What a drop box takes, in a few words.
fn takes(terms: &share::Terms) -> Option<String> {
    let drop_box = &terms.drop_box;
    let kind = match terms.mode {
        Mode::Drop => "files, shows nothing",
        Mode::ReadDrop => "files, and may be read",
        Mode::Read | Mode::Listen => return None,
    };
    let mut words = vec![kind.to_owned()];
    words.extend(drop_box.folder_per_sender.then(|| "a folder for each sender".to_owned()));
    words.extend(drop_box.asks_name.then(|| "asks for a name".to_owned()));
    words.extend(drop_box.most_file_bytes.map(|bytes| format!("at most {} each", written_bytes(bytes))));
    words.extend(drop_box.most_total_bytes.map(|bytes| format!("at most {} in all", written_bytes(bytes))));
    words.extend(drop_box.most_files.map(|count| format!("at most {count} files")));
    words.extend((!drop_box.types.is_empty()).then(|| format!("only {}", drop_box.types.join(", "))));
    Some(words.join("; "))
}

// What the command line's words wish -----------------------------------------------------------------------------------

/// What is said, else whether it is cleared.
fn change<T>(said: Option<T>, what: Clear, clear: &[Clear]) -> Change<T> {
    match said {
        Some(value) => Change::Set(value),
        None if clear.contains(&what) => Change::Clear,
        None => Change::Keep,
    }
}

impl Terms {
    fn wish(self) -> Wish {
        let clear = self.clear.as_slice();
        let expires_ms = self.expires_s.map(|s| now_ms().saturating_add(s.saturating_mul(1000)));
        let password = self.password.map(|password| password.into_text(PASSWORD_CHARS));
        Wish {
            expires_ms: change(expires_ms, Clear::Expires, clear),
            download_limit: change(self.downloads, Clear::Downloads, clear),
            rate_bytes_s: change(self.rate_bytes_s, Clear::Rate, clear),
            slug: change(self.slug, Clear::Slug, clear),
            password: change(password, Clear::Password, clear),
            mode: self.drop.mode(clear),
            drop_box: self.drop.wish(clear),
            price: self.price,
            title: self.title,
            ..Wish::default()
        }
    }
}

impl DropTerms {
    fn mode(&self, clear: &[Clear]) -> Option<Mode> {
        match &self.drop {
            Some(ways) if ways.contains(&Drop::Read) => Some(Mode::ReadDrop),
            Some(_) => Some(Mode::Drop),
            None => clear.contains(&Clear::Drop).then_some(Mode::Read),
        }
    }

    fn wish(self, clear: &[Clear]) -> DropWish {
        DropWish {
            asks_name: self.ask_name.then_some(true).or(clear.contains(&Clear::AskName).then_some(false)),
            folder_per_sender: self.drop.map(|ways| ways.contains(&Drop::Folders)),
            most_file_bytes: change(self.max_file, Clear::MaxFile, clear),
            most_total_bytes: change(self.max_total, Clear::MaxTotal, clear),
            most_files: change(self.max_files, Clear::MaxFiles, clear),
            types: self.types.or_else(|| clear.contains(&Clear::Types).then(Vec::new)),
        }
    }
}
