//! One share, seen from all doors at once.

use std::time::Instant;

use openshelf::library::Library;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::fixture::Fixture;
use crate::server::{ADMIN, ADMIN_MAIL, PATIENCE, Server};
use crate::strangers::{Answer, DESKS, DOORS, Desk, Door, Guest, Owner, Shareable, Wanted, contains, encoded, text};

const LIBRARY: &str = "Shelf";
const ALBUM: &str = "Music/The Band/First Album";
const SONG: &str = "01 Opening.flac";
const SECRET: &str = "s3cretWord";

struct Stage {
    fixture: Fixture,
    library: Library,
    server: Server,
    owner: Owner,
    _folder: TempDir,
}

impl Stage {
    async fn set(backend: &crate::engines::Backend) -> Stage {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture::build(folder.path());
        let server = Server::start(backend);
        let library = server.add_library(LIBRARY, &fixture.root);
        let owner = Owner::sign_in(&server, ADMIN).await;
        Stage { fixture, library, server, owner, _folder: folder }
    }

    async fn shareable(&self, path: &str) -> Shareable {
        Shareable::of(&self.server, &self.library, path).await
    }

    async fn wanted(&self, path: &str) -> Wanted {
        Wanted::of(&self.server, &self.library, &self.fixture.root, path).await
    }

    fn guest(&self, agent: &str) -> Guest {
        Guest::new(&self.server, agent)
    }
}

fn decoded(uri: &str) -> String {
    percent_encoding::percent_decode_str(uri).decode_utf8().unwrap().into_owned()
}

both_engines! {
    async fn one_share_lives_and_dies_at_every_door_at_once(backend: Backend) {
        let stage = Stage::set(&backend).await;
        for (turn, made_at) in DESKS.into_iter().enumerate() {
            let revoked_at = DESKS[(turn + 1) % DESKS.len()];
            Life::of(&stage, made_at).await.lived_until_revoked_at(revoked_at).await;
        }
    }
}

/// A shared album and all that is known of it.
struct Life<'a> {
    stage: &'a Stage,
    owner: &'a Owner,
    made_at: Desk,
    album: Shareable,
    song: Wanted,
    id: String,
}

