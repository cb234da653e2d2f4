//! An owner's pages, beneath `/app/`: sign in, see one's shares, make, edit and revoke them, keep API keys.

use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::pages::{
    CodePage, CodeProblem, Crumb, DropFields, FileRow, FilesPage, FolderRow, FormMode, FormOf, FormProblem, KeyRow,
    KeysPage, Kind, MadeKey, MadeShare, PasswordIs, RevokePage, ShareFields, ShareFormPage, ShareRow, ShareState,
    SharesPage, SignInPage, SignInProblem, UploadForm, UploadOf, local_time,
};
use super::visit::SESSION_COOKIE;
use super::{encoded, error_page, interface, lead_to, page, refuse_foreign_post};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::handle;
use crate::http::fields::Fields;
use crate::http::send::mime_of;
use crate::http::{Access, Call, Cookie, Route, set_cookie};
use crate::now_ms;
use crate::share::drop_box::{DropWish, bytes_in, types_in, written_bytes};
use crate::share::grant::Action;
use crate::share::{Change, Door, Mode, Share, Shared, State, Wish};
use crate::store::folders::Start;
use crate::store::shares::{Direction, Order};
use crate::store::{library, shares};
use crate::work::files::{self, Place};
use crate::work::folders::{self, BY_NAME};
use crate::work::second_factor::{self, Step};
use crate::work::signin::FirstStep;
use crate::work::{pace, sharing, signin};

const GET: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];

pub const ROUTES: &[Route] = &[
    Route { name: "home", methods: GET, path: "/", access: Access::Open, handler: handle!(home) },
    Route { name: "home", methods: GET, path: "/app", access: Access::Open, handler: handle!(home) },
    Route { name: "home", methods: GET, path: "/app/", access: Access::Open, handler: handle!(home) },
    Route {
        name: "signInPage",
        methods: GET,
        path: "/app/sign-in",
        access: Access::Open,
        handler: handle!(sign_in_page),
    },
    Route { name: "signIn", methods: POST, path: "/app/sign-in", access: Access::Open, handler: handle!(sign_in) },
    Route {
        name: "signInCode",
        methods: POST,
        path: "/app/sign-in/code",
        access: Access::Open,
        handler: handle!(sign_in_code),
    },
    Route { name: "signOut", methods: POST, path: "/app/sign-out", access: Access::Open, handler: handle!(sign_out) },
    Route {
        name: "sharesPage",
        methods: GET,
        path: "/app/shares",
        access: Access::User,
        handler: handle!(shares_page),
    },
    Route { name: "makeShare", methods: POST, path: "/app/shares", access: Access::User, handler: handle!(make_share) },
    Route {
        name: "newSharePage",
        methods: GET,
        path: "/app/shares/new",
        access: Access::User,
        handler: handle!(new_share_page),
    },
    Route {
        name: "editSharePage",
        methods: GET,
        path: "/app/shares/{id}",
        access: Access::User,
        handler: handle!(edit_share_page),
    },
    Route {
        name: "editShare",
        methods: POST,
        path: "/app/shares/{id}",
        access: Access::User,
        handler: handle!(edit_share),
    },
    Route {
        name: "revokePage",
        methods: GET,
        path: "/app/shares/{id}/revoke",
        access: Access::User,
        handler: handle!(revoke_page),
    },
    Route {
        name: "revoke",
        methods: POST,
        path: "/app/shares/{id}/revoke",
        access: Access::User,
        handler: handle!(revoke),
    },
    Route { name: "filesPage", methods: GET, path: "/app/files", access: Access::User, handler: handle!(files_page) },
    Route { name: "keysPage", methods: GET, path: "/app/keys", access: Access::User, handler: handle!(keys_page) },
    Route { name: "makeKey", methods: POST, path: "/app/keys", access: Access::User, handler: handle!(make_key) },
    Route {
        name: "revokeKey",
        methods: POST,
        path: "/app/keys/{id}/revoke",
        access: Access::User,
        handler: handle!(revoke_key),
    },
];

