// The live page: what make watch sees, as soon as it sees it. All texts are put in as text, because they can be output of a program.
(() => {
  const root = document.documentElement;
  const part = name => document.getElementById("live-" + name);

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  // What the coach does, or has done last.
  const doing = {
    started: "Not checked yet.", saved: "Saved.", compiling: "Compiling …", checking: "Checking …",
    ended: "The watch ended before the check did.", broken: "✗ Your program does not compile.", failed: "✗ Something is missing.",
    trouble: "✗ The check was not possible.", passed: "✓ Passed.",
  };

  // The sign and the meaning of the state of a property.
  const states = {
    has: ["✓", "there"], lacks: ["✗", "missing"], blocked: ["–", "waits"], unclear: ["?", "cannot tell"], "": ["·", ""],
  };

  const lights = { passed: "done", current: "now", failed: "to fix", "": "" };

  const busy = state => ["saved", "compiling", "checking"].includes(state.doing);

  // note says whether anybody is watching, with the command to type.
  function note(state, connected) {
    if (!connected) return ["The connection is lost. Does ", "make serve", " still run?"];
    if (!state) return ["No program yet. Begin with ", "make start", "."];
    if (state.watching) return ["", "make watch", " is running: save your program, and this page follows."];
    if (busy(state)) return ["", "make check", " is running."];
    return ["No watch is running. Type ", "make watch", " in another terminal."];
  }

  // pages are the links to the seven lessons.
  function pages() { return document.querySelectorAll("nav.steps [data-step] a"); }

  function showSteps(all, current) {
    part("steps").replaceChildren(...all.map(({ word, share }, i) => {
      const link = element("a", "", { href: pages()[i].getAttribute("href"), "data-light": word });
      link.style.setProperty("--share", share);
      if (i + 1 === current) link.setAttribute("aria-current", "step");
      link.append(element("b", i + 1), element("span", lights[word] || "\u00a0"));
      const step = element("li", "");
      step.append(link);
      return step;
    }));
  }

  function showProperties(properties) {
    part("properties").replaceChildren(...properties.map(({ name, state = "" }) => {
      const [sign, meaning] = states[state];
      const row = element("li", "", { "data-state": state });
      row.append(element("span", sign, { class: "sign", "aria-hidden": "true" }), element("span", name, { class: "name" }));
      row.append(element("span", meaning, { class: state === "has" ? "sr" : "state" }));
      return row;
    }));
  }

  // problem draws what is missing, why that matters, and where to read.
  function problem(first, more) {
    const box = element("div", "", { class: "problem" });
    box.append(element("h3", `${states[first.state][0]} ${first.property}`));
    if (first.diagnosis) box.append(element("p", first.diagnosis, { class: "diagnosis" }));
    const list = element("dl", "");
    for (const name of ["seen", "why", "needs"]) {
      if (first[name]) list.append(element("dt", name), element("dd", first[name]));
    }
    if (first.page) {
      const look = element("dd", "");
      look.append(element("a", first.place, { href: root.dataset.root + first.page }));
      list.append(element("dt", "look"), look);
    }
    box.append(list);
    if (more) box.append(element("p", more, { class: "more" }));
    return box;
  }

  // next leads to our program, and to the next lesson.
  function next(step) {
    const [page, following] = [...pages()].slice(step - 1);
    const line = element("p", "", { class: "next" });
    line.append(element("a", "Our program", { href: page.getAttribute("href") + "#the-change" }));
    if (following) line.append(element("a", `Step ${step + 1}: ${following.title.replace(/^.*: /, "")}`, { href: following.getAttribute("href") }));
    else line.append(element("a", "final: where it leads", { href: root.dataset.root + "final/index.html" }));
    return line;
  }

  // showNews shows what the check has found. While the coach is busy, the last news stay in their place, so that the page does not jump.
  function showNews(state) {
    const parts = [];
    if (state.lines) parts.push(element("pre", state.lines.join("\n")));
    if (state.first) parts.push(problem(state.first, state.more));
    if (state.gained) parts.push(element("p", state.gained, { class: "gained" }), next(state.step));
    if (parts.length || !busy(state)) part("news").replaceChildren(...parts);
    part("news").classList.toggle("stale", busy(state) && !parts.length);
  }

  function show(state) {
    const time = text => new Date(text).toLocaleTimeString("en-GB");
    const has = state.properties.filter(p => p.state === "has").length;
    part("title").textContent = `Step ${state.step}: ${state.title}`;
    part("doing").textContent = doing[state.doing];
    part("doing").dataset.doing = state.doing;
    part("when").textContent = `${has} of ${state.properties.length} properties of this step. ${state.program}, ` +
      (state.saved ? `${state.files} saved at ${time(state.saved)}` : `at ${time(state.at)}`);
    part("share").max = state.properties.length;
    part("share").value = has;
    showNews(state);
    showProperties(state.properties);
  }

  document.addEventListener("live", event => {
    const { state, connected, lights } = event.detail;
    const [before, command, after] = note(state, connected);
    part("note").replaceChildren(before, element("code", command), after);
    part("note").dataset.on = connected && state?.watching ? "yes" : "no";
    part("steps").hidden = part("views").hidden = false;
    part("now").hidden = !state;
    showSteps(lights, state?.step);
    if (state) show(state);
  });

  // On a projector, the address ends with #class.
  const view = () => { root.dataset.view = location.hash.slice(1); };
  addEventListener("hashchange", () => { view(); scrollTo(0, 0); });
  view();
})();
