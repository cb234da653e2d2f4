//! Covers and thumbnails: made of a grant's file, small.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tokio::sync::Semaphore;

use super::{on_disk, root};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::media::image::{self, Picture};
use crate::share::grant::Grant;

/// Each takes a core, and of a large picture hundreds of MiB.
static DRAWING: Semaphore = Semaphore::const_new(2);

/// The picture of a track, or an image file, at most `size_px` wide and high. `NotFound(Cover)` when there is none.
pub async fn cover(call: &Call, grant: Grant, size_px: Option<u32>) -> Result<Response> {
    let item = grant.item().clone();
    let etag = format!("c{}-{}", item.etag(), image::size_class(size_px));
    if call.header(header::IF_NONE_MATCH).is_some_and(|tags| tags.contains(&etag)) {
        return Ok(not_modified());
    }
    let turn = DRAWING.acquire().await.map_err(|e| Error::internal("drawing", e))?;
    let picture = on_disk(move || {
        // Goes with the work: who hangs up does not stop it.
        let _turn = turn;
        let file = root(grant.library())?.open_file(grant.path())?;
        image::of_item(file, grant.item(), size_px)
    })
    .await?;
    Ok(picture_answer(picture, &etag, &call.parts.method))
}

/// As an HTTP answer that a browser may keep for itself for a day.
fn picture_answer(picture: Picture, etag: &str, method: &Method) -> Response {
    let length = picture.bytes.len();
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(picture.bytes) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(picture.mime));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        headers.insert(header::ETAG, etag);
    }
    response
}

fn not_modified() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}
