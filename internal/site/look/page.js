// What every page does: the contents show where you are, links open what is folded, and wide blocks scroll by key.
(() => {
  const wide = matchMedia("(min-width: 1100px)");

  // The contents are open beside the text, and folded above it.
  function contents() {
    const fold = document.querySelector(".contents details");
    if (!fold) return;
    const follow = () => { fold.open = wide.matches; };
    follow();
    wide.addEventListener("change", follow);
    fold.addEventListener("click", event => { if (event.target.closest("a") && !wide.matches) fold.open = false; });
  }

  // Where you are: the heading that you came to by a link, as long as you see it in the upper third of the window. Otherwise, the
  // last heading above the lower end of that third. At the end of a page, no heading comes so far up.
  function here() {
    const links = new Map([...document.querySelectorAll(".contents a[href^='#']")].map(a => [a.hash.slice(1), a]));
    const headings = [...document.querySelectorAll("main h2[id], main h3[id]")].filter(h => links.has(h.id));
    let current = null;
    const mark = () => {
      const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
      const end = atEnd ? innerHeight : innerHeight / 3;
      const top = h => h.getBoundingClientRect().top;
      const target = headings.find(h => h.id === location.hash.slice(1) && top(h) >= 0 && top(h) < end);
      const link = scrollY > 0 ? links.get((target ?? headings.filter(h => top(h) < end).at(-1))?.id) : undefined;
      if (link === current) return;
      current?.removeAttribute("aria-current");
      link?.setAttribute("aria-current", "location");
      link?.scrollIntoView({ block: "nearest" });
      current = link;
    };
    let waiting = false;
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; mark(); });
    }, { passive: true });
    addEventListener("hashchange", mark);
    mark();
  }

  // A heading has a link to itself: copy this link to send somebody to the heading. The contents have the same links for the keyboard.
  function anchors() {
    for (const heading of document.querySelectorAll("main > :is(h2, h3)[id]")) {
      const link = document.createElement("a");
      link.className = "anchor";
      link.href = "#" + heading.id;
      link.textContent = "#";
      link.tabIndex = -1;
      link.setAttribute("aria-hidden", "true");
      heading.append(" ", link);
    }
  }

  // A link into something folded opens it.
  function unfold() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let fold = target?.closest("details");
    if (!fold) return;
    for (; fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView();
  }

  // A block that is wider than its place can be scrolled with the arrow keys. Others are no stop for the Tab key.
  function scrollers() {
    const look = block => {
      if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
      else block.removeAttribute("tabindex");
    };
    const sizes = new ResizeObserver(entries => {
      for (const block of new Set(entries.map(entry => entry.target.closest("pre, .table")))) look(block);
    });
    for (const block of document.querySelectorAll("main pre, .table")) {
      sizes.observe(block);
      if (block.firstElementChild) sizes.observe(block.firstElementChild);
    }
  }

  contents();
  here();
  anchors();
  unfold();
  addEventListener("hashchange", unfold);
  scrollers();
})();
