// The place to drop files, and the list of those on their way. Whatever page is shown, they go on.
const AT_ONCE = 3;

const ICONS = {
  queued: "schedule", sending: "upload", waiting: "wifi_off", paused: "pause_circle",
  done: "check_circle", failed: "error", left: "draft",
};

const units = (bytes) => {
  let value = bytes;
  const shown = () => (value < 100 ? value.toFixed(1).replace(".0", "") : Math.round(value));
  for (const unit of ["B", "KB", "MB"]) {
    if (value < 1000) return `${shown()} ${unit}`;
    value /= 1000;
  }
  return `${shown()} GB`;
};

const lasting = (seconds) =>
  seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;

const files = (count) => (count === 1 ? "1 file" : `${count} files`);

// Kept at the window: a page that is left and opened again finds its uploads as they are.
class Uploads {
  constructor() {
    this.list = [];
    this.rows = new Map();
    this.left = []; // what the server has of files that this browser does not hold
    this.ended = new Set();
    this.past = { files: 0, bytes: 0 }; // those that arrived while others are still on their way
    this.data = { workspace: null, limit: null, received: [], left: [], ignored: [] };
    this.tell = { busy: () => {}, wanted: () => {}, arrived: () => {} };
    this.speed = 0;
    this.asked = this.toldAt = 0;
    setInterval(() => this.tick(), 1000);
    window.addEventListener("beforeunload", (event) => {
      if (this.list.some((one) => one.state === "sending" || one.state === "queued")) event.preventDefault();
    });
  }

  // Whether its page is open; the server cannot be told anything from another one.
  get shown() { return this.parent?.isConnected ?? false; }

  // Called in each run of the page.
  show(data, parent, tell) {
    if (this.data.workspace && data.workspace !== this.data.workspace) {
      // A batch has the old one: what is left of the list went nowhere and never will.
      for (const one of this.list.filter((one) => one.home === this.data.workspace)) this.forget(one);
    }
    this.data = data;
    this.tell = tell;
    if (data.workspace) this.asked = 0;
    const received = new Set(data.received);
    for (const one of this.list.filter((one) => one.state === "done" && received.has(one.id))) this.forget(one);
    if (this.parent !== parent || !parent.querySelector(".uploads")) this.build(parent);
    this.hint.textContent = data.hint;
    this.most.textContent = data.limit ? `Up to ${units(data.limit)} a file` : "";
    this.findLeft();
    this.go();
  }

  build(parent) {
    this.parent = parent;
    parent.querySelector(".uploads")?.remove();
    const box = make("section", "uploads");
    box.setAttribute("aria-label", "Upload files");

    this.zone = make("div", "zone");
    const words = make("div", "words");
    this.hint = make("div", "hint");
    this.most = make("div", "hint");
    words.append(make("div", "call", "Drop files or folders here"), this.hint, this.most);
    const choose = make("div", "choose");
    for (const [label, folder] of [["Choose files", false], ["Choose a folder", true]]) {
      const input = make("input");
      Object.assign(input, { type: "file", multiple: true, hidden: true });
      input.setAttribute("aria-label", label);
      if (folder) input.webkitdirectory = true;
      input.onchange = () => {
        this.add(chosenIn(input));
        input.value = ""; // so that the same file can be chosen again
      };
      const open = make("button", "open", label);
      open.type = "button";
      open.onclick = () => input.click();
      choose.append(open, input);
    }
    const sign = make("span", "icon", "upload_file");
    sign.setAttribute("aria-hidden", "true");
    this.zone.append(sign, words, choose);

    this.sum = make("div", "sum");
    this.said = make("span", "total");
    this.all = make("div", "all");
    this.sum.append(this.said, this.all);
    this.whole = make("div", "bar");
    this.whole.append(make("i"));
    this.items = make("ul", "items");
    this.live = make("div", "live");
    this.live.setAttribute("role", "status");
    box.append(this.zone, this.sum, this.whole, this.items, this.live);
    this.take(box);
    parent.append(box);
    this.rows.clear();
    this.announced = "";
    this.paint();
  }

