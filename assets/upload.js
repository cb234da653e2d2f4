// Uploads: several at once, large files in parts, resumed after a lost line or a closed browser. Without this script the
// form posts its files by itself.

const AT_ONCE = 4;
const LONGEST_WAIT_MS = 30_000;
// What is hashed whole beforehand: a twin of such a file need not be sent again.
const HASHED_WHOLE_BYTES = 64 * 1024 * 1024;

class Refused extends Error {}
class Held extends Error {}

const sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", left);
      resolve();
    };
    const left = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      reject(new Held());
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    signal.addEventListener("abort", left, { once: true });
  });

async function sha256(blob) {
  // Only where the page came by a secure connection.
  return crypto.subtle ? new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())) : null;
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

// One request. `fetch` cannot tell how much of a body went out.
function request(method, url, body, headers, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    const abort = () => call.abort();
    call.open(method, url);
    for (const [name, value] of Object.entries(headers)) call.setRequestHeader(name, value);
    call.upload.onprogress = (event) => onProgress?.(event.loaded);
    call.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(call.responseText || "{}");
      } catch {}
      resolve({ status: call.status, answer });
    };
    call.onerror = () => reject(new TypeError("no answer"));
    call.onabort = () => reject(new Held());
    call.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort, { once: true });
    call.send(body);
  });
}

// The same until it is answered for good: a lost line, a busy server and a proxy's own errors pass.
async function insist(file, method, url, body, headers, onProgress) {
  for (let tries = 0; ; tries += 1) {
    if (file.abort.signal.aborted) throw new Held();
    let status = 0;
    try {
      const { status: told, answer } = await request(method, url, body, headers, file.abort.signal, onProgress);
      if (told >= 200 && told < 300) return answer;
      if (told < 500 && told !== 408 && told !== 429) {
        throw Object.assign(new Refused(answer.error || `The server answered ${told}.`), { status: told });
      }
      if (told === 501 || told === 507) throw new Refused(answer.error || "There is no room left.");
      status = told;
    } catch (error) {
      if (error instanceof Held || error instanceof Refused) throw error;
      file.lost = true;
    }
    onProgress?.(0);
    file.say(status ? "The server is busy; trying again" : "No connection; trying again");
    await sleep(Math.min(1000 * 2 ** tries, LONGEST_WAIT_MS), file.abort.signal);
  }
}

// As many requests at once as the page is to make, whichever files they are of.
const slots = { free: AT_ONCE, waiting: [] };

async function inSlot(work) {
  if (slots.free > 0) slots.free -= 1;
  else await new Promise((resolve) => slots.waiting.push(resolve));
  try {
    return await work();
  } finally {
    const next = slots.waiting.shift();
    if (next) next();
    else slots.free += 1;
  }
}

class Upload {
  constructor(form, blob, path) {
    this.form = form;
    this.blob = blob;
    this.path = path;
    this.abort = new AbortController();
    this.state = "waiting";
    this.parts = new Map();
    this.had = 0;
    this.row = form.template.content.firstElementChild.cloneNode(true);
    this.row.querySelector("bdi").textContent = [...path, blob.name].join("/");
    this.how = this.row.querySelector(".how");
    this.bar = this.row.querySelector("progress");
    this.bar.setAttribute("aria-label", `Progress of ${blob.name}`);
    this.button = this.row.querySelector("button");
    this.button.setAttribute("aria-label", `Cancel ${blob.name}`);
    this.button.addEventListener("click", () => this.cancel());
    form.list.append(this.row);
    this.say("Waiting");
  }

  get key() {
    const place = [this.form.uploads, this.form.folder, ...this.path, this.blob.name].join("\n");
    return `openshelf-upload ${place}\n${this.blob.size}\n${this.blob.lastModified}`;
  }

  say(text) {
    this.how.textContent = text;
  }

  show() {
    const sent = this.had + [...this.parts.values()].reduce((all, part) => all + part, 0);
    this.bar.value = this.blob.size ? Math.min(1, sent / this.blob.size) : 0;
    if (this.state === "sending") this.say(`${Math.floor(this.bar.value * 100)} %`);
  }

  // What the server is told of the file, besides its bytes.
  get about() {
    const about = { name: this.blob.name, modified: this.blob.lastModified };
    if (this.form.folder) about.in = this.form.folder;
    if (this.path.length) about.path = this.path;
    const sender = this.form.sender;
    if (sender) about.sender = sender;
    return about;
  }

