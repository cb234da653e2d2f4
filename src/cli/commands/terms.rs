//! What the command line may say of a share.

use clap::Args;

use super::seconds;
use crate::cli::order::{Clear, Drop, DropTerms, Password, Terms};
use crate::share::drop_box::types_in;
use crate::size::bytes_in;
use crate::work::pace;

#[derive(Debug, Args)]
pub(in crate::cli) struct GivenTerms {
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
    #[arg(long, value_name = "RATE", value_parser = pace::parse_rate)]
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
    pub(in crate::cli) fn with_clear(self, clear: Vec<Clear>) -> Terms {
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
