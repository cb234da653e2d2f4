//! Shares at the Cloudreve door: each code of each call, and what the original gets wrong.

use openshelf::account::{Allowed, Role, Roles};
use openshelf::args;
use openshelf::store::accounts;
use reqwest::Method;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve_pro::{ADA, Market, NOBODY, code, data, encoded, envelope, names, text};

const GOODS: &str = "cloudreve://my/goods";
const SONG: &str = "cloudreve://my/goods/song.txt";

impl Market {
    /// A file call of this visitor in a share.
    async fn see(&self, who: &str, uri: &str) -> u64 {
        code(&self.get(who, &format!("/file/info?uri={}", encoded(uri))).await)
    }

    async fn shares(&self) -> Vec<Value> {
        data(self.get(ADA, "/share?page_size=100").await)["shares"].as_array().unwrap().clone()
    }
}

both_engines! {
    async fn every_call_about_a_share_fails_by_its_own_code(backend: Backend) {
        let market = Market::open(&backend).await;
        let open = market.share(json!({"uri": GOODS})).await;
        let locked = market.share(json!({"uri": GOODS, "is_private": true, "password": "Word1"})).await;
        let priced = market.share(json!({"uri": GOODS, "price": 5})).await;
        let revoked = market.share(json!({"uri": GOODS})).await;
        data(market.ask(ADA, Method::DELETE, &format!("/share/{revoked}"), json!({})).await);
        let used = market.share(json!({"uri": SONG, "downloads": 1})).await;
        let once = json!({"uris": [format!("cloudreve://{used}@share/song.txt")]});
        data(market.ask(NOBODY, Method::POST, "/file/url", once).await);
        let expired = market.share(json!({"uri": GOODS, "expire": 3600})).await;
        let key = market.server.app.db.read({
            let id = expired.clone();
            move |tx| tx.one("SELECT id FROM share WHERE public_id = $1", args![id], |row| row.get::<i64>(0))
        });
        market.set("UPDATE share SET expires_ms = 1 WHERE id = $1", key.await.unwrap()).await;
        data(market.put(ADA, "cloudreve://my/gone.txt", "soon in the trash").await);
        let trashed = market.share(json!({"uri": "cloudreve://my/gone.txt"})).await;
        data(market.ask(ADA, Method::DELETE, "/file", json!({"uris": ["cloudreve://my/gone.txt"]})).await);

        // GET /share/info
        for (who, path, expected) in [
            (NOBODY, "no+id".to_owned(), 40001),
            (NOBODY, "AAAAAAAAAAAAAAAAAAAAAA".to_owned(), 404),
            (NOBODY, revoked.clone(), 404),
            (NOBODY, used.clone(), 404),
            (NOBODY, expired.clone(), 404),
            (NOBODY, trashed.clone(), 404),
            (NOBODY, locked.clone(), 0),
            (NOBODY, format!("{locked}?password=wrong"), 0),
            (NOBODY, format!("{locked}?password=Word1"), 0),
            (NOBODY, format!("{open}?count_views=maybe"), 40001),
            (NOBODY, priced.clone(), 0),
            (ADA, format!("{locked}?owner_extended=true"), 0),
        ] {
            assert_eq!(code(&market.get(who, &format!("/share/info/{path}")).await), expected, "info/{path}");
        }
        // Any file call in a share
        for (who, uri, expected) in [
            (NOBODY, format!("cloudreve://{revoked}@share"), 404),
            (NOBODY, format!("cloudreve://{expired}@share"), 404),
            (NOBODY, format!("cloudreve://{used}@share"), 404),
            (NOBODY, format!("cloudreve://{trashed}@share"), 404),
            (NOBODY, "cloudreve://unknown@share".to_owned(), 404),
            (NOBODY, format!("cloudreve://{locked}@share"), 40069),
            (NOBODY, format!("cloudreve://{locked}:wrong@share"), 40069),
            (NOBODY, format!("cloudreve://{locked}:Word1@share/song.txt"), 0),
            (ADA, format!("cloudreve://{locked}@share/song.txt"), 0),
            (NOBODY, format!("cloudreve://{open}@share/none"), 40016),
            (NOBODY, format!("cloudreve://{open}@share/song.txt/below"), 40016),
            (NOBODY, "cloudreve://my/goods".to_owned(), 401),
        ] {
            assert_eq!(market.see(who, &uri).await, expected, "{uri}");
        }
        for (uri, expected) in [(&open, 0), (&priced, 40083), (&locked, 40069), (&revoked, 404)] {
            let asked = json!({"uris": [format!("cloudreve://{uri}@share/song.txt")]});
            assert_eq!(code(&market.ask(NOBODY, Method::POST, "/file/url", asked).await), expected);
        }
        let write = json!({"uri": format!("cloudreve://{open}@share/new"), "type": "folder"});
        assert_eq!(code(&market.ask("bob", Method::POST, "/file/create", write).await), 403);

        // PUT /share
        market.set("UPDATE account SET state = 'active' WHERE id = $1", market.user("dan").key.0).await;
        let dan = market.user("dan").key;
        let without = Allowed::of(Roles::USER.without(Role::Share));
        market.server.app.db.write(move |tx| accounts::set_allowed(tx, dan, &without)).await.unwrap();
        data(market.put("bob", "cloudreve://my/bobs.txt", "bob's").await);
        let adas = format!("cloudreve://{}@my/goods", market.user(ADA).id);
        for (who, wish, expected) in [
            (NOBODY, json!({"uri": GOODS}), 401),
            ("dan", json!({"uri": "cloudreve://my/x"}), 40007),
            ("bob", json!({}), 40001),
            ("bob", json!({"uri": "x"}), 40001),
            ("bob", json!({"uri": "cloudreve://my/none"}), 40016),
            ("bob", json!({"uri": adas}), 403),
            ("bob", json!({"uri": format!("cloudreve://{open}@share/song.txt")}), 403),
            ("bob", json!({"uri": "cloudreve://trash"}), 403),
            ("bob", json!({"uri": "cloudreve://my"}), 40053),
            ("bob", json!({"uri": "cloudreve://my/bobs.txt", "is_private": true, "password": "ä"}), 40001),
            ("bob", json!({"uri": "cloudreve://my/bobs.txt", "is_private": true, "password": "x".repeat(33)}), 40001),
        ] {
            assert_eq!(code(&market.ask(who, Method::PUT, "/share", wish.clone()).await), expected, "{who} {wish}");
        }
        // POST and DELETE /share/{id}
        for (who, id, wish, expected) in [
            (NOBODY, &open, json!({"uri": GOODS}), 401),
            ("bob", &open, json!({"uri": GOODS}), 404),
            (ADA, &revoked, json!({"uri": GOODS}), 404),
            (ADA, &open, json!({"uri": SONG}), 404),
            (ADA, &open, json!({"uri": "cloudreve://my/none"}), 40016),
            (ADA, &open, json!({}), 40001),
        ] {
            let edited = market.ask(who, Method::POST, &format!("/share/{id}"), wish.clone()).await;
            assert_eq!(code(&edited), expected, "{who} {wish}");
        }
        for (who, id, expected) in [(NOBODY, &open, 401), ("bob", &open, 404), (ADA, &revoked, 404)] {
            assert_eq!(code(&market.ask(who, Method::DELETE, &format!("/share/{id}"), json!({})).await), expected);
        }
        // GET /user/shares/{uid}: a hidden list and one of nobody look alike.
        for id in [market.user(ADA).id.as_str(), "nobody"] {
            assert_eq!(code(&market.get(NOBODY, &format!("/user/shares/{id}?page_size=10")).await), 40001);
        }
    }

    async fn a_batch_of_shares_is_ended_but_for_those_of_others(backend: Backend) {
        let market = Market::open(&backend).await;
        let (one, two, three) =
            (market.share(json!({"uri": GOODS})).await, market.share(json!({"uri": SONG})).await, market.share(json!({"uri": SONG})).await);
        data(market.put("bob", "cloudreve://my/bobs.txt", "bob's").await);
        let link = text(&data(market.ask("bob", Method::PUT, "/share", json!({"uri": "cloudreve://my/bobs.txt"})).await));
        let bobs = link.rsplit('/').next().unwrap().to_owned();
        let batch = market.ask(ADA, Method::DELETE, "/share", json!({"ids": [one, bobs, "none", two]})).await;
        assert_eq!(code(&batch), 40081);
        let failed: Vec<&String> = batch["aggregated_error"].as_object().unwrap().keys().collect();
        assert_eq!(failed.len(), 2, "{batch}");
        assert!([&bobs, "none"].iter().all(|id| code(&batch["aggregated_error"][*id]) == 404));
        let left: Vec<String> = market.shares().await.iter().map(|share| text(&share["id"])).collect();
        assert_eq!(left, [three]);
        assert_eq!(market.see("bob", &format!("cloudreve://{bobs}@share/bobs.txt")).await, 0);
        assert_eq!(code(&market.ask(ADA, Method::DELETE, "/share", json!({"ids": []})).await), 40001);
        let many: Vec<String> = (0..3001).map(|n| n.to_string()).collect();
        assert_eq!(code(&market.ask(ADA, Method::DELETE, "/share", json!({"ids": many})).await), 40074);
    }

    async fn a_profile_lists_what_guests_may_read(backend: Backend) {
        let market = Market::open(&backend).await;
        data(market.ask(ADA, Method::PATCH, "/user/setting", json!({"share_links_in_profile": ""})).await);
        let open = market.share(json!({"uri": GOODS, "price": 4, "permissions": {"everyone": "AQ=="}})).await;
        market.share(json!({"uri": GOODS, "permissions": {"everyone": "AQ==", "anonymous": "AA=="}})).await;
        data(market.ask(ADA, Method::POST, "/file/permission", json!({"uris": [SONG], "setting": {"other": "AQ=="}})).await);
        let listed = data(market.get(NOBODY, &format!("/user/shares/{}?page_size=10", market.user(ADA).id)).await);
        let seen: Vec<(String, i64)> =
            listed["shares"].as_array().unwrap().iter().map(|s| (text(&s["id"]), s["price"].as_i64().unwrap())).collect();
        assert_eq!(seen, [(open, 4)]);
    }

    async fn a_profile_tells_which_of_its_shares_open_no_more_and_its_pages_are_full(backend: Backend) {
        let market = Market::open(&backend).await;
        data(market.ask(ADA, Method::PATCH, "/user/setting", json!({"share_links_in_profile": "all_share"})).await);
        data(market.put(ADA, "cloudreve://my/gone.txt", "soon in the trash").await);
        let gone = market.share(json!({"uri": "cloudreve://my/gone.txt"})).await;
        let old = market.share(json!({"uri": GOODS})).await;
        let locked = market.share(json!({"uri": SONG, "is_private": true})).await;
        let old_locked = market.share(json!({"uri": SONG, "is_private": true})).await;
        let used = market.share(json!({"uri": SONG, "downloads": 1})).await;
        let later = market.share(json!({"uri": SONG})).await;
        let revoked = market.share(json!({"uri": SONG})).await;
        for (id, sql) in [
            (&old, "UPDATE share SET expires_ms = 1 WHERE id = $1"),
            (&old_locked, "UPDATE share SET expires_ms = 1 WHERE id = $1"),
            (&later, "UPDATE share SET not_before_ms = 9000000000000 WHERE id = $1"),
        ] {
            let (id, find) = (id.clone(), "SELECT id FROM share WHERE public_id = $1");
            let key = market.server.app.db.read(move |tx| tx.one(find, args![id], |row| row.get::<i64>(0)));
            market.set(sql, key.await.unwrap()).await;
        }
        data(market.ask(NOBODY, Method::POST, "/file/url", json!({"uris": [format!("cloudreve://{used}@share/song.txt")]})).await);
        data(market.ask(ADA, Method::DELETE, &format!("/share/{revoked}"), json!({})).await);
        data(market.ask(ADA, Method::DELETE, "/file", json!({"uris": ["cloudreve://my/gone.txt"]})).await);
        let mut expected = vec![
            // What opens no more is called by its name for its owner alone.
            (gone, json!(""), 1, true),
            (old, json!(""), 1, true),
            (locked, json!(""), 0, false),
            (old_locked, json!(""), 0, true),
            (used, json!(""), 0, true),
        ];
        for _ in 0..6 {
            expected.push((market.share(json!({"uri": SONG})).await, json!("song.txt"), 0, false));
        }

        let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let path = format!("/user/shares/{}?page_size=10&order_direction=asc&next_page_token={token}", market.user(ADA).id);
            let page = data(market.get(NOBODY, &path).await);
            let shares = page["shares"].as_array().unwrap();
            sizes.push(shares.len());
            let told = |share: &Value| {
                assert_eq!(share["unlocked"], false);
                let is_expired = share["expired"].as_bool().unwrap();
                (text(&share["id"]), share["name"].clone(), share["source_type"].as_i64().unwrap(), is_expired)
            };
            seen.extend(shares.iter().map(told));
            let Some(next) = page["pagination"]["next_token"].as_str() else { break };
            token = next.to_owned();
        }
        assert_eq!((seen, sizes), (expected, vec![10, 1]), "neither what has yet to begin nor what was revoked");
    }

    async fn a_locked_share_tells_whether_it_is_of_a_file_and_no_more(backend: Backend) {
        let market = Market::open(&backend).await;
        for (uri, kind) in [(SONG, 0), (GOODS, 1)] {
            let id = market.share(json!({"uri": uri, "is_private": true, "password": "Word1"})).await;
            let info = async |query: &str| data(market.get(NOBODY, &format!("/share/info/{id}{query}")).await);
            let (locked, open) = (info("").await, info("?password=Word1").await);
            assert_eq!((&locked["source_type"], &open["source_type"]), (&json!(kind), &json!(kind)), "{uri}");
            assert_eq!((&locked["name"], &locked["size"], &locked["visited"]), (&json!(""), &json!(0), &json!(0)));
            assert_eq!(locked["created_at"], "1970-01-01T00:00:00Z", "when it was made is told to who opens it");
            assert_ne!(open["created_at"], locked["created_at"]);
        }
    }

    async fn one_visit_as_the_interface_makes_it_is_one_view_and_a_locked_one_none(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "is_private": true, "password": "Word1"})).await;
        let views = async || data(market.get(ADA, &format!("/share/info/{id}")).await)["visited"].as_i64().unwrap();
        for query in ["", "?count_views=true", "?password=wrong&count_views=true"] {
            market.get(NOBODY, &format!("/share/info/{id}{query}")).await;
        }
        market.list(NOBODY, &format!("cloudreve://{id}@share")).await;
        assert_eq!(views().await, 0);
        for query in ["?password=Word1", "?password=Word1&count_views=true"] {
            data(market.get(NOBODY, &format!("/share/info/{id}{query}")).await);
        }
        let root = format!("cloudreve://{id}:Word1@share");
        assert_eq!(names(&data(market.list(NOBODY, &root).await)), ["deep", "song.txt"]);
        data(market.list(NOBODY, &format!("{root}/deep")).await);
        data(market.ask(NOBODY, Method::POST, "/file/url", json!({"uris": [format!("{root}/song.txt")]})).await);
        assert_eq!(views().await, 1);
        data(market.get(ADA, &format!("/share/info/{id}?count_views=true")).await);
        assert_eq!(views().await, 1, "the owner's look is none");
    }

    async fn a_hint_of_before_opens_nothing_that_is_closed_now(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "is_private": true, "password": "Word1", "permissions": {"everyone": "AQ=="}})).await;
        let hint = "5f3f0d5a-6a3c-4b7a-9d0e-2b7d1f3a9c11";
        let list = async |uri: String| {
            let request = market.client.get(format!("{}/api/v4/file?uri={}", market.server.url, encoded(&uri)));
            code(&envelope(request.header("x-cr-context-hint", hint).send().await.unwrap()).await)
        };
        assert_eq!(list(format!("cloudreve://{id}:Word1@share")).await, 0);
        assert_eq!(list(format!("cloudreve://{id}@share")).await, 40069, "each request brings its own proof");
        let closed = json!({"uri": GOODS, "permissions": {"everyone": "AA=="}});
        data(market.ask(ADA, Method::POST, &format!("/share/{id}"), closed).await);
        assert_eq!(list(format!("cloudreve://{id}:Word1@share")).await, 404);
    }

    async fn a_shares_password_lies_nowhere_in_clear_and_its_id_cannot_be_guessed(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "is_private": true, "password": "gcqzfaze"})).await;
        assert!(id.len() == 22 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
        let stored = market.server.app.db.read(|tx| {
            tx.one("SELECT password_hash, password_sealed FROM share", args![], |row| {
                Ok((row.get::<String>(0)?, row.get::<Vec<u8>>(1)?))
            })
        });
        let (hash, sealed) = stored.await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(!sealed.windows(8).any(|part| part == b"gcqzfaze"));
        // A visitor who unlocked it is not told it, by any call.
        let root = format!("cloudreve://{id}:gcqzfaze@share");
        let info = data(market.get(NOBODY, &format!("/share/info/{id}?password=gcqzfaze")).await);
        assert_eq!(info["unlocked"], true);
        assert!(!info.to_string().contains("gcqzfaze"));
        let urls = data(market.ask(NOBODY, Method::POST, "/file/url", json!({"uris": [format!("{root}/song.txt")]})).await);
        assert!(!urls.to_string().contains("gcqzfaze"));
    }

    async fn a_short_link_trades_its_password_for_a_cookie_and_shows_neither_again(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "is_private": true, "password": "Word1"})).await;
        let get = async |path: &str, cookie: &str| {
            let request = market.client.get(format!("{}{path}", market.server.url)).header("cookie", cookie);
            request.send().await.unwrap()
        };
        let led = get(&format!("/s/{id}/Word1"), "").await;
        assert_eq!((led.status().as_u16(), led.headers()["location"].to_str().unwrap()), (303, format!("/s/{id}").as_str()));
        assert_eq!(led.headers()["referrer-policy"], "no-referrer");
        let cookie = led.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(!cookie.contains("Word1"));
        assert!(get(&format!("/s/{id}"), &cookie).await.text().await.unwrap().contains("song.txt"));
        assert!(!get(&format!("/s/{id}"), "").await.text().await.unwrap().contains("song.txt"));
        assert_eq!(get(&format!("/s/{id}/wrong"), "").await.status(), 403);
        assert_eq!(get("/s/unknown/Word1", "").await.status(), 404);
        let open = market.share(json!({"uri": GOODS})).await;
        for path in [format!("/s/{open}/whatever"), format!("/share/{open}")] {
            assert_eq!(get(&path, "").await.headers()["location"].to_str().unwrap(), format!("/s/{open}"));
        }
    }

    async fn shares_come_in_the_asked_order_and_stay_in_it_while_they_change(backend: Backend) {
        let market = Market::open(&backend).await;
        let mut ids = Vec::new();
        for price in [30, 10, 20, 10, 0, 30, 20, 10, 0, 5, 7, 8] {
            ids.push(market.share(json!({"uri": GOODS, "price": price})).await);
        }
        for (way, sign) in [("asc", 1), ("desc", -1)] {
            let first = data(market.get(ADA, &format!("/share?page_size=10&order_by=price&order_direction={way}")).await);
            let token = text(&first["pagination"]["next_token"]);
            // What changes its place between two pages is seen once or twice, but nothing that stays is passed over.
            let moved = text(&first["shares"][0]["id"]);
            data(market.ask(ADA, Method::POST, &format!("/share/{moved}"), json!({"uri": GOODS, "price": 1000})).await);
            let rest = data(market.get(ADA, &format!("/share?page_size=10&order_by=price&order_direction={way}&next_page_token={token}")).await);
            let prices = |page: &Value| -> Vec<i64> {
                page["shares"].as_array().unwrap().iter().map(|share| share["price"].as_i64().unwrap() * sign).collect()
            };
            let all = [prices(&first), prices(&rest)].concat();
            assert!(all.is_sorted(), "{way}: {all:?}");
            let mut seen: Vec<String> = [&first, &rest].iter().flat_map(|page| page["shares"].as_array().unwrap()).map(|s| text(&s["id"])).collect();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 12, "{way}");
            // A token goes with its own order.
            let other = market.get(ADA, &format!("/share?page_size=10&order_by=views&next_page_token={token}")).await;
            assert_eq!(code(&other), 40001);
        }
    }
}
