//! SQL of rights in libraries, loaded for the rules of the centre to judge.

use super::shares::{subject_columns, subject_of};
use super::{Tx, library};
use crate::account::User;
use crate::args;
use crate::error::Result;
use crate::library::{Library, LibraryKey};
use crate::share::grant::{self, Action, Rows, Scope, rights_in};
use crate::share::{Bits, Subject};

/// All libraries with what is given on each.
fn all(tx: &mut Tx) -> Result<Vec<(Library, Rows)>> {
    let rows = tx.all(
        "SELECT object_id, subject_kind, subject_id, bits FROM rights WHERE object_kind = 'library'",
        args![],
        |row| Ok((LibraryKey(row.get(0)?), (subject_of(&row.get::<String>(1)?, row.get(2)?)?, Bits(row.get(3)?)))),
    )?;
    let of = |key| rows.iter().filter(|(library, _)| *library == key).map(|(_, row)| row.clone()).collect();
    Ok(library::all(tx)?
        .into_iter()
        .map(|library| {
            let rows = of(library.key);
            (library, rows)
        })
        .collect())
}

/// What the user may do now in each library.
pub fn of_user(tx: &mut Tx, user: &User) -> Result<Vec<(LibraryKey, Bits)>> {
    Ok(all(tx)?.iter().map(|(library, rows)| (library.key, rights_in(user, library, rows))).collect())
}

/// What the user may do now in one library.
pub fn in_library(tx: &mut Tx, user: &User, key: LibraryKey) -> Result<Bits> {
    Ok(of_user(tx, user)?.into_iter().find(|(library, _)| *library == key).map_or(Bits::NONE, |(_, bits)| bits))
}

/// What the user may look through.
pub fn scope(tx: &mut Tx, user: &User) -> Result<Scope> {
    Ok(grant::scope(user, &all(tx)?, Action::See))
}

/// Of what the user may make shares.
pub fn shareable(tx: &mut Tx, user: &User) -> Result<Scope> {
    Ok(grant::scope(user, &all(tx)?, Action::Share))
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
