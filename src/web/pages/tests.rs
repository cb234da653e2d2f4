use askama::Template;

use super::*;

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}";

fn hostile() -> String {
    HOSTILE.to_owned()
}

fn share() -> SharePage {
    SharePage {
        base: "/shelf".to_owned(),
        id: "4fJ8sKq2LmN0pQrStUvWxY".to_owned(),
        public_url: Some("https://files.example/shelf".to_owned()),
        title: "Summer demos".to_owned(),
        owner: "Mira".to_owned(),
        description: Some("Rough mixes".to_owned()),
        holds: Holds { folders: 1, files: 2, size_bytes: 2_500_000, tracks: 1, duration_s: 61 },
        expires_ms: Some(1_796_306_700_000),
        downloads_left: Some(1),
        path: vec![],
        album: Some(Album {
            title: "Demos".to_owned(),
            artist: Some("The Low Tide".to_owned()),
            year: Some(2026),
            cover_item_id: Some("aCover".to_owned()),
        }),
        folders: vec![FolderRow {
            item_id: "dMore".to_owned(),
            name: "More".to_owned(),
            modified_ms: None,
            entries: Some(1),
        }],
        tracks: vec![track("Salt")],
        files: vec![file("notes.txt", Kind::Text)],
        downloads: Downloads::Allowed { zip_size_bytes: Some(2_600_000) },
        is_one_file: false,
        renders: Renders::No,
        after: None,
        upload: None,
        price: None,
    }
}

fn track(title: &str) -> TrackRow {
    TrackRow {
        item_id: "fTrack".to_owned(),
        number: Some(1),
        disc: None,
        title: title.to_owned(),
        artist: Some("The Low Tide".to_owned()),
        duration_ms: Some(61_250),
        mime: "audio/flac".to_owned(),
        size_bytes: 1_000_000,
        has_cover: true,
    }
}

fn file(name: &str, kind: Kind) -> FileRow {
    FileRow {
        item_id: "fFile".to_owned(),
        name: name.to_owned(),
        size_bytes: 1_500_000,
        modified_ms: Some(0),
        mime: "text/plain".to_owned(),
        kind,
    }
}

fn drop_box() -> UploadForm {
    UploadForm {
        action: "/s/a/-/upload".to_owned(),
        uploads: "/s/a/-/uploads".to_owned(),
        of: UploadOf::Box {
            asks_name: true,
            name: hostile(),
            most_file_bytes: Some(2_000_000),
            most_total_bytes: Some(1),
            most_files: Some(7),
            types: vec!["jpg".to_owned()],
            receipt: "/s/a/-/receipt".to_owned(),
            sent: 2,
        },
    }
}

/// Whether the page holds only tags of its own and no text that leaves its place.
fn assert_tame(page: &str) {
    assert!(!page.contains("<script>"), "a script came through: {page}");
    assert!(!page.contains("<img src=x"), "an element came through: {page}");
    assert!(!page.contains("\"'>"), "an attribute was closed: {page}");
    assert!(!page.contains('\u{202e}'), "text can be reordered: {page}");
    assert!(page.contains("&#60;script&#62;"), "the text itself is gone: {page}");
    assert!(!page.contains(" style="), "the policy refuses inline style: {page}");
}

#[test]
fn hostile_texts_of_a_share_appear_as_text() {
    let page = SharePage {
        id: hostile(),
        title: hostile(),
        owner: hostile(),
        description: Some(hostile()),
        path: vec![Crumb { item_id: hostile(), name: hostile() }, Crumb { item_id: hostile(), name: hostile() }],
        album: Some(Album { title: hostile(), artist: Some(hostile()), year: None, cover_item_id: Some(hostile()) }),
        folders: vec![FolderRow { item_id: hostile(), name: hostile(), modified_ms: Some(i64::MAX), entries: None }],
        tracks: vec![TrackRow { item_id: hostile(), artist: Some(format!("2 {HOSTILE}")), ..track(HOSTILE) }],
        files: vec![FileRow { item_id: hostile(), ..file(HOSTILE, Kind::Other) }],
        after: Some(hostile()),
        ..share()
    };
    assert_tame(&page.render().unwrap());
    let top = SharePage { path: vec![], album: None, ..page };
    assert_tame(&top.render().unwrap());
    let files: Vec<FileRow> = (0..4).map(|_| FileRow { item_id: hostile(), ..file(HOSTILE, Kind::Image) }).collect();
    assert_tame(&SharePage { tracks: vec![], files, ..top }.render().unwrap());
}

