//! Tasks of all users: that they are there, whose, and how far they are. What they are about lies in others' homes, so it is
//! told of the administrator's own alone.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::nodes::NodeEnt;
use super::shares::Owner;
use super::{ListWish, Pages, audit, number, to_each};
use crate::account::{User, UserKey};
use crate::dialect::cloudreve::workflow::{self, Summary};
use crate::dialect::cloudreve::{Failure, Outcome, answers, data, done};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::store::shares::Direction;
use crate::store::tasks::{self as rows, TaskKey, lists};
use crate::store::{Tx, accounts};
use crate::work::node;
use crate::work::tasks::{self, Kind, State, Task};

/// The protocol's queues, each with what is done in it here.
const QUEUES: [(&str, &[Kind]); 5] = [
    ("io_intense", &[Kind::Pack, Kind::Unpack, Kind::Relocate, Kind::Import]),
    ("media_meta", &[Kind::Reread]),
    ("recycle", &[]),
    ("thumb", &[]),
    ("remote_download", &[Kind::Fetch]),
];

#[derive(Serialize)]
struct Metric {
    name: &'static str,
    busy_workers: u64,
    success_tasks: u64,
    failure_tasks: u64,
    submitted_tasks: u64,
    suspending_tasks: u64,
}

/// Of all tasks that are remembered.
pub async fn get_metrics(call: Call, _: User) -> Outcome {
    let counts = call.app.db.read(lists::counts).await?;
    let metric = |(name, kinds): (&'static str, &[Kind])| {
        let count = |states: &[State]| {
            let of_queue = counts.iter().filter(|(kind, state, _)| kinds.contains(kind) && states.contains(state));
            of_queue.map(|(_, _, count)| count).sum()
        };
        Metric {
            name,
            busy_workers: count(&[State::Working]),
            success_tasks: count(&[State::Completed]),
            failure_tasks: count(&[State::Failed, State::Canceled]),
            submitted_tasks: count(&State::EACH),
            suspending_tasks: count(&[State::Queued, State::Waiting]),
        }
    };
    data(&QUEUES.map(metric))
}

// Tasks ---------------------------------------------------------------------------------------------------------------

#[derive(Serialize)]
struct Edges {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Owner>,
}

#[derive(Serialize)]
struct TaskEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    r#type: &'static str,
    status: &'static str,
    public_state: Map<String, Value>,
    user_tasks: i64,
    edges: Edges,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_hash_id: Option<String>,
    task_hash_id: String,
    summary: Summary,
    node: NodeEnt,
}

impl TaskEnt {
    fn of(tx: &mut Tx, task: &Task, admin: UserKey) -> Result<TaskEnt> {
        let owner = accounts::by_key(tx, task.owner)?;
        let is_own = task.owner == admin;
        let summary = Summary::of(task);
        let mut public_state = Map::new();
        if let Some(error) = task.error.as_ref().filter(|_| is_own) {
            public_state.insert("error".to_owned(), json!(error));
        }
        if task.tries > 0 {
            public_state.insert("retry_count".to_owned(), json!(task.tries));
        }
        Ok(TaskEnt {
            id: task.key.0,
            created_at: answers::time(task.created_ms),
            updated_at: answers::time(task.updated_ms),
            r#type: workflow::type_of(task.wish.kind()),
            status: workflow::status(task.state),
            public_state,
            user_tasks: task.owner.0,
            user_hash_id: owner.as_ref().map(|owner| owner.id.clone()),
            edges: Edges { user: owner.map(Owner::of) },
            task_hash_id: task.id.clone(),
            summary: if is_own { summary } else { summary.without_names(task) },
            node: NodeEnt::of(&node::read(tx)?),
        })
    }
}

#[derive(Serialize)]
struct Tasks {
    tasks: Vec<TaskEnt>,
    pagination: Pages,
}

/// Of a task by the protocol's word for it. Words for what is not done here find nothing.
fn named<T: Copy, const N: usize>(all: [T; N], text: fn(T) -> &'static str, name: &str) -> Option<T> {
    all.into_iter().find(|each| text(*each) == name)
}

pub async fn post_list(mut call: Call, admin: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let kind = asked.condition("task_type").map(|name| named(Kind::EACH, workflow::type_of, name));
    let state = asked.condition("task_status").map(|name| named(State::EACH, workflow::status, name));
    if kind == Some(None) || state == Some(None) {
        return data(&Tasks { tasks: Vec::new(), pagination: Pages::of(page, 0) });
    }
    let owner = asked.number("task_user_id")?.map(UserKey);
    let wanted = lists::Wanted { owner, kind: kind.flatten(), state: state.flatten() };
    let way = if asked.is_descending() { Direction::Descending } else { Direction::Ascending };
    let listed = call.app.db.read(move |tx| {
        let (found, total) = lists::page(tx, &wanted, way, page)?;
        let tasks = found.iter().map(|task| TaskEnt::of(tx, task, admin.key)).collect::<Result<_>>()?;
        Ok(Tasks { tasks, pagination: Pages::of(page, total) })
    });
    data(&listed.await?)
}

fn task(tx: &mut Tx, number: i64) -> Result<Task> {
    lists::by_key(tx, TaskKey(number))?.ok_or(Error::NotFound(Thing::Task))
}

pub async fn get_one(call: Call, admin: User) -> Outcome {
    let number = number(&call)?;
    let ent = call.app.db.read(move |tx| {
        let task = task(tx, number)?;
        TaskEnt::of(tx, &task, admin.key)
    });
    data(&ent.await?)
}

/// Those that are under way are canceled first.
pub async fn post_batch_delete(call: Call, admin: User) -> Outcome {
    to_each(call, admin, remove).await
}

async fn remove(call: &Call, admin: &User, id: i64) -> Result<(), Failure> {
    let task = call.app.db.read(move |tx| task(tx, id)).await?;
    tasks::remove(&call.app, &task).await?;
    audit(admin, "removed task", &id.to_string());
    Ok(())
}

#[derive(Deserialize)]
struct Cleanup {
    not_after: Option<String>,
    types: Option<Vec<String>>,
    status: Option<Vec<String>>,
}

/// Of tasks that have ended.
pub async fn post_cleanup(mut call: Call, admin: User) -> Outcome {
    let asked: Cleanup = call.json().await?;
    let until = asked.not_after.ok_or(Error::Missing("not_after"))?;
    let until: jiff::Timestamp = until.parse().map_err(|_| Error::invalid("not_after", "a time, as in RFC 3339"))?;
    let (types, status) = (asked.types.unwrap_or_default(), asked.status.unwrap_or_default());
    let kinds: Vec<Kind> = types.iter().filter_map(|name| named(Kind::EACH, workflow::type_of, name)).collect();
    let states: Vec<State> = status.iter().filter_map(|name| named(State::EACH, workflow::status, name)).collect();
    // What is named and not known here is nothing, not everything.
    if kinds.is_empty() != types.is_empty() || states.is_empty() != status.is_empty() {
        return done();
    }
    let before_ms = until.as_millisecond();
    call.app.db.write(move |tx| rows::lists::forget_ended(tx, before_ms, &kinds, &states)).await?;
    audit(&admin, "removed ended tasks", "");
    done()
}
