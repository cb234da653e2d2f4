// Plays the tracks of a share's page one after the other.
//
// The list in the page is the playlist: each [data-track] holds a link to its sound, and may hold data-stream, which is
// the same in a format that every browser plays. While that is being made it has neither length nor parts: the page's own
// data-seconds stand in for the one, and whoever seeks in it loads it again, whole by then. Two <audio> elements take turns: while
// one plays, the other loads the track that follows and is started a moment before the end, since starting it at `ended`
// leaves a gap that can be heard. A list without data-preload spends a download on every track that is loaded: there each
// track is loaded when its turn comes, gap or not.

const rows = [...document.querySelectorAll("[data-track]")];
const list = document.querySelector(".tracks");
const mayPreload = list.hasAttribute("data-preload");
const LEAD_S = 0.02;
const JUMP_S = 5;

const tracks = rows.map((row) => ({
  row,
  link: row.querySelector(".name"),
  title: row.dataset.title,
  artist: row.dataset.artist,
  album: list.dataset.album,
  cover: row.dataset.cover || list.dataset.cover,
  seconds: Number(row.dataset.seconds) || 0,
  waveform: row.dataset.waveform,
  stream: row.dataset.stream,
  isPlayable: !row.dataset.stream || new Audio().canPlayType(row.dataset.type) !== "",
}));

const soundOf = (track) => (track.isPlayable ? track.link.href : track.stream);

let bar = null;
let current = -1;
let playing = new Audio();
let waiting = new Audio();
let waitingFor = -1;
let handover = 0;
let failures = 0;
let isSeeking = false;
let peaks = [];

const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const pad = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
};

const find = (selector) => bar.querySelector(selector);
const length = () => (Number.isFinite(playing.duration) && playing.duration) || tracks[current]?.seconds || 0;

function showBar() {
  if (bar) return;
  document.body.append(document.getElementById("player").content.cloneNode(true));
  bar = document.querySelector(".player");
  const actions = { previous, toggle, next };
  for (const button of bar.querySelectorAll("[data-do]")) {
    button.addEventListener("click", actions[button.dataset.do]);
  }
  const seek = find(".seek input");
  seek.addEventListener("input", () => {
    isSeeking = true;
    showTime(Number(seek.value));
  });
  seek.addEventListener("change", () => {
    isSeeking = false;
    seekTo(Number(seek.value));
  });
  const volume = find(".volume input");
  volume.value = remembered("volume", 1);
  const setVolume = () => {
    playing.volume = waiting.volume = Number(volume.value);
    remember("volume", volume.value);
  };
  volume.addEventListener("input", setVolume);
  setVolume();
  const shortcuts = find(".shortcuts input");
  shortcuts.checked = remembered("shortcuts", 1) === 1;
  shortcuts.addEventListener("change", () => remember("shortcuts", shortcuts.checked ? 1 : 0));
}

// Storage is refused in some private windows; the player does without.
function remembered(name, otherwise) {
  try {
    const value = localStorage.getItem(`openshelf.${name}`);
    return value === null ? otherwise : Number(value);
  } catch {
    return otherwise;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`openshelf.${name}`, value);
  } catch {
    // see `remembered`
  }
}

function play(index) {
  if (!tracks[index]) return;
  showBar();
  clearTimeout(handover);
  handover = 0;
  const before = playing;
  const lengthBefore = length();
  if (waitingFor === index) {
    [playing, waiting] = [waiting, playing];
  } else {
    playing.pause();
    playing.src = soundOf(tracks[index]);
  }
  waitingFor = -1;
  current = index;
  // A track that was handed over runs out by itself: pausing it would cut off its last milliseconds.
  const isRunningOut = lengthBefore - before.currentTime < 0.2;
  if (before !== playing && !isRunningOut) before.pause();
  start();
  showTrack();
}

function start() {
  // Refused until a tap (NotAllowedError), another track was chosen meanwhile (AbortError), or reported by `error` as well.
  playing.play().catch(showState);
}

