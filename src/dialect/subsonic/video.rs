//! Films: which there are, what is in one, and the captions beside it.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::{Method, header};
use axum::response::Response;

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use crate::error::{Error, Result, Thing};
use crate::http::{deliver, put_header};
use crate::library::music::Marked;
use crate::library::names::ending_at;
use crate::library::{Item, Media};
use crate::media::captions::{self, Form};
use crate::media::hls::Stream;
use crate::share::Shared;
use crate::share::grant::{Action, Grant, Scope};
use crate::store::{Tx, library, marks, music};
use crate::work::sharing;

pub async fn get_videos(asked: Asked) -> Result<Payload> {
    let video = asked
        .read(|tx, scope| {
            let films = library::films(tx, scope)?;
            let marked: Vec<Marked> = films.iter().map(|(film, _)| Marked::Item(film.key)).collect();
            let marks: HashMap<_, _> = marks::of(tx, scope.user(), &marked)?.into_iter().collect();
            let child = |(film, folder_id): &(Item, Option<String>)| {
                let mark = marks.get(&Marked::Item(film.key)).copied().unwrap_or_default();
                Child::of_item(film, folder_id.as_deref(), &mark)
            };
            Ok(films.iter().map(child).collect())
        })
        .await?;
    Ok(Payload::Videos(Videos { video }))
}

/// An item by its public id.
fn named(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Item> {
    match music::named(tx, scope, id)? {
        Shared::Item(key) => library::item(tx, key)?.ok_or(Error::NotFound(Thing::File)),
        _ => Err(Error::NotFound(Thing::File)),
    }
}

/// What is named as the film is goes before what names a language as well: whoever asks by the film names none.
fn captions_beside(tx: &mut Tx, film: &Item) -> Result<Vec<(Form, Item)>> {
    let beside = library::beside(tx, film)?.into_iter();
    let mut captions: Vec<_> = beside.filter_map(|item| Some((Form::of(&item.suffix())?, item))).collect();
    captions.sort_by_key(|(_, item)| stem(&item.shown) != stem(&film.shown));
    Ok(captions)
}

fn stem(name: &str) -> &str {
    &name[..ending_at(name)]
}

/// `de` of `Film.de.srt` beside `Film.mkv`; all of the name where nothing stands between.
fn name_of(film: &Item, captions: &Item) -> String {
    let (film, captions) = (stem(&film.shown), stem(&captions.shown));
    captions.strip_prefix(film).and_then(|rest| rest.strip_prefix('.')).unwrap_or(captions).to_owned()
}

pub async fn get_video_info(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let (grant, captions) = asked
        .read(move |tx, scope| {
            let film = named(tx, scope, &id)?;
            if film.media != Media::Video {
                return Err(Error::NotFound(Thing::File));
            }
            let captions = captions_beside(tx, &film)?;
            Ok((sharing::own_item(tx, &user, &visitor, film, Action::Preview)?, captions))
        })
        .await?;
    let film = grant.item().clone();
    // Without ffprobe, or of a broken film, nothing is known of what is in it.
    let probe = deliver::probe(&asked.call, &grant).await.unwrap_or_default();
    let audio_track = probe.sounds.iter().enumerate().map(|(number, sound)| AudioTrack {
        id: number.to_string(),
        name: sound.title.clone().or(sound.language.clone()).unwrap_or_else(|| sound.codec.clone()),
        language_code: sound.language.clone(),
    });
    let films = if asked.call.app.renditions.transcodes() { Stream::films(&probe) } else { Vec::new() };
    let conversion =
        films.into_iter().filter_map(|stream| Some(Conversion { id: stream.name(), bit_rate: stream.film_kbps()? }));
    Ok(Payload::VideoInfo(VideoInfo {
        captions: captions
            .iter()
            .map(|(_, item)| Captions { id: item.id.clone(), name: name_of(&film, item) })
            .collect(),
        audio_track: audio_track.collect(),
        conversion: conversion.collect(),
        id: film.id,
    }))
}

/// By the id of a film, as the protocol has it, or of one of its captions, as `getVideoInfo` tells them.
pub async fn get_captions(asked: Asked) -> Result<Response> {
    let id = asked.params.need("id")?.to_owned();
    let wanted = match asked.params.get("format").filter(|format| !format.is_empty()) {
        None => None,
        Some(format) => Some(Form::of(format).ok_or_else(|| Error::invalid("format", "it is srt or vtt"))?),
    };
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let (form, grant): (Form, Grant) = asked
        .read(move |tx, scope| {
            let item = named(tx, scope, &id)?;
            let all = match Form::of(&item.suffix()) {
                Some(form) => vec![(form, item)],
                None if item.media == Media::Video => captions_beside(tx, &item)?,
                None => Vec::new(),
            };
            let best = all.iter().find(|(form, _)| Some(*form) == wanted).or(all.first());
            let (form, item) = best.ok_or(Error::NotFound(Thing::File))?;
            Ok((*form, sharing::own_item(tx, &user, &visitor, item.clone(), Action::Preview)?))
        })
        .await?;
    let form = wanted.unwrap_or(form);
    let text = captions::made(&deliver::text(&grant, captions::FILE_BYTES_MAX).await?, form);
    let is_head = asked.call.parts.method == Method::HEAD;
    let mut response = Response::new(if is_head { Body::empty() } else { Body::from(text) });
    put_header(&mut response, header::CONTENT_TYPE, form.mime());
    put_header(&mut response, header::CACHE_CONTROL, "private, no-cache");
    put_header(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put_header(&mut response, header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    Ok(response)
}
