//! Searching what files say: all that may be read is found, by those who may see it, as it is now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use openshelf::account::User;
use openshelf::args;
use openshelf::config::Switch;
use openshelf::share::{Bits, Subject};
use openshelf::store::{library, rights};
use openshelf::work::texts;
use percent_encoding::percent_decode_str;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::cloudreve::{data, encoded, envelope, text};
use crate::engines::Backend;
use crate::kill::Installation;
use crate::packed::{file, zip};
use crate::podcasts::until;
use crate::server::{ADMIN, PASSWORD, Server};

/// Somebody who is signed in at Cloudreve's door.
struct Seeker {
    client: Client,
    base: String,
    token: String,
}

impl Seeker {
    async fn sign_in(url: &str, name: &str) -> Seeker {
        let client = crate::server::http().build().unwrap();
        let mut seeker = Seeker { client, base: format!("{url}/api/v4"), token: String::new() };
        let body = json!({"email": name, "password": PASSWORD});
        seeker.token = text(&data(seeker.call(Method::POST, "/session/token", body).await)["token"]["access_token"]);
        seeker
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        envelope(request.json(&body).send().await.unwrap()).await
    }

    async fn asked(&self, query: &str, offset: usize) -> Value {
        self.call(Method::GET, &format!("/file/search?query={}&offset={offset}", encoded(query)), Value::Null).await
    }

    async fn search(&self, query: &str) -> Value {
        data(self.asked(query, 0).await)
    }

    /// The paths of what is found, in order; the total is held against them.
    async fn found(&self, query: &str) -> Vec<String> {
        let found = self.search(query).await;
        let paths: Vec<String> =
            found["hits"].as_array().unwrap().iter().map(|hit| text(&hit["file"]["path"])).collect();
        assert_eq!(found["total"], paths.len(), "{query}: {found}");
        let decoded = |path: &String| percent_decode_str(path).decode_utf8().unwrap().into_owned();
        paths.iter().map(|path| decoded(path).strip_prefix("cloudreve://my/").unwrap().to_owned()).collect()
    }

    async fn write(&self, path: &str, content: impl Into<Vec<u8>>) {
        let url = format!("{}/file/content?uri={}", self.base, encoded(&my(path)));
        let sent = self.client.put(url).bearer_auth(&self.token).body(content.into()).send().await.unwrap();
        data(envelope(sent).await);
    }

    async fn done(&self, method: Method, path: &str, body: Value) {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer["code"], 0, "{path}: {answer}");
    }

    async fn task(&self, id: &str) -> Value {
        let tasks = data(self.call(Method::GET, "/workflow?page_size=100", Value::Null).await);
        tasks["tasks"].as_array().unwrap().iter().find(|task| task["id"] == id).cloned().unwrap_or_default()
    }

    async fn ended(&self, id: &str) -> Value {
        until("the task ends", async || {
            let task = self.task(id).await;
            matches!(task["status"].as_str(), Some("completed" | "error" | "canceled")).then_some(task)
        })
        .await
    }
}

fn my(path: &str) -> String {
    format!("cloudreve://my/{path}")
}

/// A server that reads what files say, and Ann.
struct House {
    server: Server,
    user: User,
    ann: Seeker,
    home: PathBuf,
}

impl House {
    async fn new(backend: &Backend) -> House {
        let server = Server::start_with(backend, |given| given.full_text = Some(Switch::On));
        let user = server.add_user("ann");
        let key = user.key;
        let home = server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap().root;
        let ann = Seeker::sign_in(&server.url, "ann").await;
        House { server, user, ann, home }
    }

    async fn scan_home(&self) {
        let key = self.user.key;
        let home = self.server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap();
        tokio::task::block_in_place(|| self.server.scan(&home));
    }

