//! A request for every route, such as would succeed with the right credentials. A route without one fails the tests.

use openshelf::http::{Access, Face, Route};
use serde_json::{Map, Value, json};

use super::ask::{Ask, Body};
use super::{Target, Things, part};

/// The request for a route: of Ann's private things, and by the target where the route takes a share.
pub fn sample(things: &Things, target: &Target, face: &Face, route: &Route) -> Option<Ask> {
    let ask = match face.name {
        "server" => server(route.name),
        "page" => page(things, target, route),
        "desk" => desk(things, route.name),
        "subsonic" => subsonic(things, route.name).map(|ask| ask.q("v", "1.16.1").q("c", "test").q("f", "json")),
        "cloudreve" => cloudreve(things, target, route),
        "mycloud" => mycloud(things, target, route.name),
        "webdav" => webdav(things, target, route),
        "interface" => interface(route.name),
        _ => None,
    }?;
    Some(filled(ask, route))
}

/// The route's own method and path, with the sample's values in the path's names.
fn filled(mut ask: Ask, route: &Route) -> Ask {
    // The older address of each OpenSubsonic call is tried as a posted form.
    let wants_form = route.path.ends_with(".view");
    let method = if wants_form { route.methods.iter().find(|m| *m == "POST") } else { None };
    ask.method = method.unwrap_or(&route.methods[0]).to_string();
    if wants_form {
        ask.body = Body::Form(std::mem::take(&mut ask.query));
    }
    if ask.path.is_empty() {
        ask.path = path_of(route.path, &ask.parts);
    }
    ask
}

