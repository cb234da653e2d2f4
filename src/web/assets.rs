//! Style, scripts and icon, built into the binary and named by their content, so that a browser may keep them for ever.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// May be cached for ever: a change of content is a change of name.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// In the place of a picture that cannot be shown.
pub const NO_PICTURE: &[u8] = include_bytes!("../../assets/no-picture.svg");

struct Asset {
    name: &'static str,
    mime: &'static str,
    bytes: &'static [u8],
    href: String,
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        asset("openshelf.css", "text/css; charset=utf-8", include_bytes!("../../assets/openshelf.css")),
        asset("player.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/player.js")),
        asset("upload.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/upload.js")),
        asset("copy.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/copy.js")),
        asset("icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
    ]
});

fn asset(name: &'static str, mime: &'static str, bytes: &'static [u8]) -> Asset {
    let hash: String = Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    Asset { name, mime, bytes, href: format!("/s/-/{stem}.{hash}.{extension}") }
}

/// The address of an asset, to be put behind the deployment's prefix: `/s/-/openshelf.0123456789abcdef.css`. Empty for a
/// name that is not built in; `every_asset_that_a_template_names_is_built_in` holds the templates to those that are.
pub fn href(name: &str) -> String {
    ASSETS.iter().find(|asset| asset.name == name).map(|asset| asset.href.clone()).unwrap_or_default()
}

/// MIME type and content for the path of a request, without the deployment's prefix. `None` for names of other contents.
pub fn find(path: &str) -> Option<(&'static str, &'static [u8])> {
    ASSETS.iter().find(|asset| asset.href == path).map(|asset| (asset.mime, asset.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_by_its_hashed_name_only() {
        let (mime, bytes) = find(&href("openshelf.css")).unwrap();
        assert_eq!(mime, "text/css; charset=utf-8");
        assert!(!bytes.is_empty());
        assert!(find("/s/-/openshelf.css").is_none());
        assert!(find("/s/-/openshelf.0000000000000000.css").is_none());
        assert!(find("/s/-/../Cargo.toml").is_none());
        assert_eq!(href("unknown.css"), "");
    }

    #[test]
    fn the_style_sheet_stays_below_20_kb() {
        assert!(find(&href("openshelf.css")).unwrap().1.len() < 20_000);
    }
}