    /// Returns once every file was read as it is now.
    async fn read(&self) {
        until("all is read", async || (texts::count_unread(&self.server.app).await.unwrap() == 0).then_some(())).await;
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.server.app.db.read(move |tx| tx.one(sql, args![], |row| row.get(0))).await.unwrap()
    }
}

fn docx(paragraphs: &str) -> Vec<u8> {
    let document = format!("<?xml version=\"1.0\"?><w:document><w:body>{paragraphs}</w:body></w:document>");
    zip(&[
        file("[Content_Types].xml", "<Types/>"),
        file("word/document.xml", document).deflated(),
        file("word/styles.xml", "<w:t>nostylewords</w:t>"),
        file("word/footnotes.xml", "<w:p><w:r><w:t>a footnoteword</w:t></w:r></w:p>"),
    ])
}

/// One page, without the table that readers make themselves where it is missing.
fn pdf(line: &str) -> String {
    let content = format!("BT /F1 12 Tf 50 700 Td ({line}) Tj ET");
    format!(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
         3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj\n\
         4 0 obj<</Length {}>>stream\n{content}\nendstream endobj\n\
         5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
        content.len()
    )
}

fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// What is written to disk, by its name, and a query that finds it alone.
fn readable() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let office = |name: &str, content: &str| zip(&[file("mimetype", "x"), file(name, content).deflated()]);
    vec![
        ("letter.txt", "Dear Ann, the wombatfee is due.\n".into(), "wombatfee"),
        ("windows.txt", b"caf\xe9 latteword".to_vec(), "café latteword"),
        ("wide.txt", utf16("Ünïcode widewörd"), "unicode widewörd"),
        ("README", "A file of no endingword".into(), "endingword"),
        ("notes.md", "# Head\n\n*mark*downword".into(), "mark downword"),
        ("main.rs", "fn rustword_is_here() {}".into(), "rustword_is_here"),
        ("table.csv", "name;amount\ncsvword;12345.67".into(), "\"csvword 12345.67\""),
        ("data.json", "{\"jsonword\": [1, 2]}".into(), "jsonword"),
        (
            "page.html",
            "<title>Ti</title><script>scriptword</script><p>html<b>word</b> f&uuml;r &#78;utzer".into(),
            "htmlword für nutzer",
        ),
        ("data.xml", "<a><b>xmlword</b><c>next</c></a>".into(), "\"xmlword next\""),
        ("letter.rtf", r"{\rtf1\ansi{\fonttbl{\f0 Fontword;}}Rich \b text\'e9\b0 word}".into(), "rich textéword"),
        (
            "report.docx",
            docx("<w:p><w:r><w:t>Quarterly doc</w:t></w:r><w:r><w:t>xword</w:t></w:r></w:p>"),
            "quarterly docxword footnoteword",
        ),
        (
            "sheet.xlsx",
            zip(&[
                file("xl/sharedStrings.xml", "<sst><si><t>xlsxword</t></si></sst>"),
                file("xl/worksheets/sheet1.xml", "<c t=\"s\"><v>0</v></c><c><v>987654</v></c>").deflated(),
            ]),
            "xlsxword 987654",
        ),
        (
            "slides.pptx",
            zip(&[
                file("ppt/slides/slide1.xml", "<a:p><a:r><a:t>pptxword</a:t></a:r></a:p>"),
                file("ppt/notesSlides/notesSlide1.xml", "<a:p><a:r><a:t>speakernote</a:t></a:r></a:p>").deflated(),
            ]),
            "pptxword speakernote",
        ),
        (
            "text.odt",
            office("content.xml", "<office:body><text:p>odt<text:span>word</text:span></text:p></office:body>"),
            "odtword",
        ),
        ("sheet.ods", office("content.xml", "<office:body><text:p>odsword</text:p></office:body>"), "odsword"),
        ("slides.odp", office("content.xml", "<office:body><text:p>odpword</text:p></office:body>"), "odpword"),
        ("book.epub", office("OEBPS/ch1.xhtml", "<html><body><p>epubword</p></body></html>"), "epubword"),
        ("paper.pdf", pdf("A portable pdfword of its own").into(), "\"portable pdfword\""),
        ("日本.txt", "吾輩は猫である。名前はまだ無い。".into(), "猫である"),
    ]
}

