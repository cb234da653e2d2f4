//! Settings: a TOML file, then the environment, then the command line. Unknown keys are refused.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

use crate::library::names::Articles;
use crate::outgoing::is_private_way;
use crate::size::bytes_in;
use crate::store::Database;
use crate::work::jukebox::Output;
use crate::work::pace;

/// As given: on the command line or in the environment, and by the same names in the file.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Given {
    /// Address and port to listen on; port 0 picks one [default: 0.0.0.0:4747]
    #[arg(long, env = "OPENSHELF_LISTEN", value_name = "ADDR", global = true)]
    pub listen: Option<SocketAddr>,
    /// Folder of the database, the master key and the homes [default: the user's data directory]
    #[arg(long, env = "OPENSHELF_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// postgres://… [default: SQLite in the data folder]
    #[arg(long, env = "OPENSHELF_DATABASE", value_name = "URL", hide_env_values = true, global = true)]
    pub database: Option<String>,
    /// Folder of the users' homes [default: the data folder]
    #[arg(long, env = "OPENSHELF_STORAGE", value_name = "DIR", global = true)]
    pub storage: Option<PathBuf>,
    /// What links begin with, as guests reach this server: https://example.org/shelf
    #[arg(long, env = "OPENSHELF_PUBLIC_URL", value_name = "URL", global = true)]
    pub public_url: Option<String>,
    /// Proxies whose X-Forwarded-… headers are believed: addresses or networks, by comma
    #[arg(long, env = "OPENSHELF_TRUSTED_PROXIES", value_name = "NETS", value_delimiter = ',', global = true)]
    pub trusted_proxies: Vec<String>,
    /// Host names that links may be built from, by comma; others fall back to the address that was reached
    #[arg(long, env = "OPENSHELF_TRUSTED_HOSTS", value_name = "NAMES", value_delimiter = ',', global = true)]
    pub trusted_hosts: Vec<String>,
    /// "off" keeps no recoverable copy of passwords; music apps then need an API key
    #[arg(long, env = "OPENSHELF_TOKEN_LOGIN", value_name = "on|off", global = true)]
    pub token_login: Option<Switch>,
    /// Minutes between rescans, at most a year's 525600 [default: 60]
    #[arg(long, env = "OPENSHELF_RESCAN_MINUTES", value_name = "N", global = true)]
    pub rescan_minutes: Option<u64>,
    /// How much covers, thumbnails and transcodes may be kept: 500M, 10G [default: 2G]
    #[arg(long, env = "OPENSHELF_CACHE_SIZE", value_name = "SIZE", global = true)]
    pub cache_size: Option<String>,
    /// How many bytes leave per second at most, guests taking turns: 20M [default: as many as the machine can]
    #[arg(long, env = "OPENSHELF_MAX_RATE", value_name = "RATE", global = true)]
    pub max_rate: Option<String>,
    /// Words that do not count in front of artists' names, such as "The Die Les" [default: The El La Los Las Le Les Os As O A]
    #[arg(long, env = "OPENSHELF_IGNORED_ARTICLES", value_name = "WORDS", global = true)]
    pub ignored_articles: Option<String>,
    /// "off" does not listen to music in the background; apps then find what is alike by artist, genre and year alone
    #[arg(long, env = "OPENSHELF_SOUND_ANALYSIS", value_name = "on|off", global = true)]
    pub sound_analysis: Option<Switch>,
    /// "off" does not read what files say; they are then found by their names alone
    #[arg(long, env = "OPENSHELF_FULL_TEXT", value_name = "on|off", global = true)]
    pub full_text: Option<Switch>,
    /// Lets music apps play on this machine's own speakers: on, or one of mpv's audio outputs (alsa, pulse) [default: off]
    #[arg(long, env = "OPENSHELF_JUKEBOX", value_name = "OUTPUT", global = true)]
    pub jukebox: Option<String>,
    /// Private networks that podcasts and other services may be asked in, by comma: 192.168.1.0/24 [default: none]
    #[arg(long, env = "OPENSHELF_OUTGOING_NETWORKS", value_name = "NETS", value_delimiter = ',', global = true)]
    pub outgoing_networks: Vec<String>,
    /// How much podcasts' episodes may take: 500M, 50G [default: 20G]
    #[arg(long, env = "OPENSHELF_PODCAST_SPACE", value_name = "SIZE", global = true)]
    pub podcast_space: Option<String>,
    /// Where ListenBrainz answers, or what speaks as it does [default: https://api.listenbrainz.org]
    #[arg(long, env = "OPENSHELF_LISTENBRAINZ_URL", value_name = "URL", global = true)]
    pub listenbrainz_url: Option<String>,
    /// Where Last.fm answers, or what speaks as it does [default: https://ws.audioscrobbler.com/2.0/]
    #[arg(long, env = "OPENSHELF_LASTFM_URL", value_name = "URL", global = true)]
    pub lastfm_url: Option<String>,
    /// This server's API key at Last.fm
    #[arg(long, env = "OPENSHELF_LASTFM_KEY", value_name = "KEY", hide_env_values = true, global = true)]
    pub lastfm_key: Option<String>,
    /// The secret to that key; better in the environment or the file than on a command line
    #[arg(long, env = "OPENSHELF_LASTFM_SECRET", value_name = "SECRET", hide_env_values = true, global = true)]
    pub lastfm_secret: Option<String>,
    /// "on" asks Last.fm for words about artists and albums, which takes --lastfm-key [default: off]
    #[arg(long, env = "OPENSHELF_NOTES", value_name = "on|off", global = true)]
    pub notes: Option<Switch>,
    /// Folder of a build of Cloudreve's web interface, to be served in front of this server's own pages [default: none]
    #[arg(long, env = "OPENSHELF_CLOUDREVE_UI", value_name = "DIR", global = true)]
    pub cloudreve_ui: Option<PathBuf>,
    /// "each-library" shows My Cloud Home's apps a device for each library; else all is on one [default: one]
    #[arg(long, env = "OPENSHELF_MYCLOUD_DEVICES", value_name = "HOW", global = true)]
    pub mycloud_devices: Option<Devices>,
    /// "at-once" opens what My Cloud Home's apps share as soon as they share it; else their second step does [default: in-two-steps]
    #[arg(long, env = "OPENSHELF_MYCLOUD_GRANTS", value_name = "WHEN", global = true)]
    pub mycloud_grants: Option<Granting>,
    /// Addresses beside those of their own to which My Cloud Home's apps may have their sign-in answered, by comma:
    /// https://app.example.org/callback [default: none]
    #[arg(long, env = "OPENSHELF_MYCLOUD_REDIRECTS", value_name = "URLS", value_delimiter = ',', global = true)]
    pub mycloud_redirects: Vec<String>,
    /// Folders that administrators may import files from into a user's home, by comma; nothing else of this machine [default: none]
    #[arg(long, env = "OPENSHELF_IMPORT_FROM", value_name = "DIRS", value_delimiter = ',', global = true)]
    pub import_from: Vec<PathBuf>,
    /// Server that mail is sent by: smtps://HOST, or smtp://HOST, which encrypts after the greeting unless HOST is this
    /// machine [default: none, and an administrator activates who registers]
    #[arg(long, env = "OPENSHELF_MAIL_SERVER", value_name = "URL", global = true)]
    pub mail_server: Option<String>,
    /// Whom mail is from: Openshelf <shelf@example.org>
    #[arg(long, env = "OPENSHELF_MAIL_FROM", value_name = "ADDRESS", global = true)]
    pub mail_from: Option<String>,
    /// The user at that server; the password stands in OPENSHELF_MAIL_PASSWORD, or in the file as mail-password
    #[arg(long, env = "OPENSHELF_MAIL_USER", value_name = "NAME", global = true)]
    pub mail_user: Option<String>,
    /// Never on a command line, where every user of the machine can read it.
    #[arg(skip)]
    pub mail_password: Option<String>,
    /// OpenID provider by which users may sign in, such as https://auth.example.org: the address that
    /// /.well-known/openid-configuration stands beneath [default: none]
    #[arg(long, env = "OPENSHELF_OPENID_ISSUER", value_name = "URL", global = true)]
    pub openid_issuer: Option<String>,
    /// This server's id there; the secret stands in OPENSHELF_OPENID_SECRET, or in the file as openid-secret
    #[arg(long, env = "OPENSHELF_OPENID_CLIENT_ID", value_name = "ID", global = true)]
    pub openid_client_id: Option<String>,
    /// What users call the provider [default: its host]
    #[arg(long, env = "OPENSHELF_OPENID_NAME", value_name = "NAME", global = true)]
    pub openid_name: Option<String>,
    /// None of a client that has no secret.
    #[arg(skip)]
    pub openid_secret: Option<String>,
    /// This program, for what it does in processes of its own: a server inside of another program says so.
    #[arg(skip)]
    #[serde(skip)]
    pub program: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    On,
    Off,
}

