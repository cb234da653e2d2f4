//! Bytes of a share: files, what is made of them, and all of it in an archive.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::visitor;
use crate::error::{Error, Result, Thing};
use crate::http::deliver::Hls;
use crate::http::fields::Fields;
use crate::http::send::Disposition;
use crate::http::{Call, deliver, put_header};
use crate::media::hls::Stream;
use crate::media::transcode::{Codec, Profile};
use crate::share::grant::{Action, Grant};
use crate::share::visit::Visitor;
use crate::store::Tx;
use crate::web::assets::NO_PICTURE;
use crate::work::renditions::Rendition;
use crate::work::sharing::{self, Contents};
use crate::work::{archives, look};

const THUMB_PX: u32 = 384;
const COVER_PX: u32 = 768;

/// The file that the address names.
async fn sent(call: &Call, action: Action, disposition: Disposition) -> Result<Response> {
    let visitor = visitor(call).await?;
    let grant = look::fetch(&call.app, call.path("id"), &visitor, call.path("item"), action, call.wanted()).await?;
    deliver::file(call, grant, disposition).await
}

pub async fn file(call: Call) -> Result<Response> {
    let keep = Fields::of_query(&call).is_ok_and(|query| query.get("download") == Some("1"));
    match keep {
        true => sent(&call, Action::Download, Disposition::Attachment).await,
        false => sent(&call, Action::Play, Disposition::Inline).await,
    }
}

pub async fn play(call: Call) -> Result<Response> {
    sent(&call, Action::Play, Disposition::Inline).await
}

/// For what is made of the item that the address names, and spends nothing.
async fn reached(call: &Call, action: Action) -> Result<Grant> {
    let visitor = visitor(call).await?;
    let (id, item) = (call.path("id").to_owned(), call.path("item").to_owned());
    call.app.db.read(move |tx| sharing::reach(tx, &id, &visitor, &item, action)).await
}

/// The sound of a track in a format that every browser plays.
pub async fn stream(call: Call) -> Result<Response> {
    let grant = reached(&call, Action::Stream).await?;
    let mp3 = Rendition::Audio { profile: Profile::new(Codec::Mp3, None), start_s: 0 };
    deliver::transcode(&call, grant, mp3, None).await
}

pub async fn waveform(call: Call) -> Result<Response> {
    deliver::waveform(&call, reached(&call, Action::Preview).await?).await
}

pub async fn film(call: Call) -> Result<Response> {
    let all = Hls::Master(vec![Stream::sound(None)], 0);
    deliver::hls(&call, reached(&call, Action::Stream).await?, all, "").await
}

pub async fn film_part(call: Call) -> Result<Response> {
    let wanted = Hls::of_path(call.path("stream"), call.path("file")).ok_or(Error::NotFound(Thing::File))?;
    deliver::hls(&call, reached(&call, Action::Stream).await?, wanted, "").await
}

async fn picture(call: &Call, size_px: u32) -> Result<Response> {
    deliver::cover(call, reached(call, Action::Preview).await?, Some(size_px)).await
}

pub async fn cover(call: Call) -> Result<Response> {
    picture(&call, COVER_PX).await
}

pub async fn thumb(call: Call) -> Result<Response> {
    match picture(&call, THUMB_PX).await {
        Err(Error::NotFound(Thing::Cover)) => Ok(no_picture()),
        answer => answer,
    }
}

/// Still not found, but a gallery shows it in the place of a picture that cannot be read.
fn no_picture() -> Response {
    let mut response = (StatusCode::NOT_FOUND, NO_PICTURE).into_response();
    put_header(&mut response, header::CONTENT_TYPE, "image/svg+xml");
    put_header(&mut response, header::CACHE_CONTROL, "private, no-store");
    put_header(&mut response, header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub async fn zip(call: Call) -> Result<Response> {
    let picked = Fields::of_query(&call)?.get("in").map(|folder| vec![folder.to_owned()]);
    archive(&call, visitor(&call).await?, picked).await
}

async fn archive(call: &Call, visitor: Visitor, picked: Option<Vec<String>>) -> Result<Response> {
    let (id, wanted) = (call.path("id").to_owned(), call.wanted());
    let part = move |tx: &mut Tx| archives::of_share(tx, &id, &visitor, picked.as_deref(), wanted);
    deliver::zip(call, vec![call.app.db.write(part).await?]).await
}

/// The one file of a share, else all of it in an archive. Not opened first: to whom the last download was given, the share
/// opens by their lease alone.
pub async fn whole(call: &Call) -> Result<Response> {
    let visitor = visitor(call).await?;
    let (id, wanted) = (call.path("id"), call.wanted());
    match &look::at(&call.app, id, &visitor).await?.contents {
        Contents::File(item) => {
            let grant = look::fetch(&call.app, id, &visitor, &item.id, Action::Download, wanted).await?;
            deliver::file(call, grant, Disposition::Attachment).await
        }
        Contents::Folder(_) | Contents::Set(_) => archive(call, visitor, None).await,
    }
}
