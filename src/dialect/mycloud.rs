//! My Cloud Home: what Western Digital's apps, and other people's apps for it, ask of config, auth, device and share
//! services and of a device's file API.
//!
//! Four families of answers that differ in their envelope:
//! - the share service: `{data, error: null}`, and on failure the message both at the top and inside `error`, since the
//!   documents show it in either place;
//! - the other cloud services: `{data}`, without `error` on success, since a client looks into `error` without a check;
//! - sign-in, as Auth0 had it: bare objects, `error` a string;
//! - the device: bare objects, failures as `{key}`.
//!
//! One server is one device, or each library is one; ids of devices are UUIDs. A share made here takes two steps, unless
//! the settings say otherwise: it opens no file until `filePerms` gives its `authId` the right to read. The README beside
//! has each call, what is ours and what is left out.

mod answers;
mod auth;
mod device;
mod files;
mod shares;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::json;

use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::{Access, Call, Cors, Face, Route, log_internal, put_header};

/// Which envelope a call answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Share,
    Cloud,
    Auth,
    Device,
}

macro_rules! routes {
    ($($service:ident { $($name:literal $method:ident $path:literal $access:ident $handler:path;)* })*
     @device { $($device_name:literal $device_method:ident $device_path:literal $device_access:ident $device_handler:path;)* }) => {
        &[
            $($(routes!(@row $service, $name, $method, $path, $access, $handler),)*)*
            // Clients that reach the device by a host name of its own leave its id out.
            $(
                routes!(@row Device, $device_name, $device_method, concat!("/sdk/", $device_path), $device_access, $device_handler),
                routes!(@row Device, $device_name, $device_method, concat!("/{deviceId}/sdk/", $device_path), $device_access, $device_handler),
            )*
        ]
    };
    (@row $service:ident, $name:expr, $method:ident, $path:expr, $access:ident, $handler:path) => {
        Route {
            name: $name,
            methods: &[Method::$method],
            path: $path,
            access: Access::$access,
            handler: |call| Box::pin(answer(Service::$service, $name, call, |call| Box::pin($handler(call)))),
        }
    };
}

