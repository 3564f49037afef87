// Buttons that copy the commands of a block, without prompts and output, or the code of a block.
(() => {
  // copy copies a text, and says so on the button in place of its name, for a moment.
  async function copy(button, name, text) {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    button.classList.add("done");
    setTimeout(() => { button.textContent = name; button.classList.remove("done"); }, 1500);
  }

  function button(name, label, text) {
    const b = document.createElement("button");
    b.type = "button";
    b.className = "copy";
    b.textContent = name;
    b.setAttribute("aria-label", label);
    b.addEventListener("click", () => copy(b, name, text()));
    return b;
  }

  // Each command of a terminal with several has a button at the end of its line. The arrow keys lead from one to the next.
  function lines(figure, box, commands) {
    const buttons = commands.map(command => {
      const b = button("Copy", `Copy ${command.textContent}`, () => command.textContent);
      b.classList.add("line");
      b.tabIndex = -1;
      box.append(b);
      return b;
    });
    const place = () => buttons.forEach((b, i) => {
      b.style.top = `${commands[i].getBoundingClientRect().top - figure.getBoundingClientRect().top - 4}px`;
    });
    figure.addEventListener("pointerenter", place);
    box.addEventListener("focusin", place);
    figure.querySelector("pre").addEventListener("pointermove", event => buttons.forEach((b, i) => {
      const { top, bottom } = commands[i].getBoundingClientRect();
      b.classList.toggle("here", event.clientY >= top - 3 && event.clientY <= bottom + 3);
    }));
    box.addEventListener("keydown", event => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const all = [...box.children];
      const next = all[all.indexOf(document.activeElement) + step];
      if (!step || !next) return;
      event.preventDefault();
      next.focus();
    });
  }

  for (const figure of document.querySelectorAll("figure.terminal, figure.code")) {
    const pre = figure.querySelector("pre");
    const commands = [...pre.querySelectorAll("kbd")].filter(kbd => kbd.textContent);
    const terminal = figure.classList.contains("terminal");
    if (terminal && commands.length === 0) continue;
    const box = document.createElement("div");
    box.className = "copies";
    const text = () => terminal ? commands.map(kbd => kbd.textContent).join("\n") + "\n" : pre.textContent;
    const several = commands.length > 1;
    box.append(button(several ? "Copy all" : "Copy", several ? "Copy all commands" : terminal ? "Copy the command" : "Copy the code", text));
    figure.append(box);
    if (several) lines(figure, box, commands);
  }
})();