/// What My Cloud Home's apps see as a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Devices {
    /// This server.
    One,
    EachLibrary,
}

/// When a share of My Cloud Home's own contract opens its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Granting {
    /// Once its maker gives its holders the right to them, file by file.
    InTwoSteps,
    AtOnce,
}

/// Whatever its file is called by now.
const SELF: &str = "/proc/self/exe";
const MAIL_PASSWORD: &str = "OPENSHELF_MAIL_PASSWORD";
const OPENID_SECRET: &str = "OPENSHELF_OPENID_SECRET";
const CACHE_SIZE: &str = "2G";
const PODCAST_SPACE: &str = "20G";
const MOST_RESCAN_MINUTES: u64 = 365 * 24 * 60;
const LISTENBRAINZ_URL: &str = "https://api.listenbrainz.org";
const LASTFM_URL: &str = "https://ws.audioscrobbler.com/2.0/";

/// What Last.fm knows this server by.
#[derive(Clone)]
pub struct LastfmKey {
    pub key: String,
    pub secret: String,
}

impl std::fmt::Debug for LastfmKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastfmKey(…)")
    }
}

/// How the connection to a server for mail is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// To this machine alone.
    None,
    /// STARTTLS, or nothing is sent.
    AfterGreeting,
    FromTheFirstByte,
}

