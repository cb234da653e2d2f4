//! `openshelf share`: one command, one link.

use std::sync::Arc;

use super::control::Server;
use super::order::{self, Order, Reply};
use super::serve::{self, Started};
use super::{Bar, print};
use crate::config::Config;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

/// Prints the link. Through the server that runs, or else serving until stopped.
pub fn share(config: Config, order: Order, form: Form, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
    let bar = Bar::default();
    if let Some(server) = Server::find(&config.data)? {
        let (base, reply) = server.run(&order, bar.progress())?;
        bar.clear();
        return show(&base, &reply, form);
    }
    let started = Started::new(config, runtime)?;
    let app = Arc::clone(&started.app);
    let outcome = runtime.block_on(order::run(&app, order, bar.progress()));
    bar.clear();
    let reply = outcome?;
    let base = started.base.clone();
    let mut shown = Ok(());
    runtime.block_on(started.serve(|| {
        shown = show(&base, &reply, form);
        if form == Form::Text {
            println!("Serving until you press Ctrl-C.");
        }
    }))?;
    serve::close(app);
    shown
}

fn show(base: &str, reply: &Reply, form: Form) -> anyhow::Result<()> {
    match (form, reply) {
        (Form::Json, Reply::Share(share)) => println!("{}", print::json(base, share)),
        (Form::Text, Reply::Share(share)) => print::link(base, share)?,
        (_, reply) => print::reply(base, reply),
    }
    Ok(())
}
