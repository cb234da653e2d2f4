//! The second factor of users: turning it on and off, and the second step of signing in.
//!
//! Whoever has one signs in with a password and a code. A door that has no way to ask for a code takes API keys in place of
//! the password (`signin::by_password_or_key`): a key was made by somebody who had signed in with both.

use crate::account::slip::{self, Errand, Holder};
use crate::account::token::Keys;
use crate::account::{Role, User, UserKey, second_factor};
use crate::error::{Error, Result};
use crate::store::{Tx, accounts, second_factors, slips};
use crate::{App, now_ms};

/// How long the second step may take.
const STEP_LASTS_MS: i64 = 10 * 60 * 1000;

fn seal_of(user: UserKey) -> String {
    format!("second factor of account {}", user.0)
}

/// A new secret, in base32, of which the user has to show a code. One that is on must be turned off first.
pub async fn offer(app: &App, user: &User) -> Result<String> {
    user.may(Role::Settings)?;
    let secret = second_factor::new_secret();
    let (key, sealed) = (user.key, app.keys.seal(&seal_of(user.key), &secret));
    app.db
        .write(move |tx| {
            if second_factors::is_on(tx, key)? {
                return Err(Error::Forbidden("the second factor is on; turn it off first"));
            }
            second_factors::offer(tx, key, sealed)
        })
        .await?;
    Ok(secret)
}

/// Turns on what was offered; false for a wrong code.
pub async fn turn_on(app: &App, user: &User, code: &str) -> Result<bool> {
    with_code(app, user, code, |tx, key| second_factors::turn_on(tx, key, now_ms())).await
}

/// False for a wrong code.
pub async fn turn_off(app: &App, user: &User, code: &str) -> Result<bool> {
    with_code(app, user, code, second_factors::remove).await
}

/// Changes what the right code lets a user change; false for a wrong one.
async fn with_code(
    app: &App,
    user: &User,
    code: &str,
    change: impl FnOnce(&mut Tx, UserKey) -> Result<()> + Send + 'static,
) -> Result<bool> {
    user.may(Role::Settings)?;
    let (keys, key, code) = (app.keys.clone(), user.key, code.to_owned());
    app.db
        .write(move |tx| {
            let is_right = take(tx, &keys, key, &code)?;
            if is_right {
                change(tx, key)?;
            }
            Ok(is_right)
        })
        .await
}

/// As an administrator does it, for somebody who lost their phone.
pub async fn remove(app: &App, user: UserKey) -> Result<()> {
    app.db.write(move |tx| second_factors::remove(tx, user)).await
}

/// Whether it is a code of now that was not taken before. Tries are counted from all networks together: whoever makes them
/// knows the password, and a code has six digits.
fn take(tx: &mut Tx, keys: &Keys, user: UserKey, code: &str) -> Result<bool> {
    let now = now_ms();
    let subject = [format!("second factor {}", user.0)];
    accounts::count_try(tx, &subject, now)?;
    let Some(stored) = second_factors::of(tx, user)? else { return Ok(false) };
    let secret = keys.open(&seal_of(user), &stored.sealed)?;
    let step = second_factor::step_of(&secret, code, now / 1000).filter(|step| *step > stored.last_step);
    let Some(step) = step else { return Ok(false) };
    second_factors::set_last_step(tx, user, step)?;
    accounts::forgive(tx, &subject)?;
    Ok(true)
}

// Signing in ----------------------------------------------------------------------------------------------------------

/// What a client brings back with the code, after the password was right.
pub fn second_step(app: &App, user: &User) -> String {
    slip::write(&app.keys, Errand::SecondStep, Holder::of(user), now_ms() + STEP_LASTS_MS)
}

/// What came of a second step.
pub enum Step {
    Done(Box<User>),
    WrongCode,
    /// The first step was too long ago, or was used already.
    Over,
}

pub async fn finish(app: &App, step: &str, code: &str) -> Result<Step> {
    let read = slip::read::<Holder>(&app.keys, Errand::SecondStep, step, now_ms());
    let Some(step) = read else { return Ok(Step::Over) };
    let (keys, code) = (app.keys.clone(), code.to_owned());
    app.db
        .write(move |tx| {
            let user = slips::holder(tx, &step.data)?.filter(User::is_active);
            let Some(user) = user else { return Ok(Step::Over) };
            if !take(tx, &keys, user.key, &code)? {
                return Ok(Step::WrongCode);
            }
            Ok(if slips::spend(tx, &step, now_ms())? { Step::Done(Box::new(user)) } else { Step::Over })
        })
        .await
}
