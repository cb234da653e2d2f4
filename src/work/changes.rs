//! Telling changes of files to whoever listens, and the history of single items.
//!
//! What changed stands in a journal, which whoever writes files adds to in the same transaction (`store/changes.rs`). While
//! somebody listens, one task of the process reads on in it and hands what is new to all listeners. Each keeps the number of
//! the last change that it has passed, and reads by itself what it is behind: none is told twice, and none is missed. What a
//! listener listens to is judged anew before anything is told, and every few seconds besides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};
use tokio::time::{Instant, interval, timeout_at};

use super::files::{self, home_root};
use crate::App;
use crate::account::{User, UserKey};
use crate::error::{Error, Result};
use crate::library::changes::{Change, Told, Watched, What, merged, told};
use crate::library::{Item, ItemKey};
use crate::store::changes::Way;
use crate::store::{Db, Tx, changes};

/// How often the journal is read on in; what happens in between is told together.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Of how many readings a listener may be behind before it has to begin anew.
const BEHIND: usize = 64;
/// Changes that are read at once; who missed more than that begins anew.
const AT_ONCE: usize = 1000;
/// How often a listener who hears nothing is judged anew: what was taken away ends it within five seconds.
const JUDGE_EVERY: Duration = Duration::from_secs(3);
/// Nothing to tell for so long is told as well.
const QUIET: Duration = Duration::from_secs(20);
/// After many changes at once it must have been quiet for so long until the listener is sent to look at everything.
const SETTLED: Duration = Duration::from_secs(3);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// Listeners who left and may come back.
const LEFT: usize = 1000;

/// All who listen in this process.
pub struct Listeners {
    news: Mutex<Option<Sender<Arc<Batch>>>>,
    left: Mutex<HashMap<Who, Left>>,
}

/// What was read at once: all changes after `after`, up to `until`.
struct Batch {
    after: i64,
    until: i64,
    changes: Vec<Change>,
}

/// A listener that is known again when it comes back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Who {
    pub user: UserKey,
    pub client: String,
    /// Hash of what it asked for.
    pub uri: Vec<u8>,
}

struct Left {
    passed: i64,
    watched: Vec<Watched>,
}

impl Default for Listeners {
    fn default() -> Listeners {
        Listeners { news: Mutex::new(Some(broadcast::channel(BEHIND).0)), left: Mutex::default() }
    }
}

impl Listeners {
    /// Ends all listening: the server stops.
    pub fn close(&self) {
        self.news().take();
    }

    fn subscribe(&self) -> Option<Receiver<Arc<Batch>>> {
        self.news().as_ref().map(Sender::subscribe)
    }

    fn someone_listens(&self) -> bool {
        self.news().as_ref().is_some_and(|news| news.receiver_count() > 0)
    }

    fn tell(&self, batch: Batch) {
        if let Some(news) = self.news().as_ref() {
            // Whoever left meanwhile hears nothing.
            let _ = news.send(Arc::new(batch));
        }
    }

    fn left(&self, who: Who, left: Left) {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= LEFT {
            // Whoever is forgotten begins anew.
            all.clear();
        }
        all.insert(who, left);
    }

    fn back(&self, who: &Who) -> Option<Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(who)
    }

    fn news(&self) -> MutexGuard<'_, Option<Sender<Arc<Batch>>>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads on in the journal while somebody listens, and keeps it short, for as long as the server runs.
pub async fn tend(app: Arc<App>) {
    let mut reads = interval(READ_EVERY);
    let mut swept: Option<Instant> = None;
    let mut passed: Option<i64> = None;
    loop {
        reads.tick().await;
        if swept.is_none_or(|at| at.elapsed() > SWEEP_EVERY) {
            swept = Some(Instant::now());
            if let Err(cause) = app.db.write(changes::sweep).await {
                tracing::warn!(%cause, "the journal of changes is not swept");
            }
        }
        if !app.listeners.someone_listens() {
            passed = None;
            continue;
        }
        match read_on(&app.db, passed).await {
            Ok(Some(batch)) => {
                passed = Some(batch.until);
                app.listeners.tell(batch);
            }
            Ok(None) => {}
            Err(cause) => tracing::warn!(%cause, "the journal of changes is not read"),
        }
    }
}

