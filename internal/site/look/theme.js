// Sets the colours before anything is drawn: the reader's choice, or the system's. The button and the key t change the choice.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  // The first turn is away from the system's colours, so that you see it.
  const choices = () => system.matches ? ["system", "light", "dark"] : ["system", "dark", "light"];

  function stored() {
    try { return localStorage.getItem("theme"); } catch { return null; /* A browser may forbid storage for files. */ }
  }

  function apply() {
    const choice = root.dataset.choice;
    const dark = choice === "system" ? system.matches : choice === "dark";
    root.dataset.theme = dark && !paper.matches ? "dark" : "light";
    const name = `Colours: ${choice === "system" ? "as the system" : choice}`;
    document.getElementById("theme")?.setAttribute("aria-label", name);
  }

  function turn() {
    root.dataset.choice = choices()[(choices().indexOf(root.dataset.choice) + 1) % 3];
    try { localStorage.setItem("theme", root.dataset.choice); } catch { /* See above. */ }
    apply();
  }

  root.dataset.choice = choices().includes(stored()) ? stored() : "system";
  apply();
  system.addEventListener("change", apply);
  paper.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", turn);
  });
})();