#[test]
fn hostile_texts_appear_as_text_on_the_owners_pages() {
    let row = ShareRow {
        id: hostile(),
        title: hostile(),
        link: hostile(),
        created_ms: 0,
        expires_ms: None,
        views: 0,
        view_limit: None,
        downloads: 0,
        download_limit: None,
        has_password: false,
        state: ShareState::Open,
    };
    let shares = SharesPage {
        base: String::new(),
        user: hostile(),
        notice: Some(HOSTILE.trim_end_matches('\u{202e}').to_owned()),
        shares: vec![ShareRow { link: "https://files.example/s/a".to_owned(), ..row }],
        made: Some(MadeShare { title: hostile(), link: "https://files.example/s/a".to_owned(), has_password: false }),
        after: Some(hostile()),
    };
    assert_tame(&shares.render().unwrap());
    let files = FilesPage {
        base: String::new(),
        user: hostile(),
        path: vec![Crumb { item_id: "d".to_owned(), name: hostile() }],
        folders: vec![],
        files: vec![file(HOSTILE, Kind::Other)],
        after: None,
        nothing_ticked: false,
        upload: Some(UploadForm {
            action: "/app/files".to_owned(),
            uploads: "/app/uploads".to_owned(),
            of: UploadOf::Own { folder_item_id: Some("d".to_owned()) },
        }),
        uploaded: Some(1),
    };
    assert_tame(&files.render().unwrap());
    let drop = DropPage {
        base: String::new(),
        title: hostile(),
        owner: hostile(),
        description: Some(hostile()),
        expires_ms: Some(0),
        upload: drop_box(),
    };
    assert_tame(&drop.render().unwrap());
    assert_tame(&DropPage { title: String::new(), ..drop }.render().unwrap());
    let sent = SentRow { name: hostile(), size_bytes: 1, sha256: Some("ab".to_owned()), sent_ms: 0 };
    let receipt = ReceiptPage {
        base: String::new(),
        id: hostile(),
        title: hostile(),
        owner: hostile(),
        sender: Some(hostile()),
        sent: vec![sent],
    };
    assert_tame(&receipt.render().unwrap());
    let keys = KeysPage {
        base: String::new(),
        user: hostile(),
        keys: vec![KeyRow { id: hostile(), name: hostile(), created_ms: 0, last_used_ms: None }],
        made: None,
        problem: None,
    };
    assert_tame(&keys.render().unwrap());
    let account = AccountPage {
        base: String::new(),
        user: hostile(),
        picture: Some(0),
        has_second_factor: true,
        openid: Some(LinkedOpenId { name: hostile(), linked_ms: Some(0), problem: Some(hostile()) }),
        apps: vec![LetInApp { id: "app".to_owned(), name: hostile() }],
        problem: Some(hostile()),
    };
    assert_tame(&account.render().unwrap());
}

#[test]
fn a_form_gives_back_what_was_typed_to_the_letter() {
    let page = ShareFormPage {
        base: String::new(),
        user: "Mira".to_owned(),
        of: FormOf::New { item_ids: vec!["fFile".to_owned()] },
        item_names: vec![],
        has_password: true,
        fields: ShareFields {
            title: "a \"b\" <c>\u{202e}".to_owned(),
            description: "</textarea>".to_owned(),
            slug: String::new(),
            password_is: PasswordIs::Set,
            password: "Secret1".to_owned(),
            expires: local_time(1_796_306_700_000),
            view_limit: "many".to_owned(),
            download_limit: "5".to_owned(),
            rate: "2M".to_owned(),
            mode: FormMode::Listen,
            downloads_allowed: false,
            drop_box: DropFields { most_file: "many\"".to_owned(), ..DropFields::default() },
        },
        problem: Some(FormProblem { field: "slug".to_owned(), message: "Taken".to_owned() }),
    }
    .render()
    .unwrap();
    assert!(page.contains("value=\"a &#34;b&#34; &#60;c&#62;\u{202e}\""));
    assert!(page.contains(">&#60;/textarea&#62;</textarea>"));
    assert!(page.contains("value=\"2026-12-03T14:05\""));
    assert!(page.contains("id=\"slug-problem\">Taken"));
    assert!(page.contains("value=\"set\" checked") && page.contains("value=\"Secret1\""));
    assert!(page.contains("value=\"many\"") && page.contains("value=\"5\"") && page.contains("value=\"2M\""));
    assert!(page.contains("value=\"listen\" checked"));
}

