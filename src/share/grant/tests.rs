//! What a share can and cannot give, whatever its terms and whoever comes.

use proptest::prelude::*;

use super::*;
use crate::account::{Allowed, Profile, Roles, UserState};
use crate::library::ItemKind;

const OWNER: UserKey = UserKey(1);
const LIBRARY: LibraryKey = LibraryKey(7);
/// A folder that is shared, a file in it, and a file beside it.
const TOP: ItemKey = ItemKey(10);
const INSIDE: ItemKey = ItemKey(11);
const BESIDE: ItemKey = ItemKey(12);
const NOW_MS: i64 = 1_000_000;

const ACTIONS: [Action; 11] = [
    Action::See,
    Action::List,
    Action::Preview,
    Action::Stream,
    Action::Play,
    Action::Download,
    Action::Create,
    Action::Update,
    Action::Relocate,
    Action::Delete,
    Action::Share,
];

fn user(key: UserKey, groups: Vec<GroupKey>) -> User {
    User {
        key,
        id: format!("u{}", key.0),
        name: String::new(),
        mail: String::new(),
        display_name: String::new(),
        allowed: Allowed::of(Roles::USER),
        state: UserState::Active,
        profile: Profile::Hidden,
        groups,
        quota_bytes: None,
        points: 0,
        lock_tokens: Vec::new(),
        within: None,
        picture_ms: None,
        epoch: 1,
        created_ms: 0,
    }
}

fn placed(key: ItemKey) -> Placed {
    let kind = if key == TOP { ItemKind::Folder } else { ItemKind::File };
    let library = Library {
        key: LIBRARY,
        id: String::new(),
        name: String::new(),
        kind: LibraryKind::Folder,
        owner: None,
        root: "/".into(),
        only: None,
        writable: true,
        online: true,
        revision: 1,
        scanned_ms: None,
        changed_ms: 0,
    };
    let item = Item {
        key,
        id: key.0.to_string(),
        library: LIBRARY,
        parent: None,
        kind,
        media: Media::None,
        name: Vec::new(),
        shown: String::new(),
        size_bytes: 0,
        modified_ms: 0,
        revision: 1,
        added_ms: 0,
    };
    let chain = if key == INSIDE { vec![INSIDE, TOP] } else { vec![key] };
    Placed {
        item,
        library: Arc::new(library),
        path: Vec::new(),
        chain,
        album: None,
        artists: vec![],
        playlists: vec![],
    }
}

fn shared() -> ShareFacts {
    let mut share = Share::blank("id".into(), OWNER, 0);
    share.items = vec![Shared::Item(TOP)];
    ShareFacts {
        share,
        owner: user(OWNER, vec![GroupKey(1)]),
        owner_rights: vec![(LIBRARY, Bits::ALL)],
        granted: Vec::new(),
        lease: Some(Lease::GoesOn),
        admitted: false,
        bought: false,
    }
}

fn guest() -> Visitor {
    Visitor::guest([192, 0, 2, 1].into(), "test")
}

fn may(facts: &ShareFacts, visitor: &Visitor, key: ItemKey, action: Action) -> Result<()> {
    authorize(Through::Share(facts), visitor, placed(key), action, NOW_MS).map(drop)
}

#[test]
fn the_nearest_row_decides_and_groups_count_together() {
    let (own, one, two) = (Subject::User(UserKey(2)), Subject::Group(GroupKey(1)), Subject::Group(GroupKey(2)));
    let bob = guest().with_user(user(UserKey(2), vec![GroupKey(1), GroupKey(2)]));
    let mut facts = shared();
    // Each row is nearer than those before it.
    let rows = [
        (Subject::Everyone, Bits::DELETE, Bits::DELETE),
        (Subject::Anonymous, Bits::ALL, Bits::DELETE),
        (Subject::Other, Bits::CREATE, Bits::CREATE),
        (Subject::SameGroup, Bits::UPDATE, Bits::UPDATE),
        (one, Bits::READ, Bits::READ),
        (two, Bits::CREATE, Bits::READ.and(Bits::CREATE)),
        (own, Bits::NONE, Bits::NONE),
    ];
    assert_eq!(bits_for(&facts, &bob), Bits::READ);
    for (subject, bits, expected) in rows {
        facts.share.terms.permissions.push((subject.clone(), bits));
        assert_eq!(bits_for(&facts, &bob), expected, "{subject:?}");
    }
    facts.share.terms.permissions = vec![(Subject::Other, Bits::ALL)];
    assert_eq!(bits_for(&facts, &guest()), Bits::READ, "guests are no others");
    facts.share.terms.audience = Audience::Listed;
    assert_eq!(bits_for(&facts, &guest()), Bits::NONE);
}

