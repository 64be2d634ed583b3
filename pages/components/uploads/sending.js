// One file on its way to the server, by the tus protocol: what a lost connection took is sent again.
const UPLOADS = "/files/uploads";
const PIECE = 16 * 1024 * 1024; // bytes in one request: a server that stops waits for its end
const PAUSES = [0.5, 1, 2, 4, 8, 15, 30]; // seconds until the next try; the last one stays
const SILENCE = 45; // seconds without progress after which a connection counts as lost

// What a problem (RFC 9457) says; what stands in front of the server answers with pages of its own.
const sentence = (body) => {
  try { return JSON.parse(body).detail ?? ""; } catch { return ""; }
};

class Refused extends Error {
  constructor(status, text) {
    super(status === 401 ? "You are signed out. Sign in in another tab, then try again." : text || `The server refused this (${status}).`);
    this.status = status;
  }
}

const encoded = (text) => btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));

class Sending {
  // `changed` is called after every change; `state` is one of queued, sending, waiting (for the
  // connection), paused, done, failed, and ended (cancelled).
  constructor(file, path, changed) {
    Object.assign(this, { file, path, changed, name: file.name, size: file.size, modified: file.lastModified });
    Object.assign(this, { state: "queued", id: "", offset: 0, sent: 0, error: "", again: 0 });
    this.tries = 0;
    this.turn = 0;
  }

  get active() { return ["queued", "sending", "waiting", "paused"].includes(this.state); }

  get share() { return this.size ? Math.min(1, this.sent / this.size) : this.state === "done" ? 1 : 0; }

  // Whether a file that was chosen is the one that this began with, as far as a browser can tell.
  isOf(file, path) {
    return this.name === file.name && this.path === path && this.size === file.size && this.modified === file.lastModified;
  }

  to(state) {
    this.state = state;
    this.changed(this);
  }

  pause() { if (this.active) { this.stop(); this.to("paused"); } }

  // Take its turn again, at once or when others have had theirs.
  resume() {
    this.stop();
    this.tries = 0;
    this.to("queued");
  }

  cancel() {
    this.stop();
    if (this.id) this.ask("DELETE").catch(() => {}); // the server gives it up by itself otherwise
    this.to("ended");
  }

  stop() {
    this.turn += 1;
    this.abort?.abort();
  }

  async run(workspace) {
    const turn = ++this.turn;
    const mine = () => turn === this.turn;
    this.abort = new AbortController();
    let sure = !this.id; // whether the server is known to be at `offset`
    this.to("sending");
    while (mine()) {
      try {
        if (!this.id) await this.create(workspace);
        else if (!sure) await this.look();
        sure = true;
        if (!mine()) return;
        if (this.offset === this.size) return this.to("done");
        await this.piece();
        this.tries = 0;
      } catch (error) {
        if (!mine()) return;
        sure = false;
        if (!await this.survive(error, mine)) return;
      }
    }
  }

  // What to do after an error: false when it was the end.
  async survive(error, mine) {
    const status = error instanceof Refused ? error.status : 0;
    if (status === 404 && this.id && this.tries < PAUSES.length) {
      this.id = ""; // given up there meanwhile: from the beginning
      this.offset = this.sent = 0;
      this.tries += 1;
      return true;
    }
    if (status === 409 && this.tries++ < PAUSES.length) return true;
    if (status >= 400 && status < 500 && status !== 408 && status !== 423) {
      this.error = error.message;
      this.to("failed");
      return false;
    }
    if (!status && !await this.file.slice(0, 1).arrayBuffer().catch(() => null)) {
      this.error = `“${this.name}” cannot be read any more: it was moved, changed or locked. Choose it again.`;
      this.to("failed");
      return false;
    }
    const pause = PAUSES[Math.min(this.tries++, PAUSES.length - 1)] * 1000;
    this.again = Date.now() + pause;
    this.error = status === 423 ? error.message : "";
    this.to("waiting");
    await new Promise((resolve) => {
      const over = setTimeout(resolve, pause);
      const now = () => { clearTimeout(over); resolve(); };
      window.addEventListener("online", now, { once: true });
      this.abort.signal.addEventListener("abort", now, { once: true });
    });
    if (mine()) this.to("sending");
    return mine();
  }

  async create(workspace) {
    const said = { filename: this.name, path: this.path, modified: String(this.modified), workspace };
    const answer = await this.ask("POST", {
      "Upload-Length": String(this.size),
      "Upload-Metadata": Object.entries(said).map(([key, value]) => `${key} ${encoded(value)}`).join(","),
    });
    this.id = answer.headers.get("Location").split("/").pop();
    this.offset = this.sent = 0;
  }

  async look() {
    const answer = await this.ask("HEAD");
    this.offset = this.sent = Number(answer.headers.get("Upload-Offset"));
    this.changed(this);
  }

  async ask(method, headers = {}) {
    const answer = await fetch(method === "POST" ? UPLOADS : `${UPLOADS}/${this.id}`, {
      method,
      headers: { "Tus-Resumable": "1.0.0", ...headers },
      signal: method === "DELETE" ? undefined : this.abort.signal,
      keepalive: method === "DELETE",
    });
    if (!answer.ok) throw new Refused(answer.status, sentence(await answer.text()));
    return answer;
  }

  // Send the next piece; fetch cannot say how far it is, so this is an XMLHttpRequest.
  piece() {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const begun = this.offset;
      let silent;
      const heard = () => {
        clearTimeout(silent);
        silent = setTimeout(() => request.abort(), SILENCE * 1000);
      };
      const stop = () => request.abort();
      request.open("PATCH", `${UPLOADS}/${this.id}`);
      request.setRequestHeader("Tus-Resumable", "1.0.0");
      request.setRequestHeader("Upload-Offset", String(begun));
      request.setRequestHeader("Content-Type", "application/offset+octet-stream");
      request.upload.onprogress = ({ loaded }) => {
        heard();
        this.sent = begun + loaded;
        this.changed(this);
      };
      // After the last byte the server stores the file, which may take it a while.
      request.upload.onload = () => clearTimeout(silent);
      request.onload = () => {
        if (request.status !== 204) return reject(new Refused(request.status, sentence(request.responseText)));
        this.offset = this.sent = Number(request.getResponseHeader("Upload-Offset"));
        this.changed(this);
        resolve();
      };
      request.onerror = request.onabort = () => reject(new Error("lost"));
      request.onloadend = () => {
        clearTimeout(silent);
        this.abort.signal.removeEventListener("abort", stop);
      };
      this.abort.signal.addEventListener("abort", stop);
      heard();
      request.send(this.file.slice(begun, begun + PIECE));
    });
  }
}
