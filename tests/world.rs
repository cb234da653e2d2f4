//! One server with something to hide: what the tests of all doors ask for, and what must not come out.
//!
//! Ann owns everything that is private and lies in her home. Bob has an account like hers, the admin manages accounts.
//! Whatever is hers has a canary in it: a word that stands nowhere else.

pub mod ask;
pub mod samples;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lofty::tag::ItemKey as TagKey;
use md5::{Digest, Md5};
use openshelf::account::signing::{SigningKey, new_pair};
use openshelf::account::token::{Keys, Purpose, random_base62, random_bytes};
use openshelf::account::{Allowed, Role, Roles, User, UserKey};
use openshelf::config::Switch;
use openshelf::library::Item;
use openshelf::share::{Audience, Change, Door, Mode, Share, Shared, Wish};
use openshelf::store::{Tx, library};
use openshelf::work::dav_accounts::{self, Terms};
use openshelf::work::{sharing, signin};
use openshelf::{args, now_ms};
use serde_json::{Value, json};

use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::server::{ADMIN, PASSWORD, Server};
use ask::{Answer, Ask, Client, encode};

/// A word that only its owner may read, and what it is.
#[derive(Debug, Clone)]
pub struct Canary {
    pub what: String,
    pub word: String,
}

/// Ids and names that requests are made of.
#[derive(Debug, Clone, Default)]
pub struct Things {
    pub ann: String,
    pub device: String,
    pub folder: String,
    pub folder_name: String,
    pub file: String,
    pub file_name: String,
    pub song: String,
    pub song_name: String,
    pub image: String,
    pub image_name: String,
    pub album: String,
    pub artist: String,
    pub playlist: String,
    pub genre: String,
    /// A share of Ann's that is open, but hers alone to list and to change.
    pub share: String,
    pub auth_id: String,
    pub key: String,
    pub upload: String,
    pub link: String,
}

/// A share that must not open, or an id that names none.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub name: &'static str,
    pub share: String,
    /// What whoever holds the link may know all the same.
    pub allowed: Vec<String>,
    /// The page's cookie, My Cloud Home's token and Cloudreve's signed address, of the time when it was open.
    pub cookie: Option<String>,
    pub token: Option<String>,
    pub signed: Option<String>,
    /// Whether outsiders cannot tell it from a share that never was.
    pub is_gone: bool,
}

/// What one user's sign-ins at each door gave.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    pub name: String,
    pub password: String,
    pub page: String,
    pub api_key: String,
    pub cloudreve: String,
    pub cloudreve_refresh: String,
    pub mycloud: String,
    pub mycloud_refresh: String,
}

pub struct World {
    pub server: Server,
    pub backend: Backend,
    pub client: Client,
    pub ann: User,
    pub things: Things,
    pub canaries: Vec<Canary>,
    /// Passwords, tokens and share ids that must not stand in a log.
    pub secrets: Vec<Canary>,
    pub targets: Vec<Target>,
    /// A share for anyone, of the folder `pub`; beside it lie `pub-secret` and `public`.
    pub open: Target,
    /// A share for anyone of one file in `pub`.
    pub single: Target,
    pub anns: Pass,
    pub bobs: Pass,
    pub admins: Pass,
    /// Sign-ins of Ann's that she ended, and a key that she revoked.
    pub ended: Pass,
    /// Passwords of app accounts: Ann's and Bob's, and one that Ann removed.
    pub anns_app: String,
    pub bobs_app: String,
    pub ended_app: String,
    pub home: PathBuf,
}

pub const OPEN_BYTES: &str = "these bytes are for anyone";
pub const SINGLE_BYTES: &str = "this one file is for anyone";
const OLD_PASSWORD: &str = "oldShareWord7";

/// Requests come from addresses of their own, so that the limiter of one password check does not answer for the next.
pub fn an_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, a, b, c] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

struct Planter {
    canaries: Vec<Canary>,
}