/// Who sends this server's mail.
#[derive(Debug, Clone)]
pub struct MailServer {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub from: String,
    pub account: Option<MailAccount>,
}

#[derive(Clone)]
pub struct MailAccount {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for MailAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailAccount(…)")
    }
}

/// By whose word users may sign in.
#[derive(Clone)]
pub struct OpenIdProvider {
    /// Without a trailing slash.
    pub issuer: String,
    pub client_id: String,
    pub secret: Option<String>,
    pub name: String,
}

impl std::fmt::Debug for OpenIdProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenIdProvider({})", self.issuer)
    }
}

impl OpenIdProvider {
    pub fn host(&self) -> &str {
        host_of(&self.issuer)
    }
}

/// With its brackets, if it is an address that has them.
fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest));
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub database: Database,
    pub storage: PathBuf,
    /// Without a trailing slash.
    pub public_url: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub trusted_hosts: Vec<String>,
    pub token_login: Switch,
    pub rescan_minutes: u64,
    pub cache_size_bytes: u64,
    pub max_rate_bytes_s: Option<i64>,
    pub ignored_articles: Articles,
    pub sound_analysis: Switch,
    /// Whether files are searched by what they say.
    pub full_text: Switch,
    pub jukebox: Output,
    pub outgoing_networks: Vec<IpNet>,
    pub podcast_space_bytes: u64,
    /// Without a trailing slash.
    pub listenbrainz_url: String,
    pub lastfm_url: String,
    pub lastfm_key: Option<LastfmKey>,
    /// Whether others are asked about artists and albums.
    pub notes: Switch,
    pub cloudreve_ui: Option<PathBuf>,
    pub mycloud_devices: Devices,
    pub mycloud_grants: Granting,
    pub mycloud_redirects: Vec<String>,
    /// As given, and whole from the root.
    pub import_from: Vec<PathBuf>,
    pub mail: Option<MailServer>,
    pub openid: Option<OpenIdProvider>,
    pub program: PathBuf,
}

