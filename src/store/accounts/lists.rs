//! Lists of users as administrators page through them.

use super::{USER, state_text, user, with_groups};
use crate::account::{GroupKey, User, UserKey, UserState, name_key};
use crate::error::Result;
use crate::library::Page;
use crate::store::search::literal;
use crate::store::{Tx, Value, bind_all};

/// Which users are looked for. Parts of names and addresses are compared in the folded form.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub name: Option<String>,
    pub mail: Option<String>,
    pub state: Option<UserState>,
    pub group: Option<GroupWanted>,
    pub order: Order,
}

#[derive(Debug, Clone, Copy)]
pub enum GroupWanted {
    Admins,
    /// Neither admins nor in any group.
    Users,
    In(GroupKey),
}

#[derive(Debug, Clone, Copy, Default)]
pub enum Order {
    #[default]
    EarliestFirst,
    LatestFirst,
}

impl Wanted {
    /// Conditions and what they compare with.
    fn conditions(&self) -> (String, Vec<Value>) {
        let mut all = vec!["1 = 1".to_owned()];
        let mut args: Vec<Value> = Vec::new();
        for (columns, part) in [(["name_key", "display_name"], &self.name), (["mail_key", "mail_key"], &self.mail)] {
            let Some(part) = part else { continue };
            args.push(format!("%{}%", literal(&name_key(part))).into());
            let holds = format!("LIKE ${} ESCAPE '\\'", args.len());
            all.push(format!("({} {holds} OR LOWER({}) {holds})", columns[0], columns[1]));
        }
        if let Some(state) = self.state {
            args.push(state_text(state).into());
            all.push(format!("state = ${}", args.len()));
        }
        match self.group {
            None => {}
            Some(GroupWanted::Admins) => all.push("role = 'admin'".to_owned()),
            Some(GroupWanted::Users) => {
                all.push("role <> 'admin' AND id NOT IN (SELECT m.account_id FROM group_member m)".to_owned())
            }
            Some(GroupWanted::In(key)) => {
                args.push(key.0.into());
                let members = format!("SELECT m.account_id FROM group_member m WHERE m.group_id = ${}", args.len());
                all.push(format!("role <> 'admin' AND id IN ({members})"));
            }
        }
        (all.join(" AND "), args)
    }
}

/// A part of the users that are looked for, with their groups, and how many there are in all.
pub fn page(tx: &mut Tx, wanted: &Wanted, page: Page) -> Result<(Vec<User>, u64)> {
    let (conditions, mut args) = wanted.conditions();
    let total = tx.one(&format!("SELECT COUNT(*) FROM account WHERE {conditions}"), &args, |row| row.get(0))?;
    let way = match wanted.order {
        Order::EarliestFirst => "ASC",
        Order::LatestFirst => "DESC",
    };
    let (limit, offset) = (args.len() + 1, args.len() + 2);
    args.extend([page.limit.into(), page.offset.into()]);
    let sql =
        format!("SELECT {USER} FROM account WHERE {conditions} ORDER BY id {way} LIMIT ${limit} OFFSET ${offset}");
    let found = tx.all(&sql, &args, user)?;
    let found = found.into_iter().map(|user| with_groups(tx, Some(user))).collect::<Result<Vec<_>>>()?;
    Ok((found.into_iter().flatten().collect(), total))
}

/// Bytes that lie in the homes of these users.
pub fn home_bytes(tx: &mut Tx, users: &[UserKey]) -> Result<Vec<(UserKey, u64)>> {
    let mut args = Vec::new();
    let users = bind_all(&mut args, users.iter().map(|user| user.0));
    tx.all(
        &format!(
            "SELECT l.owner_id, CAST(COALESCE(SUM(i.size_bytes), 0) AS BIGINT) FROM library l
             JOIN item i ON i.library_id = l.id
             WHERE l.kind = 'home' AND l.owner_id IN ({users}) AND i.kind = 1
             AND (i.missing_ms IS NULL OR i.trashed_ms IS NOT NULL) GROUP BY l.owner_id"
        ),
        &args,
        |row| Ok((UserKey(row.get(0)?), row.get(1)?)),
    )
}