pub static FACE: Face = Face {
    name: "mycloud",
    routes: routes! {
        Cloud {
            "getConfig" GET "/config/v1/config" Open device::get_config;
            "getConfigV2" GET "/config/v2/config" Open device::get_config;
            "getUserByEmail" GET "/authservice/v2/auth0/user" User auth::get_user_by_email;
            "getUserInfoV1" GET "/authservice/v1/user/userinfo" User auth::get_account;
            "getDevicesOfUser" GET "/device/v1/user/{userId}" User device::get_devices_of_user;
            "getDevice" GET "/device/v1/device/{deviceId}" User device::get_device;
            "getUsersOfDevice" GET "/device/v1/device/{deviceId}/user" User device::get_users_of_device;
        }
        Auth {
            "authorize" GET "/authrouter/authorize" Open auth::get_authorize;
            "oauthToken" POST "/authrouter/oauth/token" Open auth::post_token;
            "oauthRo" POST "/authrouter/oauth/ro" Open auth::post_ro;
            "userinfo" GET "/authrouter/userinfo" User auth::get_userinfo;
            "keySet" GET "/authrouter/.well-known/jwks.json" Open auth::get_key_set;
            "openidConfiguration" GET "/authrouter/.well-known/openid-configuration" Open auth::get_openid_configuration;
        }
        Share {
            "postShares" POST "/shares/v1/shares" User shares::post_shares;
            "getShare" GET "/shares/v1/shares/{shareId}" Share shares::get_share;
            // Without an id: the documents have an error of their own for it.
            "getShare" GET "/shares/v1/shares/" Share shares::get_share;
            "listShares" GET "/shares/v1/shares" User shares::get_shares;
            "patchShare" PATCH "/shares/v1/shares/{shareId}" User shares::patch_share;
            "deleteShare" DELETE "/shares/v1/shares/{shareId}" User shares::delete_share;
            // The path that the documents print, for clients that drop the service's prefix.
            "postShares" POST "/v1/shares" User shares::post_shares;
            "getShare" GET "/v1/shares/{shareId}" Share shares::get_share;
            "listShares" GET "/v1/shares" User shares::get_shares;
            "patchShare" PATCH "/v1/shares/{shareId}" User shares::patch_share;
            "deleteShare" DELETE "/v1/shares/{shareId}" User shares::delete_share;
        }
        @device {
            "sdkDevice" GET "v1/device" Share device::get_sdk_device;
            "postActivityStart" POST "v1/activityStart" Share device::post_activity_start;
            "postBatch" POST "v1/batch" Share files::post_batch;
            "getFilePerms" GET "v1/filePerms" User files::get_file_perms;
            "postFilePerms" POST "v1/filePerms" User files::post_file_perms;
            "deleteFilePerms" DELETE "v1/filePerms" User files::delete_file_perms;
            "deleteFilePerm" DELETE "v1/filePerms/{id}" User files::delete_file_perm;
            "getFilesZip" GET "v1/filesZip" Share files::get_files_zip;
            "getFile" GET "v2/files/{id}" Share files::get_file;
            "searchParents" GET "v2/filesSearch/parents" Share files::get_search_parents;
            "searchParentAndName" GET "v2/filesSearch/parentAndName" Share files::get_search_parent_and_name;
            "searchText" GET "v2/filesSearch/text" User files::get_search_text;
            "getContent" GET "v2/files/{id}/content" Share files::get_content;
            "getContentV3" GET "v3/files/{id}/content" Share files::get_content;
            "postFiles" POST "v2/files" User files::post_files;
            "postResumable" POST "v2/files/resumable" User files::post_resumable;
            "putResumableContent" PUT "v2/files/{id}/resumable/content" User files::put_resumable_content;
            "postFileResumable" POST "v2/files/{id}/resumable" User files::post_file_resumable;
            "getResumable" GET "v2/files/{id}/resumable" User files::get_resumable;
            "putContent" PUT "v2/files/{id}/content" User files::put_content;
            "patchFile" PATCH "v2/files/{id}" User files::patch_file;
            "patchFileByPost" POST "v2/files/{id}/patch" User files::patch_file;
            "copyFile" POST "v2/files/{id}/copy" User files::post_copy;
            "postFileCopies" POST "v2/fileCopies" User files::post_file_copies;
            "getFileCopies" GET "v1/fileCopies/{id}" User files::get_file_copies;
            "deleteFile" DELETE "v2/files/{id}" User files::delete_file;
        }
    },
    cors: Cors::AnyOrigin,
};

type Handler = fn(Call) -> BoxFuture<'static, Result<Response>>;

/// What a client calls this request, under either of the names that it may have; for the log.
fn correlation(call: &Call) -> Option<String> {
    let sent = call.header("x-correlation-id").or(call.header("correlationid"))?;
    Some(sent.chars().filter(char::is_ascii_graphic).take(64).collect())
}

async fn answer(service: Service, name: &'static str, mut call: Call, handler: Handler) -> Response {
    if let Some(correlation) = correlation(&call) {
        tracing::debug!(call = name, correlation, "asked");
    }
    let answered = match service {
        Service::Device => match device::find(&mut call).await {
            Ok(()) => handler(call).await,
            Err(error) => Err(error),
        },
        Service::Share | Service::Cloud | Service::Auth => handler(call).await,
    };
    let mut response = answered.unwrap_or_else(|error| {
        log_internal(name, &error);
        refusal(service, &error)
    });
    // Tokens travel in addresses here, and answers hold them: neither may end up elsewhere.
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
    response
}

/// An error as its service says it.
fn refusal(service: Service, error: &Error) -> Response {
    let (status, body) = match service {
        Service::Share => {
            let (status, label, text) = share_error(error);
            let message = format!("{} {text}", status_line(status));
            (status, json!({"data": null, "error": {"label": label, "message": message}, "message": message}))
        }
        Service::Cloud => {
            let (status, label) = cloud_error(error);
            (status, json!({"error": {"label": label, "message": format!("{} {}", status_line(status), said(error))}}))
        }
        Service::Auth => {
            let (status, code) = auth_error(error);
            (status, json!({"error": code, "error_description": said(error)}))
        }
        Service::Device => {
            let (status, key) = device_error(error);
            (status, json!({"key": key, "message": said(error)}))
        }
    };
    let mut response = answer_json(status, &body);
    match error {
        Error::Throttled { retry_after_s } => {
            put_header(&mut response, header::RETRY_AFTER, &retry_after_s.to_string())
        }
        Error::Busy => put_header(&mut response, header::RETRY_AFTER, "1"),
        _ => {}
    }
    response
}