impl Config {
    /// Whether a proxy at this address is believed what it says of its visitors.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

impl Given {
    /// Fills what was not given from the file, then from the defaults.
    pub fn resolve(self, file: Option<&Path>) -> anyhow::Result<Config> {
        let in_environment = Given {
            mail_password: std::env::var(MAIL_PASSWORD).ok(),
            openid_secret: std::env::var(OPENID_SECRET).ok(),
            ..Given::default()
        };
        let given = self.over(in_environment).over(file.map_or_else(|| Ok(Given::default()), in_file)?);
        let data = match given.data {
            Some(path) => path,
            None => default_data_dir()?,
        };
        let database = match given.database {
            None => Database::Sqlite(data.join("openshelf.sqlite")),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Database::Postgres(url),
            Some(_) => bail!("--database takes a postgres:// address; leave it out for SQLite"),
        };
        let lastfm_key = match (filled(given.lastfm_key), filled(given.lastfm_secret)) {
            (Some(key), Some(secret)) => Some(LastfmKey { key, secret }),
            (None, None) => None,
            _ => bail!("--lastfm-key and --lastfm-secret go together"),
        };
        let mail = mail_server(
            filled(given.mail_server),
            filled(given.mail_from),
            filled(given.mail_user),
            filled(given.mail_password),
        )?;
        let openid = openid_provider(
            filled(given.openid_issuer),
            filled(given.openid_client_id),
            filled(given.openid_secret),
            filled(given.openid_name),
        )?;
        Ok(Config {
            listen: given.listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 4747))),
            storage: given.storage.unwrap_or_else(|| data.clone()),
            data,
            database,
            public_url: given.public_url.map(|url| check_public_url(&url)).transpose()?,
            trusted_proxies: networks(&given.trusted_proxies)
                .context("--trusted-proxies takes addresses or networks, such as 127.0.0.1 or 10.0.0.0/8")?,
            trusted_hosts: given.trusted_hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect(),
            token_login: given.token_login.unwrap_or(Switch::On),
            rescan_minutes: match given.rescan_minutes.unwrap_or(60).max(1) {
                minutes if minutes <= MOST_RESCAN_MINUTES => minutes,
                _ => bail!("--rescan-minutes takes at most {MOST_RESCAN_MINUTES}, which is a year"),
            },
            cache_size_bytes: bytes_in(given.cache_size.as_deref().unwrap_or(CACHE_SIZE))
                .context("--cache-size takes a size such as 500M or 10G")?,
            max_rate_bytes_s: given.max_rate.map(|text| pace::parse_rate(&text).context("--max-rate")).transpose()?,
            ignored_articles: given.ignored_articles.map_or_else(Articles::default, |words| Articles::of(&words)),
            sound_analysis: given.sound_analysis.unwrap_or(Switch::On),
            full_text: given.full_text.unwrap_or(Switch::On),
            jukebox: output(given.jukebox.as_deref().unwrap_or("off"))?,
            outgoing_networks: networks(&given.outgoing_networks)
                .context("--outgoing-networks takes addresses or networks, such as 192.168.1.0/24")?,
            podcast_space_bytes: bytes_in(given.podcast_space.as_deref().unwrap_or(PODCAST_SPACE))
                .context("--podcast-space takes a size such as 500M or 50G")?,
            listenbrainz_url: given
                .listenbrainz_url
                .map_or(LISTENBRAINZ_URL.to_owned(), |url| url.trim_end_matches('/').to_owned()),
            lastfm_url: given.lastfm_url.unwrap_or_else(|| LASTFM_URL.to_owned()),
            lastfm_key,
            notes: given.notes.unwrap_or(Switch::Off),
            cloudreve_ui: given.cloudreve_ui,
            mycloud_devices: given.mycloud_devices.unwrap_or(Devices::One),
            mycloud_grants: given.mycloud_grants.unwrap_or(Granting::InTwoSteps),
            mycloud_redirects: given.mycloud_redirects,
            import_from: given
                .import_from
                .iter()
                .map(|folder| std::path::absolute(folder).context("--import-from takes folders"))
                .collect::<anyhow::Result<_>>()?,
            mail,
            openid,
            program: given.program.unwrap_or_else(|| PathBuf::from(SELF)),
        })
    }

    /// What is given here, and what is not as it is given there.
    fn over(self, there: Given) -> Given {
        fn either<T>(here: Vec<T>, there: Vec<T>) -> Vec<T> {
            if here.is_empty() { there } else { here }
        }
        Given {
            listen: self.listen.or(there.listen),
            data: self.data.or(there.data),
            database: self.database.or(there.database),
            storage: self.storage.or(there.storage),
            public_url: self.public_url.or(there.public_url),
            trusted_proxies: either(self.trusted_proxies, there.trusted_proxies),
            trusted_hosts: either(self.trusted_hosts, there.trusted_hosts),
            token_login: self.token_login.or(there.token_login),
            rescan_minutes: self.rescan_minutes.or(there.rescan_minutes),
            cache_size: self.cache_size.or(there.cache_size),
            max_rate: self.max_rate.or(there.max_rate),
            ignored_articles: self.ignored_articles.or(there.ignored_articles),
            sound_analysis: self.sound_analysis.or(there.sound_analysis),
            full_text: self.full_text.or(there.full_text),
            jukebox: self.jukebox.or(there.jukebox),
            outgoing_networks: either(self.outgoing_networks, there.outgoing_networks),
            podcast_space: self.podcast_space.or(there.podcast_space),
            listenbrainz_url: self.listenbrainz_url.or(there.listenbrainz_url),
            lastfm_url: self.lastfm_url.or(there.lastfm_url),
            lastfm_key: self.lastfm_key.or(there.lastfm_key),
            lastfm_secret: self.lastfm_secret.or(there.lastfm_secret),
            notes: self.notes.or(there.notes),
            cloudreve_ui: self.cloudreve_ui.or(there.cloudreve_ui),
            mycloud_devices: self.mycloud_devices.or(there.mycloud_devices),
            mycloud_grants: self.mycloud_grants.or(there.mycloud_grants),
            mycloud_redirects: either(self.mycloud_redirects, there.mycloud_redirects),
            import_from: either(self.import_from, there.import_from),
            mail_server: self.mail_server.or(there.mail_server),
            mail_from: self.mail_from.or(there.mail_from),
            mail_user: self.mail_user.or(there.mail_user),
            mail_password: self.mail_password.or(there.mail_password),
            openid_issuer: self.openid_issuer.or(there.openid_issuer),
            openid_client_id: self.openid_client_id.or(there.openid_client_id),
            openid_name: self.openid_name.or(there.openid_name),
            openid_secret: self.openid_secret.or(there.openid_secret),
            program: self.program.or(there.program),
        }
    }
}

