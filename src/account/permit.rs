//! What an app that a user let in may do in their name. OAuth calls it a scope.

use std::fmt;

/// One thing that an app may do. Whoever may change something may read it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    OpenId,
    Profile,
    Email,
    OfflineAccess,
    UserInfoRead,
    UserInfoWrite,
    UserSecurityInfoRead,
    UserSecurityInfoWrite,
    WorkflowRead,
    WorkflowWrite,
    AdminRead,
    AdminWrite,
    FilesRead,
    FilesWrite,
    SharesRead,
    SharesWrite,
    FinanceRead,
    FinanceWrite,
    DavAccountRead,
    DavAccountWrite,
}

use Permit::*;

/// Each with its name on the wire and what it says to the user who is asked for it; nothing, where it lets no app do anything:
/// by a password for WebDAV an app would come past all that it was let in for.
const EACH: [(Permit, &str, &str); 20] = [
    (OpenId, "openid", "know who you are"),
    (Profile, "profile", "see your name and picture"),
    (Email, "email", "see your mail address"),
    (OfflineAccess, "offline_access", "stay signed in when you are away"),
    (UserInfoRead, "UserInfo.Read", "see your settings"),
    (UserInfoWrite, "UserInfo.Write", "change your settings"),
    (UserSecurityInfoRead, "UserSecurityInfo.Read", "see how you sign in"),
    (UserSecurityInfoWrite, "UserSecurityInfo.Write", "change your password and second factor"),
    (WorkflowRead, "Workflow.Read", "see your tasks"),
    (WorkflowWrite, "Workflow.Write", "start and stop tasks"),
    (AdminRead, "Admin.Read", "see what you administer"),
    (AdminWrite, "Admin.Write", "administer this server as you"),
    (FilesRead, "Files.Read", "see and download your files"),
    (FilesWrite, "Files.Write", "see, change and delete your files"),
    (SharesRead, "Shares.Read", "see your shares"),
    (SharesWrite, "Shares.Write", "make, change and end your shares"),
    (FinanceRead, "Finance.Read", "see what you bought"),
    (FinanceWrite, "Finance.Write", "buy things as you"),
    (DavAccountRead, "DavAccount.Read", ""),
    (DavAccountWrite, "DavAccount.Write", ""),
];

impl Permit {
    pub fn name(self) -> &'static str {
        EACH[self as usize].1
    }

    /// To go on after "This app wants to", if there is something to be said.
    pub fn words(self) -> Option<&'static str> {
        Some(EACH[self as usize].2).filter(|words| !words.is_empty())
    }

    /// The permit that holds this one in itself.
    fn wider(self) -> Option<Permit> {
        let write = self.name().strip_suffix(".Read").map(|family| format!("{family}.Write"))?;
        EACH.iter().find(|(_, name, _)| *name == write).map(|(permit, ..)| *permit)
    }
}

/// A set of permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permits(u32);

impl Permits {
    pub fn of(permits: &[Permit]) -> Permits {
        Permits(permits.iter().fold(0, |bits, permit| bits | 1 << *permit as u32))
    }

    /// Of names with spaces between. None where one is no permit, or there is none.
    pub fn parse(names: &str) -> Option<Permits> {
        let mut bits = 0;
        for name in names.split_ascii_whitespace() {
            let (permit, ..) = EACH.iter().find(|(_, known, _)| *known == name)?;
            bits |= 1 << *permit as u32;
        }
        (bits != 0).then_some(Permits(bits))
    }

    fn holds(self, permit: Permit) -> bool {
        self.0 & (1 << permit as u32) != 0
    }

    pub fn has(self, permit: Permit) -> bool {
        self.holds(permit) || permit.wider().is_some_and(|wider| self.holds(wider))
    }

    pub fn is_within(self, most: Permits) -> bool {
        self.each().all(|permit| most.has(permit))
    }

    pub fn each(self) -> impl Iterator<Item = Permit> {
        EACH.iter().map(|(permit, ..)| *permit).filter(move |permit| self.holds(*permit))
    }

    pub fn names(self) -> Vec<&'static str> {
        self.each().map(Permit::name).collect()
    }
}

/// Names with spaces between, as [`Permits::parse`] reads them.
impl fmt::Display for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_stands_at_its_own_place_in_the_list() {
        for (place, (permit, name, _)) in EACH.into_iter().enumerate() {
            assert_eq!((permit as usize, permit.name()), (place, name));
        }
    }

    #[test]
    fn whoever_may_write_may_read_and_not_the_other_way_round() {
        let writes = Permits::parse("Files.Write openid").unwrap();
        assert!(writes.has(FilesRead) && writes.has(FilesWrite) && writes.has(OpenId));
        assert!(!writes.has(SharesRead));
        let reads = Permits::parse("Files.Read").unwrap();
        assert!(reads.has(FilesRead) && !reads.has(FilesWrite));
        assert!(reads.is_within(writes) && !writes.is_within(reads));
    }

    #[test]
    fn what_is_no_list_of_permits_is_none() {
        for text in ["", " ", "Files", "files.read", "Files.Read,Files.Write", "Files.Read nothing"] {
            assert_eq!(Permits::parse(text), None, "{text:?}");
        }
        assert_eq!(Permits::parse(" Files.Read  openid ").unwrap().to_string(), "openid Files.Read");
    }
}