  async send() {
    this.state = "sending";
    try {
      if (this.blob.size <= this.form.chunkBytes) await this.sendWhole();
      else await this.sendParts();
      this.finish("done", "Done");
    } catch (error) {
      if (error instanceof Held) {
        if (this.state !== "cancelled") this.state = "held";
        this.say(this.state === "held" ? "Paused" : "Cancelled");
      } else {
        this.finish("failed", error instanceof Refused ? error.message : "It cannot be read.");
      }
    }
  }

  finish(state, text) {
    this.state = state;
    this.say(text);
    this.row.classList.add(state);
    this.bar.hidden = true;
    this.button.hidden = true;
    if (state === "done") localStorage.removeItem(this.key);
  }

  async sendWhole() {
    await inSlot(async () => {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(this.about)) {
        for (const one of [value].flat()) query.append(name, one);
      }
      const onProgress = (sent) => {
        this.parts.set(0, sent);
        this.show();
      };
      const headers = await this.headers(this.blob);
      await insist(this, "PUT", `${this.form.uploads}?${query}`, this.blob, headers, onProgress);
    });
  }

  async headers(blob) {
    const hash = await sha256(blob);
    return { "content-type": "application/octet-stream", ...(hash && { "content-digest": `sha-256=:${base64(hash)}:` }) };
  }

  async sendParts() {
    const state = await inSlot(async () => (await this.known()) ?? (await this.begin()));
    if (state.done) return;
    localStorage.setItem(this.key, state.id);
    const url = `${this.form.uploads}/${encodeURIComponent(state.id)}`;
    this.url = url;
    this.parts.clear();
    this.had = this.blob.size - state.missing.reduce((all, [start, end]) => all + end - start, 0);
    this.show();
    const parts = state.missing.flatMap(([start, end]) => {
      const all = [];
      for (let at = start; at < end; at += this.form.chunkBytes) all.push([at, Math.min(end, at + this.form.chunkBytes)]);
      return all;
    });
    const sent = await Promise.allSettled(parts.map(([start, end]) => inSlot(() => this.sendPart(url, start, end))));
    const failed = sent.find((part) => part.status === "rejected");
    if (failed) throw failed.reason;
    if (sent.some((part) => part.value.done)) return;
    throw new Refused("It did not arrive whole.");
  }

  async sendPart(url, start, end) {
    if (this.abort.signal.aborted) throw new Held();
    const blob = this.blob.slice(start, end);
    const onProgress = (sent) => {
      this.parts.set(start, Math.min(sent, end - start));
      this.show();
    };
    try {
      return await insist(this, "PUT", `${url}/${start}`, blob, await this.headers(blob), onProgress);
    } catch (error) {
      // The answer to the last part may be what was lost: then there is no upload any more, but a file.
      if (error.status !== 404 || !this.lost) throw error;
      throw new Refused("The line broke at the very end. See whether it is there before you send it again.");
    }
  }

  // The upload of this very file that was begun before, if the server still knows it.
  async known() {
    const id = localStorage.getItem(this.key);
    if (!id) return null;
    try {
      return await insist(this, "GET", `${this.form.uploads}/${encodeURIComponent(id)}`, null, {});
    } catch (error) {
      if (error.status !== 404) throw error;
      localStorage.removeItem(this.key);
      return null;
    }
  }

  async begin() {
    const about = { ...this.about, size: this.blob.size };
    if (this.form.hashesWhole && this.blob.size <= HASHED_WHOLE_BYTES) {
      const hash = await sha256(this.blob);
      if (hash) about.sha256 = hex(hash);
    }
    const headers = { "content-type": "application/json" };
    return insist(this, "POST", this.form.uploads, JSON.stringify(about), headers);
  }

  hold() {
    if (this.state === "sending") this.abort.abort();
  }

  resume() {
    this.abort = new AbortController();
    this.state = "waiting";
    this.say("Waiting");
  }

  async cancel() {
    this.state = "cancelled";
    this.abort.abort();
    this.row.remove();
    localStorage.removeItem(this.key);
    this.form.forget(this);
    if (this.url) await fetch(this.url, { method: "DELETE" }).catch(() => {});
  }
}

