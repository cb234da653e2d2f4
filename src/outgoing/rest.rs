//! Going on with a download that broke off, if its server says that the file still is the same.

use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};

use super::{Answer, Failure, Limits, Outgoing, header_value};

const LONGEST_VALIDATOR_BYTES: usize = 1024;

/// What a server gives who has the beginning of a file already.
pub enum Rest {
    /// The file from that byte on, which is its first one where it is another file by now.
    From(u64, Answer),
    Refused(StatusCode),
}

impl Outgoing {
    /// Asks for what follows the bytes that were received; `validator` is that of the answer they came by, and without it
    /// the file comes from its beginning.
    pub async fn get_rest(
        &self,
        address: &str,
        received_bytes: u64,
        validator: Option<&str>,
        limits: Limits,
    ) -> Result<Rest, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(validator) = validator.and_then(header_value).filter(|_| received_bytes > 0) {
            headers.extend(header_value(&format!("bytes={received_bytes}-")).map(|range| (header::RANGE, range)));
            headers.insert(header::IF_RANGE, validator);
        }
        let answer = self.get(address, headers, limits).await?;
        Ok(match answer.status {
            StatusCode::OK => Rest::From(0, answer),
            StatusCode::PARTIAL_CONTENT if answer.goes_on_at(received_bytes) => Rest::From(received_bytes, answer),
            status => Rest::Refused(status),
        })
    }
}

impl Answer {
    /// Whether it is the rest from there on that was asked for, and not another part.
    fn goes_on_at(&self, received_bytes: u64) -> bool {
        let start = self.header(header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
        let start = start.and_then(|range| range.split_once('-')).and_then(|(start, _)| start.parse::<u64>().ok());
        received_bytes > 0 && start == Some(received_bytes)
    }

    /// By what [`Outgoing::get_rest`] tells later whether the file still is the same: a weak ETag does not say so of bytes.
    pub fn validator(&self) -> Option<String> {
        let strong = self.header(header::ETAG).filter(|etag| etag.starts_with('"'));
        let validator = strong.or_else(|| self.header(header::LAST_MODIFIED));
        validator.filter(|value| value.len() <= LONGEST_VALIDATOR_BYTES).map(str::to_owned)
    }
}
