//! Registering, activating, forgotten passwords: what goes by mail.

use super::*;

/// Takes mail as a server would, and hands it out.
pub struct Mailbox {
    pub url: String,
    mails: Receiver<(String, String)>,
}

impl Mailbox {
    pub fn open() -> Mailbox {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (sender, mails) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut out = stream.try_clone().unwrap();
                let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                let _ = out.write_all(b"220 stand-in\r\n");
                let mut to = String::new();
                while let Some(line) = lines.next() {
                    let word = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
                    let answer: &[u8] = match word.as_str() {
                        "EHLO" => b"250 stand-in\r\n",
                        "RCPT" => {
                            to = line.split(['<', '>']).nth(1).unwrap().to_owned();
                            b"250 fine\r\n"
                        }
                        "DATA" => {
                            let _ = out.write_all(b"354 go on\r\n");
                            let mail: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                            let mail = mail.join("\n").replace("=\n", "").replace("=3D", "=");
                            let _ = sender.send((to.clone(), mail));
                            b"250 taken\r\n"
                        }
                        "QUIT" => break,
                        _ => b"250 fine\r\n",
                    };
                    if out.write_all(answer).is_err() {
                        break;
                    }
                }
            }
        });
        Mailbox { url, mails }
    }

    /// The next mail: to whom, and what it says.
    pub fn next(&self) -> (String, String) {
        tokio::task::block_in_place(|| self.mails.recv_timeout(PATIENCE)).expect("a mail")
    }

    fn link(&self, to: &str, start: &str) -> String {
        let (recipient, mail) = self.next();
        assert_eq!(recipient, to);
        let at = mail.find(start).unwrap_or_else(|| panic!("no {start} in {mail}"));
        mail[at..].split_whitespace().next().unwrap().to_owned()
    }
}

impl Place {
    async fn open_to_all(backend: &Backend) -> (Place, Mailbox) {
        let mailbox = Mailbox::open();
        let url = mailbox.url.clone();
        let site = Place::with(Server::start_with(backend, move |given| {
            given.mail_server = Some(url);
            given.mail_from = Some("Shelf <shelf@example.org>".to_owned());
        }));
        site.set_site(Site { registers: true, ..Site::default() }).await;
        (site, mailbox)
    }

    async fn register(&self, mail: &str, password: &str) -> Value {
        let mut answer = self
            .call(&GUEST, Method::POST, "/user", json!({"email": mail, "password": password, "language": "en-US"}))
            .await;
        answer.as_object_mut().unwrap().remove("correlation_id");
        answer
    }
}

