//! Orders about who may sign in, and what they may do.

use super::{Banned, Password, Reply, UserLine};
use crate::App;
use crate::account::token::random_base62;
use crate::account::{Allowed, Role, Roles, User, UserState};
use crate::error::{Error, Result, Thing};
use crate::store::{Tx, accounts};
use crate::work::sharing::{self, DefaultTerms};
use crate::work::users::{self, UserWish};
use crate::work::{registration, second_factor, signin};

/// Characters of a password that is made up.
const PASSWORD_CHARS: usize = 16;

/// By name or mail address.
pub(in crate::cli) async fn named(app: &App, name: String) -> Result<User> {
    app.db.read(move |tx| accounts::by_login(tx, &name)).await?.ok_or(Error::NotFound(Thing::User))
}

pub(super) async fn list(app: &App) -> Result<Reply> {
    let users = app.db.read(accounts::list).await?;
    Ok(Reply::Users(users.iter().map(line).collect()))
}

fn line(user: &User) -> UserLine {
    UserLine {
        name: user.name.clone(),
        mail: user.mail.clone(),
        admin: user.is_admin(),
        state: match user.state {
            UserState::Active => String::new(),
            UserState::Inactive => "inactive".to_owned(),
            UserState::Banned => "banned".to_owned(),
        },
    }
}

pub(super) async fn add(app: &App, name: &str, mail: Option<String>, roles: Roles) -> Result<Reply> {
    let mail = mail.unwrap_or_else(|| format!("{}@openshelf.local", name.to_lowercase()));
    let password = random_base62(PASSWORD_CHARS);
    let user = signin::add_user(app, name, &mail, &password, Allowed::of(roles)).await?;
    Ok(Reply::Password { name: user.name, made_up: Some(password) })
}

pub(super) async fn set_password(app: &App, name: String, password: Password) -> Result<Reply> {
    let user = named(app, name).await?;
    let is_made_up = matches!(password, Password::Random);
    let password = password.into_text(PASSWORD_CHARS);
    signin::set_password(app, user.key, &password).await?;
    Ok(Reply::Password { name: user.name, made_up: is_made_up.then_some(password) })
}

pub(super) async fn set_defaults(app: &App, name: String, defaults: &DefaultTerms) -> Result<Reply> {
    let user = named(app, name).await?;
    sharing::set_default_terms(app, user.key, defaults).await?;
    Ok(Reply::Done(format!("New shares of {:?} begin with these terms.", user.name)))
}

pub(super) async fn set_roles(app: &App, name: String, allow: &[String], deny: &[String]) -> Result<Reply> {
    let (allow, deny) = (roles_named(allow)?, roles_named(deny)?);
    let wish = move |_: &mut Tx, user: &User| {
        let mut allowed = user.allowed.clone();
        allowed.roles = allow.into_iter().fold(allowed.roles, Roles::with);
        allowed.roles = deny.into_iter().fold(allowed.roles, Roles::without);
        Ok(UserWish { allowed: Some(allowed), ..UserWish::default() })
    };
    users::edit(app, &name, None, wish).await?;
    let user = named(app, name).await?;
    let has: Vec<&str> = Role::EACH.into_iter().filter(|role| user.has(*role)).map(Role::name).collect();
    Ok(Reply::Done(format!("{:?} may: {}.", user.name, has.join(", "))))
}

fn roles_named(names: &[String]) -> Result<Vec<Role>> {
    let role = |name: &String| Role::named(name).ok_or_else(|| Error::invalid("roles", format!("{name:?} is none")));
    names.iter().map(role).collect()
}

pub(super) async fn set_banned(app: &App, name: String, banned: Banned) -> Result<Reply> {
    let user = named(app, name).await?;
    let (state, said) = match banned {
        Banned::Yes => (UserState::Banned, "is banned: signed out everywhere, and their shares are closed"),
        Banned::No => (UserState::Active, "may sign in again"),
    };
    users::edit_one(app, user.key, None, move |_, _| Ok(UserWish { state: Some(state), ..UserWish::default() }))
        .await?;
    Ok(Reply::Done(format!("{:?} {said}.", user.name)))
}

pub(super) async fn activate(app: &App, name: String) -> Result<Reply> {
    let user = named(app, name).await?;
    registration::activate(app, user.key).await?;
    Ok(Reply::Done(format!("{} can sign in now.", user.name)))
}

pub(super) async fn remove_second_factor(app: &App, name: String) -> Result<Reply> {
    let user = named(app, name).await?;
    second_factor::remove(app, user.key).await?;
    Ok(Reply::Done(format!("{} signs in by their password alone.", user.name)))
}

pub(super) async fn remove(app: &App, name: String) -> Result<Reply> {
    let user = named(app, name).await?;
    let home = users::remove(app, user.key).await?;
    let files = home.map(|home| format!(" The files of the home stay in {}.", home.root.display()));
    Ok(Reply::Done(format!("Removed {}.{}", user.name, files.unwrap_or_default())))
}
