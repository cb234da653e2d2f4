//! Users: what each may do, managed by administrators, and what users change of themselves.

use axum::body::Body;
use axum::response::{IntoResponse, Response};

use super::Asked;
use super::answers::*;
use super::auth::decoded;
use super::envelope::Payload;
use super::params::Params;
use crate::account::{Allowed, Role, Roles, User as Account, name_key};
use crate::error::{Error, Result, Thing};
use crate::http::send::{Disposition, safe_headers};
use crate::library::{LibraryKey, LibraryKind};
use crate::media::image;
use crate::store::{Tx, accounts, library, rights};
use crate::work::signin;
use crate::work::users::{self, UserWish};

const ROLES: [(&str, Role); 12] = [
    ("adminRole", Role::Admin),
    ("settingsRole", Role::Settings),
    ("streamRole", Role::Stream),
    ("jukeboxRole", Role::Jukebox),
    ("downloadRole", Role::Download),
    ("uploadRole", Role::Upload),
    ("playlistRole", Role::Playlist),
    ("coverArtRole", Role::CoverArt),
    ("commentRole", Role::Comment),
    ("podcastRole", Role::Podcast),
    ("shareRole", Role::Share),
    ("videoConversionRole", Role::VideoConversion),
];

/// What a new user may of whom nothing is said. Playlists are among it: nobody was kept from them since 1.8.0, and clients
/// that know that do not ask for the role.
const BY_DEFAULT: Roles = Roles::NONE.with(Role::Settings).with(Role::Stream).with(Role::Playlist);

const BIT_RATES_KBPS: [i64; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];

/// What a call says of a user; what it does not say stays.
struct Said {
    roles: Vec<(Role, bool)>,
    /// 0 takes the limit away.
    most_kbps: Option<u32>,
    folders: Vec<i64>,
}

impl Said {
    fn of(params: &Params) -> Result<Said> {
        if params.bool_of("ldapAuthenticated") == Some(true) {
            return Err(Error::invalid("ldapAuthenticated", "this server keeps its users itself"));
        }
        let kbps = params.int("maxBitRate")?;
        if kbps.is_some_and(|kbps| !BIT_RATES_KBPS.contains(&kbps)) {
            return Err(Error::invalid(
                "maxBitRate",
                "it is 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256 or 320",
            ));
        }
        let said = |(name, role)| params.bool_of(name).map(|has| (role, has));
        Ok(Said {
            roles: ROLES.into_iter().filter_map(said).collect(),
            most_kbps: kbps.map(|kbps| kbps.unsigned_abs() as u32),
            folders: params.ints("musicFolderId")?,
        })
    }

    fn apply(self, tx: &mut Tx, allowed: &mut Allowed) -> Result<()> {
        for (role, has) in self.roles {
            allowed.roles = if has { allowed.roles.with(role) } else { allowed.roles.without(role) };
        }
        if let Some(kbps) = self.most_kbps {
            allowed.most_kbps = Some(kbps).filter(|kbps| *kbps > 0);
        }
        if self.folders.is_empty() {
            return Ok(());
        }
        let all = library::all(tx)?;
        let mut chosen = Vec::new();
        for number in self.folders {
            let named = all.iter().find(|library| library.key == LibraryKey(number));
            match named.ok_or(Error::NotFound(Thing::Library))?.kind {
                LibraryKind::Folder if !chosen.contains(&LibraryKey(number)) => chosen.push(LibraryKey(number)),
                // Whoever gives back what `getUser` lists names the user's home as well, which is theirs at any rate.
                LibraryKind::Folder | LibraryKind::Home | LibraryKind::Single | LibraryKind::Podcasts => {}
            }
        }
        // All that are there means those to come as well, as it does where nothing is said.
        let is_all = all.iter().filter(|library| library.kind == LibraryKind::Folder).count() == chosen.len();
        allowed.folders = (!is_all).then_some(chosen);
        Ok(())
    }
}

fn shown(tx: &mut Tx, user: &Account) -> Result<User> {
    let scope = rights::scope(tx, user)?;
    let folders = scope.libraries().iter().map(|library| library.0).collect();
    Ok(User::of(user, folders, accounts::avatar_changed_ms(tx, user.key)?))
}

