//! What there is one of here, or none, and what nobody can change: where files lie, nodes, queues, tools.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ListWish, Numbers, Pages, all_missing, number};
use crate::account::User;
use crate::dialect::cloudreve::answers::{self, LOCAL};
use crate::dialect::cloudreve::{Failure, Outcome, data, done};
use crate::error::Error;
use crate::http::Call;

/// The only policy, and the only node.
const ONLY: i64 = 1;

const POLICY_MISSING: Failure = Failure::Code(40035, "There is no such storage policy");
const POLICY_STAYS: Failure = Failure::Code(40036, "The only storage policy stays");
const POLICY_FIXED: Failure =
    Failure::Code(40006, "Files lie in the folders that the server was given; policies cannot be made or changed");
const NODE_STAYS: Failure = Failure::Code(40046, "The only node is this server");

async fn empty(call: &mut Call, name: &str) -> Outcome {
    let asked: ListWish = call.json().await?;
    data(&json!({ name: [], "pagination": Pages::of(asked.page()?, 0) }))
}

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

fn node() -> Value {
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

// Queues --------------------------------------------------------------------------------------------------------------

const QUEUES: [&str; 5] = ["io_intense", "media_meta", "recycle", "thumb", "remote_download"];

/// Nothing waits in queues of the protocol's kinds.
pub async fn get_queue_metrics(_: Call, _: User) -> Outcome {
    let idle = |name: &str| {
        json!({
            "name": name, "busy_workers": 0, "success_tasks": 0, "failure_tasks": 0, "submitted_tasks": 0,
            "suspending_tasks": 0,
        })
    };
    data(&QUEUES.map(idle))
}

pub async fn post_queue_list(mut call: Call, _: User) -> Outcome {
    empty(&mut call, "tasks").await
}

const NO_SUCH_TASK: Failure = Failure::Code(404, "There is no such task");

pub async fn get_task(call: Call, _: User) -> Outcome {
    number(&call)?;
    Err(NO_SUCH_TASK)
}

pub async fn post_queue_batch_delete(mut call: Call, _: User) -> Outcome {
    let ids = Numbers::of(&mut call).await?;
    all_missing(ids, || NO_SUCH_TASK)
}

pub async fn post_queue_cleanup(_: Call, _: User) -> Outcome {
    done()
}

// Tools ---------------------------------------------------------------------------------------------------------------

pub async fn no_viewers(_: Call, _: User) -> Outcome {
    Err(Error::Unsupported("Office viewers: WOPI").into())
}

/// Which programs are run is said where the server is started: whoever could say it here could run anything.
pub async fn no_executables(_: Call, _: User) -> Outcome {
    Err(Error::Unsupported("Choosing programs to run").into())
}

pub async fn no_mail(_: Call, _: User) -> Outcome {
    Err(Error::Unsupported("Sending mail").into())
}

/// Addresses of contents are signed, not kept.
pub async fn delete_url_cache(_: Call, _: User) -> Outcome {
    done()
}
