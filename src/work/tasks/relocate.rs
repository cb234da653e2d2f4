//! Putting files under another storage policy. No byte moves: there is one place for them. Each file is held against the
//! rules, and one that does not fit stays under what it was under.

use super::*;
use crate::library::policy::{Policy, Rules};
use crate::library::{ItemKey, Library};
use crate::store::policies as under;

/// Rows that one transaction writes.
const AT_ONCE: usize = 500;

/// What is put under the policy, if its owner may do that.
pub(super) fn source(tx: &mut Tx, user: &User, named: &Named) -> Result<Grant> {
    let item = library::item_by_id(tx, &named.id)?.ok_or(Error::NotFound(Thing::File))?;
    let grant = by_rights(tx, user, item, Action::Update)?;
    policies::may_choose(user, grant.library())?;
    Ok(grant)
}

pub(super) async fn work(
    app: &Arc<App>,
    task: &Task,
    sources: &[Named],
    policy_id: &str,
    counter: &Counter,
) -> Result<Option<String>, Trouble> {
    let user = judged(app, task).await?;
    counter.change(|progress| *progress = Progress::default());
    let mut left = LeftOut::default();
    for named in sources {
        let (who, wanted, id) = (user.clone(), named.clone(), policy_id.to_owned());
        let begun = app.db.read(move |tx| {
            let grant = source(tx, &who, &wanted)?;
            let totals = library::totals(tx, grant.item().key)?;
            Ok((grant, totals.files, policies::choose(tx, &who, &id)?))
        });
        let (grant, files, policy) = begun.await?;
        counter.change(|progress| progress.files_total += files.max(1));
        let moving = Moving { app, user: &user, library: grant.library(), rules: policy.rules()?, policy, counter };
        match grant.item().is_folder() {
            true => moving.folder(grant.item().key, &mut left).await?,
            false => moving.file(grant.item().clone(), &mut left).await?,
        }
    }
    match counter.now() {
        Progress { files: 0, files_failed: 1.., .. } => Err(Trouble::Final(left.told())),
        Progress { files_failed: 0, .. } => Ok(None),
        _ => Ok(Some(left.told())),
    }
}

struct Moving<'a> {
    app: &'a App,
    user: &'a User,
    library: &'a Library,
    policy: Policy,
    rules: Rules,
    counter: &'a Counter,
}

impl Moving<'_> {
    /// Files that are not under the policy afterwards are held fast first, then the folder is turned over, then what lies
    /// in it and had its own policy follows. Done again from the start it comes to the same.
    async fn folder(&self, top: ItemKey, left: &mut LeftOut) -> Result<(), Trouble> {
        let mut folders = vec![top];
        while let Some(folder) = folders.pop() {
            let children = self.app.db.read(move |tx| library::children(tx, folder)).await?;
            let (below, files): (Vec<Item>, Vec<Item>) = children.into_iter().partition(Item::is_folder);
            folders.extend(below.iter().map(|folder| folder.key));
            let (fits, misfits): (Vec<Item>, Vec<Item>) = files.into_iter().partition(|file| self.fits(file));
            misfits.iter().for_each(|file| left.add(&file.shown));
            for part in misfits.chunks(AT_ONCE) {
                self.hold(part.iter().map(|file| file.key).collect()).await?;
            }
            self.counter.change(|progress| {
                progress.files += fits.len() as u64;
                progress.files_failed += misfits.len() as u64;
                progress.bytes += fits.iter().map(|file| file.size_bytes).sum::<u64>();
            });
        }
        self.set(top).await?;
        let with_own = self.app.db.read(move |tx| under::below(tx, top)).await?;
        let follow: Vec<ItemKey> = with_own
            .into_iter()
            .filter(|item| item.key != top && (item.is_folder() || self.fits(item)))
            .map(|item| item.key)
            .collect();
        for part in follow.chunks(AT_ONCE) {
            let part = part.to_vec();
            self.app.db.write(move |tx| part.iter().try_for_each(|key| under::clear_of_item(tx, *key))).await?;
        }
        Ok(())
    }

    async fn file(&self, file: Item, left: &mut LeftOut) -> Result<(), Trouble> {
        if !self.fits(&file) {
            left.add(&file.shown);
            self.counter.change(|progress| progress.files_failed += 1);
            return Ok(());
        }
        self.set(file.key).await?;
        self.counter.change(|progress| {
            (progress.files, progress.bytes) = (progress.files + 1, progress.bytes + file.size_bytes)
        });
        Ok(())
    }

    fn fits(&self, file: &Item) -> bool {
        self.rules.check(&file.shown, file.size_bytes).is_ok()
    }

    async fn set(&self, item: ItemKey) -> Result<()> {
        let policy = self.policy.id.clone();
        self.app
            .db
            .write(move |tx| {
                // It may have been removed since.
                let policy = under::by_id(tx, &policy)?;
                under::set_of_item(tx, item, &policy, now_ms())
            })
            .await
    }

    /// What they are under now is theirs from here on.
    async fn hold(&self, files: Vec<ItemKey>) -> Result<()> {
        let (user, library) = (self.user.clone(), self.library.clone());
        let hold = move |tx: &mut Tx| {
            for file in files {
                if library::item(tx, file)?.is_some() && under::of_item(tx, file)?.is_none() {
                    let policy = policies::of(tx, &user, &library, file)?;
                    under::set_of_item(tx, file, &policy, now_ms())?;
                }
            }
            Ok(())
        };
        self.app.db.write(hold).await
    }
}