  take(box) {
    let depth = 0; // dragenter and dragleave come for every child too
    const over = (on) => this.zone.classList.toggle("over", on);
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    box.addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; over(true); } });
    box.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) over(false); });
    box.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
    box.addEventListener("drop", async (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      depth = 0;
      over(false);
      this.add(await dropped(event.dataTransfer));
    });
  }

  add(chosen) {
    for (const [file, path] of chosen) {
      if (this.data.ignored.includes(file.name.toLowerCase())) continue;
      const same = this.list.find((one) => one.isOf(file, path));
      if (same) { // chosen again: go on with what was paused or has failed
        same.file = file;
        if (["paused", "failed", "waiting"].includes(same.state)) same.resume();
        continue;
      }
      const one = new Sending(file, path, (changed) => this.changed(changed));
      const left = this.left.find((known) => one.isOf({ ...known, lastModified: known.modified }, known.path));
      if (left) {
        one.id = left.id;
        one.home = this.data.workspace;
        one.sent = left.offset;
      }
      if (this.data.limit && file.size > this.data.limit) {
        one.state = "failed";
        one.error = `“${file.name}” has ${units(file.size)}; one file may have ${units(this.data.limit)} at most.`;
      }
      this.list.push(one);
    }
    this.findLeft();
    this.go();
  }

  findLeft() {
    const here = new Set(this.list.map((one) => one.id));
    this.left = this.data.left.filter((known) => !here.has(known.id) && !this.ended.has(known.id));
  }

  // Let as many run as may at once.
  go() {
    const next = () => this.list.find((one) => one.state === "queued");
    const running = () => this.list.filter((one) => ["sending", "waiting"].includes(one.state)).length;
    if (!this.data.workspace) {
      // Once every few seconds: an answer may have been lost with the page's connection.
      if (next() && this.shown && Date.now() - this.asked > 5000) {
        this.asked = Date.now();
        this.tell.wanted();
      }
    } else {
      for (let one = next(); one && running() < AT_ONCE; one = next()) {
        one.home = this.data.workspace;
        one.run(one.home); // which makes it `sending` at once
      }
    }
    const busy = this.list.some((one) => one.active);
    if (busy !== this.data.busy && this.shown) {
      this.data.busy = busy;
      this.tell.busy(busy);
    }
    this.paintSoon();
  }

  changed(one) {
    if (one.state === "ended") this.forget(one);
    if (one.state === "done" && !one.told) {
      one.told = true;
      this.arrived = true;
    }
    if (one.state !== one.before) {
      one.before = one.state;
      this.go();
    }
    this.paintSoon();
  }

  forget(one) {
    if (one.id) this.ended.add(one.id);
    if (one.active) one.stop();
    if (one.state === "done") {
      this.past.files += 1;
      this.past.bytes += one.size;
    }
    this.list = this.list.filter((other) => other !== one);
  }

  discard(known) {
    this.ended.add(known.id);
    fetch(`${UPLOADS}/${known.id}`, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => {});
    this.findLeft();
    this.paintSoon();
  }

  tick() {
    const sent = this.list.reduce((sum, one) => sum + one.sent, 0);
    const grown = Math.max(0, sent - (this.before ?? sent));
    this.before = sent;
    const sending = this.list.some((one) => one.state === "sending");
    this.speed = sending ? (this.speed ? this.speed * 0.7 + grown * 0.3 : grown) : 0;
    // At most once a second, however many files there are; again where the page had no connection.
    const unseen = this.list.some((one) => one.state === "done") && Date.now() - this.toldAt > 5000;
    // What the page shows already needs no other run of it, which a click would have to outlive.
    const received = new Set(this.data?.received);
    this.arrived &&= this.list.some((one) => one.state === "done" && !received.has(one.id));
    if ((this.arrived || unseen) && this.shown) {
      this.arrived = false;
      this.toldAt = Date.now();
      this.tell.arrived();
    }
    if (this.list.length) this.go();
  }

  paintSoon() {
    if (this.soon || !this.parent) return;
    this.soon = true;
    setTimeout(() => { this.soon = false; this.paint(); }, 100); // a hidden page paints no frames
  }

  paint() {
    const failed = this.list.filter((one) => one.state === "failed");
    const list = this.list.filter((one) => one.state !== "failed");
    const active = list.filter((one) => one.active);
    if (!active.length) this.past = { files: 0, bytes: 0 };
    const size = list.reduce((sum, one) => sum + one.size, this.past.bytes);
    const sent = list.reduce((sum, one) => sum + one.sent, this.past.bytes);
    const done = this.past.files + list.length - active.length;
    this.sum.hidden = this.whole.hidden = !active.length || this.past.files + list.length < 2;
    const rest = active.reduce((sum, one) => sum + one.size - one.sent, 0);
    const pace = [];
    if (this.speed > 1) pace.push(`${units(this.speed)}/s`);
    if (this.speed > 1 && rest / this.speed > 2) pace.push(`${lasting(rest / this.speed)} left`);
    this.pace = this.sum.hidden ? pace : []; // of a single file: beside its own progress
    this.said.textContent = [`${done} of ${files(this.past.files + list.length)}`, `${units(sent)} of ${units(size)}`, ...pace].join(" · ");
    this.whole.firstChild.style.width = `${size ? (sent / size) * 100 : 0}%`;
    this.buttons(active);
    const shown = [...failed, ...list, ...this.left]; // what needs somebody comes first
    const key = (one) => (one instanceof Sending ? one : one.id);
    const keep = new Set(shown.map(key));
    for (const [known, row] of this.rows) {
      if (!keep.has(known)) {
        row.box.remove();
        this.rows.delete(known);
      }
    }
    shown.forEach((one, index) => {
      const row = this.rows.get(key(one)) ?? this.row(one);
      this.rows.set(key(one), row);
      if (this.items.children[index] !== row.box) this.items.insertBefore(row.box, this.items.children[index] ?? null);
      this.fill(row, one);
    });
    this.items.hidden = !shown.length;
    this.announce(active, failed.length);
  }

  // For those who hear the page: what changes rarely, not every percent.
  announce(active, failed) {
    const lost = active.some((one) => one.state === "waiting");
    const text = active.length
      ? `Uploading ${files(active.length)}${lost ? ", the connection is lost" : ""}${failed ? `, ${failed} failed` : ""}`
      : failed ? `${files(failed)} could not be uploaded` : this.announced ? "No upload is under way any more" : "";
    if (text !== this.announced) this.live.textContent = this.announced = text;
  }

  buttons(active) {
    const running = active.some((one) => one.state !== "paused");
    const wanted = active.length < 2 ? "" : running ? "Pause all" : "Resume all";
    if (this.all.dataset.shows === wanted) return;
    this.all.dataset.shows = wanted;
    this.all.replaceChildren();
    if (!wanted) return;
    const add = (label, click) => {
      const made = make("button", "action", label);
      made.type = "button";
      made.onclick = () => { for (const one of this.list.filter((one) => one.active)) click(one); };
      this.all.append(made);
    };
    add(wanted, (one) => (running ? one.pause() : one.resume()));
    add("Cancel all", (one) => one.cancel());
  }

  row(one) {
    const box = make("li", "item");
    const name = make("div", "name", one.name);
    name.title = one.path ? `${one.path}/${one.name}` : one.name;
    const detail = make("div", "detail");
    const text = make("div", "text");
    text.append(name, detail);
    const tools = make("div", "tools");
    const bar = make("div", "bar");
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", one.name);
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "100");
    const fill = make("i");
    bar.append(fill);
    const icon = make("span", "icon");
    icon.setAttribute("aria-hidden", "true");
    box.append(icon, text, tools, bar);
    return { box, icon, detail, tools, bar, fill, kind: null };
  }

  fill(row, one) {
    const held = one instanceof Sending;
    const share = held ? one.share : one.size ? one.offset / one.size : 0;
    const percent = Math.floor(share * 100);
    const of = `${percent} % of ${units(one.size)}`;
    const state = held ? one.state : "left";
    const says = {
      queued: one.sent ? `Goes on soon, ${of}` : `Waits for its turn · ${units(one.size)}`,
      sending: share < 1 ? [of, ...this.pace].join(" · ") : "Sent, being stored …",
      waiting: `${one.error || "The connection is lost."} Next try in ${Math.max(1, Math.ceil((one.again - Date.now()) / 1000))} s · ${of}`,
      paused: `Paused · ${of}`,
      done: "Received, being looked at …",
      failed: one.error,
      left: `${of} is here. Choose the file again to go on.`,
    }[state];
    const text = one.path && state !== "failed" ? `${one.path} · ${says}` : says;
    if (row.detail.textContent !== text) row.detail.textContent = text;
    row.bar.hidden = state === "failed" || state === "done";
    row.bar.classList.toggle("none", !share); // its place is kept
    row.bar.setAttribute("aria-valuenow", String(percent));
    row.fill.style.width = `${share * 100}%`;
    if (row.kind === state) return;
    row.kind = state;
    row.box.className = `item ${state}`;
    row.icon.textContent = ICONS[state];
    const focused = row.tools.contains(row.tools.getRootNode().activeElement);
    row.tools.replaceChildren(...this.toolsFor(one, state));
    if (focused) row.tools.querySelector("button")?.focus();
  }

  toolsFor(one, state) {
    const cancel = button("close", `Cancel: ${one.name}`, () => one.cancel());
    const resume = (icon, label) => button(icon, `${label}: ${one.name}`, () => one.resume());
    if (state === "left") return [button("delete", `Discard: ${one.name}`, () => this.discard(one))];
    if (state === "done") return [];
    if (state === "failed") return [resume("replay", "Try again"), cancel];
    if (state === "paused") return [resume("play_arrow", "Resume"), cancel];
    if (state === "waiting") return [resume("replay", "Try now"), cancel];
    return [button("pause", `Pause: ${one.name}`, () => one.pause()), cancel];
  }
}

export default function ({ data, parentElement, setTriggerValue, setStateValue }) {
  window.scriptoriumUploads ??= new Uploads();
  window.scriptoriumUploads.show(data, parentElement, {
    busy: (busy) => setStateValue("busy", busy),
    wanted: () => setTriggerValue("wanted", Date.now()),
    arrived: () => setTriggerValue("arrived", Date.now()),
  });
}
