//! What bodies say of shares and permissions. `openshelf` in them is ours: terms that the maker's service had no word for.

use serde_json::{Map, Value};

use super::public_id;
use crate::account::{User, UserKey};
use crate::error::{Error, Result, Thing};
use crate::share::{Audience, Bits, Change, Shared, Subject, Wish};
use crate::store::{Tx, accounts, library, upload_names};

pub type Body = Map<String, Value>;

pub fn text<'a>(body: &'a Body, name: &'static str) -> Result<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or(Error::Missing(name))
}

/// Ids that one body may name; as many as one share may hold.
const MOST_IDS: usize = 1000;

/// A list of ids; `None` where the field is absent, which is not the same as empty.
pub fn list(body: &Body, name: &'static str) -> Result<Option<Vec<String>>> {
    let not_ids = || Error::invalid(name, "a list of ids");
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(all)) if all.len() > MOST_IDS => Err(Error::invalid(name, format!("at most {MOST_IDS}"))),
        Some(Value::Array(all)) => {
            all.iter().map(|id| id.as_str().map(str::to_owned).ok_or_else(not_ids)).collect::<Result<_>>().map(Some)
        }
        Some(_) => Err(not_ids()),
    }
}

/// What a body says of a share, besides what it holds and who may read it.
pub fn wish_of(body: &Body) -> Result<Wish> {
    let metadata = match body.get("metadata") {
        None => Change::Keep,
        Some(Value::Null) => Change::Clear,
        Some(Value::Object(fields)) => Change::Set(Value::Object(fields.clone()).to_string()),
        Some(_) => return Err(Error::invalid("metadata", "an object")),
    };
    let use_cache = match body.get("useCache") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(use_cache)) => Some(*use_cache),
        Some(_) => return Err(Error::invalid("useCache", "true or false")),
    };
    let wish = Wish { metadata, use_cache, ..Wish::default() };
    match body.get("openshelf") {
        None => Ok(wish),
        Some(Value::Object(ours)) => with_ours(wish, ours),
        Some(_) => Err(Error::invalid("openshelf", "an object")),
    }
}

fn with_ours(wish: Wish, ours: &Body) -> Result<Wish> {
    const KNOWN: [&str; 5] = ["title", "password", "expires", "viewLimit", "downloadLimit"];
    if ours.keys().any(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Error::invalid("openshelf", format!("it holds nothing but {}", KNOWN.join(", "))));
    }
    Ok(Wish {
        title: match word(ours, "title")? {
            Change::Keep => None,
            Change::Clear => Some(String::new()),
            Change::Set(title) => Some(title),
        },
        password: word(ours, "password")?,
        expires_ms: number(ours, "expires")?,
        view_limit: number(ours, "viewLimit")?,
        download_limit: number(ours, "downloadLimit")?,
        ..wish
    })
}

fn word(ours: &Body, name: &'static str) -> Result<Change<String>> {
    match ours.get(name) {
        None => Ok(Change::Keep),
        Some(Value::Null) => Ok(Change::Clear),
        Some(Value::String(word)) => Ok(Change::Set(word.clone())),
        Some(_) => Err(Error::invalid(name, "a text, or null for none")),
    }
}

fn number(ours: &Body, name: &'static str) -> Result<Change<i64>> {
    match ours.get(name) {
        None => Ok(Change::Keep),
        Some(Value::Null) => Ok(Change::Clear),
        Some(value) => value.as_i64().map(Change::Set).ok_or(Error::invalid(name, "a whole number, or null for none")),
    }
}

/// Of users only those who are named may read. An empty list names nobody: a client that computed one must not publish by it.
/// What the share gave before to these, and to whom this service has no word for, stays.
pub fn restrict(wish: &mut Wish, readers: Vec<UserKey>, before: Vec<(Subject, Bits)>) {
    let (users, mut kept): (Vec<_>, Vec<_>) = before.into_iter().partition(|(who, _)| matches!(who, Subject::User(_)));
    kept.extend(readers.into_iter().map(|key| {
        let had = users.iter().find(|(who, _)| *who == Subject::User(key));
        (Subject::User(key), had.map_or(Bits::READ, |(_, bits)| *bits))
    }));
    wish.audience = Some(Audience::Listed);
    wish.permissions = Some(kept);
}

pub fn readers(tx: &mut Tx, user_ids: &[String]) -> Result<Vec<UserKey>> {
    let mut keys = Vec::new();
    for id in user_ids {
        let user = accounts::by_id(tx, public_id(id))?.filter(User::is_active).ok_or(Error::NotFound(Thing::User))?;
        if !keys.contains(&user.key) {
            keys.push(user.key);
        }
    }
    Ok(keys)
}

/// Files and folders by their ids, or by those that uploads of this user's began with.
pub fn named_items(tx: &mut Tx, user: &User, file_ids: &[String]) -> Result<Vec<Shared>> {
    let mut items = Vec::new();
    for id in file_ids {
        let id = upload_names::item(tx, user.key, id)?.unwrap_or_else(|| id.clone());
        let shared = Shared::Item(library::item_by_id(tx, &id)?.ok_or(Error::NotFound(Thing::File))?.key);
        if !items.contains(&shared) {
            items.push(shared);
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Body {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn empty_list_of_users_restricts_and_an_absent_one_does_not() {
        assert_eq!(list(&body(json!({"userIds": []})), "userIds").unwrap(), Some(Vec::new()));
        assert_eq!(list(&body(json!({})), "userIds").unwrap(), None);
        assert!(list(&body(json!({"userIds": "auth0|u"})), "userIds").is_err());
        assert!(list(&body(json!({"userIds": [1]})), "userIds").is_err());
        let mut wish = Wish::default();
        restrict(&mut wish, Vec::new(), Vec::new());
        assert_eq!((wish.audience, wish.permissions), (Some(Audience::Listed), Some(Vec::new())));
    }

    #[test]
    fn what_a_body_does_not_say_stays_and_null_clears() {
        let wish = |value: Value| wish_of(&body(value)).unwrap();
        let silent = wish(json!({}));
        assert_eq!((silent.metadata, silent.expires_ms, silent.title), (Change::Keep, Change::Keep, None));
        let cleared = wish(json!({"metadata": null, "openshelf": {"expires": null, "password": null, "title": null}}));
        assert_eq!((cleared.metadata, cleared.expires_ms), (Change::Clear, Change::Clear));
        assert_eq!((cleared.password, cleared.title), (Change::Clear, Some(String::new())));
        let said = wish(json!({"metadata": {"a": [1]}, "openshelf": {"expires": 5, "viewLimit": 2}}));
        assert_eq!((said.expires_ms, said.view_limit), (Change::Set(5), Change::Set(2)));
        assert_eq!(said.metadata, Change::Set(r#"{"a":[1]}"#.to_owned()));
        for wrong in
            [json!({"openshelf": 1}), json!({"openshelf": {"expires": "x"}}), json!({"openshelf": {"price": 1}})]
        {
            assert!(wish_of(&body(wrong.clone())).is_err(), "{wrong}");
        }
    }
}
