//! What there is one of here, or none, and what nobody can change: where files lie, nodes, tools.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ListWish, Pages, audit, number};
use crate::account::User;
use crate::dialect::cloudreve::answers::{self, LOCAL};
use crate::dialect::cloudreve::{Failure, Outcome, data, done};
use crate::error::Error;
use crate::http::Call;

/// The only policy, and the only node.
pub const ONLY: i64 = 1;

const POLICY_MISSING: Failure = Failure::Code(40035, "There is no such storage policy");
const POLICY_STAYS: Failure = Failure::Code(40036, "The only storage policy stays");
const POLICY_FIXED: Failure =
    Failure::Code(40006, "Files lie in the folders that the server was given; policies cannot be made or changed");
const NODE_STAYS: Failure = Failure::Code(40046, "The only node is this server");

async fn only_one(call: &mut Call, name: &str, one: impl Serialize) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let listed: Vec<_> = std::iter::once(one).filter(|_| page.offset == 0).collect();
    data(&json!({ name: listed, "pagination": Pages::of(page, 1) }))
}

// Storage policies ----------------------------------------------------------------------------------------------------

#[derive(Serialize)]
pub struct PolicyEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    name: &'static str,
    r#type: &'static str,
    max_size: u64,
    settings: Value,
    edges: Value,
}

pub fn policy() -> PolicyEnt {
    PolicyEnt {
        id: ONLY,
        created_at: answers::time(0),
        updated_at: answers::time(0),
        name: LOCAL.name,
        r#type: LOCAL.r#type,
        max_size: LOCAL.max_size,
        settings: json!({}),
        edges: json!({}),
    }
}

pub async fn post_policy_list(mut call: Call, _: User) -> Outcome {
    only_one(&mut call, "policies", policy()).await
}

pub async fn get_policy(call: Call, _: User) -> Outcome {
    match number(&call)? {
        ONLY => data(&policy()),
        _ => Err(POLICY_MISSING),
    }
}

pub async fn delete_policy(call: Call, _: User) -> Outcome {
    match number(&call)? {
        ONLY => Err(POLICY_STAYS),
        _ => Err(POLICY_MISSING),
    }
}

pub async fn policy_is_fixed(_: Call, _: User) -> Outcome {
    Err(POLICY_FIXED)
}

// Nodes ---------------------------------------------------------------------------------------------------------------

pub fn node() -> Value {
    json!({
        "id": ONLY, "created_at": answers::time(0), "updated_at": answers::time(0), "name": "Openshelf",
        "status": "active", "type": "master", "weight": 1, "capabilities": "", "settings": {}, "edges": {},
    })
}

pub async fn post_node_list(mut call: Call, _: User) -> Outcome {
    only_one(&mut call, "nodes", node()).await
}

pub async fn get_node(call: Call, _: User) -> Outcome {
    match number(&call)? {
        ONLY => data(&node()),
        _ => Err(Failure::Code(404, "There is no such node")),
    }
}

pub async fn node_stays(_: Call, _: User) -> Outcome {
    Err(NODE_STAYS)
}

// Tools ---------------------------------------------------------------------------------------------------------------

pub async fn no_viewers(_: Call, _: User) -> Outcome {
    Err(Error::Unsupported("Office viewers: WOPI").into())
}

/// Which programs are run is said where the server is started: whoever could say it here could run anything.
pub async fn no_executables(_: Call, _: User) -> Outcome {
    Err(Error::Unsupported("Choosing programs to run").into())
}

#[derive(Deserialize)]
struct Tested {
    to: Option<String>,
}

/// By the mail server that this one was started with; what the page has in its fields is set nowhere.
pub async fn post_mail(mut call: Call, admin: User) -> Outcome {
    let app = Arc::clone(&call.app);
    let mailer = app.mailer.as_ref().ok_or(Error::Unsupported("Sending mail"))?;
    let asked: Tested = call.json().await?;
    let to = asked.to.filter(|to| !to.is_empty()).ok_or(Error::Missing("to"))?;
    let text = format!("This is a test. {} can send mail.\n", call.origin.base);
    mailer.try_send(&to, "A test", text).await.map_err(|why| Failure::Code(40028, why))?;
    audit(&admin, "sent a test by mail", "");
    done()
}

/// Addresses of contents are signed, not kept.
pub async fn delete_url_cache(_: Call, _: User) -> Outcome {
    done()
}
