//! What the command line may say, and the order that it comes to.

mod terms;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use self::terms::GivenTerms;
use super::order::{self, Banned, Clear, Order, Right, Service};
use super::points::{GoodFor, PointsOrder};
use super::{here, new_password, password_of_input};
use crate::config::Given;
use crate::media::sound;
use crate::work::sharing::DefaultTerms;

/// Shares your folders, files and music by link, and answers in the APIs your apps already speak.
#[derive(Debug, Parser)]
#[command(name = "openshelf", version, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Command,
    /// TOML file of settings, by the names of these options
    #[arg(long, env = "OPENSHELF_CONFIG", value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) given: Given,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
    Gift(GivenGift),
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
pub(super) enum SharesCommand {
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

impl From<SharesCommand> for Order {
    fn from(command: SharesCommand) -> Order {
        match command {
            SharesCommand::List => Order::Shares,
            SharesCommand::Show { id } => Order::ShowShare { id },
            SharesCommand::Edit { id, terms, clear } => Order::EditShare { id, terms: terms.with_clear(clear) },
            SharesCommand::Revoke { id } => Order::RevokeShare { id },
            SharesCommand::Ticket { id, expires } => {
                Order::Points(PointsOrder::MakeTicket { share: id, expires_s: expires })
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum PointsCommand {
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

impl From<PointsCommand> for Order {
    fn from(command: PointsCommand) -> Order {
        Order::Points(match command {
            PointsCommand::List => PointsOrder::Held,
            PointsCommand::Give { name, points } => PointsOrder::Give { name, points },
            PointsCommand::Take { name, points } => PointsOrder::Give { name, points: -points },
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct GivenGift {
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
}

impl From<GivenGift> for Order {
    fn from(given: GivenGift) -> Order {
        let good_for = match (given.points, given.share) {
            (Some(points), _) => GoodFor::Points(points),
            (None, share) => GoodFor::Share(share.unwrap_or_default()),
        };
        Order::Points(PointsOrder::MakeCodes { good_for, count: given.count, expires_s: given.expires })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ReportsCommand {
    List,
    /// By the number that the list shows
    Remove {
        number: i64,
    },
}

impl From<ReportsCommand> for Order {
    fn from(command: ReportsCommand) -> Order {
        match command {
            ReportsCommand::List => Order::Reports,
            ReportsCommand::Remove { number } => Order::RemoveReport { key: number },
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
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

impl UserCommand {
    /// May ask for a password.
    pub(super) fn into_order(self) -> anyhow::Result<Order> {
        Ok(match self {
            UserCommand::List => Order::Users,
            UserCommand::Add { name, mail, admin } => Order::AddUser { name, mail, admin },
            UserCommand::Password { name, stdin: true } => Order::SetPassword { name, password: password_of_input()? },
            UserCommand::Password { name, stdin: false } => Order::SetPassword { name, password: new_password()? },
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
            UserCommand::Ban { name } => Order::SetBanned { name, banned: Banned::Yes },
            UserCommand::Unban { name } => Order::SetBanned { name, banned: Banned::No },
            UserCommand::Activate { name } => Order::ActivateUser { name },
            UserCommand::NoSecondFactor { name } => Order::RemoveSecondFactor { name },
            UserCommand::Remove { name } => Order::RemoveUser { name },
        })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum GroupCommand {
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

impl From<GroupCommand> for Order {
    fn from(command: GroupCommand) -> Order {
        match command {
            GroupCommand::List => Order::Groups,
            GroupCommand::Add { name } => Order::AddGroup { name },
            GroupCommand::Join { group, users } => Order::JoinGroup { group, users },
            GroupCommand::Leave { group, users } => Order::LeaveGroup { group, users },
            GroupCommand::Remove { name } => Order::RemoveGroup { name },
        }
    }
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct GivenTo {
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
pub(super) enum LibraryCommand {
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
        rights: Vec<Right>,
    },
    /// Its files stay
    Remove {
        name: String,
    },
}

impl TryFrom<LibraryCommand> for Order {
    type Error = anyhow::Error;

    fn try_from(command: LibraryCommand) -> anyhow::Result<Order> {
        Ok(match command {
            LibraryCommand::List => Order::Libraries,
            LibraryCommand::Add { path, name, writable } => Order::AddLibrary { path: here(&path)?, name, writable },
            LibraryCommand::Give { name, to, rights } => Order::GiveLibrary { name, to: to.whom(), rights },
            LibraryCommand::Remove { name } => Order::RemoveLibrary { name },
        })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ScrobblesCommand {
    /// Which accounts are linked, and how many plays wait for them
    List,
    /// ListenBrainz: by the user's token, asked for on a terminal, else read from standard input. Last.fm: by an address
    /// where the user allows it
    Link { name: String, service: Service },
    /// Plays that wait are forgotten
    Unlink { name: String, service: Service },
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
