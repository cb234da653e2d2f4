//! SQL of rights in libraries, loaded for the rules of the centre to judge.

use super::shares::{subject_columns, subject_of};
use super::{Row, Tx, library};
use crate::account::User;
use crate::args;
use crate::error::Result;
use crate::library::{Library, LibraryKey};
use crate::share::grant::{self, Action, Rows, Scope, rights_in};
use crate::share::{Bits, Shared, Subject};

/// The libraries in which the user may have rights, with what is given on each: folders, and what is the user's own.
/// Others' homes are not read, so that it costs the same among a thousand users as alone.
fn concerning(tx: &mut Tx, user: &User) -> Result<Vec<(Library, Rows)>> {
    // Rows count in folders only; see `rights_in`.
    let rows = tx.all(
        "SELECT r.object_id, r.subject_kind, r.subject_id, r.bits FROM library l
         JOIN rights r ON r.object_kind = 'library' AND r.object_id = l.id WHERE l.kind = 'folder'",
        args![],
        row_of_library,
    )?;
    let of = |key| rows.iter().filter(|(library, _)| *library == key).map(|(_, row)| row.clone()).collect();
    Ok(library::reachable(tx, user.key)?
        .into_iter()
        .map(|library| {
            let rows = of(library.key);
            (library, rows)
        })
        .collect())
}

fn row_of_library(row: &Row) -> Result<(LibraryKey, (Subject, Bits))> {
    Ok((LibraryKey(row.get(0)?), (subject_of(&row.get::<String>(1)?, row.get(2)?)?, Bits(row.get(3)?))))
}

/// What the user may do now in each library where they may have rights.
pub fn of_user(tx: &mut Tx, user: &User) -> Result<Vec<(LibraryKey, Bits)>> {
    Ok(concerning(tx, user)?.iter().map(|(library, rows)| (library.key, rights_in(user, library, rows))).collect())
}

/// What the user may do now in one library; nothing in one that is not there.
pub fn in_library(tx: &mut Tx, user: &User, key: LibraryKey) -> Result<Bits> {
    let Some(library) = library::find(tx, key)? else { return Ok(Bits::NONE) };
    let rows: Rows = tx.all(
        "SELECT object_id, subject_kind, subject_id, bits FROM rights WHERE object_kind = 'library' AND object_id = $1",
        args![key.0],
        |row| Ok(row_of_library(row)?.1),
    )?;
    Ok(rights_in(user, &library, &rows))
}

/// What the owner of a share may do now in each library that something of it may lie in.
pub fn of_share(tx: &mut Tx, owner: &User, items: &[Shared]) -> Result<Vec<(LibraryKey, Bits)>> {
    // Tracks of an album, artist or playlist may lie anywhere.
    if !items.iter().all(|shared| matches!(shared, Shared::Item(_))) {
        return of_user(tx, owner);
    }
    library::holding(tx, items)?.into_iter().map(|library| Ok((library, in_library(tx, owner, library)?))).collect()
}

/// What the user may look through.
pub fn scope(tx: &mut Tx, user: &User) -> Result<Scope> {
    Ok(grant::scope(user, &concerning(tx, user)?, Action::See))
}

/// Of what the user may make shares.
pub fn shareable(tx: &mut Tx, user: &User) -> Result<Scope> {
    Ok(grant::scope(user, &concerning(tx, user)?, Action::Share))
}

/// Gives a subject these rights in a library, in place of what it had there.
pub fn set(tx: &mut Tx, library: LibraryKey, subject: &Subject, bits: Bits) -> Result<()> {
    let (kind, id) = subject_columns(subject);
    tx.run(
        "INSERT INTO rights (subject_kind, subject_id, object_kind, object_id, bits) VALUES ($1, $2, 'library', $3, $4)
         ON CONFLICT (object_kind, object_id, subject_kind, subject_id) DO UPDATE SET bits = excluded.bits",
        args![kind, id, library.0, bits.0],
    )?;
    Ok(())
}
