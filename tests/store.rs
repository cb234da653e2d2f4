//! The seam to rows, on both engines.

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::thread;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all};
use openshelf::args;
use openshelf::error::Error;
use openshelf::store::{Database, Db, Engine, QUEUE_LENGTH, Tx, Value, Weighed, bind_all};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::PATIENCE;

/// A table for this file's tests: `counter` with one row 1 → 0.
async fn with_counter(backend: &Backend) -> Db {
    let db = backend.open();
    db.write(|tx| {
        tx.run("CREATE TABLE counter (id BIGINT PRIMARY KEY, total BIGINT NOT NULL)", args![])?;
        tx.run("INSERT INTO counter (id, total) VALUES (1, 0)", args![])
    })
    .await
    .unwrap();
    db
}

fn insert(tx: &mut Tx, id: i64) -> Result<(), Error> {
    tx.run("INSERT INTO counter (id, total) VALUES ($1, 0)", args![id]).map(|_| ())
}

fn ids(tx: &mut Tx) -> Result<Vec<i64>, Error> {
    tx.all("SELECT id FROM counter ORDER BY id", args![], |row| row.get(0))
}

fn total(tx: &mut Tx) -> Result<i64, Error> {
    tx.one("SELECT total FROM counter WHERE id = $1", args![1], |row| row.get(0))
}

/// Occupies the writer until `open` is called, so that what is written meanwhile queues up.
/// Keeps the writer busy until it is opened.
pub struct Gate {
    opener: mpsc::Sender<()>,
    held: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Gate {
    pub async fn close(db: &Db) -> Gate {
        let (opener, opened) = mpsc::channel::<()>();
        let (entered, inside) = tokio::sync::oneshot::channel();
        let db = db.clone();
        let held = tokio::spawn(async move {
            db.write(move |_| {
                entered.send(()).unwrap();
                opened.recv_timeout(PATIENCE).map_err(|cause| Error::internal("gate", cause))
            })
            .await
        });
        inside.await.unwrap();
        Gate { opener, held }
    }

    pub async fn open(self) {
        self.opener.send(()).unwrap();
        self.held.await.unwrap().unwrap();
    }
}

/// A write that is in the queue when this returns; `Err` when its answer is already there.
pub fn queued<'a, T: Send + 'static>(
    db: &'a Db,
    work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
) -> Result<BoxFuture<'a, Result<T, Error>>, Result<T, Error>> {
    let mut write = db.write(work).boxed();
    match (&mut write).now_or_never() {
        None => Ok(write),
        Some(answer) => Err(answer),
    }
}

