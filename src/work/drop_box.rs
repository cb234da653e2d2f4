//! Drop boxes: guests send files by a share, and see nothing but what they sent themselves.

use std::sync::Arc;

use super::files::{Place, check_name, look, store_rows, with_free_name};
use super::roots;
use super::sharing;
use crate::account::User;
use crate::blob::on_disk;
use crate::error::{Error, Result, Thing};
use crate::library::names::is_direction_mark;
use crate::library::{Item, ItemKind};
use crate::share::drop_box::DropBox;
use crate::share::grant::{Action, Grant, ShareFacts, Through, admit, admit_sender, authorize};
use crate::share::visit::Visitor;
use crate::share::{Mode, Share, ShareKey, Shared};
use crate::store::drop_boxes::{self, Known, Sent};
use crate::store::{Tx, library, shares};
use crate::{App, now_ms};

const LONGEST_NAME_CHARS: usize = 80;

/// A visitor who sends files by a share: a guest to a drop box, known by their ticket, or whoever its permissions let write.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Its id or slug.
    pub share_id: String,
    pub visitor: Visitor,
}

/// A box that takes files from a sender now.
pub(super) struct Opened {
    pub facts: ShareFacts,
    /// What the sender is called in rows.
    pub sender: String,
    /// The box's own folder.
    pub folder: Item,
}

pub(super) fn open(tx: &mut Tx, sender: &Sender) -> Result<Opened> {
    let Sending { facts, sender: known_as } = enter(tx, sender)?;
    admit_sender(&facts, &sender.visitor, now_ms())?;
    let folder = folder_of(tx, &facts.share)?;
    Ok(Opened { facts, sender: known_as, folder })
}

/// A share that a sender has entered, be it a box or one whose permissions let them write. What they may do there is judged
/// for each file.
pub(super) struct Sending {
    pub facts: ShareFacts,
    /// What the sender is called in rows.
    pub sender: String,
}

pub(super) fn enter(tx: &mut Tx, sender: &Sender) -> Result<Sending> {
    let facts = shares::facts(tx, &sender.share_id, &sender.visitor, now_ms())?;
    match facts.share.terms.mode.takes_files() {
        true => admit_sender(&facts, &sender.visitor, now_ms())?,
        false => admit(&facts, &sender.visitor, now_ms())?,
    };
    let known_as = sender.visitor.known_as().ok_or(Error::NotFound(Thing::Upload))?;
    Ok(Sending { facts, sender: known_as })
}

impl Sending {
    /// Leave to do this to something in the share.
    pub fn grant(&self, tx: &mut Tx, visitor: &Visitor, item: Item, action: Action) -> Result<Grant> {
        let placed = library::place(tx, item, &sharing::playlists_of(&self.facts.share))?;
        let grant = authorize(Through::Share(&self.facts), visitor, placed, action, now_ms())?;
        // By which lock is nothing for a guest.
        super::locks::obey(tx, &self.facts.owner, &grant).map_err(|_| Error::Locked(Vec::new()))?;
        Ok(grant)
    }
}

fn folder_of(tx: &mut Tx, share: &Share) -> Result<Item> {
    let folder = match share.items.as_slice() {
        [Shared::Item(key)] => library::item(tx, *key)?.filter(Item::is_folder),
        _ => None,
    };
    folder.ok_or(Error::NotFound(Thing::Share))
}

impl Opened {
    /// Leave to send into a folder of the box.
    pub fn grant(&self, tx: &mut Tx, visitor: &Visitor, folder: Item) -> Result<Grant> {
        let placed = library::place(tx, folder, &[])?;
        authorize(Through::Share(&self.facts), visitor, placed, Action::Create, now_ms())
    }

    fn key(&self) -> ShareKey {
        self.facts.share.key
    }
}

