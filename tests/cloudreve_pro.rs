//! What Cloudreve sells: points, prices, tickets, gift codes and permissions, as clients use them.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use openshelf::account::{User, UserKey};
use openshelf::args;
use openshelf::cli::order::{self, Order, Reply, Secret};
use openshelf::cli::points::{GoodFor, PointsOrder};
use openshelf::dialect::cloudreve::boolset;
use openshelf::store::{accounts, points};
use openshelf::work::purchases;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, PASSWORD, Server};
use crate::strangers::mycloud_content;

/// A server whose admin, Ada, has a home with the folder `goods`, and three who buy there.
pub struct Market {
    pub server: Server,
    pub client: Client,
    tokens: BTreeMap<&'static str, String>,
    users: BTreeMap<&'static str, User>,
}

pub const ADA: &str = ADMIN;
pub const NOBODY: &str = "nobody";

impl Market {
    pub async fn open(backend: &Backend) -> Market {
        let server = tokio::task::block_in_place(|| Server::start(backend));
        let client = server.client();
        let mut market = Market { server, client, tokens: BTreeMap::new(), users: BTreeMap::new() };
        for name in ["bob", "cy", "dan"] {
            let user = tokio::task::block_in_place(|| market.server.add_user(name));
            market.users.insert(name, user);
        }
        let ada = market.server.app.db.read(|tx| accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
        market.users.insert(ADA, ada);
        for name in [ADA, "bob", "cy", "dan"] {
            let signed =
                market.ask(NOBODY, Method::POST, "/session/token", json!({"email": name, "password": PASSWORD})).await;
            market.tokens.insert(name, text(&data(signed)["token"]["access_token"]));
        }
        for (path, bytes) in [("goods/song.txt", "la la la"), ("goods/deep/b.txt", "beneath"), ("secret.txt", "mine")] {
            market.put(ADA, &format!("cloudreve://my/{path}"), bytes).await;
        }
        market
    }

    pub fn user(&self, name: &str) -> &User {
        &self.users[name]
    }

    pub fn signed(&self, who: &str, request: RequestBuilder) -> RequestBuilder {
        match self.tokens.get(who) {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, who: &str, method: Method, path: &str, body: Option<Value>, ticket: Option<&str>) -> Response {
        let mut request = self.signed(who, self.client.request(method, format!("{}/api/v4{path}", self.server.url)));
        if let Some(ticket) = ticket {
            request = request.header("x-cr-purchase-ticket", ticket);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// The envelope of a call.
    pub async fn ask(&self, who: &str, method: Method, path: &str, body: Value) -> Value {
        envelope(self.send(who, method, path, Some(body), None).await).await
    }

    pub async fn get(&self, who: &str, path: &str) -> Value {
        envelope(self.send(who, Method::GET, path, None, None).await).await
    }

    /// Writes a file whole.
    pub async fn put(&self, who: &str, uri: &str, bytes: &str) -> Value {
        let request = self.client.put(format!("{}/api/v4/file/content?uri={}", self.server.url, encoded(uri)));
        envelope(self.signed(who, request).body(bytes.to_owned()).send().await.unwrap()).await
    }

    /// A share of Ada's; its id.
    pub async fn share(&self, wish: Value) -> String {
        let link = text(&data(self.ask(ADA, Method::PUT, "/share", wish).await));
        link.split("/s/").nth(1).unwrap().split('/').next().unwrap().to_owned()
    }

    pub async fn list(&self, who: &str, uri: &str) -> Value {
        self.get(who, &format!("/file?uri={}", encoded(uri))).await
    }

    /// The code of a call for a file's address, and the bytes behind it where there is one.
    async fn fetch(&self, who: &str, uri: &str, ticket: Option<&str>) -> (u64, String) {
        let body = json!({"uris": [uri], "download": true});
        let asked = envelope(self.send(who, Method::POST, "/file/url", Some(body), ticket).await).await;
        match asked["data"]["urls"][0]["url"].as_str() {
            Some(url) => (0, self.client.get(url).send().await.unwrap().text().await.unwrap()),
            None => (code(&asked), String::new()),
        }
    }

    /// What clients may offer this visitor to do with a file, and what the share gives them.
    pub async fn capability(&self, who: &str, uri: &str) -> (u64, String) {
        let info = data(self.get(who, &format!("/file/info?uri={}", encoded(uri))).await);
        let permission = info["permission"].as_str().unwrap_or("all").to_owned();
        (boolset::read("capability", &text(&info["capability"])).unwrap(), permission)
    }

    async fn archive(&self, who: &str, uri: &str, ticket: Option<&str>) -> (u64, u16) {
        let body = json!({"uris": [uri], "archive": true});
        let asked = envelope(self.send(who, Method::POST, "/file/url", Some(body), ticket).await).await;
        match asked["data"]["urls"][0]["url"].as_str() {
            Some(url) => (0, self.client.get(url).send().await.unwrap().status().as_u16()),
            None => (code(&asked), 0),
        }
    }

    async fn buy(&self, who: &str, share: &str) -> Value {
        self.ask(who, Method::PUT, "/vas/payment", purchase(share)).await
    }

    async fn give(&self, who: &str, points: i64) {
        purchases::adjust(&self.server.app, self.user(who).key, points).await.unwrap();
    }

    async fn credit(&self, who: &str) -> i64 {
        let points = data(self.get(who, "/user/me").await)["credit"].as_i64().unwrap();
        assert_eq!(data(self.get(who, "/user/setting").await)["credit"], points, "two calls tell of one purse");
        points
    }

    /// Reasons and amounts of all that changed somebody's purse, the first first.
    async fn changes(&self, who: &str) -> Vec<(String, i64)> {
        let changes = data(self.get(who, "/user/creditChanges?page_size=100").await)["changes"].clone();
        changes.as_array().unwrap().iter().map(|c| (text(&c["reason"]), c["diff"].as_i64().unwrap())).collect()
    }

    /// The ledger balances, by its own check and by sums of ours.
    async fn balances(&self) {
        let sums = self.server.app.db.read(|tx| {
            let entries = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM point_entry";
            let uneven = "SELECT COUNT(*) FROM (SELECT transfer_id FROM point_entry GROUP BY transfer_id
                          HAVING SUM(amount) <> 0 OR COUNT(*) <> 2) AS odd";
            let owing = "SELECT COUNT(*) FROM purse WHERE kind = 'user' AND balance < 0";
            let mut sums = Vec::new();
            for sql in [entries, uneven, owing] {
                sums.push(tx.one(sql, args![], |row| row.get::<i64>(0))?);
            }
            Ok((sums, points::faults(tx)?))
        });
        assert_eq!(sums.await.unwrap(), (vec![0, 0, 0], Vec::new()));
    }

    async fn count(&self, table: &'static str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        self.server.app.db.read(move |tx| tx.one(&sql, args![], |row| row.get(0))).await.unwrap()
    }

    /// Brings a row to where time or another would have brought it.
    pub async fn set(&self, sql: &'static str, key: i64) {
        let changed = self.server.app.db.write(move |tx| tx.run(sql, args![key])).await.unwrap();
        assert!(changed > 0, "{sql}");
    }

    async fn order(&self, order: PointsOrder) -> Reply {
        let app = self.server.app.clone();
        tokio::task::block_in_place(|| {
            self.server.run(async move { order::run(&app, Order::Points(order), |_| ()).await.unwrap() })
        })
    }

    async fn codes(&self, order: PointsOrder) -> Vec<String> {
        let Reply::Codes(codes) = self.order(order).await else { panic!("no codes") };
        codes.into_iter().map(|Secret(code)| code).collect()
    }

    async fn code_of_points(&self, points: i64) -> String {
        let good_for = GoodFor::Points(points);
        self.codes(PointsOrder::MakeCodes { good_for, count: 1, expires_s: None }).await.remove(0)
    }

    /// Puts these into one group.
    pub async fn group(&self, id: &'static str, who: &[&str]) {
        let keys: Vec<UserKey> = who.iter().map(|name| self.user(name).key).collect();
        let make = move |tx: &mut openshelf::store::Tx| {
            let sql = "INSERT INTO user_group (public_id, name, name_key) VALUES ($1, $1, $1) RETURNING id";
            let group: i64 = tx.one(sql, args![id], |row| row.get(0))?;
            for key in keys {
                tx.run("INSERT INTO group_member (group_id, account_id) VALUES ($1, $2)", args![group, key.0])?;
            }
            Ok(())
        };
        self.server.app.db.write(make).await.unwrap();
    }
}

fn purchase(share: &str) -> Value {
    json!({"product": {"type": 1, "share_link_id": share}, "quantity": 1, "provider_id": ""})
}

pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub async fn envelope(response: Response) -> Value {
    assert_eq!(response.status(), 200, "clients take any other status for a broken connection");
    response.json().await.unwrap()
}

pub fn code(envelope: &Value) -> u64 {
    envelope["code"].as_u64().unwrap_or_else(|| panic!("{envelope}"))
}

pub fn data(envelope: Value) -> Value {
    assert_eq!(envelope["code"], 0, "{envelope}");
    envelope["data"].clone()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub fn names(listed: &Value) -> Vec<String> {
    listed["files"].as_array().unwrap().iter().map(|file| text(&file["name"])).collect()
}

const GOODS: &str = "cloudreve://my/goods";
const DOWNLOAD: u64 = 1 << 7;

both_engines! {
    async fn a_priced_share_shows_what_it_holds_and_gives_it_to_who_paid(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "price": 20})).await;
        let (root, song) = (format!("cloudreve://{id}@share"), format!("cloudreve://{id}@share/song.txt"));
        market.give("bob", 50).await;

        for who in [NOBODY, "bob"] {
            assert_eq!(data(market.get(who, &format!("/share/info/{id}")).await)["price"], 20);
            assert_eq!(names(&data(market.list(who, &root).await)), ["deep", "song.txt"]);
            assert_eq!(market.fetch(who, &song, None).await.0, 40083);
            assert_eq!(market.archive(who, &root, None).await.0, 40083);
            let inside = format!("/file/archive?uri={}", encoded(&song));
            assert_eq!(market.get(who, &inside).await["code"], 40083, "what is in an archive is what is sold");
            assert_eq!(market.capability(who, &song).await.0 & DOWNLOAD, 0, "no client offers what is refused");
        }
        assert_eq!(market.fetch(ADA, &song, None).await, (0, "la la la".into()), "its owner pays nothing");

        let made = data(market.buy("bob", &id).await);
        let payment = &made["payment"];
        assert_eq!(made["request"], json!({"payment_needed": false, "url": "", "qr_code_preferred": false}));
        assert_eq!((&payment["status"], &payment["name"], &payment["qyt"], &payment["price_unit"], &payment["product_type"]),
            (&json!("fulfilled"), &json!("goods"), &json!(1), &json!(20), &json!(1)));
        assert_eq!((&payment["price_id"], &payment["price_mark"], &payment["price_one_unit"]), (&json!(""), &json!(""), &json!(0)));
        assert_eq!((market.credit("bob").await, market.credit(ADA).await), (30, 20));
        assert_eq!(market.fetch("bob", &song, None).await, (0, "la la la".into()));
        assert_eq!(market.archive("bob", &root, None).await, (0, 200));
        assert_ne!(market.capability("bob", &song).await.0 & DOWNLOAD, 0);
        assert_eq!(market.fetch(NOBODY, &song, None).await.0, 40083);
        assert_eq!(market.fetch("cy", &song, None).await.0, 40083);

        assert_eq!(market.changes("bob").await, [("adjust".into(), 50), ("pay".into(), -20)]);
        assert_eq!(market.changes(ADA).await, [("share_purchased".into(), 20)]);
        let status = format!("/vas/payment/status/{}/{}", text(&payment["id"]), text(&payment["trade_no"]));
        assert_eq!(&data(market.get("bob", &status).await), payment);
        assert_eq!(code(&market.get("cy", &status).await), 404);
        assert_eq!(data(market.get("bob", "/user/payments?page_size=10").await)["payments"], json!([payment]));
        market.balances().await;
    }

    async fn every_other_door_refuses_what_was_not_paid_in_its_own_words(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": "cloudreve://my/goods/song.txt", "price": 3})).await;
        let item = text(&data(market.list(NOBODY, &format!("cloudreve://{id}@share")).await)["files"][0]["id"]);
        let url = &market.server.url;
        let page = market.client.get(format!("{url}/s/{id}")).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("3 points") && page.contains("song.txt") && page.contains("Sign in to buy"), "{page}");
        assert!(!page.contains(&format!("/-/file/{item}")), "no link leads to what is refused");
        for path in [format!("/s/{id}/-/file/{item}?download=1"), format!("/s/{id}/-/play/{item}"), format!("/s/{id}/-/zip"),
            format!("/s/{id}/-/stream/{item}"), format!("/action/share/{id}?download=1")] {
            assert_eq!(market.client.get(format!("{url}{path}")).send().await.unwrap().status(), 402, "{path}");
        }
        let opened: Value = market.client.get(format!("{url}/shares/v1/shares/{id}")).send().await.unwrap().json().await.unwrap();
        let content = mycloud_content(&text(&opened["data"]["shareToken"]), &item);
        let refused = market.client.get(format!("{url}{content}")).send().await.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.json::<Value>().await.unwrap()["key"]), (402, &json!("paymentRequired")));
        // Whatever the door, a ticket is shown in the same header.
        let ticket = market.codes(PointsOrder::MakeTicket { share: id.clone(), expires_s: None }).await.remove(0);
        let opened = market.client.get(format!("{url}{content}")).header("x-cr-purchase-ticket", &ticket).send().await.unwrap();
        assert_eq!(opened.text().await.unwrap(), "la la la");
    }

    async fn the_page_sells_to_who_is_signed_in_at_the_price_it_showed(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": "cloudreve://my/goods/song.txt", "price": 3})).await;
        let item = text(&data(market.list(NOBODY, &format!("cloudreve://{id}@share")).await)["files"][0]["id"]);
        market.give("bob", 5).await;
        let url = market.server.url.clone();
        let form = [("user", "bob"), ("password", PASSWORD), ("next", &format!("/s/{id}"))];
        let signed = market.client.post(format!("{url}/app/sign-in")).form(&form).send().await.unwrap();
        assert_eq!(signed.headers()["location"], format!("/s/{id}"));
        let cookie = signed.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let post = async |path: &str, form: &[(&str, &str)], cookie: &str| {
            let sent = market.client.post(format!("{url}/s/{id}/-/{path}")).form(form).header("cookie", cookie);
            sent.send().await.unwrap()
        };
        let page = market.client.get(format!("{url}/s/{id}")).header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("You have 5 points"), "{page}");

        assert_eq!(post("buy", &[("price", "3")], "").await.status(), 401);
        assert_eq!(post("buy", &[("price", "1")], &cookie).await.status(), 409, "another price than the one that stands");
        let foreign = market.client.post(format!("{url}/s/{id}/-/buy")).form(&[("price", "3")])
            .header("cookie", &cookie).header("sec-fetch-site", "cross-site");
        assert_eq!(foreign.send().await.unwrap().status(), 403);
        assert_eq!(market.credit("bob").await, 5);
        assert_eq!(post("buy", &[("price", "3")], &cookie).await.status(), 303);
        assert_eq!(market.credit("bob").await, 2);
        let file = format!("{url}/s/{id}/-/file/{item}?download=1");
        assert_eq!(market.client.get(&file).header("cookie", &cookie).send().await.unwrap().text().await.unwrap(), "la la la");

        // A guest shows a ticket, which the page keeps for them.
        let ticket = market.codes(PointsOrder::MakeTicket { share: id.clone(), expires_s: None }).await.remove(0);
        assert_eq!(post("ticket", &[("ticket", "d6695b49")], "").await.status(), 400);
        let kept = post("ticket", &[("ticket", &ticket)], "").await;
        let cookie = kept.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains(&format!("Path=/s/{id}")), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        assert_eq!(market.client.get(&file).header("cookie", cookie).send().await.unwrap().text().await.unwrap(), "la la la");
        assert_eq!(market.client.get(&file).send().await.unwrap().status(), 402);
        market.balances().await;
    }

    async fn concurrent_buyers_never_overdraw_and_pay_once_for_one_thing(backend: Backend) {
        let market = Market::open(&backend).await;
        let mut shares = Vec::new();
        for _ in 0..10 {
            shares.push(market.share(json!({"uri": GOODS, "price": 30})).await);
        }
        market.give("bob", 100).await;
        let codes: Vec<u64> = join_all(shares.iter().map(|id| market.buy("bob", id))).await.iter().map(code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 3, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == 40062).count(), 7, "{codes:?}");
        assert_eq!((market.credit("bob").await, market.credit(ADA).await), (10, 90));

        market.give("cy", 100).await;
        let made = join_all((0..10).map(|_| market.buy("cy", &shares[0]))).await;
        let trades: Vec<String> = made.iter().map(|made| text(&data(made.clone())["payment"]["trade_no"])).collect();
        assert!(trades.iter().all(|trade| *trade == trades[0]), "one payment, however often it is asked for");
        assert_eq!((market.credit("cy").await, market.count("purchase").await), (70, 4));
        market.balances().await;
    }

    async fn a_purchase_that_fails_half_way_leaves_no_trace(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "price": 20})).await;
        market.give("bob", 19).await;
        assert_eq!(code(&market.buy("bob", &id).await), 40062);
        market.balances().await;
        market.give("cy", 20).await;
        // The seller's purse is full: the buyer's is written by then.
        market.give(ADA, 1).await;
        market.set("UPDATE purse SET balance = 9007199254740991 WHERE account_id = $1", market.user(ADA).key.0).await;
        assert_eq!(code(&market.buy("cy", &id).await), 40001);
        for who in ["bob", "cy"] {
            assert_eq!(market.changes(who).await.len(), 1);
            assert_eq!(data(market.get(who, "/user/payments?page_size=10").await)["payments"], json!([]));
        }
        assert_eq!((market.credit("bob").await, market.credit("cy").await), (19, 20));
        assert_eq!((market.count("point_transfer").await, market.count("purchase").await), (3, 0));
    }

    async fn what_was_bought_outlives_another_price_and_ends_with_the_share(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "price": 20})).await;
        let song = format!("cloudreve://{id}@share/song.txt");
        market.give("bob", 100).await;
        data(market.buy("bob", &id).await);
        let edit = |price: Value| json!({"uri": GOODS, "price": price});
        for (price, then) in [(json!(90), 90), (Value::Null, 90), (json!(0), 0), (json!(5), 5)] {
            data(market.ask(ADA, Method::POST, &format!("/share/{id}"), edit(price)).await);
            assert_eq!(data(market.get("cy", &format!("/share/info/{id}")).await)["price"], then);
            assert_eq!(market.fetch("bob", &song, None).await.0, 0);
            assert_eq!(market.fetch("cy", &song, None).await.0, if then > 0 { 40083 } else { 0 });
        }
        assert_eq!(market.credit("bob").await, 80);
        let url = data(market.ask("bob", Method::POST, "/file/url", json!({"uris": [song]})).await)["urls"][0]["url"].clone();
        data(market.ask(ADA, Method::DELETE, &format!("/share/{id}"), json!({})).await);
        assert_eq!(market.fetch("bob", &song, None).await.0, 404);
        assert_eq!(market.client.get(text(&url)).send().await.unwrap().status(), 404);
        assert_eq!(market.count("purchase").await, 0);
        assert_eq!(data(market.get("bob", "/user/payments?page_size=10").await)["payments"].as_array().unwrap().len(), 1);
        market.balances().await;
    }

    async fn what_cannot_be_bought_is_refused_by_its_code_and_changes_nothing(backend: Backend) {
        let market = Market::open(&backend).await;
        let priced = market.share(json!({"uri": GOODS, "price": 20})).await;
        let free = market.share(json!({"uri": GOODS})).await;
        let locked = market.share(json!({"uri": GOODS, "price": 20, "is_private": true, "password": "Word1"})).await;
        market.give("bob", 100).await;
        let product = |product: Value| json!({"product": product, "quantity": 1});
        let of = |id: &str| json!({"type": 1, "share_link_id": id});
        let shop = data(market.get(NOBODY, "/site/config/vas").await);
        assert_eq!((&shop["point_enabled"], &shop["payment"]["providers"]), (&json!(true), &json!([])));
        let provider = "a840b559-001c-484f-bf4c-6c1f51edf041";
        for (who, body, expected) in [
            ("bob", json!({}), 40001),
            ("bob", json!({"product": of(&priced)}), 40001),
            ("bob", json!({"product": of(&priced), "quantity": 0}), 40001),
            ("bob", json!({"product": of(&priced), "quantity": -1}), 40001),
            ("bob", json!({"product": of(&priced), "quantity": 2}), 40001),
            ("bob", json!({"product": of(&priced), "quantity": i64::MAX}), 40001),
            ("bob", json!({"product": of(&priced), "quantity": 1, "provider_id": provider}), 40019),
            ("bob", product(json!({"type": 2, "sku_id": provider})), 40019),
            ("bob", product(json!({"type": 3, "sku_id": provider})), 40019),
            ("bob", product(json!({"type": 4})), 40019),
            ("bob", product(json!({"type": 9})), 40001),
            ("bob", product(json!({"type": 1})), 40001),
            ("bob", product(of("noSuchShare")), 404),
            ("bob", product(of(&free)), 40001),
            ("bob", product(of(&locked)), 40069),
            (NOBODY, product(of(&priced)), 401),
            ("cy", product(of(&priced)), 40062),
        ] {
            assert_eq!(code(&market.ask(who, Method::PUT, "/vas/payment", body.clone()).await), expected, "{who} {body}");
        }
        assert_eq!((market.credit("bob").await, market.count("payment").await), (100, 0));
        let own = data(market.buy(ADA, &priced).await);
        assert_eq!((&own["payment"]["price_unit"], market.credit(ADA).await), (&json!(0), 0), "free for its owner");
        data(market.buy(ADA, &priced).await);
        assert_eq!(market.count("payment").await, 1);
        let with_word = product(json!({"type": 1, "share_link_id": locked, "password": "Word1"}));
        data(market.ask("bob", Method::PUT, "/vas/payment", with_word).await);
        assert_eq!(market.fetch("bob", &format!("cloudreve://{locked}:Word1@share/song.txt"), None).await.0, 0);
        assert_eq!(market.fetch("bob", &format!("cloudreve://{locked}@share/song.txt"), None).await.0, 40069);
        for price in [json!(-1), json!(1_000_000_001), json!(i64::MAX), json!("5"), json!(1.5)] {
            let refused = market.ask(ADA, Method::PUT, "/share", json!({"uri": GOODS, "price": price})).await;
            assert_eq!(code(&refused), 40001, "{price}");
        }
        market.balances().await;
    }

    async fn a_gift_code_is_good_once_and_guesses_have_to_wait(backend: Backend) {
        let market = Market::open(&backend).await;
        let gift = market.code_of_points(70).await;
        let path = format!("/vas/giftcode/{gift}");
        assert_eq!(data(market.get(NOBODY, &path).await), json!({"name": "Points", "qyt": 70}));
        assert_eq!(code(&market.ask(NOBODY, Method::POST, &format!("{path}/redeem"), json!({})).await), 401);
        let both = join_all(["bob", "cy", "bob", "cy"].map(|who| {
            let path = format!("{path}/redeem");
            let market = &market;
            async move { code(&market.ask(who, Method::POST, &path, json!({})).await) }
        })).await;
        assert_eq!(both.iter().filter(|code| **code == 0).count(), 1, "{both:?}");
        assert_eq!(both.iter().filter(|code| **code == 40065).count(), 3, "{both:?}");
        assert_eq!(market.credit("bob").await + market.credit("cy").await, 70);
        assert_eq!(code(&market.get("bob", &path).await), 40065);
        market.balances().await;

        let codes = market.codes(PointsOrder::MakeCodes { good_for: GoodFor::Points(1), count: 2, expires_s: Some(60) }).await;
        market.set("UPDATE gift_code SET expires_ms = $1 WHERE redeemed_ms IS NULL", 1).await;
        let late = market.ask("dan", Method::POST, &format!("/vas/giftcode/{}/redeem", codes[0]), json!({})).await;
        assert!([40065, 403].contains(&code(&late)), "{late}");
        let still_good = market.code_of_points(5).await;
        let mut waits = false;
        for _ in 0..6 {
            let wrong = market.get("dan", "/vas/giftcode/d6695b49-1eca-4975-813f-0dafd90c1705").await;
            waits |= code(&wrong) == 403 && text(&wrong["msg"]).contains("Try again in");
        }
        assert!(waits, "guessing is as fast as ever");
        // Who knows a code need not wait for who guesses.
        assert_eq!(code(&market.ask("dan", Method::POST, &format!("/vas/giftcode/{still_good}/redeem"), json!({})).await), 0);
        assert_eq!(market.credit("dan").await, 5);
    }

    async fn a_guests_ticket_opens_its_share_in_calls_and_addresses_until_it_ends(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "price": 20})).await;
        let other = market.share(json!({"uri": GOODS, "price": 20})).await;
        let (root, song) = (format!("cloudreve://{id}@share"), format!("cloudreve://{id}@share/song.txt"));
        let gift = market.codes(PointsOrder::MakeCodes { good_for: GoodFor::Share(id.clone()), count: 2, expires_s: None }).await;
        assert_eq!(data(market.get(NOBODY, &format!("/vas/giftcode/{}", gift[0])).await), json!({"name": "goods", "qyt": 1}));
        let redeemed = market.ask(NOBODY, Method::POST, &format!("/vas/giftcode/{}/redeem", gift[0]), json!({})).await;
        let ticket = text(&data(redeemed)["ticket"]);
        data(market.ask("cy", Method::POST, &format!("/vas/giftcode/{}/redeem", gift[1]), json!({})).await);
        assert_eq!(market.fetch("cy", &song, None).await.0, 0, "a user has it by their account");
        assert_eq!(code(&market.buy("cy", &id).await), 0, "and owes nothing for it");
        let again = market.codes(PointsOrder::MakeCodes { good_for: GoodFor::Share(id.clone()), count: 1, expires_s: None }).await;
        let twice = market.ask("cy", Method::POST, &format!("/vas/giftcode/{}/redeem", again[0]), json!({})).await;
        assert_eq!(code(&twice), 403, "a code is not used up for nothing");
        assert_eq!(code(&market.get("cy", &format!("/vas/giftcode/{}", again[0])).await), 0);
        assert_eq!(market.credit("cy").await, 0);

        assert_eq!(market.fetch(NOBODY, &song, Some(&ticket)).await, (0, "la la la".into()));
        assert_eq!(market.archive(NOBODY, &root, Some(&ticket)).await, (0, 200));
        assert_eq!(market.fetch(NOBODY, &format!("cloudreve://{other}@share/song.txt"), Some(&ticket)).await.0, 40083);
        for wrong in ["", "x", &gift[0], &"x".repeat(5000)] {
            assert_eq!(market.fetch(NOBODY, &song, Some(wrong)).await.0, 40083, "{wrong:.9}");
        }

        let ticket = market.codes(PointsOrder::MakeTicket { share: id.clone(), expires_s: Some(3600) }).await.remove(0);
        let body = json!({"uris": [song], "download": true});
        let asked = market.send(NOBODY, Method::POST, "/file/url", Some(body), Some(&ticket)).await;
        let url = text(&data(envelope(asked).await)["urls"][0]["url"]);
        assert!(!url.contains(&ticket), "an address shows no ticket");
        assert_eq!(market.client.get(&url).send().await.unwrap().text().await.unwrap(), "la la la");
        market.set("UPDATE purchase SET expires_ms = $1 WHERE expires_ms IS NOT NULL", 1).await;
        assert_eq!(market.client.get(&url).send().await.unwrap().status(), 402);
        assert_eq!(market.fetch(NOBODY, &song, Some(&ticket)).await.0, 40083);
        let stored = market.server.app.db.read(|tx| {
            tx.all("SELECT ticket_hash FROM purchase WHERE ticket_hash IS NOT NULL", args![], |row| row.get::<Vec<u8>>(0))
        });
        assert!(stored.await.unwrap().iter().all(|hash| hash.len() == 32));
    }

    async fn lists_of_changes_and_payments_have_neither_gaps_nor_repeats(backend: Backend) {
        let market = Market::open(&backend).await;
        for points in 1..=25 {
            market.give("bob", points).await;
        }
        for (way, first) in [("asc", 1), ("desc", 25)] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let path = format!("/user/creditChanges?page_size=10&order_direction={way}&next_page_token={token}");
                let page = data(market.get("bob", &path).await);
                seen.extend(page["changes"].as_array().unwrap().iter().map(|change| change["diff"].as_i64().unwrap()));
                let Some(next) = page["pagination"]["next_token"].as_str() else { break };
                token = next.to_owned();
            }
            assert_eq!((seen.len(), seen[0], seen.iter().sum::<i64>()), (25, first, 325));
        }
        for token in ["x", "LTE", "MA", "%00", "4pyT"] {
            for list in ["creditChanges", "payments"] {
                let bad = market.get("bob", &format!("/user/{list}?page_size=10&next_page_token={token}")).await;
                assert_eq!(code(&bad), 40001, "{list} {token}");
            }
        }
        assert_eq!(code(&market.get(NOBODY, "/user/payments?page_size=10").await), 401);
    }

    async fn an_administrator_gives_and_takes_points_and_the_ledger_outlives_a_user(backend: Backend) {
        let market = Market::open(&backend).await;
        let give = |name: &str, points| PointsOrder::Give { name: name.to_owned(), points };
        let Reply::Done(said) = market.order(give("bob", 40)).await else { panic!() };
        assert!(said.contains("40 points"), "{said}");
        market.order(give("bob", -15)).await;
        assert_eq!(market.changes("bob").await, [("adjust".into(), 40), ("adjust".into(), -15)]);
        let app = market.server.app.clone();
        let refused = market.server.app.clone();
        assert!(purchases::adjust(&refused, market.user("bob").key, -26).await.is_err());
        let Reply::Points(lines) = market.order(PointsOrder::Held).await else { panic!() };
        assert_eq!(lines.iter().find(|line| line.user == "bob").unwrap().points, 25);
        openshelf::work::users::remove(&app, market.user("bob").key).await.unwrap();
        market.balances().await;
    }
}