#[test]
fn a_price_stands_before_all_but_a_look() {
    let mut facts = shared();
    facts.share.terms.price = 5;
    facts.share.terms.permissions = vec![(Subject::Everyone, Bits::BY_SHARE)];
    for action in ACTIONS {
        let key = if action == Action::Create { TOP } else { INSIDE };
        let looks = matches!(action, Action::See | Action::List | Action::Preview);
        match may(&facts, &guest(), key, action) {
            Ok(()) => assert!(looks, "{action:?}"),
            Err(Error::PurchaseNeeded { points: 5 }) => assert!(!looks, "{action:?}"),
            Err(_) => assert_eq!(action, Action::Share),
        }
        let owner = guest().with_user(user(OWNER, Vec::new()));
        assert!(may(&facts, &owner, key, action).is_ok() || action == Action::Share, "{action:?}");
        facts.bought = true;
        assert!(may(&facts, &guest(), key, action).is_ok() || action == Action::Share, "{action:?}");
        facts.bought = false;
    }
}

fn bits() -> impl Strategy<Value = Bits> {
    (0..32i64).prop_map(Bits)
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        Just(Subject::Everyone),
        Just(Subject::Anonymous),
        Just(Subject::Other),
        Just(Subject::SameGroup),
        (1..4i64).prop_map(|key| Subject::User(UserKey(key))),
        (1..4i64).prop_map(|key| Subject::Group(GroupKey(key))),
    ]
}

fn facts() -> impl Strategy<Value = ShareFacts> {
    let mode = prop_oneof![Just(Mode::Read), Just(Mode::Listen), Just(Mode::Drop), Just(Mode::ReadDrop)];
    let rows = prop::collection::vec((subject(), bits()), 0..6);
    (mode, rows, bits(), 0..2i64, any::<[bool; 5]>()).prop_map(|(mode, rows, owner, price, [a, b, c, d, e])| {
        let mut facts = shared();
        let terms = &mut facts.share.terms;
        terms.mode = mode;
        terms.permissions = rows;
        terms.price = price;
        terms.has_password = a;
        terms.audience = if b { Audience::Listed } else { Audience::Anyone };
        facts.share.revoked = c;
        facts.bought = d;
        facts.share.items = if e { vec![Shared::Item(TOP)] } else { vec![Shared::Item(INSIDE)] };
        facts.owner_rights = vec![(LIBRARY, owner)];
        facts
    })
}

proptest! {
    #[test]
    fn a_share_gives_no_more_than_its_terms_and_its_owner(
        facts in facts(), who in 0..4i64, groups in prop::collection::vec((1..4i64).prop_map(GroupKey), 0..3),
        action in prop::sample::select(&ACTIONS[..]), key in prop::sample::select(&[TOP, INSIDE, BESIDE][..]),
    ) {
        let visitor = if who == 0 { guest() } else { guest().with_user(user(UserKey(who), groups)) };
        let share = &facts.share;
        let is_owner = who == OWNER.0;
        if may(&facts, &visitor, key, action).is_ok() {
            prop_assert!(!share.revoked, "it is over");
            prop_assert!(within(share, &placed(key)), "it lies beside");
            prop_assert!(action != Action::Share);
            prop_assert!(facts.owner_may(LIBRARY, Action::Share) && facts.owner_may(LIBRARY, action));
            let sends = action == Action::Create && share.terms.mode.takes_files();
            let shows = share.terms.mode != Mode::Drop;
            if !is_owner {
                let bits = bits_for(&facts, &visitor);
                prop_assert!(bits.has(Bits::READ) && !share.terms.has_password);
                prop_assert!(sends || shows, "a drop box is blind");
                prop_assert!(sends || bits.has(action.needs()));
                let looks = matches!(action, Action::See | Action::List | Action::Preview);
                prop_assert!(sends || looks || share.terms.price == 0 || facts.bought);
            }
            if matches!(action, Action::Relocate | Action::Delete) {
                prop_assert!(!share.items.contains(&Shared::Item(key)), "what is shared keeps its place");
            }
            if action == Action::Create {
                prop_assert!(placed(key).item.is_folder());
            }
        }
    }
}
