//! The Cloudreve v4 dialect: what drive clients speak.
//!
//! Reference: <https://docs.cloudreve.org/api/overview> and the pages at <https://cloudrevev4.apifox.cn>. Paths lie under
//! `/api/v4`; the document of share info prints its path without that, so it answers there as well.
//!
//! Where this server differs on purpose: a locked share tells no name and no counts; visitors who unlocked a share are
//! not told its password; a link of a revoked share dies with it; asking for a sign-in method does not tell whether there
//! is such a user. What is left of the protocol answers "not enabled" by name; `README.md` beside this has each call.

mod abuse;
mod admin;
pub mod answers;
mod archive;
mod authn;
pub mod boolset;
mod by_share;
mod captcha;
mod content;
mod devices;
mod events;
mod files;
mod list;
mod locks;
mod metadata;
mod oauth;
mod openid;
mod permissions;
mod policies;
mod registration;
mod scopes;
mod search;
mod session;
mod setting;
mod shares;
mod site;
mod texts;
mod tree;
mod upload;
pub mod uri;
mod vas;
mod versions;
mod viewers;
mod views;
mod with_me;
mod workflow;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::account::User;
use crate::error::{Error, InTheWay, Result, Thing};
use crate::http::fields::Fields;
use crate::http::{Access, Call, Cors, Face, Route, log_internal};
use scopes::{Needs, needs};

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

const SIGN_IN_NEEDED: u32 = 401;
pub const WRONG_CREDENTIAL: Failure = Failure::Code(40020, "The credential is not valid");
pub const NOT_LET_IN: Failure = Failure::Code(40089, "The app was not let in for this");
pub const TOO_MANY_URIS: Failure = Failure::Code(40074, "Too many at once");
pub const ROOT_PROTECTED: Failure = Failure::Code(40053, "The root cannot be changed or shared");
/// Groups are where the protocol keeps what a user is allowed.
pub const GROUP_DENIED: Failure = Failure::Code(40007, "Your group may not do this");
pub const OWNER_ONLY: Failure = Failure::Code(40082, "Only the owner may do this");
/// Shows a guest of a share that only listed users may open the way to sign in, which 401 would not: clients take that
/// one for the end of a session.
pub const GUESTS_DENIED: Failure = Failure::Code(40088, "Sign in to see this share");
pub const URL_EXPIRED: Failure = Failure::Code(40005, "The address has expired");
pub const BAD_SIGNATURE: Failure = Failure::Code(40071, "The address was not made by this server");
const BATCH_FAILED: u32 = 40081;
const NOT_ENABLED: u32 = 40019;
const LOCK_CONFLICT: u32 = 40073;

