//! Nodes. There is one: this server, and whichever share its database.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ListWish, Pages, audit, number};
use crate::account::User;
use crate::dialect::cloudreve::{Failure, Outcome, answers, boolset, data};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::work::node::{self, Node};

const ONLY: i64 = 1;

const NODE_MISSING: Failure = Failure::Code(404, "There is no such node");
/// Other nodes would be slaves, which share this one's database here and need no entry.
const ONLY_THIS: Failure = Failure::Code(40046, "The only node is this server");

#[derive(Serialize)]
pub struct NodeEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    name: String,
    status: &'static str,
    r#type: &'static str,
    weight: u32,
    capabilities: String,
    settings: Map<String, Value>,
    edges: Map<String, Value>,
}

impl NodeEnt {
    pub fn of(node: &Node) -> NodeEnt {
        NodeEnt {
            id: ONLY,
            created_at: answers::time(0),
            updated_at: answers::time(0),
            name: node.name.clone(),
            status: "active",
            r#type: "master",
            weight: 1,
            capabilities: answers::capabilities(node),
            settings: Map::new(),
            edges: Map::new(),
        }
    }
}

pub async fn post_list(mut call: Call, _: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let node = call.app.db.read(node::read).await?;
    let listed: Vec<_> = [NodeEnt::of(&node)].into_iter().filter(|_| page.offset == 0).collect();
    data(&json!({ "nodes": listed, "pagination": Pages::of(page, 1) }))
}

pub async fn get_one(call: Call, _: User) -> Outcome {
    match number(&call)? {
        ONLY => data(&NodeEnt::of(&call.app.db.read(node::read).await?)),
        _ => Err(NODE_MISSING),
    }
}

#[derive(Deserialize)]
struct Upsert {
    node: Option<Wished>,
}

#[derive(Deserialize)]
struct Wished {
    name: Option<String>,
    status: Option<String>,
    r#type: Option<String>,
    capabilities: Option<String>,
}

impl Wished {
    fn onto(self, before: Node) -> Result<Node> {
        let does = match self.capabilities {
            None => before.does,
            Some(text) => {
                let bits = boolset::read("capabilities", &text)?;
                let known = answers::CAPABILITIES;
                if bits & !known.iter().fold(0, |all, (bit, _)| all | 1 << bit) != 0 {
                    return Err(Error::invalid("capabilities", "this server does none but 1 to 4"));
                }
                known.into_iter().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, kind)| kind).collect()
            }
        };
        Ok(Node { name: self.name.unwrap_or(before.name), does })
    }
}

/// Its name, and what it does. What is switched off here is refused to everybody, and ends where it is under way.
pub async fn put_one(mut call: Call, admin: User) -> Outcome {
    if number(&call)? != ONLY {
        return Err(NODE_MISSING);
    }
    let asked: Upsert = call.json().await?;
    let wished = asked.node.ok_or(Error::Missing("node"))?;
    let is_other = |text: &Option<String>, usual: &str| text.as_deref().is_some_and(|text| text != usual);
    if is_other(&wished.status, "active") || is_other(&wished.r#type, "master") {
        return Err(ONLY_THIS);
    }
    let changed = call.app.db.write(move |tx| {
        let before = node::read(tx)?;
        let node = wished.onto(before)?;
        node::set(tx, &node)?;
        node::read(tx)
    });
    let node = changed.await?;
    audit(&admin, "changed the node", &node.name);
    data(&NodeEnt::of(&node))
}

pub async fn only_one(_: Call, _: User) -> Outcome {
    Err(ONLY_THIS)
}

/// Files are fetched by this server itself, without aria2 or qBittorrent.
pub async fn post_test_downloader(_: Call, _: User) -> Outcome {
    data(&concat!("Openshelf ", env!("CARGO_PKG_VERSION")))
}
