//! App accounts for WebDAV: sign-ins of their own for a user's apps.

use serde::{Deserialize, Serialize};

use super::answers::{self, Pagination};
use super::uri::FileUri;
use super::{Outcome, boolset, data, done, query, tree};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::work::dav_accounts::{self, Shown, Terms};

/// How many one page holds.
const PAGE: std::ops::RangeInclusive<usize> = 10..=100;
/// Bits of an account's options.
const READ_ONLY: usize = 0;
const PROXY: usize = 1;
const NO_SYSTEM_FILES: usize = 2;

#[derive(Serialize)]
struct DavAccount {
    id: String,
    created_at: String,
    name: String,
    uri: String,
    password: String,
    options: String,
}

impl DavAccount {
    fn of(shown: Shown) -> DavAccount {
        let Terms { name, root, read_only, proxy, no_system_files } = shown.terms;
        let bits = [(READ_ONLY, read_only), (PROXY, proxy), (NO_SYSTEM_FILES, no_system_files)];
        let options = bits.into_iter().filter(|(_, is_set)| *is_set).fold(0, |all, (bit, _)| all | 1 << bit);
        DavAccount {
            id: shown.id,
            created_at: answers::time(shown.created_ms),
            name,
            uri: FileUri::my(root).to_string(),
            password: shown.password,
            options: boolset::write(options),
        }
    }
}

#[derive(Serialize)]
struct Accounts {
    accounts: Vec<DavAccount>,
    pagination: Pagination,
}

pub async fn get_dav(call: Call, user: User) -> Outcome {
    let query = query(&call)?;
    let size: usize = query.number("page_size")?.ok_or(Error::Missing("page_size"))?;
    if !PAGE.contains(&size) {
        return Err(Error::invalid("page_size", "10 to 100").into());
    }
    let after = query.get("next_page_token").filter(|token| !token.is_empty()).map(str::to_owned);
    let mut found = dav_accounts::list(&call.app, user.key, after, size + 1).await?;
    let has_more = found.len() > size;
    found.truncate(size);
    let next_token = found.last().filter(|_| has_more).map(|last| last.id.clone());
    let accounts = found.into_iter().map(DavAccount::of).collect();
    data(&Accounts { accounts, pagination: Pagination { page: 0, page_size: size, next_token, is_cursor: true } })
}

#[derive(Deserialize)]
struct Wish {
    uri: Option<String>,
    name: Option<String>,
    readonly: Option<bool>,
    proxy: Option<bool>,
    disable_sys_files: Option<bool>,
}

async fn terms(call: &mut Call, user: &User) -> Result<Terms> {
    let wish: Wish = call.json().await?;
    let uri = FileUri::parse(wish.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    Ok(Terms {
        name: wish.name.ok_or(Error::Missing("name"))?,
        root: tree::own_path(user, &uri)?.to_vec(),
        read_only: wish.readonly.unwrap_or(false),
        proxy: wish.proxy.unwrap_or(false),
        no_system_files: wish.disable_sys_files.unwrap_or(false),
    })
}

pub async fn put_dav(mut call: Call, user: User) -> Outcome {
    let terms = terms(&mut call, &user).await?;
    data(&DavAccount::of(dav_accounts::add(&call.app, user.key, terms).await?))
}

pub async fn patch_dav(mut call: Call, user: User) -> Outcome {
    let terms = terms(&mut call, &user).await?;
    data(&DavAccount::of(dav_accounts::change(&call.app, user.key, call.path("id"), terms).await?))
}

pub async fn delete_dav(call: Call, user: User) -> Outcome {
    dav_accounts::remove(&call.app, user.key, call.path("id")).await?;
    done()
}
