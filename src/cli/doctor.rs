//! `openshelf doctor`: what may be wrong with an installation, and what to do about it.

use std::ffi::OsStr;
use std::net::ToSocketAddrs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::control::Server;
use super::order::Order;
use crate::account::token::Keys;
use crate::blob::Root;
use crate::config::Config;
use crate::media::child::Programs;
use crate::store::{Database, Db, backup, library, points, settings};
use crate::web::openid;
use crate::work::openid::Provider;
use crate::{http, now_ms};

/// What was looked at, and how it is; `Err` says what to do.
struct Check {
    what: String,
    state: Result<String, String>,
}

fn check(what: impl Into<String>, state: Result<impl Into<String>, impl Into<String>>) -> Check {
    Check { what: what.into(), state: state.map(Into::into).map_err(Into::into) }
}

/// Prints a line for each check. Fails when one does. Changes nothing of an installation, and makes none.
pub fn examine(config: &Config, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
    let mut checks = vec![data_folder(config)];
    let is_there = checks.iter().all(|check| check.state.is_ok());
    checks.push(clock());
    checks.push(public_url(config));
    checks.push(programs());
    checks.extend(openid(config, runtime));
    if is_there {
        checks.extend(database(config));
        checks.push(server(config, runtime));
    }
    let mut wrong = 0;
    for check in checks {
        match check.state {
            Ok(found) => println!("✓ {}: {found}", check.what),
            Err(todo) => {
                wrong += 1;
                println!("✗ {}: {todo}", check.what);
            }
        }
    }
    if wrong > 0 {
        bail!("{wrong} of these need you");
    }
    Ok(())
}

fn data_folder(config: &Config) -> Check {
    let path = config.data.display();
    let state = match std::fs::metadata(&config.data) {
        Err(_) => Err(format!("{path} is not there; `openshelf serve` makes it")),
        Ok(found) if !found.is_dir() => Err(format!("{path} is no folder; choose another with --data")),
        Ok(found) if found.uid() != rustix::process::geteuid().as_raw() => {
            Err(format!("{path} belongs to another user; run this as that user"))
        }
        Ok(found) if found.mode() & 0o077 != 0 => Err(format!("others can look into it; run: chmod 700 {path}")),
        Ok(_) => Ok(format!("{path}, for its owner only")),
    };
    check("data folder", state)
}

fn clock() -> Check {
    // 2025 and 2100: links that expire would be dead, or live for ever.
    let is_sane = (1_735_689_600_000..4_102_444_800_000).contains(&now_ms());
    check("clock", if is_sane { Ok("plausible") } else { Err("it is wrong; set the machine's time") })
}

fn public_url(config: &Config) -> Check {
    let state = match &config.public_url {
        None => Ok("not set; links begin with the address that was reached".to_owned()),
        Some(url) => {
            let parsed: Option<axum::http::Uri> = url.parse().ok();
            let authority = parsed.as_ref().and_then(|url| {
                let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
                Some((url.host()?.trim_matches(['[', ']']).to_owned(), port))
            });
            match authority.map(|authority| authority.to_socket_addrs().is_ok_and(|mut found| found.next().is_some())) {
                Some(true) => Ok(url.clone()),
                _ => Err(format!("{url} has a host name that is not known here; set it right with --public-url")),
            }
        }
    };
    check("public URL", state)
}

/// Files and most music need none of them.
fn programs() -> Check {
    let Programs { ffmpeg, ffprobe, pdftoppm, pdftotext, mpv } = Programs::find();
    let state = |found: bool, missing: &str| if found { "found".to_owned() } else { format!("not found; {missing}") };
    let films = state(ffmpeg.is_some() && ffprobe.is_some(), "no other formats, stills of films or waveforms");
    let pages = state(pdftoppm.is_some(), "no pictures of PDFs");
    let texts = state(pdftotext.is_some(), "PDFs are not searched by what they say");
    let jukebox = state(mpv.is_some(), "no jukebox");
    check("ffmpeg, pdftoppm, pdftotext, mpv", Ok::<_, String>(format!("{films}; {pages}; {texts}; {jukebox}")))
}

