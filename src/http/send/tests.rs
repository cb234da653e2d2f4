use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use http_body_util::BodyExt;
use proptest::prelude::*;
use rustix::fs::Advice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::body::BLOCK_BYTES;
use super::conditions::RANGES_MAX;
use super::*;
use crate::media::zip::{Contents, ZipEntry, ZipPlan};

fn asking(headers: &[(HeaderName, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn decided(headers: &[(HeaderName, &str)], size_bytes: u64) -> Decision {
    decide(&Conditions::of(&asking(headers)), "tag", Some(1_234_567_890_500), size_bytes)
}

fn bytes_of(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index / 7 % 251) as u8).collect()
}

fn file_body(file: File, range: Range<u64>, transfer: Transfer) -> Body {
    pieces_body(Source::File(file), VecDeque::from([Piece::Part(range)]), transfer)
}

fn file_of(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

struct Watched {
    cancel: watch::Sender<bool>,
    ended: mpsc::Receiver<(u64, Finished)>,
}

fn watched() -> (Transfer, Watched) {
    let (cancel, cancelled) = watch::channel(false);
    let (end, ended) = mpsc::channel();
    (Transfer::new(cancelled, move |sent, how| _ = end.send((sent, how))), Watched { cancel, ended })
}

fn content(bytes: &[u8]) -> Content {
    Content {
        source: Source::File(file_of(bytes)),
        size_bytes: bytes.len() as u64,
        modified_ms: Some(1_234_567_890_500),
        etag: "tag".to_owned(),
        name: "song.flac".to_owned(),
        mime: mime_of("song.flac").to_owned(),
        disposition: Disposition::Inline,
    }
}

async fn collected(body: Body) -> Result<Vec<u8>, axum::Error> {
    Ok(body.collect().await?.to_bytes().to_vec())
}

#[test]
fn ranges_are_read_as_the_standard_says() {
    let multi = |ranges: &[Range<u64>]| Decision::Multi(ranges.to_vec());
    let table = [
        ("bytes=0-0", Decision::Partial(0..1)),
        ("bytes=0-", Decision::Partial(0..1000)),
        ("bytes=990-2000", Decision::Partial(990..1000)),
        ("bytes=-1", Decision::Partial(999..1000)),
        ("bytes=-5000", Decision::Partial(0..1000)),
        ("Bytes = 5-6", Decision::Partial(5..7)),
        ("bytes=0-99999999999999999999999999", Decision::Partial(0..1000)),
        ("bytes=0-18446744073709551615", Decision::Partial(0..1000)),
        ("bytes=1000-", Decision::Unsatisfiable),
        ("bytes=-0", Decision::Unsatisfiable),
        ("bytes=99999999999999999999999999-", Decision::Unsatisfiable),
        ("bytes=2000-3000,4000-", Decision::Unsatisfiable),
        ("bytes=2000-3000,5-9", Decision::Partial(5..10)),
        ("bytes=0-9,500-509", multi(&[0..10, 500..510])),
        ("bytes=500-509 , ,0-9", multi(&[0..10, 500..510])),
        ("bytes=0-499,100-600", Decision::Partial(0..601)),
        ("bytes=0-9,20-29", Decision::Partial(0..30)),
        ("bytes=5-4", Decision::Full),
        ("bytes=", Decision::Full),
        ("bytes=a-b", Decision::Full),
        ("bytes=-", Decision::Full),
        ("bytes=+1-2", Decision::Full),
        ("bytes=1-2,x", Decision::Full),
        ("bytes=1--2", Decision::Full),
        ("lines=1-2", Decision::Full),
        ("bytes 1-2", Decision::Full),
    ];
    for (value, expected) in table {
        assert_eq!(decided(&[(header::RANGE, value)], 1000), expected, "{value}");
    }
    let two = [(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=2-3")];
    assert_eq!(decided(&two, 1000), Decision::Full);
    assert_eq!(decided(&[(header::RANGE, "bytes=0-")], 0), Decision::Full);
}

#[test]
fn many_tiny_ranges_are_answered_with_the_whole() {
    let ranges = |count: usize| {
        let list: Vec<_> = (0..count).map(|index| format!("{0}-{0}", index * 1000)).collect();
        decided(&[(header::RANGE, &format!("bytes={}", list.join(",")))], 10_000_000)
    };
    assert!(matches!(ranges(16), Decision::Multi(ranges) if ranges.len() == 16));
    assert_eq!(ranges(17), Decision::Full);
    assert_eq!(ranges(5000), Decision::Full);
    let same = decided(&[(header::RANGE, &format!("bytes={}", vec!["0-5"; 5000].join(",")))], 10_000_000);
    assert_eq!(same, Decision::Partial(0..6));
}

#[test]
fn conditions_are_read_as_the_standard_says() {
    use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
    let (same, before) = ("Fri, 13 Feb 2009 23:31:30 GMT", "Fri, 13 Feb 2009 23:31:29 GMT");
    let part = (RANGE, "bytes=0-4");
    let table: &[(&[(HeaderName, &str)], Decision)] = &[
        (&[(IF_MATCH, "\"tag\"")], Decision::Full),
        (&[(IF_MATCH, "*")], Decision::Full),
        (&[(IF_MATCH, "\"a\", \"tag\"")], Decision::Full),
        (&[(IF_MATCH, "\"a\""), (IF_MATCH, "\"tag\"")], Decision::Full),
        (&[(IF_MATCH, "W/\"tag\"")], Decision::PreconditionFailed),
        (&[(IF_MATCH, "\"a,tag\"")], Decision::PreconditionFailed),
        (&[(IF_MATCH, "tag")], Decision::PreconditionFailed),
        (&[(IF_MATCH, "\"a\""), part.clone()], Decision::PreconditionFailed),
        (&[(IF_UNMODIFIED_SINCE, same)], Decision::Full),
        (&[(IF_UNMODIFIED_SINCE, before)], Decision::PreconditionFailed),
        (&[(IF_MATCH, "\"tag\""), (IF_UNMODIFIED_SINCE, before)], Decision::Full),
        (&[(IF_UNMODIFIED_SINCE, "yesterday")], Decision::Full),
        (&[(IF_NONE_MATCH, "\"tag\"")], Decision::NotModified),
        (&[(IF_NONE_MATCH, "W/\"tag\"")], Decision::NotModified),
        (&[(IF_NONE_MATCH, "*")], Decision::NotModified),
        (&[(IF_NONE_MATCH, "\"a\", W/\"b\"")], Decision::Full),
        (&[(IF_NONE_MATCH, "\"tag\""), part.clone()], Decision::NotModified),
        (&[(IF_MODIFIED_SINCE, same)], Decision::NotModified),
        (&[(IF_MODIFIED_SINCE, before)], Decision::Full),
        (&[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, same)], Decision::Full),
        (&[(IF_RANGE, "\"tag\""), part.clone()], Decision::Partial(0..5)),
        (&[(IF_RANGE, "\"other\""), part.clone()], Decision::Full),
        (&[(IF_RANGE, "W/\"tag\""), part.clone()], Decision::Full),
        (&[(IF_RANGE, same), part.clone()], Decision::Full),
        (&[(IF_RANGE, "*"), part.clone()], Decision::Full),
    ];
    for (headers, expected) in table {
        assert_eq!(decided(headers, 1000), *expected, "{headers:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_ranges_lie_inside_the_file(
        range in prop_oneof!["bytes=[0-9,-]{0,40}", "\\PC{0,40}", "bytes=([0-9]{0,21}-[0-9]{0,21},){0,20}"],
        tags in "[\"W/a*, ]{0,9}",
        size_bytes in prop_oneof![0u64..2000, any::<u64>()],
        modified_ms: i64,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::RANGE, &range), (header::IF_RANGE, &tags), (header::IF_NONE_MATCH, &tags)] {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(name, value);
            }
        }
        for name in [None, Some(header::IF_RANGE), Some(header::IF_NONE_MATCH)] {
            if let Some(name) = name {
                headers.remove(name);
            }
            let ranges = match decide(&Conditions::of(&headers), "a", Some(modified_ms), size_bytes) {
                Decision::Partial(range) => vec![range],
                Decision::Multi(ranges) => ranges,
                _ => continue,
            };
            prop_assert!(ranges.len() <= RANGES_MAX);
            prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size_bytes));
            prop_assert!(ranges.windows(2).all(|two| two[0].end < two[1].start));
        }
    }

    #[test]
    fn any_name_makes_a_valid_header_and_the_true_name_can_be_read_back(name in "\\PC{0,40}|[a-z\"%\\\\\r\n]{0,9}") {
        let headers = safe_headers(&name, UNKNOWN, Disposition::Attachment);
        let value = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        let (plain, encoded) = value.split_once("; filename*=UTF-8''").unwrap_or((value, ""));
        let plain = plain.strip_prefix("attachment; filename=\"").unwrap().strip_suffix('"').unwrap();
        prop_assert!(!plain.contains(['"', '\\', '/']));
        let read = if encoded.is_empty() {
            plain.to_owned()
        } else {
            percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap().into_owned()
        };
        prop_assert_eq!(read.chars().count(), name.chars().count());
        prop_assert!(read.chars().zip(name.chars()).all(|(read, given)| read == given || read == '_'));
    }
}

