//! How fast bytes may leave: a cap for the server, one for each share that has one, and whose turn it is under them.
//!
//! Under a cap, guests take turns by the bytes they had, not by connections: fifty connections of one guest get as much as the
//! one of another. A cap is of this process; each node has its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::share::{LEAST_RATE_BYTES_S, ShareKey};
use crate::size::{bytes_in, written_bytes};

/// What a line that stood idle may make up for. It also hides that timers come late.
const CATCH_UP: Duration = Duration::from_millis(100);
/// At most this part of a second's bytes is given at once, so that guests wait for their turns, not for whole blocks.
const TURNS_A_SECOND: u64 = 8;
const LEAST_TURN_BYTES: u64 = 1024;

/// Bytes per second, of which a share gives some each second at the least.
pub fn parse_rate(text: &str) -> Result<i64> {
    bytes_in(text)
        .and_then(|rate| i64::try_from(rate).ok())
        .filter(|rate| *rate >= LEAST_RATE_BYTES_S)
        .ok_or_else(|| Error::invalid("rate", "bytes per second, from 1K on, such as 500K or 2M"))
}

/// As [`parse_rate`] reads it.
pub fn rate_text(rate_bytes_s: i64) -> String {
    written_bytes(rate_bytes_s.unsigned_abs())
}

/// The caps in force.
#[derive(Default)]
pub struct Pace {
    server: Option<Arc<Line>>,
    shares: Mutex<HashMap<ShareKey, Weak<Line>>>,
}

impl Pace {
    pub fn new(server_rate: Option<i64>) -> Pace {
        Pace { server: server_rate.map(|rate| Arc::new(Line::new(rate))), shares: Mutex::default() }
    }

    /// What a transfer of this guest has to wait for; none where nothing is capped. Rates are in bytes per second. A
    /// share's newest rate holds for all its transfers.
    pub fn of(&self, shares: impl IntoIterator<Item = (ShareKey, i64)>, guest: &str) -> Option<Turns> {
        let rates: BTreeMap<ShareKey, i64> = shares.into_iter().collect();
        let mut lines: Vec<Arc<Line>> = rates.into_iter().map(|(share, rate)| self.line(share, rate)).collect();
        lines.extend(self.server.clone());
        (!lines.is_empty()).then(|| Turns { lines, guest: guest.into(), passed: 0, waiting: None, paid_bytes: 0 })
    }

    fn line(&self, share: ShareKey, rate: i64) -> Arc<Line> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = shares.get(&share).and_then(Weak::upgrade) {
            line.lock().rate = rate.unsigned_abs().max(1);
            return line;
        }
        shares.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(Line::new(rate));
        shares.insert(share, Arc::downgrade(&line));
        line
    }
}

/// One transfer's way through the lines before it.
pub struct Turns {
    lines: Vec<Arc<Line>>,
    guest: Arc<str>,
    /// Lines that let this turn pass.
    passed: usize,
    waiting: Option<(u64, oneshot::Receiver<()>)>,
    paid_bytes: u64,
}

impl Turns {
    /// How many bytes may be sent now, at least one, after `sent_bytes` and towards `left_bytes` more. Who sends more than
    /// that pays for it with the next turn. Needs a tokio runtime.
    pub fn poll(&mut self, cx: &mut Context<'_>, sent_bytes: u64, left_bytes: u64) -> Poll<u64> {
        while self.paid_bytes <= sent_bytes {
            let bytes = match &mut self.waiting {
                Some((bytes, turn)) => {
                    // A line that went away holds nobody up.
                    let _ = ready!(Pin::new(turn).poll(cx));
                    let bytes = *bytes;
                    self.waiting = None;
                    self.passed += 1;
                    bytes
                }
                None => {
                    let most = self.lines.iter().map(|line| line.lock().turn_bytes()).min().unwrap_or(left_bytes);
                    left_bytes.min(most).max(1) + (sent_bytes - self.paid_bytes)
                }
            };
            match self.lines.get(self.passed) {
                Some(line) => self.waiting = Some((bytes, line.ask(&self.guest, bytes))),
                None => {
                    self.passed = 0;
                    self.paid_bytes += bytes;
                }
            }
        }
        Poll::Ready(self.paid_bytes - sent_bytes)
    }
}

/// Those who wait for one cap. While somebody waits, one task gives turns.
struct Line(Mutex<Queue>);

impl Line {
    fn new(rate: i64) -> Line {
        Line(Mutex::new(Queue::new(rate.unsigned_abs(), Instant::now())))
    }

