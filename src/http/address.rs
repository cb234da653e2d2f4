//! Where a request came from, and what links in its answer begin with.
//!
//! Headers of a proxy are believed only when the proxy is trusted, and a Host that nobody vouches for never gets into a
//! link: such links begin with the address that the connection reached.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

use crate::config::Config;

/// The two ends of a TCP connection; the accept loop puts them into the extensions of each request.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    pub peer: SocketAddr,
    pub local: SocketAddr,
}

#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's own address, through trusted proxies.
    pub address: IpAddr,
    /// `https://host[:port][/prefix]`, without a trailing slash.
    pub base: String,
}

impl Origin {
    pub fn of(config: &Config, connection: Connection, headers: &HeaderMap) -> Origin {
        let peer = connection.peer.ip().to_canonical();
        let trusted = |address: IpAddr| config.trusts(address);
        let behind_proxy = trusted(peer);
        let forwarded = |name: &str| match behind_proxy {
            true => {
                headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
            }
            false => None,
        };
        let address = match behind_proxy {
            true => client_address(headers, peer, trusted),
            false => peer,
        };
        let base = config.public_url.clone().unwrap_or_else(|| {
            let scheme = match forwarded("x-forwarded-proto") {
                Some("https") => "https",
                _ => "http",
            };
            let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let host = match behind_proxy {
                true => Some(forwarded("x-forwarded-host").unwrap_or(host)).filter(|host| is_host(host)),
                false => Some(host).filter(|host| is_host(host) && is_ours(host, config, connection)),
            };
            let prefix = forwarded("x-forwarded-prefix").filter(|prefix| is_path(prefix)).unwrap_or_default();
            let host = host.map_or_else(|| connection.local.to_string(), str::to_owned);
            format!("{scheme}://{host}{}", prefix.trim_end_matches('/'))
        });
        Origin { address, base }
    }

    /// The path beneath which the server lies, without a trailing slash; empty at the root.
    pub fn prefix(&self) -> &str {
        let after_scheme = self.base.find("://").map_or(0, |at| at + 3);
        self.base[after_scheme..].find('/').map_or("", |at| &self.base[after_scheme + at..])
    }

    pub fn is_secure(&self) -> bool {
        self.base.starts_with("https://")
    }

    /// Scheme and host alone, as a browser's `Origin` header has them.
    pub fn site(&self) -> &str {
        &self.base[..self.base.len() - self.prefix().len()]
    }
}

/// The last address in the chain that no trusted proxy speaks for.
fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    let chain: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in chain.into_iter().rev() {
        let address = hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
        let Some(address) = address else { break };
        client = IpAddr::to_canonical(&address);
        if !trusted(client) {
            break;
        }
    }
    client
}

/// Whether a Host may stand in a link: named in the settings, or plainly this machine.
fn is_ours(host: &str, config: &Config, connection: Connection) -> bool {
    let name = host_name(host).to_ascii_lowercase();
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address.is_loopback() || address == connection.local.ip().to_canonical();
    }
    name == "localhost" || config.trusted_hosts.contains(&name) || machine_names().contains(&name)
}

/// The machine's own name, alone and as home networks extend it.
fn machine_names() -> &'static [String] {
    static NAMES: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| {
        let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        let first = name.split('.').next().unwrap_or_default().to_owned();
        ["", ".local", ".lan", ".home", ".home.arpa", ".fritz.box"]
            .iter()
            .map(|suffix| format!("{first}{suffix}"))
            .chain([name.clone()])
            .filter(|name| !first.is_empty() && name.len() > 1)
            .collect()
    })
}

fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Given;

    fn connection() -> Connection {
        Connection { peer: "192.0.2.7:5000".parse().unwrap(), local: "192.0.2.1:4747".parse().unwrap() }
    }

    fn config(trusted: &[&str]) -> Config {
        let given = Given {
            data: Some("/nonexistent".into()),
            trusted_proxies: trusted.iter().map(|t| t.to_string()).collect(),
            trusted_hosts: vec!["shelf.example.org".into()],
            ..Given::default()
        };
        given.resolve(None).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_host_that_nobody_vouches_for_never_gets_into_a_link() {
        let base = |host: &str| Origin::of(&config(&[]), connection(), &headers(&[("host", host)])).base;
        assert_eq!(base("evil.example"), "http://192.0.2.1:4747");
        assert_eq!(base("203.0.113.9"), "http://192.0.2.1:4747");
        assert_eq!(base("x\" onload=\""), "http://192.0.2.1:4747");
        assert_eq!(base("shelf.example.org"), "http://shelf.example.org");
        assert_eq!(base("localhost:8080"), "http://localhost:8080");
    }

    #[test]
    fn forwarded_headers_count_only_from_a_trusted_proxy() {
        let sent = headers(&[
            ("host", "inner"),
            ("x-forwarded-for", "198.51.100.1, 203.0.113.5"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "music.example.org"),
            ("x-forwarded-prefix", "/shelf/"),
        ]);
        let stranger = Origin::of(&config(&[]), connection(), &sent);
        assert_eq!(
            (stranger.address.to_string().as_str(), stranger.base.as_str()),
            ("192.0.2.7", "http://192.0.2.1:4747")
        );
        let proxied = Origin::of(&config(&["192.0.2.0/24"]), connection(), &sent);
        assert_eq!(proxied.address.to_string(), "203.0.113.5");
        assert_eq!(proxied.base, "https://music.example.org/shelf");
        assert_eq!(proxied.prefix(), "/shelf");
        assert_eq!(proxied.site(), "https://music.example.org");
    }
}
