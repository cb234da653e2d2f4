//! Locks on folders and files, by the rules of RFC 4918: who may write for the time being.

use crate::account::User;
use crate::account::UserKey;
use crate::library::ItemKey;

/// How far others are kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Exclusive,
    /// Together with whoever else takes a shared one.
    Shared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The item; of a folder also which names are in it.
    Item,
    /// And all below it.
    Tree,
}

#[derive(Debug, Clone)]
pub struct Lock {
    /// A URI. Whoever made the lock shows it to write.
    pub token: String,
    pub item: ItemKey,
    pub maker: UserKey,
    pub hold: Hold,
    pub depth: Depth,
    /// XML in which the client says whose it is, as it came.
    pub owner: String,
    pub lasts_ms: i64,
    pub expires_ms: i64,
}

impl Lock {
    /// Whether it locks an item, given with its folder and so on upwards.
    pub fn covers(&self, chain: &[ItemKey]) -> bool {
        match self.depth {
            Depth::Item => chain.first() == Some(&self.item),
            Depth::Tree => chain.contains(&self.item),
        }
    }

    /// Whether the user made it and shows its token.
    fn is_shown_by(&self, user: &User) -> bool {
        self.maker == user.key && user.lock_tokens.contains(&self.token)
    }
}

/// Of the locks that lie on what is to be written, those that keep the user out. Of several shared ones on an item, any
/// lets its maker in.
pub fn in_the_way<'a>(locks: &'a [Lock], user: &User) -> Vec<&'a Lock> {
    let opens = |lock: &&Lock, other: &Lock| other.item == lock.item && other.is_shown_by(user);
    locks.iter().filter(|lock| !locks.iter().any(|other| opens(lock, other))).collect()
}

/// Whether a lock of this scope and another one can lie on the same item.
pub fn go_together(a: Hold, b: Hold) -> bool {
    a == Hold::Shared && b == Hold::Shared
}
