//! The seam to foreign servers: the one client by which this server asks others.
//!
//! Users name addresses, and a server stands where its users do not: in front of routers, databases and the metadata of its
//! cloud. So a connection is made to public addresses alone, and to the networks that the settings name. The address is judged
//! where it is connected to, after its name was resolved, and anew for each redirect: a name that leads elsewhere at its
//! second look gains nothing. What comes is bounded in size and time by whoever asks.

pub mod mail;
mod rest;

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout, timeout_at};

pub use rest::Rest;

const USER_AGENT: &str = concat!("Openshelf/", env!("CARGO_PKG_VERSION"));
const MOST_REDIRECTS: usize = 5;
const LONGEST_ADDRESS_BYTES: usize = 2048;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a server may say nothing in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(30);

/// Why nothing came of asking. Names no address, since addresses hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("it is no address of http or https")]
    BadAddress,
    #[error("it leads into a network that this server does not ask")]
    Refused,
    #[error("its server cannot be reached")]
    Unreachable,
    #[error("its server takes too long")]
    TooSlow,
    #[error("it is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("it redirects too often")]
    TooManyRedirects,
    #[error("its server answers with status {0}")]
    Status(u16),
    #[error("its server broke off")]
    Broken,
}

/// What an answer may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub size_bytes: u64,
    /// Until the last byte, redirects included.
    pub time: Duration,
}

pub struct Outgoing {
    guard: Arc<Guard>,
    /// Made when it is needed first: reading the system's certificates takes time that a start does not have.
    client: OnceLock<Option<Client>>,
}

impl Outgoing {
    /// `networks` are asked although they are private.
    pub fn new(networks: Vec<IpNet>) -> Outgoing {
        Outgoing { guard: Arc::new(Guard { networks, host: None }), client: OnceLock::new() }
    }

    /// The same for a host that the settings name, wherever it is: no user chose it. Where it leads to is judged as ever.
    pub fn to(host: &str, networks: Vec<IpNet>) -> Outgoing {
        // As an address will name it: an international name in letters of DNS, an IPv6 address in its short form.
        let parsed = Url::parse(&format!("http://{host}/")).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = parsed.unwrap_or_else(|| host.to_owned()).trim_matches(['[', ']']).to_ascii_lowercase();
        Outgoing { guard: Arc::new(Guard { networks, host: Some(host) }), client: OnceLock::new() }
    }

    /// An address that may be asked, as far as it tells by itself.
    pub fn address(&self, text: &str) -> Result<Url, Failure> {
        if text.len() > LONGEST_ADDRESS_BYTES {
            return Err(Failure::BadAddress);
        }
        self.checked(Url::parse(text.trim()).map_err(|_| Failure::BadAddress)?)
    }

    /// A host that is an address itself is never resolved, so it is judged here.
    fn checked(&self, url: Url) -> Result<Url, Failure> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Failure::BadAddress);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Failure::BadAddress)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) if !self.guard.is_chosen(host) && !self.guard.allows(address) => Err(Failure::Refused),
            _ => Ok(url),
        }
    }

    /// Asks for what is there and follows redirects; `headers` go to each of the servers on the way.
    pub async fn get(&self, address: &str, headers: HeaderMap, limits: Limits) -> Result<Answer, Failure> {
        let until = Instant::now() + limits.time;
        let mut url = self.address(address)?;
        for _ in 0..=MOST_REDIRECTS {
            let request = self.client()?.get(url.clone()).headers(headers.clone());
            let answer = Answer::of(request, limits, until).await?;
            let is_redirect = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(next) = answer.header(header::LOCATION).filter(|_| is_redirect) else { return Ok(answer) };
            url = self.checked(url.join(next).map_err(|_| Failure::BadAddress)?)?;
        }
        Err(Failure::TooManyRedirects)
    }

    /// Calls an interface with what may be secret; a redirect is an answer like any other, so that nothing goes elsewhere.
    pub async fn call(
        &self,
        method: Method,
        address: &str,
        headers: HeaderMap,
        body: String,
        limits: Limits,
    ) -> Result<Answer, Failure> {
        let url = self.address(address)?;
        let mut request = self.client()?.request(method, url).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        Answer::of(request, limits, Instant::now() + limits.time).await
    }

    fn client(&self) -> Result<&Client, Failure> {
        self.client.get_or_init(|| client(Arc::clone(&self.guard))).as_ref().ok_or(Failure::Unreachable)
    }
}

fn client(guard: Arc<Guard>) -> Option<Client> {
    // Another part of the process may have chosen the same before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = Client::builder()
        .user_agent(USER_AGENT)
        // A proxy would be asked in place of the address that was judged.
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .dns_resolver(guard)
        .connect_timeout(CONNECT_WITHIN)
        .pool_max_idle_per_host(1)
        .build();
    built.inspect_err(|cause| tracing::error!(%cause, "other servers cannot be asked")).ok()
}