impl Planter {
    /// A word to hide. Letters and digits only, so that no face writes it in another way.
    fn word(&mut self, what: &str) -> String {
        let word = format!("Canary{}", random_base62(12));
        self.keep(what, &word);
        word
    }

    fn keep(&mut self, what: &str, word: &str) {
        self.canaries.push(Canary { what: what.to_owned(), word: word.to_owned() });
    }
}

impl World {
    pub async fn build() -> World {
        let backend = Backend::sqlite();
        let server = tokio::task::block_in_place(|| {
            Server::start_with(&backend, |given| {
                given.trusted_proxies = vec!["127.0.0.1".to_owned()];
                given.full_text = Some(Switch::On);
            })
        });
        let mut plant = Planter { canaries: Vec::new() };
        let mail = format!("{}@example.org", plant.word("mail address").to_lowercase());
        plant.keep("mail address", &mail);
        let (ann, bob) = {
            let app = server.app.clone();
            let mail = mail.clone();
            let ann = tokio::spawn(async move {
                let allowed = Allowed::of(Roles::USER.with(Role::Fetch));
                signin::add_user(&app, "ann", &mail, &password_of("ann"), allowed).await.unwrap()
            });
            (ann.await.unwrap(), tokio::task::block_in_place(|| server.add_user("bob")))
        };

        let key = ann.key;
        let home = server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap();
        let names = lay_out(&home.root, &mut plant);
        tokio::task::block_in_place(|| server.scan(&home));

        let client = Client::new(&server.url);
        let mut world = World {
            home: home.root.clone(),
            server,
            backend,
            client,
            things: Things { ann: ann.id.clone(), ..names },
            ann,
            canaries: plant.canaries,
            secrets: Vec::new(),
            targets: Vec::new(),
            open: Target::default(),
            single: Target::default(),
            anns: Pass::default(),
            bobs: Pass::default(),
            admins: Pass::default(),
            ended: Pass::default(),
            anns_app: String::new(),
            bobs_app: String::new(),
            ended_app: String::new(),
        };
        world.find_ids().await;
        world.anns = world.sign_in("ann", &password_of("ann")).await;
        world.bobs = world.sign_in(&bob.name, PASSWORD).await;
        world.admins = world.sign_in(ADMIN, PASSWORD).await;
        world.ended = world.sign_in("ann", &password_of("ann")).await;
        world.end(world.ended.clone()).await;
        world.make_app_accounts(bob.key).await;
        world.make_shares().await;
        world.make_the_rest().await;
        world.list_secrets();
        world
    }

    fn plant(&mut self, what: &str, word: &str) {
        self.canaries.push(Canary { what: what.to_owned(), word: word.to_owned() });
    }

    fn new_word(&mut self, what: &str) -> String {
        let word = format!("Canary{}", random_base62(12));
        self.plant(what, &word);
        word
    }

    async fn find_ids(&mut self) {
        let (owner, names) = (self.ann.key, self.things.clone());
        let found = self.server.app.db.read(move |tx| {
            let mut things = names;
            things.folder = at(tx, owner, &[&things.folder_name])?.id;
            for (id, name) in [
                (&mut things.file, &things.file_name),
                (&mut things.song, &things.song_name),
                (&mut things.image, &things.image_name),
            ] {
                *id = at(tx, owner, &[&things.folder_name, name])?.id;
            }
            things.album = tx.one("SELECT public_id FROM album", args![], |row| row.get(0))?;
            things.artist = tx.one("SELECT public_id FROM artist ORDER BY id LIMIT 1", args![], |row| row.get(0))?;
            Ok(things)
        });
        self.things = found.await.unwrap();
        let things = self.things.clone();
        for (what, id) in [
            ("id of a folder", &things.folder),
            ("id of a file", &things.file),
            ("id of a track", &things.song),
            ("id of an image", &things.image),
            ("id of an album", &things.album),
            ("id of an artist", &things.artist),
        ] {
            self.plant(what, id);
        }
    }

    // Signing in ------------------------------------------------------------------------------------------------------