#[test]
fn a_locked_page_knows_only_the_owners_name() {
    let page = LockedPage {
        base: "/shelf".to_owned(),
        id: "4fJ8sKq2LmN0pQrStUvWxY".to_owned(),
        owner: "Mira".to_owned(),
        folder_item_id: None,
        problem: Some(LockedProblem::Throttled { retry_after_s: 130 }),
    }
    .render()
    .unwrap();
    assert!(page.contains("Mira") && page.contains("Wait 3 minutes"));
    assert!(page.contains("action=\"/shelf/s/4fJ8sKq2LmN0pQrStUvWxY/-/unlock\""));
    let card: Vec<&str> = page.lines().filter(|line| line.contains("og:title") || line.contains("<title>")).collect();
    assert_eq!(card, ["<title>Shared with you</title>", "<meta property=\"og:title\" content=\"Shared with you\">"]);
    for told in ["og:image", "og:description", "description\"", "/-/cover", "/-/zip", "track", "<template"] {
        assert!(!page.contains(told), "{told} on a locked page");
    }
}

#[test]
fn the_gone_page_is_the_same_every_time_and_names_no_share() {
    let gone = || GonePage { base: String::new() }.render().unwrap();
    assert_eq!(gone(), gone());
    for rest in gone().split("href=\"").skip(1) {
        assert!(rest.starts_with('#') || rest.starts_with("/s/-/"), "{rest}");
    }
}

#[test]
fn every_address_of_a_share_lies_beneath_the_base() {
    let page = share().render().unwrap();
    for attribute in ["href=\"", "src=\"", "action=\"", "data-cover=\""] {
        for rest in page.split(attribute).skip(1) {
            let address = rest.split('"').next().unwrap();
            let is_inside = ["/shelf/s/4fJ8sKq2LmN0pQrStUvWxY", "/shelf/s/-/", "#"].iter();
            assert!(is_inside.clone().any(|start| address.starts_with(start)), "{attribute}{address}");
        }
    }
    assert!(page.contains("content=\"https://files.example/shelf/s/4fJ8sKq2LmN0pQrStUvWxY/-/cover/aCover\""));
    assert!(page.contains("Open until <time datetime=\"2026-12-03T14:05:00Z\">3 Dec 2026, 14:05 UTC</time>"));
    assert!(page.contains("1 track, 1 min") && page.contains("1 download left") && page.contains("(zip, 2.6 MB)"));
}

#[test]
fn without_downloads_no_address_offers_one() {
    let refused = SharePage { downloads: Downloads::Refused, ..share() }.render().unwrap();
    assert!(!refused.contains("download=1") && !refused.contains("/-/zip"));
    assert!(refused.contains("/-/file/fFile") && refused.contains("/-/play/fTrack"));
    let listen = SharePage { downloads: Downloads::ListenOnly, ..share() }.render().unwrap();
    assert!(!listen.contains("/-/file/") && !listen.contains("/-/zip"));
    assert!(listen.contains("/-/play/fTrack") && listen.contains("notes.txt"));
}

#[test]
fn a_share_of_one_file_offers_the_file_and_no_archive() {
    let one = SharePage { folders: vec![], files: vec![], is_one_file: true, ..share() }.render().unwrap();
    assert!(!one.contains("/-/zip"));
    assert!(one.contains("/-/file/fTrack?download=1") && one.contains(">Play<"));
    let empty = SharePage { folders: vec![], tracks: vec![], files: vec![], ..share() }.render().unwrap();
    assert!(!empty.contains("/-/zip"));
}

#[test]
fn a_player_loads_nothing_ahead_where_that_spends_downloads() {
    assert!(!share().render().unwrap().contains("data-preload"));
    assert!(SharePage { downloads_left: None, ..share() }.render().unwrap().contains("data-preload"));
}

