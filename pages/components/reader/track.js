// Browsers play the first sound track of a video: another one is heard from a copy, beside it.
const APART = 0.1; // seconds that sound and pictures may be apart
const FAR = 1; // seconds that are not caught up with by playing a little faster

function hearBeside(video, source, failed) {
  const heard = new Audio(source);
  let volume = (heard.volume = video.volume), gone = false;
  video.muted = true;
  const together = () => {
    const late = video.currentTime - heard.currentTime, off = Math.abs(late);
    if ((video.paused || off > FAR) && !heard.seeking) heard.currentTime = video.currentTime;
    heard.playbackRate = video.playbackRate * (off > APART ? 1 + 0.05 * Math.sign(late) : 1);
  };
  const begin = () => {
    together();
    heard.play().catch((error) => { if (error.name === "NotAllowedError") give(); });
  };
  function give() {
    if (gone) return;
    gone = true;
    heard.pause();
    video.muted = heard.muted;
    failed();
  }
  const on = (names, act) => names.forEach((name) => video.addEventListener(name, () => gone || act()));
  on(["seeking", "seeked", "ratechange", "timeupdate"], together);
  on(["playing"], begin);
  on(["pause", "waiting", "ended"], () => heard.pause());
  on(["volumechange"], () => {
    // The button says that a person wants it loud or not; the video itself stays silent.
    if (!video.muted && video.volume === volume) heard.muted = !heard.muted;
    heard.volume = volume = video.volume;
    video.muted = true;
  });
  heard.onerror = give;
  if (!video.paused) begin();
  return heard;
}
