//! The node: what this server calls itself where tasks are shown, and which kinds of them it does. All servers on one
//! database are one node to those who ask.

use crate::error::{Error, Result};
use crate::store::tasks::Kind;
use crate::store::{Tx, settings};

const NAME: &str = "node-name";
/// Kinds, by comma.
const DOES_NOT: &str = "node-does-not";

/// The kinds that an administrator can switch off.
pub const SWITCHED: [Kind; 4] = [Kind::Pack, Kind::Unpack, Kind::Fetch, Kind::Relocate];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    /// Of [`SWITCHED`].
    pub does: Vec<Kind>,
}

pub fn read(tx: &mut Tx) -> Result<Node> {
    let name = settings::get(tx, NAME)?.unwrap_or_else(|| "Openshelf".to_owned());
    let off = settings::get(tx, DOES_NOT)?.unwrap_or_default();
    let is_on = |kind: &Kind| off.split(',').all(|off| off != kind.text());
    Ok(Node { name, does: SWITCHED.into_iter().filter(is_on).collect() })
}

/// `Invalid` for a name that is none. Tasks of a kind that is switched off end within seconds.
pub fn set(tx: &mut Tx, node: &Node) -> Result<()> {
    let name = node.name.trim();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "1 to 64 visible characters"));
    }
    let off = SWITCHED.into_iter().filter(|kind| !node.does.contains(kind)).map(Kind::text);
    settings::set(tx, NAME, name)?;
    settings::set(tx, DOES_NOT, &off.collect::<Vec<_>>().join(","))
}

/// `Unsupported` for what is switched off.
pub fn check(tx: &mut Tx, kind: Kind) -> Result<()> {
    let is_on = !SWITCHED.contains(&kind) || read(tx)?.does.contains(&kind);
    if is_on { Ok(()) } else { Err(Error::Unsupported(what(kind))) }
}

const fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Pack => "Making archives",
        Kind::Unpack => "Unpacking archives",
        Kind::Fetch => "Fetching files",
        Kind::Relocate => "Putting files under another storage policy",
        Kind::Import => "Importing files",
        Kind::Reread => "Reading what files say",
    }
}
