"use strict";
// Works without: it only narrows the list of utterances and stops one player when another starts.
(() => {
  const tools = document.getElementById("tools");
  const players = document.querySelectorAll("audio");
  document.addEventListener("play", (event) => {
    players.forEach((player) => { if (player !== event.target) player.pause(); });
  }, true);
  if (!tools) return;
  tools.hidden = false;
  const choice = document.getElementById("choice");
  const words = document.getElementById("words");
  const count = document.getElementById("count");
  const examples = Array.from(document.querySelectorAll(".example"));
  const narrow = () => {
    const wanted = words.value.trim().toLowerCase();
    let shown = 0;
    for (const each of examples) {
      const fits = (!choice.value || each.dataset.reasons.split(" ").includes(choice.value))
        && (!wanted || each.textContent.toLowerCase().includes(wanted));
      each.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = shown + " of " + examples.length + " shown";
  };
  choice.addEventListener("change", narrow);
  words.addEventListener("input", narrow);
  narrow();
})();
