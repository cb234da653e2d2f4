//! The command line.

pub mod backup;
mod commands;
pub mod control;
pub mod doctor;
pub mod order;
pub mod points;
mod print;
pub mod serve;
mod share;

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail};
use clap::CommandFactory;
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

pub use self::commands::CommandLine;
use self::commands::{Command, PointsCommand, ReportsCommand, ScrobblesCommand, SharesCommand};
use self::control::Server;
use self::order::{DiskPath, Order, Password, Progress, Reply, Secret, Service};
use self::share::Form;
use crate::config::Config;
use crate::media::sound;

/// Carries out what was asked for. An error is a failure to tell the user in one line.
pub fn run(line: CommandLine) -> anyhow::Result<()> {
    // These two need no installation.
    if let Command::Completions { shell } = line.command {
        clap_complete::generate(shell, &mut CommandLine::command(), "openshelf", &mut std::io::stdout());
        return Ok(());
    }
    if let Command::Hear { ffmpeg, start_s } = line.command {
        let heard = sound::hear(&ffmpeg, start_s)?.map(|sound| sound.bytes());
        return Ok(std::io::stdout().write_all(heard.as_ref().map_or(&[], |bytes| &bytes[..]))?);
    }
    let is_server = matches!(line.command, Command::Serve { .. });
    log_to_stderr(if is_server { "openshelf=info,warn" } else { "warn" });
    let config = line.given.resolve(line.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let order = match line.command {
        Command::Completions { .. } | Command::Hear { .. } => return Ok(()),
        Command::Serve { folders } => return serve::serve(config, &folders, &runtime),
        Command::Share { paths, terms, json, user } => {
            let paths = paths.iter().map(|path| here(path)).collect::<Result<_, _>>()?;
            let order = Order::Share { paths, terms: terms.with_clear(Vec::new()), user };
            return share::share(config, order, if json { Form::Json } else { Form::Text }, &runtime);
        }
        Command::Restore { file } => {
            backup::restore(&config, &file)?;
            println!("Restored. Start it with: openshelf serve");
            return Ok(());
        }
        Command::Doctor => return doctor::examine(&config, &runtime),
        Command::Shares { command } => command.unwrap_or(SharesCommand::List).into(),
        Command::User { command } => command.into_order()?,
        Command::Group { command } => command.into(),
        Command::Library { command } => command.try_into()?,
        Command::Scrobbles { command } => match command {
            ScrobblesCommand::List => Order::Scrobbles,
            ScrobblesCommand::Link { name, service } => link(&config, name, service, &runtime)?,
            ScrobblesCommand::Unlink { name, service } => Order::UnlinkScrobbles { name, service },
        },
        Command::Points { command } => command.unwrap_or(PointsCommand::List).into(),
        Command::Gift(gift) => gift.into(),
        Command::Reports { command } => command.unwrap_or(ReportsCommand::List).into(),
        Command::Scan { name } => Order::Scan { name },
        Command::Backup { file } => Order::Backup { file: DiskPath(std::path::absolute(file)?) },
    };
    let (base, reply) = carry_out(&config, order, &runtime)?;
    print::reply(&base, &reply);
    Ok(())
}

/// Through the server that runs, or else in this process.
fn carry_out(config: &Config, order: Order, runtime: &tokio::runtime::Runtime) -> anyhow::Result<(String, Reply)> {
    let bar = Bar::default();
    let (base, reply) = match Server::find(&config.data)? {
        Some(server) => server.run(&order, bar.progress())?,
        None => {
            let base =
                config.public_url.clone().unwrap_or_else(|| format!("http://{}", serve::reachable(config.listen)));
            let app = serve::open(config.clone(), runtime)?;
            let reply = runtime.block_on(order::run(&app, order, bar.progress()));
            serve::close(app);
            (base, reply?)
        }
    };
    bar.clear();
    Ok((base, reply))
}

/// Lets the user allow it, where it takes that: the order that links their account then.
fn link(config: &Config, name: String, service: Service, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Order> {
    match service {
        Service::Listenbrainz => {
            Ok(Order::LinkListenBrainz { name, token: Secret(secret("Token of ListenBrainz: ")?) })
        }
        Service::Lastfm => {
            let (_, reply) = carry_out(config, Order::BeginLastfm, runtime)?;
            let Reply::Allow { token, address } = reply else { bail!("the server answers something else") };
            println!("Open this address, allow it, and press Enter:\n{address}");
            std::io::stdin().read_line(&mut String::new())?;
            Ok(Order::LinkLastfm { name, token })
        }
    }
}

/// Asked for on a terminal, else the first line of standard input.
fn secret(question: &str) -> anyhow::Result<String> {
    let line = if std::io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        write!(&terminal, "{question}")?;
        terminal.read_secure_line()?
    } else {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        line
    };
    let word = line.trim();
    if word.is_empty() {
        bail!("nothing was given");
    }
    Ok(word.to_owned())
}

/// The path as the server, which stands elsewhere, can find it.
fn here(path: &Path) -> anyhow::Result<DiskPath> {
    path.canonicalize().map(DiskPath).with_context(|| format!("cannot read {}", path.display()))
}

/// The first line of standard input.
fn password_of_input() -> anyhow::Result<Password> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let word = line.trim_end_matches(['\n', '\r']);
    if word.is_empty() {
        bail!("no password came from standard input");
    }
    Ok(Password::Given(word.to_owned()))
}

/// Asked for on a terminal, else made up.
fn new_password() -> anyhow::Result<Password> {
    if !std::io::stdin().is_terminal() {
        return Ok(Password::Random);
    }
    let terminal = console::Term::stderr();
    let ask = |question: &str| -> anyhow::Result<String> {
        write!(&terminal, "{question}")?;
        Ok(terminal.read_secure_line()?)
    };
    let word = ask("New password (empty: one is made up): ")?;
    if word.is_empty() {
        return Ok(Password::Random);
    }
    if ask("Again: ")? != word {
        bail!("the two differ; nothing was changed");
    }
    Ok(Password::Given(word))
}

fn log_to_stderr(default: &str) {
    let filter = match std::env::var("OPENSHELF_LOG") {
        Ok(wanted) => EnvFilter::builder().parse_lossy(wanted),
        Err(_) => EnvFilter::new(default),
    };
    // It fails only when somebody else logs already, as tests may.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}

/// A progress bar on a terminal, which appears with the first news; nothing elsewhere.
#[derive(Clone)]
struct Bar {
    bar: ProgressBar,
}

impl Default for Bar {
    fn default() -> Bar {
        let is_seen = std::io::stderr().is_terminal();
        Bar { bar: if is_seen { ProgressBar::no_length() } else { ProgressBar::hidden() } }
    }
}

impl Bar {
    fn progress(&self) -> impl Fn(Progress) + Clone + Send + Sync + 'static {
        let bar = self.bar.clone();
        move |now| {
            let template = if now.total == 0 { "{spinner} {msg}: {pos}" } else { "{msg} {wide_bar} {pos}/{len} {eta}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_length(now.total);
            bar.set_position(now.done);
            bar.set_message(now.what);
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