fn in_file(path: &Path) -> anyhow::Result<Given> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("in {}", path.display()))
}

/// A variable that is set to nothing gives nothing.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn mail_server(
    url: Option<String>,
    from: Option<String>,
    user: Option<String>,
    password: Option<String>,
) -> anyhow::Result<Option<MailServer>> {
    let Some(url) = url else { return Ok(None) };
    let wrong = || anyhow::anyhow!("--mail-server takes smtps://HOST or smtp://HOST, with a port if it is an odd one");
    let (scheme, place) = url.trim_end_matches('/').split_once("://").ok_or_else(wrong)?;
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().map_err(|_| wrong())?)),
        _ => (place, None),
    };
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() || host.contains(['/', '@', '?']) {
        return Err(wrong());
    }
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let (encryption, usual_port) = match scheme {
        "smtps" => (Encryption::FromTheFirstByte, 465),
        "smtp" if is_here => (Encryption::None, 25),
        "smtp" => (Encryption::AfterGreeting, 587),
        _ => return Err(wrong()),
    };
    let account = match (user, password) {
        (Some(user), Some(password)) => Some(MailAccount { user, password }),
        (None, None) => None,
        _ => bail!("--mail-user and {MAIL_PASSWORD} go together"),
    };
    let from = from.context("--mail-server needs --mail-from, the address that mail comes from")?;
    Ok(Some(MailServer { host: host.to_owned(), port: port.unwrap_or(usual_port), encryption, from, account }))
}