/// Of sessions that begin here.
pub(super) const DOOR: &str = "page";
const SESSION_MS: i64 = 30 * 24 * 60 * 60 * 1000;
const PAGE_SHARES: usize = 100;
const PAGE_ENTRIES: usize = 500;

async fn home(call: Call) -> Response {
    if call.app.interface.is_some() && call.parts.uri.path() == "/" {
        return interface::index(&call).await;
    }
    lead_to(&format!("{}/app/shares", call.origin.prefix()))
}

// Signing in ----------------------------------------------------------------------------------------------------------

/// The signed-in user; whoever is not is led to the sign-in page and back.
pub(super) async fn user(call: &Call) -> Result<User, Box<Response>> {
    let found = match call.cookie(SESSION_COOKIE) {
        Some(cookie) => signin::session_by_secret(&call.app, DOOR, cookie).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(user)) => Ok(user),
        Ok(None) => {
            let here = call.parts.uri.path_and_query().map_or("/app/shares", |path| path.as_str());
            let next = if call.parts.method == Method::POST { "/app/shares" } else { here };
            Err(Box::new(lead_to(&format!("{}/app/sign-in?next={}", call.origin.prefix(), encoded(next)))))
        }
        Err(error) => Err(Box::new(error_page("signIn", call.origin.prefix(), &error))),
    }
}

/// The signed-in user of a form that our own page posted, and its fields.
pub(super) async fn form(call: &mut Call) -> Result<(User, Fields), Box<Response>> {
    let user = user(call).await?;
    let fields = match refuse_foreign_post(call) {
        Ok(()) => Fields::of_form(call).await,
        Err(error) => Err(error),
    };
    match fields {
        Ok(fields) => Ok((user, fields)),
        Err(error) => Err(Box::new(error_page("form", call.origin.prefix(), &error))),
    }
}

pub(super) fn finish(call: &Call, name: &str, answer: Result<Response>) -> Response {
    answer.unwrap_or_else(|error| error_page(name, call.origin.prefix(), &error))
}

/// A path of our own pages, or none: nobody is led elsewhere by a link to the sign-in page.
pub(super) fn local_path(next: Option<&str>) -> Option<String> {
    let leads_on = |path: &&str| {
        let (names, _) = path.split_once(['?', '#']).unwrap_or((path, ""));
        (names.starts_with("/app/") || names.starts_with("/s/"))
            // Browsers drop tabs and line ends from an address, and climb at dots, also at encoded ones.
            && !path.contains(|c: char| c == '\\' || c.is_control())
            && !names.contains("//")
            && !names.to_ascii_lowercase().replace("%2e", ".").split('/').any(|name| name == ".." || name == ".")
    };
    next.filter(leads_on).map(str::to_owned)
}

async fn sign_in_page(call: Call) -> Response {
    let next = Fields::of_query(&call).ok().and_then(|query| local_path(query.get("next")));
    ask_to_sign_in(&call, StatusCode::OK, String::new(), next, None)
}

pub(super) fn ask_to_sign_in(
    call: &Call,
    status: StatusCode,
    user: String,
    next: Option<String>,
    problem: Option<SignInProblem>,
) -> Response {
    let openid = call.app.openid.as_ref().map(|provider| provider.name().to_owned());
    page(status, &SignInPage { base: call.origin.prefix().to_owned(), user, next, openid, problem })
}

async fn sign_in(mut call: Call) -> Response {
    let fields = match refuse_foreign_post(&call) {
        Ok(()) => Fields::of_form(&mut call).await,
        Err(error) => Err(error),
    };
    let fields = match fields {
        Ok(fields) => fields,
        Err(error) => return error_page("signIn", call.origin.prefix(), &error),
    };
    let (name, next) = (fields.get("user").unwrap_or_default(), local_path(fields.get("next")));
    let password = fields.get("password").unwrap_or_default();
    let (status, problem) = match signin::first_step(&call.app, name, password, &call.guest()).await {
        Ok(step) => return after_first_step(&call, step, next).await,
        Err(Error::WrongCredentials) => (StatusCode::FORBIDDEN, SignInProblem::WrongCredentials),
        Err(Error::Throttled { retry_after_s }) => {
            (StatusCode::TOO_MANY_REQUESTS, SignInProblem::Throttled { retry_after_s })
        }
        Err(error) => return error_page("signIn", call.origin.prefix(), &error),
    };
    ask_to_sign_in(&call, status, name.to_owned(), next, Some(problem))
}

