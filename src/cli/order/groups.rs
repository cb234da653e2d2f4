//! Orders about users who are given rights together.

use super::{GroupLine, Reply};
use crate::App;
use crate::error::{Error, Result, Thing};
use crate::library::Page;
use crate::store::{accounts, groups as rows};
use crate::work::groups::{self, GroupWish};

pub(super) async fn list(app: &App) -> Result<Reply> {
    let all = app.db.read(|tx| {
        let all = rows::page(tx, Page::ALL)?;
        all.into_iter()
            .map(|group| Ok(GroupLine { members: rows::member_names(tx, group.key)?, name: group.name }))
            .collect()
    });
    Ok(Reply::Groups(all.await?))
}

pub(super) async fn add(app: &App, name: String) -> Result<Reply> {
    let group = app.db.write(move |tx| groups::create(tx, &name, GroupWish::default())).await?;
    Ok(Reply::Done(format!("There is a group {:?}; put users into it, and give it libraries.", group.name)))
}

pub(super) async fn remove(app: &App, name: String) -> Result<Reply> {
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
