//! Reading anew what all files say: what is known is forgotten, and whoever reads in the background reads all of it again.

use super::*;
use crate::store::texts;
use crate::work::texts::{count_unread, is_on};

/// Files that are forgotten by one write.
const FORGOTTEN_AT_ONCE: usize = 20;
const COUNT_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn work(app: &Arc<App>, task: &Task, counter: &Counter) -> Result<(), Trouble> {
    if !is_on(app) {
        return Err(Trouble::Final("Files are not searched by what they say any more".to_owned()));
    }
    // One that was interrupted while it read need not begin again.
    if task.progress.files_total == 0 {
        while app.db.write(|tx| texts::forget_some(tx, FORGOTTEN_AT_ONCE)).await? {}
    }
    let read = app.db.read(texts::count_read).await?;
    let unread = count_unread(app).await?;
    counter.change(|progress| (progress.files, progress.files_total) = (read, read + unread));
    let mut looking = std::pin::pin!(app.texts.look_at_all());
    loop {
        let is_done = tokio::time::timeout(COUNT_EVERY, &mut looking).await.is_ok();
        let read = app.db.read(texts::count_read).await?;
        counter.change(|progress| (progress.files, progress.files_total) = (read, progress.files_total.max(read)));
        if is_done {
            return Ok(());
        }
    }
}
