//! The command line, as the built program in an empty home; backups on both engines.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;

use openshelf::App;
use openshelf::cli::backup;
use openshelf::cli::order::{self, DiskPath, Order, Reply};
use openshelf::config::{Config, Given};
use openshelf::share::visit::Visitor;
use openshelf::share::{Change, Door, Shared, Wish};
use openshelf::store::backup::{DERIVED, TABLES, dump, tables};
use openshelf::store::{Database, Db, accounts, library, points};
use openshelf::work::{libraries, purchases, sharing, signin};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, PASSWORD, Server};

const FIRST_PASSWORD: &str = "Correct-Horse_7";

/// An empty home, with a data folder in it that is yet to be made.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Home {
        Home { folder: TempDir::new().unwrap() }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn file(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, below).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshelf"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("OPENSHELF_DATA", self.path("data"))
            .env("OPENSHELF_LISTEN", "127.0.0.1:0")
            .env("OPENSHELF_ADMIN_PASSWORD", FIRST_PASSWORD)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one line with which a command fails.
    fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("openshelf: ") && said.lines().count() == 1, "{said}");
        said
    }

    fn set_password(&self, name: &str, password: &str) {
        let mut child = self.command(&["user", "password", name, "--stdin"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// A command that serves; killed when dropped.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(home: &Home, arguments: &[&str]) -> Running {
        let mut child = home.command(arguments).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    /// `openshelf serve`, ready, and its address.
    fn serve(home: &Home, folders: &[&str]) -> (Running, String) {
        let mut running = Running::start(home, &[&["serve"], folders].concat());
        let ready = running.line("ready");
        let url = ready.strip_prefix("Openshelf is ready on ").expect("the ready line").to_owned();
        (running, url)
    }

    /// The next line that holds `what`; the end of the output is a failure.
    fn line(&mut self, what: &str) -> String {
        self.lines.find_map(|line| line.ok().filter(|line| line.contains(what))).expect(what)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code after SIGTERM.
    fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn status(url: &str) -> u16 {
    let client = crate::server::http().build().unwrap();
    client.get(url).send().await.unwrap().status().as_u16()
}

async fn signs_in(url: &str, password: &str) -> bool {
    let client = crate::server::http().build().unwrap();
    let query = [("u", ADMIN), ("p", password), ("v", "1.16.1"), ("c", "test"), ("f", "json")];
    let answer: Json = client.get(format!("{url}/rest/ping")).query(&query).send().await.unwrap().json().await.unwrap();
    answer["subsonic-response"]["status"] == "ok"
}

#[tokio::test]
async fn share_serves_and_later_commands_reach_that_server() {
    let home = Home::new();
    home.file("files/one.txt");
    home.file("files/two.txt");
    let mut running = Running::start(&home, &["share", "files/one.txt"]);
    let link = running.line("/s/");
    running.line("Serving");
    assert_eq!(status(&link).await, 200);

    let second: Json =
        serde_json::from_str(&home.said(&["share", "files", "--json", "--password", "--expires", "7d"])).unwrap();
    let base = link.split("/s/").next().unwrap();
    assert_eq!(second["url"], format!("{base}/s/{}", second["id"].as_str().unwrap()));
    assert_eq!(second["title"], "files");
    assert!(second["password"].as_str().unwrap().bytes().all(|b| b.is_ascii_alphanumeric()));
    assert!(second["expires"].is_string());
    let listed = home.said(&["shares"]);
    assert!(listed.contains(&link) && listed.contains(second["id"].as_str().unwrap()), "{listed}");

    let edited = home.said(&["shares", "edit", &link, "--title", "Renamed", "--downloads", "3"]);
    assert!(edited.contains("Renamed") && edited.contains("0 of 3"), "{edited}");
    let edited = home.said(&["shares", "edit", &link, "--clear", "downloads"]);
    assert!(edited.contains("Renamed") && !edited.contains("of 3"), "{edited}");

    home.said(&["shares", "revoke", &link]);
    assert_eq!(status(&link).await, 404);
    assert!(home.failure(&["shares", "show", &link]).contains("not found"));
    assert_eq!(running.stop(), Some(0));
    assert!(!home.path("data/control.sock").exists());
    assert!(home.said(&["shares"]).contains(second["id"].as_str().unwrap()), "without a server as well");
}

#[tokio::test]
async fn a_share_without_a_title_is_called_after_what_it_holds_now_but_a_blind_box_is_not() {
    let home = Home::new();
    home.file("box/here.txt");
    home.file("music/before.txt");
    home.said(&["library", "add", "music"]);
    home.said(&["library", "add", "box", "--writable"]);
    home.said(&["library", "give", "box", "--user", ADMIN, "--rights", "read,write,share"]);
    let (server, _) = Running::serve(&home, &[]);
    let share = |path: &str, how: &[&str]| -> Json {
        serde_json::from_str(&home.said(&[&["share", path, "--json"], how].concat())).unwrap()
    };
    let made = share("music/before.txt", &[]);
    assert_eq!(made["title"], "before.txt");
    fs::rename(home.path("music/before.txt"), home.path("music/after.txt")).unwrap();
    home.said(&["scan", "music"]);
    let shown = home.said(&["shares", "show", made["id"].as_str().unwrap()]);
    assert!(shown.contains("after.txt") && !shown.contains("before.txt"), "{shown}");
    assert_eq!(home.said(&["shares", "revoke", made["id"].as_str().unwrap()]), "Revoked after.txt.\n");
    assert_eq!(share("box", &["--drop=read"])["title"], "box");
    let blind = share("box", &["--drop"]);
    assert_eq!(blind["title"], "", "what it is called is passed on");
    let id = blind["id"].as_str().unwrap();
    assert_eq!(home.said(&["shares", "revoke", id]), format!("Revoked {id}.\n"));
    drop(server);
}

#[tokio::test]
async fn a_users_defaults_fill_what_a_music_app_leaves_unsaid() {
    let home = Home::new();
    home.file("music/song.txt");
    home.said(&["user", "defaults", "admin", "--expires", "7d", "--downloads", "3", "--no-downloads"]);
    let (server, url) = Running::serve(&home, &["music"]);
    home.said(&["scan"]);
    let client = crate::server::http().build().unwrap();
    let ask = async |call: &str, more: &str| {
        let address = format!("{url}/rest/{call}?u=admin&p={FIRST_PASSWORD}&v=1.16.1&c=test&f=json{more}");
        let text = client.get(address).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Json>(&text).unwrap()["subsonic-response"].clone()
    };
    let folders = ask("getMusicFolders", "").await;
    let named = |folder: &&Json| folder["name"] == "music";
    let folders = folders["musicFolders"]["musicFolder"].as_array().unwrap().clone();
    let library = folders.iter().find(named).unwrap()["id"].as_i64().unwrap();
    let directory = ask("getMusicDirectory", &format!("&id={library}")).await;
    let folder = directory["directory"]["id"].as_str().unwrap().to_owned();
    let made = ask("createShare", &format!("&id={folder}")).await["shares"]["share"][0].clone();
    let time = |field: &str| {
        made[field].as_str().unwrap_or_else(|| panic!("no {field}: {made}")).parse::<jiff::Timestamp>().unwrap()
    };
    let lasts_s = (time("expires").as_millisecond() - time("created").as_millisecond()) / 1000;
    assert!((lasts_s - 7 * 24 * 60 * 60).abs() <= 60, "seven days: {made}");
    assert!(made["description"].is_null(), "{made}");
    let never = ask("createShare", &format!("&id={folder}&expires=0")).await["shares"]["share"][0].clone();
    assert!(never["expires"].is_null(), "0 says never: {never}");
    let page = client.get(format!("{url}/s/{}", made["id"].as_str().unwrap())).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("3 downloads left") && !page.contains("Download all"), "{page}");
    drop(server);
}

#[tokio::test]
async fn a_lost_password_is_reset_with_and_without_a_server() {
    let home = Home::new();
    let (running, url) = Running::serve(&home, &[]);
    assert!(signs_in(&url, FIRST_PASSWORD).await);
    home.set_password(ADMIN, "second-Password_2");
    assert!(signs_in(&url, "second-Password_2").await && !signs_in(&url, FIRST_PASSWORD).await);
    assert_eq!(running.stop(), Some(0));
    home.set_password(ADMIN, "third-Password_3");
    let (running, url) = Running::serve(&home, &[]);
    assert!(signs_in(&url, "third-Password_3").await && !signs_in(&url, "second-Password_2").await);
    assert_eq!(running.stop(), Some(0));
}

#[tokio::test]
async fn a_data_folder_has_one_server_and_a_killed_one_is_replaced() {
    let home = Home::new();
    home.file("music/song.txt");
    let (mut running, url) = Running::serve(&home, &["music"]);
    assert_eq!(fs::metadata(home.path("data")).unwrap().permissions().mode() & 0o077, 0);
    assert_eq!(fs::metadata(home.path("data/control.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(home.failure(&["serve"]).contains(&url));
    running.signal(Signal::KILL);
    running.child.wait().unwrap();
    assert!(home.path("data/control.sock").exists());
    let (running, url) = Running::serve(&home, &["music"]);
    assert_eq!(status(&format!("{url}/healthz")).await, 200);
    let listed = home.said(&["library", "list"]);
    assert_eq!(listed.lines().filter(|line| line.contains("/music")).count(), 1, "{listed}");
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn without_its_master_key_a_used_installation_refuses_to_start() {
    let home = Home::new();
    home.said(&["user", "list"]);
    let key = home.path("data/master.key");
    fs::remove_file(&key).unwrap();
    assert!(home.failure(&["user", "list"]).contains("master.key"));
    assert!(!key.exists(), "another key would only hide the loss");
}

#[test]
fn the_servers_own_data_is_never_shared() {
    let home = Home::new();
    home.file("other/a.txt");
    home.said(&["user", "list"]);
    for path in [".", "data", "data/master.key", "data/homes"] {
        let said = home.failure(&["share", path]);
        assert!(said.contains("the server's own data"), "{path}: {said}");
        assert!(home.failure(&["library", "add", path]).contains("path"), "{path}");
    }
    home.said(&["library", "add", "other"]);
}

#[tokio::test]
async fn a_folder_that_is_added_again_becomes_writable_and_keeps_its_links() {
    let home = Home::new();
    home.file("music/a.txt");
    home.said(&["library", "add", "music"]);
    let (server, _) = Running::serve(&home, &[]);
    let made: Json = serde_json::from_str(&home.said(&["share", "music/a.txt", "--json"])).unwrap();
    let url = made["url"].as_str().unwrap();
    let told = |name: &str, writable: bool| {
        let listed = home.said(&["library", "list"]);
        let line = listed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{listed}"));
        assert_eq!(line.contains("writable"), writable, "{listed}");
    };
    told("music", false);
    assert!(home.said(&["library", "add", "music", "--writable", "--name", "Band"]).contains("\"Band\""));
    told("Band", true);
    home.said(&["library", "add", "music"]);
    told("Band", true);
    assert_eq!(status(url).await, 200);
    drop(server);
}

#[test]
fn mistakes_are_told_by_name() {
    let home = Home::new();
    fs::write(home.path("settings.toml"), "lisen = \"127.0.0.1:0\"\n").unwrap();
    assert!(home.failure(&["serve", "--config", "settings.toml"]).contains("lisen"));
    assert!(home.failure(&["share", "absent"]).contains("absent"));
    assert!(home.failure(&["scan", "absent"]).contains("not found"));
    assert!(home.failure(&["user", "remove", ADMIN]).contains("last admin"));
    assert!(home.failure(&["user", "deny", ADMIN, "admin"]).contains("last admin"));
    assert!(home.said(&["user", "deny", ADMIN, "fetch,podcast"]).trim_end().ends_with("share, video-conversion."));
    assert!(home.said(&["user", "allow", ADMIN, "fetch"]).trim_end().ends_with("video-conversion, fetch."));
    assert!(home.failure(&["user", "allow", ADMIN, "everything"]).contains("everything"));
    for wrong in [&["nonsense"][..], &["share"], &["share", "x", "--expires", "7"], &["share", "x", "--downloads", "0"]]
    {
        assert_eq!(home.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn points_are_given_and_gift_codes_made_by_command() {
    let home = Home::new();
    assert!(home.said(&["points", "give", "admin", "40"]).contains("holds 40 points"));
    assert!(home.failure(&["points", "take", "admin", "41"]).contains("Not enough points"));
    assert!(home.said(&["points", "take", "admin", "15"]).contains("holds 25 points"));
    assert!(home.said(&["points"]).contains("25 points"));
    assert!(home.failure(&["points", "give", "nobody", "1"]).contains("User not found"));
    assert!(home.failure(&["points", "give", "admin", "1000000001"]).contains("points"));
    let codes = home.said(&["gift", "--points", "5", "--count", "3"]);
    assert!(codes.lines().count() == 3 && codes.lines().all(|code| uuid::Uuid::parse_str(code).is_ok()), "{codes}");
    assert_eq!(home.run(&["gift"]).status.code(), Some(2), "a code is good for something");
    assert!(home.failure(&["gift", "--points", "5", "--count", "1001"]).contains("count"));
    assert!(home.failure(&["shares", "ticket", "nothing"]).contains("Share not found"));
    assert!(home.said(&["reports"]).contains("Nothing was reported"));
    assert!(home.failure(&["reports", "remove", "1"]).contains("Report not found"));
    assert!(home.said(&["doctor"]).contains("the ledger balances"));
}

#[test]
fn a_backup_is_restored_only_into_an_empty_installation() {
    let home = Home::new();
    home.file("files/a.txt");
    home.said(&["library", "add", "files"]);
    home.said(&["backup", "kept.tar"]);
    assert_eq!(fs::metadata(home.path("kept.tar")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(home.failure(&["restore", "kept.tar"]).contains("empty installation"));
    home.said(&["--data", "other", "restore", "kept.tar"]);
    assert!(home.said(&["--data", "other", "library", "list"]).contains("files"));
    assert!(home.failure(&["--data", "other", "restore", "kept.tar"]).contains("empty installation"));
    assert!(home.said(&["--data", "other", "doctor"]).contains("fits the database"));
    let left: Vec<_> = fs::read_dir(home.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[test]
fn entries_of_a_backup_that_lead_elsewhere_are_refused() {
    let regular = tar::EntryType::Regular;
    let cases: [(&str, tar::EntryType); 8] = [
        ("../evil", regular),
        ("homes/u1/../../../evil", regular),
        ("/evil", regular),
        ("homes/u1/link", tar::EntryType::Symlink),
        ("homes/u1/link", tar::EntryType::Link),
        ("homes/u1", regular),
        ("tables/evil.jsonl", regular),
        ("evil", regular),
    ];
    for (name, kind) in cases {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("kept.tar");
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_mode(0o644);
        header.set_size(0);
        header.set_cksum();
        let mut tar = tar::Builder::new(fs::File::create(&file).unwrap());
        tar.append(&header, std::io::empty()).unwrap();
        tar.finish().unwrap();
        let config = config(&folder.path().join("data"), None);
        let error = format!("{:#}", backup::restore(&config, &file).unwrap_err());
        assert!(error.contains("the entry"), "{name}: {error}");
        assert!(!folder.path().join("evil").exists() && !config.data.join("evil").exists());
        let left: Vec<_> = fs::read_dir(&config.data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("restore")), "{name}: {left:?}");
    }
}

fn config(data: &Path, database: Option<&Database>) -> Config {
    let given = Given { data: Some(data.to_owned()), ..Given::default() };
    let mut config = given.resolve(None).unwrap();
    if let Some(database) = database {
        config.database = database.clone();
    }
    config
}

/// On a thread of its own: what blocks must not run on one of the async runtime.
fn blocking<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

fn keep(file: &Path) -> Order {
    Order::Backup { file: DiskPath(file.to_owned()) }
}

/// All rows but where the homes lie.
fn rows(database: &Database) -> Vec<String> {
    blocking(|| {
        let db = Db::open(database).unwrap();
        let rows = db.read_blocking(|tx| {
            let mut rows = Vec::new();
            for table in TABLES {
                dump(tx, *table, |row| {
                    let mut row = row.clone();
                    if row["kind"] == "home" {
                        row["root"] = Json::Null;
                    }
                    rows.push(format!("{} {row}", table.0));
                    Ok(())
                })?;
            }
            Ok(rows)
        });
        db.close();
        rows.unwrap()
    })
}

both_engines! {
    async fn every_table_is_part_of_a_backup(backend: Backend) {
        let mut there = backend.open().read(tables).await.unwrap();
        let mut kept: Vec<String> = TABLES.iter().map(|(name, _)| *name).chain(DERIVED.iter().copied()).map(str::to_owned).collect();
        there.sort();
        kept.sort();
        assert_eq!(there, kept);
    }

    async fn a_backup_goes_from_one_engine_to_the_other_and_back(backend: Backend) {
        let folder = TempDir::new().unwrap();
        let (first_file, second_file) = (folder.path().join("first.tar"), folder.path().join("second.tar"));
        let served = folder.path().join("served");
        fs::create_dir_all(served.join("deep/er")).unwrap();
        fs::write(served.join("deep/er/a.txt"), "a").unwrap();

        let server = Server::start(&backend);
        let library = server.add_library("served", &served);
        let app = Arc::clone(&server.app);
        let share_id = server.run(async move {
            let admin = app.db.read(|tx| accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            let home = libraries::make_home(&app, &admin).await.unwrap();
            fs::write(home.root.join("kept.txt"), "kept").unwrap();
            std::os::unix::fs::symlink("/etc/passwd", home.root.join("link")).unwrap();
            libraries::scan(&app, &home, |_| ()).await.unwrap();
            // Moved beneath a folder that is younger than itself.
            fs::create_dir(library.root.join("young")).unwrap();
            fs::rename(library.root.join("deep"), library.root.join("young/deep")).unwrap();
            libraries::scan(&app, &library, |_| ()).await.unwrap();
            let top = app.db.read(move |tx| library::root_item(tx, library.key)).await.unwrap();
            let wish = Wish { password: Change::Set("Secret1".to_owned()), ..Wish::default() };
            let items = vec![Shared::Item(top.key)];
            purchases::adjust(&app, admin.key, 5).await.unwrap();
            sharing::create(&app, &admin, Door::CommandLine, items, wish).await.unwrap().id
        });
        let (app, order) = (Arc::clone(&server.app), keep(&first_file));
        server.run(async move { order::run(&app, order, |_| ()).await.unwrap() });
        drop(server);

        let middle = Backend::sqlite();
        let middle_config = config(&folder.path().join("middle"), Some(middle.database()));
        blocking(|| backup::restore(&middle_config, &first_file).unwrap());
        let in_the_middle = rows(middle.database());
        let app = blocking(|| App::open(middle_config).unwrap());
        let order = keep(&second_file);
        order::run(&app, order, |_| ()).await.unwrap();
        blocking(move || drop(app));

        let last = match backend.database() {
            Database::Sqlite(_) => Backend::sqlite(),
            Database::Postgres(_) => Backend::postgres().unwrap(),
        };
        let last_config = config(&folder.path().join("last"), Some(last.database()));
        blocking(|| backup::restore(&last_config, &second_file).unwrap());
        // The scanner of the middle one was at work: it only says when.
        let timeless = |rows: Vec<String>| rows.into_iter().filter(|row| !row.starts_with("library ")).collect::<Vec<_>>();
        let (before, after) = (timeless(in_the_middle), timeless(rows(last.database())));
        assert!(before.iter().any(|row| row.starts_with("item ") && row.contains("kept.txt")));
        assert!(!before.iter().any(|row| row.contains("passwd")));
        assert_eq!(before, after);

        let storage = last_config.storage.canonicalize().unwrap();
        let app = blocking(|| App::open(last_config).unwrap());
        let guest = Visitor::guest([127, 0, 0, 1].into(), "test");
        let admin = signin::by_password(&app, ADMIN, PASSWORD, &guest).await.unwrap();
        let home = libraries::make_home(&app, &admin).await.unwrap();
        assert_eq!(home.root, libraries::home_folder(&storage, &admin.id));
        assert_eq!(fs::read_to_string(home.root.join("kept.txt")).unwrap(), "kept");
        assert!(!home.root.join("link").exists());
        let shown = order::run(&app, Order::ShowShare { id: share_id }, |_| ()).await.unwrap();
        let Reply::Share(share) = shown else { panic!("{shown:?}") };
        assert_eq!(share.password.as_deref(), Some("Secret1"));
        assert_eq!(purchases::adjust(&app, admin.key, 5).await.unwrap(), 10, "the ledger goes on where it ended");
        assert!(app.db.read(points::faults).await.unwrap().is_empty());
        let add = Order::AddUser { name: "mia".to_owned(), mail: None, admin: false };
        order::run(&app, add, |_| ()).await.expect("keys count on where the restored rows end");
        blocking(move || drop(app));
    }

    async fn a_shared_file_brings_nothing_beside_it(backend: Backend) {
        let folder = TempDir::new().unwrap();
        for name in ["a.txt", "b.txt"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let server = Server::start(&backend);
        let (app, path) = (Arc::clone(&server.app), folder.path().join("a.txt"));
        let names = server.run(async move {
            let admin = app.db.read(|tx| accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            let (single, item) = libraries::single(&app, &admin, &path, |_| ()).await.unwrap();
            let again = libraries::item_at(&app, &admin, &path, |_| ()).await.unwrap();
            assert_eq!(item.key, again.key);
            app.db
                .read(move |tx| {
                    let top = library::root_item(tx, single.key)?;
                    library::children(tx, top.key)
                })
                .await
                .unwrap()
        });
        assert_eq!(names.iter().map(|item| item.shown.as_str()).collect::<Vec<_>>(), ["a.txt"]);
    }
}
