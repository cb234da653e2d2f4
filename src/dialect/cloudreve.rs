//! The Cloudreve v4 dialect: what drive clients speak.
//!
//! Reference: <https://docs.cloudreve.org/api/overview> and the pages at <https://cloudrevev4.apifox.cn>. Paths lie under
//! `/api/v4`; the document of share info prints its path without that, so it answers there as well.
//!
//! Where this server differs on purpose: a locked share tells no name and no counts; visitors who unlocked a share are
//! not told its password; a link of a revoked share dies with it; asking for a sign-in method does not tell whether there
//! is such a user; rights beyond reading and prices are refused, since nothing would enforce them; what
//! files have is in `README.d/files.md`.
//! What the protocol has beyond files and shares (tasks, WebDAV accounts, passkeys, administration) answers
//! "not enabled" by name.

pub mod answers;
mod archive;
pub mod boolset;
mod content;
mod files;
mod list;
mod metadata;
mod search;
mod session;
mod shares;
mod site;
mod tree;
mod upload;
pub mod uri;
mod versions;
mod viewers;
mod views;
mod with_me;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::{Access, Call, Cors, Face, Route, log_internal};

// Outcomes ------------------------------------------------------------------------------------------------------------

/// What a handler comes to: an answer, or what the envelope tells instead.
pub type Outcome = Result<Response, Failure>;

/// Why a call failed, in this protocol's terms.
#[derive(Debug)]
pub enum Failure {
    Of(Error),
    /// Where the protocol has a finer code than the error.
    Code(u32, &'static str),
    /// Of several things, those that failed, by the name that the client gave them.
    Batch(Vec<(String, Failure)>),
    /// The same, with what is told of the others.
    Partly(serde_json::Value, Vec<(String, Failure)>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Of(error)
    }
}

pub const SIGN_IN_NEEDED: u32 = 401;
pub const WRONG_CREDENTIAL: Failure = Failure::Code(40020, "The credential is not valid");
pub const TOO_MANY_URIS: Failure = Failure::Code(40074, "Too many at once");
pub const ROOT_PROTECTED: Failure = Failure::Code(40053, "The root cannot be changed or shared");
pub const OWNER_ONLY: Failure = Failure::Code(40082, "Only the owner may do this");
/// Shows a guest of a share that only listed users may open the way to sign in, which 401 would not: clients take that
/// one for the end of a session.
pub const GUESTS_DENIED: Failure = Failure::Code(40088, "Sign in to see this share");
pub const URL_EXPIRED: Failure = Failure::Code(40005, "The address has expired");
pub const BAD_SIGNATURE: Failure = Failure::Code(40071, "The address was not made by this server");
const BATCH_FAILED: u32 = 40081;
const NOT_ENABLED: u32 = 40019;

/// The protocol's code of every error.
fn code_of(error: &Error) -> u32 {
    match error {
        Error::Invalid { what: "chunk length", .. } => 40013,
        Error::Invalid { what: "chunk index", .. } => 40012,
        Error::Missing(_) | Error::Invalid { .. } => 40001,
        Error::NotFound(thing) => match thing {
            Thing::File | Thing::Folder | Thing::Library => 40016,
            Thing::User => 40021,
            Thing::Upload => 40011,
            Thing::Version | Thing::Cover => 40077,
            Thing::Share
            | Thing::Track
            | Thing::Album
            | Thing::Artist
            | Thing::Playlist
            | Thing::Genre
            | Thing::Group
            | Thing::Key
            | Thing::Link
            | Thing::Channel
            | Thing::Episode
            | Thing::Device
            | Thing::Bookmark
            | Thing::Station
            | Thing::Avatar => 404,
        },
        Error::SignInNeeded => SIGN_IN_NEEDED,
        Error::WrongCredentials => 40080,
        Error::ShareLocked => 40069,
        // The protocol has no code for "later"; this one makes clients show the message, which says when.
        Error::Throttled { .. } | Error::Forbidden(_) => 403,
        Error::Exists(_) => 40004,
        Error::Conflict(Thing::Upload) => 40054,
        Error::Conflict(_) => 40076,
        Error::TooLarge { .. } => 40049,
        Error::NoSpace => 40051,
        Error::Unsupported(_) => NOT_ENABLED,
        Error::Busy => 50010,
        Error::Internal(_) => 50001,
    }
}

impl Failure {
    pub fn code(&self) -> u32 {
        match self {
            Failure::Of(error) => code_of(error),
            Failure::Code(code, _) => *code,
            Failure::Batch(_) | Failure::Partly(..) => BATCH_FAILED,
        }
    }