function toggle() {
  if (current < 0) play(0);
  else if (playing.error) play(current);
  else if (playing.paused) start();
  else playing.pause();
}

function next() {
  if (current + 1 < tracks.length) play(current + 1);
}

function previous() {
  if (playing.currentTime > 3 || current <= 0) seekTo(0);
  else play(current - 1);
}

function seekTo(seconds) {
  if (current < 0) return;
  clearTimeout(handover);
  handover = 0;
  const to = Math.min(Math.max(0, seconds), Math.max(0, length() - 0.2));
  const { seekable } = playing;
  const isThere = seekable.length > 0 && seekable.end(seekable.length - 1) >= to;
  if (!isThere && !Number.isFinite(playing.duration)) {
    const isPaused = playing.paused;
    playing.src = soundOf(tracks[current]);
    if (!isPaused) start();
  }
  playing.currentTime = to;
  showTime(to);
}

function prepareNext() {
  const index = current + 1;
  if (!mayPreload) return;
  if (waitingFor === index || !tracks[index]) return;
  // The element that was handed over may still be playing its end.
  if (!waiting.paused && !waiting.ended) return;
  waiting.preload = "auto";
  waiting.src = soundOf(tracks[index]);
  waitingFor = index;
}

function onTime() {
  if (!isSeeking) showTime(playing.currentTime);
  const left = length() - playing.currentTime;
  if (playing.paused || !length()) return;
  if (left < 30 || playing.currentTime > 5) prepareNext();
  if (left < 1 && !handover && waitingFor === current + 1) {
    handover = setTimeout(next, Math.max(0, left - LEAD_S) * 1000);
  }
}

function onEnded() {
  if (current + 1 < tracks.length) {
    next();
  } else {
    showState();
  }
}

function onError() {
  if (!playing.getAttribute("src")) return;
  const track = tracks[current];
  if (track.isPlayable && track.stream) {
    // A name does not tell what is in a file.
    track.isPlayable = false;
    playing.src = track.stream;
    start();
    return;
  }
  failures += 1;
  say(`“${tracks[current].title}” cannot be played.`);
  showState();
  if (failures < 3 && current + 1 < tracks.length) handover = setTimeout(next, 1500);
}

function say(text) {
  find(".said").textContent = text;
}

for (const audio of [playing, waiting]) {
  audio.preload = "auto";
  const whenPlaying = (act) => () => audio === playing && act();
  audio.addEventListener("timeupdate", whenPlaying(onTime));
  audio.addEventListener("durationchange", whenPlaying(() => showTime(playing.currentTime)));
  audio.addEventListener("ended", whenPlaying(onEnded));
  audio.addEventListener("play", whenPlaying(showState));
  audio.addEventListener("pause", whenPlaying(() => {
    clearTimeout(handover);
    handover = 0;
    showState();
  }));
  audio.addEventListener("playing", whenPlaying(() => {
    failures = 0;
    say("");
  }));
  audio.addEventListener("error", () => {
    if (audio === playing) onError();
    // Tried again, and reported, when its turn comes.
    else waitingFor = -1;
  });
}

