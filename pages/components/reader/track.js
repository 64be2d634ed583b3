// Browsers play the first sound track of a video: another one is heard from a copy, beside it.
const APART = 0.15; // seconds that sound and pictures may be apart

function hearBeside(video, source) {
  const heard = new Audio(source);
  heard.volume = video.volume;
  video.muted = true;
  const together = () => {
    heard.playbackRate = video.playbackRate;
    if (Math.abs(heard.currentTime - video.currentTime) > APART) heard.currentTime = video.currentTime;
  };
  const on = (names, act) => names.forEach((name) => video.addEventListener(name, act));
  const begin = () => { together(); heard.play().catch(() => {}); };
  on(["seeking", "ratechange", "timeupdate"], together);
  on(["playing"], begin);
  on(["pause", "waiting", "ended"], () => heard.pause());
  on(["volumechange"], () => { heard.volume = video.volume; video.muted = true; });
  if (!video.paused) begin();
  return heard;
}