    /// Done when it is this guest's turn for so many bytes. Whoever drops it leaves the line, and nothing was spent.
    fn ask(self: &Arc<Line>, guest: &Arc<str>, bytes: u64) -> oneshot::Receiver<()> {
        let (give, turn) = oneshot::channel();
        let mut queue = self.lock();
        queue.ask(guest, bytes, give);
        if !queue.is_served && queue.serve(Instant::now()).is_some() {
            queue.is_served = true;
            drop(queue);
            tokio::spawn(Arc::clone(self).serve());
        }
        turn
    }

    async fn serve(self: Arc<Line>) {
        loop {
            let next = {
                let mut queue = self.lock();
                let next = queue.serve(Instant::now());
                queue.is_served = next.is_some();
                next
            };
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => return,
            }
        }
    }

    /// A panic while the lock was held leaves at worst one turn ungiven.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rules of a line, without a clock: bytes per second, and fairness by start time ("start-time fair queueing").
struct Queue {
    rate: u64,
    /// When the bytes given so far are paid for.
    free_at: Instant,
    /// What the guest served last had had when its turn began. Who comes anew starts here, and so can save up nothing.
    level_bytes: u64,
    guests: HashMap<Arc<str>, Guest>,
    is_served: bool,
}

#[derive(Default)]
struct Guest {
    had_bytes: u64,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

impl Queue {
    fn new(rate: u64, now: Instant) -> Queue {
        Queue { rate: rate.max(1), free_at: now, level_bytes: 0, guests: HashMap::new(), is_served: false }
    }

    fn turn_bytes(&self) -> u64 {
        (self.rate / TURNS_A_SECOND).max(LEAST_TURN_BYTES)
    }

    fn ask(&mut self, guest: &Arc<str>, bytes: u64, give: oneshot::Sender<()>) {
        let level_bytes = self.level_bytes;
        let guest = self.guests.entry(Arc::clone(guest)).or_default();
        if guest.waiting.is_empty() {
            guest.had_bytes = guest.had_bytes.max(level_bytes);
        }
        guest.waiting.push_back((bytes, give));
    }

