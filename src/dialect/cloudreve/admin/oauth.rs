//! Apps that users can let in: those that are built in, and those that administrators register. Their numbers are their ids.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ListWish, Pages, audit, to_each};
use crate::account::User;
use crate::account::oauth::Client;
use crate::account::permit::Permits;
use crate::dialect::cloudreve::{Failure, Outcome, answers, data, done};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::store::{Tx, oauth as rows};
use crate::work::oauth::{self, ClientWish};

#[derive(Serialize)]
struct ClientEnt {
    id: String,
    guid: String,
    created_at: String,
    updated_at: String,
    name: String,
    homepage_url: String,
    redirect_uris: Vec<String>,
    scopes: Vec<&'static str>,
    props: Value,
    /// An app is here as long as it may ask.
    is_enabled: bool,
    /// Built in: it stays as it is.
    is_system: bool,
    total_grants: u64,
    /// Told once, to whoever had it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl ClientEnt {
    fn of(tx: &mut Tx, client: Client, secret: Option<String>) -> Result<ClientEnt> {
        Ok(ClientEnt {
            total_grants: rows::count_let_in(tx, &client.id)?,
            guid: client.id.clone(),
            created_at: answers::time(client.created_ms),
            updated_at: answers::time(client.created_ms),
            scopes: client.permits.names(),
            props: json!({ "icon": client.icon, "description": client.description }),
            is_enabled: true,
            is_system: client.is_built_in(),
            id: client.id,
            name: client.name,
            homepage_url: client.homepage,
            redirect_uris: client.redirect_uris,
            secret,
        })
    }
}

#[derive(Serialize)]
struct Clients {
    clients: Vec<ClientEnt>,
    pagination: Pages,
}

pub async fn post_list(mut call: Call, _: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let name = asked.condition("oauth_client_name").map(str::to_lowercase);
    let listed = call.app.db.read(move |tx| {
        let mut all = rows::clients(tx)?;
        all.retain(|client| name.as_ref().is_none_or(|name| client.name.to_lowercase().contains(name)));
        let total = all.len() as u64;
        let (offset, limit) = (usize::try_from(page.offset).unwrap_or(usize::MAX), page.limit as usize);
        let part = all.into_iter().skip(offset).take(limit);
        let clients = part.map(|client| ClientEnt::of(tx, client, None)).collect::<Result<_>>()?;
        Ok(Clients { clients, pagination: Pages::of(page, total) })
    });
    data(&listed.await?)
}

async fn told(call: &Call, client: Client, secret: Option<String>) -> Outcome {
    data(&call.app.db.read(move |tx| ClientEnt::of(tx, client, secret)).await?)
}

pub async fn get_one(call: Call, _: User) -> Outcome {
    let id = call.path("id").to_owned();
    let client = call.app.db.read(move |tx| rows::client(tx, &id)).await?.ok_or(Error::NotFound(Thing::OauthApp))?;
    told(&call, client, None).await
}

#[derive(Deserialize)]
struct Upsert {
    client: Option<Wished>,
}

#[derive(Deserialize)]
struct Wished {
    name: Option<String>,
    homepage_url: Option<String>,
    redirect_uris: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    props: Option<Props>,
    is_enabled: Option<bool>,
    /// Another one in place of the one before.
    secret: Option<String>,
}

#[derive(Deserialize, Default)]
struct Props {
    icon: Option<String>,
    description: Option<String>,
}

async fn wish(call: &mut Call) -> Result<ClientWish, Failure> {
    let asked: Upsert = call.json().await?;
    let client = asked.client.ok_or(Error::Missing("client"))?;
    if client.is_enabled == Some(false) {
        return Err(Error::invalid("is_enabled", "an app that may not ask is removed").into());
    }
    let props = client.props.unwrap_or_default();
    let permits = client.scopes.map(|scopes| scopes.join(" "));
    let unknown = || Error::invalid("scopes", "one of them is none that apps ask for");
    Ok(ClientWish {
        name: client.name,
        description: props.description,
        icon: props.icon,
        homepage: client.homepage_url,
        redirect_uris: client.redirect_uris,
        permits: permits.map(|names| Permits::parse(&names).ok_or_else(unknown)).transpose()?,
        secret: client.secret.filter(|secret| !secret.is_empty()),
    })
}

pub async fn put_new(mut call: Call, admin: User) -> Outcome {
    let wish = wish(&mut call).await?;
    let (client, secret) = oauth::register(&call.app, wish).await?;
    audit(&admin, "registered app", &client.name);
    told(&call, client, Some(secret)).await
}

pub async fn put_one(mut call: Call, admin: User) -> Outcome {
    let wish = wish(&mut call).await?;
    let client = oauth::change(&call.app, call.path("id"), wish).await?;
    audit(&admin, "changed app", &client.name);
    told(&call, client, None).await
}

async fn remove(call: &Call, admin: &User, id: &str) -> Result<(), Failure> {
    oauth::remove(&call.app, id).await?;
    audit(admin, "removed app", id);
    Ok(())
}

pub async fn delete_one(call: Call, admin: User) -> Outcome {
    remove(&call, &admin, call.path("id")).await?;
    done()
}

/// Of the administration's things, apps alone have ids that are no numbers.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(i64),
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Id::Text(text) => text.fmt(f),
            Id::Number(number) => number.fmt(f),
        }
    }
}

pub async fn post_batch_delete(call: Call, admin: User) -> Outcome {
    to_each(call, admin, async |call: &Call, admin: &User, id: Id| remove(call, admin, &id.to_string()).await).await
}
