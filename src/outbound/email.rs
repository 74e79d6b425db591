//! Mail by SMTP. Must never show the password of the mail server.

use std::fmt;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use uuid::Uuid;

use super::channel_settings::DELIVERY_TIMEOUT;
use super::error_chain::chain;

/// A mail server and the sender of mail.
pub(crate) struct Mailer {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Parses `smtps://user:password@host` and similar addresses; connects only to send.
    pub(crate) fn new(url: &str, from: &str) -> Result<Self, String> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "the address of the mail server (alerting.smtp_url) cannot be used; write smtps://user:password@host, with special characters of the password as %XX")?;
        let from = from.parse().map_err(|error| format!("alerting.from is not a sender address: {error}"))?;
        Ok(Self { server: server.timeout(Some(DELIVERY_TIMEOUT)).build(), from })
    }

    /// Sends one message to the server.
    pub(crate) async fn send(&self, to: &str, id: Uuid, subject: &str, text: &str) -> Result<(), String> {
        let to: Mailbox = to.parse().map_err(|error| format!("it is not an address: {error}"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .message_id(Some(format!("<{id}@tidemill>")))
            .header(ContentType::TEXT_PLAIN)
            .body(text.to_owned())
            .map_err(|error| chain(&error))?;
        let sent = tokio::time::timeout(DELIVERY_TIMEOUT, self.server.send(message)).await;
        match sent {
            Ok(answer) => answer.map(drop).map_err(|error| chain(&error)),
            Err(_) => Err(format!("the mail server did not answer within {} s", DELIVERY_TIMEOUT.as_secs())),
        }
    }
}
