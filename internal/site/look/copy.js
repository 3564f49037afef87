// Buttons that copy the commands of a block, without prompts and output, or the code of a block.
(() => {
  async function copy(button, text) {
    const name = button.textContent;
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
    b.addEventListener("click", () => copy(b, text()));
    return b;
  }

  // Each command of a terminal with several has a button at the end of its line. The arrow keys lead from one to the next.
  function lines(box, pre, commands) {
    for (const command of commands) {
      const b = button("Copy", `Copy ${command.textContent}`, () => command.textContent);
      b.classList.add("line");
      b.tabIndex = -1;
      b.style.top = `${pre.offsetTop + command.offsetTop}px`;
      box.append(b);
    }
    pre.addEventListener("pointermove", event => {
      const at = event.clientY;
      [...box.querySelectorAll(".line")].forEach((b, i) => {
        const { top, bottom } = commands[i].getBoundingClientRect();
        b.classList.toggle("here", at >= top - 2 && at <= bottom + 2);
      });
    });
    box.addEventListener("keydown", event => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const buttons = [...box.querySelectorAll("button")];
      const next = buttons[buttons.indexOf(document.activeElement) + step];
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
    box.append(button("Copy", terminal ? "Copy the commands" : "Copy the code", text));
    figure.append(box);
    if (commands.length > 1) lines(box, pre, commands);
  }
})();
