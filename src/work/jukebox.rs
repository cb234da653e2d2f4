//! The jukebox: one list of tracks that is played on the server's own speakers, and that all who may steer.
//!
//! The list is kept here and lasts as long as the server does; the player is given one open file after the other. Each is
//! asked for anew when its turn comes, in the name of the user who put it there.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, mpsc};

use crate::account::token::random_bytes;
use crate::error::{Error, Result};
use crate::media::mpv::{Event, Loaded, Pause, Player};

/// More is no list that anybody listens to.
const ENTRIES_MAX: usize = 5000;
/// Until somebody says otherwise.
const GAIN: f64 = 0.75;

/// A track in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub item_id: String,
    /// Who put it there.
    pub user_id: String,
}

/// Opens a track for whoever put it there, if they may hear it now.
pub type Open = Arc<dyn Fn(Entry) -> BoxFuture<'static, Result<File>> + Send + Sync>;

#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    Start,
    Stop,
    Skip {
        index: usize,
        offset_s: u32,
    },
    /// Replaces the list; what plays goes on.
    Set(Vec<Entry>),
    Add(Vec<Entry>),
    Clear,
    Remove(usize),
    Shuffle,
    /// From 0 to 1.
    Gain(f64),
    /// Changes nothing.
    Status,
}

/// How it is after an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub entries: Vec<Entry>,
    pub index: usize,
    pub is_playing: bool,
    pub gain: f64,
    pub position_s: u32,
}

/// What the settings say of it: off, or on which of mpv's outputs; none is the player's own choice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Output {
    #[default]
    Off,
    Any,
    Named(String),
}

pub struct Jukebox {
    output: Output,
    program: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    entries: Vec<Entry>,
    index: usize,
    gain: f64,
    player: Option<Player>,
    playing: Option<Playing>,
}

/// What the player was given.
struct Playing {
    loaded: Loaded,
    entry: Entry,
    pause: Pause,
    /// The player opens it by our number.
    _file: File,
}

impl Jukebox {
    pub fn new(output: Output, program: Option<PathBuf>) -> Arc<Jukebox> {
        let state = State { entries: Vec::new(), index: 0, gain: GAIN, player: None, playing: None };
        Arc::new(Jukebox { output, program, state: Mutex::new(state) })
    }

    /// Does what it is told. `Unsupported` where there is none, `Invalid` for what is not in the list; then nothing
    /// changes.
    pub async fn obey(self: &Arc<Jukebox>, order: Order, open: Open) -> Result<Status> {
        if self.output == Output::Off {
            return Err(Error::Unsupported("The jukebox (it is turned on with --jukebox)"));
        }
        if self.program.is_none() {
            return Err(Error::Unsupported("The jukebox (it needs mpv, which is not installed)"));
        }
        let mut state = self.state.lock().await;
        match order {
            Order::Status => {}
            Order::Start if state.playing.is_some() => state.set_pause(Pause::Off).await?,
            Order::Start if state.entries.is_empty() => {}
            Order::Start => {
                let index = state.index;
                self.play(&mut state, index, 0, &open).await?;
            }
            Order::Stop => state.set_pause(Pause::On).await?,
            Order::Skip { index, offset_s } => {
                state.check(index)?;
                self.play(&mut state, index, offset_s, &open).await?;
            }
            Order::Set(entries) => {
                check_length(entries.len())?;
                let playing = state.playing.as_ref().map(|playing| &playing.entry.item_id);
                let goes_on = entries.iter().position(|entry| Some(&entry.item_id) == playing);
                state.index = goes_on.unwrap_or(0);
                state.entries = entries;
            }
            Order::Add(entries) => {
                check_length(state.entries.len() + entries.len())?;
                state.entries.extend(entries);
            }
            Order::Clear => {
                state.entries.clear();
                state.index = 0;
                state.unload().await?;
            }
            Order::Remove(index) => {
                state.check(index)?;
                let was_playing = state.playing.as_ref().is_some_and(|playing| playing.pause == Pause::Off);
                state.entries.remove(index);
                if index < state.index {
                    state.index -= 1;
                } else if index == state.index {
                    state.unload().await?;
                    let next = state.index;
                    if next >= state.entries.len() {
                        state.index = 0;
                    } else if was_playing {
                        self.play(&mut state, next, 0, &open).await?;
                    }
                }
            }
            Order::Shuffle => state.shuffle(),
            Order::Gain(gain) => {
                state.gain = gain;
                if let Some(player) = &mut state.player {
                    player.set_gain(gain).await?;
                }
            }
        }
        Ok(state.status().await)
    }

