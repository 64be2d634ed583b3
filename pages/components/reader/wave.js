// The outline of the sound: shows where it plays; a click or a drag goes there. A long recording
// has a second one below, of the minute that plays.
const PEAKS_PER_SECOND = 20;
const BAR = 3; // pixels that a bar takes, with the space after it
const LONG = 600; // seconds from which on a bar is too much sound to find a word by
const NEAR = 60; // seconds that the second outline shows

function waveform(address, duration, seek) {
  const all = outline(seek), near = duration > LONG ? outline(seek) : null;
  all.canvas.tabIndex = 0;
  all.canvas.setAttribute("role", "slider");
  all.canvas.setAttribute("aria-label", "Place in the recording");
  all.canvas.setAttribute("aria-valuemin", "0");
  all.canvas.setAttribute("aria-valuemax", String(Math.round(duration)));
  const element = make("div", "waves");
  element.append(all.canvas);
  all.range(0, duration);
  const begins = make("span"), ends = make("span");
  if (near) {
    near.canvas.setAttribute("aria-hidden", "true"); // the other one is there for the keyboard
    const row = make("div", "near");
    row.append(begins, near.canvas, ends);
    element.append(row);
    move(0);
  }

  fetch(address)
    .then((answer) => (answer.ok ? answer.arrayBuffer() : null))
    .then((bytes) => {
      if (!bytes) return;
      const peaks = new Uint8Array(bytes);
      all.load(peaks, 1);
      near?.load(peaks, 0.6 * peaks.reduce((most, peak) => Math.max(most, peak), 1));
    })
    .catch(() => {}); // without an outline it is a plain bar

  function move(seconds) {
    const from = Math.floor(seconds / NEAR) * NEAR;
    near.range(from, from + NEAR);
    begins.textContent = clock(from);
    ends.textContent = clock(from + NEAR);
  }

  return {
    element,
    show(seconds) {
      all.canvas.setAttribute("aria-valuenow", String(Math.round(seconds)));
      all.canvas.setAttribute("aria-valuetext", clock(seconds));
      all.show(seconds);
      if (!near) return;
      if (!near.dragged && !near.holds(seconds)) move(seconds);
      near.show(seconds);
    },
  };
}

// The outline of a stretch of the sound.
function outline(seek) {
  const canvas = make("canvas", "wave");
  let peaks = null, loud = 1, bars = [], from = 0, to = 1, at = 0, drawn = "", dragged = false;

  function measure() {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    const count = Math.max(1, Math.floor(canvas.clientWidth / BAR));
    const first = from * PEAKS_PER_SECOND, each = ((to - from) * PEAKS_PER_SECOND) / count;
    bars = Array.from({ length: count }, (_, i) => loudness(first + i * each, first + (i + 1) * each));
    const most = Math.max(loud, ...bars);
    bars = bars.map((bar) => bar / most);
    drawn = "";
    draw();
  }

  // The mean of the peaks between two places: the loudest one would be as high in every half
  // minute of talk. In a short recording, what lies between a peak and the next one.
  function loudness(begin, end) {
    if (!peaks?.length || begin >= peaks.length) return 0;
    const first = Math.floor(begin), last = Math.min(Math.floor(end), peaks.length);
    if (last - first < 2) {
      const next = peaks[Math.min(first + 1, peaks.length - 1)];
      return peaks[first] + (next - peaks[first]) * (begin - first);
    }
    return peaks.subarray(first, last).reduce((sum, peak) => sum + peak, 0) / (last - first);
  }

  function draw() {
    const style = getComputedStyle(canvas);
    const played = Math.floor(((at - from) / (to - from)) * bars.length);
    const [ahead, behind] = [style.getPropertyValue("--wave"), style.getPropertyValue("--st-primary-color")];
    const wanted = `${played} ${bars.length} ${ahead} ${behind}`;
    if (wanted === drawn) return;
    drawn = wanted;
    const pen = canvas.getContext("2d");
    const wide = canvas.width / bars.length, height = canvas.height;
    pen.clearRect(0, 0, canvas.width, height);
    bars.forEach((bar, i) => {
      const tall = Math.max(height * 0.06, bar * height * 0.94);
      pen.fillStyle = i <= played ? behind : ahead;
      pen.fillRect(i * wide, (height - tall) / 2, wide * 0.66, tall);
    });
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return from + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * (to - from);
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    dragged = true;
    seek(place(event));
  };
  canvas.onpointermove = (event) => {
    canvas.title = clock(place(event));
    if (event.buttons & 1) seek(place(event));
  };
  canvas.onpointerup = canvas.onpointercancel = () => (dragged = false);
  new ResizeObserver(measure).observe(canvas);
  return {
    canvas,
    get dragged() { return dragged; }, // what is under the pointer stays there
    holds: (seconds) => from <= seconds && seconds < to,
    range(begin, end) {
      [from, to] = [begin, end];
      measure();
    },
    // Nothing is drawn higher than it is beside a mean of `most`: a quiet stretch looks quiet.
    load(found, most) {
      peaks = found;
      loud = most;
      measure();
    },
    show(seconds) {
      at = seconds;
      draw();
    },
  };
}