/// What is new after a change. Where the reading begins, no change but the number from which it goes on.
async fn read_on(db: &Db, passed: Option<i64>) -> Result<Option<Batch>> {
    let Some(after) = passed else {
        let latest = db.read(changes::latest).await?;
        return Ok(Some(Batch { after: latest, until: latest, changes: Vec::new() }));
    };
    let found = db.read(move |tx| changes::since(tx, after, AT_ONCE)).await?;
    Ok(found.last().map(|last| last.number).map(|until| Batch { after, until, changes: found }))
}

// One who listens -----------------------------------------------------------------------------------------------------

/// What a listener hears next.
#[derive(Debug)]
pub enum Heard {
    Changes(Vec<Told>),
    /// Nothing for a while.
    Quiet,
    /// Too much happened, or what it listens to is another: it looks at everything, and listens anew.
    BeginAnew,
    /// It may not listen any more, or the server stops.
    Ended,
}

/// Says what a listener may listen to at that moment; an error ends it.
pub type Judge = Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Watched>>> + Send + Sync>;

pub struct Listener {
    app: Arc<App>,
    who: Who,
    judge: Judge,
    news: Receiver<Arc<Batch>>,
    watched: Vec<Watched>,
    /// The last change that it heard of or that did not concern it.
    passed: i64,
    /// The same before what was told last, which may not have arrived.
    safely_passed: i64,
    judged: Instant,
    heard: Instant,
    /// When many changes at once were last seen.
    many: Option<Instant>,
    /// It comes back, and what happened meanwhile is not read yet.
    is_behind: bool,
    may_come_back: bool,
}

/// Whether a listener goes on where it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Anew,
    Resumed,
}

impl Listener {
    /// Begins to listen to what the listener may see now. `Busy` once the server stops.
    pub async fn begin(app: &Arc<App>, who: Who, judge: Judge) -> Result<(Listener, Start)> {
        let watched = judge().await?;
        let news = app.listeners.subscribe().ok_or(Error::Busy)?;
        let (earliest, latest) = app.db.read(|tx| Ok((changes::earliest(tx)?, changes::latest(tx)?))).await?;
        let left = app.listeners.back(&who).filter(|left| {
            let is_kept = left.passed + 1 >= earliest && left.passed <= latest;
            is_kept && left.watched == watched
        });
        let start = if left.is_some() { Start::Resumed } else { Start::Anew };
        let passed = left.map_or(latest, |left| left.passed);
        let now = Instant::now();
        let listener = Listener {
            app: Arc::clone(app),
            who,
            judge,
            news,
            watched,
            passed,
            safely_passed: passed,
            judged: now,
            heard: now,
            many: None,
            is_behind: start == Start::Resumed,
            may_come_back: true,
        };
        Ok((listener, start))
    }

    /// Waits for news. Not to be dropped while it waits, unless for good.
    pub async fn next(&mut self) -> Heard {
        let heard = self.wait().await.unwrap_or(Heard::Ended);
        self.heard = Instant::now();
        self.may_come_back &= !matches!(heard, Heard::BeginAnew);
        heard
    }

    async fn wait(&mut self) -> Result<Heard> {
        if std::mem::take(&mut self.is_behind) {
            let behind = self.behind().await?;
            if let Some(heard) = self.pass(behind).await? {
                return Ok(heard);
            }
        }
        loop {
            match timeout_at(self.judged + JUDGE_EVERY, self.news.recv()).await {
                Ok(Ok(batch)) => {
                    let found = match batch.after <= self.passed {
                        true => Some(batch.changes.iter().filter(|c| c.number > self.passed).cloned().collect()),
                        false => self.behind().await?,
                    };
                    let heard = self.pass(found).await?;
                    self.passed = self.passed.max(batch.until);
                    if let Some(heard) = heard {
                        return Ok(heard);
                    }
                }
                Ok(Err(RecvError::Lagged(_))) => return Ok(Heard::BeginAnew),
                Ok(Err(RecvError::Closed)) => return Ok(Heard::Ended),
                Err(_) => {
                    if !self.is_as_before().await? {
                        return Ok(Heard::BeginAnew);
                    }
                }
            }
            if self.many.is_some_and(|at| at.elapsed() > SETTLED) {
                return Ok(Heard::BeginAnew);
            }
            if self.heard.elapsed() > QUIET {
                return Ok(Heard::Quiet);
            }
        }
    }

