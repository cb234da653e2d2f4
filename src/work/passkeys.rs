//! Passkeys: making them, and signing in by one. A passkey is shown with its user's finger, face or PIN, so it stands for
//! password and second factor in one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use webauthn_rs::prelude::{
    CreationChallengeResponse, DiscoverableAuthentication, Passkey as Credential, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse, Url, Webauthn, WebauthnBuilder,
};
use webauthn_rs_proto::ResidentKeyRequirement;

use crate::account::slip::{self, Errand};
use crate::account::token::sha256;
use crate::account::{Role, User};
use crate::error::{Error, Result};
use crate::store::passkeys::{self, Passkey};
use crate::store::{Tx, accounts, slips};
use crate::{App, now_ms};

const LASTS_MS: i64 = 5 * 60 * 1000;
const MOST: usize = 20;
const LONGEST_NAME_CHARS: usize = 100;
const NOT_HERE: Error = Error::Unsupported("A passkey, without a host name and https,");

/// Who asks browsers for passkeys: the host that they are at.
pub struct Party(Webauthn);

/// None where browsers make no passkeys: at a bare address, or without encryption but on this machine.
pub fn party(base: &str, title: &str) -> Option<Party> {
    let origin = Url::parse(base).ok()?;
    let host = origin.domain()?;
    let is_safe = origin.scheme() == "https" || host == "localhost";
    if !is_safe {
        return None;
    }
    WebauthnBuilder::new(host, &origin).ok()?.rp_name(title).build().ok().map(Party)
}

/// What an authenticator knows a user by.
fn handle(user: &User) -> Uuid {
    let hash = sha256(&format!("passkeys of {}", user.id));
    Uuid::from_slice(&hash[..16]).unwrap_or_default()
}

/// What the browser is to be asked for a new passkey.
pub async fn offer(app: &App, user: &User, party: Option<Party>) -> Result<CreationChallengeResponse> {
    user.may(Role::Settings)?;
    let (party, key) = (party.ok_or(NOT_HERE)?.0, user.key);
    let known = app.db.read(move |tx| passkeys::of(tx, key)).await?;
    if known.len() >= MOST {
        return Err(Error::Forbidden("no more than twenty passkeys; remove one first"));
    }
    let known = known.iter().filter_map(|passkey| stored(&passkey.credential).ok());
    let known = known.map(|passkey| passkey.cred_id().clone()).collect();
    let begun = party.start_passkey_registration(handle(user), &user.name, &user.display_name, Some(known));
    let (mut asked, state) = begun.map_err(|cause| Error::internal("passkeys", cause))?;
    // Whoever signs in by it says no name first, so the authenticator has to remember it.
    if let Some(choice) = &mut asked.public_key.authenticator_selection {
        choice.resident_key = Some(ResidentKeyRequirement::Preferred);
    }
    let state = serde_json::to_string(&state).map_err(|cause| Error::internal("passkeys", cause))?;
    app.db.write(move |tx| passkeys::offer(tx, key, &state, now_ms() + LASTS_MS)).await?;
    Ok(asked)
}

fn stored(credential: &str) -> Result<Credential> {
    serde_json::from_str(credential).map_err(|cause| Error::internal("a passkey", cause))
}

fn written(credential: &Credential) -> Result<String> {
    serde_json::to_string(credential).map_err(|cause| Error::internal("a passkey", cause))
}

