//! The command line.

pub mod backup;
pub mod control;
pub mod doctor;
pub mod order;
pub mod points;
mod print;
pub mod serve;
mod share;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, Given};
use crate::media::sound;
use crate::share::drop_box::types_in;
use crate::size::bytes_in;
use crate::work::sharing::DefaultTerms;
use control::Server;
use order::{Clear, DiskPath, Drop, DropTerms, Order, Password, Progress, Reply, Secret, Service, Terms};
use points::{GoodFor, PointsOrder};
use share::Form;

/// Shares your folders, files and music by link, and answers in the APIs your apps already speak.
#[derive(Debug, Parser)]
#[command(name = "openshelf", version, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// TOML file of settings, by the names of these options
    #[arg(long, env = "OPENSHELF_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve; FOLDERs become libraries, named by their last component, and stay so
    Serve { folders: Vec<PathBuf> },
    /// Share files or folders by one link; serves until stopped when no server runs
    Share {
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        terms: Box<GivenTerms>,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
        /// Whose share it is [default: the admin's]
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// List, show, edit and revoke what is shared
    Shares {
        #[command(subcommand)]
        command: Option<SharesCommand>,
    },
    /// Manage who may sign in
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Manage users who are given rights together
    Group {
        #[command(subcommand)]
        command: GroupCommand,
    },
    /// Manage the folders that are served
    Library {
        #[command(subcommand)]
        command: LibraryCommand,
    },
    /// Tell ListenBrainz or Last.fm what users play
    Scrobbles {
        #[command(subcommand)]
        command: ScrobblesCommand,
    },
    /// Give users points to pay with, and make gift codes and tickets
    Points {
        #[command(subcommand)]
        command: Option<PointsCommand>,
    },
    /// Make gift codes, each good once; shown this once
    Gift {
        /// How many points each is worth
        #[arg(long, value_name = "N", conflicts_with = "share", required_unless_present = "share", value_parser = clap::value_parser!(i64).range(1..))]
        points: Option<i64>,
        /// A share that has a price, by its id or link: each code opens it without paying
        #[arg(long, value_name = "SHARE")]
        share: Option<String>,
        /// How many codes
        #[arg(long, value_name = "N", default_value_t = 1)]
        count: u32,
        /// How long they can be redeemed: 90s, 15m, 2h, 7d, 4w
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<i64>,
    },
    /// Read what visitors reported as abuse
    Reports {
        #[command(subcommand)]
        command: Option<ReportsCommand>,
    },
    /// Look for changes in a library, or in all, and return when they are known
    Scan { name: Option<String> },
    /// Keep the database, the master key and the homes in one tar file
    Backup { file: PathBuf },
    /// Bring a backup back, into an empty installation
    Restore { file: PathBuf },
    /// Look for what is wrong with the installation, and say what to do
    Doctor,
    /// Print a script that completes this command line in a shell
    Completions { shell: Shell },
    /// What the server starts for each track that it listens to: the track is the standard input.
    #[command(name = sound::COMMAND, hide = true)]
    Hear { ffmpeg: PathBuf, start_s: f64 },
}

#[derive(Debug, Subcommand)]
enum SharesCommand {
    List,
    Show {
        id: String,
    },
    Edit {
        id: String,
        #[command(flatten)]
        terms: Box<GivenTerms>,
        /// Take terms away, by comma
        #[arg(long, value_name = "TERMS", value_delimiter = ',')]
        clear: Vec<Clear>,
    },
    Revoke {
        id: String,
    },
    /// Make a ticket that opens a share with a price to whoever shows it; shown this once
    Ticket {
        id: String,
        /// How long it opens the share: 90s, 15m, 2h, 7d, 4w
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<i64>,
    },
}

#[derive(Debug, Subcommand)]
enum PointsCommand {
    List,
    Give {
        name: String,
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        points: i64,
    },
    Take {
        name: String,
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        points: i64,
    },
}

