//! What an attacker tries that is no wrong credential and no bad input: haste, weight and numbers.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use md5::{Digest, Md5};
use openshelf::account::password::FORGET_MS;
use openshelf::error::Error;
use openshelf::share::visit::Visitor;
use openshelf::store::{Tx, accounts};
use openshelf::work::signin;
use openshelf::{args, now_ms};
use serde_json::json;

use crate::both_engines;
use crate::server::{ADMIN, ADMIN_MAIL, PASSWORD, Server};

fn somebody(last: u8) -> Visitor {
    Visitor::guest(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), "guesser")
}

fn token(password: &str, salt: &str) -> String {
    Md5::digest(format!("{password}{salt}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

both_engines! {
    async fn token_guesses_at_once_are_as_slow_as_one_after_the_other(backend: Backend) {
        let server = Server::start(&backend);
        let app = &server.app;
        let mut tokens: Vec<String> = (0..60).map(|n| token(&format!("guess {n}"), "salt")).collect();
        tokens.push(token(PASSWORD, "salt"));
        let tries = tokens.iter().map(|token| async {
            signin::by_token(app, ADMIN, token, "salt", &somebody(1)).await
        });
        let began = std::time::Instant::now();
        let answers = join_all(tries).await;
        assert!(answers[..5].iter().all(|answer| matches!(answer, Err(Error::WrongCredentials))));
        let judged = answers.iter().filter(|answer| !matches!(answer, Err(Error::Throttled { .. }))).count();
        // After five, one waits a second, and each of the next twice as long.
        let waits = u32::try_from(judged).unwrap() - 5;
        assert!(waits <= (began.elapsed().as_secs() + 1).ilog2(), "{judged} guesses were looked at");
        assert!(signin::by_token(app, ADMIN, &tokens[60], "salt", &somebody(2)).await.is_ok());
    }

    async fn all_names_of_an_account_are_guessed_at_together(backend: Backend) {
        let server = Server::start(&backend);
        for name in [ADMIN, ADMIN_MAIL, "ADMIN", " admin ", ADMIN_MAIL] {
            let answer = signin::by_password(&server.app, name, "wrong horse", &somebody(1)).await;
            assert!(matches!(answer, Err(Error::WrongCredentials)), "{answer:?}");
        }
        // As of now: the fifth wait is a second, and how long a guess takes is the machine's affair.
        let sql = "UPDATE throttle SET last_ms = $1 WHERE failures = 5";
        let late = server.app.db.write(|tx| tx.run(sql, args![now_ms() + 60_000])).await.unwrap();
        assert_eq!(late, 1, "each name counts for all");
        for name in [ADMIN, ADMIN_MAIL] {
            let answer = signin::by_password(&server.app, name, "wrong horse", &somebody(1)).await;
            assert!(matches!(answer, Err(Error::Throttled { .. })), "{name}: {answer:?}");
        }
    }

    async fn guesses_leave_little_behind_and_that_not_for_long(backend: Backend) {
        let server = Server::start(&backend);
        for name in ["n".repeat(900), "n".repeat(4_000_000)] {
            let answer = signin::by_password(&server.app, &name, "wrong horse", &somebody(1)).await;
            assert!(matches!(answer, Err(Error::WrongCredentials)), "{answer:?}");
        }
        let left = async || {
            let lengths = "SELECT CAST(LENGTH(subject) AS BIGINT) FROM throttle";
            server.app.db.read(move |tx| tx.all(lengths, args![], |row| row.get::<i64>(0))).await
        };
        let lengths = left().await.unwrap();
        assert!(!lengths.is_empty() && lengths.iter().all(|length| *length < 200), "{lengths:?}");
        let later = now_ms() + FORGET_MS + 60_000;
        let another = move |tx: &mut Tx| accounts::count_try(tx, &["another".to_owned()], later);
        server.app.db.write(another).await.unwrap();
        assert_eq!(left().await.unwrap(), ["another".len() as i64]);
    }

    async fn a_flood_of_guesses_keeps_nobody_elsewhere_from_signing_in(backend: Backend) {
        const FLOOD: usize = 120;
        let server = Server::start(&backend);
        let done = Arc::new(AtomicUsize::new(0));
        let sign_in = |from: [u8; 4], name: String| {
            let client = crate::server::http().local_address(IpAddr::from(from)).build().unwrap();
            client
                .post(format!("{}/api/v4/session/token", server.url))
                .json(&json!({"email": name, "password": PASSWORD}))
                .send()
        };
        let flood: Vec<_> = (0..FLOOD)
            .map(|number| {
                let (guess, done) = (sign_in([127, 0, 0, 1], format!("nobody {number}")), Arc::clone(&done));
                tokio::spawn(async move {
                    guess.await.unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        while done.load(Ordering::SeqCst) < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let before = done.load(Ordering::SeqCst);
        let answer: serde_json::Value = sign_in([127, 0, 0, 2], ADMIN.to_owned()).await.unwrap().json().await.unwrap();
        let overtook = done.load(Ordering::SeqCst) - before;
        assert_eq!(answer["code"], 0, "{answer}");
        assert!(overtook < FLOOD / 3, "{overtook} of another network's guesses came first");
        join_all(flood).await;
    }
}