fn is_own(user: &Account, login: &str) -> bool {
    [&user.name, &user.mail].into_iter().any(|name| name_key(name) == name_key(login))
}

/// The caller; administrators may ask about others.
pub async fn get_user(asked: Asked) -> Result<Payload> {
    let login = asked.params.need("username")?.to_owned();
    if !is_own(&asked.user, &login) && !asked.user.is_admin() {
        return Err(Error::Forbidden("this is somebody else"));
    }
    let find = move |tx: &mut Tx| {
        let user = accounts::by_login(tx, &login)?.ok_or(Error::NotFound(Thing::User))?;
        shown(tx, &user)
    };
    Ok(Payload::User(asked.call.app.db.read(find).await?))
}

pub async fn get_users(asked: Asked) -> Result<Payload> {
    let all = |tx: &mut Tx| {
        let all = accounts::list(tx)?;
        Ok(Users { user: all.iter().map(|user| shown(tx, user)).collect::<Result<_>>()? })
    };
    Ok(Payload::Users(asked.call.app.db.read(all).await?))
}

pub async fn create_user(asked: Asked) -> Result<Payload> {
    let params = &asked.params;
    let (name, mail) = (params.need("username")?, params.need("email")?);
    let password = decoded(params.need("password")?);
    let said = Said::of(params)?;
    let allowed = asked.call.app.db.read(move |tx| {
        let mut allowed = Allowed::of(BY_DEFAULT);
        said.apply(tx, &mut allowed)?;
        Ok(allowed)
    });
    signin::add_user(&asked.call.app, name, mail, &password, allowed.await?).await?;
    Ok(Payload::Empty)
}

pub async fn update_user(asked: Asked) -> Result<Payload> {
    let params = &asked.params;
    let said = Said::of(params)?;
    let filled = |name| params.get(name).filter(|value| !value.is_empty());
    let (mail, password) = (filled("email").map(str::to_owned), filled("password").map(decoded));
    let wish = move |tx: &mut Tx, user: &Account| {
        let mut allowed = user.allowed.clone();
        said.apply(tx, &mut allowed)?;
        Ok(UserWish { mail, allowed: Some(allowed), ..UserWish::default() })
    };
    users::edit(&asked.call.app, params.need("username")?, password, wish).await?;
    Ok(Payload::Empty)
}

pub async fn delete_user(asked: Asked) -> Result<Payload> {
    let login = asked.params.need("username")?.to_owned();
    let user = asked.call.app.db.read(move |tx| accounts::by_login(tx, &login)).await?;
    users::remove(&asked.call.app, user.ok_or(Error::NotFound(Thing::User))?.key).await?;
    Ok(Payload::Empty)
}

/// One's own, or as an administrator anybody's.
pub async fn change_password(asked: Asked) -> Result<Payload> {
    let (login, password) = (asked.params.need("username")?, decoded(asked.params.need("password")?));
    if !asked.user.is_admin() {
        if !is_own(&asked.user, login) {
            return Err(Error::Forbidden("this is somebody else"));
        }
        asked.user.may(Role::Settings)?;
    }
    users::edit(&asked.call.app, login, Some(password), |_, _| Ok(UserWish::default())).await?;
    Ok(Payload::Empty)
}

/// Anybody's, as chats and lists of what is playing show them. Of whoever chose none a pattern: apps need some picture.
pub async fn get_avatar(asked: Asked) -> Result<Response> {
    let login = asked.params.need("username")?.to_owned();
    let find = move |tx: &mut Tx| {
        let user = accounts::by_login(tx, &login)?.ok_or(Error::NotFound(Thing::Avatar))?;
        Ok((accounts::avatar(tx, user.key)?, user.name))
    };
    let (chosen, name) = asked.call.app.db.read(find).await?;
    let picture = chosen.or_else(|| image::pattern(&name)).ok_or(Error::NotFound(Thing::Avatar))?;
    let mut response = Body::from(picture).into_response();
    *response.headers_mut() = safe_headers("avatar.jpg", "image/jpeg", Disposition::Inline);
    Ok(response)
}
