// Keys: n and p turn the page, t changes the colours, and ? lists the keys.
(() => {
  const follow = selector => () => document.querySelector(selector)?.click();
  const keys = {
    n: ["Next page", follow("a[rel=next]")],
    p: ["Previous page", follow("a[rel=prev]")],
    t: ["Light, dark, or as the system", follow("#theme")],
    "/": ["Search", follow("#search")],
    "?": ["These keys", show],
  };

  let dialog = null;

  function draw() {
    dialog = document.createElement("dialog");
    dialog.className = "keys";
    dialog.setAttribute("aria-label", "Keys");
    const title = document.createElement("h2");
    title.textContent = "Keys";
    const list = document.createElement("dl");
    for (const [key, [what]] of Object.entries(keys)) {
      if (key === "/" && !document.getElementById("search")) continue;
      const name = list.appendChild(document.createElement("dt"));
      name.appendChild(document.createElement("kbd")).textContent = key;
      list.appendChild(document.createElement("dd")).textContent = what;
    }
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    dialog.append(title, list, close);
    document.body.append(dialog);
  }

  function show() {
    if (!dialog) draw();
    if (!dialog.open) dialog.showModal();
  }

  document.getElementById("keys").addEventListener("click", show);
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const action = keys[event.key]?.[1];
    if (!action || event.key === "/") return; // The search has its own key.
    event.preventDefault();
    action();
  });
})();
