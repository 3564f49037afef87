// Search: a dialog over the page. The index of pagefind is loaded at the first search, in pieces.
(() => {
  const root = document.documentElement.dataset.root;
  let dialog, input, status, list;

  // element makes an element with text.
  function element(name, text = "") {
    const e = document.createElement(name);
    e.textContent = text;
    return e;
  }

  // build makes the dialog, once.
  function build() {
    dialog = element("dialog");
    dialog.className = "search";
    dialog.setAttribute("aria-label", "Search");
    input = element("input");
    input.type = "search";
    input.placeholder = "pivot_root";
    input.setAttribute("aria-label", "Search the workshop");
    input.addEventListener("input", search);
    status = element("p");
    status.setAttribute("role", "status");
    list = element("ol");
    dialog.append(input, status, list);
    dialog.addEventListener("keydown", move);
    // A click on the dialog itself, not on what it holds, is a click beside the dialog. A result on this page closes it, too.
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("a")) dialog.close();
    });
    document.body.append(dialog);
  }

  function open() {
    if (!dialog) build();
    if (!dialog.open) dialog.showModal();
    input.select();
    if (location.protocol === "file:") status.textContent = "A browser cannot search in files. Type make serve, and open the address that it prints.";
  }

  // move goes through the results with the arrow keys. Enter in the field follows the first result. Escape closes the dialog: in a
  // field with text, the browser would only empty the field.
  function move(event) {
    const links = [...list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (event.key === "ArrowUp") (links[at - 1] ?? input).focus();
    else if (event.key === "Enter" && at < 0) links[0]?.click();
    else if (event.key === "Escape") dialog.close();
    else return;
    event.preventDefault();
  }

  // load imports pagefind, once.
  let loading = null;
  function load() {
    loading ??= import(new URL(root + "pagefind/pagefind.js", document.baseURI));
    return loading;
  }

  async function search() {
    if (location.protocol === "file:") return;
    const words = input.value.trim();
    try {
      const pagefind = await load();
      const found = words ? await pagefind.debouncedSearch(words, {}, 150) : { results: [] };
      // Without an answer, the reader has typed more meanwhile.
      if (!found) return;
      const pages = await Promise.all(found.results.slice(0, 8).map((result) => result.data()));
      if (words === input.value.trim()) show(words, pages, found.results.length);
    } catch (error) {
      loading = null;
      status.textContent = `The search does not work: ${error.message}. make site writes its index.`;
    }
  }

  // show lists the best places of each page.
  function show(words, pages, total) {
    const places = pages.flatMap((page) => page.sub_results.slice(0, 3).map((place) => item(page, place)));
    const of = total > pages.length ? `${pages.length} of ${total} pages` : total === 1 ? "1 page" : `${total} pages`;
    const count = places.length === 1 ? "1 place" : `${places.length} places`;
    status.textContent = !words ? "" : total ? `${count}, on ${of}` : "Nothing found";
    list.replaceChildren(...places);
    list.scrollTop = 0;
  }

  // item is one place: its page, its section, and the words around.
  function item(page, place) {
    const li = element("li");
    const link = element("a");
    link.href = place.url;
    link.append(element("strong", page.meta.title));
    if (place.title !== page.meta.title) link.append(" ", element("span", place.title));
    const text = element("p");
    text.append(...excerpt(place.excerpt));
    link.append(text);
    li.append(link);
    return li;
  }

  // excerpt turns the excerpt, which is HTML, into text and marks, and nothing else.
  function excerpt(html) {
    const body = new DOMParser().parseFromString(html, "text/html").body;
    return [...body.childNodes].map((node) => node.nodeName === "MARK" ? element("mark", node.textContent) : node.textContent);
  }

  document.getElementById("search").addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const slash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
    const k = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
    if (!slash && !k || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    open();
  });
})();
