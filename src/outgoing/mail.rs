//! Mail, by the one server that the settings name. Its address is no user's, so it may be in a private network.

use std::time::Duration;

use anyhow::Context;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::config::{Encryption, MailServer};

const TIMEOUT: Duration = Duration::from_secs(30);

pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    pub fn new(server: &MailServer) -> anyhow::Result<Mailer> {
        let tls = || TlsParameters::new(server.host.clone()).context("mail cannot be encrypted");
        let tls = match server.encryption {
            Encryption::None => Tls::None,
            Encryption::AfterGreeting => Tls::Required(tls()?),
            Encryption::FromTheFirstByte => Tls::Wrapper(tls()?),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if let Some(account) = &server.account {
            transport = transport.credentials(Credentials::new(account.user.clone(), account.password.clone()));
        }
        let from = server.from.parse().context("--mail-from takes a mail address")?;
        Ok(Mailer { transport: transport.build(), from })
    }

    /// What fails is noted and nothing else: whoever asked for the mail must not learn whether there was one. Neither the
    /// address nor the text gets into the log.
    pub async fn send(&self, to: &str, subject: &str, text: String) {
        if let Err(why) = self.try_send(to, subject, text).await {
            tracing::warn!(why, "a mail is not sent");
        }
    }

    /// For who may know what became of it. Why it is not sent, in words for an administrator.
    pub async fn try_send(&self, to: &str, subject: &str, text: String) -> Result<(), &'static str> {
        let message = to
            .parse::<Mailbox>()
            .ok()
            .and_then(|to| Message::builder().from(self.from.clone()).to(to).subject(subject).body(text).ok());
        let message = message.ok_or("this is no address that mail is sent to")?;
        self.transport.send(message).await.map(drop).map_err(|cause| match () {
            () if cause.is_timeout() => "the mail server takes too long",
            () if cause.is_permanent() => "the mail server refuses it",
            () if cause.is_transient() => "the mail server does not take it now",
            () if cause.is_tls() => "the connection to the mail server cannot be encrypted",
            () => "the mail server cannot be reached, or not understood",
        })
    }
}