pub(super) async fn after_first_step(call: &Call, step: FirstStep, next: Option<String>) -> Response {
    match step {
        FirstStep::Done(user) => signed_in(call, &user, next).await,
        FirstStep::NeedsCode(user) => ask_for_code(call, second_factor::second_step(&call.app, &user), next, None),
        FirstStep::NotActivated => {
            ask_to_sign_in(call, StatusCode::FORBIDDEN, String::new(), next, Some(SignInProblem::NotActivated))
        }
    }
}

fn ask_for_code(call: &Call, step: String, next: Option<String>, problem: Option<CodeProblem>) -> Response {
    let status = match &problem {
        None => StatusCode::OK,
        Some(CodeProblem::Wrong) => StatusCode::FORBIDDEN,
        Some(CodeProblem::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
    };
    page(status, &CodePage { base: call.origin.prefix().to_owned(), step, next, problem })
}

/// The second step: a code of the user's second factor.
async fn sign_in_code(mut call: Call) -> Response {
    let fields = match refuse_foreign_post(&call) {
        Ok(()) => Fields::of_form(&mut call).await,
        Err(error) => Err(error),
    };
    let fields = match fields {
        Ok(fields) => fields,
        Err(error) => return error_page("signInCode", call.origin.prefix(), &error),
    };
    let (step, code) = (fields.get("step").unwrap_or_default(), fields.get("code").unwrap_or_default());
    let next = local_path(fields.get("next"));
    let problem = match second_factor::finish(&call.app, step, code).await {
        Ok(Step::Done(user)) => return signed_in(&call, &user, next).await,
        Ok(Step::WrongCode) => CodeProblem::Wrong,
        Ok(Step::Over) => {
            let problem = Some(SignInProblem::Expired);
            return ask_to_sign_in(&call, StatusCode::FORBIDDEN, String::new(), next, problem);
        }
        Err(Error::Throttled { retry_after_s }) => CodeProblem::Throttled { retry_after_s },
        Err(error) => return error_page("signInCode", call.origin.prefix(), &error),
    };
    ask_for_code(&call, step.to_owned(), next, Some(problem))
}

async fn signed_in(call: &Call, user: &User, next: Option<String>) -> Response {
    let opened = match signin::open_session(&call.app, user, DOOR, call.agent(), SESSION_MS).await {
        Ok(opened) => opened,
        Err(error) => return error_page("signIn", call.origin.prefix(), &error),
    };
    let mut response = lead_to(&format!("{}{}", call.origin.prefix(), next.as_deref().unwrap_or("/app/shares")));
    let value = format!("{}.{}", opened.id, opened.secret);
    set_session(call, &mut response, &value, SESSION_MS / 1000);
    response
}

fn set_session(call: &Call, response: &mut Response, value: &str, lasts_s: i64) {
    let path = format!("{}/", call.origin.prefix());
    set_cookie(call, response, &Cookie { name: SESSION_COOKIE, value, path: &path, lasts_s });
}

async fn sign_out(call: Call) -> Response {
    if let Err(error) = refuse_foreign_post(&call) {
        return error_page("signOut", call.origin.prefix(), &error);
    }
    if let Some((id, _)) = call.cookie(SESSION_COOKIE).and_then(|cookie| cookie.split_once('.')) {
        let is_own = signin::session_by_secret(&call.app, DOOR, call.cookie(SESSION_COOKIE).unwrap_or_default()).await;
        if let Ok(Some(_)) = is_own
            && let Err(error) = signin::end_session(&call.app, id).await
        {
            return error_page("signOut", call.origin.prefix(), &error);
        }
    }
    let mut response = lead_to(&format!("{}/app/sign-in", call.origin.prefix()));
    set_session(&call, &mut response, "", 0);
    response
}

// Shares --------------------------------------------------------------------------------------------------------------

/// Where guests find a share: its slug reads better than its id.
pub fn link_of(call: &Call, share: &Share) -> String {
    format!("{}/s/{}", call.origin.base, share.slug.as_deref().unwrap_or(&share.id))
}

async fn shares_page(call: Call) -> Response {
    match user(&call).await {
        Ok(user) => finish(&call, "sharesPage", list_shares(&call, user).await),
        Err(elsewhere) => *elsewhere,
    }
}

async fn list_shares(call: &Call, user: User) -> Result<Response> {
    let query = Fields::of_query(call)?;
    let after =
        query.get("after").and_then(|after| after.parse().ok()).map(|key: i64| (key, crate::share::ShareKey(key)));
    let made = query.get("made").map(str::to_owned);
    let owner = user.clone();
    let (rows, made) = call
        .app
        .db
        .read(move |tx| {
            let page =
                shares::page_of_owner(tx, owner.key, Order::Created, Direction::Descending, after, PAGE_SHARES + 1)?;
            let mut rows = Vec::new();
            for (_, share) in page {
                let title = sharing::title_of(tx, &owner, &share)?;
                rows.push((share, title));
            }
            let made = match made {
                Some(id) => shares::owned(tx, owner.key, &id).ok(),
                None => None,
            };
            let made = match made {
                Some(share) => Some((sharing::title_of(tx, &owner, &share)?, share)),
                None => None,
            };
            Ok((rows, made))
        })
        .await?;
    let more = rows.len() > PAGE_SHARES;
    let after = rows.get(PAGE_SHARES - 1).filter(|_| more).map(|(share, _)| share.key.0.to_string());
    let view = SharesPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name,
        notice: query.get("revoked").map(|_| "The share is revoked: its link is dead.".to_owned()),
        shares: rows.into_iter().take(PAGE_SHARES).map(|(share, title)| row(call, share, title)).collect(),
        made: made.map(|(title, share)| MadeShare {
            title: title.unwrap_or_default(),
            link: link_of(call, &share),
            has_password: share.terms.has_password,
        }),
        after,
    };
    Ok(page(StatusCode::OK, &view))
}