both_engines! {
    async fn values_come_back_as_they_went_in(backend: Backend) {
        type Kinds = (Option<i64>, Option<f64>, Option<String>, Option<Vec<u8>>);
        let bytes = if backend.file().is_some() { "BLOB" } else { "BYTEA" };
        let table = format!("CREATE TABLE kinds (id BIGINT, i BIGINT, r DOUBLE PRECISION, t TEXT, b {bytes})");
        let rows: Vec<Kinds> = vec![
            (None, None, None, None),
            (Some(i64::MIN), Some(f64::MIN_POSITIVE), Some(String::new()), Some(vec![])),
            (Some(i64::MAX), Some(-1.5e300), Some("naïve 東京 🎵 e\u{301} '$1' \n".into()), Some((0..=255).collect())),
            (Some(0), Some(3.0), Some("%_\\".into()), Some(vec![0, 0])),
        ];
        let db = backend.open();
        let written = rows.clone();
        db.write(move |tx| {
            tx.run(&table, args![])?;
            for (id, (i, r, t, b)) in written.into_iter().enumerate() {
                let inserted = tx.run(
                    "INSERT INTO kinds (id, b, t, r, i) VALUES ($1, $5, $4, $3, $2)",
                    args![id, i, r, t, b],
                )?;
                assert_eq!(inserted, 1);
            }
            Ok(())
        })
        .await
        .unwrap();
        let read = db
            .read(|tx| {
                tx.all("SELECT i, r, t, b FROM kinds ORDER BY id", args![], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
            })
            .await
            .unwrap();
        assert_eq!(rows, read);
        let narrow = db
            .read(|tx| {
                tx.one("SELECT i, i = 0, COUNT(*) OVER () FROM kinds WHERE id = 3", args![], |row| {
                    Ok((row.get::<u64>(0)?, row.get::<u32>(0)?, row.get::<bool>(1)?, row.get::<bool>(0)?, row.get::<i64>(2)?))
                })
            })
            .await
            .unwrap();
        assert_eq!(narrow, (0, 0, true, false, 1));
        let whole = db.write(|tx| {
            tx.one("INSERT INTO kinds (r) VALUES ($1) RETURNING r", args![7], |row| row.get::<f64>(0))
        });
        assert_eq!(whole.await.unwrap(), 7.0, "an integer fits a column of floating-point numbers");
    }

    async fn a_column_read_as_another_kind_is_an_error(backend: Backend) {
        let db = with_counter(&backend).await;
        for sql in ["SELECT 'word'", "SELECT -1", "SELECT NULL"] {
            let read = db.read(|tx| tx.one(sql, args![], |row| row.get::<u64>(0))).await;
            assert!(matches!(read, Err(Error::Internal(_))), "{sql}: {read:?}");
        }
        let read = db.read(|tx| tx.one("SELECT 1", args![], |row| row.get::<i64>(1))).await;
        assert!(matches!(read, Err(Error::Internal(_))), "{read:?}");
        let read = db.read(|tx| tx.one("SELECT id FROM counter WHERE id = 9", args![], |row| row.get::<i64>(0))).await;
        assert!(matches!(read, Err(Error::Internal(_))), "{read:?}");
        let read = db.read(|tx| tx.maybe("SELECT id FROM counter WHERE id = 9", args![], |row| row.get::<i64>(0)));
        assert_eq!(read.await.unwrap(), None);
    }

    async fn text_with_a_nul_is_the_callers_mistake(backend: Backend) {
        let db = with_counter(&backend).await;
        let read = db.read(|tx| tx.maybe("SELECT 1 WHERE $1 = 'a'", args!["a\0"], |row| row.get::<i64>(0))).await;
        assert!(matches!(read, Err(Error::Invalid { .. })), "{read:?}");
    }

    async fn a_list_of_arguments_follows_those_before_it(backend: Backend) {
        let db = with_counter(&backend).await;
        db.write(|tx| (2..6).try_for_each(|id| insert(tx, id))).await.unwrap();
        let found = db
            .read(|tx| {
                let mut args: Vec<Value> = vec![0.into()];
                let ids = bind_all(&mut args, [2, 4, 77]);
                let sql = format!("SELECT id FROM counter WHERE total = $1 AND id IN ({ids}) ORDER BY id");
                tx.all(&sql, &args, |row| row.get::<i64>(0))
            })
            .await
            .unwrap();
        assert_eq!(found, [2, 4]);
        let none = db.read(|tx| {
            let ids = bind_all(&mut Vec::new(), [] as [i64; 0]);
            tx.all(&format!("SELECT id FROM counter WHERE id IN ({ids})"), args![], |row| row.get::<i64>(0))
        });
        assert!(none.await.unwrap().is_empty());
    }

    async fn a_clash_names_its_columns(backend: Backend) {
        let db = with_counter(&backend).await;
        db.write(|tx| {
            tx.run("CREATE TABLE pair (a BIGINT, b TEXT, UNIQUE (a, b))", args![])?;
            tx.run("CREATE UNIQUE INDEX pair_lower ON pair (lower(b))", args![])?;
            tx.run("INSERT INTO pair (a, b) VALUES (1, 'x')", args![])
        })
        .await
        .unwrap();
        let exists = |clash: Result<u64, Error>| match clash {
            Err(Error::Exists(what)) => what,
            other => panic!("{other:?}"),
        };
        let sql = "INSERT INTO counter (id, total) VALUES (1, 0)";
        assert_eq!(exists(db.write(move |tx| tx.run(sql, args![])).await), "counter.id");
        let sql = "INSERT INTO pair (a, b) VALUES (1, 'x')";
        assert!(["pair.a, pair.b", "pair_lower"].contains(&&*exists(db.write(move |tx| tx.run(sql, args![])).await)));
        let sql = "INSERT INTO pair (a, b) VALUES (2, 'X')";
        assert_eq!(exists(db.write(move |tx| tx.run(sql, args![])).await), "pair_lower");
    }

    async fn an_error_or_panic_in_one_write_of_a_batch_leaves_the_others(backend: Backend) {
        let db = with_counter(&backend).await;
        let gate = Gate::close(&db).await;
        let good = queued(&db, |tx| insert(tx, 10)).ok().unwrap();
        let refused = queued(&db, |tx| insert(tx, 11).and(Err::<(), _>(Error::NoSpace))).ok().unwrap();
        let clashing = queued(&db, |tx| insert(tx, 12).and_then(|()| insert(tx, 10))).ok().unwrap();
        let panicking = queued::<()>(&db, |tx| insert(tx, 13).map(|()| panic!("on purpose"))).ok().unwrap();
        let heedless = queued(&db, |tx| {
            let _ = insert(tx, 10);
            let _ = insert(tx, 14);
            Ok(())
        })
        .ok()
        .unwrap();
        let last = queued(&db, |tx| insert(tx, 15).and_then(|()| ids(tx))).ok().unwrap();
        gate.open().await;
        good.await.unwrap();
        assert!(matches!(refused.await, Err(Error::NoSpace)));
        assert!(matches!(clashing.await, Err(Error::Exists(_))));
        assert!(matches!(panicking.await, Err(Error::Internal(why)) if why.contains("on purpose")));
        assert!(matches!(heedless.await, Err(Error::Exists(_))), "a failed statement cannot be overlooked");
        assert_eq!(last.await.unwrap(), [1, 10, 15], "a later write of the batch sees the earlier ones");
        assert_eq!(db.read(ids).await.unwrap(), [1, 10, 15]);
    }

    async fn a_panic_is_an_error_and_the_thread_lives_on(backend: Backend) {
        let db = with_counter(&backend).await;
        for _ in 0..8 {
            let read = db.read::<()>(|tx| {
                tx.all("SELECT id FROM counter", args![], |_| -> Result<(), Error> { panic!("on purpose") })?;
                Ok(())
            });
            assert!(matches!(read.await, Err(Error::Internal(_))));
            let write = db.write::<()>(|tx| insert(tx, 2).map(|()| panic!("on purpose")));
            assert!(matches!(write.await, Err(Error::Internal(_))));
        }
        assert_eq!(db.read(ids).await.unwrap(), [1]);
        db.write(|tx| insert(tx, 3)).await.unwrap();
        assert_eq!(db.read(ids).await.unwrap(), [1, 3]);
    }

    async fn an_answered_write_is_seen_by_other_connections(backend: Backend) {
        let db = with_counter(&backend).await;
        let other = backend.open();
        for id in 2..40 {
            let (alone, together) = (db.write(move |tx| insert(tx, id)), db.write(move |tx| insert(tx, -id)));
            let (alone, together) = join(alone, together).await;
            alone.unwrap();
            together.unwrap();
            let seen = other.read(move |tx| {
                tx.one("SELECT COUNT(*) FROM counter WHERE id IN ($1, $2)", args![id, -id], |row| row.get::<i64>(0))
            });
            assert_eq!(seen.await.unwrap(), 2);
        }
    }

    async fn two_hundred_writers_on_two_nodes_count_to_two_hundred(backend: Backend) {
        let nodes = [with_counter(&backend).await, backend.open()];
        let writes = (0..200).map(|turn| {
            let db = nodes[turn % 2].clone();
            tokio::spawn(async move {
                db.write(|tx| {
                    let next = total(tx)? + 1;
                    tx.run("UPDATE counter SET total = $2 WHERE id = $1", args![1, next])?;
                    Ok(next)
                })
                .await
            })
        });
        let mut seen: Vec<i64> = join_all(writes).await.into_iter().map(|turn| turn.unwrap().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=200).collect::<Vec<_>>());
        assert_eq!(nodes[1].read(total).await.unwrap(), 200);
    }

    async fn a_read_keeps_its_snapshot_while_others_write(backend: Backend) {
        let db = with_counter(&backend).await;
        let (looked, first_look) = tokio::sync::oneshot::channel();
        let (written, again) = mpsc::channel();
        let reader = db.clone();
        let read = tokio::spawn(async move {
            reader
                .read(move |tx| {
                    looked.send(total(tx)?).unwrap();
                    again.recv_timeout(PATIENCE).map_err(|cause| Error::internal("signal", cause))?;
                    total(tx)
                })
                .await
        });
        assert_eq!(first_look.await.unwrap(), 0);
        db.write(|tx| tx.run("UPDATE counter SET total = 5", args![])).await.unwrap();
        written.send(()).unwrap();
        assert_eq!(read.await.unwrap().unwrap(), 0);
        assert_eq!(db.read(total).await.unwrap(), 5);
    }

    async fn a_read_cannot_write(backend: Backend) {
        let db = with_counter(&backend).await;
        let read = db.read(|tx| insert(tx, 2)).await;
        assert!(matches!(read, Err(Error::Internal(_))), "{read:?}");
        assert_eq!(db.read(ids).await.unwrap(), [1]);
    }

    async fn a_full_queue_answers_busy_at_once(backend: Backend) {
        let db = with_counter(&backend).await;
        let gate = Gate::close(&db).await;
        let waiting: Vec<_> = (0..QUEUE_LENGTH)
            .map(|_| queued(&db, |tx| tx.run("UPDATE counter SET total = total + 1", args![])).ok().unwrap())
            .collect();
        let more = queued(&db, |tx| insert(tx, 2)).err().unwrap();
        assert!(matches!(more, Err(Error::Busy)), "{more:?}");
        assert_eq!(db.read(total).await.unwrap(), 0, "readers do not wait for the writer");
        gate.open().await;
        for write in waiting {
            write.await.unwrap();
        }
        assert_eq!(db.read(total).await.unwrap(), QUEUE_LENGTH as i64);
        db.write(|tx| insert(tx, 2)).await.unwrap();
    }

    async fn a_caller_who_leaves_disturbs_nothing(backend: Backend) {
        let db = with_counter(&backend).await;
        let gate = Gate::close(&db).await;
        drop(queued(&db, |tx| insert(tx, 2)).ok().unwrap());
        let stays = queued(&db, |tx| insert(tx, 3)).ok().unwrap();
        drop(db.write(|tx| insert(tx, 4)));
        gate.open().await;
        stays.await.unwrap();
        assert_eq!(db.read(ids).await.unwrap(), [1, 2, 3], "queued work is done, work that never started is not");
    }

    async fn closing_finishes_what_is_queued(backend: Backend) {
        let db = with_counter(&backend).await;
        let gate = Gate::close(&db).await;
        let waiting: Vec<_> = (2..102).map(|id| queued(&db, move |tx| insert(tx, id)).ok().unwrap()).collect();
        let closing = tokio::task::spawn_blocking({
            let db = db.clone();
            move || db.close()
        });
        gate.open().await;
        closing.await.unwrap();
        for write in waiting {
            write.now_or_never().expect("answered before close returns").unwrap();
        }
        assert!(matches!(db.read(ids).await, Err(Error::Busy)));
        assert_eq!(backend.open().read(ids).await.unwrap().len(), 101);
    }

    async fn the_last_clone_dropped_finishes_what_is_queued(backend: Backend) {
        let db = with_counter(&backend).await;
        let (opener, opened) = mpsc::channel::<()>();
        let (done, finished) = tokio::sync::oneshot::channel();
        drop(queued(&db, move |_| opened.recv_timeout(PATIENCE).map_err(|cause| Error::internal("gate", cause))));
        drop(queued(&db, move |tx| {
            insert(tx, 2)?;
            done.send(()).map_err(|()| Error::Busy)
        }));
        drop(db);
        opener.send(()).unwrap();
        finished.await.unwrap();
        // The writers of both engines take turns, so this one comes after the commit.
        assert_eq!(backend.open().write(ids).await.unwrap(), [1, 2]);
    }

    async fn plain_threads_read_and_write_too(backend: Backend) {
        let db = with_counter(&backend).await;
        let read = thread::spawn(move || {
            db.write_blocking(|tx| insert(tx, 2)).unwrap();
            db.read_blocking(ids).unwrap()
        });
        assert_eq!(tokio::task::spawn_blocking(move || read.join().unwrap()).await.unwrap(), [1, 2]);
    }

    async fn opening_a_second_time_changes_nothing(backend: Backend) {
        let ledger = |tx: &mut Tx| {
            tx.all("SELECT number, hash FROM migration ORDER BY number", args![], |row| {
                Ok((row.get::<i64>(0)?, row.get::<String>(1)?))
            })
        };
        let first = with_counter(&backend).await;
        let before = first.read(ledger).await.unwrap();
        assert!(!before.is_empty());
        let second = backend.open();
        assert_eq!(second.read(ledger).await.unwrap(), before);
        assert_eq!(second.read(ids).await.unwrap(), [1]);
    }

    async fn nodes_that_start_together_migrate_once(backend: Backend) {
        thread::scope(|scope| {
            let opening: Vec<_> = (0..4).map(|_| scope.spawn(|| Db::open(backend.database()).map(|_| ()))).collect();
            for node in opening {
                node.join().unwrap().unwrap();
            }
        });
    }

    async fn an_altered_or_newer_schema_is_refused(backend: Backend) {
        let db = backend.open();
        let hash: String =
            db.read(|tx| tx.one("SELECT hash FROM migration WHERE number = 1", args![], |row| row.get(0))).await.unwrap();
        let refusal = || match Db::open(backend.database()).map(|_| ()) {
            Err(Error::Internal(why)) => why,
            other => panic!("{other:?}"),
        };
        db.write(|tx| tx.run("UPDATE migration SET hash = 'another' WHERE number = 1", args![])).await.unwrap();
        assert!(refusal().contains("step 1"), "{}", refusal());
        db.write(move |tx| tx.run("UPDATE migration SET hash = $1 WHERE number = 1", args![hash])).await.unwrap();
        backend.open();
        db.write(|tx| tx.run("INSERT INTO migration (number, hash) VALUES (999, 'later')", args![])).await.unwrap();
        assert!(refusal().contains("999"), "{}", refusal());
    }

    async fn a_foreign_key_holds(backend: Backend) {
        let db = with_counter(&backend).await;
        let write = db.write(|tx| {
            tx.run("CREATE TABLE part (whole BIGINT NOT NULL REFERENCES counter (id) ON DELETE CASCADE)", args![])?;
            tx.run("INSERT INTO part (whole) VALUES (1)", args![])
        });
        write.await.unwrap();
        let orphan = db.write(|tx| tx.run("INSERT INTO part (whole) VALUES (9)", args![])).await;
        assert!(matches!(orphan, Err(Error::Internal(_))), "{orphan:?}");
    }
}