    fn message(&self) -> String {
        match self {
            Failure::Of(Error::Internal(_)) => "Something went wrong on the server".to_owned(),
            Failure::Of(error) => error.to_string(),
            Failure::Code(_, message) => (*message).to_owned(),
            Failure::Batch(_) | Failure::Partly(..) => "Some of it failed".to_owned(),
        }
    }

    fn log(&self, call: &'static str) {
        match self {
            Failure::Of(error) => log_internal(call, error),
            Failure::Code(..) => {}
            Failure::Batch(each) | Failure::Partly(_, each) => each.iter().for_each(|(_, failure)| failure.log(call)),
        }
    }

    fn envelope(&self, correlation_id: &str) -> Envelope {
        let each = match self {
            Failure::Batch(each) | Failure::Partly(_, each) => {
                Some(each.iter().map(|(name, f)| (name.clone(), f.envelope(correlation_id))).collect())
            }
            Failure::Of(_) | Failure::Code(..) => None,
        };
        Envelope {
            data: if let Failure::Partly(data, _) = self { Some(data.clone()) } else { None },
            code: self.code(),
            msg: self.message(),
            correlation_id: Some(correlation_id.to_owned()),
            aggregated_error: each,
        }
    }

    /// Clients read the envelope of any answer, and take an HTTP status other than 200 for a broken connection. Only
    /// addresses that are opened without a client have a status of their own.
    fn status(&self, access: Access) -> StatusCode {
        match self {
            Failure::Of(Error::Busy) => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Of(Error::Throttled { .. }) if access == Access::Signed => StatusCode::TOO_MANY_REQUESTS,
            Failure::Of(Error::Forbidden(_)) if access == Access::Signed => StatusCode::FORBIDDEN,
            _ if access == Access::Signed => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        }
    }

    fn answer(&self, asked: &Asked) -> Response {
        self.log(asked.name);
        let mut response = json(&self.envelope(&asked.correlation_id));
        *response.status_mut() = self.status(asked.access);
        let wait_s = match self {
            Failure::Of(Error::Busy) => Some(1),
            Failure::Of(Error::Throttled { retry_after_s }) => Some(*retry_after_s),
            _ => None,
        };
        if let Some(wait_s) = wait_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        }
        response
    }
}

#[derive(Serialize)]
struct Envelope {
    code: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<serde_json::Value>,
    msg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregated_error: Option<BTreeMap<String, Envelope>>,
}

#[derive(Serialize)]
struct Success<'a, T> {
    code: u32,
    data: &'a T,
    msg: &'static str,
}