#[tokio::test]
async fn a_file_arrives_whole_in_blocks_and_is_reported_once() {
    for length in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 77] {
        let expected = bytes_of(length);
        let (transfer, watched) = watched();
        let answer = respond(&Method::GET, &HeaderMap::new(), content(&expected), transfer);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], length.to_string().as_str());
        assert_eq!(answer.headers()[header::ETAG], "\"tag\"");
        assert_eq!(answer.headers()[header::LAST_MODIFIED], "Fri, 13 Feb 2009 23:31:30 GMT");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "audio/flac");
        assert!(collected(answer.into_body()).await.unwrap() == expected);
        assert_eq!(watched.ended.iter().collect::<Vec<_>>(), [(length as u64, Finished::Whole)]);
    }
}

#[tokio::test]
async fn a_file_that_is_not_in_memory_arrives_too() {
    let expected = bytes_of(5 * BLOCK_BYTES);
    let file = file_of(&expected);
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    let range = 1000..expected.len() as u64 - 1000;
    let body = file_body(file, range, watched().0);
    assert!(collected(body).await.unwrap() == expected[1000..expected.len() - 1000]);
}

#[tokio::test]
async fn blocks_are_not_overwritten_while_somebody_holds_them() {
    let expected = bytes_of(6 * BLOCK_BYTES);
    let mut body = file_body(file_of(&expected), 0..expected.len() as u64, watched().0);
    let mut held = Vec::new();
    while let Some(frame) = body.frame().await {
        held.push(frame.unwrap().into_data().unwrap());
    }
    assert!(held.concat() == expected);
    let mut body = file_body(file_of(&expected), 0..expected.len() as u64, watched().0);
    let mut copied = Vec::new();
    while let Some(frame) = body.frame().await {
        copied.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert!(copied == expected);
}

#[tokio::test]
async fn one_range_and_several_bring_the_bytes_asked_for() {
    let bytes = bytes_of(1_000_000);
    let (transfer, seen) = watched();
    let headers = asking(&[(header::RANGE, "bytes=300000-899999")]);
    let answer = respond(&Method::GET, &headers, content(&bytes), transfer);
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.headers()[header::CONTENT_RANGE], "bytes 300000-899999/1000000");
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "600000");
    assert!(collected(answer.into_body()).await.unwrap() == bytes[300_000..900_000]);
    assert_eq!(seen.ended.recv(), Ok((600_000, Finished::Whole)));

    let headers = asking(&[(header::RANGE, "bytes=0-9,-10")]);
    let answer = respond(&Method::GET, &headers, content(&bytes), watched().0);
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let length = answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().to_owned();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: Range<usize>| {
        let head = format!(
            "--{boundary}\r\nContent-Type: audio/flac\r\nContent-Range: bytes {}-{}/1000000\r\n\r\n",
            range.start,
            range.end - 1
        );
        [head.as_bytes(), &bytes[range]].concat()
    };
    let end = format!("\r\n--{boundary}--\r\n");
    let expected = [part(0..10), b"\r\n".to_vec(), part(999_990..1_000_000), end.into_bytes()].concat();
    let body = collected(answer.into_body()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&body), String::from_utf8_lossy(&expected));
    assert_eq!(length, expected.len().to_string());
}

