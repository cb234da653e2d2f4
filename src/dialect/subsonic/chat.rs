//! A board on which all users write.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use crate::error::{Error, Result};
use crate::now_ms;
use crate::store::chat;

const LONGEST_CHARS: usize = 1000;

pub async fn add_chat_message(asked: Asked) -> Result<Payload> {
    let message = match asked.params.need("message")?.trim() {
        "" => return Err(Error::Missing("message")),
        message if message.chars().count() > LONGEST_CHARS => {
            return Err(Error::invalid("message", format!("at most {LONGEST_CHARS} characters")));
        }
        message => message.to_owned(),
    };
    let author = asked.user.key;
    asked.call.app.db.write(move |tx| chat::add(tx, author, &message, now_ms())).await.map(|()| Payload::Empty)
}

/// The latest first: Ultrasonic turns the list round.
pub async fn get_chat_messages(asked: Asked) -> Result<Payload> {
    let since_ms = asked.params.ms("since")?.unwrap_or(0);
    let messages = asked.call.app.db.read(move |tx| chat::since(tx, since_ms, now_ms())).await?;
    Ok(Payload::ChatMessages(ChatMessages { chat_message: messages.into_iter().map(ChatMessage::of).collect() }))
}
