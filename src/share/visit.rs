//! Who a visitor is, and what a visit costs.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::ShareKey;
use crate::account::User;

/// How long a download that was paid for may be taken up again, from its last byte on.
pub const LEASE_MS: i64 = 15 * 60 * 1000;
/// How long one address and agent without a cookie count as one visitor.
pub const VISIT_MS: i64 = 30 * 60 * 1000;

/// A download that is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lease {
    /// Of a share whose downloads or views can run out: a row, on disk before the first byte goes.
    Row(LeaseKey),
    /// Of any other share: a number that is raised soon.
    Tally(ShareKey),
    /// Of such a share, and counted when it began.
    GoesOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseKey(pub i64);

/// Who is asking, as far as is known: an account, else a share cookie, token or signed URL, else an address and agent.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub user: Option<User>,
    /// Random id out of a share cookie, a share token or a signed URL.
    pub ticket: Option<String>,
    /// SHA-256 of the purchase ticket that they show: a guest's proof that a priced share was paid.
    pub paid_by: Option<Vec<u8>>,
    pub address: IpAddr,
    pub agent: String,
    /// Shares whose password this visitor has proven, each with the epoch at which they did.
    pub unlocked: Vec<(ShareKey, i64)>,
}

impl Visitor {
    pub fn guest(address: IpAddr, agent: impl Into<String>) -> Visitor {
        Visitor { user: None, ticket: None, paid_by: None, address, agent: agent.into(), unlocked: Vec::new() }
    }

    pub fn with_user(mut self, user: User) -> Visitor {
        self.user = Some(user);
        self
    }

    pub fn with_ticket(mut self, ticket: impl Into<String>) -> Visitor {
        self.ticket = Some(ticket.into());
        self
    }

    pub fn has_unlocked(&self, share: ShareKey, epoch: i64) -> bool {
        self.unlocked.contains(&(share, epoch))
    }

    /// Names the visitor in leases; `None` for one who carries nothing, and whose downloads are therefore each their own.
    pub fn known_as(&self) -> Option<String> {
        match (&self.user, &self.ticket) {
            (Some(user), _) => Some(format!("u:{}", user.key.0)),
            (None, Some(ticket)) => Some(format!("t:{ticket}")),
            (None, None) => None,
        }
    }

    /// Names the visitor in visits. Address and agent are hashed: they are nobody's business later.
    pub fn counted_as(&self) -> String {
        self.known_as().unwrap_or_else(|| {
            let digest = Sha256::digest(format!("{}\n{}", network(self.address), self.agent));
            format!("a:{}", crate::hex(&digest[..12]))
        })
    }

    /// The address as it stands in leases and in the limiter.
    pub fn network(&self) -> String {
        network(self.address)
    }
}

/// Which part of an item a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// No bytes, only what would come with them; spends nothing.
    Head,
    /// Bytes from this one on.
    From(u64),
}

/// An IPv4 address as it is; of an IPv6 address the /64, which is what one household or machine commands.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            format!("{:x}:{:x}:{:x}:{:x}::/64", s[0], s[1], s[2], s[3])
        }
    }
}

/// Chat programs that fetch a link to draw a card: their look is no visit and spends nothing.
pub fn is_preview_crawler(agent: &str) -> bool {
    const CRAWLERS: [&str; 16] = [
        "facebookexternalhit",
        "facebookcatalog",
        "facebot",
        "twitterbot",
        "linkedinbot",
        "discordbot",
        "telegrambot",
        "slackbot",
        "slack-imgproxy",
        "whatsapp",
        "mastodon",
        "matrix",
        "signal",
        "skypeuripreview",
        "embedly",
        "iframely",
    ];
    let agent = agent.to_ascii_lowercase();
    CRAWLERS.iter().any(|crawler| agent.contains(crawler))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_neighbours_in_one_64_are_one_network() {
        assert_eq!(network("2001:db8:1:2::1".parse().unwrap()), network("2001:db8:1:2:ffff::9".parse().unwrap()));
        assert_ne!(network("2001:db8:1:2::1".parse().unwrap()), network("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1");
    }

    #[test]
    fn visitor_without_cookie_is_counted_by_address_and_agent_but_holds_no_lease_name() {
        let a = Visitor::guest("192.0.2.1".parse().unwrap(), "curl");
        let b = Visitor::guest("192.0.2.1".parse().unwrap(), "wget");
        assert_ne!(a.counted_as(), b.counted_as());
        assert_eq!(a.known_as(), None);
        assert_eq!(a.with_ticket("x").counted_as(), "t:x");
    }
}
