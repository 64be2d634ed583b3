// The outline of the sound: shows where it plays; a click or a drag goes there.
const PEAKS_PER_SECOND = 10;
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
    bars = new Array(count).fill(0);
    const span = duration * PEAKS_PER_SECOND;
    let loudest = 1;
    (peaks ?? []).forEach((peak, i) => {
      const bar = Math.min(count - 1, Math.floor((i / span) * count));
      bars[bar] = Math.max(bars[bar], peak);
      loudest = Math.max(loudest, peak);
    });
    bars = bars.map((bar) => bar / loudest);
    drawn = "";
    draw();
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