impl<'a> Life<'a> {
    async fn of(stage: &'a Stage, made_at: Desk) -> Life<'a> {
        let (owner, album) = (&stage.owner, stage.shareable(ALBUM).await);
        let song = stage.wanted(&format!("{ALBUM}/{SONG}")).await;
        let id = owner.make(made_at, &album).await;
        assert!(id.len() == 22 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        Life { stage, owner, made_at, album, song, id }
    }

    async fn lived_until_revoked_at(&self, revoked_at: Desk) {
        self.opens_nothing_before_its_second_step().await;
        self.is_seen_at_every_door().await;
        self.opens_to_guests_at_every_door().await;
        self.is_locked_by_a_password_and_limited_across_doors().await;
        self.is_edited_in_poor_apis_without_losing_rich_terms().await;
        self.is_revoked(revoked_at).await;
    }

    fn guest(&self, agent: &str) -> Guest {
        self.stage.guest(agent)
    }

    async fn opens_nothing_before_its_second_step(&self) {
        if self.made_at != Desk::MyCloud {
            return;
        }
        for door in DOORS {
            let mut guest = self.guest("early");
            assert_eq!(guest.download(door, &self.id, &self.song).await, None, "{door:?}");
        }
        let page = self.guest("early").get(&format!("/s/{}", self.id)).await.text();
        assert!(!page.contains("Opening") && !page.contains("First Album"), "{page}");
        self.owner.permit(&self.id, &self.album.item.id).await;
    }

    async fn is_seen_at_every_door(&self) {
        let (id, owner) = (&self.id, self.owner);
        let in_music_apps = owner.subsonic_share(id).await.unwrap();
        assert_eq!(in_music_apps["url"], format!("{}/share/{id}", self.stage.server.url));
        assert_eq!(in_music_apps["username"], ADMIN);
        assert!(in_music_apps["created"].is_string() && in_music_apps["visitCount"].is_u64(), "{in_music_apps}");
        let tracks: Vec<&Value> =
            in_music_apps["entry"].as_array().unwrap().iter().map(|entry| &entry["title"]).collect();
        assert_eq!(tracks, ["Opening", "Middle", "Last"]);

        let in_drives = owner.cloudreve_share(id).await.unwrap();
        assert_eq!(in_drives["name"], "First Album");
        assert_eq!((&in_drives["source_type"], &in_drives["size"]), (&json!(1), &json!(0)));
        assert_eq!((&in_drives["unlocked"], &in_drives["expired"]), (&json!(true), &json!(false)));
        assert_eq!(in_drives["url"], format!("{}/s/{id}", self.stage.server.url));
        assert_eq!(in_drives["owner"]["id"], owner.cloudreve_id.as_str());
        assert!(in_drives["visited"].is_i64() && in_drives["created_at"].is_string(), "{in_drives}");
        for path in ["/api/v4/share/info", "/share/info"] {
            let told = owner.cloudreve(Method::GET, &format!("{path}/{id}?owner_extended=true"), None).await;
            let wanted = format!("cloudreve://{}@my/{LIBRARY}/{ALBUM}", owner.cloudreve_id);
            assert_eq!(decoded(&text(&told["source_uri"])), wanted);
            let envelope =
                self.guest("app").cloudreve(Method::GET, &format!("{path}/{id}?owner_extended=true"), None).await;
            let told = &envelope["data"];
            assert_eq!(
                (&told["id"], &told["name"], &told["unlocked"]),
                (&json!(id), &json!("First Album"), &json!(true))
            );
            assert_eq!(told["owner"]["nickname"], ADMIN);
            for private in ["source_uri", "password", "permission_setting", "share_view", "is_private"] {
                assert!(told.get(private).is_none(), "{private}: {told}");
            }
            assert!(!envelope.to_string().contains(ADMIN_MAIL), "{envelope}");
        }

        let listed = owner.mycloud_share(id).await.unwrap();
        for path in ["/shares/v1/shares", "/v1/shares"] {
            let envelope = self.guest("app").get(&format!("{path}/{id}")).await.json();
            let told = &envelope["data"];
            assert_eq!(envelope["error"], Value::Null);
            for field in ["shareId", "ownerId", "authId", "deviceId", "fileIds", "dateCreated", "url"] {
                assert_eq!(told[field], listed[field], "{field}");
            }
            assert_eq!(told["shareId"], id.as_str());
            assert_eq!((&told["ownerId"], &told["deviceId"]), (&json!(owner.mycloud_id), &json!(owner.device_id)));
            assert_eq!(told["fileIds"], json!([self.album.item.id]));
            assert_ne!(told["authId"], id.as_str());
            assert!(told["dateCreated"].is_i64() && told["lastModified"].is_i64(), "{told}");
            assert_eq!((&told["useCache"], &told["cacheUrl"]), (&json!(false), &json!("")));
            assert!(text(&told["url"]).ends_with(&format!("/action/share/{id}")), "{told}");
            assert!(text(&told["shareToken"]).split('.').count() == 3, "{told}");
            assert!(text(&told["device"]["network"]["proxyURL"]).ends_with(&owner.device_id), "{told}");
        }

        let on_the_command_line = owner.command_line_share(id).await.unwrap();
        assert_eq!((on_the_command_line.owner.as_str(), on_the_command_line.password), (ADMIN, None));

        let page = self.guest("browser").get(&format!("/s/{id}")).await.text();
        assert!(page.contains("First Album") && page.contains("Opening") && page.contains(ADMIN), "{page}");
        let desk = owner.page("/app/shares").await.text();
        assert!(desk.contains(&format!("/s/{id}")) && desk.contains(&format!("/app/shares/{id}")), "{desk}");
    }

    async fn opens_to_guests_at_every_door(&self) {
        for door in DOORS {
            let got = self.guest("guest").download(door, &self.id, &self.song).await;
            assert_eq!(got.as_deref(), Some(&self.song.content[..]), "{door:?}");
        }
        let link = format!("/action/share/{}", self.id);
        let by_curl = self.guest("curl/8.5.0").get(&link).await;
        assert_eq!(by_curl.header(header::CONTENT_TYPE), "application/zip");
        assert!(contains(&by_curl.body, &self.song.content), "the archive stores what it holds");
        let by_browser = self.guest("Mozilla/5.0").get(&link).await;
        assert_eq!(by_browser.status, StatusCode::SEE_OTHER);
        assert!(by_browser.header(header::LOCATION).ends_with(&format!("/s/{}", self.id)));
        self.owner.downloads_settle_at(&self.id, DOORS.len() as i64 + 1).await;
    }

    fn slug(&self) -> String {
        format!("evening-{:?}", self.made_at).to_lowercase()
    }

    /// All that the page's form can say, with a limit of downloads.
    async fn set_rich_terms(&self, download_limit: i64, mode: &str, password_is: &str) {
        let (slug, limit) = (self.slug(), download_limit.to_string());
        let fields = [
            ("title", "Quiet evening"),
            ("description", "for friends"),
            ("slug", &slug),
            ("password_is", password_is),
            ("password", SECRET),
            ("expires", "2199-01-31T18:00"),
            ("view_limit", "1000"),
            ("download_limit", &limit),
            ("rate", "2M"),
            ("mode", mode),
            ("downloads", "allowed"),
        ];
        self.owner.post(&format!("/app/shares/{}", self.id), &fields).await;
    }

    async fn is_locked_by_a_password_and_limited_across_doors(&self) {
        let old_token = self.guest("old").mycloud_token(&self.id).await.unwrap();
        let mut old_cookie = self.guest("old");
        old_cookie.visit(&self.id).await;
        let old_url = self.guest("old").drive_url(&self.id, SONG).await;
        let old_url = text(&old_url["data"]["urls"][0]["url"]);

        let counted = self.owner.downloads(&self.id).await;
        self.set_rich_terms(counted + DOORS.len() as i64 - 1, "read", "set").await;

        for id in [&self.id, &self.slug()] {
            self.tells_nothing_while_locked(id).await;
        }
        assert_ne!(old_cookie.page_file(&self.id, &self.song.item_id).await.status, StatusCode::OK);
        assert_ne!(old_cookie.mycloud_file(&old_token, &self.song.item_id).await.status, StatusCode::OK);
        assert_ne!(old_cookie.get(&old_url).await.status, StatusCode::OK);

        let wrong = self.guest("guest").knowing("wr0ng");
        assert_eq!(wrong.unlock(&self.id, "wr0ng").await.status, StatusCode::FORBIDDEN);
        assert_ne!(wrong.drive_url(&self.id, SONG).await["code"], 0);
        assert_eq!(wrong.mycloud_token(&self.id).await, None);

        let path = format!("/api/v4/share/info/{}?password={SECRET}", self.id);
        let told = self.guest("app").cloudreve(Method::GET, &path, None).await["data"].clone();
        assert_eq!((&told["unlocked"], &told["password_protected"]), (&json!(true), &json!(true)), "{told}");
        assert_eq!(told["remain_downloads"], DOORS.len() as i64 - 1);
        let by_address = self.guest("browser").get(&format!("/s/{}/{SECRET}", self.id)).await;
        assert_eq!(by_address.status, StatusCode::SEE_OTHER);
        assert!(!by_address.header(header::LOCATION).contains(SECRET));

        // One download at each door that takes a password, and none is left at any.
        for door in [Door::Page, Door::Cloudreve, Door::MyCloud] {
            let got = self.guest("friend").knowing(SECRET).download(door, &self.id, &self.song).await;
            assert_eq!(got.as_deref(), Some(&self.song.content[..]), "{door:?}");
        }
        for door in DOORS {
            assert_eq!(self.guest("late").knowing(SECRET).download(door, &self.id, &self.song).await, None, "{door:?}");
        }
        assert_eq!(self.guest("late").get(&format!("/s/{}", self.id)).await.status, StatusCode::NOT_FOUND);
        assert_eq!(self.owner.cloudreve_share(&self.id).await.unwrap()["remain_downloads"], 0);
        assert_eq!(self.owner.cloudreve_share(&self.id).await.unwrap()["expired"], true);
    }

    async fn tells_nothing_while_locked(&self, id: &str) {
        let guest = self.guest("stranger");
        let envelope = guest.cloudreve(Method::GET, &format!("/api/v4/share/info/{id}"), None).await;
        let told = &envelope["data"];
        assert_eq!((&envelope["code"], &told["unlocked"]), (&json!(0), &json!(false)), "{envelope}");
        assert_eq!(told["password_protected"], true);
        assert_eq!(told["owner"]["nickname"], ADMIN, "whose it is may be known");
        for hidden in ["expires", "password", "remain_downloads", "downloaded", "source_uri"] {
            assert!(told.get(hidden).is_none(), "{hidden}: {told}");
        }
        let page = guest.get(&format!("/s/{id}")).await;
        assert!(page.text().contains("type=\"password\""), "{}", page.text());
        let recipient = guest.mycloud_share(id).await;
        assert_eq!(recipient.status, StatusCode::UNAUTHORIZED, "{}", recipient.text());
        let listing = guest
            .cloudreve(Method::GET, &format!("/api/v4/file?uri={}", encoded(&format!("cloudreve://{id}@share"))), None)
            .await;
        assert_ne!(listing["code"], 0, "{listing}");
        let link = self.guest("curl/8.5.0").get(&format!("/action/share/{id}")).await;
        assert_ne!(link.status, StatusCode::OK);
        let file = guest.page_file(id, &self.song.item_id).await;
        assert_ne!(file.status, StatusCode::OK);
        let said =
            [&page, &recipient, &link, &file].map(Answer::text).concat() + &envelope.to_string() + &listing.to_string();
        for secret in ["Opening", "First Album", "Quiet evening", "for friends", SECRET, "2199"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
    }

    async fn is_edited_in_poor_apis_without_losing_rich_terms(&self) {
        let counted = self.owner.downloads(&self.id).await;
        self.set_rich_terms(counted + 50, "listen", "keep").await;
        let form = self.form().await;

        // A music app knows words and an end, and nothing else.
        self.owner.subsonic("updateShare", &[("id", &self.id), ("description", "new words")]).await;
        assert_eq!(self.form().await, form.replace("for friends", "new words"));
        let year_2100 = "4102444800000";
        self.owner.subsonic("updateShare", &[("id", &self.id), ("expires", year_2100)]).await;
        let form = form.replace("for friends", "new words").replace("2199-01-31T18:00", "2100-01-01T00:00");
        assert_eq!(self.form().await, form);
        assert_eq!(self.owner.cloudreve_share(&self.id).await.unwrap()["password"], SECRET);
        assert_eq!(self.owner.cloudreve_share(&self.id).await.unwrap()["remain_downloads"], 50);

        // A My Cloud Home app of ours may restrict it, and leaves the rest.
        let (path, body) = (format!("/shares/v1/shares/{}", self.id), json!({"metadata": {"colour": "red"}}));
        let patched = self.owner.mycloud(Method::PATCH, &path, Some(body)).await;
        assert_eq!(patched.status, StatusCode::OK, "{}", patched.text());
        assert_eq!(self.form().await, form);

        // A drive's edit says "none" of the two limits that it does not name, and cannot speak of the rest.
        let edit = json!({"uri": self.album.drive_uri, "is_private": false, "show_readme": true});
        let url = self.owner.cloudreve(Method::POST, &format!("/api/v4/share/{}", self.id), Some(edit)).await;
        assert_eq!(url, format!("{}/s/{}/{SECRET}", self.stage.server.url, self.id));
        let cleared = form
            .replace("value=\"2100-01-01T00:00\"", "value=\"\"")
            .replace(&format!("value=\"{}\"", counted + 50), "value=\"\"");
        assert_eq!(squeezed(&self.form().await), squeezed(&cleared));
        let told = self.owner.cloudreve_share(&self.id).await.unwrap();
        assert!(told.get("expires").is_none() && told.get("remain_downloads").is_none(), "{told}");
        assert_eq!((&told["password"], &told["show_readme"]), (&json!(SECRET), &json!(true)));
        let listed = self.owner.mycloud_share(&self.id).await.unwrap();
        assert_eq!(listed["metadata"], json!({"colour": "red"}));

        // The terms that no poor API can say still hold.
        let mut guest = self.guest("listener").knowing(SECRET);
        guest.visit(&self.slug()).await;
        assert_eq!(guest.page_file(&self.slug(), &self.song.item_id).await.status, StatusCode::FORBIDDEN);
        let played = guest.get(&format!("/s/{}/-/play/{}", self.slug(), self.song.item_id)).await;
        assert_eq!(played.whole().as_deref(), Some(&self.song.content[..]));
    }

    /// What the owner's form shows of the share's terms.
    async fn form(&self) -> String {
        let page = self.owner.page(&format!("/app/shares/{}", self.id)).await.text();
        let from = page.find("<form class=\"card\"").unwrap();
        let form = page[from..].split("</form>").next().unwrap().to_owned();
        assert!(
            form.contains("Quiet evening") && form.contains(&self.slug()) && form.contains("value=\"keep\""),
            "{form}"
        );
        form
    }

    async fn is_revoked(&self, at: Desk) {
        let mut guest = self.guest("last").knowing(SECRET);
        assert_eq!(guest.visit(&self.id).await.status, StatusCode::SEE_OTHER);
        assert_eq!(guest.get(&format!("/s/{}", self.id)).await.status, StatusCode::OK);
        let token = guest.mycloud_token(&self.id).await.unwrap();
        let play = format!("/s/{}/-/play/{}", self.id, self.song.item_id);
        assert_eq!(guest.get(&play).await.status, StatusCode::OK);

        self.owner.revoke(at, &self.id).await;

        assert_eq!(guest.get(&play).await.status, StatusCode::NOT_FOUND);
        assert_eq!(guest.mycloud_file(&token, &self.song.item_id).await.status, StatusCode::UNAUTHORIZED);
        for id in [&self.id, &self.slug()] {
            assert_eq!(guest.get(&format!("/s/{id}")).await.status, StatusCode::NOT_FOUND);
            assert_eq!(guest.mycloud_share(id).await.status, StatusCode::NOT_FOUND);
            assert_eq!(guest.cloudreve(Method::GET, &format!("/api/v4/share/info/{id}"), None).await["code"], 404);
            assert_eq!(
                self.guest("curl/8.5.0").get(&format!("/action/share/{id}")).await.status,
                StatusCode::NOT_FOUND
            );
            for door in DOORS {
                assert_eq!(self.guest("g").knowing(SECRET).download(door, id, &self.song).await, None, "{door:?}");
            }
        }
        assert_eq!(self.owner.subsonic_share(&self.id).await, None);
        assert_eq!(self.owner.cloudreve_share(&self.id).await, None);
        assert_eq!(self.owner.mycloud_share(&self.id).await, None);
        assert!(self.owner.command_line_share(&self.id).await.is_none());
        assert!(!self.owner.page("/app/shares").await.text().contains(&self.id));
        let again = self.owner.subsonic_as_it_is("deleteShare", &[("id", &self.id)]).await;
        assert_eq!(again["error"]["code"], 70);
        let taken = self.owner.page(&format!("/app/shares/{}", self.id)).await;
        assert_eq!(taken.status, StatusCode::NOT_FOUND, "an id is never another share's");
    }
}

/// Without the blanks that a missing attribute leaves.
fn squeezed(html: &str) -> String {
    html.split_whitespace().collect::<Vec<_>>().join(" ").replace(" >", ">")
}

// What outsiders cannot tell apart -------------------------------------------------------------------------------------

/// Everything of an answer that an outsider could compare, with the id in it made the same.
#[derive(Debug, PartialEq)]
struct Seen {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn of(answer: &Answer, id: &str) -> Seen {
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name != header::DATE)
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(id, "ID")))
            .collect();
        headers.sort();
        Seen { status: answer.status, headers, body: answer.text().replace(id, "ID") }
    }
}