fn openid_provider(
    issuer: Option<String>,
    client_id: Option<String>,
    secret: Option<String>,
    name: Option<String>,
) -> anyhow::Result<Option<OpenIdProvider>> {
    let (issuer, client_id) = match (issuer, client_id) {
        (Some(issuer), Some(client_id)) => (issuer, client_id),
        (None, None) => return Ok(None),
        _ => bail!("--openid-issuer and --openid-client-id go together"),
    };
    // Unencrypted, somebody on the way could say who signs in here.
    if !is_private_way(&issuer) || issuer.contains(['@', '?', '#']) {
        bail!("--openid-issuer takes an https:// address; http:// only of this machine itself");
    }
    let name = name.unwrap_or_else(|| host_of(&issuer).to_owned());
    Ok(Some(OpenIdProvider { issuer: issuer.trim_end_matches('/').to_owned(), client_id, secret, name }))
}

fn output(name: &str) -> anyhow::Result<Output> {
    match name {
        "off" => Ok(Output::Off),
        "on" => Ok(Output::Any),
        name if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            Ok(Output::Named(name.to_owned()))
        }
        _ => bail!("--jukebox takes on, off or the name of one of mpv's audio outputs, such as alsa or pulse"),
    }
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, std::net::AddrParseError> {
    let network = |text: &String| {
        let text = text.trim();
        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
    };
    texts.iter().map(network).collect()
}