/// What a server answers, its content not yet read.
pub struct Answer {
    pub status: StatusCode,
    response: Response,
    limits: Limits,
    until: Instant,
    received_bytes: u64,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder, limits: Limits, until: Instant) -> Result<Answer, Failure> {
        let response = timeout_at(until, timeout(SILENCE, request.send())).await;
        let response = response.map_err(|_| Failure::TooSlow)?.map_err(|_| Failure::TooSlow)?.map_err(failure)?;
        Ok(Answer { status: response.status(), response, limits, until, received_bytes: 0 })
    }

    /// Of a header that is text, what it says.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// What its server calls the content: by a header, else by the last name of the address that it came from. Any text.
    pub fn file_name(&self) -> Option<String> {
        let told = self.header(header::CONTENT_DISPOSITION).and_then(named);
        let path = told.unwrap_or_else(|| decoded(self.response.url().path()));
        path.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).map(str::to_owned)
    }

    /// How much is announced to come.
    pub fn length_bytes(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next part of the content; none at its end. More than the limit is `TooLarge`, if it is announced at once.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let too_large = Failure::TooLarge { limit_bytes: self.limits.size_bytes };
        if self.received_bytes == 0 && self.length_bytes().is_some_and(|length| length > self.limits.size_bytes) {
            return Err(too_large);
        }
        let part = timeout_at(self.until, timeout(SILENCE, self.response.chunk())).await;
        let part = part.map_err(|_| Failure::TooSlow)?.map_err(|_| Failure::TooSlow)?.map_err(failure)?;
        self.received_bytes += part.as_ref().map_or(0, |part| part.len() as u64);
        if self.received_bytes > self.limits.size_bytes { Err(too_large) } else { Ok(part) }
    }

    pub async fn whole(mut self) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        while let Some(part) = self.next().await? {
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The name in a `Content-Disposition`; one that says how it is written goes first. RFC 6266.
fn named(disposition: &str) -> Option<String> {
    let (mut plain, mut extended, mut rest) = (None, None, disposition);
    while let Some((_, parameter)) = rest.split_once(';') {
        let (key, value) = parameter.split_once('=')?;
        let (value, after) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        rest = after;
        match key.trim().to_ascii_lowercase().as_str() {
            "filename" => plain = Some(value),
            "filename*" => {
                let mut parts = value.splitn(3, '\'');
                let is_utf8 = parts.next().is_some_and(|charset| charset.eq_ignore_ascii_case("utf-8"));
                extended = parts.nth(1).filter(|_| is_utf8).map(decoded);
            }
            _ => {}
        }
    }
    extended.or(plain)
}

/// A quoted text without its quotes, and what follows.
fn unquoted(quoted: &str) -> (String, &str) {
    let (mut text, mut is_escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if is_escaped => {
                text.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return (text, &quoted[at + 1..]),
            _ => text.push(c),
        }
    }
    (text, "")
}

/// Whether nobody on the way reads what is sent there: it is encrypted, or stays on this machine.
pub fn is_private_way(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    !host.is_empty() && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

/// A header's value of text from outside; none where it cannot be one.
pub fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

fn failure(error: reqwest::Error) -> Failure {
    let mut cause: Option<&dyn Error> = Some(&error);
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<Failure>() {
            return own.clone();
        }
        cause = error.source();
    }
    match () {
        () if error.is_timeout() => Failure::TooSlow,
        () if error.is_connect() => Failure::Unreachable,
        () => Failure::Broken,
    }
}

/// Decides what may be connected to.
#[derive(Debug)]
struct Guard {
    networks: Vec<IpNet>,
    /// In lower case.
    host: Option<String>,
}

impl Guard {
    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.networks.iter().any(|network| network.contains(&address.to_canonical()))
    }

    fn is_chosen(&self, host: &str) -> bool {
        self.host.as_deref() == Some(host)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Guard { networks: self.networks.clone(), host: self.host.clone() };
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let is_allowed = |found: &SocketAddr| guard.is_chosen(name.as_str()) || guard.allows(found.ip());
            let allowed: Vec<SocketAddr> = found.iter().copied().filter(is_allowed).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(Failure::Refused.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

const NOT_PUBLIC: [&str; 20] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    // Link-local, and the metadata of most clouds; the last of this list is another one's.
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // Teredo and other protocols' own, documentation twice, and 6to4.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "168.63.129.16/32",
];

/// Whether an address is anybody's on the public internet. IPv6 is public within 2000::/3 alone, less what stands there for
/// an IPv4 address or for nothing; all that wraps one elsewhere is refused with the rest.
fn is_public(address: IpAddr) -> bool {
    static NETWORKS: OnceLock<Vec<IpNet>> = OnceLock::new();
    let never = NETWORKS.get_or_init(|| NOT_PUBLIC.iter().filter_map(|network| network.parse().ok()).collect());
    let is_global = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.segments()[0] & 0xe000 == 0x2000,
    };
    is_global && !never.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(networks: &[&str], host: &str) -> Result<(), Failure> {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Outgoing::new(networks).address(&format!("http://{host}/x")).map(drop)
    }

    #[test]
    fn addresses_of_private_networks_are_refused_in_every_spelling() {
        for host in [
            "0.0.0.0",
            "0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "①②⑦.⓪.⓪.①",
            "１２７.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[::8.8.8.8]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b::8.8.8.8]",
            "[64:ff9b:1::1]",
            "[100::1]",
            "[2001::1]",
            "[2001:20::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::1]",
            "[3fff::1]",
            "[5f00::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
        ] {
            assert_eq!(allows(&[], host), Err(Failure::Refused), "{host}");
        }
    }

    #[test]
    fn public_addresses_and_names_are_asked() {
        for host in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "[2606:4700::1111]",
            "[2a00:1450::1]",
            "a.example",
        ] {
            assert_eq!(allows(&[], host), Ok(()), "{host}");
        }
    }

    #[test]
    fn networks_of_the_settings_are_asked_and_no_other() {
        assert_eq!(allows(&["127.0.0.0/8"], "127.1"), Ok(()));
        assert_eq!(allows(&["127.0.0.0/8"], "[::ffff:127.0.0.1]"), Ok(()));
        assert_eq!(allows(&["127.0.0.0/8"], "[::1]"), Err(Failure::Refused));
        assert_eq!(allows(&["fd00::/8"], "[fd12::1]"), Ok(()));
        assert_eq!(allows(&["fd00::/8"], "10.0.0.1"), Err(Failure::Refused));
    }

    #[test]
    fn a_host_of_the_settings_is_asked_wherever_it_is_and_leads_nowhere_else() {
        let outgoing = Outgoing::to("[FD12::1]", Vec::new());
        assert!(outgoing.address("https://[fd12::1]:8443/token").is_ok());
        assert_eq!(outgoing.address("https://[fd12::2]/token"), Err(Failure::Refused));
        assert_eq!(Outgoing::to("auth.example", Vec::new()).address("https://10.0.0.1/"), Err(Failure::Refused));
    }

    #[test]
    fn a_way_is_private_that_is_encrypted_or_leads_nowhere() {
        for address in ["https://auth.example/x", "http://localhost:9000", "http://127.0.0.1/", "http://[::1]:1/x"] {
            assert!(is_private_way(address), "{address}");
        }
        for address in ["http://auth.example", "http://10.0.0.1/", "ftp://localhost/", "auth.example", "https://", ""] {
            assert!(!is_private_way(address), "{address}");
        }
    }

    #[test]
    fn only_http_is_spoken() {
        let outgoing = Outgoing::new(Vec::new());
        let long = format!("http://a.example/{}", "x".repeat(LONGEST_ADDRESS_BYTES));
        for text in [
            "",
            "a.example",
            "//a.example",
            "file:///etc/passwd",
            "ftp://a.example",
            "gopher://a.example",
            "http://",
            "data:,x",
            &long,
        ] {
            assert_eq!(outgoing.address(text), Err(Failure::BadAddress), "{text:.40}");
        }
        assert!(outgoing.address("https://a.example/feed?token=x").is_ok());
    }

    #[test]
    fn names_of_content_are_read_in_every_form() {
        for (said, name) in [
            ("attachment; filename=a.txt", Some("a.txt")),
            ("attachment; filename=\"a b; c.txt\"; size=3", Some("a b; c.txt")),
            (r#"attachment; filename="a \"b\" c""#, Some("a \"b\" c")),
            ("attachment; filename=x; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20b.txt", Some("Größe b.txt")),
            ("attachment; FileName*=utf-8'en'x.txt ; filename=\"y\"", Some("x.txt")),
            ("attachment; filename*=ISO-8859-1''%E4; filename=z", Some("z")),
            ("inline", None),
            ("attachment; filename", None),
            ("attachment; filename=\"open", Some("open")),
        ] {
            assert_eq!(named(said).as_deref(), name, "{said}");
        }
    }

    #[test]
    fn every_network_of_the_list_can_be_read() {
        assert!(NOT_PUBLIC.iter().all(|network| network.parse::<IpNet>().is_ok()));
    }
}