/// All that a stranger with a link may try, at each door.
async fn everything_tried(guest: &Guest, id: &str, item_id: &str) -> Vec<(String, Seen)> {
    const CORRELATION: &str = "0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01";
    let mut seen = Vec::new();
    let plain = |path: String| (format!("GET {path}"), guest.request(Method::GET, &path));
    let uri = encoded(&format!("cloudreve://{id}@share"));
    let with_password = encoded(&format!("cloudreve://{id}:{SECRET}@share/{}", encoded(SONG)));
    let mut requests = vec![
        plain(format!("/s/{id}")),
        plain(format!("/s/{id}/")),
        plain(format!("/s/{id}?in={item_id}")),
        plain(format!("/s/{id}/{SECRET}")),
        plain(format!("/s/{id}/-/file/{item_id}")),
        plain(format!("/s/{id}/-/file/{item_id}?download=1")),
        plain(format!("/s/{id}/-/play/{item_id}")),
        plain(format!("/s/{id}/-/thumb/{item_id}")),
        plain(format!("/s/{id}/-/cover/{item_id}")),
        plain(format!("/s/{id}/-/zip")),
        plain(format!("/share/{id}")),
        plain(format!("/action/share/{id}")),
        plain(format!("/action/share/{id}?download=1")),
        plain(format!("/api/v4/share/info/{id}")),
        plain(format!("/share/info/{id}?password={SECRET}&count_views=true&owner_extended=true")),
        plain(format!("/api/v4/file?uri={uri}")),
        plain(format!("/api/v4/file/info?uri={with_password}")),
        plain(format!("/api/v4/file/thumb?uri={with_password}")),
        plain(format!("/shares/v1/shares/{id}")),
        plain(format!("/v1/shares/{id}")),
    ];
    for password in ["wr0ng", SECRET] {
        let unlock = guest.request(Method::POST, &format!("/s/{id}/-/unlock")).form(&[("password", password)]);
        requests.push((format!("unlock {password}"), unlock));
        let uris = json!({"uris": [format!("cloudreve://{id}:{password}@share/{}", encoded(SONG))]});
        let url = guest.request(Method::POST, "/api/v4/file/url").json(&uris);
        requests.push((format!("file/url {password}"), url));
        let recipient = guest.request(Method::GET, &format!("/v1/shares/{id}")).header("x-share-password", password);
        requests.push((format!("x-share-password {password}"), recipient));
    }
    let head = guest.request(Method::HEAD, &format!("/s/{id}/-/file/{item_id}"));
    requests.push((String::from("HEAD"), head));
    for (name, request) in requests {
        let answer = Answer::of(request.header("x-cr-correlation-id", CORRELATION)).await;
        assert!(answer.status.as_u16() < 500, "{name}: {}", answer.text());
        seen.push((name.replace(id, "ID"), Seen::of(&answer, id)));
    }
    seen
}