#[tokio::test]
async fn head_and_failed_conditions_send_headers_only() {
    let bytes = bytes_of(100);
    let part = (header::RANGE, "bytes=5-9");
    let table = [
        (Method::HEAD, part.clone(), StatusCode::OK, Some("100")),
        (Method::HEAD, (header::IF_NONE_MATCH, "\"tag\""), StatusCode::NOT_MODIFIED, None),
        (Method::GET, (header::IF_NONE_MATCH, "\"tag\""), StatusCode::NOT_MODIFIED, None),
        (Method::GET, (header::IF_MATCH, "\"x\""), StatusCode::PRECONDITION_FAILED, Some("0")),
        (Method::GET, (header::RANGE, "bytes=100-"), StatusCode::RANGE_NOT_SATISFIABLE, Some("0")),
    ];
    for (method, asked, status, length) in table {
        let (transfer, seen) = watched();
        let answer = respond(&method, &asking(&[asked]), content(&bytes), transfer);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap()), length);
        assert_eq!(answer.headers()[header::ETAG], "\"tag\"");
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            assert_eq!(answer.headers()[header::CONTENT_RANGE], "bytes */100");
        }
        assert!(collected(answer.into_body()).await.unwrap().is_empty());
        assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(0, Finished::Unsent)]);
    }
    let answer = respond(&Method::POST, &asking(&[part]), content(&bytes), watched().0);
    assert_eq!(collected(answer.into_body()).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_the_transfer() {
    let bytes = bytes_of(4 * BLOCK_BYTES);
    let file = file_of(&bytes);
    let (transfer, seen) = watched();
    let mut body = file_body(file.try_clone().unwrap(), 0..bytes.len() as u64, transfer);
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    file.set_len(first as u64 + 10).unwrap();
    assert!(collected(body).await.is_err());
    assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(first as u64 + 10, Finished::Broken)]);
}

