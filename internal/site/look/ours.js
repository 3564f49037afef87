// A lesson shows our code only when you ask, when your program has passed the step, or when you come from a page that shows our code.
(() => {
  const root = document.documentElement;
  const heading = document.getElementById("walking-through");
  const pieces = document.querySelectorAll(".pieces");
  if (!heading || pieces.length === 0) return;
  const step = document.querySelector("nav.steps [aria-current]").closest("[data-step]").dataset.step;

  const button = document.createElement("button");
  button.type = "button";
  button.className = "ours";
  button.addEventListener("click", () => { show(root.dataset.ours === "hidden"); remember(root.dataset.ours); });

  function show(shown) {
    root.dataset.ours = shown ? "shown" : "hidden";
    button.textContent = shown ? "Hide our code" : "Show our code";
    button.setAttribute("aria-expanded", shown);
  }

  // What you choose holds for this step. A browser may forbid storage for files.
  function remember(choice) {
    try { localStorage.setItem(`ours-${step}`, choice); } catch { /* Then the next page asks again. */ }
  }

  function remembered() {
    try { return localStorage.getItem(`ours-${step}`); } catch { return null; }
  }

  // passed opens the code when make watch says that the program has passed, unless you have chosen.
  function passed(event) {
    if (event.detail.state?.passed[step - 1] && !remembered()) show(true);
  }

  heading.after(button);
  show((remembered() ?? (location.hash === "#walking-through" ? "shown" : "hidden")) === "shown");
  document.addEventListener("live", passed);
})();
