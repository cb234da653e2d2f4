//! The one way out, against servers that mean no good.

use std::io::Write;
use std::time::Duration;

use axum::http::{HeaderMap, Method, header};
use openshelf::outgoing::{Failure, Limits, Outgoing};

use crate::stand_in::{StandIn, for_ever, head, redirect, reply};

const LIMITS: Limits = Limits { size_bytes: 1000, time: Duration::from_secs(20) };
const IMPATIENT: Limits = Limits { size_bytes: 1000, time: Duration::from_millis(300) };

fn outgoing(networks: &[&str]) -> Outgoing {
    Outgoing::new(networks.iter().map(|network| network.parse().unwrap()).collect())
}

async fn whole(outgoing: &Outgoing, address: &str, limits: Limits) -> Result<Vec<u8>, Failure> {
    outgoing.get(address, HeaderMap::new(), limits).await?.whole().await
}

#[tokio::test]
async fn private_network_is_asked_only_when_it_is_named() {
    let there = StandIn::start(|_, stream| reply(stream, 200, "", b"there"));
    let by_name = format!("http://localhost:{}/", there.port());
    for address in [&there.url, &by_name, &format!("http://LOCALHOST:{}/", there.port())] {
        assert_eq!(whole(&outgoing(&["10.0.0.0/8"]), address, LIMITS).await, Err(Failure::Refused), "{address}");
    }
    assert!(there.asked().is_empty(), "not even a connection was made");
    let allowed = outgoing(&["127.0.0.0/8"]);
    assert_eq!(whole(&allowed, &there.url, LIMITS).await.unwrap(), b"there");
    assert_eq!(whole(&allowed, &by_name, LIMITS).await.unwrap(), b"there");
    assert_eq!(there.asked()[0].header("user-agent").unwrap(), concat!("Openshelf/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn redirect_is_judged_like_the_first_address() {
    let secret = StandIn::start_at("127.0.0.2", |_, stream| reply(stream, 200, "", b"secret"));
    let to = format!("http://127.0.0.2:{}/", secret.port());
    let lure = StandIn::start(move |asked, stream| match asked.path.as_str() {
        "/first" => redirect(stream, "/second"),
        "/second" => redirect(stream, &to),
        "/metadata" => redirect(stream, "http://169.254.169.254/latest/meta-data/"),
        "/wrapped" => redirect(stream, "http://[::ffff:169.254.169.254]/"),
        "/short" => redirect(stream, "http://127.2/"),
        "/file" => redirect(stream, "file:///etc/passwd"),
        "/round" => redirect(stream, "/round"),
        "/good" => redirect(stream, "/end"),
        _ => reply(stream, 200, "", b"end"),
    });
    let only = outgoing(&["127.0.0.1"].map(|one| format!("{one}/32")).each_ref().map(String::as_str));
    let ask = async |path: &str| whole(&only, &format!("{}{path}", lure.url), LIMITS).await;
    for path in ["/first", "/metadata", "/wrapped", "/short"] {
        assert_eq!(ask(path).await, Err(Failure::Refused), "{path}");
    }
    assert_eq!(ask("/file").await, Err(Failure::BadAddress));
    assert_eq!(ask("/round").await, Err(Failure::TooManyRedirects));
    assert_eq!(ask("/good").await.unwrap(), b"end");
    assert!(secret.asked().is_empty());
}

#[tokio::test]
async fn answers_end_at_their_limits() {
    let bad = StandIn::start(|asked, stream| match asked.path.as_str() {
        "/announced" => head(stream, 200, "Content-Length: 100000000\r\n"),
        "/endless" => for_ever(stream, b"", b"more"),
        "/chunked" => {
            head(stream, 200, "Transfer-Encoding: chunked\r\n")?;
            loop {
                stream.write_all(b"4\r\nmore\r\n")?;
            }
        }
        "/drip" => {
            head(stream, 200, "Content-Length: 900\r\n")?;
            loop {
                stream.write_all(b".")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        "/silent" => {
            std::thread::sleep(Duration::from_secs(5));
            Ok(())
        }
        "/header" => loop {
            stream.write_all(b"X: y\r\n")?;
        },
        "/broken" => {
            head(stream, 200, "Content-Length: 900\r\n")?;
            stream.write_all(b"half")
        }
        "/exact" => reply(stream, 200, "", &[b'x'; 1000]),
        _ => stream.write_all(b"no HTTP at all\r\n\r\n"),
    });
    let outgoing = outgoing(&["127.0.0.0/8"]);
    let ask = async |path: &str, limits| whole(&outgoing, &format!("{}{path}", bad.url), limits).await;
    for path in ["/announced", "/endless", "/chunked"] {
        assert_eq!(ask(path, LIMITS).await, Err(Failure::TooLarge { limit_bytes: 1000 }), "{path}");
    }
    for path in ["/drip", "/silent"] {
        assert_eq!(ask(path, IMPATIENT).await, Err(Failure::TooSlow), "{path}");
    }
    for path in ["/broken", "/header", "/nonsense"] {
        assert_eq!(ask(path, LIMITS).await, Err(Failure::Broken), "{path}");
    }
    assert_eq!(ask("/exact", LIMITS).await.unwrap().len(), 1000);
    let unheard = { StandIn::start(|_, _| Ok(())).port() };
    let nobody = format!("http://127.0.0.9:{unheard}/");
    assert_eq!(whole(&outgoing, &nobody, LIMITS).await, Err(Failure::Unreachable));
    let untrusted = bad.url.replace("http://", "https://");
    assert!(whole(&outgoing, &untrusted, LIMITS).await.is_err(), "TLS is spoken, and not answered");
}

#[tokio::test]
async fn secrets_follow_no_redirect() {
    let other = StandIn::start(|_, stream| reply(stream, 200, "", b""));
    let to = other.url.clone();
    let first = StandIn::start(move |_, stream| redirect(stream, &to));
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, "Token secret".parse().unwrap())]);
    let outgoing = outgoing(&["127.0.0.0/8"]);
    let answer = outgoing.call(Method::POST, &first.url, headers, "body".to_owned(), LIMITS).await.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!((first.asked()[0].body.as_str(), other.asked().len()), ("body", 0));
}