#[tokio::test]
async fn a_cancelled_transfer_ends_with_an_error_and_a_dropped_one_is_reported() {
    let bytes = bytes_of(4 * BLOCK_BYTES);
    let start = |transfer| file_body(file_of(&bytes), 0..bytes.len() as u64, transfer);
    let (transfer, seen) = watched();
    let mut body = start(transfer);
    let sent = body.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
    seen.cancel.send(true).unwrap();
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(seen.ended.recv(), Ok((sent, Finished::Cancelled)));

    let (transfer, seen) = watched();
    let mut body = start(transfer);
    let sent = body.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
    drop(body);
    assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(sent, Finished::Broken)]);

    let (transfer, seen) = watched();
    drop(seen.cancel);
    assert!(collected(start(transfer)).await.unwrap() == bytes);
    assert_eq!(seen.ended.recv(), Ok((bytes.len() as u64, Finished::Whole)));
}

#[tokio::test]
async fn a_reader_who_takes_nothing_for_long_is_let_go_and_one_who_takes_is_not() {
    let bytes = bytes_of(4 * BLOCK_BYTES);
    let connection = HangUp::default();
    let (transfer, seen) = watched();
    let transfer = transfer.hanging_up(connection.clone(), Duration::from_millis(1));
    let body = file_body(file_of(&bytes), 0..bytes.len() as u64, transfer);
    connection.asked().await;
    drop(body);
    assert_eq!(seen.ended.recv().unwrap(), (0, Finished::Broken));

    let connection = HangUp::default();
    let (transfer, seen) = watched();
    let transfer = transfer.hanging_up(connection.clone(), Duration::from_secs(3600));
    let body = file_body(file_of(&bytes), 0..bytes.len() as u64, transfer);
    tokio::select! {
        read = body.collect() => assert!(read.unwrap().to_bytes() == bytes),
        () = connection.asked() => panic!("let go in the middle"),
    }
    assert_eq!(seen.ended.recv().unwrap(), (bytes.len() as u64, Finished::Whole));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off_when_its_transfer_is_cancelled() {
    let bytes = bytes_of(4 * 1024 * 1024);
    let (transfer, seen) = watched();
    let connection = HangUp::default();
    let prepared = std::sync::Mutex::new(Some((
        content(&bytes),
        transfer.hanging_up(connection.clone(), Duration::from_secs(3600)),
    )));
    // Both ends live on this one thread, so after some turns the server has written all that the pipe takes.
    let (mut client, stream) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(async move {
        let service = hyper::service::service_fn(move |_| {
            let (content, transfer) = prepared.lock().unwrap().take().unwrap();
            let answer = respond(&Method::GET, &HeaderMap::new(), content, transfer);
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        });
        let serving =
            hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service);
        tokio::select! {
            ended = serving => panic!("the reader was not stalled: {ended:?}"),
            () = connection.asked() => {}
        }
    });
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    seen.cancel.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(1), server).await.expect("still open").unwrap();
    let (sent_bytes, how) = seen.ended.recv().unwrap();
    assert!(how == Finished::Cancelled && sent_bytes < bytes.len() as u64, "{sent_bytes} {how:?}");
}

