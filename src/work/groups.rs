//! Groups of users: who is in them, and what they give.

use super::users::keep_an_admin;
use crate::account::token::random_base62;
use crate::account::{Allowed, Group, GroupKey, Role, Roles, User};
use crate::error::{Error, Result, Thing};
use crate::library::policy::PolicyKey;
use crate::library::{IdKind, Library, LibraryKind};
use crate::share::{Bits, Change, Subject};
use crate::store::{Tx, groups, policies, rights};
use crate::{App, now_ms};

/// That one group gives.
const MOST_POLICIES: usize = 100;

/// What is to become of a group; what it does not say stays.
#[derive(Debug, Default)]
pub struct GroupWish {
    pub name: Option<String>,
    pub roles: Option<Roles>,
    pub quota_bytes: Change<u64>,
    /// Storage policies, the one first that holds where a member chooses none; `None`: the default one.
    pub policies: Option<Vec<Option<PolicyKey>>>,
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    match name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        true => Err(Error::invalid("name", "1 to 64 visible characters")),
        false => Ok(name.to_owned()),
    }
}

/// `Exists` when there is a group of that name.
pub fn create(tx: &mut Tx, name: &str, wish: GroupWish) -> Result<Group> {
    let id = format!("{}{}", IdKind::Group.letter(), random_base62(16));
    let key = groups::insert(tx, &id, &check_name(name)?, now_ms())?;
    edit(tx, key, wish)
}

/// Members are given what the group gives from now on.
pub fn edit(tx: &mut Tx, key: GroupKey, wish: GroupWish) -> Result<Group> {
    let mut group = groups::by_key(tx, key)?;
    if let Some(name) = &wish.name {
        group.name = check_name(name)?;
    }
    if let Some(roles) = wish.roles {
        group.roles = Roles::NONE.in_group(roles);
    }
    match wish.quota_bytes {
        Change::Set(quota_bytes) => group.quota_bytes = Some(quota_bytes),
        Change::Clear => group.quota_bytes = None,
        Change::Keep => {}
    }
    groups::update(tx, &group)?;
    groups::give_all(tx, &group)?;
    if let Some(keys) = wish.policies {
        if keys.len() > MOST_POLICIES {
            return Err(Error::invalid("storage_policies", "at most 100"));
        }
        let each = keys.into_iter().map(|key| match key {
            None => policies::default(tx),
            Some(key) => policies::by_key(tx, key),
        });
        let given = each.collect::<Result<Vec<_>>>()?;
        policies::set_of_group(tx, group.key, &given, now_ms())?;
    }
    Ok(group)
}

/// `Forbidden` while somebody is in it.
pub fn remove(tx: &mut Tx, key: GroupKey) -> Result<()> {
    let group = groups::by_key(tx, key)?;
    if groups::member_count(tx, group.key)? > 0 {
        return Err(Error::Forbidden("the group still has members"));
    }
    groups::remove(tx, group.key)
}

// The one group of a user ---------------------------------------------------------------------------------------------

/// Where a protocol knows one group for each user: admins are one, whoever is in none is in that of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MainGroup {
    Admins,
    Users,
    Own(GroupKey),
}

impl MainGroup {
    pub fn of(user: &User) -> MainGroup {
        match user.groups.first() {
            _ if user.is_admin() => MainGroup::Admins,
            Some(group) => MainGroup::Own(*group),
            None => MainGroup::Users,
        }
    }
}

/// Makes it the user's group in place of all others. The last admin remains one.
pub fn set_main(tx: &mut Tx, user: &User, to: MainGroup) -> Result<()> {
    if MainGroup::of(user) == to {
        return Ok(());
    }
    let roles = match to {
        MainGroup::Admins => user.allowed.roles.with(Role::Admin),
        MainGroup::Users => user.allowed.roles.without(Role::Admin).in_group(Roles::OF_GROUPS),
        MainGroup::Own(_) => user.allowed.roles.without(Role::Admin),
    };
    if user.is_admin() && !roles.has(Role::Admin) {
        keep_an_admin(tx, user.key)?;
    }
    crate::store::accounts::set_allowed(tx, user.key, &Allowed { roles, ..user.allowed.clone() })?;
    groups::leave_all(tx, user.key)?;
    match to {
        MainGroup::Own(key) => {
            let group = groups::by_key(tx, key)?;
            groups::join(tx, &group, user.key)
        }
        MainGroup::Admins | MainGroup::Users => Ok(()),
    }
}

// Libraries -----------------------------------------------------------------------------------------------------------

/// Gives a library to a user, a group or everyone, in place of what they had there; nothing of it takes it away.
pub async fn give(app: &App, library: &Library, subject: Subject, bits: Bits) -> Result<()> {
    if library.kind != LibraryKind::Folder {
        return Err(Error::NotFound(Thing::Library));
    }
    let key = library.key;
    app.db.write(move |tx| rights::set(tx, key, &subject, bits)).await
}
