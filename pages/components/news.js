// Lets the browser say that a batch has ended while its tab is in the background.
const said = new Set();
const possible = () => "Notification" in window && window.isSecureContext;

function say({ id, batch, title, text }) {
  if (said.has(id)) return;
  said.add(id);
  if (!document.hidden || !possible() || Notification.permission !== "granted") return;
  // The same tag in each tab: one message, however many of them are open.
  const shown = new Notification(title, { body: text, tag: id });
  shown.onclick = () => {
    window.focus();
    window.location.assign(new URL(`batch?batch=${batch}`, document.baseURI));
    shown.close();
  };
}

export default function ({ data, parentElement }) {
  data.news.forEach(say);
  const offered = data.ask && possible() && Notification.permission === "default";
  let button = parentElement.querySelector(".ask");
  if (!offered || button) {
    if (!offered) button?.remove();
    return;
  }
  button = document.createElement("button");
  button.className = "ask";
  button.textContent = "Notify me";
  button.title = "The browser says when a batch of yours has ended, while you look at something else";
  button.onclick = async () => {
    await Notification.requestPermission(); // browsers ask only after a click
    button.remove();
  };
  parentElement.append(button);
}
