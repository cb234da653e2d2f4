//! Orders about who may do what: bans, groups, libraries that are given.

use super::{Banned, Given, GroupLine, Reply, Right, user_named};
use crate::App;
use crate::account::UserState;
use crate::error::{Error, Result, Thing};
use crate::library::Page;
use crate::share::{Bits, Subject};
use crate::store::library;
use crate::store::{accounts, groups as rows};
use crate::work::groups::{self, GroupWish};
use crate::work::libraries;
use crate::work::users::{self, UserWish};

pub(super) async fn set_banned(app: &App, name: String, banned: Banned) -> Result<Reply> {
    let user = user_named(app, name).await?;
    let (state, said) = match banned {
        Banned::Yes => (UserState::Banned, "is banned: signed out everywhere, and their shares are closed"),
        Banned::No => (UserState::Active, "may sign in again"),
    };
    users::edit_one(app, user.key, None, move |_, _| Ok(UserWish { state: Some(state), ..UserWish::default() }))
        .await?;
    Ok(Reply::Done(format!("{:?} {said}.", user.name)))
}

pub(super) async fn groups(app: &App) -> Result<Reply> {
    let all = app.db.read(|tx| {
        let all = rows::page(tx, Page::ALL)?;
        all.into_iter()
            .map(|group| Ok(GroupLine { members: rows::member_names(tx, group.key)?, name: group.name }))
            .collect()
    });
    Ok(Reply::Groups(all.await?))
}

pub(super) async fn add_group(app: &App, name: String) -> Result<Reply> {
    let group = app.db.write(move |tx| groups::create(tx, &name, GroupWish::default())).await?;
    Ok(Reply::Done(format!("There is a group {:?}; put users into it, and give it libraries.", group.name)))
}

pub(super) async fn remove_group(app: &App, name: String) -> Result<Reply> {
    let wanted = name.clone();
    app.db
        .write(move |tx| {
            let group = rows::by_name(tx, &wanted)?;
            groups::remove(tx, group.key)
        })
        .await?;
    Ok(Reply::Done(format!("Removed the group {name:?}.")))
}

pub(super) async fn join(app: &App, group: String, users: Vec<String>) -> Result<Reply> {
    let said = format!("{} may do what {group:?} may.", users.join(", "));
    app.db
        .write(move |tx| {
            let group = rows::by_name(tx, &group)?;
            users.iter().try_for_each(|name| {
                let user = accounts::by_login(tx, name)?.ok_or(Error::NotFound(Thing::User))?;
                rows::join(tx, &group, user.key)
            })
        })
        .await?;
    Ok(Reply::Done(said))
}

pub(super) async fn leave(app: &App, group: String, users: Vec<String>) -> Result<Reply> {
    let said = format!("{} left {group:?}.", users.join(", "));
    app.db
        .write(move |tx| {
            let group = rows::by_name(tx, &group)?;
            users.iter().try_for_each(|name| {
                let user = accounts::by_login(tx, name)?.ok_or(Error::NotFound(Thing::User))?;
                rows::leave(tx, group.key, user.key)
            })
        })
        .await?;
    Ok(Reply::Done(said))
}

pub(super) async fn give(app: &App, name: String, to: Given, rights: &[Right]) -> Result<Reply> {
    let all = app.db.read(library::all).await?;
    let library = libraries::named(&all, &name).ok_or(Error::NotFound(Thing::Library))?;
    let (subject, whom) = match to {
        Given::Everyone => (Subject::Everyone, "Everyone".to_owned()),
        Given::User(name) => {
            let user = user_named(app, name).await?;
            (Subject::User(user.key), format!("{:?}", user.name))
        }
        Given::Group(name) => {
            let group = app.db.read(move |tx| rows::by_name(tx, &name)).await?;
            (Subject::Group(group.key), format!("The group {:?}", group.name))
        }
    };
    let bits = rights.iter().fold(Bits::NONE, |all, right| all.and(right.bits()));
    groups::give(app, &library, subject, bits).await?;
    let said = if rights.is_empty() { "is given nothing of" } else { "has these rights in" };
    Ok(Reply::Done(format!("{whom} {said} {:?}.", library.name)))
}