both_engines! {
    async fn nobody_registers_unless_an_administrator_lets_them(backend: Backend) {
        let site = Place::new(&backend);
        assert_eq!(data(site.get(&GUEST, "/site/config/login").await)["register_enabled"], false);
        assert_eq!(site.register("new@example.org", "a good password").await["code"], 40019);
        assert_eq!(site.call(&GUEST, Method::POST, "/user/reset", json!({"email": ADMIN_MAIL})).await["code"], 40019);
        // Without mail an administrator activates.
        site.set_site(Site { registers: true, title: "Ours".to_owned(), ..Site::default() }).await;
        assert_eq!(data(site.get(&GUEST, "/site/config/basic").await)["title"], "Ours");
        assert_eq!(site.register("new@example.org", "a good password").await["code"], 203);
        assert_eq!(site.sign_in("new@example.org", "a good password").await["code"], 40018);
        assert_eq!(site.sign_in("new@example.org", "a wrong password").await["code"], 40080);
        let app = site.server.app.clone();
        site.server.run(async move {
            let new = app.db.read(|tx| openshelf::store::accounts::by_login(tx, "new@example.org")).await.unwrap().unwrap();
            openshelf::work::registration::activate(&app, new.key).await.unwrap();
        });
        let signed = data(site.sign_in("new@example.org", "a good password").await);
        let new = As(Some(text(&signed["token"]["access_token"])));
        assert_eq!(site.get(&new, &format!("/file?uri={}", encoded("cloudreve://my"))).await["code"], 0);
    }

    async fn a_mail_activates_the_password_of_its_own_registration_and_no_other(backend: Backend) {
        let (site, mailbox) = Place::open_to_all(&backend).await;
        let start = format!("{}/session/activate?", site.server.url);
        let register = async |mail: &str, password: &str| {
            assert_eq!(site.register(mail, password).await["code"], 203);
            mailbox.link(mail, &start)
        };
        let activate = async |link: &str| {
            let (id, sign) = (parameter(link, "id").unwrap(), parameter(link, "sign").unwrap());
            site.get(&GUEST, &format!("/user/activate/{id}?sign={}", encoded(&sign))).await
        };
        // A stranger knows the address, and registers with it before its owner does; in the other case, after them.
        for (mail, first, second) in [
            ("ann@example.org", "a stranger's word", "her own password"),
            ("eve@example.org", "her own password", "a stranger's word"),
        ] {
            let (of_first, of_second) = (register(mail, first).await, register(mail, second).await);
            assert_eq!(site.sign_in(mail, first).await["code"], 40018);
            assert_eq!(site.sign_in(mail, second).await["code"], 40080, "nobody changes a password that waits");
            let (hers, strange) = if first.starts_with('h') { (of_first, of_second) } else { (of_second, of_first) };
            // Our page asks for the password of the registration: whoever has both mails opens no account for the other.
            let page = async |link: &str, password: &str| {
                let (id, slip) = (parameter(link, "id").unwrap(), parameter(link, "sign").unwrap());
                let form = [("id", id.as_str()), ("slip", slip.as_str()), ("password", password)];
                site.client.post(format!("{}/session/activate", site.server.url)).form(&form).send().await.unwrap().status()
            };
            assert_eq!(page(&strange, "her own password").await, reqwest::StatusCode::FORBIDDEN);
            match mail.starts_with('a') {
                true => assert_eq!(data(activate(&hers).await)["email"], mail),
                false => assert_eq!(page(&hers, "her own password").await, reqwest::StatusCode::OK),
            }
            for link in [&hers, &strange] {
                assert_eq!(activate(link).await["code"], 40029, "there is nothing left to activate");
            }
            assert_eq!(site.sign_in(mail, "a stranger's word").await["code"], 40080);
            assert_eq!(site.sign_in(mail, "her own password").await["code"], 0);
            let (known, password) = ([("u", mail), ("v", "1.16.1"), ("c", "test")], ("p", "her own password"));
            let ping = site.client.get(format!("{}/rest/ping", site.server.url)).query(&known).query(&[password]);
            assert!(ping.send().await.unwrap().text().await.unwrap().contains(r#"status="ok""#), "at every door");
        }
        for bad in ["", "nobody", "a b@example.org", &format!("{}@example.org", "x".repeat(60))] {
            assert_eq!(site.register(bad, "a good password").await["code"], 40001, "{bad}");
        }
        assert_eq!(site.register("other@example.org", "short").await["code"], 40001);
    }

    async fn who_was_in_their_account_is_never_made_to_wait_for_activation(backend: Backend) {
        let (site, _mailbox) = Place::open_to_all(&backend).await;
        let app = &site.server.app;
        let state = |state| move |_: &mut Tx, _: &User| Ok(UserWish { state: Some(state), ..UserWish::default() });
        // A stranger could register with their address, and set their password so.
        assert!(users::edit(app, ADMIN, None, state(UserState::Inactive)).await.is_err());
        assert_eq!(site.sign_in(ADMIN, PASSWORD).await["code"], 0);

        assert_eq!(site.register("new@example.org", "a good password").await["code"], 203);
        users::edit(app, "new@example.org", None, state(UserState::Active)).await.unwrap();
        let new = As(Some(text(&data(site.sign_in("new@example.org", "a good password").await)["token"]["access_token"])));
        assert_eq!(site.get(&new, "/user/capacity").await["code"], 0, "they have a home");
        assert!(users::edit(app, "new@example.org", None, state(UserState::Inactive)).await.is_err());
        assert_eq!(site.register("new@example.org", "a stranger's word").await["code"], 203);
        assert_eq!(site.sign_in("new@example.org", "a good password").await["code"], 0);
    }

    async fn a_forgotten_password_is_set_by_a_mail_and_no_answer_tells_who_has_an_account(backend: Backend) {
        let (site, mailbox) = Place::open_to_all(&backend).await;
        let new = site.register("new@example.org", "a good password").await;
        mailbox.next();
        let known = site.register(ADMIN_MAIL, "a good password").await;
        assert_eq!(new, known);
        let (to, mail) = mailbox.next();
        assert!(to == ADMIN_MAIL && mail.contains("has an account already") && !mail.contains("sign="), "{to} {mail}");
        let forgot = async |mail: &str| site.call(&GUEST, Method::POST, "/user/reset", json!({"email": mail})).await;
        assert_eq!(forgot("nobody@example.org").await["code"], 0);
        assert_eq!(forgot("new@example.org").await["code"], 0, "not activated: no mail either");
        assert_eq!(forgot(ADMIN_MAIL).await["code"], 0);
        let link = mailbox.link(ADMIN_MAIL, &format!("{}/session/reset?", site.server.url));
        let session = site.user(ADMIN).await;
        let (id, secret) = (parameter(&link, "id").unwrap(), parameter(&link, "secret").unwrap());
        let set = async |secret: &str, password: &str| {
            site.call(&GUEST, Method::PATCH, &format!("/user/reset/{id}"), json!({"password": password, "secret": secret})).await
        };
        assert_eq!(set(&secret, "short").await["code"], 40001);
        assert_eq!(set("no.such.secret", "another password").await["code"], 40029);
        assert_eq!(data(set(&secret, "another password").await)["email"], ADMIN_MAIL);
        assert_eq!(site.get(&session, "/user/me").await["code"], 401, "sessions of before are over");
        assert_eq!(set(&secret, "a third password").await["code"], 40029);
        assert_eq!(site.sign_in(ADMIN, "another password").await["code"], 0);
        // Tries from one place wait after each other.
        let mut last = Value::Null;
        for _ in 0..6 {
            last = forgot("nobody@example.org").await;
        }
        assert_eq!(last["code"], 403, "{last}");
    }

    async fn a_picture_is_to_be_read_where_an_administrator_wants_it(backend: Backend) {
        let site = Place::new(&backend);
        let captcha = Captchas { at_sign_in: true, at_registration: true, at_reset: false };
        site.set_site(Site { registers: true, captcha, ..Site::default() }).await;
        let config = data(site.get(&GUEST, "/site/config/login").await);
        assert_eq!((&config["login_captcha"], &config["reg_captcha"], &config["forget_captcha"]), (&json!(true), &json!(true), &json!(false)));
        let shown = async || {
            let shown = data(site.get(&GUEST, "/site/captcha").await);
            assert!(text(&shown["image"]).starts_with("data:image/png;base64,"));
            let ticket = text(&shown["ticket"]);
            // The test reads what a person would see.
            let read = slip::read::<String>(&site.server.app.keys, Errand::Captcha, &ticket, now_ms());
            (ticket, read.unwrap().data)
        };
        let sign_in = async |answer: &str, ticket: &str| {
            let body = json!({"email": ADMIN, "password": PASSWORD, "captcha": answer, "ticket": ticket});
            site.call(&GUEST, Method::POST, "/session/token", body).await
        };
        let refused = site.sign_in(ADMIN, PASSWORD).await;
        assert_eq!((&refused["code"], &refused["msg"]), (&json!(40026), &json!("CAPTCHA not match.")));
        let (ticket, word) = shown().await;
        assert_eq!(sign_in("wrong", &ticket).await["code"], 40026);
        assert_eq!(sign_in(&word, &ticket).await["code"], 40026, "a picture is good for one answer");
        let (ticket, word) = shown().await;
        assert_eq!(sign_in(&word.to_lowercase(), &ticket).await["code"], 0);
        assert_eq!(sign_in(&word, &ticket).await["code"], 40026);
        assert_eq!(site.register("new@example.org", "a good password").await["code"], 40026);
    }

    async fn a_session_is_taken_along_to_another_device_once(backend: Backend) {
        let site = Place::new(&backend);
        let session = cookie(&site.post_page("/app/sign-in", None, &[("user", ADMIN), ("password", PASSWORD)]).await);
        let shown = site.post_page("/app/account/device", Some(&session), &[]).await.text().await.unwrap();
        let start = format!("{}/api/v4/user/session/copy/", site.server.url);
        let link = shown[shown.find(&start).unwrap()..].split(['"', '<']).next().unwrap().to_owned();
        let taken: Value = site.client.get(&link).send().await.unwrap().json().await.unwrap();
        let token = text(&data(taken)["token"]["access_token"]);
        assert_eq!(data(site.get(&As(Some(token)), "/user/me").await)["email"], ADMIN_MAIL);
        let again: Value = site.client.get(&link).send().await.unwrap().json().await.unwrap();
        assert_eq!(again["code"], 40029);
    }
}
