//! The real server on a free port of this machine, in this process.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use openshelf::App;
use openshelf::account::{Allowed, Roles, User};
use openshelf::cli;
use openshelf::config::{Given, Switch};
use openshelf::library::Library;
use openshelf::store::library::Access;
use openshelf::work::{libraries, signin};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::engines::Backend;

pub const ADMIN: &str = "admin";
pub const ADMIN_MAIL: &str = "admin@openshelf.local";
pub const PASSWORD: &str = "correct horse";
/// For what the server does in the background and after its answers: far longer than any of it takes on a machine that
/// does nothing else. A test that waits for all of it has failed.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Serves until it is dropped, then drains. Its data folder goes with it.
///
/// It has a runtime of its own, on a thread of its own, so that it may be started and dropped anywhere in a test.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub app: Arc<App>,
    _data: TempDir,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// With the user [`ADMIN`], whose password is [`PASSWORD`] and who has an empty home; without libraries.
    pub fn start(backend: &Backend) -> Server {
        Server::start_with(backend, |_| ())
    }

    /// The same with other settings; the database stays the backend's.
    pub fn start_with(backend: &Backend, settings: impl FnOnce(&mut Given)) -> Server {
        let data = TempDir::new().unwrap();
        let mut given = Given {
            data: Some(data.path().join("data")),
            listen: Some(([127, 0, 0, 1], 0).into()),
            // Two processors have enough to do.
            sound_analysis: Some(Switch::Off),
            full_text: Some(Switch::Off),
            program: Some(env!("CARGO_BIN_EXE_openshelf").into()),
            ..Given::default()
        };
        settings(&mut given);
        let mut config = given.resolve(None).unwrap();
        config.database = backend.database().clone();

        let (stop, stopped) = oneshot::channel();
        let (started, start) = std::sync::mpsc::channel::<(Arc<App>, SocketAddr, Handle)>();
        let thread = thread::spawn(move || {
            let app = App::open(config).unwrap();
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(app.config.listen).await.unwrap();

                let first = Arc::clone(&app);
                tokio::spawn(async move {
                    signin::add_user(&first, ADMIN, ADMIN_MAIL, PASSWORD, Allowed::of(Roles::ALL)).await.unwrap();
                })
                .await
                .unwrap();
                started.send((Arc::clone(&app), listener.local_addr().unwrap(), Handle::current())).unwrap();
                let stop = async {
                    let _ = stopped.await;
                };
                cli::serve::run(Arc::clone(&app), listener, stop).await;
            });
            drop(runtime);
            app.db.close();
        });
        let Ok((app, address, runtime)) = start.recv() else {
            std::panic::resume_unwind(thread.join().unwrap_err());
        };
        Server { url: format!("http://{address}"), app, _data: data, runtime, stop: Some(stop), thread: Some(thread) }
    }

    /// Serves `path` as a library that everyone may read and share, and returns once it is scanned.
    pub fn add_library(&self, name: &str, path: impl AsRef<Path>) -> Library {
        let (app, path, name) = (Arc::clone(&self.app), path.as_ref().to_owned(), name.to_owned());
        self.run(async move {
            let library = libraries::add_folder(&app, &path, Some(&name), Access::ReadOnly).await.unwrap();
            libraries::scan(&app, &library, |_| ()).await.unwrap();
            library
        })
    }

    /// Returns once the library is scanned again.
    pub fn scan(&self, library: &Library) {
        let (app, library) = (Arc::clone(&self.app), library.clone());
        self.run(async move { libraries::scan(&app, &library, |_| ()).await.unwrap() });
    }

    /// A user without any role; [`PASSWORD`] is theirs too. The mail address is `{name}@openshelf.local`.
    pub fn add_user(&self, name: &str) -> User {
        let (app, name) = (Arc::clone(&self.app), name.to_owned());
        self.run(async move {
            let mail = format!("{name}@openshelf.local");
            signin::add_user(&app, &name, &mail, PASSWORD, Allowed::of(Roles::USER)).await.unwrap()
        })
    }

    /// Follows no redirect and keeps no cookie, so that a test sees each answer as it is.
    pub fn client(&self) -> reqwest::Client {
        http().redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }

    /// Runs work on the server's own runtime, from wherever the test is.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (answer, answered) = std::sync::mpsc::channel();
        self.runtime.spawn(async move { answer.send(work.await) });
        answered.recv().expect("the work does not panic")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// What every client of the tests begins as: reqwest builds none before it is told who encrypts, though nothing here does.
pub fn http() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}
