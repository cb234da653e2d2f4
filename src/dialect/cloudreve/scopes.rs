//! Which permit an app needs for which call: by the family of its path, to read or to change.
//!
//! A route gets what it needs from here by its method and path, so a route that is added has it as well. One of no family
//! is for no app.

use crate::account::permit::Permit::{self, *};
use crate::account::permit::Permits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    One(Permit),
    /// Only who signed in themselves: an app could get itself more than it has.
    NoApp,
}

/// Paths, without `/api/v4`, and all beneath them. A longer path stands before one that it lies beneath.
const FAMILIES: &[(&str, Needs, Needs)] = &[
    ("/site", Needs::Nothing, Needs::Nothing),
    ("/session/oauth/userinfo", Needs::One(OpenId), Needs::NoApp),
    ("/session/oauth/grant", Needs::One(UserSecurityInfoRead), Needs::One(UserSecurityInfoWrite)),
    ("/session/oauth/consent", Needs::NoApp, Needs::NoApp),
    // An app that links who it is itself would come past what it was let in for.
    ("/session/openid", Needs::NoApp, Needs::NoApp),
    ("/session", Needs::Nothing, Needs::Nothing),
    ("/user/setting/2fa", Needs::One(UserSecurityInfoWrite), Needs::One(UserSecurityInfoWrite)),
    // A passkey would let the app in past what it was let in for, and past being shut out; so would a WebDAV password.
    ("/user/authn", Needs::One(UserSecurityInfoRead), Needs::NoApp),
    ("/user/creditChanges", Needs::One(FinanceRead), Needs::One(FinanceWrite)),
    ("/user/payments", Needs::One(FinanceRead), Needs::One(FinanceWrite)),
    ("/user", Needs::One(UserInfoRead), Needs::One(UserInfoWrite)),
    ("/group", Needs::One(UserInfoRead), Needs::One(UserInfoWrite)),
    // Addresses to download from are asked for by POST.
    ("/file/url", Needs::One(FilesRead), Needs::One(FilesRead)),
    ("/file", Needs::One(FilesRead), Needs::One(FilesWrite)),
    ("/f", Needs::One(FilesRead), Needs::One(FilesWrite)),
    ("/share", Needs::One(SharesRead), Needs::One(SharesWrite)),
    // For administrators alone, as what lies beneath `/admin`.
    ("/workflow/import", Needs::One(AdminRead), Needs::One(AdminWrite)),
    ("/workflow/rebuildFtsIndex", Needs::One(AdminWrite), Needs::One(AdminWrite)),
    ("/workflow", Needs::One(WorkflowRead), Needs::One(WorkflowWrite)),
    ("/devices", Needs::NoApp, Needs::NoApp),
    ("/vas", Needs::One(FinanceRead), Needs::One(FinanceWrite)),
    // Contents are files: an app reads and deletes those where files are asked for.
    ("/admin/entity/url", Needs::NoApp, Needs::NoApp),
    ("/admin/entity/batch", Needs::NoApp, Needs::NoApp),
    ("/admin/file/url", Needs::NoApp, Needs::NoApp),
    ("/admin", Needs::One(AdminRead), Needs::One(AdminWrite)),
];

/// What an app needs for the route of this method and path.
pub fn needs(method: &str, path: &str) -> Needs {
    let path = path.strip_prefix("/api/v4").unwrap_or(path);
    let beneath = |family: &str| {
        let rest = path.strip_prefix(family);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let Some((_, reading, changing)) = FAMILIES.iter().find(|(family, ..)| beneath(family)) else {
        return Needs::NoApp;
    };
    // The lists of the administration are asked for by POST to the name of what is listed.
    let lists = method == "POST" && path.strip_prefix("/admin/").is_some_and(|what| !what.contains('/'));
    if matches!(method, "GET" | "HEAD") || lists { *reading } else { *changing }
}

impl Needs {
    pub fn met_by(self, permits: Permits) -> bool {
        match self {
            Needs::Nothing => true,
            Needs::One(permit) => permits.has(permit),
            Needs::NoApp => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_for_users_is_of_a_family() {
        for route in super::super::ROUTES.iter().filter(|route| route.name != "unknown") {
            let path = route.path.strip_prefix("/api/v4").unwrap_or(route.path);
            let is_known =
                FAMILIES.iter().any(|(family, ..)| path == *family || path.starts_with(&format!("{family}/")));
            assert!(is_known, "{} is of no family: no app could ever call it", route.path);
        }
    }

    #[test]
    fn every_family_has_a_route() {
        for (family, ..) in FAMILIES {
            let is_of_it = |path: &str| path == *family || path.starts_with(&format!("{family}/"));
            let mut paths = super::super::ROUTES.iter().map(|route| route.path.trim_start_matches("/api/v4"));
            assert!(paths.any(is_of_it), "nobody asks {family}");
        }
    }

    #[test]
    fn reading_and_changing_are_told_apart() {
        for (method, path, expected) in [
            ("GET", "/api/v4/file", Needs::One(FilesRead)),
            ("POST", "/api/v4/file/url", Needs::One(FilesRead)),
            ("POST", "/api/v4/file/rename", Needs::One(FilesWrite)),
            ("DELETE", "/api/v4/file", Needs::One(FilesWrite)),
            ("PUT", "/api/v4/file/viewerSession", Needs::One(FilesWrite)),
            ("GET", "/share/info/{id}", Needs::One(SharesRead)),
            ("GET", "/api/v4/user/setting/2fa", Needs::One(UserSecurityInfoWrite)),
            ("PATCH", "/api/v4/user/setting", Needs::One(UserInfoWrite)),
            ("GET", "/api/v4/user/authn", Needs::One(UserSecurityInfoRead)),
            ("PUT", "/api/v4/user/authn", Needs::NoApp),
            ("GET", "/api/v4/devices/dav", Needs::NoApp),
            ("PUT", "/api/v4/devices/dav", Needs::NoApp),
            ("POST", "/api/v4/session/oauth/consent", Needs::NoApp),
            ("POST", "/api/v4/session/token", Needs::Nothing),
            ("POST", "/api/v4/admin/user", Needs::One(AdminRead)),
            ("POST", "/api/v4/admin/user/batch/delete", Needs::One(AdminWrite)),
            ("PATCH", "/api/v4/admin/settings", Needs::One(AdminWrite)),
            ("POST", "/api/v4/admin/entity", Needs::One(AdminRead)),
            ("GET", "/api/v4/admin/entity/url/{id}", Needs::NoApp),
            ("GET", "/api/v4/admin/file/url/{id}", Needs::NoApp),
            ("POST", "/api/v4/workflow/import", Needs::One(AdminWrite)),
            ("POST", "/api/v4/admin/entity/batch/delete", Needs::NoApp),
            ("GET", "/api/v4/filed", Needs::NoApp),
        ] {
            assert_eq!(needs(method, path), expected, "{method} {path}");
        }
    }
}
