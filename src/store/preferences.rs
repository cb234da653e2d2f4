//! SQL of how users like their apps.

use super::Tx;
use crate::account::{Preferences, UserKey};
use crate::args;
use crate::error::{Error, Result};

pub fn of(tx: &mut Tx, user: UserKey) -> Result<Preferences> {
    let stored = tx.maybe(
        "SELECT language, theme, syncs_views, keeps_versions, version_endings, most_versions
         FROM preference WHERE account_id = $1",
        args![user.0],
        |row| {
            let endings = serde_json::from_str(&row.get::<String>(4)?);
            Ok(Preferences {
                language: row.get(0)?,
                theme: row.get(1)?,
                syncs_views: row.get::<i64>(2)? != 0,
                keeps_versions: row.get::<i64>(3)? != 0,
                version_endings: endings.map_err(|cause| Error::internal("endings of versions", cause))?,
                most_versions: row.get(5)?,
            })
        },
    )?;
    Ok(stored.unwrap_or_default())
}

pub fn set(tx: &mut Tx, user: UserKey, preferences: &Preferences) -> Result<()> {
    tx.run(
        "INSERT INTO preference (account_id, language, theme, syncs_views, keeps_versions, version_endings, most_versions)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (account_id) DO UPDATE SET language = excluded.language, theme = excluded.theme,
            syncs_views = excluded.syncs_views, keeps_versions = excluded.keeps_versions,
            version_endings = excluded.version_endings, most_versions = excluded.most_versions",
        args![
            user.0,
            &preferences.language,
            &preferences.theme,
            i64::from(preferences.syncs_views),
            i64::from(preferences.keeps_versions),
            serde_json::json!(preferences.version_endings).to_string(),
            preferences.most_versions
        ],
    )?;
    Ok(())
}
