//! What a share may grant follows what its owner may do now.

use openshelf::account::User;
use openshelf::error::{Error, Thing};
use openshelf::library::Library;
use openshelf::share::visit::Visitor;
use openshelf::share::{Bits, Door, Share, Shared, Subject, Wish};
use openshelf::store::{accounts, library, music, rights};
use openshelf::work::sharing::{self, Contents};
use tempfile::TempDir;

use crate::both_engines;
use crate::fixture::Fixture;
use crate::server::Server;

/// Everyone gets these rights in the library, in place of those they had.
async fn everyone_may(server: &Server, library: &Library, bits: Bits) {
    let key = library.key;
    server.app.db.write(move |tx| rights::set(tx, key, &Subject::Everyone, bits)).await.unwrap();
}

/// An album of the library, and the folder at its top.
async fn things(server: &Server, library: &Library, user: &User) -> Vec<Shared> {
    let (key, user) = (library.key, user.clone());
    let read = server.app.db.read(move |tx| {
        let scope = rights::scope(tx, &user)?;
        let artist = music::leading_artists(tx, &scope)?.remove(0).1;
        let album = music::albums_of(tx, &scope, artist)?.remove(0).key;
        let root = library::root_item(tx, key)?;
        let folder = library::children(tx, root.key)?.remove(0);
        Ok(vec![Shared::Item(folder.key), Shared::Album(album), Shared::Artist(artist)])
    });
    read.await.unwrap()
}

/// Whether a guest finds anything in the share. One of an album stays, and is empty.
async fn gives(server: &Server, share: &Share) -> bool {
    let id = share.id.clone();
    let guest = Visitor::guest([127, 0, 0, 1].into(), "guest");
    let open = server.app.db.read(move |tx| {
        let (facts, _) = sharing::open(tx, &id, &guest)?;
        let contents = sharing::contents_for(tx, &facts, &guest)?;
        Ok(!matches!(contents, Contents::Set(items) if items.is_empty()))
    });
    match open.await {
        Ok(gives) => gives,
        Err(Error::NotFound(Thing::Share)) => false,
        Err(error) => panic!("{error}"),
    }
}

both_engines! {
    async fn who_may_only_read_makes_no_share_and_a_share_dies_with_its_owners_right(backend: Backend) {
        let server = Server::start(&backend);
        let folder = TempDir::new().unwrap();
        Fixture::build(folder.path());
        let library = server.add_library("music", folder.path());
        let admin = server.app.db.read(|tx| accounts::by_login(tx, "admin")).await.unwrap().unwrap();
        let things = things(&server, &library, &admin).await;

        let make = async |thing: Shared| {
            sharing::create(&server.app, &admin, Door::Page, vec![thing], Wish::default()).await
        };
        let server_of = &server;
        for thing in things {
            everyone_may(server_of, &library, Bits::READ.and(Bits::SHARE)).await;
            let share = make(thing).await.unwrap();
            assert!(gives(server_of, &share).await, "{thing:?}");
            everyone_may(server_of, &library, Bits::READ).await;
            assert!(!gives(server_of, &share).await, "{thing:?}");
            assert!(matches!(make(thing).await, Err(Error::Forbidden(_))), "{thing:?}");
            everyone_may(server_of, &library, Bits::NONE).await;
            let missing = make(thing).await.unwrap_err();
            let thing_of = |error: &Error| matches!(error, Error::NotFound(Thing::Folder | Thing::File | Thing::Album | Thing::Artist));
            assert!(thing_of(&missing), "{missing}");
        }
    }
}
