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

  function box(figure) {
    const b = document.createElement("div");
    b.className = "copies";
    figure.querySelector("pre").before(b);
    return b;
  }

  // shells returns the commands of a terminal in groups: a group ends where the prompt names another user or host. Lines that are
  // pasted after a command that starts a shell would not reach the new shell.
  function shells(commands) {
    const shell = command => command.previousElementSibling.textContent.replace(/:.*/, "");
    const groups = [];
    for (const command of commands) {
      const last = groups.at(-1);
      if (last && shell(last[0]) === shell(command)) last.push(command);
      else groups.push([command]);
    }
    return groups;
  }

  // all makes the button for the commands of one shell.
  function all(commands, several) {
    const text = () => commands.map(command => command.textContent).join("\n") + "\n";
    if (commands.length === 1) return button("Copy", several ? `Copy ${commands[0].textContent}` : "Copy the command", text);
    if (!several) return button("Copy all", "Copy all commands", text);
    return button(`Copy ${commands.length} lines`, `Copy ${commands.length} lines, from ${commands[0].textContent}`, text);
  }

  // above puts the button of a later shell between the shells, as the button of the first is on the edge of the block.
  function above(command, b) {
    const gap = document.createElement("span");
    gap.className = "shell";
    gap.append(b);
    command.parentElement.before(gap);
  }

  // single makes a button for a command, at the end of its line, where the mouse shows the button.
  function single(figure, command) {
    const b = button("Copy", `Copy ${command.textContent}`, () => command.textContent);
    b.classList.add("line");
    b.tabIndex = -1;
    const place = () => { b.style.top = `${command.getBoundingClientRect().top - figure.getBoundingClientRect().top - 4}px`; };
    figure.addEventListener("pointerenter", place);
    figure.addEventListener("focusin", place);
    figure.querySelector("pre").addEventListener("pointermove", event => {
      const { top, bottom } = command.getBoundingClientRect();
      b.classList.toggle("here", event.clientY >= top - 3 && event.clientY <= bottom + 3);
    });
    return b;
  }

  // arrows lead from one button to the next.
  function arrows(figure, buttons) {
    figure.addEventListener("keydown", event => {
      const at = buttons.indexOf(document.activeElement);
      const next = buttons[at + ({ ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0)];
      if (at < 0 || !next || buttons[at] === next) return;
      event.preventDefault();
      next.focus();
    });
  }

  function terminal(figure) {
    const groups = shells([...figure.querySelectorAll("kbd")].filter(kbd => kbd.textContent));
    if (groups.length === 0) return;
    const place = box(figure);
    const buttons = groups.flatMap((commands, i) => {
      const b = all(commands, groups.length > 1);
      if (i === 0) place.append(b);
      else above(commands[0], b);
      const singles = commands.length > 1 ? commands.map(command => single(figure, command)) : [];
      place.append(...singles);
      return [b, ...singles];
    });
    arrows(figure, buttons);
  }

  for (const figure of document.querySelectorAll("figure.terminal")) terminal(figure);
  for (const figure of document.querySelectorAll("figure.code")) {
    box(figure).append(button("Copy", "Copy the code", () => figure.querySelector("pre").textContent));
  }
})();
