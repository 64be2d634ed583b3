// What the parts of the reader share. Everything that came from people is set as text, never HTML.
const make = (tag, className = "", text = "") => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
};

const button = (icon, label, click) => {
  const made = make("button", "tool");
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  if (icon) {
    const sign = make("span", "icon", icon);
    sign.setAttribute("aria-hidden", "true");
    made.append(sign);
  }
  made.onclick = click;
  return made;
};

const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60;
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
};

// The last of `items` for which `begins` holds; it holds for none after the first for which it does not.
const lastIndex = (items, begins) => {
  let low = 0, high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (begins(items[middle])) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};

// What a person switched on or off, kept by the browser where it keeps anything.
const setting = {
  get: (name) => {
    try { return localStorage.getItem(`scriptorium-${name}`); } catch { return null; }
  },
  set: (name, value) => {
    try { localStorage.setItem(`scriptorium-${name}`, value); } catch { /* a private window */ }
  },
};

// Whether a person has just clicked a second among what a search found: who does wants to hear it.
// Reloading the page, or going back to it, plays nothing; nor does a browser that forbids it.
const soughtHere = () => {
  const [arrival] = performance.getEntriesByType("navigation");
  return arrival?.type === "navigate" && /\/search$/.test(document.referrer.split("?")[0]);
};

// Return when the server has made a copy of the sound; an error says why there is none.
const copied = async (address, wanted) => {
  while (wanted()) {
    const answer = await fetch(address, { headers: { Range: "bytes=0-0" }, cache: "no-store" })
      .catch(() => { throw new Error("The server does not answer. Reload the page when it does."); });
    if (answer.status !== 202 && answer.ok) return;
    if (!answer.ok) throw new Error(answer.status >= 500 ? "No copy of the recording could be made that browsers play." : await answer.text());
    await new Promise((go) => setTimeout(go, 1000));
  }
};