fn row(call: &Call, share: Share, title: Option<String>) -> ShareRow {
    let count = |n: i64| n.max(0).unsigned_abs();
    ShareRow {
        link: link_of(call, &share),
        state: match share.state(now_ms()) {
            _ if title.is_none() => ShareState::Unavailable,
            State::Active => ShareState::Open,
            State::NotYet => ShareState::NotYet,
            State::Expired => ShareState::Expired,
            State::UsedUp => ShareState::UsedUp,
            State::Revoked => ShareState::Unavailable,
        },
        title: title.unwrap_or_else(|| "(no longer there)".to_owned()),
        created_ms: share.created_ms,
        expires_ms: share.terms.expires_ms,
        views: count(share.views),
        view_limit: share.terms.view_limit.map(count),
        downloads: count(share.downloads),
        download_limit: share.terms.download_limit.map(count),
        has_password: share.terms.has_password,
        id: share.id,
    }
}

async fn new_share_page(call: Call) -> Response {
    match user(&call).await {
        Ok(user) => {
            let answer = async {
                let query = Fields::of_query(&call)?;
                let item_ids = query.all("item");
                if item_ids.is_empty() {
                    let folder = query.get("in").map(|id| format!("in={}&", encoded(id))).unwrap_or_default();
                    return Ok(lead_to(&format!("{}/app/files?{folder}ticked=0", call.origin.prefix())));
                }
                new_form(&call, &user, item_ids, blank(), None).await
            };
            finish(&call, "newSharePage", answer.await)
        }
        Err(elsewhere) => *elsewhere,
    }
}