/// A route's path with values for its names.
pub fn path_of(path: &str, parts: &[(&'static str, String)]) -> String {
    let filled = path.split('/').map(|component| {
        let Some(name) = component.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return component.to_owned();
        };
        let value = parts.iter().find(|(key, _)| *key == name);
        part(&value.unwrap_or_else(|| panic!("the sample for {path} has no {name}")).1)
    });
    filled.collect::<Vec<_>>().join("/")
}

/// Routes whose answer to Ann, by her right credentials, shows something of hers: the matrix would see it leak.
pub const TELLING: &[(&str, &str)] = &[
    ("desk", "sharesPage"),
    ("desk", "newSharePage"),
    ("desk", "editSharePage"),
    ("desk", "revokePage"),
    ("desk", "filesPage"),
    ("desk", "uploadState"),
    ("desk", "keysPage"),
    ("subsonic", "getAlbum"),
    ("subsonic", "getArtist"),
    ("subsonic", "getArtists"),
    ("subsonic", "getGenres"),
    ("subsonic", "getIndexes"),
    ("subsonic", "getMusicDirectory"),
    ("subsonic", "getSong"),
    ("subsonic", "getAlbumList"),
    ("subsonic", "getAlbumList2"),
    ("subsonic", "getRandomSongs"),
    ("subsonic", "getSongsByGenre"),
    ("subsonic", "getTopSongs"),
    ("subsonic", "search"),
    ("subsonic", "search2"),
    ("subsonic", "search3"),
    ("subsonic", "getPlaylist"),
    ("subsonic", "getPlaylists"),
    ("subsonic", "getShares"),
    ("subsonic", "getUser"),
    ("subsonic", "getLyricsBySongId"),
    ("cloudreve", "getUserMe"),
    ("cloudreve", "getFile"),
    ("cloudreve", "getFileInfo"),
    ("cloudreve", "getShare"),
    ("mycloud", "userinfo"),
    ("mycloud", "getUserInfoV1"),
    ("mycloud", "listShares"),
    ("mycloud", "getFile"),
    ("mycloud", "searchParents"),
    ("mycloud", "searchParentAndName"),
    ("mycloud", "getContent"),
    ("mycloud", "getFilesZip"),
    ("webdav", "get"),
    ("webdav", "propfind"),
];

fn server(name: &str) -> Option<Ask> {
    Some(match name {
        "healthz" => Ask::get(""),
        _ => return None,
    })
}

fn interface(name: &str) -> Option<Ask> {
    Some(match name {
        "manifest" => Ask::get(""),
        _ => return None,
    })
}

fn page(things: &Things, target: &Target, route: &Route) -> Option<Ask> {
    let ask = Ask::get("").part("id", &target.share);
    Some(match route.name {
        // The root of the share by one of its two addresses, a folder in it by the other.
        "share" if route.path.ends_with('/') => ask,
        "asset" => Ask::get("").part("asset", "style.css"),
        "share" => ask.q("in", &things.folder),
        "unlock" => ask.form(&[("password", "wrongWord1"), ("in", &things.folder)]),
        "file" => ask.part("item", &things.file).q("download", "1"),
        "play" => ask.part("item", &things.song),
        "stream" | "waveform" | "hls" => ask.part("item", &things.song),
        "hlsPart" => ask.part("item", &things.song).part("stream", "a192").part("file", "0.aac"),
        "thumb" => ask.part("item", &things.image),
        "cover" => ask.part("item", &things.image),
        "zip" => ask.q("in", &things.folder),
        "unlockByAddress" => ask.part("password", "wrongWord2"),
        "shareLink" => ask,
        "actionShare" => ask.q("download", "1"),
        "sendFiles" => ask.bytes(FORM, posted("sent.txt")),
        "beginSending" => ask.json(json!({"name": "sent.txt", "size": 3, "sender": "a guest"})),
        "sendWhole" => ask.q("name", "sent.txt").q("sender", "a guest").bytes("application/octet-stream", "abc"),
        "sendingState" | "endSending" => ask.part("upload", &things.upload),
        "sendPart" => {
            ask.part("upload", &things.upload).part("offset", "0").bytes("application/octet-stream", "0123456789")
        }
        "receipt" => ask,
        "buy" => ask.form(&[("price", "5")]),
        "useTicket" => ask.form(&[("ticket", "d6695b49-1eca-4975-813f-0dafd90c1705")]),
        _ => return None,
    })
}

const FORM: &str = "multipart/form-data; boundary=x";

fn posted(name: &str) -> Vec<u8> {
    format!("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nabc\r\n--x--\r\n")
        .into_bytes()
}

fn desk(things: &Things, name: &str) -> Option<Ask> {
    let form = [
        ("item", things.folder.as_str()),
        ("title", "a title"),
        ("description", "words"),
        ("password_is", "set"),
        ("password", "shareWord1"),
        ("expires", "2099-01-31T18:00"),
        ("view_limit", "9"),
        ("download_limit", "9"),
        ("rate", "2M"),
        ("mode", "read"),
        ("downloads", "allowed"),
    ];
    Some(match name {
        "home" | "signInPage" | "sharesPage" | "keysPage" | "accountPage" | "ownPicture" | "removePicture" => {
            Ask::get("")
        }
        "setPicture" => Ask::get("").bytes(FORM, posted("picture.png")),
        "signIn" => Ask::get("").form(&[("user", "ann"), ("password", "not her password"), ("next", "/app/keys")]),
        "signInByOpenId" => Ask::get("").form(&[("next", "/app/keys")]),
        "backFromOpenId" => Ask::get("").q("code", "no.such.code").q("state", "no.such.state"),
        "linkOpenId" | "unlinkOpenId" => Ask::get("").form(&[]),
        "signInCode" => Ask::get("").form(&[("step", "no.such.step"), ("code", "000000"), ("next", "/app/keys")]),
        "offerSecondFactor" | "deviceLink" => Ask::get("").form(&[]),
        "turnOnSecondFactor" | "turnOffSecondFactor" => Ask::get("").form(&[("code", "000000")]),
        "activatePage" => Ask::get("").q("id", &things.ann).q("sign", "no.such.sign"),
        "resetPage" => Ask::get("").q("id", &things.ann).q("secret", "no.such.secret"),
        "activate" => Ask::get("").form(&[("id", &things.ann), ("slip", "no.such.slip")]),
        "reset" => Ask::get("").form(&[("id", &things.ann), ("slip", "no.such.slip"), ("password", "a new password")]),
        "authorizeLink" => OAUTH.iter().fold(Ask::get(""), |ask, (name, value)| ask.q(name, value)),
        "authorizePage" => OAUTH.iter().fold(Ask::get(""), |ask, (name, value)| ask.q(name, value)),
        "shutOut" => Ask::get("").form(&[("app", "mycloud")]),
        "authorize" => Ask::get("").form(&[&OAUTH[..], &[("answer", "allow")]].concat()),
        "callbackPage" => Ask::get("").q("code", "no.such.code").q("state", "x"),
        "signOut" => Ask::get("").form(&[]),
        "makeShare" => Ask::get("").form(&form),
        "newSharePage" => Ask::get("").q("item", &things.file),
        "editSharePage" | "revokePage" => Ask::get("").part("id", &things.share),
        "editShare" => Ask::get("").part("id", &things.share).form(&form[1..]),
        "revoke" => Ask::get("").part("id", &things.share).form(&[]),
        "filesPage" => Ask::get("").q("in", &things.folder),
        "postFiles" => Ask::get("").bytes(FORM, posted("sent.txt")),
        "beginUpload" => Ask::get("").json(json!({"name": "sent.txt", "size": 3, "in": things.folder})),
        "uploadWhole" => {
            Ask::get("").q("name", "sent.txt").q("in", &things.folder).bytes("application/octet-stream", "abc")
        }
        "uploadState" | "endUpload" => Ask::get("").part("upload", &things.upload),
        "uploadPart" => Ask::get("")
            .part("upload", &things.upload)
            .part("offset", "0")
            .bytes("application/octet-stream", "0123456789"),
        "makeKey" => Ask::get("").form(&[("name", "a key")]),
        "revokeKey" => Ask::get("").part("id", &things.key).form(&[]),
        _ => return None,
    })
}

/// What the desktop client asks a user for.
const OAUTH: [(&str, &str); 7] = [
    ("client_id", "393a1839-f52e-498e-9972-e77cc2241eee"),
    ("response_type", "code"),
    ("redirect_uri", "/callback/desktop"),
    ("scope", "openid profile Files.Write"),
    ("state", "x"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ("code_challenge_method", "S256"),
];

fn subsonic(things: &Things, name: &str) -> Option<Ask> {
    let (get, id) = (Ask::get(""), Ask::get("").q("id", &things.song));
    Some(match name {
        "unknown" => get.part("*rest", "noSuchCall"),
        "getOpenSubsonicExtensions"
        | "getLicense"
        | "ping"
        | "tokenInfo"
        | "getArtists"
        | "getGenres"
        | "getIndexes"
        | "getMusicFolders"
        | "getNowPlaying"
        | "getStarred"
        | "getStarred2"
        | "getPlaylists"
        | "getShares"
        | "getScanStatus"
        | "startScan"
        | "getUsers"
        | "getBookmarks"
        | "getPlayQueue"
        | "getPlayQueueByIndex"
        | "getInternetRadioStations"
        | "getChatMessages" => get,
        "getSong"
        | "getLyricsBySongId"
        | "getSonicSimilarTracks"
        | "getSimilarSongs"
        | "getSimilarSongs2"
        | "getAlbumInfo"
        | "getAlbumInfo2"
        | "getArtistInfo"
        | "getArtistInfo2"
        | "scrobble"
        | "star"
        | "unstar"
        | "download"
        | "stream"
        | "hls.m3u8" => id,
        "hlsPart" => get.part("pass", "no.such.pass").part("stream", "a192").part("file", "0.aac"),
        "picture" => get.part("pass", "no.such.pass").part("size", "300"),
        "findSonicPath" => get.q("startSongId", &things.song).q("endSongId", &things.song),
        "getTopSongs" => get.q("id", &things.artist),
        "search" => get.q("title", "Canary").q("count", "20"),
        "getRandomSongs" => get.q("size", "10"),
        "getAlbum" => get.q("id", &things.album),
        "getArtist" => get.q("id", &things.artist),
        "getMusicDirectory" => get.q("id", &things.folder),
        "getAlbumList" | "getAlbumList2" => get.q("type", "alphabeticalByName").q("size", "10").q("offset", "0"),
        "getSongsByGenre" => get.q("genre", &things.genre).q("count", "10"),
        "search2" | "search3" => get.q("query", "Canary").q("songCount", "20"),
        "createPlaylist" => get.q("name", "a list").q("songId", &things.song),
        "deletePlaylist" | "getPlaylist" => get.q("id", &things.playlist),
        "updatePlaylist" => get.q("playlistId", &things.playlist).q("name", "another").q("songIdToAdd", &things.song),
        "getCoverArt" => get.q("id", &things.album).q("size", "100"),
        "getLyrics" => get.q("artist", "Canary").q("title", "Canary"),
        "setRating" => id.q("rating", "3"),
        "createShare" => id.q("description", "words").q("expires", "4073000000000"),
        "updateShare" => get.q("id", &things.share).q("description", "other words").q("expires", "4073000000000"),
        "deleteShare" => get.q("id", &things.share),
        "getUser" | "getAvatar" => get.q("username", "ann"),
        // Nobody's: among the wrong credentials are the admin's, which are right for these.
        "deleteUser" => get.q("username", "noone"),
        "changePassword" => get.q("username", "noone").q("password", "another password"),
        "updateUser" => get.q("username", "noone").q("adminRole", "true").q("email", "other@example.org"),
        "createUser" => get.q("username", "new").q("password", "a new password").q("email", "new@example.org"),
        "reportPlayback" => {
            get.q("mediaId", &things.song).q("mediaType", "song").q("positionMs", "0").q("state", "playing")
        }
        "createBookmark" => id.q("position", "1000").q("comment", "words"),
        "deleteBookmark" => id,
        "savePlayQueue" => id.q("current", &things.song).q("position", "1000"),
        "savePlayQueueByIndex" => id.q("currentIndex", "0").q("position", "1000"),
        "addChatMessage" => get.q("message", "words"),
        "createInternetRadioStation" => get.q("name", "a station").q("streamUrl", "https://radio.example/a"),
        "updateInternetRadioStation" => {
            get.q("id", "s0000000000000000").q("name", "a station").q("streamUrl", "https://radio.example/a")
        }
        "deleteInternetRadioStation" => get.q("id", "s0000000000000000"),
        "getVideos" => get,
        "getVideoInfo" | "getCaptions" => id,
        "getTranscodeDecision" => {
            let plays = json!({"name": "test", "platform": "test", "directPlayProfiles": [{}]});
            get.q("mediaId", &things.song).q("mediaType", "song").json(plays)
        }
        "getTranscodeStream" => {
            get.q("mediaId", &things.song).q("mediaType", "song").q("transcodeParams", "no.such.params")
        }
        "jukeboxControl" => get.q("action", "get"),
        // Not offered: whatever they are asked, it is refused after the sign-in.
        "getPodcastEpisode"
        | "createPodcastChannel"
        | "deletePodcastChannel"
        | "deletePodcastEpisode"
        | "downloadPodcastEpisode"
        | "getNewestPodcasts"
        | "getPodcasts"
        | "refreshPodcasts" => id.q("username", "ann"),
        _ => return None,
    })
}

/// Where a file of the target's lies: in its share, or in Ann's own tree.
fn uri(things: &Things, target: &Target, path: &[&str]) -> String {
    let root = match target.share.is_empty() {
        true => format!("cloudreve://{}@my/{}", things.ann, things.folder_name),
        false => format!("cloudreve://{}@share", target.share),
    };
    path.iter().fold(root, |uri, name| format!("{uri}/{name}"))
}

fn cloudreve(things: &Things, target: &Target, route: &Route) -> Option<Ask> {
    let get = Ask::get("");
    let nobodys = Target::default();
    // Only calls that a share's visitors make are asked about the target; the others are for Ann's own files.
    let target = if route.access == Access::Share { target } else { &nobodys };
    let file = uri(things, target, &[&things.file_name]);
    let folder = uri(things, target, &[]);
    let new = uri(things, target, &["new.txt"]);
    let share = json!({
        "uri": file, "is_private": true, "password": "shareWord1", "downloads": 5, "expire": 86400, "share_view": false,
        "show_readme": false,
    });
    Some(match route.name {
        "getSitePing" | "getUserMe" | "getUserCapacity" | "getUserSetting" | "deleteFileTrash" => get,
        "getSiteConfig" => get.part("section", "basic"),
        "getSessionPrepare" => get.q("email", "ann"),
        "postSessionToken" => get.json(json!({"email": "ann", "password": "not her password"})),
        "deleteSessionToken" | "postSessionTokenRefresh" => get.json(json!({"refresh_token": "no.such.token"})),
        "getUserInfo" | "getUserAvatar" => get.part("id", &things.ann),
        "patchUserSetting" => get.json(json!({"share_links_in_profile": "hide_share"})),
        "getUserShares" => get.part("id", &things.ann).q("page_size", "50"),
        "getFile" => get.q("uri", &folder).q("page_size", "50"),
        "getFileInfo" => get.q("uri", &file).q("extended", "true"),
        "postFileCreate" => get.json(json!({"uri": uri(things, target, &["made"]), "type": "folder"})),
        "postFileRename" => get.json(json!({"uri": file, "new_name": "renamed.txt"})),
        "postFileMove" => get.json(json!({"uris": [file], "dst": "cloudreve://my/empty", "copy": true})),
        "deleteFile" => get.json(json!({"uris": [file]})),
        "postFileRestore" => get.json(json!({"uris": [format!("cloudreve://trash/{}", things.file)]})),
        "postFileUrl" => get.json(json!({"uris": [file], "download": true})),
        "getFileThumb" => get.q("uri", &uri(things, target, &[&things.image_name])),
        "getFileContent" | "headFileContent" => {
            get.part("id", &things.file).part("speed", "0").part("name", &things.file_name).q("sign", "no.such.sign")
        }
        "getFileArchiveZip" => get.part("session", "noSuchSession").q("sign", "no.such.sign"),
        "putFileSource" => get.json(json!({"uris": [file]})),
        "deleteFileSource" => get.part("id", &things.link),
        "getDirectLink" | "getDirectLinkDownload" => get.part("id", &things.link).part("name", &things.file_name),
        "putFileContent" => get.q("uri", &file).bytes("application/octet-stream", "new content"),
        "putFileUpload" => get.json(json!({"uri": new, "size": 3, "last_modified": 1_700_000_000_000_i64})),
        "postFileUpload" => {
            get.part("session", &things.upload).part("index", "0").bytes("application/octet-stream", "0123456789")
        }
        "deleteFileUpload" => get.json(json!({"id": things.upload, "uri": new})),
        "patchFileMetadata" => {
            get.json(json!({"uris": [file], "patches": [{"key": "tag:words", "value": "#fff"}, {"key": "props:1", "remove": true}]}))
        }
        "patchFileView" => {
            let view = json!({"page_size": 100, "order": "name", "order_direction": "asc", "view": "grid", "columns": []});
            get.json(json!({"uri": folder, "view": view}))
        }
        "putFilePin" | "deleteFilePin" => get.json(json!({"uri": folder, "name": "words"})),
        "postFileVersionCurrent" | "deleteFileVersion" => {
            get.json(json!({"uri": file, "version": format!("{}-1", things.file)}))
        }
        "putFileViewerSession" => {
            get.json(json!({"uri": file, "version": "", "viewer_id": "monaco", "preferred_action": "view"}))
        }
        "putShare" => get.json(share),
        "getShare" => get.q("page_size", "50"),
        "deleteShares" => get.json(json!({"ids": [things.share]})),
        "postShare" => get.part("id", &things.share).json(share),
        // Nobody's: an administrator ends anybody's.
        "deleteShare" => get.part("id", "noSuchShare00000000000"),
        "getShareInfo" => get.part("id", &target.share).q("count_views", "true").q("owner_extended", "true"),
        "getDevicesDav" => get.q("page_size", "50"),
        "putDevicesDav" | "patchDevicesDav" => get.part("id", "w0000000000000000").json(json!({
            "uri": folder, "name": "an app", "readonly": true, "proxy": false, "disable_sys_files": true,
        })),
        "deleteDevicesDav" => get.part("id", "w0000000000000000"),
        "deleteFileLock" => get.json(json!({"tokens": ["urn:uuid:00000000-0000-4000-8000-000000000000"]})),
        "getFileArchive" => get.q("uri", &file).q("text_encoding", "utf8"),
        "getWorkflow" => get.q("page_size", "50").q("category", "general").q("next_page_token", ""),
        "getWorkflowProgress" | "deleteWorkflowDownload" => get.part("id", "tNoSuchTask000000"),
        "patchWorkflowDownload" => {
            get.part("id", "tNoSuchTask000000").json(json!({"files": [{"index": 1, "download": true}]}))
        }
        "postWorkflowArchive" => get.json(json!({"src": [file], "dst": uri(things, target, &["made.zip"])})),
        "postWorkflowExtract" => get.json(json!({
            "src": [file], "dst": folder, "encoding": "utf8", "password": null, "file_mask": ["a"],
        })),
        "postWorkflowDownload" => get.json(json!({"src": ["http://127.0.0.1:9/file"], "src_file": "", "dst": folder})),
        "postWorkflowRelocate" => get.json(json!({"src": [file], "dst_policy_id": "local"})),
        "postWorkflowImport" => get.json(json!({
            "src": "/etc", "dst": "/", "user_id": things.ann, "recursive": true, "policy_id": 1,
        })),
        "patchFilePolicy" => get.json(json!({"uri": folder, "policy_id": "local"})),
        "postSiteAbuse" => {
            get.json(json!({"category": 1, "share_id": things.share, "file_uri": folder, "description": "spam"}))
        }
        "getUserCreditChanges" | "getUserPayments" => get.q("page_size", "10"),
        "getGroupList" => get,
        "postFilePermission" => get.json(json!({"uris": [file], "setting": {"everyone": "AQ=="}})),
        "deleteFilePermission" => get.json(json!({"uris": [file]})),
        "putVasPayment" => {
            get.json(json!({"product": {"type": 1, "share_link_id": things.share}, "quantity": 1, "provider_id": ""}))
        }
        "getVasPaymentStatus" => get.part("id", "noSuchPayment").part("trade", "20260101000000"),
        "getVasGiftcode" | "postVasGiftcodeRedeem" => get.part("code", "d6695b49-1eca-4975-813f-0dafd90c1705"),
        // Without a client's id: a stream would have no end.
        "getFileEvents" => get.q("uri", &folder),
        "getFileActivities" => get.q("uri", &file).q("page_size", "50").q("filter", "updates"),
        name if name.contains("Admin") => administration(name),
        "getSiteCaptcha"
        | "getSessionOauthUserinfo"
        | "getUserSetting2fa"
        | "getUserSettingNodes"
        | "getUserSettingPolicies" => get,
        "postSessionToken2fa" => get.json(json!({"otp": "000000", "session_id": "no.such.session"})),
        "getSessionOauthApp" | "deleteSessionOauthGrant" => get.part("id", OAUTH[0].1),
        "postSessionOauthConsent" => {
            get.json(OAUTH.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>().into())
        }
        "postSessionOauthToken" => get.form(&[
            ("client_id", OAUTH[0].1),
            ("client_secret", "wrong"),
            ("grant_type", "authorization_code"),
            ("code", "no.such.code"),
            ("code_verifier", "x"),
        ]),
        "putSessionAuthn" | "putUserAuthn" => get,
        "postSessionAuthn" => get.json(json!({"response": "{}", "session_id": "no.such.session"})),
        "postUserAuthn" => get.json(json!({"response": "{}", "name": "{browser} on {os}", "ua": "none"})),
        "deleteUserAuthn" => get.q("id", "no-such-passkey"),
        "postUser" => get.json(json!({"email": "new@example.org", "password": "a new password", "language": "en-US"})),
        "postUserReset" => get.json(json!({"email": "nobody@example.org"})),
        "patchUserReset" => {
            get.part("id", &things.ann).json(json!({"password": "a new password", "secret": "no.such.secret"}))
        }
        "getUserActivate" | "getUserSessionCopy" => get.part("id", &things.ann).q("sign", "no.such.sign"),
        "getUserSearch" => get.q("keyword", "Canary"),
        "putUserSettingAvatar" => get.bytes("application/octet-stream", "no picture"),
        "getFileSearch" => get.q("query", "Canary"),
        "postWorkflowRebuildFtsIndex" => get,
        "unknown" => get.part("*rest", "no/such/call"),
        "putSessionOpenid" => get.json(json!({"provider": 2, "linking": true, "hint": "ann@example.org"})),
        "postSessionOpenid" => get.json(json!({"provider_id": 2, "code": "no.such.code", "session_id": "no.such.state"})),
        "deleteSessionOpenid" => get.part("id", "2"),
        _ => return None,
    })
}

/// Of what nobody has: among the wrong credentials are the admin's, which are right for these.
fn administration(name: &str) -> Ask {
    let get = Ask::get("").part("id", "999999");
    let list = json!({
        "page": 1, "page_size": 50, "order_by": "", "order_direction": "asc", "conditions": {"user_nick": "nobody"},
        "searches": {},
    });
    match name {
        "getAdminSummary" => get.q("generate", "true"),
        "postAdminSettings" => get.json(json!({"keys": ["siteName", "siteDes"]})),
        "patchAdminSettings" => get.json(json!({"settings": {"siteDes": "words"}})),
        "putAdminGroup" | "putAdminGroupOf" => {
            get.json(json!({"group": {"name": "", "permissions": "", "speed_limit": 0}}))
        }
        "putAdminUser" | "putAdminUserOf" => get.json(json!({"user": {"nick": "nobody", "status": "active"}})),
        "putAdminPolicy" | "putAdminPolicyOf" => get.json(json!({"policy": {
            "name": "", "type": "local", "max_size": 0, "settings": {"file_type": ["exe"], "file_regexp": "("},
        }})),
        "putAdminNodeOf" => get.json(json!({"node": {"name": "", "capabilities": "Hg=="}})),
        "postAdminToolThumbExecutable" => get.json(json!({"name": "ffmpeg", "executable": "/bin/sh"})),
        "putAdminFileOf" => get.json(json!({"file": {"name": "renamed.txt"}})),
        name if name.ends_with("BatchDelete") => get.json(json!({"ids": [999_999]})),
        name if name.starts_with("get") || name.starts_with("delete") => get,
        _ => get.json(list),
    }
}

fn multipart(meta: &Value, content: &str) -> Vec<u8> {
    format!("--x\r\nContent-Type: application/json\r\n\r\n{meta}\r\n--x\r\n\r\n{content}\r\n--x--\r\n").into_bytes()
}

fn mycloud(things: &Things, target: &Target, name: &str) -> Option<Ask> {
    const RELATED: &str = "multipart/related; boundary=x";
    let get = Ask::get("").part("deviceId", &things.device);
    let file = Ask::get("").part("deviceId", &things.device).part("id", &things.file);
    let owner = format!("auth0|{}", things.ann);
    let permission = json!({
        "fileID": things.file, "entity": {"id": things.auth_id, "type": "cloudShare"}, "value": "ReadFile",
    });
    let made = json!({"name": "made.txt", "parentID": things.folder, "mTime": "2020-01-02T03:04:05.000Z"});
    Some(match name {
        "getConfig" | "getConfigV2" | "authorize" | "userinfo" | "getUserInfoV1" | "getDevice" | "getUsersOfDevice"
        | "sdkDevice" | "listShares" => get,
        "keySet" | "openidConfiguration" => get,
        "getUserByEmail" => get.q("email", "ann"),
        "getDevicesOfUser" => get.part("userId", &owner),
        "oauthToken" => get.json(json!({"grant_type": "password", "username": "ann", "password": "not her password"})),
        "oauthRo" => get.json(json!({"username": "ann", "password": "not her password", "connection": "x"})),
        "postShares" => get.json(json!({
            "deviceId": things.device, "fileIds": [things.file], "ownerId": owner, "metadata": {"a": 1}, "useCache": false,
        })),
        "getShare" => get.part("shareId", &target.share),
        "patchShare" => get.part("shareId", &things.share).json(json!({"metadata": {"b": 2}, "useCache": true, "userIds": []})),
        "deleteShare" => get.part("shareId", &things.share),
        "postActivityStart" => get.json(json!({})),
        "postBatch" => get.bytes(
            "multipart/mixed; boundary=x",
            format!("--x\r\nContent-Type: application/http\r\n\r\nDELETE /sdk/v2/files/{} HTTP/1.1\r\n\r\n\r\n--x--\r\n", things.file),
        ),
        "postFilePerms" | "deleteFilePerms" => get.json(permission),
        "getFilePerms" => get.q("fileID", &things.file),
        "deleteFilePerm" => get.part("id", &format!("{}.s.{}", things.file, things.auth_id)),
        "getFilesZip" => get.q("ids", &things.folder),
        "getFile" => file.q("pretty", "true").q("fields", "id,name,size"),
        "searchParents" => get.q("ids", &things.folder).q("limit", "100").q("order", "asc").q("orderBy", "name").q("pageToken", ""),
        "searchParentAndName" => get.q("parentID", &things.folder).q("name", &things.file_name),
        "searchText" => get.q("q", "Canary").q("limit", "10"),
        "getContent" | "getContentV3" => file.q("download", "true"),
        "postFiles" => get.q("resolveNameConflict", "true").bytes(RELATED, multipart(&made, "content")),
        "postResumable" => get.q("done", "false").q("offset", "0").bytes(RELATED, multipart(&made, "")),
        "putResumableContent" => get.part("id", &things.upload).q("offset", "0").q("done", "true").bytes("application/octet-stream", "abc"),
        "postFileResumable" => file.q("offset", "0").q("done", "true").q("truncate", "true").bytes("application/octet-stream", "abc"),
        "putContent" => file.bytes("application/x-www-form-urlencoded", "new content"),
        "patchFile" | "patchFileByPost" => file.json(json!({"name": "renamed.txt", "mTime": "2020-01-02T03:04:05.000Z"})),
        "getResumable" => get.part("id", &things.upload),
        "copyFile" => file.json(json!({"destinationParentID": "root"})),
        "postFileCopies" => get.json(json!({"sourceIDs": [things.file], "targetID": things.folder})),
        "getFileCopies" => file,
        "deleteFile" => file,
        _ => return None,
    })
}

const PROPFIND: &str = r#"<propfind xmlns="DAV:"><allprop/><include><quota-used-bytes/></include></propfind>"#;
const PROPPATCH: &str =
    r#"<propertyupdate xmlns="DAV:"><set><prop><a xmlns="urn:x">b</a></prop></set></propertyupdate>"#;
const LOCK: &str = r#"<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>"#;

fn webdav(things: &Things, target: &Target, route: &Route) -> Option<Ask> {
    const XML: &str = "application/xml";
    let name = route.name.strip_suffix("InShare").unwrap_or(route.name);
    let base = match route.access == Access::Share {
        true => format!("/s/{}/-/dav", part(&target.share)),
        false => "/dav".to_owned(),
    };
    let folder = Ask::get("").part("id", &target.share).part("*path", &things.folder_name);
    let at = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| part(name)).collect();
        Ask::get(&format!("{base}/{}", names.join("/")))
    };
    let private = at(&[&things.folder_name, &things.file_name]);
    let file = if route.access == Access::Share { at(&[&things.file_name]) } else { private };
    Some(match name {
        "options" => folder,
        "get" | "head" => file,
        "propfind" => folder.header("depth", "1").bytes(XML, PROPFIND),
        "proppatch" => file.bytes(XML, PROPPATCH),
        "put" => at(&["sent-by-dav.txt"]).bytes("application/octet-stream", "abc"),
        "mkcol" => at(&["made-by-dav"]),
        "copy" => file.header("destination", &format!("{base}/copied.txt")),
        "move" => at(&["copied.txt"]).header("destination", &format!("{base}/moved.txt")),
        "delete" => file,
        "lock" => at(&["sent-by-dav.txt"]).header("timeout", "Second-1").bytes(XML, LOCK),
        "unlock" => file.header("lock-token", "<urn:uuid:00000000-0000-4000-8000-000000000000>"),
        _ => return None,
    })
}