#[tokio::test]
async fn sqlite_without_space_says_so_and_recovers() {
    let backend = Backend::sqlite();
    let db = with_counter(&backend).await;
    let limit = |pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        db.write(move |tx| tx.one(&sql, args![], |row| row.get::<i64>(0)))
    };
    db.write(|tx| tx.run("CREATE TABLE ballast (b BLOB)", args![])).await.unwrap();
    // Below its present size, the file keeps that size.
    limit(1).await.unwrap();
    let gate = Gate::close(&db).await;
    let small = queued(&db, |tx| insert(tx, 2)).ok().unwrap();
    let large = queued(&db, |tx| tx.run("INSERT INTO ballast (b) VALUES ($1)", args![vec![1; 1 << 20]])).ok().unwrap();
    gate.open().await;
    assert!(matches!(large.await, Err(Error::NoSpace)));
    let expected = match small.await {
        Ok(()) => vec![1, 2],
        Err(Error::NoSpace) => vec![1],
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(db.read(ids).await.unwrap(), expected, "what was answered is what is there");
    limit(1 << 30).await.unwrap();
    db.write(|tx| tx.run("INSERT INTO ballast (b) VALUES ($1)", args![vec![1; 1 << 20]])).await.unwrap();
}

#[test]
fn sqlite_file_is_for_its_owner_alone() {
    let backend = Backend::sqlite();
    let db = backend.open();
    assert_eq!(db.engine(), Engine::Sqlite);
    let file = backend.file().unwrap();
    for name in [file.to_path_buf(), file.with_extension("db-wal")] {
        assert_eq!(name.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", name.display());
    }
}

#[test]
fn database_that_cannot_be_opened_says_so_without_its_password() {
    let folder = tempfile::TempDir::new().unwrap();
    let absent = Db::open(&Database::Sqlite(folder.path().join("absent/openshelf.db"))).map(|_| ());
    assert!(matches!(&absent, Err(Error::Internal(why)) if why.contains("absent/openshelf.db")), "{absent:?}");
    for address in ["postgres://me:s3cret@127.0.0.1:1/none", "postgres://me:s3cret@127.0.0.1:x/none", "s3cret"] {
        let database = Database::Postgres(address.into());
        let said = format!("{} {database:?}", Db::open(&database).map(|_| ()).unwrap_err());
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn postgres_connection_that_was_lost_is_opened_again() {
    let Some(backend) = Backend::postgres() else { return };
    let db = with_counter(&backend).await;
    let suicide = |tx: &mut Tx| tx.run("SELECT pg_terminate_backend(pg_backend_pid())", args![]);
    let write = db.write(move |tx| insert(tx, 2).and_then(|()| suicide(tx))).await;
    assert!(matches!(write, Err(Error::Busy)), "{write:?}");
    db.write(|tx| insert(tx, 3)).await.unwrap();
    for _ in 0..8 {
        let read = db.read(suicide).await;
        assert!(matches!(read, Err(Error::Busy)), "{read:?}");
        assert_eq!(db.read(ids).await.unwrap(), [1, 3]);
    }
    // Lost between two units of work, nobody notices.
    let other = backend.open();
    let process: i64 =
        db.write(|tx| tx.one("SELECT CAST(pg_backend_pid() AS BIGINT)", args![], |row| row.get(0))).await.unwrap();
    other
        .read(move |tx| tx.run("SELECT pg_terminate_backend(CAST($1 AS INTEGER), 10000)", args![process]))
        .await
        .unwrap();
    db.write(|tx| insert(tx, 4)).await.unwrap();
    assert_eq!(db.read(ids).await.unwrap(), [1, 3, 4]);
}

struct Total(i64);

impl Weighed for Total {}

async fn recalled(db: &Db) -> i64 {
    db.recall("total", "1", |tx| Ok(Total(total(tx)?))).await.unwrap().0
}

both_engines! {
async fn what_is_recalled_is_never_older_than_the_last_commit(backend: Backend) {
    let db = with_counter(&backend).await;
    // Another process, as far as the first can tell.
    let stranger = backend.open();
    for round in 0..50 {
        assert_eq!(recalled(&db).await, 2 * round);
        let raise = |tx: &mut Tx| tx.run("UPDATE counter SET total = total + 1 WHERE id = 1", args![]);
        db.write(raise).await.unwrap();
        assert_eq!(recalled(&db).await, 2 * round + 1, "after a write of its own");
        stranger.write(raise).await.unwrap();
        assert_eq!(recalled(&db).await, 2 * round + 2, "after a write by another");
    }
    db.close();
    let closed = db.recall("total", "1", |tx| Ok(Total(total(tx)?))).await;
    assert!(matches!(closed, Err(Error::Busy)), "nothing is answered from memory once it is closed");
}
}

#[tokio::test]
async fn what_is_recalled_is_read_once_while_nothing_is_committed() {
    let backend = Backend::sqlite();
    let db = with_counter(&backend).await;
    assert_eq!(recalled(&db).await, 0);
    let again = db.recall("total", "1", |_| -> Result<Total, Error> { panic!("it is read anew") }).await;
    assert_eq!(again.unwrap().0, 0);
    db.write(insert_second).await.unwrap();
    let fresh = db.recall("total", "1", |_| Ok(Total(-1))).await;
    assert_eq!(fresh.unwrap().0, -1, "any commit makes it be read anew");
}

fn insert_second(tx: &mut Tx) -> Result<(), Error> {
    insert(tx, 2)
}
