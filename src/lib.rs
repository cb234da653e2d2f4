//! Openshelf: one share, every door.
//!
//! The centre (`share`, `library`, `account`) holds the rules, on plain data. Two seams hold what is kept: `store` the
//! rows, `blob` the bytes; a third, `outgoing`, leads to foreign servers. `media` makes other bytes of bytes. `work` joins them into use cases. The faces (`http`,
//! `dialect`, `web`, `cli`) translate, and know no rule. ARCHITECTURE.md walks three requests through.

pub mod account;
pub mod blob;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod error;
pub mod http;
pub mod library;
pub mod media;
pub mod outgoing;
pub mod share;
pub mod size;
pub mod store;
pub mod web;
pub mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use account::signing::{self, SigningKey};
use account::token::{Keys, random_base62};
use blob::cache::Cache;
use config::Config;
use media::child::Programs;
use outgoing::Outgoing;
use outgoing::mail::Mailer;
use store::Db;
use web::interface::Interface;
use work::archives::Plans;
use work::changes::Listeners;
use work::jukebox::Jukebox;
use work::openid::Provider;
use work::pace::Pace;
use work::podcasts::Podcasts;
use work::renditions::Renditions;
use work::scan::Scanner;
use work::scrobbles::Scrobbles;
use work::signin::HotCredentials;
use work::tally::Tally;
use work::tasks::Tasks;
use work::texts::Texts;
use work::transfers::Transfers;

/// What every request may use.
pub struct App {
    pub config: Config,
    pub db: Db,
    pub keys: Keys,
    /// Of tokens that others may check.
    pub signing: SigningKey,
    pub scanner: Scanner,
    pub transfers: Transfers,
    pub listeners: Listeners,
    pub renditions: Arc<Renditions>,
    pub jukebox: Arc<Jukebox>,
    pub tally: Tally,
    pub plans: Plans,
    pub pace: Pace,
    pub hot: HotCredentials,
    pub outgoing: Outgoing,
    /// Where the settings name a server for mail.
    pub mailer: Option<Mailer>,
    /// By whose word users may sign in, if by anybody's.
    pub openid: Option<Provider>,
    pub podcasts: Podcasts,
    pub scrobbles: Scrobbles,
    /// A build of Cloudreve's interface, where there is one in front.
    pub interface: Option<Interface>,
    pub tasks: Tasks,
    pub texts: Texts,
    /// Stands for the password of users that do not exist.
    nobody: String,
}

impl App {
    /// Opens what the settings name: database, master key, libraries' scanner. Blocks; call it before serving.
    pub fn open(config: Config) -> anyhow::Result<Arc<App>> {
        for folder in [&config.data, &config.storage] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        for folder in &config.import_from {
            match folder.canonicalize() {
                Ok(real) => refuse_own(&real, &config)?,
                // A disk that is plugged in later; what it is then is judged at each import.
                Err(cause) => tracing::warn!("--import-from {} is not there: {cause}", folder.display()),
            }
        }
        let db = Db::open(&config.database)?;
        let key_file = config.data.join("master.key");
        let known = db.read_blocking(|tx| store::settings::get(tx, "key-fingerprint"))?;
        if known.is_some() && !key_file.exists() {
            bail!("{} is gone, and without it the database's secrets do not open; put it back", key_file.display());
        }
        let keys = Keys::load_or_create(&key_file)?;
        let fingerprint = keys.fingerprint();
        let stored =
            db.write_blocking(move |tx| store::settings::get_or_insert(tx, "key-fingerprint", &fingerprint))?;
        if stored != keys.fingerprint() {
            bail!(
                "the database was made with another master key than {}; put the right key there, or restore a backup",
                key_file.display()
            );
        }
        let signing = signing_key(&db, &keys)?;
        let articles = config.ignored_articles.clone();
        db.write_blocking(move |tx| store::scan::set_articles(tx, &articles, now_ms()))?;
        let scanner = Scanner::start(db.clone(), std::time::Duration::from_secs(config.rescan_minutes * 60))?;
        let cache = Cache::open(config.data.join("cache"), config.cache_size_bytes)?;
        let programs = Programs::find();
        let jukebox = Jukebox::new(config.jukebox.clone(), programs.mpv.clone());
        let renditions = Renditions::new(cache, programs);
        let interface = config.cloudreve_ui.as_deref().map(|folder| {
            Interface::open(folder).with_context(|| format!("{} holds no build of the interface", folder.display()))
        });
        let interface = interface.transpose()?;
        Ok(Arc::new(App {
            pace: Pace::new(config.max_rate_bytes_s),
            outgoing: Outgoing::new(config.outgoing_networks.clone()),
            mailer: config.mail.as_ref().map(Mailer::new).transpose()?,
            openid: config.openid.as_ref().map(|provider| Provider::new(provider, config.outgoing_networks.clone())),
            podcasts: Podcasts::default(),
            scrobbles: Scrobbles::default(),
            interface,
            tasks: Tasks::default(),
            texts: Texts::default(),
            config,
            db,
            keys,
            signing,
            scanner,
            transfers: Transfers::default(),
            listeners: Listeners::default(),
            renditions,
            jukebox,
            tally: Tally::default(),
            plans: Plans::default(),
            hot: HotCredentials::default(),
            nobody: random_base62(22),
        }))
    }

    fn nobody(&self) -> &str {
        &self.nobody
    }
}

/// Whoever may import could read the master key there, and the homes of all. `real` is without links.
fn refuse_own(real: &Path, config: &Config) -> error::Result<()> {
    for own in [&config.data, &config.storage] {
        let own = own.canonicalize()?;
        if own.starts_with(real) || real.starts_with(&own) {
            let why = format!("{} holds this server's own data; name a folder beside it", real.display());
            return Err(error::Error::invalid("--import-from", why));
        }
    }
    Ok(())
}

/// The pair that the database holds, or a new one: of nodes that start at once, one's.
fn signing_key(db: &Db, keys: &Keys) -> anyhow::Result<SigningKey> {
    const SETTING: &str = "signing-key";
    let sealed = match db.read_blocking(|tx| store::settings::get(tx, SETTING))? {
        Some(sealed) => sealed,
        None => {
            let sealed = URL_SAFE_NO_PAD.encode(keys.seal(SETTING, &signing::new_pair()));
            db.write_blocking(move |tx| store::settings::get_or_insert(tx, SETTING, &sealed))?
        }
    };
    let pair = URL_SAFE_NO_PAD.decode(sealed).ok().and_then(|sealed| keys.open(SETTING, &sealed).ok());
    pair.as_deref().and_then(SigningKey::parse).context("the database's signing key does not open; restore a backup")
}

/// In small letters.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Milliseconds since 1970, by the system's clock.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
