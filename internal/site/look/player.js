// Recordings: a button on the picture of a terminal plays what happened there. The player comes when you press the button.
(() => {
  const site = document.documentElement.dataset.root + "site/";

  // load adds a script to the page. It works for files, too, where fetch does not.
  function load(address) {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = () => failed(new Error(`cannot load ${address}`));
      document.head.append(script);
    });
  }

  // loadPlayer loads the player and its style, once.
  let loading = null;
  function loadPlayer() {
    if (!loading) {
      const style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = site + "asciinema-player.css";
      document.head.append(style);
      loading = load(site + "asciinema-player.min.js");
    }
    return loading;
  }

  // play puts the player where the picture was.
  async function play(frame, button, address) {
    button.disabled = true;
    try {
      await loadPlayer();
      await load(address);
    } catch (error) {
      button.textContent = `The recording does not play: ${error.message}. make site brings the player.`;
      return;
    }
    const data = window.recording;
    frame.replaceChildren();
    const player = AsciinemaPlayer.create({ data }, frame, { rows: rows(data), fit: "width", idleTimeLimit: 2, theme: "workshop" });
    // The player listens to keys, but cannot be reached by Tab.
    const terminal = frame.querySelector(".ap-wrapper");
    terminal.tabIndex = 0;
    terminal.setAttribute("role", "group");
    terminal.setAttribute("aria-label", "A terminal. The space bar stops and plays, the arrow keys go back and forward");
    await player.play();
    terminal.focus();
  }

  // rows is how many lines a recording fills, so that the player is as high as the picture.
  function rows(data) {
    const [header, ...events] = data.trim().split("\n").map((line) => JSON.parse(line));
    const output = events.map((event) => event[2]).join("");
    return Math.min(header.height, output.trimEnd().split("\n").length);
  }

  for (const picture of document.querySelectorAll("img[data-recording]")) {
    const frame = document.createElement("span");
    frame.className = "recording";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Play the recording";
    button.addEventListener("click", () => play(frame, button, picture.dataset.recording));
    picture.replaceWith(frame);
    frame.append(picture, button);
  }
})();