    /// All that it has not heard of yet; none where that is too much.
    async fn behind(&self) -> Result<Option<Vec<Change>>> {
        let passed = self.passed;
        let found = self.app.db.read(move |tx| changes::since(tx, passed, AT_ONCE)).await?;
        Ok((found.len() < AT_ONCE).then_some(found))
    }

    /// What of these changes is news to this listener.
    async fn pass(&mut self, found: Option<Vec<Change>>) -> Result<Option<Heard>> {
        let Some(found) = found else { return Ok(Some(Heard::BeginAnew)) };
        let Some(last) = found.last().map(|change| change.number) else { return Ok(None) };
        let concerns = |change: &&Change| match &change.what {
            What::Many => self.watched.iter().any(|watched| watched.library == change.library),
            What::Item { .. } => !self.did(change) && told(change, &self.watched).is_some(),
        };
        let news: Vec<&Change> = found.iter().filter(concerns).collect();
        if news.is_empty() {
            self.passed = last;
            return Ok(None);
        }
        if !self.is_as_before().await? {
            return Ok(Some(Heard::BeginAnew));
        }
        let has_many = news.iter().any(|change| matches!(change.what, What::Many));
        let news = merged(news.into_iter().filter_map(|change| told(change, &self.watched)).collect());
        self.safely_passed = std::mem::replace(&mut self.passed, last);
        if has_many {
            self.many = Some(Instant::now());
        }
        // Whoever will look at everything needs no single changes.
        Ok((self.many.is_none() && !news.is_empty()).then_some(Heard::Changes(news)))
    }

    /// An app knows what it did itself.
    fn did(&self, change: &Change) -> bool {
        change.by.user == Some(self.who.user) && change.by.client.as_ref() == Some(&self.who.client)
    }

    async fn is_as_before(&mut self) -> Result<bool> {
        let now = (self.judge)().await?;
        self.judged = Instant::now();
        Ok(now == self.watched)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.may_come_back && self.many.is_none() {
            let left = Left { passed: self.safely_passed, watched: std::mem::take(&mut self.watched) };
            self.app.listeners.left(self.who.clone(), left);
        }
    }
}

// What a user may listen to -------------------------------------------------------------------------------------------

/// The whole tree of a user: their home, and the libraries beside it.
pub fn own_tree(tx: &mut Tx, user: &User) -> Result<Vec<Watched>> {
    let home = home_root(tx, user)?;
    let libraries = files::libraries_of(tx, user)?;
    let home = Watched { item: home.key, library: home.library, path: Vec::new() };
    let of =
        |entry: files::Entry| Watched { item: entry.item.key, library: entry.item.library, path: vec![entry.shown] };
    Ok(std::iter::once(home).chain(libraries.into_iter().map(of)).collect())
}

/// One folder with what is in it, or one file, which is known by its name.
pub fn one(item: &Item) -> Watched {
    named(item, if item.is_folder() { Vec::new() } else { vec![item.shown.clone()] })
}

pub fn named(item: &Item, path: Vec<String>) -> Watched {
    Watched { item: item.key, library: item.library, path }
}

// History -------------------------------------------------------------------------------------------------------------

/// Which changes of an item are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    All,
    /// What the user did who asks.
    Own,
}

/// A page of what became of an item, with who did it.
pub fn history(
    tx: &mut Tx,
    user: &User,
    item: ItemKey,
    wanted: Wanted,
    way: Way,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<(Change, Option<User>)>> {
    let by = (wanted == Wanted::Own).then_some(user.key);
    let found = changes::of_item(tx, item, by, way, after, limit)?;
    let mut known: HashMap<UserKey, Option<User>> = HashMap::new();
    found
        .into_iter()
        .map(|change| {
            let Some(key) = change.by.user else { return Ok((change, None)) };
            let who = match known.get(&key) {
                Some(who) => who.clone(),
                None => crate::store::accounts::by_key(tx, key)?,
            };
            known.insert(key, who.clone());
            Ok((change, who))
        })
        .collect()
}