    async fn sign_in(&mut self, name: &str, password: &str) -> Pass {
        let form = Ask::post("/app/sign-in").form(&[("user", name), ("password", password)]);
        let page = cookie_of(&self.client.send(&form).await, "openshelf-session");
        let signed = self
            .client
            .send(&Ask::post("/api/v4/session/token").json(json!({"email": name, "password": password})))
            .await;
        let cloudreve = signed.json()["data"]["token"].clone();
        let grant = json!({"grant_type": "password", "username": name, "password": password});
        let mycloud = self.client.send(&Ask::post("/authrouter/oauth/token").json(grant)).await.json();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{name} cannot sign in")).to_owned();
        let app = self.server.app.clone();
        let login = name.to_owned();
        let api_key = tokio::spawn(async move {
            let user = app.db.read(move |tx| openshelf::store::accounts::by_login(tx, &login)).await.unwrap().unwrap();
            signin::add_api_key(&app, user.key, "test").await.unwrap()
        });
        let api_key = api_key.await.unwrap();
        if name == "ann" {
            self.things.key = api_key.id.clone();
            self.plant("id of an API key", &api_key.id);
            self.plant("API key", &api_key.key);
        }
        Pass {
            name: name.to_owned(),
            password: password.to_owned(),
            page,
            api_key: api_key.key,
            cloudreve: text(&cloudreve["access_token"]),
            cloudreve_refresh: text(&cloudreve["refresh_token"]),
            mycloud: text(&mycloud["access_token"]),
            mycloud_refresh: text(&mycloud["refresh_token"]),
        }
    }

    async fn make_app_accounts(&mut self, bob: UserKey) {
        let terms = Terms {
            name: self.new_word("name of an app account"),
            root: Vec::new(),
            read_only: false,
            proxy: false,
            no_system_files: false,
        };
        let (app, ann) = (self.server.app.clone(), self.ann.key);
        let anns = dav_accounts::add(&app, ann, terms.clone()).await.unwrap();
        let ended = dav_accounts::add(&app, ann, terms.clone()).await.unwrap();
        dav_accounts::remove(&app, ann, &ended.id).await.unwrap();
        let name = "an app of Bob's".to_owned();
        let bobs = dav_accounts::add(&app, bob, Terms { name, ..terms }).await.unwrap();
        self.plant("id of an app account", &anns.id);
        self.plant("password of an app account", &anns.password);
        (self.anns_app, self.bobs_app, self.ended_app) = (anns.password, bobs.password, ended.password);
    }

    async fn end(&mut self, pass: Pass) {
        let out = Ask::post("/app/sign-out").form(&[]).header("cookie", &format!("openshelf-session={}", pass.page));
        assert!(self.client.send(&out).await.status < 400);
        let out = Ask::new("DELETE", "/api/v4/session/token").json(json!({"refresh_token": pass.cloudreve_refresh}));
        assert_eq!(self.client.send(&out).await.json()["code"], 0);
        // My Cloud Home has no call for it: the session ends as it does when a user is signed out everywhere.
        let session = claims_of(&pass.mycloud)["sid"].as_str().unwrap().to_owned();
        signin::end_session(&self.server.app, &session).await.unwrap();
        let (owner, id) = (self.ann.key, self.things.key.clone());
        signin::remove_api_key(&self.server.app, owner, &id).await.unwrap();
        let left = signin::api_keys(&self.server.app, owner).await.unwrap();
        self.things.key = left.into_iter().find(|key| key.key == self.anns.api_key).expect("her other key stays").id;
    }

    // Shares ----------------------------------------------------------------------------------------------------------