fn blank() -> ShareFields {
    ShareFields {
        title: String::new(),
        description: String::new(),
        slug: String::new(),
        password_is: PasswordIs::Cleared,
        password: String::new(),
        expires: String::new(),
        view_limit: String::new(),
        download_limit: String::new(),
        rate: String::new(),
        mode: FormMode::Read,
        downloads_allowed: true,
        drop_box: DropFields::default(),
    }
}

/// What was typed, for a form that has to be put right.
fn typed(fields: &Fields) -> ShareFields {
    let text = |name| fields.get(name).unwrap_or_default().to_owned();
    ShareFields {
        title: text("title"),
        description: text("description"),
        slug: text("slug"),
        password_is: match fields.get("password_is") {
            Some("set") => PasswordIs::Set,
            Some("clear") => PasswordIs::Cleared,
            _ => PasswordIs::Kept,
        },
        password: text("password"),
        expires: text("expires"),
        view_limit: text("view_limit"),
        download_limit: text("download_limit"),
        rate: text("rate"),
        mode: form_mode(mode_in(fields)),
        downloads_allowed: fields.get("downloads") == Some("allowed"),
        drop_box: DropFields {
            asks_name: fields.get("ask_name").is_some(),
            folder_per_sender: fields.get("sender_folders").is_some(),
            most_file: text("max_file"),
            most_total: text("max_total"),
            most_files: text("max_files"),
            types: text("types"),
        },
    }
}

fn mode_in(fields: &Fields) -> Mode {
    match fields.get("mode") {
        Some("listen") => Mode::Listen,
        Some("drop") => Mode::Drop,
        Some("read-drop") => Mode::ReadDrop,
        _ => Mode::Read,
    }
}

fn form_mode(mode: Mode) -> FormMode {
    match mode {
        Mode::Read => FormMode::Read,
        Mode::Listen => FormMode::Listen,
        Mode::Drop => FormMode::Drop,
        Mode::ReadDrop => FormMode::ReadDrop,
    }
}

async fn new_form(
    call: &Call,
    user: &User,
    item_ids: Vec<String>,
    fields: ShareFields,
    problem: Option<FormProblem>,
) -> Result<Response> {
    let (owner, visitor, ids) = (user.clone(), call.guest().with_user(user.clone()), item_ids.clone());
    let item_names = call
        .app
        .db
        .read(move |tx| {
            let see = |id: &String| {
                sharing::own(tx, &owner, &visitor, id, Action::Share).map(|grant| grant.item().shown.clone())
            };
            ids.iter().map(see).collect::<Result<Vec<_>>>()
        })
        .await?;
    let view = ShareFormPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        of: FormOf::New { item_ids },
        item_names,
        has_password: false,
        fields,
        problem,
    };
    Ok(page(form_status(&view), &view))
}

fn form_status(view: &ShareFormPage) -> StatusCode {
    if view.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
}

/// What a filled-in form wishes. The page can say all of it, so what is empty is cleared.
fn wish_of(fields: &Fields) -> Result<Wish> {
    let number = |name: &'static str| match fields.get(name) {
        None => Ok(Change::Clear),
        Some(text) => text.trim().parse().map(Change::Set).map_err(|_| Error::invalid(name, "a whole number")),
    };
    Ok(Wish {
        title: Some(fields.get("title").unwrap_or_default().trim().to_owned()),
        description: Some(fields.get("description").unwrap_or_default().to_owned()),
        slug: Change::or_clear(fields.get("slug").map(|slug| slug.trim().to_owned())),
        password: match (fields.get("password_is"), fields.get("password")) {
            (Some("clear"), _) => Change::Clear,
            (Some("set"), password) => Change::Set(password.unwrap_or_default().to_owned()),
            _ => Change::Keep,
        },
        expires_ms: match fields.get("expires") {
            None => Change::Clear,
            Some(text) => Change::Set(utc_ms(text)?),
        },
        view_limit: number("view_limit")?,
        download_limit: number("download_limit")?,
        rate_bytes_s: Change::or_clear(fields.get("rate").map(pace::parse_rate).transpose()?),
        mode: Some(mode_in(fields)),
        drop_box: if mode_in(fields).takes_files() { drop_wish(fields)? } else { DropWish::default() },
        downloads_allowed: Some(fields.get("downloads") == Some("allowed")),
        ..Wish::default()
    })
}

