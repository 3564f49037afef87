// In a lesson, below "Now yours": what make watch has found first, with a link to the live page.
(() => {
  const root = document.documentElement;
  const heading = document.getElementById("now-yours");
  if (!heading) return;
  const step = Number(document.querySelector("nav.steps [aria-current]").closest("[data-step]").dataset.step);

  const line = document.createElement("p");
  line.className = "problem-line";
  line.hidden = true;
  const link = document.createElement("a");
  link.href = root.dataset.root + "live.html";
  line.append(link);
  heading.after(line);

  // find returns the words for the problem, or nothing. They may be output of a program, so they stay text.
  function find(state) {
    if (state?.step === step && state.doing === "broken") return "Your program does not compile";
    return state?.first?.step === step ? state.first.property : "";
  }

  document.addEventListener("live", event => {
    const { state } = event.detail;
    const busy = ["saved", "compiling", "checking"].includes(state?.doing);
    if (busy) return; // The last problem stays until there is an answer.
    const found = find(state);
    line.hidden = !found;
    link.textContent = `✗ ${found}`;
  });
})();