fn status_line(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
}

/// What an outsider may read of an error.
fn said(error: &Error) -> String {
    match error {
        Error::Internal(_) => String::from("Something went wrong on this server"),
        other => other.to_string(),
    }
}

/// Three labels are the maker's: GENERAL_INSUFFICIENT_PARAMETERS, GENERAL_INVALID_PARAMETER_LIST and SHARE_NOT_FOUND.
fn share_error(error: &Error) -> (StatusCode, &'static str, String) {
    const INVALID: &str = "GENERAL_INVALID_PARAMETER_LIST";
    let invalid = |name: &str, why: &str| {
        (StatusCode::BAD_REQUEST, INVALID, format!("Required parameter {name} is not valid: {why}"))
    };
    match error {
        // In the maker's own words, by which clients may know it: no 401 for a missing token.
        Error::Missing(name @ "accessToken") => (
            StatusCode::BAD_REQUEST,
            "GENERAL_INSUFFICIENT_PARAMETERS",
            format!("Required parameter {name} not present or empty"),
        ),
        Error::Missing(name) => (
            StatusCode::BAD_REQUEST,
            "GENERAL_INSUFFICIENT_PARAMETERS",
            format!("Required parameter {name} not present, invalid or empty"),
        ),
        Error::Invalid { what, why } => invalid(what, why),
        Error::NotFound(Thing::Share) => {
            (StatusCode::NOT_FOUND, "SHARE_NOT_FOUND", String::from("Could not find share"))
        }
        Error::NotFound(Thing::Device) => invalid("deviceId", "no such device"),
        Error::NotFound(Thing::User) => invalid("userIds", "no such user"),
        Error::NotFound(_) => invalid("fileIds", "no such file"),
        Error::SignInNeeded | Error::WrongCredentials | Error::ShareLocked => {
            (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", said(error))
        }
        Error::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", said(error)),
        Error::PurchaseNeeded { .. } => (StatusCode::PAYMENT_REQUIRED, "PAYMENT_REQUIRED", said(error)),
        Error::Forbidden(_) | Error::NotEnoughPoints => (StatusCode::FORBIDDEN, "FORBIDDEN", said(error)),
        Error::Exists(_) | Error::Conflict(_) | Error::Locked(_) => (StatusCode::CONFLICT, "CONFLICT", said(error)),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", said(error)),
        Error::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "NO_SPACE", said(error)),
        Error::Unsupported(_) => (StatusCode::BAD_REQUEST, "NOT_SUPPORTED", said(error)),
        Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "BUSY", said(error)),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", said(error)),
    }
}

fn cloud_error(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Missing(_) => (StatusCode::BAD_REQUEST, "GENERAL_INSUFFICIENT_PARAMETERS"),
        Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "GENERAL_INVALID_PARAMETER_LIST"),
        Error::NotFound(Thing::User) => (StatusCode::NOT_FOUND, "USER_NOT_FOUND"),
        Error::NotFound(Thing::Device) => (StatusCode::NOT_FOUND, "DEVICE_NOT_FOUND"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        Error::SignInNeeded | Error::WrongCredentials | Error::ShareLocked => {
            (StatusCode::UNAUTHORIZED, "UNAUTHORIZED")
        }
        Error::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS"),
        Error::PurchaseNeeded { .. } => (StatusCode::PAYMENT_REQUIRED, "PAYMENT_REQUIRED"),
        Error::Forbidden(_) | Error::NotEnoughPoints => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Error::Exists(_) | Error::Conflict(_) | Error::Locked(_) => (StatusCode::CONFLICT, "CONFLICT"),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE"),
        Error::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "NO_SPACE"),
        Error::Unsupported(_) => (StatusCode::BAD_REQUEST, "NOT_SUPPORTED"),
        Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    }
}