fn drop_wish(fields: &Fields) -> Result<DropWish> {
    let size = |name: &'static str| match fields.get(name) {
        None => Ok(Change::Clear),
        Some(text) => bytes_in(text).map(Change::Set).ok_or(Error::invalid(name, "a size, such as 500 MB or 2G")),
    };
    Ok(DropWish {
        asks_name: Some(fields.get("ask_name").is_some()),
        folder_per_sender: Some(fields.get("sender_folders").is_some()),
        most_file_bytes: size("max_file")?,
        most_total_bytes: size("max_total")?,
        most_files: Change::or_clear(fields.number("max_files")?),
        types: Some(types_in(fields.get("types").unwrap_or_default())),
    })
}

/// `YYYY-MM-DDTHH:MM`, as browsers send it, meant as UTC.
fn utc_ms(text: &str) -> Result<i64> {
    let wrong = |_| Error::invalid("expires", "a date and time, such as 2027-01-31T18:00");
    let civil: jiff::civil::DateTime = text.parse().map_err(wrong)?;
    Ok(civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(wrong)?.timestamp().as_millisecond())
}

async fn make_share(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, fields)) => {
            let answer = match create(&call, &user, &fields).await {
                Ok(share) => Ok(lead_to(&format!("{}/app/shares?made={}", call.origin.prefix(), share.id))),
                Err(error) => match problem_of(&error) {
                    Some(problem) => new_form(&call, &user, fields.all("item"), typed(&fields), Some(problem)).await,
                    None => Err(error),
                },
            };
            finish(&call, "makeShare", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

async fn create(call: &Call, user: &User, fields: &Fields) -> Result<Share> {
    let ids = fields.all("item");
    let wish = wish_of(fields)?;
    let items = call
        .app
        .db
        .read(move |tx| {
            ids.iter()
                .map(|id| Ok(Shared::Item(library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?.key)))
                .collect::<Result<Vec<_>>>()
        })
        .await?;
    sharing::create(&call.app, user, Door::Page, items, wish).await
}

/// What of the form has to be put right, if that is what is wrong.
fn problem_of(error: &Error) -> Option<FormProblem> {
    let (field, message) = match error {
        Error::Invalid { what, why } => (
            match *what {
                "views" => "view_limit",
                "downloads" => "download_limit",
                other => other,
            },
            why.clone(),
        ),
        Error::Exists(_) => ("slug", "that name is taken".to_owned()),
        _ => return None,
    };
    Some(FormProblem { field: field.to_owned(), message })
}

async fn edit_share_page(call: Call) -> Response {
    match user(&call).await {
        Ok(user) => finish(&call, "editSharePage", edit_form(&call, &user, None).await),
        Err(elsewhere) => *elsewhere,
    }
}

/// The form of a share as it is, or as it was typed.
async fn edit_form(call: &Call, user: &User, typed: Option<(ShareFields, FormProblem)>) -> Result<Response> {
    let (owner, id) = (user.clone(), call.path("id").to_owned());
    let (share, item_names) = call
        .app
        .db
        .read(move |tx| {
            let share = shares::owned(tx, owner.key, &id)?;
            let names = sharing::names_of(tx, &owner, &share)?;
            Ok((share, names))
        })
        .await?;
    let (fields, problem) = match typed {
        Some((fields, problem)) => (fields, Some(problem)),
        None => (fields_of(&share), None),
    };
    let view = ShareFormPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        of: FormOf::Edit { id: share.id.clone(), link: link_of(call, &share) },
        item_names,
        has_password: share.terms.has_password,
        fields,
        problem,
    };
    Ok(page(form_status(&view), &view))
}

fn fields_of(share: &Share) -> ShareFields {
    let terms = &share.terms;
    let number = |limit: Option<i64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    ShareFields {
        title: share.title.clone(),
        description: share.description.clone(),
        slug: share.slug.clone().unwrap_or_default(),
        password_is: if terms.has_password { PasswordIs::Kept } else { PasswordIs::Cleared },
        password: String::new(),
        expires: terms.expires_ms.map(local_time).unwrap_or_default(),
        view_limit: number(terms.view_limit),
        download_limit: number(terms.download_limit),
        rate: terms.rate_bytes_s.map(pace::rate_text).unwrap_or_default(),
        mode: form_mode(terms.mode),
        downloads_allowed: terms.downloads_allowed,
        drop_box: DropFields {
            asks_name: terms.drop_box.asks_name,
            folder_per_sender: terms.drop_box.folder_per_sender,
            most_file: terms.drop_box.most_file_bytes.map(written_bytes).unwrap_or_default(),
            most_total: terms.drop_box.most_total_bytes.map(written_bytes).unwrap_or_default(),
            most_files: terms.drop_box.most_files.map(|n| n.to_string()).unwrap_or_default(),
            types: terms.drop_box.types.join(", "),
        },
    }
}

async fn edit_share(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, fields)) => {
            let edited = edit(&call, &user, &fields).await;
            let answer = match edited {
                Ok(_) => Ok(lead_to(&format!("{}/app/shares", call.origin.prefix()))),
                Err(error) => match problem_of(&error) {
                    Some(problem) => edit_form(&call, &user, Some((typed(&fields), problem))).await,
                    None => Err(error),
                },
            };
            finish(&call, "editShare", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

async fn edit(call: &Call, user: &User, fields: &Fields) -> Result<()> {
    let mut wish = wish_of(fields)?;
    let (owner, id) = (user.key, call.path("id").to_owned());
    let share = call.app.db.read(move |tx| shares::owned(tx, owner, &id)).await?;
    // The field knows minutes only, and a share that has expired may still be given another title.
    if fields.get("expires").is_some() && fields.get("expires") == share.terms.expires_ms.map(local_time).as_deref() {
        wish.expires_ms = Change::Keep;
    }
    sharing::edit(&call.app, owner, &share.id, wish).await?;
    Ok(())
}

async fn revoke_page(call: Call) -> Response {
    match user(&call).await {
        Ok(user) => {
            let (owner, id) = (user.clone(), call.path("id").to_owned());
            let read = call.app.db.read(move |tx| {
                let share = shares::owned(tx, owner.key, &id)?;
                let title = sharing::title_of(tx, &owner, &share)?;
                Ok((share, title))
            });
            let answer = read.await.map(|(share, title)| {
                let view = RevokePage {
                    base: call.origin.prefix().to_owned(),
                    user: user.display_name,
                    link: link_of(&call, &share),
                    title: title.unwrap_or_else(|| "(no longer there)".to_owned()),
                    views: share.views.max(0).unsigned_abs(),
                    downloads: share.downloads.max(0).unsigned_abs(),
                    id: share.id,
                };
                page(StatusCode::OK, &view)
            });
            finish(&call, "revokePage", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

async fn revoke(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, _)) => {
            let revoked = sharing::revoke(&call.app, user.key, call.path("id")).await;
            let answer = revoked.map(|()| lead_to(&format!("{}/app/shares?revoked=1", call.origin.prefix())));
            finish(&call, "revoke", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

// Files to pick from --------------------------------------------------------------------------------------------------

async fn files_page(call: Call) -> Response {
    match user(&call).await {
        Ok(user) => finish(&call, "filesPage", list_files(&call, user).await),
        Err(elsewhere) => *elsewhere,
    }
}

async fn list_files(call: &Call, user: User) -> Result<Response> {
    let query = Fields::of_query(call)?;
    let folder = query.get("in").map(str::to_owned);
    let after = query.get("after").map(str::to_owned);
    let owner = user.clone();
    let (path, lines, after, may_write) = call
        .app
        .db
        .read(move |tx| {
            let place = match folder {
                None => Place::Root,
                Some(id) => Place::Item(
                    library::item_by_id(tx, &id)?
                        .filter(|item| item.is_folder())
                        .ok_or(Error::NotFound(Thing::Folder))?,
                ),
            };
            let start = match after {
                Some(token) => folders::start_after(tx, BY_NAME, "after", &token)?,
                None => Start::At(0),
            };
            let mut lines = folders::page(tx, &owner, &place, BY_NAME, &start, PAGE_ENTRIES + 1)?;
            let after = folders::cut_page(&mut lines, BY_NAME, PAGE_ENTRIES);
            let may_write = files::may_create_in(tx, &owner, &place);
            let mut path = Vec::new();
            let mut at = place;
            while let Place::Item(item) = at {
                at = files::parent_of(tx, &owner, &item)?;
                path.push(Crumb { item_id: item.id, name: item.shown });
            }
            path.reverse();
            Ok((path, lines, after, may_write))
        })
        .await?;
    let (mut folders, mut rows) = (Vec::new(), Vec::new());
    for line in lines {
        let (name, item) = (line.name().to_owned(), line.item);
        if item.is_folder() {
            folders.push(FolderRow { item_id: item.id, name, modified_ms: None, entries: None });
        } else {
            let mime = mime_of(&name).to_owned();
            rows.push(FileRow {
                item_id: item.id,
                name,
                size_bytes: item.size_bytes,
                modified_ms: Some(item.modified_ms),
                kind: Kind::of_mime(&mime),
                mime,
            });
        }
    }
    let view = FilesPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name,
        upload: may_write.then(|| UploadForm {
            action: format!("{}/app/files", call.origin.prefix()),
            uploads: format!("{}/app/uploads", call.origin.prefix()),
            of: UploadOf::Own { folder_item_id: path.last().map(|crumb: &Crumb| crumb.item_id.clone()) },
        }),
        uploaded: query.get("uploaded").and_then(|count| count.parse().ok()),
        path,
        folders,
        files: rows,
        after,
        nothing_ticked: query.get("ticked") == Some("0"),
    };
    Ok(page(StatusCode::OK, &view))
}

// API keys ------------------------------------------------------------------------------------------------------------

async fn keys_page(call: Call) -> Response {
    match user(&call).await {
        Ok(user) => finish(&call, "keysPage", list_keys(&call, &user, None, None).await),
        Err(elsewhere) => *elsewhere,
    }
}

async fn list_keys(call: &Call, user: &User, made: Option<MadeKey>, problem: Option<String>) -> Result<Response> {
    let keys = signin::api_keys(&call.app, user.key).await?;
    let view = KeysPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        keys: keys
            .into_iter()
            .map(|key| KeyRow { id: key.id, name: key.name, created_ms: key.created_ms, last_used_ms: key.used_ms })
            .collect(),
        made,
        problem,
    };
    Ok(page(StatusCode::OK, &view))
}

async fn make_key(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, fields)) => {
            let answer = match fields.get("name") {
                Some(name) => match signin::add_api_key(&call.app, user.key, name).await {
                    Ok(key) => list_keys(&call, &user, Some(MadeKey { name: key.name, secret: key.key }), None).await,
                    Err(error) => Err(error),
                },
                None => list_keys(&call, &user, None, Some("Give the key a name.".to_owned())).await,
            };
            finish(&call, "makeKey", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

async fn revoke_key(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, _)) => {
            let removed = signin::remove_api_key(&call.app, user.key, call.path("id")).await;
            let answer = removed.map(|()| lead_to(&format!("{}/app/keys", call.origin.prefix())));
            finish(&call, "revokeKey", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}
