// Keeps the page as the operator sees it: takes in the parts that changed. Without it the page loads
// itself again every few seconds.
(() => {
  "use strict";
  const RETRY_MILLIS = 5000;
  const light = document.getElementById("light");

  const tell = (isLive, words) => {
    light.classList.toggle("off", !isLive);
    light.textContent = words;
  };

  // What the keyboard is on, to be found again in the new part.
  const FOCUSABLE = "a, summary";
  const focusIn = (element) => [...element.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);

  const replace = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    const old = fresh && document.getElementById(fresh.id);
    if (!old) return;
    const open = [...old.querySelectorAll("details[open]")].map((it) => it.id);
    const focus = focusIn(old);
    // the element itself stays: a screen reader listens to it, and it keeps where it was scrolled to
    old.className = fresh.className;
    old.hidden = fresh.hidden;
    for (const id of open) fresh.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    if (old.innerHTML === fresh.innerHTML) return;
    old.replaceChildren(...fresh.childNodes);
    if (focus >= 0) old.querySelectorAll(FOCUSABLE)[focus]?.focus({ preventScroll: true });
  };

  const listen = () => {
    const source = new EventSource(document.body.dataset.events);
    source.onopen = () => tell(true, "live");
    source.onmessage = (event) => replace(event.data);
    // a stream lasts for some minutes: the next one follows, and nothing is missed
    source.addEventListener("over", () => {
      source.close();
      listen();
    });
    source.onerror = () => {
      tell(false, "not live: what you see is old");
      source.close();
      setTimeout(listen, RETRY_MILLIS);
    };
  };

  tell(false, "connecting");
  listen();
})();