/// RFC 6749's codes; a wrong password is a 403, as Auth0 answered it.
fn auth_error(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Missing(_) | Error::Invalid { .. } | Error::TooLarge { .. } => {
            (StatusCode::BAD_REQUEST, "invalid_request")
        }
        Error::WrongCredentials | Error::ShareLocked | Error::NotFound(_) => (StatusCode::FORBIDDEN, "invalid_grant"),
        Error::SignInNeeded => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Error::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
        Error::Forbidden(_)
        | Error::PurchaseNeeded { .. }
        | Error::NotEnoughPoints
        | Error::Exists(_)
        | Error::Conflict(_)
        | Error::Locked(_) => (StatusCode::FORBIDDEN, "access_denied"),
        Error::Unsupported(_) => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        Error::NoSpace | Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    }
}

/// `unauthenticated` is the one key that a client is known to look at.
fn device_error(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Missing(_) => (StatusCode::BAD_REQUEST, "missingParameter"),
        Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalidParameter"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "notFound"),
        Error::SignInNeeded | Error::WrongCredentials | Error::ShareLocked => {
            (StatusCode::UNAUTHORIZED, "unauthenticated")
        }
        Error::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "tooManyRequests"),
        Error::PurchaseNeeded { .. } => (StatusCode::PAYMENT_REQUIRED, "paymentRequired"),
        Error::Forbidden(_) | Error::NotEnoughPoints => (StatusCode::FORBIDDEN, "forbidden"),
        Error::Exists(_) => (StatusCode::CONFLICT, "nameConflict"),
        Error::Conflict(Thing::Version) => (StatusCode::PRECONDITION_FAILED, "preconditionFailed"),
        Error::Conflict(_) | Error::Locked(_) => (StatusCode::CONFLICT, "conflict"),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "tooLarge"),
        Error::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "noSpace"),
        // Not a 5xx: clients would try those again and again.
        Error::Unsupported(_) => (StatusCode::BAD_REQUEST, "notSupported"),
        Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

// What every part of this dialect reads and answers with ---------------------------------------------------------------

fn answer_json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("answers are plain data");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn answer_empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Clients write 1 and true alike.
fn says(query: &Fields, name: &str) -> bool {
    matches!(query.get(name), Some("1" | "true" | "True" | "TRUE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(service: Service, error: Error) -> (u16, serde_json::Value) {
        let response = refusal(service, &error);
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn errors_of_the_share_service_are_the_documents_own() {
        let (status, body) = read(Service::Share, Error::NotFound(Thing::Share)).await;
        assert_eq!(status, 404);
        assert_eq!(body["data"], serde_json::Value::Null);
        assert_eq!(body["error"], json!({"label": "SHARE_NOT_FOUND", "message": "404 Not Found Could not find share"}));
        assert_eq!(body["message"], body["error"]["message"]);

        let (status, body) = read(Service::Share, Error::Missing("accessToken")).await;
        assert_eq!(status, 400);
        assert_eq!(body["error"]["label"], "GENERAL_INSUFFICIENT_PARAMETERS");
        assert_eq!(body["message"], "400 Bad Request Required parameter accessToken not present or empty");

        let (_, body) = read(Service::Share, Error::Missing("fileIds")).await;
        assert_eq!(body["message"], "400 Bad Request Required parameter fileIds not present, invalid or empty");
    }

    #[tokio::test]
    async fn error_is_an_object_in_the_cloud_a_string_at_sign_in_and_a_key_at_the_device() {
        assert_eq!(read(Service::Cloud, Error::SignInNeeded).await.1["error"]["label"], "UNAUTHORIZED");
        assert_eq!(read(Service::Auth, Error::WrongCredentials).await.1["error"], "invalid_grant");
        assert_eq!(read(Service::Device, Error::SignInNeeded).await.1["key"], "unauthenticated");
    }

    #[tokio::test]
    async fn inner_causes_are_shown_to_nobody() {
        for service in [Service::Share, Service::Cloud, Service::Auth, Service::Device] {
            let (status, body) = read(service, Error::Internal("table secret".into())).await;
            assert_eq!(status, 500);
            assert!(!body.to_string().contains("secret"));
        }
    }
}
