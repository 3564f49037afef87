// Shows two steps side by side: the same lines in two columns, where each column hides what its step does not have yet.
(() => {
  const form = document.querySelector(".choices");
  const [left, right, divide] = ["left", "right", "divide"].map(id => document.getElementById(id));
  const names = new Map([...document.querySelectorAll("#names option")].map(o => [o.value, o.label]));
  const columns = split(document.querySelector(".whole"));

  // split puts the program and a copy of it into two columns, and returns them.
  function split(whole) {
    const box = document.createElement("div");
    box.className = "sides wide";
    whole.replaceWith(box);
    whole.classList.remove("wide", "whole");
    const sides = [whole, whole.cloneNode(true)];
    box.append(...sides);
    for (const side of sides) {
      side.querySelector(".copies")?.remove();
      const pre = side.querySelector("pre");
      pre.setAttribute("role", "region");
      pre.tabIndex = 0; // page.js does not know the copy, which may have to scroll.
    }
    return { box, sides };
  }

  // fill shows the lines of a step. A line that only the other column has leaves a gap, so that equal lines are side by side.
  function fill(side, step, other) {
    for (const line of side.querySelectorAll(".line")) {
      const added = Number(line.dataset.line);
      line.hidden = added > Math.max(step, other);
      line.classList.toggle("lacking", added > step);
      line.classList.toggle("new", added <= step && added > other);
    }
    side.querySelector("figcaption").textContent = `Step ${step}: main.go`;
    side.querySelector("pre").setAttribute("aria-label", `main.go of step ${step}`);
  }

  // describe says how many lines are between two steps.
  function describe(from, to) {
    if (from === to) return "Both columns show the same step.";
    const between = [...columns.sides[0].querySelectorAll(".line")].map(line => Number(line.dataset.line))
      .filter(added => added > Math.min(from, to) && added <= Math.max(from, to)).length;
    return `Step ${Math.max(from, to)} has ${between} lines more than step ${Math.min(from, to)}.`;
  }

  function draw() {
    const [from, to] = [Number(left.value), Number(right.value)];
    fill(columns.sides[0], from, to);
    fill(columns.sides[1], to, from);
    for (const slider of [left, right]) {
      const name = names.get(slider.value);
      document.getElementById(`${slider.id}-name`).textContent = name;
      slider.setAttribute("aria-valuetext", name);
    }
    document.getElementById("difference").textContent = describe(from, to);
    for (const link of document.querySelectorAll(".pairs a")) {
      if (link.hash === `#${from}-${to}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  // turn scrolls to the next change below the controls, which stay at the top of the window, or to the first change.
  function turn() {
    const marked = [...columns.box.querySelectorAll(".new")].map(line => line.getBoundingClientRect().top).sort((a, b) => a - b);
    const starts = marked.filter((top, i) => i === 0 || top - marked[i - 1] > 30);
    const below = parseFloat(getComputedStyle(form).top) + form.offsetHeight + 30;
    const next = starts.find(top => top > below + 1) ?? starts[0];
    if (next !== undefined) scrollBy(0, next - below);
  }

  // follow scrolls the other column sideways when the reader scrolls one.
  function follow(event) {
    for (const side of columns.sides) side.querySelector("pre").scrollLeft = event.target.scrollLeft;
  }

  // read takes the steps from the address, such as #2-5.
  function read() {
    const steps = /^#([1-7])-([1-7])$/.exec(location.hash);
    if (steps) [, left.value, right.value] = steps;
    draw();
  }

  for (const slider of [left, right]) {
    slider.addEventListener("input", draw);
    slider.addEventListener("change", () => history.replaceState(null, "", `#${left.value}-${right.value}`));
  }
  divide.addEventListener("input", () => columns.box.style.setProperty("--left", `${divide.value}%`));
  for (const side of columns.sides) side.querySelector("pre").addEventListener("scroll", follow);
  document.getElementById("turn").addEventListener("click", turn);
  form.addEventListener("submit", event => event.preventDefault());
  addEventListener("hashchange", read);
  form.hidden = false;
  read();
})();
