//! One request, as a value that a test can bend, and its answer as it came.

use serde_json::Value;

use super::an_address;

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    None,
    Form(Vec<(String, Vec<u8>)>),
    Json(Value),
    Bytes(&'static str, Vec<u8>),
}

#[derive(Debug, Clone)]
pub struct Ask {
    pub method: String,
    /// As it stands on the wire.
    pub path: String,
    /// Values of the `{names}` in the route's path.
    pub parts: Vec<(&'static str, String)>,
    pub query: Vec<(String, Vec<u8>)>,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

impl Ask {
    pub fn new(method: &str, path: &str) -> Ask {
        let method = method.to_owned();
        Ask {
            method,
            path: path.to_owned(),
            parts: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::None,
        }
    }

    pub fn get(path: &str) -> Ask {
        Ask::new("GET", path)
    }

    pub fn post(path: &str) -> Ask {
        Ask::new("POST", path)
    }

    pub fn q(mut self, name: &str, value: &str) -> Ask {
        self.query.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub fn part(mut self, name: &'static str, value: &str) -> Ask {
        self.parts.push((name, value.to_owned()));
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn form(mut self, fields: &[(&str, &str)]) -> Ask {
        self.body = Body::Form(fields.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect());
        self
    }

    pub fn json(mut self, body: Value) -> Ask {
        self.body = Body::Json(body);
        self
    }

    pub fn bytes(mut self, content_type: &'static str, bytes: impl Into<Vec<u8>>) -> Ask {
        self.body = Body::Bytes(content_type, bytes.into());
        self
    }

    /// Path and query as they go out.
    pub fn target(&self) -> String {
        let query = pairs(&self.query);
        let separator = if query.is_empty() {
            ""
        } else if self.path.contains('?') {
            "&"
        } else {
            "?"
        };
        format!("{}{separator}{query}", self.path)
    }

    pub fn body_bytes(&self) -> (Option<&'static str>, Vec<u8>) {
        match &self.body {
            Body::None => (None, Vec::new()),
            Body::Form(fields) => (Some("application/x-www-form-urlencoded"), pairs(fields).into_bytes()),
            Body::Json(value) => (Some("application/json"), value.to_string().into_bytes()),
            Body::Bytes(kind, bytes) => (Some(kind), bytes.clone()),
        }
    }

    /// All that it says, decoded: what an answer may repeat.
    pub fn says(&self) -> String {
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let (_, body) = self.body_bytes();
        let target = self.target();
        format!("{target}\n{}\n{headers}{}", decoded(&target), decoded(&String::from_utf8_lossy(&body)))
    }
}

/// All but letters and digits encoded.
pub fn encode(bytes: &[u8]) -> String {
    const SET: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::percent_encode(bytes, SET).to_string()
}

fn pairs(fields: &[(String, Vec<u8>)]) -> String {
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name.as_bytes()), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} {error}: {:.300}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Everything that was sent, and once more with percent signs decoded.
    pub fn all(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let all = format!("{} {headers}\n{}", self.status, self.text());
        if !all.contains('%') {
            return all;
        }
        let decoded = percent_encoding::percent_decode_str(&all).decode_utf8_lossy().into_owned();
        format!("{all}\n{decoded}")
    }
}

/// Sends requests as they are: no redirect is followed and no cookie kept.
#[derive(Clone)]
pub struct Client {
    url: String,
    client: reqwest::Client,
}

impl Client {
    pub fn new(url: &str) -> Client {
        let client = crate::server::http().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Client { url: url.to_owned(), client }
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub async fn send(&self, ask: &Ask) -> Answer {
        self.try_send(ask).await.unwrap_or_else(|error| panic!("{} {:.200}: {error:?}", ask.method, ask.target()))
    }

    pub async fn try_send(&self, ask: &Ask) -> reqwest::Result<Answer> {
        let method = reqwest::Method::from_bytes(ask.method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{}", self.url, ask.target()));
        let (kind, body) = ask.body_bytes();
        let names = |name: &str| ask.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some(kind) = kind
            && !names("content-type")
        {
            request = request.header("content-type", kind);
        }
        if !names("x-forwarded-for") {
            request = request.header("x-forwarded-for", an_address());
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = response.bytes().await?.to_vec();
        Ok(Answer { status, headers, body })
    }
}