fn json(body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("answers have string keys only");
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn data(data: &impl Serialize) -> Outcome {
    Ok(json(&Success { code: 0, data, msg: "" }))
}

fn done() -> Outcome {
    Ok(json(&Envelope { code: 0, data: None, msg: String::new(), correlation_id: None, aggregated_error: None }))
}

/// Done, if nothing failed.
fn done_but_for(failed: Vec<(String, Failure)>) -> Outcome {
    if failed.is_empty() { done() } else { Err(Failure::Batch(failed)) }
}

// Calls ---------------------------------------------------------------------------------------------------------------

/// What an answer needs to know of its call, which the handler consumed by then.
struct Asked {
    name: &'static str,
    access: Access,
    correlation_id: String,
}

impl Asked {
    fn of(name: &'static str, access: Access, call: &Call) -> Asked {
        let sent = call.header("x-cr-correlation-id").and_then(|id| uuid::Uuid::parse_str(id).ok());
        Asked { name, access, correlation_id: sent.unwrap_or_else(uuid::Uuid::new_v4).to_string() }
    }
}

/// Who calls. A token that does not stand makes a guest: pages of shares send stale ones along.
async fn caller(call: &Call) -> Result<Option<User>, Failure> {
    if call.path.iter().any(|(_, value)| value.contains('\0')) {
        return Err(Error::invalid("path", "it holds a NUL").into());
    }
    session::caller(call).await
}

async fn for_user<F>(name: &'static str, call: Call, handler: impl FnOnce(Call, User) -> F) -> Response
where
    F: Future<Output = Outcome>,
{
    let asked = Asked::of(name, Access::User, &call);
    let outcome = match caller(&call).await {
        Ok(Some(user)) => handler(call, user).await,
        Ok(None) => Err(Error::SignInNeeded.into()),
        Err(failure) => Err(failure),
    };
    outcome.unwrap_or_else(|failure| failure.answer(&asked))
}

async fn for_anyone<F>(
    name: &'static str,
    access: Access,
    call: Call,
    handler: impl FnOnce(Call, Option<User>) -> F,
) -> Response
where
    F: Future<Output = Outcome>,
{
    let asked = Asked::of(name, access, &call);
    // Whoever comes by a signed address is who the address says; clients send their token along all the same.
    let caller = if access == Access::Signed { Ok(None) } else { caller(&call).await };
    let outcome = match caller {
        Ok(user) => handler(call, user).await,
        Err(failure) => Err(failure),
    };
    outcome.unwrap_or_else(|failure| failure.answer(&asked))
}

/// The parameters of the address.
fn query(call: &Call) -> Result<Fields> {
    let fields = Fields::of_query(call)?;
    if fields.values().any(|(_, value)| value.contains(['\0', '\u{fffd}'])) {
        return Err(Error::invalid("query", "it is not text"));
    }
    Ok(fields)
}

/// `True` is how a client in Python says it.
fn is_set(query: &Fields, name: &'static str) -> Result<bool> {
    match query.get(name) {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(_) => Err(Error::invalid(name, "it is true or false")),
    }
}

/// Known to the protocol, not offered here.
async fn not_enabled(_: Call, _: Option<User>) -> Outcome {
    Err(Error::Unsupported("This feature").into())
}

async fn not_enabled_for_user(_: Call, _: User) -> Outcome {
    Err(Error::Unsupported("This feature").into())
}

async fn unknown_path(call: Call) -> Response {
    let asked = Asked::of("unknown", Access::Open, &call);
    let mut response = Failure::Code(404, "There is no such call").answer(&asked);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

// Routes --------------------------------------------------------------------------------------------------------------

macro_rules! routes {
    ($($name:literal $method:ident $path:literal $access:ident $handler:path;)*) => {
        &[$(route!($name $method $path $access $handler)),*]
    };
}

macro_rules! route {
    ($name:literal $method:ident $path:literal User $handler:path) => {
        Route {
            name: $name,
            methods: &[Method::$method],
            path: $path,
            access: Access::User,
            handler: |call| Box::pin(for_user($name, call, $handler)),
        }
    };
    ($name:literal ANY $path:literal Open $handler:path) => {
        Route {
            name: $name,
            methods: &[Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            path: $path,
            access: Access::Open,
            handler: |call| Box::pin($handler(call)),
        }
    };
    ($name:literal $method:ident $path:literal $access:ident $handler:path) => {
        Route {
            name: $name,
            methods: &[Method::$method],
            path: $path,
            access: Access::$access,
            handler: |call| Box::pin(for_anyone($name, Access::$access, call, $handler)),
        }
    };
}

pub static FACE: Face = Face { name: "cloudreve", routes: ROUTES, cors: Cors::AnyOrigin };

static ROUTES: &[Route] = routes! {
    "getSitePing" GET "/api/v4/site/ping" Open site::get_ping;
    "getSiteConfig" GET "/api/v4/site/config/{section}" Open site::get_config;
    "getSessionPrepare" GET "/api/v4/session/prepare" Open session::get_prepare;
    "postSessionToken" POST "/api/v4/session/token" Open session::post_token;
    "deleteSessionToken" DELETE "/api/v4/session/token" Open session::delete_token;
    "postSessionTokenRefresh" POST "/api/v4/session/token/refresh" Open session::post_token_refresh;

    "getUserMe" GET "/api/v4/user/me" User site::get_me;
    "getUserCapacity" GET "/api/v4/user/capacity" User site::get_capacity;
    "getUserInfo" GET "/api/v4/user/info/{id}" Open site::get_user_info;
    "getUserAvatar" GET "/api/v4/user/avatar/{id}" Signed site::get_avatar;
    "getUserSetting" GET "/api/v4/user/setting" User site::get_setting;
    "patchUserSetting" PATCH "/api/v4/user/setting" User site::patch_setting;
    "getUserShares" GET "/api/v4/user/shares/{id}" Open shares::get_user_shares;

    "getFile" GET "/api/v4/file" Share list::get_file;
    "getFileInfo" GET "/api/v4/file/info" Share files::get_file_info;
    "postFileCreate" POST "/api/v4/file/create" User files::post_create;
    "postFileRename" POST "/api/v4/file/rename" User files::post_rename;
    "postFileMove" POST "/api/v4/file/move" User files::post_move;
    "deleteFile" DELETE "/api/v4/file" User files::delete_file;
    "deleteFileTrash" DELETE "/api/v4/file/trash" User files::delete_trash;
    "postFileRestore" POST "/api/v4/file/restore" User files::post_restore;

    "postFileUrl" POST "/api/v4/file/url" Share content::post_url;
    "getFileThumb" GET "/api/v4/file/thumb" Share content::get_thumb;
    "getFileContent" GET "/api/v4/file/content/{id}/{speed}/{name}" Signed content::get_content;
    "headFileContent" HEAD "/api/v4/file/content/{id}/{speed}/{name}" Signed content::get_content;
    "getFileArchiveZip" GET "/api/v4/file/archive/{session}/archive.zip" Signed archive::get_archive;
    "putFileSource" PUT "/api/v4/file/source" User content::put_source;
    "deleteFileSource" DELETE "/api/v4/file/source/{id}" User content::delete_source;
    "getDirectLink" GET "/f/{id}/{name}" Signed content::get_direct_link;
    "getDirectLinkDownload" GET "/f/d/{id}/{name}" Signed content::get_direct_link_download;

    "putFileContent" PUT "/api/v4/file/content" User upload::put_content;
    "putFileUpload" PUT "/api/v4/file/upload" User upload::put_upload;
    "postFileUpload" POST "/api/v4/file/upload/{session}/{index}" User upload::post_chunk;
    "deleteFileUpload" DELETE "/api/v4/file/upload" User upload::delete_upload;

    "putShare" PUT "/api/v4/share" User shares::put_share;
    "getShare" GET "/api/v4/share" User shares::get_share;
    "deleteShares" DELETE "/api/v4/share" User shares::delete_shares;
    "postShare" POST "/api/v4/share/{id}" User shares::post_share;
    "deleteShare" DELETE "/api/v4/share/{id}" User shares::delete_share;
    "getShareInfo" GET "/api/v4/share/info/{id}" Share shares::get_info;
    "getShareInfo" GET "/share/info/{id}" Share shares::get_info;

    "getSiteCaptcha" GET "/api/v4/site/captcha" Open not_enabled;
    "postSiteAbuse" POST "/api/v4/site/abuse" Open not_enabled;
    "postSessionToken2fa" POST "/api/v4/session/token/2fa" Open not_enabled;
    "putSessionAuthn" PUT "/api/v4/session/authn" Open not_enabled;
    "postSessionAuthn" POST "/api/v4/session/authn" Open not_enabled;
    "putSessionOpenid" PUT "/api/v4/session/openid" Open not_enabled;
    "postSessionOpenid" POST "/api/v4/session/openid" Open not_enabled;
    "deleteSessionOpenid" DELETE "/api/v4/session/openid/{id}" User not_enabled_for_user;
    "getSessionOauthApp" GET "/api/v4/session/oauth/app/{id}" Open not_enabled;
    "postSessionOauthConsent" POST "/api/v4/session/oauth/consent" User not_enabled_for_user;
    "postSessionOauthToken" POST "/api/v4/session/oauth/token" Open not_enabled;
    "getSessionOauthUserinfo" GET "/api/v4/session/oauth/userinfo" User not_enabled_for_user;
    "deleteSessionOauthGrant" DELETE "/api/v4/session/oauth/grant/{id}" User not_enabled_for_user;
    "postUser" POST "/api/v4/user" Open not_enabled;
    "postUserReset" POST "/api/v4/user/reset" Open not_enabled;
    "patchUserReset" PATCH "/api/v4/user/reset/{id}" Open not_enabled;
    "getUserActivate" GET "/api/v4/user/activate/{id}" Open not_enabled;
    "getUserSearch" GET "/api/v4/user/search" User not_enabled_for_user;
    "putUserSettingAvatar" PUT "/api/v4/user/setting/avatar" User not_enabled_for_user;
    "getUserSetting2fa" GET "/api/v4/user/setting/2fa" User not_enabled_for_user;
    "getUserSettingNodes" GET "/api/v4/user/setting/nodes" User not_enabled_for_user;
    "getUserSettingPolicies" GET "/api/v4/user/setting/policies" User not_enabled_for_user;
    "putUserAuthn" PUT "/api/v4/user/authn" User not_enabled_for_user;
    "postUserAuthn" POST "/api/v4/user/authn" User not_enabled_for_user;
    "deleteUserAuthn" DELETE "/api/v4/user/authn" User not_enabled_for_user;
    "getUserSessionCopy" GET "/api/v4/user/session/copy/{id}" Open not_enabled;
    "getUserCreditChanges" GET "/api/v4/user/creditChanges" User not_enabled_for_user;
    "getUserPayments" GET "/api/v4/user/payments" User not_enabled_for_user;
    "getGroupList" GET "/api/v4/group/list" User not_enabled_for_user;
    "deleteFileLock" DELETE "/api/v4/file/lock" User not_enabled_for_user;
    "getFileArchive" GET "/api/v4/file/archive" Open not_enabled;
    "patchFileMetadata" PATCH "/api/v4/file/metadata" User metadata::patch_metadata;
    "patchFileView" PATCH "/api/v4/file/view" User views::patch_view;
    "putFilePin" PUT "/api/v4/file/pin" User views::put_pin;
    "deleteFilePin" DELETE "/api/v4/file/pin" User views::delete_pin;
    "postFileVersionCurrent" POST "/api/v4/file/version/current" User versions::post_current;
    "deleteFileVersion" DELETE "/api/v4/file/version" User versions::delete_version;
    "putFileViewerSession" PUT "/api/v4/file/viewerSession" Share viewers::put_session;
    "getFileEvents" GET "/api/v4/file/events" User not_enabled_for_user;
    "getFileSearch" GET "/api/v4/file/search" User not_enabled_for_user;
    "postFilePermission" POST "/api/v4/file/permission" User not_enabled_for_user;
    "deleteFilePermission" DELETE "/api/v4/file/permission" User not_enabled_for_user;
    "getFileActivities" GET "/api/v4/file/activities" User not_enabled_for_user;
    "patchFilePolicy" PATCH "/api/v4/file/policy" User not_enabled_for_user;
    "getWorkflow" GET "/api/v4/workflow" User not_enabled_for_user;
    "getWorkflowProgress" GET "/api/v4/workflow/progress/{id}" User not_enabled_for_user;
    "postWorkflowArchive" POST "/api/v4/workflow/archive" User not_enabled_for_user;
    "postWorkflowExtract" POST "/api/v4/workflow/extract" User not_enabled_for_user;
    "postWorkflowDownload" POST "/api/v4/workflow/download" User not_enabled_for_user;
    "patchWorkflowDownload" PATCH "/api/v4/workflow/download/{id}" User not_enabled_for_user;
    "deleteWorkflowDownload" DELETE "/api/v4/workflow/download/{id}" User not_enabled_for_user;
    "postWorkflowImport" POST "/api/v4/workflow/import" User not_enabled_for_user;
    "postWorkflowRelocate" POST "/api/v4/workflow/relocate" User not_enabled_for_user;
    "postWorkflowRebuildFtsIndex" POST "/api/v4/workflow/rebuildFtsIndex" User not_enabled_for_user;
    "getDevicesDav" GET "/api/v4/devices/dav" User not_enabled_for_user;
    "putDevicesDav" PUT "/api/v4/devices/dav" User not_enabled_for_user;
    "patchDevicesDav" PATCH "/api/v4/devices/dav/{id}" User not_enabled_for_user;
    "deleteDevicesDav" DELETE "/api/v4/devices/dav/{id}" User not_enabled_for_user;
    "putVasPayment" PUT "/api/v4/vas/payment" Open not_enabled;
    "getVasPaymentStatus" GET "/api/v4/vas/payment/status/{id}/{trade}" Open not_enabled;
    "getVasGiftcode" GET "/api/v4/vas/giftcode/{code}" User not_enabled_for_user;
    "postVasGiftcodeRedeem" POST "/api/v4/vas/giftcode/{code}/redeem" User not_enabled_for_user;
    "unknown" ANY "/api/v4/{*rest}" Open unknown_path;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_ours_shows_nothing_of_itself() {
        let envelope = Failure::Of(Error::Internal("SELECT secret".into())).envelope("x");
        assert_eq!(envelope.code, 50001);
        assert!(!envelope.msg.contains("SELECT"));
    }

    #[test]
    fn a_batch_tells_what_became_of_each() {
        let failed = Failure::Batch(vec![("cloudreve://my/a".into(), Error::NotFound(Thing::File).into())]);
        let json = serde_json::to_value(failed.envelope("x")).unwrap();
        assert_eq!(json["code"], 40081);
        assert_eq!(json["aggregated_error"]["cloudreve://my/a"]["code"], 40016);
    }

    #[test]
    fn booleans_are_read_in_every_spelling_that_clients_use() {
        let query = Fields::parse(b"a=True&b=0&c=yes").unwrap();
        assert!(is_set(&query, "a").unwrap());
        assert!(!is_set(&query, "b").unwrap());
        assert!(!is_set(&query, "absent").unwrap());
        assert!(is_set(&query, "c").is_err());
    }
}
