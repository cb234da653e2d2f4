//! SQL of rights in libraries, loaded for the rules of the centre to judge.

use super::shares::{subject_columns, subject_of};
use super::{Tx, library};
use crate::account::User;
use crate::args;
use crate::error::Result;
use crate::library::LibraryKey;
use crate::share::grant::{self, Scope, rights_in};
use crate::share::{Bits, Subject};

type Rows = Vec<(LibraryKey, Subject, Bits)>;

fn all_rows(tx: &mut Tx) -> Result<Rows> {
    tx.all(
        "SELECT object_id, subject_kind, subject_id, bits FROM rights WHERE object_kind = 'library'",
        args![],
        |row| Ok((LibraryKey(row.get(0)?), subject_of(&row.get::<String>(1)?, row.get(2)?)?, Bits(row.get(3)?))),
    )
}

fn with_rows(tx: &mut Tx) -> Result<Vec<(crate::library::Library, Vec<(Subject, Bits)>)>> {
    let rows = all_rows(tx)?;
    let of = |key| rows.iter().filter(|(library, _, _)| *library == key).map(|(_, s, bits)| (s.clone(), *bits)).collect();
    Ok(library::all(tx)?.into_iter().map(|library| (of(library.key), library)).map(|(rows, library)| (library, rows)).collect())
}

/// What the user may do now in each library.
pub fn of_user(tx: &mut Tx, user: &User) -> Result<Vec<(LibraryKey, Bits)>> {
    Ok(with_rows(tx)?.iter().map(|(library, rows)| (library.key, rights_in(user, library, rows))).collect())
}

/// What the user may do now in one library.
pub fn in_library(tx: &mut Tx, user: &User, key: LibraryKey) -> Result<Bits> {
    Ok(of_user(tx, user)?.into_iter().find(|(library, _)| *library == key).map_or(Bits::NONE, |(_, bits)| bits))
}

/// What the user may look through.
pub fn scope(tx: &mut Tx, user: &User) -> Result<Scope> {
    Ok(grant::scope(user, &with_rows(tx)?))
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