/// A drop box is one folder into which its owner may write now.
pub(super) fn check_place(tx: &mut Tx, owner: &User, items: &[Shared]) -> Result<()> {
    let wrong = || Error::invalid("mode", "only one folder can take files, and you have to be allowed to write there");
    let [Shared::Item(key)] = items else { return Err(wrong()) };
    let folder = library::item(tx, *key)?.filter(Item::is_folder).ok_or_else(wrong)?;
    super::files::by_rights(tx, owner, folder, Action::Create).map(drop).map_err(|_| wrong())
}

// What its page says --------------------------------------------------------------------------------------------------

/// What a sender is told of a box.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Empty where its owner gave none: the folder's own name is nobody's business.
    pub title: String,
    pub owner: String,
    pub description: String,
    pub expires_ms: Option<i64>,
    pub terms: DropBox,
    /// What this sender called themselves before.
    pub name: Option<String>,
    /// What this sender sent so far.
    pub sent: Vec<Sent>,
}

/// The box as its senders see it. Errors as of [`admit_sender`].
pub fn notice(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor) -> Result<Notice> {
    admit_sender(facts, visitor, now_ms())?;
    let share = &facts.share;
    folder_of(tx, share)?;
    let (name, sent) = match visitor.known_as() {
        Some(sender) => (
            drop_boxes::sender(tx, share.key, &sender)?.map(|known| known.name),
            drop_boxes::sent(tx, share.key, &sender)?,
        ),
        None => (None, Vec::new()),
    };
    Ok(Notice {
        title: share.title.clone(),
        owner: facts.owner.display_name.clone(),
        description: share.description.clone(),
        expires_ms: share.terms.expires_ms,
        terms: share.terms.drop_box.clone(),
        name: name.filter(|name| !name.is_empty()),
        sent,
    })
}

/// [`notice`] for whoever asks by the box's id.
pub fn notice_by_id(tx: &mut Tx, sender: &Sender) -> Result<Notice> {
    let facts = shares::facts(tx, &sender.share_id, &sender.visitor, now_ms())?;
    notice(tx, &facts, &sender.visitor)
}

// Sending -------------------------------------------------------------------------------------------------------------

/// Where a sender's files go: the box's folder, or one of the sender's own in it, which is made at their first. `name` is
/// what they call themselves; `Missing` where the box asks for it and they never told.
pub async fn place_for(app: &Arc<App>, sender: &Sender, name: Option<&str>) -> Result<Place> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.chars().count() > LONGEST_NAME_CHARS || name.chars().any(char::is_control)) {
        return Err(Error::invalid("name", format!("at most {LONGEST_NAME_CHARS} characters of text")));
    }
    if let Some(place) = known_place(app, sender, name).await? {
        return Ok(place);
    }
    // Files of one sender come several at once, and shall lie in one folder.
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let (app, sender, name) = (app.clone(), sender.clone(), name.map(str::to_owned));
    super::files::to_the_end(async move {
        let _one = ONE_AT_A_TIME.lock().await;
        match known_place(&app, &sender, name.as_deref()).await? {
            Some(place) => Ok(place),
            None => introduce(&app, &sender, name).await,
        }
    })
    .await
}

/// The place of a sender who is known already, and calls themselves as before.
async fn known_place(app: &App, sender: &Sender, name: Option<&str>) -> Result<Option<Place>> {
    let (sender, name) = (sender.clone(), name.map(str::to_owned));
    app.db
        .read(move |tx| {
            let opened = open(tx, &sender)?;
            let terms = &opened.facts.share.terms.drop_box;
            let known = drop_boxes::sender(tx, opened.key(), &opened.sender)?;
            let Some(known) = known.filter(|known| name.is_none_or(|name| name == known.name)) else {
                return Ok(None);
            };
            if terms.asks_name && known.name.is_empty() {
                return Ok(None);
            }
            if !terms.folder_per_sender {
                return Ok(Some(Place::Item(opened.folder)));
            }
            let folder = known.folder.map(|key| library::item(tx, key)).transpose()?.flatten();
            Ok(folder.filter(|folder| folder.parent == Some(opened.folder.key)).map(Place::Item))
        })
        .await
}

