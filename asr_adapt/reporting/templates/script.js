"use strict";
// The page works without: this narrows and sorts the list of utterances, shows it in steps, follows
// a number to the utterances behind it, and ties players to the pictures of their sound.
(() => {
  const byId = (id) => document.getElementById(id);
  const playerOf = (picture) => picture.parentElement.querySelector("audio");
  document.addEventListener("play", (event) => {
    document.querySelectorAll("audio").forEach((each) => { if (each !== event.target) each.pause(); });
  }, true);
  document.addEventListener("timeupdate", (event) => {
    const picture = event.target.parentElement.querySelector(".sound");
    if (!picture) return;
    const head = picture.querySelector(".head");
    head.hidden = false;
    head.style.left = Math.min(100, 100 * event.target.currentTime / Number(picture.dataset.length)) + "%";
  }, true);
  document.addEventListener("click", (event) => {
    const picture = event.target.closest(".sound");
    if (!picture) return;
    const box = picture.getBoundingClientRect();
    const player = playerOf(picture);
    player.currentTime = Number(picture.dataset.length) * (event.clientX - box.left) / box.width;
    player.play().catch(() => {});
  });

  const tools = byId("tools");
  if (!tools) return;
  const STEP = 20;
  const [list, words, sort, reason, count, more, note] =
    ["list", "words", "sort", "reason", "count", "more", "note"].map(byId);
  const facets = Array.from(tools.querySelectorAll("[data-facet]"));
  const arms = ["from", "to"].map(byId);
  const rows = Array.from(list.querySelectorAll(".example")).map((element, place) => ({
    element, place,
    text: element.textContent.toLowerCase(),
    reasons: element.dataset.reasons.split(" "),
    places: new Set(element.dataset.places.split(" ")),
    errors: element.dataset.errors.split(" ").map(Number),
    length: Number(element.dataset.length),
  }));
  let room = STEP;
  let picked = null;

  const fits = (row) => (!picked || picked.has(row.place))
    && (!reason.value || row.reasons.includes(reason.value))
    && facets.every((each) => !each.value || row.places.has(each.dataset.facet + "." + each.value))
    && row.text.includes(words.value.trim().toLowerCase());
  const weigh = (row) => {
    const [kind, arm] = sort.value.split(":");
    const [from, to] = arms.map((each) => row.errors[Number(each.value)]);
    const weight = { errors: row.errors[Number(arm)], longest: row.length, fixed: from - to, broken: to - from }[kind];
    return weight === undefined ? 0 : Number.isNaN(weight) ? -Infinity : weight;
  };
  const draw = () => {
    const paired = sort.value === "fixed" || sort.value === "broken";
    arms.forEach((each) => { each.parentElement.hidden = !paired; });
    const found = rows.filter(fits).map((row) => [weigh(row), row])
      .sort(([a, one], [b, two]) => (b > a) - (b < a) || one.place - two.place).map(([, row]) => row);
    rows.forEach((row) => { row.element.hidden = true; });
    found.slice(0, room).forEach((row) => { row.element.hidden = false; });
    list.append(...found.map((row) => row.element));
    const seen = Math.min(room, found.length);
    count.textContent = seen + " of " + found.length + (found.length < rows.length ? " that fit, " + rows.length + " in all" : "");
    more.hidden = found.length <= room;
  };
  const narrow = () => { room = STEP; draw(); };
  const clear = () => {
    picked = null;
    note.hidden = true;
    words.value = "";
    [reason, ...facets].forEach((each) => { each.value = ""; });
    sort.value = "chosen";
  };
  tools.addEventListener("change", narrow);
  words.addEventListener("input", narrow);
  byId("reset").addEventListener("click", () => { clear(); narrow(); });
  more.addEventListener("click", () => {
    const next = room;
    room += STEP;
    draw();
    const first = list.querySelectorAll(".example:not([hidden])")[next];
    if (first) first.focus();
  });
  document.addEventListener("click", (event) => {
    const lead = event.target.closest("a[data-rows]");
    if (!lead) return;
    event.preventDefault();
    clear();
    picked = new Set(lead.dataset.rows.split(" ").map(Number));
    note.textContent = "Only: " + lead.title;
    note.hidden = false;
    narrow();
    byId("utterances").scrollIntoView();
    note.focus();
  });
  tools.hidden = false;
  draw();
})();