#[test]
fn a_player_gets_what_spends_nothing_where_there_is_a_limit_and_the_original_where_there_is_none() {
    let with = SharePage {
        renders: Renders::Yes,
        files: vec![FileRow { mime: "video/mp4".to_owned(), ..file("film.mp4", Kind::Video) }],
        ..share()
    };
    let limited = with.clone().render().unwrap();
    assert!(!limited.contains("/-/play/") && limited.contains("/-/stream/fTrack") && limited.contains("data-preload"));
    assert!(limited.contains("/-/hls/fFile/index.m3u8"));
    let refused = SharePage { downloads: Downloads::Refused, downloads_left: None, ..with.clone() }.render().unwrap();
    assert!(!refused.contains("/-/play/") && refused.contains("/-/stream/fTrack"));
    let free = SharePage { downloads_left: None, ..with.clone() }.render().unwrap();
    assert!(free.contains("/-/play/fTrack") && free.contains("/-/stream/fTrack") && free.contains("/-/play/fFile"));
    let listen = SharePage { downloads: Downloads::ListenOnly, ..with }.render().unwrap();
    assert!(!listen.contains("/-/play/") && listen.contains("/-/stream/fTrack"));
    assert!(!listen.contains("/-/hls/") && listen.contains("film.mp4"));
    let without = SharePage { downloads_left: None, ..share() }.render().unwrap();
    assert!(without.contains("/-/play/fTrack") && !without.contains("/-/stream/") && !without.contains("waveform"));
}

#[test]
fn pictures_become_a_gallery_when_they_are_most_of_a_folder() {
    let page = |images: usize, others: usize| {
        let images = (0..images).map(|_| file("a.jpg", Kind::Image));
        let files = images.chain((0..others).map(|_| file("b.txt", Kind::Text))).collect();
        SharePage { tracks: vec![], files, ..share() }.render().unwrap()
    };
    let only = SharePage {
        folders: vec![],
        tracks: vec![],
        files: vec![file("a.jpg", Kind::Image)],
        is_one_file: true,
        ..share()
    };
    assert!(only.render().unwrap().contains("class=\"gallery one\""));
    assert!(page(4, 3).contains("class=\"gallery\""));
    assert!(!page(4, 4).contains("class=\"gallery\""));
    assert!(!page(2, 0).contains("class=\"gallery\""));
}

#[test]
fn discs_are_named_where_they_begin_if_there_are_several() {
    let page = |discs: &[u32]| {
        let tracks = discs.iter().map(|disc| TrackRow { disc: Some(*disc), ..track("Salt") }).collect();
        SharePage { tracks, ..share() }.render().unwrap()
    };
    assert_eq!(page(&[1, 1, 2, 2]).matches("class=\"disc\"").count(), 2);
    assert_eq!(page(&[1, 1]).matches("class=\"disc\"").count(), 0);
}

#[test]
fn every_asset_that_a_template_names_is_built_in() {
    let pages = [
        share().render().unwrap(),
        SharePage { upload: Some(drop_box()), ..share() }.render().unwrap(),
        GonePage { base: String::new() }.render().unwrap(),
        SharesPage { base: String::new(), user: String::new(), notice: None, shares: vec![], made: None, after: None }
            .render()
            .unwrap(),
    ];
    for page in pages {
        let hrefs = page.split(['"', '\'']).filter_map(|part| part.find("/s/-/").map(|at| &part[at..]));
        assert!(hrefs.clone().count() >= 2);
        for href in hrefs {
            assert!(crate::web::assets::find(href).is_some(), "{href}");
        }
        // An asset with no name leaves the bare base behind.
        assert!(!page.contains("href=\"\"") && !page.contains("src=\"\"") && !page.contains("src=\"/shelf\""));
    }
}

#[test]
fn a_kind_follows_the_mime_type_and_never_calls_svg_a_picture() {
    assert_eq!(Kind::of_mime("image/png"), Kind::Image);
    assert_eq!(Kind::of_mime("image/svg+xml"), Kind::Other);
    assert_eq!(Kind::of_mime("audio/flac"), Kind::Audio);
    assert_eq!(Kind::of_mime("application/zip"), Kind::Archive);
    assert_eq!(Kind::of_mime(""), Kind::Other);
}