both_engines! {
    async fn unknown_expired_used_up_and_revoked_shares_look_alike_at_every_door(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let owner = &stage.owner;
        let album = stage.shareable(ALBUM).await;
        let song = stage.wanted(&format!("{ALBUM}/{SONG}")).await;
        let mut dead: Vec<(&str, String)> = Vec::new();
        for (name, password) in [("revoked", None), ("revoked with a password", Some(SECRET))] {
            let id = owner.make(Desk::Page, &album).await;
            if let Some(password) = password {
                lock(owner, &id, password, &[]).await;
            }
            owner.revoke(Desk::Cloudreve, &id).await;
            dead.push((name, id));
        }
        for (name, password) in [("used up", None), ("used up with a password", Some(SECRET))] {
            let id = owner.make(Desk::Page, &album).await;
            match password {
                Some(password) => lock(owner, &id, password, &[("download_limit", "1")]).await,
                None => drop(owner.post(&format!("/app/shares/{id}"), &[("download_limit", "1"), ("downloads", "allowed")]).await),
            }
            let mut guest = stage.guest("first");
            guest.password = password.map(str::to_owned);
            assert!(guest.download(Door::Page, &id, &song).await.is_some());
            dead.push((name, id));
        }
        let soon = (openshelf::now_ms() + 1000).to_string();
        for (name, password) in [("expired", None), ("expired with a password", Some(SECRET))] {
            let id = owner.make(Desk::Page, &album).await;
            if let Some(password) = password {
                lock(owner, &id, password, &[]).await;
            }
            owner.subsonic("updateShare", &[("id", &id), ("expires", &soon)]).await;
            dead.push((name, id));
        }
        let until = Instant::now() + PATIENCE;
        for (_, id) in &dead {
            while stage.guest("clock").get(&format!("/s/{id}")).await.status != StatusCode::NOT_FOUND {
                assert!(Instant::now() < until, "{dead:?}");
            }
        }
        // Each agent tries wrong passwords from an address of its own, so that the limiter speaks to none of them.
        let unknown = "unknownUnknownUnknown1";
        for agent in ["Mozilla/5.0", "curl/8.5.0", "facebookexternalhit/1.1"] {
            let expected = everything_tried(&stage.guest(agent).at([127, 0, 0, 2]), unknown, &song.item_id).await;
            for (number, (state, id)) in dead.iter().enumerate() {
                let guest = stage.guest(agent).at([127, 0, 1, number as u8 + 1]);
                let seen = everything_tried(&guest, id, &song.item_id).await;
                for (seen, expected) in seen.iter().zip(&expected) {
                    assert_eq!(seen, expected, "{state}, {agent}");
                }
            }
        }
    }
}

async fn lock(owner: &Owner, id: &str, password: &str, more: &[(&str, &str)]) {
    let mut fields = vec![("password_is", "set"), ("password", password), ("downloads", "allowed")];
    fields.extend(more);
    owner.post(&format!("/app/shares/{id}"), &fields).await;
}