    async fn share(&self, door: Door, path: &[&str], wish: Wish) -> Share {
        let (app, owner) = (self.server.app.clone(), self.ann.clone());
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        let made = tokio::spawn(async move {
            let key = owner.key;
            let item =
                app.db.read(move |tx| at(tx, key, &path.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap();
            sharing::create(&app, &owner, door, vec![Shared::Item(item.key)], wish).await.unwrap()
        });
        made.await.unwrap()
    }

    async fn private(&mut self, name: &'static str, wish: Wish) -> Target {
        let title = self.new_word(&format!("title of a share that is {name}"));
        let description = self.new_word(&format!("description of a share that is {name}"));
        let slug = format!("canary-{}", random_base62(12).to_lowercase());
        self.plant("slug of a share", &slug);
        let folder = self.things.folder_name.clone();
        let wish = Wish { title: Some(title), description: Some(description), slug: Change::Set(slug), ..wish };
        let share = self.share(Door::Page, &[&folder], wish).await;
        self.plant("id of a share", &share.id);
        self.plant("authId of a share", &share.auth_id);
        Target { name, share: share.id, ..Target::default() }
    }

    async fn make_shares(&mut self) {
        self.open = self.opened("open", &["pub"], "open.txt").await;
        self.single = self.opened("single", &["pub", "single.txt"], "single.txt").await;

        let password = self.new_word("password of a share");
        let with_password = |word: &str| Wish { password: Change::Set(word.to_owned()), ..Wish::default() };
        let mut locked = self.private("locked", with_password(OLD_PASSWORD)).await;
        self.collect(&mut locked, Some(OLD_PASSWORD)).await;
        self.edit(&locked.share, with_password(&password)).await;

        let mut revoked = self.private("revoked", Wish::default()).await;
        self.collect(&mut revoked, None).await;
        let (app, owner, id) = (self.server.app.clone(), self.ann.key, revoked.share.clone());
        sharing::revoke(&app, owner, &id).await.unwrap();

        let soon = now_ms() + 3_600_000;
        let mut expired =
            self.private("expired", Wish { expires_ms: Change::Set(soon), ..with_password(OLD_PASSWORD) }).await;
        self.collect(&mut expired, Some(OLD_PASSWORD)).await;
        self.set("expires_ms", &expired.share, now_ms() - 1000).await;

        let mut used_up = self.private("used up", Wish { download_limit: Change::Set(1), ..Wish::default() }).await;
        self.collect(&mut used_up, None).await;
        // The address was a download reserved: its visitor may go on.
        used_up.signed = None;
        self.set("downloads", &used_up.share, 1).await;

        let viewed = Wish { view_limit: Change::Set(3), ..Wish::default() };
        let viewed_out = self.private("viewed out", viewed).await;
        self.set("views", &viewed_out.share, 3).await;

        let not_yet = self.private("not yet", Wish { not_before_ms: Change::Set(soon), ..Wish::default() }).await;
        for mut gone in [revoked, expired, used_up, viewed_out, not_yet] {
            gone.is_gone = true;
            self.targets.push(gone);
        }

        let listed = Wish { audience: Some(Audience::Listed), permissions: Some(Vec::new()), ..Wish::default() };
        let listed = self.private("for others", listed).await;
        let folder = self.things.folder_name.clone();
        let two_step = self.share(Door::MyCloud, &[&folder], Wish::default()).await;
        let unknown = Target { name: "unknown", share: random_base62(22), is_gone: true, ..Target::default() };
        // Whose files a holder may ask for is what the maker's own contract tells before it grants them.
        let allowed = vec![self.things.folder.clone(), two_step.auth_id];
        let two_step = Target { name: "not granted yet", share: two_step.id, allowed, ..Target::default() };
        self.targets.extend([locked, listed, two_step, unknown]);

        // It takes files from whoever comes, tells its title, and shows nothing of what is in it.
        let drop_box = Wish { mode: Some(Mode::Drop), ..Wish::default() };
        let mut drop_box = self.private("a drop box", drop_box).await;
        let id = drop_box.share.clone();
        let made = self.server.app.db.read(move |tx| openshelf::store::shares::by_id(tx, &id)).await.unwrap().unwrap();
        drop_box.allowed = vec![made.title, made.description];
        self.targets.push(drop_box);

        let own = self.private("Ann's own", with_password(&password)).await;
        let id = own.share.clone();
        self.things.share = own.share;
        let found = self.server.app.db.read(move |tx| openshelf::store::shares::by_id(tx, &id)).await.unwrap().unwrap();
        self.things.auth_id = found.auth_id;
    }

    async fn opened(&mut self, name: &'static str, path: &[&str], file: &str) -> Target {
        let share = self.share(Door::Page, path, Wish::default()).await;
        let mut target = Target { name, share: share.id.clone(), ..Target::default() };
        target.cookie = Some(self.visit_cookie(&target.share, None).await);
        target.token = Some(self.share_token(&target.share, None).await);
        target.signed = Some(self.signed_address(&format!("cloudreve://{}@share/{file}", share.id)).await);
        target
    }

    /// What a visitor of a share that is still open carries away.
    async fn collect(&self, target: &mut Target, password: Option<&str>) {
        target.cookie = Some(self.visit_cookie(&target.share, password).await);
        target.token = Some(self.share_token(&target.share, password).await);
        let user = password.map(|word| format!(":{word}")).unwrap_or_default();
        let uri = format!("cloudreve://{}{user}@share/{}", target.share, self.things.file_name);
        target.signed = Some(self.signed_address(&uri).await);
    }

    async fn visit_cookie(&self, share: &str, password: Option<&str>) -> String {
        let ask = match password {
            None => Ask::get(&format!("/s/{share}")),
            Some(word) => Ask::post(&format!("/s/{share}/-/unlock")).form(&[("password", word)]),
        };
        cookie_of(&self.client.send(&ask).await, "openshelf-visit")
    }

    async fn share_token(&self, share: &str, password: Option<&str>) -> String {
        let ask = Ask::get(&format!("/shares/v1/shares/{share}"));
        let ask = match password {
            None => ask,
            Some(word) => ask.header("x-share-password", word),
        };
        let answer = self.client.send(&ask).await;
        answer.json()["data"]["shareToken"].as_str().unwrap_or_else(|| panic!("no token: {}", answer.text())).to_owned()
    }

    /// Path and query of an address that Cloudreve's door signed.
    async fn signed_address(&self, uri: &str) -> String {
        let answer =
            self.client.send(&Ask::post("/api/v4/file/url").json(json!({"uris": [uri], "download": true}))).await;
        let answer = answer.json();
        let url = answer["data"]["urls"][0]["url"].as_str().unwrap_or_else(|| panic!("no address: {answer}"));
        url.strip_prefix(&self.server.url).unwrap_or(url).to_owned()
    }

    async fn edit(&self, share: &str, wish: Wish) {
        let (app, owner, id) = (self.server.app.clone(), self.ann.key, share.to_owned());
        tokio::spawn(async move { sharing::edit(&app, owner, &id, wish).await.unwrap() }).await.unwrap();
    }

    /// Brings a share to where time or visitors would have brought it.
    async fn set(&self, column: &'static str, share: &str, value: i64) {
        let id = share.to_owned();
        let sql = format!("UPDATE share SET {column} = $1 WHERE public_id = $2");
        let changed = self.server.app.db.write(move |tx| tx.run(&sql, args![value, id])).await.unwrap();
        assert_eq!(changed, 1);
    }

    async fn make_the_rest(&mut self) {
        let name = self.new_word("name of a playlist");
        let song = self.things.song.clone();
        let ask = self
            .as_ann("subsonic", Ask::get("/rest/createPlaylist").q("name", &name).q("songId", &song).q("f", "json"));
        self.client.send(&ask).await;
        let playlist =
            self.server.app.db.read(|tx| tx.one("SELECT public_id FROM playlist", args![], |row| row.get(0)));
        self.things.playlist = playlist.await.unwrap();
        self.plant("id of a playlist", &self.things.playlist.clone());

        let device = self.server.app.db.read(|tx| openshelf::store::settings::get(tx, "mycloud-device")).await.unwrap();
        self.things.device = device.expect("a token was asked for");

        let name = self.new_word("name of an upload");
        let uri = format!("cloudreve://my/{name}");
        let begun =
            self.as_ann("cloudreve", Ask::new("PUT", "/api/v4/file/upload").json(json!({"uri": uri, "size": 10})));
        let begun = self.client.send(&begun).await.json();
        self.things.upload =
            begun["data"]["session_id"].as_str().unwrap_or_else(|| panic!("no upload: {begun}")).to_owned();
        self.plant("id of an upload", &self.things.upload.clone());

        let uri = format!("cloudreve://my/{}/{}", self.things.folder_name, self.things.file_name);
        let linked = self.as_ann("cloudreve", Ask::new("PUT", "/api/v4/file/source").json(json!({"uris": [uri]})));
        let linked = self.client.send(&linked).await.json();
        let link = linked["data"][0]["link"].as_str().unwrap_or_else(|| panic!("no link: {linked}"));
        let id = link.split("/f/").nth(1).unwrap().split('/').find(|part| part.len() > 1).unwrap().to_owned();
        self.things.link = id.clone();
        let deleted = self.as_ann("cloudreve", Ask::new("DELETE", &format!("/api/v4/file/source/{id}")));
        assert_eq!(self.client.send(&deleted).await.json()["code"], 0, "a direct link can be taken back");
    }

    fn list_secrets(&mut self) {
        let mut secrets = BTreeMap::new();
        for pass in [&self.anns, &self.bobs, &self.admins, &self.ended] {
            secrets.insert(pass.password.clone(), "password of an account");
            secrets.insert(pass.page.clone(), "cookie of the pages");
            secrets.insert(pass.page.split('.').nth(1).unwrap().to_owned(), "secret of a session");
            secrets.insert(pass.api_key.clone(), "API key");
            for token in [&pass.cloudreve, &pass.cloudreve_refresh, &pass.mycloud, &pass.mycloud_refresh] {
                secrets.insert(token.clone(), "token of a user");
                secrets.insert(token.rsplit('.').next().unwrap().to_owned(), "signature of a token");
            }
        }
        let open = [&self.open, &self.single];
        for target in self.targets.iter().chain(open) {
            secrets.insert(target.share.clone(), "id of a share");
            secrets.extend(target.cookie.clone().map(|cookie| (cookie, "cookie of a share")));
            secrets.extend(target.token.clone().map(|token| (token, "token of a share")));
            let sign = target.signed.as_ref().and_then(|url| url.split("sign=").nth(1));
            secrets.extend(sign.map(|sign| (sign.to_owned(), "signed address")));
        }
        secrets.insert(OLD_PASSWORD.to_owned(), "password of a share");
        for password in [&self.anns_app, &self.bobs_app, &self.ended_app] {
            secrets.insert(password.clone(), "password of an app account");
        }
        secrets.insert(self.things.share.clone(), "id of a share");
        self.secrets = secrets.into_iter().map(|(word, what)| Canary { what: what.to_owned(), word }).collect();
        let passwords =
            self.canaries.iter().filter(|canary| canary.what == "password of a share" || canary.what == "API key");
        self.secrets.extend(passwords.cloned());
    }

    // Right credentials -----------------------------------------------------------------------------------------------

    pub fn as_ann(&self, face: &str, ask: Ask) -> Ask {
        signed_in(face, ask, &self.anns)
    }

    /// A token with other claims, signed with this server's own key.
    pub fn resigned(&self, token: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims_of(token);
        change(&mut claims);
        match is_checkable(token) {
            true => self.server.app.signing.jwt(&claims),
            false => self.server.app.keys.jwt(Purpose::Token, &claims),
        }
    }
}

pub fn password_of(name: &str) -> String {
    format!("CanaryPasswordOf{name}")
}

/// With the credentials that this face takes.
pub fn signed_in(face: &str, ask: Ask, pass: &Pass) -> Ask {
    match face {
        "subsonic" => ask.q("u", &pass.name).q("p", &pass.password),
        "cloudreve" => ask.header("authorization", &format!("Bearer {}", pass.cloudreve)),
        "mycloud" => ask.header("authorization", &format!("Bearer {}", pass.mycloud)),
        "webdav" => ask.header("authorization", &basic(&pass.name, &pass.password)),
        _ => ask.header("cookie", &format!("openshelf-session={}", pass.page)),
    }
}

/// `Authorization` by name and password.
pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

pub fn claims_of(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a token has three parts")).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// The same claims, signed by another installation.
pub fn foreign(token: &str) -> String {
    let claims = claims_of(token);
    if is_checkable(token) {
        return SigningKey::parse(&new_pair()).unwrap().jwt(&claims);
    }
    let keys = Keys::parse(&URL_SAFE_NO_PAD.encode(random_bytes::<32>())).unwrap();
    keys.jwt(Purpose::Token, &claims)
}

/// Whether it is one of those that others may check by the published keys.
fn is_checkable(token: &str) -> bool {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    String::from_utf8(head).unwrap().contains("ES256")
}

/// The same claims, signed by nobody.
pub fn unsigned(token: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    format!("{head}.{}.", token.split('.').nth(1).unwrap())
}

/// OpenSubsonic's `t` of a password and a salt.
pub fn subsonic_token(password: &str, salt: &str) -> String {
    Md5::digest(format!("{password}{salt}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn cookie_of(answer: &Answer, name: &str) -> String {
    let cookies = answer.headers.iter().filter(|(key, _)| key == "set-cookie");
    let value = cookies.filter_map(|(_, value)| value.strip_prefix(&format!("{name}="))).next();
    let value = value.unwrap_or_else(|| panic!("{} sets no {name}", answer.status));
    value.split(';').next().unwrap().to_owned()
}

fn at(tx: &mut Tx, owner: UserKey, path: &[&str]) -> openshelf::error::Result<Item> {
    let home = library::home_of(tx, owner)?.unwrap();
    let mut item = library::root_item(tx, home.key)?;
    for name in path {
        item = library::child_shown(tx, item.key, name)?.unwrap_or_else(|| panic!("{name} is not there"));
    }
    Ok(item)
}

/// Ann's home. Returns the names in it.
fn lay_out(home: &Path, plant: &mut Planter) -> Things {
    let things = Things {
        folder_name: plant.word("name of a folder"),
        file_name: format!("{}.txt", plant.word("name of a file")),
        song_name: format!("{}.flac", plant.word("name of a track's file")),
        image_name: format!("{}.png", plant.word("name of an image")),
        ..Things::default()
    };
    let fixture = Fixture { root: home.to_owned() };
    let private = |name: &str| format!("{}/{name}", things.folder_name);
    fixture.write(&private(&things.file_name), plant.word("bytes of a file").as_bytes());
    let tags = [
        (TagKey::TrackTitle, plant.word("title of a track")),
        (TagKey::AlbumTitle, plant.word("title of an album")),
        (TagKey::TrackArtist, plant.word("name of an artist")),
        (TagKey::Genre, plant.word("name of a genre")),
        (TagKey::Comment, plant.word("comment of a track")),
        (TagKey::Lyrics, plant.word("lyrics")),
    ];
    let genre = tags[3].1.clone();
    let tags: Vec<_> = tags.iter().map(|(key, value)| (*key, value.as_str())).collect();
    fixture.song(&private(&things.song_name), &tags);
    fixture.write(&private(&things.image_name), &crate::fixture::png());
    fixture.write(&private(&format!("{}/deep.txt", plant.word("name of a folder in the folder"))), b"deep");
    fixture.write("pub/open.txt", OPEN_BYTES.as_bytes());
    fixture.write("pub/single.txt", SINGLE_BYTES.as_bytes());
    fixture.write("pub/inner/below.txt", b"below");
    for sibling in ["pub-secret", "public", "pub2"] {
        fixture.write(
            &format!("{sibling}/{}.txt", plant.word("name of a file beside the share")),
            plant.word("bytes beside the share").as_bytes(),
        );
    }
    fs::create_dir_all(home.join("empty")).unwrap();
    Things { genre, ..things }
}

/// As one component of a path.
pub fn part(text: &str) -> String {
    encode(text.as_bytes())
}
