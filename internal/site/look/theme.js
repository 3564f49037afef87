// Sets the theme before anything is drawn: the reader's choice, or the system's.
(() => {
  let choice = null;
  try { choice = localStorage.getItem("theme"); } catch { /* A browser may forbid storage for files. */ }
  document.documentElement.dataset.theme = choice || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
})();