function showTrack() {
  const track = tracks[current];
  for (const { row, link } of tracks) {
    row.classList.toggle("current", row === track.row);
    if (row === track.row) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  find(".title").textContent = track.title;
  find(".artist").textContent = track.artist;
  const art = find(".art");
  art.hidden = !track.cover;
  if (track.cover) art.src = track.cover;
  find("[data-do=next]").disabled = current + 1 >= tracks.length;
  document.title = `${track.title} · ${track.artist || track.album || "Openshelf"}`;
  showWaveform(track);
  showTime(0);
  if ("mediaSession" in navigator) {
    navigator.mediaSession.metadata = new MediaMetadata({
      title: track.title,
      artist: track.artist,
      album: track.album,
      artwork: track.cover ? [{ src: new URL(track.cover, location.href).href }] : [],
    });
  }
}

async function showWaveform(track) {
  peaks = [];
  find(".wave").hidden = true;
  if (!track.waveform) return;
  try {
    const answer = await fetch(track.waveform);
    if (!answer.ok) return;
    const waveform = await answer.json();
    if (track !== tracks[current]) return;
    peaks = waveform.peaks;
    find(".wave").hidden = peaks.length === 0;
    showTime(playing.currentTime);
  } catch {
    // the slider does without
  }
}

function drawWaveform(done) {
  const wave = find(".wave");
  const { width, height } = wave;
  const ink = wave.getContext("2d");
  const { color, borderColor } = getComputedStyle(wave);
  ink.clearRect(0, 0, width, height);
  const loudest = Math.max(1, ...peaks);
  for (const [n, peak] of peaks.entries()) {
    const tall = Math.max(2, (peak / loudest) * height);
    ink.fillStyle = n / peaks.length < done ? color : borderColor;
    ink.fillRect((n * width) / peaks.length, (height - tall) / 2, Math.max(1, width / peaks.length), tall);
  }
}

function showState() {
  if (!bar) return;
  const isPlaying = !playing.paused && !playing.ended && !playing.error;
  bar.classList.toggle("is-playing", isPlaying);
  find("[data-do=toggle]").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  if ("mediaSession" in navigator) navigator.mediaSession.playbackState = isPlaying ? "playing" : "paused";
}

function showTime(seconds) {
  if (!bar) return;
  const whole = length();
  const seek = find(".seek input");
  seek.max = Math.max(1, Math.floor(whole));
  if (!isSeeking) seek.value = Math.floor(seconds);
  seek.setAttribute("aria-valuetext", `${clock(seconds)} of ${clock(whole)}`);
  seek.style.setProperty("--done", `${(100 * seek.value) / seek.max}%`);
  if (peaks.length) drawWaveform(seek.value / seek.max);
  find(".at").textContent = clock(seconds);
  find(".of").textContent = clock(whole);
  if (whole && "mediaSession" in navigator && navigator.mediaSession.setPositionState) {
    navigator.mediaSession.setPositionState({ duration: whole, position: Math.min(seconds, whole) });
  }
}

if ("mediaSession" in navigator) {
  const handlers = {
    play: toggle,
    pause: toggle,
    previoustrack: previous,
    nexttrack: next,
    seekto: (details) => seekTo(details.seekTime),
    seekbackward: (details) => seekTo(playing.currentTime - (details.seekOffset || JUMP_S)),
    seekforward: (details) => seekTo(playing.currentTime + (details.seekOffset || JUMP_S)),
  };
  for (const [action, handler] of Object.entries(handlers)) {
    try {
      navigator.mediaSession.setActionHandler(action, handler);
    } catch {
      // a browser that does not know this action
    }
  }
}

for (const [index, { row }] of tracks.entries()) {
  row.addEventListener("click", (event) => {
    // Other buttons and keys keep the link's own meaning, and so does the download beside it.
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (event.target.closest(".get, audio")) return;
    event.preventDefault();
    if (index === current) toggle();
    else play(index);
  });
}

const all = document.querySelector("[data-play-all]");
if (all) {
  all.hidden = false;
  all.addEventListener("click", () => {
    play(0);
    // Where the space bar pauses, instead of beginning again.
    find("[data-do=toggle]").focus({ preventScroll: true });
  });
}

document.addEventListener("keydown", (event) => {
  if (current < 0 || !find(".shortcuts input").checked) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
  const isField = event.target.closest("input, textarea, select, [contenteditable]");
  const isControl = event.target.closest("button, summary, label");
  if (isField || (isControl && event.key === " ")) return;
  const keys = {
    " ": toggle,
    ArrowLeft: () => seekTo(playing.currentTime - JUMP_S),
    ArrowRight: () => seekTo(playing.currentTime + JUMP_S),
    n: next,
    p: previous,
  };
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