#[derive(Debug, Subcommand)]
enum ReportsCommand {
    List,
    /// By the number that the list shows
    Remove {
        number: i64,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    List,
    /// The password is made up and shown once
    Add {
        name: String,
        #[arg(long)]
        mail: Option<String>,
        #[arg(long)]
        admin: bool,
    },
    /// Set a new password, asked for on a terminal, else made up and shown once; ends all sessions
    Password {
        name: String,
        /// Read it from standard input
        #[arg(long)]
        stdin: bool,
    },
    /// What new shares get where the app that makes them has no word for it; replaces what was set before
    Defaults {
        name: String,
        /// How long they last: 90s, 15m, 2h, 7d, 4w
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<i64>,
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
        views: Option<i64>,
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
        downloads: Option<i64>,
        /// Offer no downloads
        #[arg(long)]
        no_downloads: bool,
        /// Let music be played, and nothing be kept
        #[arg(long)]
        listen_only: bool,
    },
    /// Give roles, by comma: admin, settings, stream, jukebox, download, upload, playlist, cover-art, comment, podcast,
    /// share, video-conversion, fetch
    Allow {
        name: String,
        #[arg(required = true, value_delimiter = ',')]
        roles: Vec<String>,
    },
    /// Take roles away, by comma
    Deny {
        name: String,
        #[arg(required = true, value_delimiter = ',')]
        roles: Vec<String>,
    },
    /// Sign them out everywhere, let them sign in no more, and close their shares
    Ban {
        name: String,
    },
    Unban {
        name: String,
    },
    /// Let in somebody who registered by themselves
    Activate {
        name: String,
    },
    /// For somebody who lost their phone: their password alone lets them in again
    NoSecondFactor {
        name: String,
    },
    /// Their shares end; the files of their home stay on the disk
    Remove {
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    List,
    Add {
        name: String,
    },
    /// Put users into it
    Join {
        group: String,
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Take users out of it
    Leave {
        group: String,
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Once nobody is in it
    Remove {
        name: String,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct GivenTo {
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    #[arg(long)]
    everyone: bool,
}

impl GivenTo {
    fn whom(self) -> order::Given {
        match (self.user, self.group) {
            (Some(user), _) => order::Given::User(user),
            (None, Some(group)) => order::Given::Group(group),
            (None, None) => order::Given::Everyone,
        }
    }
}

#[derive(Debug, Subcommand)]
enum LibraryCommand {
    List,
    Add {
        path: PathBuf,
        #[arg(long)]
        name: Option<String>,
        /// Let users with the right to it change what is in it
        #[arg(long)]
        writable: bool,
    },
    /// Say what somebody may do in it, in place of what they were given before. A new library is everyone's to read and share
    Give {
        name: String,
        #[command(flatten)]
        to: GivenTo,
        /// By comma; nothing takes all away
        #[arg(long, value_name = "RIGHTS", value_delimiter = ',')]
        rights: Vec<order::Right>,
    },
    /// Its files stay
    Remove {
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum ScrobblesCommand {
    /// Which accounts are linked, and how many plays wait for them
    List,
    /// ListenBrainz: by the user's token, asked for on a terminal, else read from standard input. Last.fm: by an address
    /// where the user allows it
    Link { name: String, service: Service },
    /// Plays that wait are forgotten
    Unlink { name: String, service: Service },
}

#[derive(Debug, clap::Args)]
struct GivenTerms {
    #[arg(long)]
    title: Option<String>,
    /// Readable name in the link: small letters, digits and hyphens
    #[arg(long, value_name = "NAME")]
    slug: Option<String>,
    /// How long it lasts: 90s, 15m, 2h, 7d, 4w
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<i64>,
    /// Ask for a password; without WORD one is made up
    #[arg(long, value_name = "WORD", num_args = 0..=1, require_equals = true)]
    password: Option<Option<String>>,
    /// How many downloads there are in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    downloads: Option<i64>,
    /// How many bytes leave per second at most, for all visitors together: 500K, 2M
    #[arg(long, value_name = "RATE", value_parser = crate::work::pace::parse_rate)]
    rate: Option<i64>,
    /// What it costs in points to open, play and download what visitors see; 0: nothing
    #[arg(long, value_name = "POINTS", value_parser = clap::value_parser!(i64).range(0..))]
    price: Option<i64>,
    /// Make it a drop box: whoever has the link sends files into the folder, and sees nothing. `folders` puts each sender's
    /// files into a folder of their own, `read` shows what is there
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, value_delimiter = ',')]
    drop: Option<Vec<Drop>>,
    /// Of a drop box: ask senders for their name
    #[arg(long)]
    ask_name: bool,
    /// Of a drop box: how large one file may be, such as 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_file: Option<u64>,
    /// Of a drop box: how much all files may be together
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_total: Option<u64>,
    /// Of a drop box: how many files there may be
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_files: Option<u64>,
    /// Of a drop box: endings of names by comma, such as jpg,png
    #[arg(long, value_name = "TYPES")]
    types: Option<String>,
}

impl GivenTerms {
    fn with_clear(self, clear: Vec<Clear>) -> Terms {
        let password = self.password.map(|word| word.map_or(Password::Random, Password::Given));
        Terms {
            title: self.title,
            slug: self.slug,
            password,
            expires_s: self.expires,
            downloads: self.downloads,
            rate_bytes_s: self.rate,
            price: self.price,
            drop: DropTerms {
                drop: self.drop,
                ask_name: self.ask_name,
                max_file: self.max_file,
                max_total: self.max_total,
                max_files: self.max_files,
                types: self.types.as_deref().map(types_in),
            },
            clear,
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    bytes_in(text).filter(|bytes| *bytes > 0).ok_or_else(|| "a size, such as 500M or 2G".to_owned())
}

/// A number and a unit: `90s 15m 2h 7d 4w`.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "a number and a unit, such as 90s, 15m, 2h, 7d or 4w".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let unit_s = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: i64 = digits.parse().map_err(|_| wrong())?;
    // Ten thousand years are enough, and can still be written as a date.
    let total_s = count.checked_mul(unit_s).filter(|total_s| (1..=250_000_000_000).contains(total_s));
    total_s.ok_or_else(wrong)
}

/// Carries out what was asked for. An error is a failure to tell the user in one line.
pub fn run(line: CommandLine) -> anyhow::Result<()> {
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
        Command::Shares { command } => match command.unwrap_or(SharesCommand::List) {
            SharesCommand::List => Order::Shares,
            SharesCommand::Show { id } => Order::ShowShare { id },
            SharesCommand::Edit { id, terms, clear } => Order::EditShare { id, terms: terms.with_clear(clear) },
            SharesCommand::Revoke { id } => Order::RevokeShare { id },
            SharesCommand::Ticket { id, expires } => {
                Order::Points(PointsOrder::MakeTicket { share: id, expires_s: expires })
            }
        },
        Command::User { command } => match command {
            UserCommand::List => Order::Users,
            UserCommand::Add { name, mail, admin } => Order::AddUser { name, mail, admin },
            UserCommand::Password { name, stdin } => Order::SetPassword { name, password: new_password(stdin)? },
            UserCommand::Defaults { name, expires, views, downloads, no_downloads, listen_only } => {
                let defaults = DefaultTerms {
                    expire_after_s: expires,
                    view_limit: views,
                    download_limit: downloads,
                    downloads_allowed: no_downloads.then_some(false),
                    listen_only: listen_only.then_some(true),
                };
                Order::SetDefaults { name, defaults }
            }
            UserCommand::Allow { name, roles } => Order::SetRoles { name, allow: roles, deny: Vec::new() },
            UserCommand::Deny { name, roles } => Order::SetRoles { name, allow: Vec::new(), deny: roles },
            UserCommand::Ban { name } => Order::SetBanned { name, banned: order::Banned::Yes },
            UserCommand::Unban { name } => Order::SetBanned { name, banned: order::Banned::No },
            UserCommand::Activate { name } => Order::ActivateUser { name },
            UserCommand::NoSecondFactor { name } => Order::RemoveSecondFactor { name },
            UserCommand::Remove { name } => Order::RemoveUser { name },
        },
        Command::Group { command } => match command {
            GroupCommand::List => Order::Groups,
            GroupCommand::Add { name } => Order::AddGroup { name },
            GroupCommand::Join { group, users } => Order::JoinGroup { group, users },
            GroupCommand::Leave { group, users } => Order::LeaveGroup { group, users },
            GroupCommand::Remove { name } => Order::RemoveGroup { name },
        },
        Command::Library { command } => match command {
            LibraryCommand::List => Order::Libraries,
            LibraryCommand::Add { path, name, writable } => Order::AddLibrary { path: here(&path)?, name, writable },
            LibraryCommand::Give { name, to, rights } => Order::GiveLibrary { name, to: to.whom(), rights },
            LibraryCommand::Remove { name } => Order::RemoveLibrary { name },
        },
        Command::Scrobbles { command } => match command {
            ScrobblesCommand::List => Order::Scrobbles,
            ScrobblesCommand::Link { name, service: Service::Listenbrainz } => {
                Order::LinkListenBrainz { name, token: Secret(secret("Token of ListenBrainz: ")?) }
            }
            ScrobblesCommand::Link { name, service: Service::Lastfm } => {
                let (_, reply) = carry_out(&config, Order::BeginLastfm, &runtime)?;
                let Reply::Allow { token, address } = reply else { bail!("the server answers something else") };
                println!("Open this address, allow it, and press Enter:\n{address}");
                std::io::stdin().read_line(&mut String::new())?;
                Order::LinkLastfm { name, token }
            }
            ScrobblesCommand::Unlink { name, service } => Order::UnlinkScrobbles { name, service },
        },
        Command::Points { command } => Order::Points(match command.unwrap_or(PointsCommand::List) {
            PointsCommand::List => PointsOrder::Held,
            PointsCommand::Give { name, points } => PointsOrder::Give { name, points },
            PointsCommand::Take { name, points } => PointsOrder::Give { name, points: -points },
        }),
        Command::Gift { points, share, count, expires } => {
            let good_for = match (points, share) {
                (Some(points), _) => GoodFor::Points(points),
                (None, share) => GoodFor::Share(share.unwrap_or_default()),
            };
            Order::Points(PointsOrder::MakeCodes { good_for, count, expires_s: expires })
        }
        Command::Reports { command } => Order::Points(match command.unwrap_or(ReportsCommand::List) {
            ReportsCommand::List => PointsOrder::Reports,
            ReportsCommand::Remove { number } => PointsOrder::RemoveReport { key: number },
        }),
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

fn new_password(from_stdin: bool) -> anyhow::Result<Password> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        let word = line.trim_end_matches(['\n', '\r']);
        if word.is_empty() {
            bail!("no password came from standard input");
        }
        return Ok(Password::Given(word.to_owned()));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, expected_s) in [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("4w", 2_419_200)] {
            assert_eq!(seconds(text), Ok(expected_s), "{text}");
        }
        for wrong in
            ["", "d", "7", "0d", "-1d", "+1d", "1.5h", "7 d", "7D", "7ä", "99999999999999999999s", "99999999999w"]
        {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