/// The protocol's code of every error.
fn code_of(error: &Error) -> u32 {
    match error {
        Error::Invalid { what: "chunk length", .. } => 40013,
        Error::Invalid { what: "chunk index", .. } => 40012,
        Error::Invalid { what: "file type", .. } => 40050,
        Error::Invalid { what: "file name", .. } => 40052,
        Error::Missing(_) | Error::Invalid { .. } => 40001,
        Error::NotFound(thing) => match thing {
            Thing::File | Thing::Folder | Thing::Library => 40016,
            Thing::User => 40021,
            Thing::Upload => 40011,
            Thing::Version | Thing::Cover => 40077,
            Thing::GiftCode => 40065,
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
            | Thing::Avatar
            | Thing::Task => 404,
            Thing::Payment | Thing::Report => 404,
            Thing::OauthApp | Thing::Passkey => 404,
            Thing::Policy => 40035,
        },
        Error::SignInNeeded => SIGN_IN_NEEDED,
        Error::WrongCredentials => 40080,
        Error::ShareLocked => 40069,
        // The protocol has no code for "later"; this one makes clients show the message, which says when.
        Error::Throttled { .. } | Error::Forbidden(_) => 403,
        Error::PurchaseNeeded { .. } => 40083,
        Error::NotEnoughPoints => 40062,
        Error::Exists(_) => 40004,
        Error::Conflict(Thing::Upload) => 40054,
        Error::Conflict(Thing::Policy) => 40057,
        Error::Conflict(_) => 40076,
        Error::Locked(_) => LOCK_CONFLICT,
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
            // One client knows it by these very words.
            Failure::Of(Error::Locked(_)) => "Lock conflict".to_owned(),
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
            data: match self {
                Failure::Partly(data, _) => Some(data.clone()),
                _ => locks::in_the_way(self).and_then(|locks| serde_json::to_value(locks).ok()),
            },
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
            Failure::Of(Error::PurchaseNeeded { .. }) if access == Access::Signed => StatusCode::PAYMENT_REQUIRED,
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

/// No error and not the end either: what the client does next with the data, its code says.
fn told(code: u32, message: &'static str, data: &impl Serialize) -> Outcome {
    Ok(json(&Success { code, data, msg: message }))
}

fn done() -> Outcome {
    Ok(json(&Envelope { code: 0, msg: String::new(), data: None, correlation_id: None, aggregated_error: None }))
}

/// Done, if nothing failed. Where locks alone were in the way, clients look for them at the top, to break them and try again.
fn done_but_for(failed: Vec<(String, Failure)>) -> Outcome {
    if failed.is_empty() {
        return done();
    }
    let mut all_locks: Vec<InTheWay> = Vec::new();
    for (_, failure) in &failed {
        let Failure::Of(Error::Locked(locks)) = failure else { return Err(Failure::Batch(failed)) };
        for lock in locks {
            if !all_locks.contains(lock) {
                all_locks.push(lock.clone());
            }
        }
    }
    Err(Error::Locked(all_locks).into())
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

/// Who calls, with what an app needs to do so in their name. A token that does not stand makes a guest: pages of shares
/// send stale ones along.
async fn caller(call: &Call, needs: Needs) -> Result<Option<User>, Failure> {
    if call.path.iter().any(|(_, value)| value.contains('\0')) {
        return Err(Error::invalid("path", "it holds a NUL").into());
    }
    match session::caller(call).await? {
        Some(caller) if caller.permits().is_some_and(|permits| !needs.met_by(permits)) => Err(NOT_LET_IN),
        caller => Ok(caller.map(|caller| caller.user)),
    }
}

async fn for_user<F>(name: &'static str, needs: Needs, call: Call, handler: impl FnOnce(Call, User) -> F) -> Response
where
    F: Future<Output = Outcome>,
{
    let asked = Asked::of(name, Access::User, &call);
    let outcome = match caller(&call, needs).await {
        Ok(Some(user)) => handler(call, user).await,
        Ok(None) => Err(Error::SignInNeeded.into()),
        Err(failure) => Err(failure),
    };
    outcome.unwrap_or_else(|failure| failure.answer(&asked))
}

async fn for_admin<F>(name: &'static str, needs: Needs, call: Call, handler: impl FnOnce(Call, User) -> F) -> Response
where
    F: Future<Output = Outcome>,
{
    let asked = Asked::of(name, Access::Admin, &call);
    let outcome = match caller(&call, needs).await {
        Ok(Some(user)) if user.is_admin() => handler(call, user).await,
        Ok(Some(_)) => Err(admin::ADMIN_NEEDED),
        Ok(None) => Err(Error::SignInNeeded.into()),
        Err(failure) => Err(failure),
    };
    outcome.unwrap_or_else(|failure| failure.answer(&asked))
}

async fn for_anyone<F>(
    name: &'static str,
    access: Access,
    needs: Needs,
    call: Call,
    handler: impl FnOnce(Call, Option<User>) -> F,
) -> Response
where
    F: Future<Output = Outcome>,
{
    let asked = Asked::of(name, access, &call);
    // Whoever comes by a signed address is who the address says; clients send their token along all the same.
    let caller = if access == Access::Signed { Ok(None) } else { caller(&call, needs).await };
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
            handler: |call| Box::pin(for_user($name, needs(stringify!($method), $path), call, $handler)),
        }
    };
    ($name:literal $method:ident $path:literal Admin $handler:path) => {
        Route {
            name: $name,
            methods: &[Method::$method],
            path: $path,
            access: Access::Admin,
            handler: |call| Box::pin(for_admin($name, needs(stringify!($method), $path), call, $handler)),
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
            handler: |call| {
                let needs = needs(stringify!($method), $path);
                Box::pin(for_anyone($name, Access::$access, needs, call, $handler))
            },
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
    "getUserAvatar" GET "/api/v4/user/avatar/{id}" Signed setting::get_avatar;
    "getUserSetting" GET "/api/v4/user/setting" User setting::get_setting;
    "patchUserSetting" PATCH "/api/v4/user/setting" User setting::patch_setting;
    "getUserShares" GET "/api/v4/user/shares/{id}" Open shares::get_user_shares;

    "getFile" GET "/api/v4/file" Share list::get_file;
    "getFileInfo" GET "/api/v4/file/info" Share files::get_file_info;
    "postFileCreate" POST "/api/v4/file/create" Share files::post_create;
    "postFileRename" POST "/api/v4/file/rename" Share files::post_rename;
    "postFileMove" POST "/api/v4/file/move" Share files::post_move;
    "deleteFile" DELETE "/api/v4/file" Share files::delete_file;
    "deleteFileTrash" DELETE "/api/v4/file/trash" User files::delete_trash;
    "postFileRestore" POST "/api/v4/file/restore" User files::post_restore;

    "postFileUrl" POST "/api/v4/file/url" Share content::post_url;
    "getFileThumb" GET "/api/v4/file/thumb" Share content::get_thumb;
    "getFileContent" GET "/api/v4/file/content/{id}/{speed}/{name}" Signed content::get_content;
    "headFileContent" HEAD "/api/v4/file/content/{id}/{speed}/{name}" Signed content::get_content;
    "getFileArchiveZip" GET "/api/v4/file/archive/{session}/archive.zip" Signed archive::get_archive;
    "getFileArchive" GET "/api/v4/file/archive" Share archive::get_list;
    "putFileSource" PUT "/api/v4/file/source" User content::put_source;
    "deleteFileSource" DELETE "/api/v4/file/source/{id}" User content::delete_source;
    "getDirectLink" GET "/f/{id}/{name}" Signed content::get_direct_link;
    "getDirectLinkDownload" GET "/f/d/{id}/{name}" Signed content::get_direct_link_download;

    "putFileContent" PUT "/api/v4/file/content" Share upload::put_content;
    "putFileUpload" PUT "/api/v4/file/upload" Share upload::put_upload;
    "postFileUpload" POST "/api/v4/file/upload/{session}/{index}" Share upload::post_chunk;
    "deleteFileUpload" DELETE "/api/v4/file/upload" Share upload::delete_upload;

    "putShare" PUT "/api/v4/share" User shares::put_share;
    "getShare" GET "/api/v4/share" User shares::get_share;
    "deleteShares" DELETE "/api/v4/share" User shares::delete_shares;
    "postShare" POST "/api/v4/share/{id}" User shares::post_share;
    "deleteShare" DELETE "/api/v4/share/{id}" User shares::delete_share;
    "getShareInfo" GET "/api/v4/share/info/{id}" Share shares::get_info;
    "getShareInfo" GET "/share/info/{id}" Share shares::get_info;

    "getWorkflow" GET "/api/v4/workflow" User workflow::get_workflow;
    "getWorkflowProgress" GET "/api/v4/workflow/progress/{id}" User workflow::get_progress;
    "postWorkflowArchive" POST "/api/v4/workflow/archive" User workflow::post_archive;
    "postWorkflowExtract" POST "/api/v4/workflow/extract" User workflow::post_extract;
    "postWorkflowDownload" POST "/api/v4/workflow/download" User workflow::post_download;
    "patchWorkflowDownload" PATCH "/api/v4/workflow/download/{id}" User workflow::patch_download;
    "deleteWorkflowDownload" DELETE "/api/v4/workflow/download/{id}" User workflow::delete_download;

    "postSiteAbuse" POST "/api/v4/site/abuse" Open abuse::post_abuse;
    "putSessionOpenid" PUT "/api/v4/session/openid" Open openid::put_session_openid;
    "postSessionOpenid" POST "/api/v4/session/openid" Open openid::post_session_openid;
    "deleteSessionOpenid" DELETE "/api/v4/session/openid/{id}" User openid::delete_session_openid;
    "deleteFileLock" DELETE "/api/v4/file/lock" User locks::delete_lock;
    "getUserCreditChanges" GET "/api/v4/user/creditChanges" User vas::get_credit_changes;
    "getUserPayments" GET "/api/v4/user/payments" User vas::get_payments;
    "getGroupList" GET "/api/v4/group/list" User permissions::get_group_list;
    "getSiteCaptcha" GET "/api/v4/site/captcha" Open captcha::get_captcha;
    "postSessionToken2fa" POST "/api/v4/session/token/2fa" Open session::post_token_2fa;
    "putSessionAuthn" PUT "/api/v4/session/authn" Open authn::put_session_authn;
    "postSessionAuthn" POST "/api/v4/session/authn" Open authn::post_session_authn;
    "getSessionOauthApp" GET "/api/v4/session/oauth/app/{id}" Open oauth::get_app;
    "postSessionOauthConsent" POST "/api/v4/session/oauth/consent" User oauth::post_consent;
    "postSessionOauthToken" POST "/api/v4/session/oauth/token" Open oauth::post_token;
    "getSessionOauthUserinfo" GET "/api/v4/session/oauth/userinfo" User oauth::get_userinfo;
    "deleteSessionOauthGrant" DELETE "/api/v4/session/oauth/grant/{id}" User oauth::delete_grant;
    "postUser" POST "/api/v4/user" Open registration::post_user;
    "postUserReset" POST "/api/v4/user/reset" Open registration::post_reset;
    "patchUserReset" PATCH "/api/v4/user/reset/{id}" Open registration::patch_reset;
    "getUserActivate" GET "/api/v4/user/activate/{id}" Open registration::get_activate;
    "getUserSearch" GET "/api/v4/user/search" User setting::get_search;
    "putUserSettingAvatar" PUT "/api/v4/user/setting/avatar" User setting::put_avatar;
    "getUserSetting2fa" GET "/api/v4/user/setting/2fa" User setting::get_2fa;
    "getUserSettingNodes" GET "/api/v4/user/setting/nodes" User setting::get_nodes;
    "getUserSettingPolicies" GET "/api/v4/user/setting/policies" User setting::get_policies;
    "putUserAuthn" PUT "/api/v4/user/authn" User authn::put_user_authn;
    "postUserAuthn" POST "/api/v4/user/authn" User authn::post_user_authn;
    "deleteUserAuthn" DELETE "/api/v4/user/authn" User authn::delete_user_authn;
    "getUserSessionCopy" GET "/api/v4/user/session/copy/{id}" Open registration::get_session_copy;
    "getFileEvents" GET "/api/v4/file/events" User events::get_events;
    "patchFileMetadata" PATCH "/api/v4/file/metadata" User metadata::patch_metadata;
    "patchFileView" PATCH "/api/v4/file/view" User views::patch_view;
    "putFilePin" PUT "/api/v4/file/pin" User views::put_pin;
    "deleteFilePin" DELETE "/api/v4/file/pin" User views::delete_pin;
    "postFileVersionCurrent" POST "/api/v4/file/version/current" User versions::post_current;
    "deleteFileVersion" DELETE "/api/v4/file/version" User versions::delete_version;
    "putFileViewerSession" PUT "/api/v4/file/viewerSession" Share viewers::put_session;
    "getFileSearch" GET "/api/v4/file/search" User texts::get_search;
    "postFilePermission" POST "/api/v4/file/permission" User permissions::post_permission;
    "deleteFilePermission" DELETE "/api/v4/file/permission" User permissions::delete_permission;
    "getFileActivities" GET "/api/v4/file/activities" User events::get_activities;
    "patchFilePolicy" PATCH "/api/v4/file/policy" User policies::patch_policy;
    "postWorkflowImport" POST "/api/v4/workflow/import" Admin workflow::post_import;
    "postWorkflowRelocate" POST "/api/v4/workflow/relocate" User workflow::post_relocate;
    "postWorkflowRebuildFtsIndex" POST "/api/v4/workflow/rebuildFtsIndex" Admin workflow::post_rebuild_fts_index;
    "getDevicesDav" GET "/api/v4/devices/dav" User devices::get_dav;
    "putDevicesDav" PUT "/api/v4/devices/dav" User devices::put_dav;
    "patchDevicesDav" PATCH "/api/v4/devices/dav/{id}" User devices::patch_dav;
    "deleteDevicesDav" DELETE "/api/v4/devices/dav/{id}" User devices::delete_dav;
    "putVasPayment" PUT "/api/v4/vas/payment" Open vas::put_payment;
    "getVasPaymentStatus" GET "/api/v4/vas/payment/status/{id}/{trade}" User vas::get_payment_status;
    "getVasGiftcode" GET "/api/v4/vas/giftcode/{code}" Open vas::get_giftcode;
    "postVasGiftcodeRedeem" POST "/api/v4/vas/giftcode/{code}/redeem" Open vas::post_redeem;

    "getAdminSummary" GET "/api/v4/admin/summary" Admin admin::site::get_summary;
    "postAdminSettings" POST "/api/v4/admin/settings" Admin admin::site::post_settings;
    "patchAdminSettings" PATCH "/api/v4/admin/settings" Admin admin::site::patch_settings;
    "postAdminGroups" POST "/api/v4/admin/group" Admin admin::groups::post_list;
    "putAdminGroup" PUT "/api/v4/admin/group" Admin admin::groups::put_new;
    "getAdminGroup" GET "/api/v4/admin/group/{id}" Admin admin::groups::get_one;
    "putAdminGroupOf" PUT "/api/v4/admin/group/{id}" Admin admin::groups::put_one;
    "deleteAdminGroup" DELETE "/api/v4/admin/group/{id}" Admin admin::groups::delete_one;
    "getAdminToolWopi" GET "/api/v4/admin/tool/wopi" Admin admin::tools::no_viewers;
    "postAdminToolThumbExecutable" POST "/api/v4/admin/tool/thumbExecutable" Admin admin::tools::post_executable;
    "postAdminToolMail" POST "/api/v4/admin/tool/mail" Admin admin::tools::post_mail;
    "deleteAdminToolEntityUrlCache" DELETE "/api/v4/admin/tool/entityUrlCache" Admin admin::tools::delete_url_cache;
    "getAdminQueueMetrics" GET "/api/v4/admin/queue/metrics" Admin admin::queue::get_metrics;
    "postAdminQueue" POST "/api/v4/admin/queue" Admin admin::queue::post_list;
    "getAdminQueueTask" GET "/api/v4/admin/queue/{id}" Admin admin::queue::get_one;
    "postAdminQueueBatchDelete" POST "/api/v4/admin/queue/batch/delete" Admin admin::queue::post_batch_delete;
    "postAdminQueueCleanup" POST "/api/v4/admin/queue/cleanup" Admin admin::queue::post_cleanup;
    "postAdminPolicies" POST "/api/v4/admin/policy" Admin admin::policies::post_list;
    "putAdminPolicy" PUT "/api/v4/admin/policy" Admin admin::policies::put_new;
    "getAdminPolicy" GET "/api/v4/admin/policy/{id}" Admin admin::policies::get_one;
    "putAdminPolicyOf" PUT "/api/v4/admin/policy/{id}" Admin admin::policies::put_one;
    "deleteAdminPolicy" DELETE "/api/v4/admin/policy/{id}" Admin admin::policies::delete_one;
    "postAdminPolicyCors" POST "/api/v4/admin/policy/cors" Admin admin::policies::post_cors;
    "postAdminPolicyOauthSignin" POST "/api/v4/admin/policy/oauth/signin" Admin admin::policies::not_local;
    "getAdminPolicyOauthRedirect" GET "/api/v4/admin/policy/oauth/redirect" Admin admin::policies::not_local;
    "getAdminPolicyOauthStatus" GET "/api/v4/admin/policy/oauth/status/{id}" Admin admin::policies::not_local;
    "postAdminPolicyOauthCallback" POST "/api/v4/admin/policy/oauth/callback" Admin admin::policies::not_local;
    "getAdminPolicyOauthRoot" GET "/api/v4/admin/policy/oauth/root/{id}" Admin admin::policies::not_local;
    "postAdminNodes" POST "/api/v4/admin/node" Admin admin::nodes::post_list;
    "getAdminNode" GET "/api/v4/admin/node/{id}" Admin admin::nodes::get_one;
    "postAdminNodeTest" POST "/api/v4/admin/node/test" Admin admin::nodes::only_one;
    "postAdminNodeTestDownloader" POST "/api/v4/admin/node/test/downloader" Admin admin::nodes::post_test_downloader;
    "putAdminNode" PUT "/api/v4/admin/node" Admin admin::nodes::only_one;
    "putAdminNodeOf" PUT "/api/v4/admin/node/{id}" Admin admin::nodes::put_one;
    "deleteAdminNode" DELETE "/api/v4/admin/node/{id}" Admin admin::nodes::only_one;
    "postAdminOauthClients" POST "/api/v4/admin/oauthClient" Admin admin::oauth::post_list;
    "putAdminOauthClient" PUT "/api/v4/admin/oauthClient" Admin admin::oauth::put_new;
    "getAdminOauthClient" GET "/api/v4/admin/oauthClient/{id}" Admin admin::oauth::get_one;
    "putAdminOauthClientOf" PUT "/api/v4/admin/oauthClient/{id}" Admin admin::oauth::put_one;
    "deleteAdminOauthClient" DELETE "/api/v4/admin/oauthClient/{id}" Admin admin::oauth::delete_one;
    "postAdminOauthClientBatchDelete" POST "/api/v4/admin/oauthClient/batch/delete" Admin admin::oauth::post_batch_delete;
    "postAdminUsers" POST "/api/v4/admin/user" Admin admin::users::post_list;
    "putAdminUser" PUT "/api/v4/admin/user" Admin admin::users::put_new;
    "getAdminUser" GET "/api/v4/admin/user/{id}" Admin admin::users::get_one;
    "putAdminUserOf" PUT "/api/v4/admin/user/{id}" Admin admin::users::put_one;
    "postAdminUserBatchDelete" POST "/api/v4/admin/user/batch/delete" Admin admin::users::post_batch_delete;
    "postAdminUserCalibrate" POST "/api/v4/admin/user/{id}/calibrate" Admin admin::users::post_calibrate;
    "postAdminFiles" POST "/api/v4/admin/file" Admin admin::items::post_list;
    "getAdminFile" GET "/api/v4/admin/file/{id}" Admin admin::items::get_one;
    "putAdminFileOf" PUT "/api/v4/admin/file/{id}" Admin admin::items::put_one;
    "getAdminFileUrl" GET "/api/v4/admin/file/url/{id}" Admin admin::items::get_url;
    "postAdminFileBatchDelete" POST "/api/v4/admin/file/batch/delete" Admin admin::items::post_batch_delete;
    "postAdminEntities" POST "/api/v4/admin/entity" Admin admin::entities::post_list;
    "getAdminEntity" GET "/api/v4/admin/entity/{id}" Admin admin::entities::get_one;
    "getAdminEntityUrl" GET "/api/v4/admin/entity/url/{id}" Admin admin::entities::get_url;
    "postAdminEntityBatchDelete" POST "/api/v4/admin/entity/batch/delete" Admin admin::entities::post_batch_delete;
    "postAdminShares" POST "/api/v4/admin/share" Admin admin::shares::post_list;
    "getAdminShare" GET "/api/v4/admin/share/{id}" Admin admin::shares::get_one;
    "postAdminShareBatchDelete" POST "/api/v4/admin/share/batch/delete" Admin admin::shares::post_batch_delete;
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
