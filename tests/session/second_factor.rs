//! The second factor: codes of a phone, each good once and tried no faster than a password.

use super::*;

/// An app on a phone, which shows each code once.
pub struct Phone {
    secret: String,
    last_step: u64,
}

fn step_of_now() -> u64 {
    u64::try_from(now_ms()).unwrap() / 30_000
}

impl Phone {
    fn code(&mut self) -> String {
        let now = step_of_now();
        self.last_step = (self.last_step + 1).max(now - 1);
        assert!(self.last_step <= now + 1, "more codes than there are");
        self.shown()
    }

    /// The code of before.
    fn shown(&self) -> String {
        let secret = TotpSecret::try_from_base32(&self.secret).unwrap();
        Builder::new().with_secret(secret).build().unwrap().generate(self.last_step * 30).to_string()
    }
}

impl Place {
    pub async fn with_second_factor(&self, who: &As) -> Phone {
        let secret = text(&data(self.get(who, "/user/setting/2fa").await));
        let mut phone = Phone { secret, last_step: 0 };
        let wrong = json!({"two_fa_enabled": true, "two_fa_code": "000000"});
        assert_eq!(self.call(who, Method::PATCH, "/user/setting", wrong).await["code"], 40022);
        assert_eq!(data(self.get(who, "/user/setting").await)["two_fa_enabled"], false);
        // The oldest of the three codes that count, so that two are left to show. It may grow too old on its way.
        loop {
            let right = json!({"two_fa_enabled": true, "two_fa_code": phone.code()});
            let answer = self.call(who, Method::PATCH, "/user/setting", right).await;
            if answer["code"] == 0 {
                break;
            }
            assert!(phone.last_step + 1 < step_of_now(), "{answer}");
        }
        assert_eq!(data(self.get(who, "/user/setting").await)["two_fa_enabled"], true);
        phone
    }

    async fn second_step(&self, step: &str, code: &str) -> Value {
        self.call(&GUEST, Method::POST, "/session/token/2fa", json!({"otp": code, "session_id": step})).await
    }
}