class Form {
  constructor(element) {
    this.element = element;
    this.uploads = element.dataset.uploads;
    this.chunkBytes = Number(element.dataset.chunkBytes);
    this.folder = element.querySelector("[name=in]")?.value ?? "";
    this.isBox = "receipt" in element.dataset;
    this.hashesWhole = !this.isBox;
    this.template = element.querySelector("template");
    this.list = element.querySelector(".sending");
    this.said = element.querySelector(".said");
    this.input = element.querySelector("[type=file]");
    this.submit = element.querySelector("[type=submit]");
    this.holdButton = element.querySelector("[data-hold]");
    this.files = [];
    this.isHeld = false;
    this.running = false;
    this.listen();
  }

  get sender() {
    return this.element.querySelector("[name=sender]")?.value.trim() ?? "";
  }

  listen() {
    const { element, input } = this;
    element.querySelector("[data-drop-hint]").hidden = false;
    input.addEventListener("change", () => {
      this.add(Array.from(input.files, (file) => [file, []]));
      input.value = "";
    });
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    element.addEventListener("dragover", (event) => {
      event.preventDefault();
      element.classList.add("over");
    });
    element.addEventListener("dragleave", () => element.classList.remove("over"));
    element.addEventListener("drop", async (event) => {
      event.preventDefault();
      element.classList.remove("over");
      this.add(await dropped(event.dataTransfer));
    });
    this.holdButton.addEventListener("click", () => (this.isHeld ? this.resume() : this.hold()));
    const folder = element.querySelector("[data-folder]");
    if ("webkitdirectory" in input && !this.isBox) {
      const picker = Object.assign(document.createElement("input"), { type: "file", webkitdirectory: true, multiple: true });
      picker.addEventListener("change", () => {
        this.add(Array.from(picker.files, (file) => [file, file.webkitRelativePath.split("/").slice(0, -1)]));
        picker.value = "";
      });
      folder.hidden = false;
      folder.addEventListener("click", () => picker.click());
    }
    addEventListener("beforeunload", (event) => {
      if (this.running) event.preventDefault();
    });
  }

  add(files) {
    // A box takes files, and no folders of its senders'.
    for (const [file, path] of files) this.files.push(new Upload(this, file, this.isBox ? [] : path));
    this.input.required = this.files.length === 0;
    if (!this.isBox) this.start();
    else this.tell(`${count(this.files.length)} chosen. Press Send when you are ready.`);
  }

  forget(file) {
    this.files = this.files.filter((one) => one !== file);
    this.input.required = this.files.length === 0;
  }

  async start() {
    if (this.running || this.isHeld || !this.element.reportValidity()) return;
    this.running = true;
    this.holdButton.hidden = false;
    this.tell("Sending");
    const next = () => this.files.find((file) => file.state === "waiting");
    const worker = async () => {
      for (let file = next(); file && !this.isHeld; file = next()) await file.send();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    this.running = false;
    if (this.isHeld) return;
    this.holdButton.hidden = true;
    const done = this.files.filter((file) => file.state === "done").length;
    const failed = this.files.filter((file) => file.state === "failed").length;
    const trouble = failed ? ` ${count(failed)} could not be sent.` : "";
    this.tell(`${this.isBox ? "Thank you. " : ""}${count(done)} sent.${trouble}`);
    if (this.isBox && done) this.element.querySelector(".thanks").hidden = false;
    if (!this.isBox && done) this.offer();
  }

  // The list of the page is from before.
  offer() {
    const link = Object.assign(document.createElement("a"), { href: location.href, textContent: "Show them" });
    this.said.append(" ", link);
  }

  hold() {
    this.isHeld = true;
    this.holdButton.textContent = "Resume";
    this.files.forEach((file) => file.hold());
    this.tell("Paused");
  }

  resume() {
    this.isHeld = false;
    this.holdButton.textContent = "Pause";
    this.files.filter((file) => file.state === "held" || file.state === "waiting").forEach((file) => file.resume());
    // What was running ends first.
    const again = () => (this.running ? setTimeout(again, 50) : this.start());
    again();
  }

  tell(text) {
    this.said.textContent = text;
  }
}

const count = (n) => `${n} file${n === 1 ? "" : "s"}`;

// Files of a drop with the folders that they lie in.
async function dropped(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return Array.from(transfer.files, (file) => [file, []]);
  const files = [];
  const walk = async (entry, path) => {
    if (entry.isFile) {
      files.push([await new Promise((resolve, reject) => entry.file(resolve, reject)), path]);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const child of some) await walk(child, [...path, entry.name]);
    }
  };
  for (const entry of entries) await walk(entry, []);
  return files;
}

for (const element of document.querySelectorAll("form[data-uploads]")) new Form(element);