async fn introduce(app: &Arc<App>, sender: &Sender, name: Option<String>) -> Result<Place> {
    let asking = sender.clone();
    let (opened, known, grant) = app
        .db
        .read(move |tx| {
            let opened = open(tx, &asking)?;
            let known = drop_boxes::sender(tx, opened.key(), &opened.sender)?;
            let grant = opened.grant(tx, &asking.visitor, opened.folder.clone())?;
            Ok((opened, known, grant))
        })
        .await?;
    let terms = &opened.facts.share.terms.drop_box;
    let name = name.or(known.as_ref().map(|known| known.name.clone())).unwrap_or_default();
    if terms.asks_name && name.is_empty() {
        return Err(Error::Missing("name"));
    }
    let had = known.and_then(|known| known.folder);
    let folder = match (terms.folder_per_sender, had) {
        (false, _) => opened.folder.clone(),
        // Another name, the same sender: the folder stays.
        (true, Some(key)) => match app.db.read(move |tx| library::item(tx, key)).await? {
            Some(folder) if folder.parent == Some(opened.folder.key) => folder,
            _ => make_folder(app, &grant, &name).await?,
        },
        (true, None) => make_folder(app, &grant, &name).await?,
    };
    let own = terms.folder_per_sender.then_some(folder.key);
    let (key, sender) = (opened.key(), opened.sender.clone());
    let known = Known { name, folder: own };
    app.db.write(move |tx| drop_boxes::set_sender(tx, key, &sender, &known, now_ms())).await?;
    Ok(Place::Item(folder))
}

/// `Mira 2027-01-31`, with a number where that is taken.
async fn make_folder(app: &App, grant: &Grant, sender: &str) -> Result<Item> {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let name = format!("{} {day}", folder_name(sender));
    let (library, path, folder) = (grant.library().clone(), grant.path().to_vec(), grant.item().key);
    let key = library.key;
    let found = on_disk(move || {
        let root = roots::open(&library)?;
        let path = with_free_name(&path, (name.as_bytes(), ItemKind::Folder), |path| root.create_folder(path))?;
        look(&root, &path)
    })
    .await?;
    store_rows(app, key, move |tx| found.store(tx, key, folder)).await
}

/// What a sender calls themselves, as the beginning of a folder's name on any system.
fn folder_name(sender: &str) -> String {
    let is_safe = |c: &char| !c.is_control() && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let name: String =
        sender.chars().filter(|c| is_safe(c) && !is_direction_mark(*c)).take(LONGEST_NAME_CHARS).collect();
    let name = name.trim_matches(['.', ' ', '@', '~', '#']);
    match check_name(&format!("{name} x")) {
        Ok(()) if !name.is_empty() => name.to_owned(),
        _ => "Guest".to_owned(),
    }
}

/// What a sender may know of how a file is called now: in a blind box a number would tell that somebody else's is there.
pub(super) fn told_name(tx: &mut Tx, share: ShareKey, sent_as: &[u8], stored_as: &str) -> Result<String> {
    let share = shares::by_key(tx, share)?.ok_or(Error::NotFound(Thing::Share))?;
    let shows = share.terms.mode != Mode::Drop || share.terms.drop_box.folder_per_sender;
    Ok(if shows { stored_as.to_owned() } else { String::from_utf8_lossy(sent_as).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_folder_has_a_name_for_any_system() {
        for (sender, folder) in [
            ("Mira", "Mira"),
            ("  Mira Ünal ", "Mira Ünal"),
            ("", "Guest"),
            ("../../etc", "etc"),
            ("a/b\\c:d", "abcd"),
            (".openshelf", "openshelf"),
            ("...", "Guest"),
            ("\u{202e}gpj", "gpj"),
            ("CON", "CON"),
            ("@eaDir", "eaDir"),
        ] {
            assert_eq!(folder_name(sender), folder, "{sender:?}");
        }
        assert!(folder_name(&"ä".repeat(500)).len() <= 160);
    }
}
