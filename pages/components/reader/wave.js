// The outline of the sound: shows where it plays; a click or a drag goes there.
const PEAKS_PER_SECOND = 20;
const BAR = 3; // pixels that a bar takes, with the space after it

function waveform(address, duration, seek) {
  const canvas = make("canvas", "wave");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "slider");
  canvas.setAttribute("aria-label", "Place in the recording");
  canvas.setAttribute("aria-valuemin", "0");
  canvas.setAttribute("aria-valuemax", String(Math.round(duration)));
  let peaks = null, bars = [], at = 0, drawn = "";

  fetch(address)
    .then((answer) => (answer.ok ? answer.arrayBuffer() : null))
    .then((bytes) => {
      if (bytes) peaks = new Uint8Array(bytes);
      measure();
    })
    .catch(() => {}); // without an outline it is a plain bar

  function measure() {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    const count = Math.max(1, Math.floor(canvas.clientWidth / BAR));
    const span = duration * PEAKS_PER_SECOND;
    bars = Array.from({ length: count }, (_, i) => loudest((i * span) / count, ((i + 1) * span) / count));
    const most = Math.max(1, ...bars);
    bars = bars.map((bar) => bar / most);
    drawn = "";
    draw();
  }

  // The loudest peak between two places; in a short recording, what lies between its neighbours.
  function loudest(from, to) {
    if (!peaks?.length) return 0;
    const first = Math.min(Math.floor(from), peaks.length - 1), last = Math.floor(to);
    if (last - first < 2) {
      const next = peaks[Math.min(first + 1, peaks.length - 1)];
      return peaks[first] + (next - peaks[first]) * (from - Math.floor(from));
    }
    return peaks.subarray(first, last).reduce((most, peak) => Math.max(most, peak), 0);
  }

  function draw() {
    const style = getComputedStyle(canvas);
    const played = Math.floor((at / duration) * bars.length);
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
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * duration;
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    seek(place(event));
  };
  canvas.onpointermove = (event) => {
    canvas.title = clock(place(event));
    if (event.buttons & 1) seek(place(event));
  };
  new ResizeObserver(measure).observe(canvas);
  return {
    element: canvas,
    show(seconds) {
      at = seconds;
      canvas.setAttribute("aria-valuenow", String(Math.round(seconds)));
      canvas.setAttribute("aria-valuetext", clock(seconds));
      draw();
    },
  };
}
