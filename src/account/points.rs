//! Points: what users pay each other with, in double entry. What leaves one purse comes into another, so all purses
//! together hold nothing at any time.

use super::UserKey;
use crate::error::{Error, Result};

/// What is asked, given or paid at once.
pub const MOST_AT_ONCE: i64 = 1_000_000_000;
/// What one purse ever holds, so that every client can count it: the largest whole number that JSON is sure to carry.
const MOST_HELD: i64 = (1 << 53) - 1;

/// Where points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purse {
    /// The server's own, from which all points come: it owes what the users hold.
    Issue,
    User(UserKey),
}

/// Why a purse changed, as its owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its owner bought something.
    Pay,
    /// Somebody bought a share of its owner's.
    SharePurchased,
    /// An administrator gave or took.
    Adjust,
    /// A gift code.
    Redeem,
}

/// One line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub purse: Purse,
    pub amount: i64,
    pub reason: Reason,
}

/// Points on their way from one purse to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    points: i64,
    from: (Purse, Reason),
    to: (Purse, Reason),
}

impl Transfer {
    pub fn purchase(buyer: UserKey, seller: UserKey, price: i64) -> Result<Transfer> {
        Transfer::new(price, (Purse::User(buyer), Reason::Pay), (Purse::User(seller), Reason::SharePurchased))
    }

    pub fn gift(user: UserKey, points: i64) -> Result<Transfer> {
        Transfer::new(points, (Purse::Issue, Reason::Redeem), (Purse::User(user), Reason::Redeem))
    }

    /// By an administrator: a negative number is taken.
    pub fn adjust(user: UserKey, points: i64) -> Result<Transfer> {
        let (issue, user) = ((Purse::Issue, Reason::Adjust), (Purse::User(user), Reason::Adjust));
        match points < 0 {
            true => Transfer::new(points.saturating_neg(), user, issue),
            false => Transfer::new(points, issue, user),
        }
    }

    fn new(points: i64, from: (Purse, Reason), to: (Purse, Reason)) -> Result<Transfer> {
        check(points)?;
        if from.0 == to.0 {
            return Err(Error::invalid("points", "nobody pays themselves"));
        }
        Ok(Transfer { points, from, to })
    }

    /// What it writes: two lines that make nothing together.
    pub fn entries(&self) -> [Entry; 2] {
        let line = |(purse, reason), amount| Entry { purse, amount, reason };
        [line(self.from, -self.points), line(self.to, self.points)]
    }
}

/// A number of points that can be given or paid.
pub fn check(points: i64) -> Result<()> {
    match (1..=MOST_AT_ONCE).contains(&points) {
        true => Ok(()),
        false => Err(Error::invalid("points", format!("1 to {MOST_AT_ONCE}"))),
    }
}

/// What a purse holds after an entry. `NotEnoughPoints` where a user would owe something.
pub fn after(entry: &Entry, balance: i64) -> Result<i64> {
    let full = || Error::invalid("points", format!("a purse holds at most {MOST_HELD}"));
    let left = balance.checked_add(entry.amount).ok_or_else(full)?;
    match entry.purse {
        Purse::User(_) if left < 0 => Err(Error::NotEnoughPoints),
        _ if left.abs() > MOST_HELD => Err(full()),
        _ => Ok(left),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_transfer_is_of_a_bounded_number_and_between_two() {
        let (ann, bob) = (UserKey(1), UserKey(2));
        for wrong in [0, -1, MOST_AT_ONCE + 1, i64::MIN, i64::MAX] {
            assert!(Transfer::purchase(ann, bob, wrong).is_err(), "{wrong}");
            assert!(Transfer::gift(ann, wrong).is_err(), "{wrong}");
        }
        for wrong in [0, MOST_AT_ONCE + 1, -MOST_AT_ONCE - 1, i64::MIN, i64::MAX] {
            assert!(Transfer::adjust(ann, wrong).is_err(), "{wrong}");
        }
        assert!(Transfer::purchase(ann, ann, 1).is_err());
    }

    fn transfer() -> impl Strategy<Value = Transfer> {
        let user = || (1..5i64).prop_map(UserKey);
        prop_oneof![
            (user(), user(), 1..100i64).prop_filter_map("two", |(a, b, n)| Transfer::purchase(a, b, n).ok()),
            (user(), 1..100i64).prop_map(|(a, n)| Transfer::gift(a, n).unwrap()),
            (user(), -100..100i64).prop_filter_map("some", |(a, n)| Transfer::adjust(a, n).ok()),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_paid_no_user_owes_anything_and_all_purses_balance(all in prop::collection::vec(transfer(), 0..80)) {
            let mut purses: HashMap<Purse, i64> = HashMap::new();
            for transfer in all {
                let held = |purse| purses.get(&purse).copied().unwrap_or(0);
                let left = transfer.entries().map(|entry| after(&entry, held(entry.purse)).map(|left| (entry.purse, left)));
                if let [Ok(from), Ok(to)] = left {
                    purses.extend([from, to]);
                }
                prop_assert_eq!(purses.values().sum::<i64>(), 0);
                prop_assert!(purses.iter().all(|(purse, held)| *purse == Purse::Issue || *held >= 0));
            }
        }

        #[test]
        fn no_purse_overflows(balance: i64, amount: i64, key: i64) {
            for purse in [Purse::Issue, Purse::User(UserKey(key))] {
                let entry = Entry { purse, amount, reason: Reason::Adjust };
                if let Ok(left) = after(&entry, balance) {
                    prop_assert!(left.abs() <= MOST_HELD && left == balance + amount);
                }
            }
        }
    }
}