/// Whether the provider says of itself what signing in by it takes, and what it is to know of this server.
fn openid(config: &Config, runtime: &tokio::runtime::Runtime) -> Option<Check> {
    let settings = config.openid.as_ref()?;
    let base = config.public_url.as_deref().unwrap_or("this server's address");
    let state = match runtime.block_on(Provider::new(settings, config.outgoing_networks.clone()).examine()) {
        Ok(()) => Ok(format!("{} answers; let it redirect to {base}{}", settings.issuer, openid::CALLBACK)),
        Err(why) => Err(format!("{}: {why}; look at --openid-issuer, and at the provider", settings.issuer)),
    };
    Some(check("OpenID provider", state))
}

fn database(config: &Config) -> Vec<Check> {
    if let Database::Sqlite(file) = &config.database
        && !file.exists()
    {
        return vec![check("database", Err::<String, _>("there is none yet; `openshelf serve` makes it"))];
    }
    let db = match Db::open(&config.database) {
        Ok(db) => db,
        Err(cause) => return vec![check("database", Err::<String, _>(format!("{cause}; see --database")))],
    };
    let read = db.read_blocking(|tx| {
        let fingerprint = settings::get(tx, "key-fingerprint")?;
        Ok((backup::schema(tx)?, fingerprint, library::all(tx)?, points::faults(tx)?))
    });
    let (schema, fingerprint, libraries, faults) = match read {
        Ok(found) => found,
        Err(cause) => return vec![check("database", Err::<String, _>(cause.to_string()))],
    };
    let mut checks = vec![
        check("database", Ok::<_, String>(format!("{:?}, schema {schema}", db.engine()))),
        master_key(config, fingerprint),
        check(
            "points",
            match faults.is_empty() {
                true => Ok("the ledger balances".to_owned()),
                false => Err(format!("{}; bring the database back from a backup", faults.join("; "))),
            },
        ),
    ];
    for library in libraries {
        let what = format!("library {:?}", library.name);
        let (path, opened) = match &library.only {
            None => (library.root.clone(), Root::open(&library.root)),
            Some(only) => {
                let path = library.root.join(OsStr::from_bytes(only));
                let opened = Root::open_one(&path);
                (path, opened)
            }
        };
        let path = path.display();
        checks.push(match opened {
            Ok(_) => check(what, Ok::<_, String>(path.to_string())),
            Err(_) => check(
                what,
                Err::<String, _>(format!("{path} cannot be reached; mount it, or: openshelf library remove")),
            ),
        });
    }
    db.close();
    checks
}

fn master_key(config: &Config, fingerprint: Option<String>) -> Check {
    let file = config.data.join("master.key");
    let path = file.display();
    let read = std::fs::read_to_string(&file).ok().and_then(|text| Keys::parse(&text));
    let mode = std::fs::metadata(&file).map_or(0, |found| found.mode());
    let state = match (read, fingerprint) {
        (None, _) => Err(format!("{path} is no key; bring it back from a backup")),
        (Some(keys), Some(stored)) if keys.fingerprint() != stored => {
            Err(format!("{path} is not the one that this database was made with; bring that back from a backup"))
        }
        (Some(_), _) if mode & 0o077 != 0 => Err(format!("others can read it; run: chmod 600 {path}")),
        (Some(_), _) => Ok("fits the database".to_owned()),
    };
    check("master key", state)
}

fn server(config: &Config, runtime: &tokio::runtime::Runtime) -> Check {
    let found = Server::find(&config.data).and_then(|server| match server {
        Some(server) => Ok(Some(server.run(&Order::Status, |_| ())?)),
        None => Ok(None),
    });
    let state = match found {
        Ok(None) => Ok("none runs".to_owned()),
        Ok(Some((base, _))) => match runtime.block_on(healthy(&base)) {
            Ok(()) => Ok(format!("answers at {base}")),
            Err(cause) => Err(format!(
                "runs, but {base}/healthz does not answer ({cause:#}); look at --public-url, the proxy and the log"
            )),
        },
        Err(cause) => Err(format!("{cause:#}; restart it")),
    };
    check("server", state)
}

/// Asks over plain HTTP. What lies behind TLS is a proxy's: there it is enough that it accepts.
async fn healthy(base: &str) -> anyhow::Result<()> {
    let url: axum::http::Uri = base.parse()?;
    let host = url.host().context("no host")?.trim_matches(['[', ']']);
    let is_tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect((host, port)).await?;
        if is_tls {
            return Ok(());
        }
        let authority = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let path = url.path().trim_end_matches('/');
        let request = format!("GET {path}/healthz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(http::BODY_LIMIT_BYTES as u64).read_to_end(&mut answer).await?;
        anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200"), "another answer than 200");
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(5), ask).await.context("it took longer than 5 s")?
}