    /// Gives the turns that are due. Says when the next one is; none when nobody waits.
    fn serve(&mut self, now: Instant) -> Option<Instant> {
        loop {
            // Those who left spend nothing, and who had more than the others is remembered until they catch up.
            let level_bytes = self.level_bytes;
            self.guests.retain(|_, guest| {
                while guest.waiting.front().is_some_and(|(_, give)| give.is_closed()) {
                    guest.waiting.pop_front();
                }
                !guest.waiting.is_empty() || guest.had_bytes > level_bytes
            });
            let waiting = self.guests.values_mut().filter(|guest| !guest.waiting.is_empty());
            let guest = waiting.min_by_key(|guest| guest.had_bytes)?;
            if self.free_at > now {
                return Some(self.free_at);
            }
            let (bytes, give) = guest.waiting.pop_front()?;
            if give.send(()).is_ok() {
                self.level_bytes = guest.had_bytes;
                guest.had_bytes += bytes;
                let takes = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
                let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
                self.free_at = self.free_at.max(earliest) + takes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets these guests' connections ask again as soon as they had their turn, for so many seconds of a made-up clock;
    /// how many bytes each guest had.
    fn run(rate: u64, turn_bytes: u64, guests: &[(&str, usize)], seconds: u64) -> HashMap<String, u64> {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut queue = Queue::new(rate, start);
        let mut connections: Vec<(Arc<str>, Option<oneshot::Receiver<()>>)> =
            guests.iter().flat_map(|(name, count)| (0..*count).map(|_| (Arc::from(*name), None))).collect();
        let mut had = HashMap::new();
        let mut now = start;
        while now < end {
            for (guest, turn) in &mut connections {
                let done = match turn {
                    Some(turn) => turn.try_recv().is_ok(),
                    None => true,
                };
                if done {
                    if turn.is_some() {
                        *had.entry(guest.to_string()).or_default() += turn_bytes;
                    }
                    let (give, asked) = oneshot::channel();
                    queue.ask(guest, turn_bytes, give);
                    *turn = Some(asked);
                }
            }
            now = queue.serve(now).expect("somebody waits").max(now + Duration::from_millis(1));
        }
        had
    }

    #[test]
    fn a_rate_reads_back_as_it_was_written_and_is_no_less_than_the_least() {
        for (text, rate) in [("2M", 2_000_000), (" 1500 ", 1_500), ("1K", LEAST_RATE_BYTES_S)] {
            assert_eq!(parse_rate(text).unwrap(), rate);
            assert_eq!(parse_rate(&rate_text(rate)).unwrap(), rate);
        }
        for text in ["", "M", "999", "0", "-2M", "1.5M", "9223372036854775808"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cap_is_kept_within_a_twentieth() {
        for (rate, turn_bytes) in [(20_000_000, 256 * 1024), (100_000, 12_500), (1_000, 1_024)] {
            let had: u64 = run(rate, turn_bytes, &[("a", 3), ("b", 1)], 60).values().sum();
            let (least, most) = (rate * 60 * 95 / 100, rate * 60 * 105 / 100);
            assert!((least..=most).contains(&had), "{had} bytes at {rate} a second");
        }
    }

    #[test]
    fn fifty_connections_of_one_guest_get_as_much_as_one_of_another() {
        let had = run(10_000_000, 100_000, &[("greedy", 50), ("modest", 1), ("third", 7)], 30);
        let (most, least) = (had.values().max().unwrap(), had.values().min().unwrap());
        assert_eq!(had.len(), 3);
        assert!(most - least <= 200_000, "{had:?}");
    }

    #[test]
    fn who_was_away_has_saved_up_nothing() {
        let start = Instant::now();
        let mut queue = Queue::new(1_000, start);
        let (long, new): (Arc<str>, Arc<str>) = ("long there".into(), "new".into());
        let ask = |queue: &mut Queue, guest: &Arc<str>| {
            let (give, turn) = oneshot::channel();
            queue.ask(guest, 1_000, give);
            turn
        };
        let mut now = start;
        for _ in 0..100 {
            let mut turn = ask(&mut queue, &long);
            now += Duration::from_secs(1);
            queue.serve(now);
            turn.try_recv().unwrap();
        }
        let mut turns: Vec<_> = (0..20).map(|n| ask(&mut queue, if n % 2 == 0 { &long } else { &new })).collect();
        for _ in 0..10 {
            now += Duration::from_secs(1);
            queue.serve(now);
        }
        let served = turns.iter_mut().enumerate().filter_map(|(n, turn)| turn.try_recv().is_ok().then_some(n % 2));
        let of_new: usize = served.sum();
        assert!((4..=6).contains(&of_new), "{of_new} of 10 turns");
    }

    #[test]
    fn who_leaves_the_line_spends_nothing_and_is_forgotten() {
        let start = Instant::now();
        let mut queue = Queue::new(1_000, start);
        for n in 0..100 {
            let (give, turn) = oneshot::channel();
            queue.ask(&format!("guest {n}").into(), 1_000_000, give);
            drop(turn);
        }
        let (give, mut turn) = oneshot::channel();
        queue.ask(&"stays".into(), 1_000, give);
        assert_eq!(queue.serve(start), None);
        assert!(turn.try_recv().is_ok());
        assert!(queue.guests.len() <= 1);
    }

    #[tokio::test]
    async fn a_transfer_passes_its_share_and_the_server_and_pays_for_what_it_took_too_much() {
        let pace = Pace::new(Some(1 << 40));
        let mut turns = pace.of([(ShareKey(1), 1 << 40), (ShareKey(1), 1 << 40)], "guest").unwrap();
        assert_eq!(turns.lines.len(), 2, "a share that is named twice is one");
        let mut ask = async |sent, left| std::future::poll_fn(|cx| turns.poll(cx, sent, left)).await;
        assert_eq!(ask(0, 1000).await, 1000);
        assert_eq!(ask(400, 600).await, 600, "what was paid for is not paid twice");
        assert_eq!(ask(3000, 500).await, 500, "after 2000 bytes too many");
        assert_eq!(turns.paid_bytes, 3500);
        assert!(Pace::default().of([], "guest").is_none());
    }

    #[tokio::test]
    async fn a_share_has_one_line_for_all_its_transfers_and_its_newest_rate_holds() {
        let pace = Pace::default();
        let first = pace.of([(ShareKey(1), 1_000)], "a").unwrap();
        let second = pace.of([(ShareKey(1), 80_000)], "b").unwrap();
        assert!(Arc::ptr_eq(&first.lines[0], &second.lines[0]));
        assert_eq!(first.lines[0].lock().turn_bytes(), 10_000);
        drop((first, second));
        let _other = pace.of([(ShareKey(2), 1_000)], "a").unwrap();
        assert_eq!(pace.shares.lock().unwrap().len(), 1, "lines that nobody stands in are forgotten");
    }
}