both_engines! {
    async fn whoever_has_a_second_factor_shows_a_code_of_it_once(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let mut phone = site.with_second_factor(&admin).await;
        assert_eq!(site.get(&admin, "/user/setting/2fa").await["code"], 403, "no new secret while one is on");

        assert_eq!(site.sign_in(ADMIN, "wrong").await["code"], 40080);
        let first = site.sign_in(ADMIN, PASSWORD).await;
        assert_eq!(first["code"], 203, "{first}");
        let step = text(&first["data"]);
        assert_eq!(site.second_step(&step, &phone.shown()).await["code"], 40022, "the code that turned it on");
        assert_eq!(site.second_step("no.such.step", &phone.shown()).await["code"], 40023);
        let code = phone.code();
        let done = site.second_step(&step, &code).await;
        assert!(text(&data(done)["token"]["access_token"]).contains('.'));
        assert_eq!(site.second_step(&step, &code).await["code"], 40022, "the same code again");
        let again = text(&site.sign_in(ADMIN, PASSWORD).await["data"]);
        assert_eq!(site.second_step(&again, &code).await["code"], 40022, "the same code for another sign-in");
        let last = phone.code();
        assert_eq!(site.second_step(&step, &last).await["code"], 40023, "the same first step again");
    }

    async fn of_many_that_show_one_code_of_a_phone_one_comes_in(backend: Backend) {
        let site = Place::new(&backend);
        let mut phone = site.with_second_factor(&site.user(ADMIN).await).await;
        let step = text(&site.sign_in(ADMIN, PASSWORD).await["data"]);
        let code = phone.code();
        let all = futures_util::future::join_all((0..10).map(|_| site.second_step(&step, &code))).await;
        assert_eq!(all.iter().filter(|answer| answer["code"] == 0).count(), 1, "{all:?}");
    }

    async fn a_code_is_tried_no_faster_than_a_password(backend: Backend) {
        let site = Place::new(&backend);
        let mut phone = site.with_second_factor(&site.user(ADMIN).await).await;
        let step = text(&site.sign_in(ADMIN, PASSWORD).await["data"]);
        let codes: Vec<String> = (0..12).map(|n| format!("{n:06}")).collect();
        let began = std::time::Instant::now();
        let tries = futures_util::future::join_all(codes.iter().map(|code| site.second_step(&step, code))).await;
        let count = |code: i64| tries.iter().filter(|answer| answer["code"] == code).count();
        assert_eq!(count(40022) + count(403), codes.len(), "{tries:?}");
        // After five, one waits a second, and each of the next twice as long.
        let judged = u32::try_from(count(40022)).unwrap();
        assert!(judged <= 5 + (began.elapsed().as_secs() + 1).ilog2(), "{tries:?}");
        // As of now: how long all of that took is the machine's affair.
        let sql = "UPDATE throttle SET failures = 20, last_ms = $1 WHERE subject LIKE 'second factor %'";
        let counted = site.server.app.db.write(|tx| tx.run(sql, openshelf::args![now_ms()])).await.unwrap();
        assert_eq!(counted, 1);
        assert_eq!(site.second_step(&step, &phone.code()).await["code"], 403, "the right one waits as well");
    }

    async fn no_door_is_a_way_round_the_second_factor(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let subsonic = async |query: String| {
            let url = format!("{}/rest/ping.view?v=1.16.1&c=t&f=json&{query}", site.server.url);
            let answer: Value = site.client.get(url).send().await.unwrap().json().await.unwrap();
            answer["subsonic-response"].clone()
        };
        let md5 = crate::world::subsonic_token(PASSWORD, "salt1");
        let by_password = format!("u=admin&p={}", encoded(PASSWORD));
        let by_token = format!("u=admin&t={md5}&s=salt1");
        assert_eq!(subsonic(by_password.clone()).await["status"], "ok");
        assert_eq!(subsonic(by_token.clone()).await["status"], "ok");

        let mut phone = site.with_second_factor(&admin).await;
        for query in [by_password, by_token] {
            let refused = subsonic(query.clone()).await;
            assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!("failed"), &json!(50)), "{query}: {refused}");
            assert!(text(&refused["error"]["message"]).contains("API key"), "{refused}");
        }
        let mycloud = async |password: String| {
            let body = json!({"grant_type": "password", "username": ADMIN, "password": password});
            let url = format!("{}/authrouter/oauth/token", site.server.url);
            site.client.post(url).json(&body).send().await.unwrap().status().as_u16()
        };
        assert!(mycloud(PASSWORD.to_owned()).await >= 400);
        let app = site.server.app.clone();
        let key = site.server.run(async move {
            let admin = app.db.read(|tx| openshelf::store::accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            signin::add_api_key(&app, admin.key, "app").await.unwrap().key
        });
        assert_eq!(subsonic(format!("u=admin&p={key}")).await["status"], "ok");
        assert_eq!(subsonic(format!("apiKey={key}")).await["status"], "ok");
        assert_eq!(mycloud(key.clone()).await, 200);
        assert!(mycloud("x".repeat(32)).await >= 400);

        let form = [("user", ADMIN), ("password", PASSWORD), ("next", "/app/keys")];
        let asked = site.post_page("/app/sign-in", None, &form).await;
        assert!(!asked.headers().contains_key("set-cookie"));
        let html = asked.text().await.unwrap();
        let step = html.split("name=\"step\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let wrong = site.post_page("/app/sign-in/code", None, &[("step", &step), ("code", "000000")]).await;
        assert_eq!(wrong.status(), 403);
        assert!(!wrong.headers().contains_key("set-cookie"));
        let code = phone.code();
        let right = site.post_page("/app/sign-in/code", None, &[("step", &step), ("code", &code), ("next", "/app/keys")]).await;
        assert_eq!(location(&right), "/app/keys");
        assert_eq!(site.page("/app/keys", Some(&cookie(&right))).await.status(), 200);

        let off = json!({"two_fa_enabled": false, "two_fa_code": phone.code()});
        assert_eq!(site.call(&admin, Method::PATCH, "/user/setting", off).await["code"], 0);
        assert_eq!(site.sign_in(ADMIN, PASSWORD).await["code"], 0);
    }
}
