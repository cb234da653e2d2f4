//! Tools, as far as there are any, and what nobody can change of them.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::audit;
use crate::account::User;
use crate::dialect::cloudreve::{Failure, Outcome, data, done};
use crate::error::Error;
use crate::http::Call;
use crate::media::child;

pub async fn no_viewers(_: Call, _: User) -> Outcome {
    Err(Error::Unsupported("Office viewers: WOPI").into())
}

#[derive(Deserialize)]
struct Executable {
    name: Option<String>,
    executable: Option<String>,
}

/// The version of a program that this server runs. Which ones those are, the machine says: whoever could say it here could
/// run anything.
pub async fn post_executable(mut call: Call, _: User) -> Outcome {
    let asked: Executable = call.json().await?;
    let name = asked.name.ok_or(Error::Missing("name"))?;
    let programs = call.app.renditions.programs();
    let program = match name.as_str() {
        "ffmpeg" => programs.ffmpeg.as_ref(),
        "ffprobe" => programs.ffprobe.as_ref(),
        _ => None,
    };
    let program = program.ok_or(Error::Unsupported("A program of that name"))?;
    let asked = asked.executable.filter(|asked| !asked.is_empty() && *asked != name);
    if asked.is_some_and(|asked| Path::new(&asked) != program) {
        return Err(Error::invalid("executable", "this server runs another one").into());
    }
    data(&child::version(program).await.map_err(|cause| Error::internal("a program's version", cause))?)
}

#[derive(Deserialize)]
struct Tested {
    to: Option<String>,
}

/// By the mail server that this one was started with; what the page has in its fields is set nowhere.
pub async fn post_mail(mut call: Call, admin: User) -> Outcome {
    let app = Arc::clone(&call.app);
    let mailer = app.mailer.as_ref().ok_or(Error::Unsupported("Sending mail"))?;
    let asked: Tested = call.json().await?;
    let to = asked.to.filter(|to| !to.is_empty()).ok_or(Error::Missing("to"))?;
    let text = format!("This is a test. {} can send mail.\n", call.origin.base);
    mailer.try_send(&to, "A test", text).await.map_err(|why| Failure::Code(40028, why))?;
    audit(&admin, "sent a test by mail", "");
    done()
}

/// Addresses of contents are signed, not kept.
pub async fn delete_url_cache(_: Call, _: User) -> Outcome {
    done()
}