    async fn play(self: &Arc<Jukebox>, state: &mut State, index: usize, offset_s: u32, open: &Open) -> Result<()> {
        let entry = state.entries[index].clone();
        let file = open(entry.clone()).await?;
        let gain = state.gain;
        let player = match &mut state.player {
            Some(player) => player,
            none => {
                let program = self.program.as_deref().ok_or(Error::Unsupported("The jukebox"))?;
                let output = if let Output::Named(name) = &self.output { Some(name.as_str()) } else { None };
                let (mut player, events) = Player::start(program, output)?;
                player.set_gain(gain).await?;
                tokio::spawn(follow(Arc::downgrade(self), events, Arc::clone(open)));
                none.insert(player)
            }
        };
        let loaded = player.load(&file, offset_s).await?;
        state.index = index;
        state.playing = Some(Playing { loaded, entry, pause: Pause::Off, _file: file });
        Ok(())
    }

    /// The next one, when one came to its end; those that cannot be opened any more are passed over.
    async fn go_on(self: &Arc<Jukebox>, ended: Loaded, open: &Open) {
        let mut state = self.state.lock().await;
        let Some(playing) = state.playing.take_if(|playing| playing.loaded == ended) else { return };
        // Of a list that was replaced meanwhile, the first.
        let is_in_list = state.entries.get(state.index).is_some_and(|entry| entry.item_id == playing.entry.item_id);
        let mut next = if is_in_list { state.index + 1 } else { 0 };
        while next < state.entries.len() {
            match self.play(&mut state, next, 0, open).await {
                Ok(()) => return,
                Err(error) => tracing::info!(%error, "the jukebox passes over a track"),
            }
            next += 1;
        }
        state.index = 0;
    }
}

fn follow(jukebox: Weak<Jukebox>, mut events: mpsc::UnboundedReceiver<Event>, open: Open) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        while let Some(event) = events.recv().await {
            let Some(jukebox) = jukebox.upgrade() else { return };
            match event {
                Event::Ended(loaded) => jukebox.go_on(loaded, &open).await,
                Event::Quit => {
                    let mut state = jukebox.state.lock().await;
                    state.player = None;
                    state.playing = None;
                    return;
                }
            }
        }
    })
}

fn check_length(count: usize) -> Result<()> {
    if count > ENTRIES_MAX {
        return Err(Error::invalid("id", format!("the jukebox takes at most {ENTRIES_MAX} tracks")));
    }
    Ok(())
}

impl State {
    fn check(&self, index: usize) -> Result<()> {
        if index >= self.entries.len() {
            return Err(Error::invalid("index", "the jukebox has no such track"));
        }
        Ok(())
    }

    async fn set_pause(&mut self, pause: Pause) -> Result<()> {
        if let (Some(player), Some(playing)) = (&mut self.player, &mut self.playing) {
            player.pause(pause).await?;
            playing.pause = pause;
        }
        Ok(())
    }

    async fn unload(&mut self) -> Result<()> {
        self.playing = None;
        match &mut self.player {
            Some(player) => player.unload().await,
            None => Ok(()),
        }
    }

    /// What plays goes to the top and plays on.
    fn shuffle(&mut self) {
        let playing = self.playing.is_some().then(|| self.entries.remove(self.index.min(self.entries.len() - 1)));
        let mut drawn: Vec<(u64, Entry)> =
            self.entries.drain(..).map(|entry| (u64::from_le_bytes(random_bytes()), entry)).collect();
        drawn.sort_by_key(|(number, _)| *number);
        self.entries = playing.into_iter().chain(drawn.into_iter().map(|(_, entry)| entry)).collect();
        self.index = 0;
    }

    async fn status(&mut self) -> Status {
        let position_s = match (&mut self.player, &self.playing) {
            (Some(player), Some(_)) => player.position_s().await,
            _ => 0,
        };
        Status {
            entries: self.entries.clone(),
            index: self.index,
            is_playing: self.playing.as_ref().is_some_and(|playing| playing.pause == Pause::Off),
            gain: self.gain,
            position_s,
        }
    }
}