/// Files in memory, and how reading them ends.
struct Memory {
    files: Vec<Vec<u8>>,
    broken: Option<usize>,
}

impl Contents for Memory {
    fn read(&mut self, entry: usize, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        if self.broken == Some(entry) {
            return Err(std::io::Error::other("gone"));
        }
        buffer.copy_from_slice(&self.files[entry][at as usize..at as usize + buffer.len()]);
        Ok(())
    }

    fn check(&mut self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn known(&mut self, entries: Range<usize>) -> Vec<Option<u32>> {
        vec![None; entries.len()]
    }

    fn note(&mut self, _: Vec<(usize, u32)>) {}
}

fn archive(files: &[Vec<u8>], broken: Option<usize>) -> Content {
    let entry = |(number, file): (usize, &Vec<u8>)| ZipEntry {
        name: format!("album/{number}"),
        size_bytes: file.len() as u64,
        modified_ms: 0,
    };
    let plan = ZipPlan::new(files.iter().enumerate().map(entry).collect()).unwrap();
    Content {
        size_bytes: plan.total_bytes(),
        source: Source::Zip(Box::new(Reader::new(plan, Box::new(Memory { files: files.to_vec(), broken })))),
        modified_ms: None,
        name: "album.zip".to_owned(),
        mime: "application/zip".to_owned(),
        ..content(b"")
    }
}

#[tokio::test]
async fn an_archive_is_answered_as_a_file_is() {
    let files = [bytes_of(10), bytes_of(0), bytes_of(3 * BLOCK_BYTES), bytes_of(999)];
    let ask = |headers: &[(HeaderName, &str)], transfer| {
        respond(&Method::GET, &asking(headers), archive(&files, None), transfer)
    };
    let (transfer, seen) = watched();
    let answer = ask(&[], transfer);
    assert_eq!(answer.headers()[header::ACCEPT_RANGES], "bytes");
    assert!(!answer.headers().contains_key(header::LAST_MODIFIED));
    let length = answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().to_owned();
    let whole = collected(answer.into_body()).await.unwrap();
    assert_eq!(length, whole.len().to_string());
    assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(whole.len() as u64, Finished::Whole)]);

    let part = (header::RANGE, "bytes=300000-");
    let answer = ask(std::slice::from_ref(&part), watched().0);
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.headers()[header::CONTENT_RANGE], format!("bytes 300000-{}/{length}", whole.len() - 1).as_str());
    assert!(collected(answer.into_body()).await.unwrap() == whole[300_000..]);
    let answer = ask(&[part.clone(), (header::IF_RANGE, "\"another\"")], watched().0);
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(collected(answer.into_body()).await.unwrap() == whole);
    assert_eq!(ask(&[(header::IF_NONE_MATCH, "\"tag\"")], watched().0).status(), StatusCode::NOT_MODIFIED);

    let answer = ask(&[(header::RANGE, "bytes=5-1005,-100")], watched().0);
    let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    assert!(kind.starts_with("multipart/byteranges; boundary="));
    let length = answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().to_owned();
    let body = collected(answer.into_body()).await.unwrap();
    assert_eq!(length, body.len().to_string());
    for part in [&whole[5..1006], &whole[whole.len() - 100..]] {
        assert!(body.windows(part.len()).any(|stretch| stretch == part));
    }
}

