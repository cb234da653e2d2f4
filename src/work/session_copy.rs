//! Taking a session along to another device: the first shows an address, the other opens it, once and within minutes.

use crate::account::User;
use crate::account::slip::{self, Errand, Holder};
use crate::error::Result;
use crate::store::slips;
use crate::{App, now_ms};

const LASTS_MS: i64 = 3 * 60 * 1000;

/// For the other device.
pub fn offer(app: &App, user: &User) -> String {
    slip::write(&app.keys, Errand::SessionCopy, Holder::of(user), now_ms() + LASTS_MS)
}

/// `None` where it is not good for this user, or not any more.
pub async fn take(app: &App, id: &str, text: &str) -> Result<Option<User>> {
    let read = slip::read::<Holder>(&app.keys, Errand::SessionCopy, text, now_ms());
    let Some(slip) = read.filter(|slip| slip.data.user_id == id) else { return Ok(None) };
    app.db
        .write(move |tx| {
            let user = slips::holder(tx, &slip.data)?.filter(User::is_active);
            Ok(if user.is_some() && slips::spend(tx, &slip, now_ms())? { user } else { None })
        })
        .await
}
