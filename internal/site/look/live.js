// Shows on every page what make watch sees: the numbers of the steps light up. Only make serve has events. Where the pages are files,
// or on another server, live-on.js sets nothing, and this script does nothing.
(() => {
  const root = document.documentElement;
  if (root.dataset.live === undefined) return;

  let source = null;
  let state = null;

  // A browser connects again by itself, unless it has given up.
  function listen() {
    if (source || document.hidden) return;
    source = new EventSource(root.dataset.root + "events");
    source.onmessage = event => tell(JSON.parse(event.data), true);
    source.onerror = () => {
      tell(state, false);
      if (source?.readyState !== EventSource.CLOSED) return;
      leave();
      setTimeout(listen, 2000);
    };
  }

  // A browser allows six connections to a server, so a page that nobody sees keeps none.
  function leave() {
    source?.close();
    source = null;
  }

  // tell shows the state in the header, and passes it on to the live page.
  function tell(now, connected) {
    state = now;
    const lights = Array.from({ length: 7 }, (_, i) => light(now, i + 1));
    document.querySelectorAll("nav.steps [data-step] a").forEach((link, i) => {
      link.dataset.light = lights[i].word;
      link.setAttribute("aria-description", lights[i].word);
      link.style.setProperty("--share", lights[i].share);
    });
    document.querySelectorAll(".cards [data-step]").forEach((card, i) => { card.dataset.light = lights[i].word; });
    const watching = connected && now?.watching;
    live.firstChild.textContent = watching ? "live" : connected ? "no watch" : "no server";
    live.dataset.on = watching ? "yes" : "no";
    document.dispatchEvent(new CustomEvent("live", { detail: { state: now, connected, lights } }));
  }

  // light returns how a step looks: a word, and the share of its properties that the program has.
  function light(now, step) {
    if (!now) return { word: "", share: 0 };
    const current = step === now.step;
    const busy = ["saved", "compiling", "checking"].includes(now.doing);
    if (now.passed[step - 1] && !(current && busy)) return { word: "passed", share: 1 };
    const share = current ? now.properties.filter(p => p.state === "has").length / now.properties.length : 0;
    if (now.first?.step === step || (current && now.doing === "broken")) return { word: "failed", share };
    return { word: current ? "current" : "", share };
  }

  // live is the link to the live page, beside the steps.
  const live = document.createElement("a");
  live.className = "live-link";
  live.href = root.dataset.root + "live.html";
  live.title = "Your progress, live";
  live.append(document.createElement("span"));

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector(".tools")?.prepend(live);
    listen();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", listen);
})();