#[tokio::test]
async fn an_archive_breaks_off_when_a_file_cannot_be_read() {
    let files = [bytes_of(10), bytes_of(0), bytes_of(600_000)];
    for broken in [0, 2] {
        let (transfer, seen) = watched();
        let answer = respond(&Method::GET, &HeaderMap::new(), archive(&files, Some(broken)), transfer);
        assert!(collected(answer.into_body()).await.is_err());
        assert!(matches!(seen.ended.recv(), Ok((_, Finished::Broken))));
    }
    let (transfer, seen) = watched();
    seen.cancel.send(true).unwrap();
    let answer = respond(&Method::GET, &HeaderMap::new(), archive(&files, None), transfer);
    assert!(collected(answer.into_body()).await.is_err());
    assert_eq!(seen.ended.recv(), Ok((0, Finished::Cancelled)));
}

#[test]
fn only_what_cannot_act_is_shown_inline() {
    let shown = |mime: &str| {
        let headers = safe_headers("name", mime, Disposition::Inline);
        let value = |name| headers[name].to_str().unwrap().to_owned();
        assert_eq!(value(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(value(header::CONTENT_SECURITY_POLICY), "sandbox; default-src 'none'");
        assert_eq!(value(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(value(header::CACHE_CONTROL), "private, no-cache");
        (value(header::CONTENT_DISPOSITION).starts_with("inline"), value(header::CONTENT_TYPE))
    };
    for mime in ["image/png", "image/jpeg", "image/webp", "audio/flac", "audio/mpeg", "video/mp4"] {
        assert_eq!(shown(mime), (true, mime.to_owned()));
    }
    for mime in ["text/plain", "text/markdown", "text/css", "text/x-rust", "TEXT/PLAIN; charset=utf-16"] {
        assert_eq!(shown(mime), (true, "text/plain; charset=utf-8".to_owned()));
    }
    let never = [
        "text/html",
        "TEXT/HTML; charset=x",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/xml",
        "application/xml",
        "application/epub+zip",
        "application/pdf",
        "audio/x-mpegurl",
        "application/octet-stream",
        "multipart/mixed",
        "nonsense",
    ];
    for mime in never {
        assert_eq!(shown(mime), (false, mime.to_owned()));
    }
    assert_eq!(shown("application/javascript"), (false, "text/plain".to_owned()));
    assert_eq!(shown("text/html\r\nX: y"), (false, UNKNOWN.to_owned()));
    let stored = safe_headers("name", "image/png", Disposition::Attachment);
    assert_eq!(stored[header::CONTENT_DISPOSITION], "attachment; filename=\"name\"");
}

#[test]
fn names_reach_old_and_new_readers() {
    let table = [
        ("song.mp3", "attachment; filename=\"song.mp3\""),
        ("Zoë.mp3", "attachment; filename=\"Zo_.mp3\"; filename*=UTF-8''Zo%C3%AB.mp3"),
        ("a\"b\\c.txt", "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b_c.txt"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("a\r\nSet-Cookie: x", "attachment; filename=\"a__Set-Cookie: x\""),
        ("../x", "attachment; filename=\".._x\""),
    ];
    for (name, expected) in table {
        let headers = safe_headers(name, UNKNOWN, Disposition::Attachment);
        assert_eq!(headers[header::CONTENT_DISPOSITION], expected, "{name:?}");
    }
}

#[test]
fn music_has_the_types_that_players_know() {
    let table = [
        ("a.flac", "audio/flac"),
        ("a.OPUS", "audio/ogg"),
        ("a.ogg", "audio/ogg"),
        ("a.m4a", "audio/mp4"),
        ("a.mp3", "audio/mpeg"),
        ("a.b.mka", "audio/x-matroska"),
        ("a.jpg", "image/jpeg"),
        ("a.svg", "image/svg+xml"),
        ("a.pdf", "application/pdf"),
        ("flac", UNKNOWN),
        ("", UNKNOWN),
        ("a.nothing known", UNKNOWN),
    ];
    for (name, mime) in table {
        assert_eq!(mime_of(name), mime, "{name}");
    }
}
