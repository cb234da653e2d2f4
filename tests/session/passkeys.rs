//! Passkeys, by an authenticator that the test has in its hand.

use super::*;

/// An authenticator that keeps one passkey, and asks nobody for a finger.
struct Authenticator {
    key: EcdsaKeyPair,
    id: [u8; 16],
    user_handle: String,
    signed: u32,
    origin: String,
}

impl Authenticator {
    fn new(origin: &str) -> Authenticator {
        let chance = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &chance).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &chance).unwrap();
        let id = openshelf::account::token::random_bytes();
        Authenticator { key, id, user_handle: String::new(), signed: 0, origin: origin.to_owned() }
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    /// RP, flags, counter: WebAuthn, 6.1. The flags say that somebody was there, and who it was.
    fn data(&self, flags: u8) -> Vec<u8> {
        [&sha256("localhost")[..], &[flags], &self.signed.to_be_bytes()].concat()
    }

    /// What a browser sends for `options`, as JSON within a string.
    fn make(&mut self, options: &Value) -> String {
        let asked = &options["publicKey"];
        self.user_handle = text(&asked["user"]["id"]);
        let point = self.key.public_key().as_ref();
        // A COSE key of P-256: {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        let cose =
            [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &point[1..33], &[0x22, 0x58, 32], &point[33..]]
                .concat();
        let credential = [&[0; 16][..], &[0, 16], &self.id, &cose].concat();
        let data = [self.data(0x45), credential].concat();
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let length = u8::try_from(data.len()).unwrap();
        let attestation = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat();
        self.answer(json!({
            "attestationObject": URL_SAFE_NO_PAD.encode(attestation),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", &asked["challenge"])),
        }))
    }

    fn show(&mut self, options: &Value) -> String {
        self.signed += 1;
        let data = self.data(0x05);
        let client = self.client_data("webauthn.get", &options["publicKey"]["challenge"]);
        let signed = [&data[..], ring::digest::digest(&ring::digest::SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        self.answer(json!({
            "attestationObject": "",
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": self.user_handle,
        }))
    }

    fn answer(&self, response: Value) -> String {
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response}).to_string()
    }
}

impl Place {
    /// At a host that browsers make passkeys for.
    fn at_localhost(mut self) -> Place {
        self.server.url = self.server.url.replace("127.0.0.1", "localhost");
        self
    }

    async fn begin_with_passkey(&self) -> (Value, String) {
        let begun = data(self.call(&GUEST, Method::PUT, "/session/authn", json!({})).await);
        (begun["options"].clone(), text(&begun["session_id"]))
    }

    async fn finish_with_passkey(&self, session_id: &str, response: &str) -> Value {
        self.call(&GUEST, Method::POST, "/session/authn", json!({"session_id": session_id, "response": response})).await
    }
}

both_engines! {
    async fn a_passkey_signs_in_in_place_of_password_and_code(backend: Backend) {
        let site = Place::new(&backend).at_localhost();
        assert_eq!(data(site.get(&GUEST, "/site/config/login").await)["authn"], true);
        let admin = site.user(ADMIN).await;
        site.with_second_factor(&admin).await;
        let mut key = Authenticator::new(&site.server.url);
        let options = data(site.call(&admin, Method::PUT, "/user/authn", json!({})).await);
        assert_eq!(options["publicKey"]["rp"]["id"], "localhost");
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let made = json!({"response": key.make(&options), "name": "{browser} on {os}", "ua": agent});
        let passkey = data(site.call(&admin, Method::POST, "/user/authn", made.clone()).await);
        assert_eq!(passkey["name"], "Firefox on Linux");
        assert_eq!(site.call(&admin, Method::POST, "/user/authn", made).await["code"], 40025, "one offer, one passkey");
        assert_eq!(data(site.get(&admin, "/user/setting").await)["passkeys"][0]["id"], passkey["id"]);
        let prepared = data(site.get(&GUEST, "/session/prepare?email=admin").await);
        assert_eq!(prepared["webauthn_enabled"], false, "a driver would give up");

        let (options, session) = site.begin_with_passkey().await;
        let shown = key.show(&options);
        let signed = data(site.finish_with_passkey(&session, &shown).await);
        let me = As(Some(text(&signed["token"]["access_token"])));
        assert_eq!(data(site.get(&me, "/user/me").await)["email"], ADMIN_MAIL);
        assert_eq!(site.finish_with_passkey(&session, &shown).await["code"], 40023, "an answer is good once");
        let (_, other) = site.begin_with_passkey().await;
        assert_eq!(site.finish_with_passkey(&other, &shown).await["code"], 40020, "and for what was asked");
        assert!(data(site.get(&me, "/user/setting").await)["passkeys"][0]["used_at"].is_string());

        let (options, session) = site.begin_with_passkey().await;
        let mut stranger = Authenticator::new(&site.server.url);
        (stranger.id, stranger.user_handle) = (key.id, key.user_handle.clone());
        assert_eq!(site.finish_with_passkey(&session, &stranger.show(&options)).await["code"], 40020, "another key");
        let (options, session) = site.begin_with_passkey().await;
        key.origin = "http://evil.example".to_owned();
        assert_eq!(site.finish_with_passkey(&session, &key.show(&options)).await["code"], 40020, "at another site");
        assert_eq!(site.finish_with_passkey(&session, "").await["code"], 40001);

        key.origin = site.server.url.clone();
        let id = format!("/user/authn?id={}", encoded(&text(&passkey["id"])));
        assert_eq!(site.call(&me, Method::DELETE, &id, json!({})).await["code"], 0);
        let (options, session) = site.begin_with_passkey().await;
        assert_eq!(site.finish_with_passkey(&session, &key.show(&options)).await["code"], 40020, "it was removed");
        assert_eq!(site.call(&me, Method::DELETE, &id, json!({})).await["code"], 404);
    }

    async fn no_passkey_is_asked_for_where_browsers_make_none(backend: Backend) {
        let site = Place::new(&backend);
        assert_eq!(data(site.get(&GUEST, "/site/config/login").await)["authn"], false);
        let admin = site.user(ADMIN).await;
        assert_eq!(site.call(&admin, Method::PUT, "/user/authn", json!({})).await["code"], 40019);
        assert_eq!(site.call(&GUEST, Method::PUT, "/session/authn", json!({})).await["code"], 40019);
    }
}