fn lay_out(root: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, content) in files {
        std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        std::fs::write(root.join(name), content).unwrap();
    }
}

both_engines! {
    async fn what_a_file_says_is_found_whatever_its_format(backend: Backend) {
        let house = House::new(&backend).await;
        for (name, content, _) in readable() {
            lay_out(&house.home, &[(name, content)]);
        }
        // Not looked into.
        lay_out(&house.home, &[("song.mp3", "wombatfee".into()), ("tool.bin", "wombatfee".into())]);
        house.scan_home().await;
        house.read().await;
        let explorer = data(house.ann.call(Method::GET, "/site/config/explorer", Value::Null).await);
        assert_eq!(explorer["full_text_search"], true);
        for (name, _, query) in readable() {
            assert_eq!(house.ann.found(query).await, [name], "{query}");
        }
        for hidden in ["scriptword", "fontword", "nostylewords"] {
            assert_eq!(house.ann.found(hidden).await, [""; 0], "{hidden}");
        }
        let hit = house.ann.search("fee wombat").await;
        assert_eq!(hit["total"], 0, "a word is found by its beginning: {hit}");
        let hit = &house.ann.search("DUE wombatF").await["hits"][0];
        assert_eq!((&hit["content"], &hit["file"]["name"]), (&json!("Dear Ann, the wombatfee is due."), &json!("letter.txt")));
        assert!(hit["file"]["capability"].is_string() && hit["file"]["size"] == 32, "a file as lists have it: {hit}");
    }

    async fn what_is_made_to_do_harm_says_nothing_and_holds_nobody_up(backend: Backend) {
        let house = House::new(&backend).await;
        let bomb = format!("<w:t>{}", "bombword ".repeat(6 << 20));
        let laughs: String = (0..20).map(|n| format!("<!ENTITY l{} \"{}\">", n + 1, format!("&l{n};").repeat(10))).collect();
        lay_out(&house.home, &[
            ("bomb.docx", zip(&[file("word/document.xml", &bomb).deflated()])),
            ("lies.docx", zip(&[file("word/document.xml", "<w:t>liesword</w:t>").claiming(u32::MAX - 1)])),
            ("locked.docx", zip(&[file("word/document.xml", "<w:t>lockedword</w:t>").locked("x")])),
            ("cut.docx", docx("<w:t>cutword</w:t>")[..100].to_vec()),
            ("many.epub", zip(&vec![file("a.html", "<p>manyword"); 60_000])),
            ("laughs.xml", format!("<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY l0 \"ha\">{laughs}]><l>laughword &l20;</l>").into()),
            ("deep.xml", format!("{}deepword", "<a>".repeat(2_000_000)).into()),
            ("open.html", "<a href=\"".repeat(500_000).into()),
            ("deep.rtf", format!(r"{{\rtf1 {}", "{".repeat(2_000_000)).into()),
            ("broken.pdf", "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 1 0 R/Kids[1 0 R]>>endobj trailer<</Root 1 0 R>>".into()),
            ("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR liarword".to_vec()),
            ("text.docx", "no archive, plainword".into()),
            ("zeros.txt", vec![0; 100_000]),
            ("oneword.txt", vec![b'w'; 5_000_000]),
            ("empty.txt", Vec::new()),
            ("over.txt", "over and ".repeat(500_000).into()),
            ("honest.txt", "honestword".into()),
        ]);
        std::fs::File::create(house.home.join("sparse.txt")).unwrap().set_len(1 << 30).unwrap();
        house.scan_home().await;
        house.read().await;
        assert_eq!(house.ann.found("honestword").await, ["honest.txt"]);
        assert_eq!(house.ann.found("laughword").await, ["laughs.xml"], "what it says itself");
        assert_eq!(house.ann.found("bombword").await, ["bomb.docx"], "up to where it is read");
        assert_eq!(house.ann.found("deepword").await, ["deep.xml"]);
        for word in ["lockedword", "liarword", "plainword", "haha"] {
            assert_eq!(house.ann.found(word).await, [""; 0], "{word}");
        }
        // Each was tried, and is not tried again; nothing is kept beyond its measure.
        assert_eq!(house.count("SELECT COUNT(*) FROM text_read").await, 18);
        assert!(house.count("SELECT MAX(number) FROM text_part").await < 200);
        assert!(house.count("SELECT MAX(LENGTH(text)) FROM text_part").await <= 16_000);
    }

    async fn a_search_finds_files_as_they_are_now(backend: Backend) {
        let house = House::new(&backend).await;
        let ann = &house.ann;
        ann.write("a/letter.txt", "the firstword of it").await;
        house.read().await;
        assert_eq!(ann.found("firstword").await, ["a/letter.txt"]);
        ann.write("a/letter.txt", "the secondword of it").await;
        house.read().await;
        assert_eq!((ann.found("firstword").await, ann.found("secondword").await), (vec![], vec!["a/letter.txt".to_owned()]));
        ann.done(Method::POST, "/file/rename", json!({"uri": my("a/letter.txt"), "new_name": "post.txt"})).await;
        assert_eq!(ann.found("secondword").await, ["a/post.txt"]);
        ann.done(Method::POST, "/file/rename", json!({"uri": my("a/post.txt"), "new_name": "post.bin"})).await;
        assert_eq!(ann.found("secondword").await, ["a/post.bin"], "it was text");
        ann.done(Method::POST, "/file/create", json!({"uri": my("b"), "type": "folder"})).await;
        ann.done(Method::POST, "/file/move", json!({"uris": [my("a/post.bin")], "dst": my("b")})).await;
        assert_eq!(ann.found("secondword").await, ["b/post.bin"]);
        // In a folder that is in the trash it is as if it were in there itself.
        ann.done(Method::DELETE, "/file", json!({"uris": [my("b")]})).await;
        assert_eq!(ann.found("secondword").await, [""; 0]);
        let trash = data(ann.call(Method::GET, &format!("/file?uri={}", encoded("cloudreve://trash")), Value::Null).await);
        let there = text(&trash["files"][0]["path"]);
        ann.done(Method::POST, "/file/restore", json!({"uris": [there]})).await;
        assert_eq!(ann.found("secondword").await, ["b/post.bin"]);
        ann.done(Method::DELETE, "/file", json!({"uris": [my("b")], "skip_soft_delete": true})).await;
        assert_eq!(ann.found("secondword").await, [""; 0]);
        assert_eq!(house.count("SELECT COUNT(*) FROM text_part").await, 0, "what it said went with it");
        assert_eq!(house.count("SELECT COUNT(*) FROM text_read").await, 0);
        if backend.file().is_some() {
            let words = house.count("SELECT COUNT(*) FROM text_words WHERE text_words MATCH 'secondword'").await;
            assert_eq!(words, 0, "nor are its words known");
        }
        // What comes by another program is heard of by a scan.
        lay_out(&house.home, &[("outside.txt", "thirdword".into())]);
        house.scan_home().await;
        house.read().await;
        assert_eq!(ann.found("thirdword").await, ["outside.txt"]);
        std::fs::remove_file(house.home.join("outside.txt")).unwrap();
        house.scan_home().await;
        assert_eq!(ann.found("thirdword").await, [""; 0]);
        // What is no text any more does not say what it said.
        ann.write("notes.txt", "the fourthword of it").await;
        house.read().await;
        ann.done(Method::POST, "/file/rename", json!({"uri": my("notes.txt"), "new_name": "notes.dat"})).await;
        assert_eq!(ann.found("fourthword").await, ["notes.dat"]);
        ann.write("notes.dat", "something else").await;
        house.read().await;
        assert_eq!(ann.found("fourthword").await, [""; 0]);
        let there = "SELECT COUNT(*) FROM text_read r JOIN item i ON i.id = r.item_id WHERE i.missing_ms IS NULL";
        assert_eq!(house.count(there).await, 0);
    }

    async fn files_are_read_behind_every_scan_whoever_runs_it(backend: Backend) {
        let house = House::new(&backend).await;
        let app = house.server.app.clone();
        until("the first scans", async || (!app.scanner.status().is_scanning).then_some(())).await;
        let elsewhere = app.scanner.elsewhere();
        assert!(app.scanner.status().is_scanning);
        house.ann.write("letter.txt", "a waitingword").await;
        // That nothing comes of it has no signal; without the scan it takes a moment.
        assert!(tokio::time::timeout(Duration::from_secs(2), app.texts.look_at_all()).await.is_err());
        assert_eq!(house.ann.found("waitingword").await, [""; 0]);
        drop(elsewhere);
        app.texts.look_at_all().await;
        assert_eq!(house.ann.found("waitingword").await, ["letter.txt"]);
    }

    async fn nobody_learns_what_others_files_say(backend: Backend) {
        let house = House::new(&backend).await;
        let shelf = TempDir::new().unwrap();
        lay_out(shelf.path(), &[("minutes.txt", "theword of the meeting".into())]);
        tokio::task::block_in_place(|| house.server.add_user("bob"));
        let library = tokio::task::block_in_place(|| house.server.add_library("Shelf", shelf.path()));
        house.ann.write("diary.txt", "theword of a secret").await;
        house.read().await;
        let (bob, admin) = (Seeker::sign_in(&house.server.url, "bob").await, Seeker::sign_in(&house.server.url, ADMIN).await);
        let mut anns = house.ann.found("theword").await;
        anns.sort_unstable();
        assert_eq!(anns, ["Shelf/minutes.txt", "diary.txt"]);
        for other in [&bob, &admin] {
            assert_eq!(other.found("theword").await, ["Shelf/minutes.txt"]);
            assert_eq!(other.found("secret").await, [""; 0], "which is counted as well");
        }
        let shut = house.server.app.db.write(move |tx| rights::set(tx, library.key, &Subject::Everyone, Bits::NONE));
        shut.await.unwrap();
        assert_eq!(bob.found("theword").await, [""; 0]);
        assert_eq!(house.ann.found("theword").await, ["diary.txt"]);
        let guest = Seeker { token: String::new(), ..bob };
        assert_eq!(guest.asked("theword", 0).await["code"], 401);
    }

    async fn a_query_means_its_words_and_nothing_else(backend: Backend) {
        let house = House::new(&backend).await;
        let long = format!("farbeginning {} farend", "filler words between them\n".repeat(3000));
        lay_out(&house.home, &[
            ("one.txt", "Réservé aux Élèves: the quick brown fox's OR-gate costs 100%.".into()),
            ("two.txt", "The fox is quick, and brown is the dog. AND NOT NEAR".into()),
            ("long.txt", long.into()),
            ("cjk.txt", "全文検索は便利です".into()),
            ("한국.txt", "한국어 문서".into()),
        ]);
        house.scan_home().await;
        house.read().await;
        let both = |found: Vec<String>| -> Vec<String> {
            let mut found = found;
            found.sort_unstable();
            found
        };
        for (query, names) in [
            ("QUICK fox", &["one.txt", "two.txt"][..]),
            ("\"quick brown fox\"", &["one.txt"]),
            ("“Quick Brown”", &["one.txt"]),
            ("\"quick bro\"", &[]),
            ("reserve eleves", &["one.txt"]),
            ("fox's", &["one.txt"]),
            ("bro qui", &["one.txt", "two.txt"]),
            ("farend farbegin", &["long.txt"]),
            ("\"farbeginning filler\" \"them farend\"", &["long.txt"]),
            ("検索", &["cjk.txt"]),
            ("索検", &[]),
            ("全", &["cjk.txt"]),
            ("한국", &["한국.txt"]),
            // Signs that mean something to the one engine or the other.
            ("and not near", &["two.txt"]),
            ("fox AND", &["two.txt"]),
            ("quick OR nosuchword", &[]),
            ("words:fox", &[]),
            ("\"fox", &["one.txt", "two.txt"]),
            ("fox* ^fox -fox (fox) {fox} fox:* !fox fox|fox fox&fox '", &[]),
            ("fox* ^fox (fox) !fox '", &["one.txt", "two.txt"]),
            ("100%", &["one.txt"]),
            ("* \" ' ; -- \\ % _", &[]),
            ("NEAR(quick fox, 2)", &[]),
        ] {
            assert_eq!(both(house.ann.found(query).await), names, "{query}");
        }
        let all = "\" * ".repeat(100) + &"quick ".repeat(100);
        assert_eq!(both(house.ann.found(&all).await).len(), 2);
        for (query, code) in [("query=", 40001), ("", 40001), ("query=a&offset=-1", 40001), ("query=a&offset=x", 40001), ("query=%00", 40001), ("query=a&offset=99999", 0)] {
            let answer = house.ann.call(Method::GET, &format!("/file/search?{query}"), Value::Null).await;
            assert_eq!(answer["code"], code, "{query}: {answer}");
        }
        assert_eq!(house.ann.asked(&"x".repeat(2000), 0).await["code"], 40001);
    }

    async fn pages_are_full_and_stable_and_the_total_is_that_of_all(backend: Backend) {
        let house = House::new(&backend).await;
        for n in 0..45 {
            lay_out(&house.home, &[(&format!("{n}.txt"), format!("pagedword {n}").into_bytes())]);
            let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n % 7);
            std::fs::File::options().write(true).open(house.home.join(format!("{n}.txt"))).unwrap().set_modified(time).unwrap();
        }
        house.scan_home().await;
        house.read().await;
        let mut all = Vec::new();
        for (offset, count) in [(0, 20), (20, 20), (40, 5), (45, 0)] {
            let page = data(house.ann.asked("pagedword", offset).await);
            assert_eq!((page["hits"].as_array().unwrap().len(), &page["total"]), (count, &json!(45)));
            all.extend(page["hits"].as_array().unwrap().iter().map(|hit| (text(&hit["file"]["updated_at"]), text(&hit["file"]["name"]))));
        }
        assert!(all.windows(2).all(|two| two[0].0 >= two[1].0), "those changed last come first: {all:?}");
        all.sort_unstable_by(|a, b| a.1.cmp(&b.1));
        all.dedup_by(|a, b| a.1 == b.1);
        assert_eq!(all.len(), 45);
    }

    async fn administrators_have_all_read_anew(backend: Backend) {
        let house = House::new(&backend).await;
        for n in 0..30 {
            lay_out(&house.home, &[(&format!("{n}.txt"), format!("againword {n}").into_bytes())]);
        }
        house.scan_home().await;
        house.read().await;
        let rebuild = async |seeker: &Seeker| seeker.call(Method::POST, "/workflow/rebuildFtsIndex", Value::Null).await;
        assert_eq!(rebuild(&house.ann).await["code"], 40008, "Ann is none");
        // An index that lost and made up words.
        let damage = match backend.file().is_some() {
            true => "DELETE FROM text_words",
            false => "UPDATE text_part SET words = CAST('''lost'':1' AS tsvector)",
        };
        house.server.app.db.write(move |tx| tx.run(damage, args![])).await.unwrap();
        assert_eq!(house.ann.found("againword").await.len(), 0);
        let admin = Seeker::sign_in(&house.server.url, ADMIN).await;
        let made = data(rebuild(&admin).await);
        assert_eq!(made["type"], "full_text_rebuild");
        let ended = admin.ended(&text(&made["id"])).await;
        assert_eq!((&ended["status"], &ended["summary"]["props"]["total"]), (&json!("completed"), &json!(30)), "{ended}");
        assert_eq!(house.ann.search("againword").await["total"], 30);
        assert_eq!(house.ann.found("\"againword 17\"").await, ["17.txt"]);
        let queue = data(admin.call(Method::POST, "/admin/queue", json!({"page": 1, "page_size": 10})).await);
        assert_eq!(queue["tasks"][0]["type"], "full_text_rebuild", "{queue}");
    }

    async fn a_reading_that_is_killed_goes_on_where_it_was(backend: Backend) {
        const FILES: usize = 2000;
        let installation = Installation::new(&backend);
        for n in 0..FILES {
            let content = format!("killedword number{n} {}", "and more of it ".repeat(100));
            lay_out(&installation.fixture.root, &[(&format!("Texts/{n}.txt"), content.into_bytes())]);
        }
        let on = [("OPENSHELF_FULL_TEXT", "on")];
        let reached = async |admin: &Seeker, wanted: u64| {
            until("enough is read", async || {
                let total = admin.search("killedword").await["total"].as_u64().unwrap();
                (total >= wanted).then_some(total)
            })
            .await
        };
        let mut running = installation.start_with(&on);
        let admin = Seeker::sign_in(&running.url, ADMIN).await;
        let before = reached(&admin, 1).await;
        running.kill();
        assert!(before < 1000, "it was killed in the middle: {before}");
        let mut running = installation.start_with(&on);
        let admin = Seeker::sign_in(&running.url, ADMIN).await;
        assert!(admin.search("killedword").await["total"].as_u64() >= Some(before), "what was read is kept");
        // More is there than one search finds.
        reached(&admin, 1000).await;
        let last = async |admin: &Seeker| {
            until("the last is read", async || {
                let mut all = true;
                for n in [0, FILES / 2, FILES - 1] {
                    all &= admin.search(&format!("\"number{n}\"")).await["total"] == 1;
                }
                all.then_some(())
            })
            .await
        };
        last(&admin).await;
        // So does having all read anew.
        let made = data(admin.call(Method::POST, "/workflow/rebuildFtsIndex", Value::Null).await);
        until("it began", async || (admin.task(&text(&made["id"])).await["status"] == "processing").then_some(())).await;
        running.kill();
        let running = installation.start_with(&on);
        let admin = Seeker::sign_in(&running.url, ADMIN).await;
        let ended = admin.ended(&text(&made["id"])).await;
        assert_eq!(ended["status"], "completed", "{ended}");
        assert!(ended["summary"]["props"]["total"].as_u64() >= Some(FILES as u64), "{ended}");
        last(&admin).await;
        drop(running);
    }

    async fn where_it_is_off_nothing_is_read_and_apps_are_told(backend: Backend) {
        let server = Server::start_with(&backend, |given| given.full_text = Some(Switch::Off));
        let admin = Seeker::sign_in(&server.url, ADMIN).await;
        admin.write("a.txt", "offword").await;
        let explorer = data(admin.call(Method::GET, "/site/config/explorer", Value::Null).await);
        assert_eq!(explorer["full_text_search"], false);
        assert_eq!(admin.asked("offword", 0).await["code"], 40019);
        assert_eq!(admin.call(Method::POST, "/workflow/rebuildFtsIndex", Value::Null).await["code"], 40019);
        // As long as a reading takes to begin, and some more.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let read: i64 =
            server.app.db.read(|tx| tx.one("SELECT COUNT(*) FROM text_read", args![], |row| row.get(0))).await.unwrap();
        assert_eq!(read, 0);
    }
}
