// A player and the transcript below it, which follow each other.
const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60;
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
};

export default function ({ data, parentElement }) {
  const text = JSON.stringify(data);
  if (parentElement.querySelector(".player")?.made === text) return; // a rerun must not stop the sound
  parentElement.querySelector(".player")?.remove();

  const root = document.createElement("div");
  root.className = "player";
  root.made = text;

  const holder = document.createElement("div");
  holder.className = "media";
  const media = document.createElement(data.video ? "video" : "audio");
  media.controls = true;
  media.preload = "metadata";
  media.src = data.source;
  media.onerror = () => {
    const note = document.createElement("div");
    note.className = "gone";
    note.textContent = "This browser cannot play the file, or it is not kept any more. The text is complete.";
    holder.replaceChildren(note);
  };
  holder.append(media);
  root.append(holder);

  const list = document.createElement("div");
  list.className = "segments";
  const buttons = data.segments.map((segment) => {
    const button = document.createElement("button");
    button.className = "segment";
    button.dataset.start = segment.start;
    const time = document.createElement("span");
    time.className = "time";
    time.textContent = clock(segment.start);
    const words = document.createElement("span");
    words.className = "text";
    words.dir = "auto";
    words.textContent = segment.text;
    button.append(time, words);
    button.onclick = () => {
      media.currentTime = segment.start;
      media.play().catch(() => {}); // refused before the first click on the page: the place is set
    };
    list.append(button);
    return button;
  });
  if (buttons.length) root.append(list);

  let now = -1;
  media.ontimeupdate = () => {
    const at = media.currentTime + 0.05;
    let low = 0, high = data.segments.length; // the last segment that has begun
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.segments[middle].start <= at) low = middle + 1;
      else high = middle;
    }
    if (low - 1 === now) return;
    buttons[now]?.classList.remove("now");
    now = low - 1;
    const button = buttons[now];
    if (!button) return;
    button.classList.add("now");
    const top = button.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top + button.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = top - list.clientHeight / 3;
  };
  parentElement.append(root);
  return () => media.pause();
}
