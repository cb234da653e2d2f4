//! A client of the Cloudreve door, signed in as somebody.

use reqwest::{Body, Client, Method, Response};
use serde_json::{Value, json};

use crate::cloudreve::{data, encoded, envelope, text};
use crate::server::{PASSWORD, PATIENCE, Server};

#[derive(Clone)]
pub struct Drive {
    client: Client,
    base: String,
    pub token: String,
    /// What the app calls itself.
    app: Option<String>,
}

impl Drive {
    pub async fn sign_in(server: &Server, login: &str) -> Drive {
        Drive::sign_in_by(server, login, PASSWORD).await
    }

    pub async fn sign_in_by(server: &Server, login: &str, password: &str) -> Drive {
        Drive::guest(server).signed_in(login, password).await
    }

    pub async fn signed_in(self, login: &str, password: &str) -> Drive {
        let signed_in =
            data(self.call(Method::POST, "/session/token", json!({"email": login, "password": password})).await);
        Drive { token: text(&signed_in["token"]["access_token"]), ..self }
    }

    pub fn guest(server: &Server) -> Drive {
        Drive::at(&server.url, server.client())
    }

    /// Nobody, at a server of this address.
    pub fn at(url: &str, client: Client) -> Drive {
        Drive { client, base: url.to_owned(), token: String::new(), app: None }
    }

    /// Whoever this token is for.
    pub fn with_token(&self, token: &str) -> Drive {
        Drive { token: token.to_owned(), ..self.clone() }
    }

    /// The same user by another app.
    pub fn by_app(&self, app: &str) -> Drive {
        Drive { app: Some(app.to_owned()), ..self.clone() }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}/api/v4{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(app) = &self.app {
            request = request.header("x-cr-client-id", app);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        envelope(self.send(method, path, Some(body)).await).await
    }

    pub async fn get(&self, path: &str) -> Value {
        envelope(self.send(Method::GET, path, None).await).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.call(Method::PUT, path, body).await
    }

    /// Writes a file's content, which must be there.
    pub async fn write(&self, uri: &str, content: &str) -> Value {
        let url = format!("{}/api/v4/file/content?uri={}", self.base, encoded(uri));
        let mut request = self.client.put(url).bearer_auth(&self.token).body(content.to_owned());
        if let Some(app) = &self.app {
            request = request.header("x-cr-client-id", app);
        }
        data(envelope(request.send().await.unwrap()).await)
    }

    /// The envelope of one chunk of an upload; `None` when the answer did not come whole.
    pub async fn chunk(&self, session: &str, index: usize, body: impl Into<Body>) -> Option<Value> {
        let url = format!("{}/api/v4/file/upload/{session}/{index}", self.base);
        self.client.post(url).bearer_auth(&self.token).body(body).send().await.ok()?.json().await.ok()
    }

    /// Listens to what becomes of files.
    pub async fn listen(&self, uri: &str) -> Ears {
        let response = self.send(Method::GET, &format!("/file/events?uri={}", encoded(uri)), None).await;
        if response.headers()["content-type"] != "text/event-stream" {
            panic!("no stream: {}", response.text().await.unwrap());
        }
        Ears { response, heard: String::new() }
    }
}

/// An open stream of events.
pub struct Ears {
    response: Response,
    heard: String,
}

impl Ears {
    /// The next event's name and data; none once the stream ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            match self.any().await {
                Some((name, _)) if name == "keep-alive" => {}
                told => return told,
            }
        }
    }

    /// The same, also where it says only that the stream goes on.
    pub async fn any(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.heard.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.heard = rest;
                let line = |start: &str| {
                    event.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default().to_owned()
                };
                let data = line("data: ");
                let data = if data.is_empty() { Value::Null } else { serde_json::from_str(&data).unwrap() };
                return Some((line("event: "), data));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("nothing is heard");
            match chunk {
                Ok(Some(chunk)) => self.heard += std::str::from_utf8(&chunk).unwrap(),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    pub async fn name(&mut self) -> String {
        self.next().await.expect("the stream goes on").0
    }

    /// What is told next, each as `type from to`.
    pub async fn changes(&mut self) -> Vec<String> {
        let (name, data) = self.next().await.expect("the stream goes on");
        assert_eq!(name, "event", "{data}");
        let told = |one: &Value| {
            assert!(one["file_id"].is_string(), "{one}");
            format!("{} {} {}", text(&one["type"]), text(&one["from"]), text(&one["to"])).trim_end().to_owned()
        };
        data.as_array().unwrap().iter().map(told).collect()
    }

    /// Whatever is told until the last of these was; in order.
    pub async fn until(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        while all.last().is_none_or(|told: &String| told != last) {
            all.extend(self.changes().await);
        }
        all
    }
}