fn check_public_url(url: &str) -> anyhow::Result<String> {
    let parsed: axum::http::Uri = url.parse().context("--public-url is not an address")?;
    let known_scheme = matches!(parsed.scheme_str(), Some("http" | "https"));
    if !known_scheme || parsed.host().is_none() || parsed.query().is_some() {
        bail!("--public-url takes an address such as https://example.org/shelf");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn default_data_dir() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("openshelf"))
        .context("neither XDG_DATA_HOME nor HOME is set; say where the data goes with --data DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_encrypted_unless_it_stays_on_this_machine_and_its_password_is_not_printed() {
        let given = |url: &str, user: Option<&str>| Given {
            data: Some("/nonexistent".into()),
            mail_server: Some(url.to_owned()),
            mail_from: Some("Shelf <shelf@example.org>".to_owned()),
            mail_user: user.map(str::to_owned),
            mail_password: user.map(|_| "Hidden1".to_owned()),
            ..Given::default()
        };
        for (url, host, port, encryption) in [
            ("smtps://mail.example.org", "mail.example.org", 465, Encryption::FromTheFirstByte),
            ("smtp://mail.example.org/", "mail.example.org", 587, Encryption::AfterGreeting),
            ("smtp://10.0.0.7:2525", "10.0.0.7", 2525, Encryption::AfterGreeting),
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Encryption::None),
            ("smtp://[::1]", "::1", 25, Encryption::None),
        ] {
            let mail = given(url, None).resolve(None).unwrap().mail.unwrap();
            assert_eq!((mail.host.as_str(), mail.port, mail.encryption), (host, port, encryption), "{url}");
        }
        for wrong in ["mail.example.org", "http://mail.example.org", "smtp://", "smtp://a:b", "smtps://user:word@host"]
        {
            assert!(given(wrong, None).resolve(None).is_err(), "{wrong}");
        }
        assert!(Given { mail_from: None, ..given("smtps://a.example", None) }.resolve(None).is_err());
        assert!(Given { mail_password: None, ..given("smtps://a.example", Some("me")) }.resolve(None).is_err());
        let config = given("smtps://a.example", Some("me")).resolve(None).unwrap();
        assert!(config.mail.as_ref().unwrap().account.is_some() && !format!("{config:?}").contains("Hidden1"));
    }

    #[test]
    fn an_openid_provider_is_asked_over_a_private_way_and_its_secret_is_not_printed() {
        let given = |issuer: &str| Given {
            data: Some("/nonexistent".into()),
            openid_issuer: Some(issuer.to_owned()),
            openid_client_id: Some("shelf".to_owned()),
            openid_secret: Some("Hidden1".to_owned()),
            ..Given::default()
        };
        for (url, issuer, host) in [
            ("https://auth.example.org", "https://auth.example.org", "auth.example.org"),
            ("https://auth.example.org:8443/o/shelf/", "https://auth.example.org:8443/o/shelf", "auth.example.org"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000", "127.0.0.1"),
            ("https://[fd12::1]/", "https://[fd12::1]", "[fd12::1]"),
        ] {
            let provider = given(url).resolve(None).unwrap().openid.unwrap();
            assert_eq!((provider.issuer.as_str(), provider.host(), provider.name.as_str()), (issuer, host, host));
        }
        for wrong in ["http://auth.example.org", "auth.example.org", "https://", "https://me:word@auth.example.org"] {
            assert!(given(wrong).resolve(None).is_err(), "{wrong}");
        }
        assert!(Given { openid_client_id: None, ..given("https://a.example") }.resolve(None).is_err());
        let config = given("https://a.example").resolve(None).unwrap();
        assert!(!format!("{config:?}").contains("Hidden1"));
    }

    #[test]
    fn sizes_count_by_thousands_and_what_is_none_is_refused() {
        let given = |cache: &str, podcasts: &str| Given {
            data: Some("/nonexistent".into()),
            cache_size: Some(cache.to_owned()),
            podcast_space: Some(podcasts.to_owned()),
            ..Given::default()
        };
        let config = given("2G", "500 MB").resolve(None).unwrap();
        assert_eq!((config.cache_size_bytes, config.podcast_space_bytes), (2_000_000_000, 500_000_000));
        let silent = Given { data: Some("/nonexistent".into()), ..Given::default() }.resolve(None).unwrap();
        assert_eq!((silent.cache_size_bytes, silent.podcast_space_bytes), (2_000_000_000, 20_000_000_000));
        assert!(given("much", "2G").resolve(None).is_err());
        assert!(given("2G", "-1").resolve(None).is_err());
    }

    #[test]
    fn rescans_are_no_rarer_than_a_clock_can_count() {
        let every = |minutes| {
            let given = Given { data: Some("/nonexistent".into()), ..Given::default() };
            Given { rescan_minutes: Some(minutes), ..given }.resolve(None).map(|config| config.rescan_minutes)
        };
        assert_eq!((every(0).unwrap(), every(5).unwrap(), every(525_600).unwrap()), (1, 5, 525_600));
        for rare in [525_601, u64::MAX] {
            assert!(every(rare).unwrap_err().to_string().contains("at most 525600"));
        }
    }

    #[test]
    fn what_is_given_comes_before_the_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("settings.toml");
        let said =
            "data = \"/file\"\nlisten = \"127.0.0.1:1\"\ntrusted-hosts = [\"file\"]\nimport-from = [\"/file\"]\n";
        std::fs::write(&file, said).unwrap();
        let silent = Given::default().resolve(Some(&file)).unwrap();
        assert_eq!((silent.data.to_str(), silent.listen.port()), (Some("/file"), 1));
        assert_eq!((silent.trusted_hosts, silent.import_from), (vec!["file".to_owned()], vec![PathBuf::from("/file")]));
        let given = Given {
            data: Some("/given".into()),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 2))),
            trusted_hosts: vec!["given".to_owned()],
            import_from: vec!["/given".into()],
            ..Given::default()
        };
        let given = given.resolve(Some(&file)).unwrap();
        assert_eq!((given.data.to_str(), given.listen.port()), (Some("/given"), 2));
        assert_eq!((given.trusted_hosts, given.import_from), (vec!["given".to_owned()], vec![PathBuf::from("/given")]));
    }
}