/// Takes up what the browser made, under this name. `None` for what this server did not ask for, or what does not verify.
pub async fn add(app: &App, user: &User, party: Option<Party>, made: &str, name: &str) -> Result<Option<Passkey>> {
    user.may(Role::Settings)?;
    let party = party.ok_or(NOT_HERE)?.0;
    let made: RegisterPublicKeyCredential =
        serde_json::from_str(made).map_err(|cause| Error::invalid("response", cause.to_string()))?;
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME_CHARS).collect();
    let key = user.key;
    let state = app.db.write(move |tx| passkeys::take_offer(tx, key, now_ms())).await?;
    let state: Option<PasskeyRegistration> = state.and_then(|state| serde_json::from_str(&state).ok());
    let Some(state) = state else { return Ok(None) };
    let Ok(passkey) = party.finish_passkey_registration(&made, &state) else { return Ok(None) };
    let new = Passkey {
        id: URL_SAFE_NO_PAD.encode(passkey.cred_id()),
        owner: key,
        name: if name.is_empty() { "Passkey".to_owned() } else { name },
        credential: written(&passkey)?,
        created_ms: now_ms(),
        used_ms: None,
    };
    let row = new.clone();
    app.db.write(move |tx| passkeys::insert(tx, &row)).await?;
    Ok(Some(new))
}

pub async fn remove(app: &App, user: &User, id: &str) -> Result<()> {
    user.may(Role::Settings)?;
    let (key, id) = (user.key, id.to_owned());
    app.db.write(move |tx| passkeys::remove(tx, key, &id)).await
}

// Signing in ----------------------------------------------------------------------------------------------------------

/// What the browser is to be asked, and what comes back with its answer.
pub fn begin(app: &App, party: Option<Party>) -> Result<(RequestChallengeResponse, String)> {
    let begun = party.ok_or(NOT_HERE)?.0.start_discoverable_authentication();
    let (mut asked, state) = begun.map_err(|cause| Error::internal("passkeys", cause))?;
    // Whether to ask at once or beside a form is the client's choice.
    asked.mediation = None;
    Ok((asked, slip::write(&app.keys, Errand::UsePasskey, state, now_ms() + LASTS_MS)))
}

/// The user whose passkey was shown; `WrongCredentials` for any other answer. `None`: it took too long, or this is the
/// second answer.
pub async fn finish(app: &App, party: Option<Party>, begun: &str, shown: &str) -> Result<Option<User>> {
    let party = party.ok_or(NOT_HERE)?.0;
    let read = slip::read::<DiscoverableAuthentication>(&app.keys, Errand::UsePasskey, begun, now_ms());
    let Some(begun) = read else { return Ok(None) };
    let shown: PublicKeyCredential =
        serde_json::from_str(shown).map_err(|cause| Error::invalid("response", cause.to_string()))?;
    app.db
        .write(move |tx| {
            if !slips::spend(tx, &begun, now_ms())? {
                return Ok(None);
            }
            use_passkey(tx, &party, begun.data, &shown)
        })
        .await
}

fn use_passkey(
    tx: &mut Tx,
    party: &Webauthn,
    begun: DiscoverableAuthentication,
    shown: &PublicKeyCredential,
) -> Result<Option<User>> {
    let (holder, id) = party.identify_discoverable_authentication(shown).map_err(|_| Error::WrongCredentials)?;
    let id = URL_SAFE_NO_PAD.encode(id);
    let passkey = passkeys::by_id(tx, &id)?.ok_or(Error::WrongCredentials)?;
    let user = accounts::by_key(tx, passkey.owner)?.filter(|user| user.is_active() && handle(user) == holder);
    let user = user.ok_or(Error::WrongCredentials)?;
    let mut credential = stored(&passkey.credential)?;
    let used = party.finish_discoverable_authentication_v2(shown, begun, &credential);
    let used = used.map_err(|_| Error::WrongCredentials)?;
    credential.update_credential(&used);
    passkeys::used(tx, &id, &written(&credential)?, now_ms())?;
    Ok(Some(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_asked_for_where_browsers_make_them() {
        for (base, is_offered) in [
            ("https://shelf.example.org", true),
            ("https://shelf.example.org:8443/beneath", true),
            ("http://localhost:4747", true),
            ("http://shelf.example.org", false),
            ("https://192.0.2.1", false),
            ("https://[2001:db8::1]:4747", false),
            ("http://127.0.0.1:4747", false),
            ("", false),
        ] {
            assert_eq!(party(base, "Openshelf").is_some(), is_offered, "{base}");
        }
    }
}
