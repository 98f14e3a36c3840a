// Keeps the page fresh without a flash: fetches itself every few seconds and swaps <main>. Without JavaScript the
// page reloads itself by <meta http-equiv="refresh">. While somebody is about to press a button or chooses from a
// list, nothing is swapped; tables keep how far they were scrolled.
"use strict";
(function () {
  const every = 5000;
  const main = document.querySelector("main");
  let failures = 0;
  function busy() {
    const active = document.activeElement;
    return main.contains(active) && active.matches("input, select, button, textarea");
  }
  function swap(fresh) {
    const scrolled = [...main.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
    main.replaceChildren(...fresh.querySelector("main").childNodes);
    main.querySelectorAll(".scroll").forEach((each, index) => (each.scrollLeft = scrolled[index] || 0));
    document.title = fresh.title;
    const icon = fresh.querySelector("link[rel=icon]");
    if (icon) document.querySelector("link[rel=icon]").href = icon.href;
  }
  async function refresh() {
    if (!document.hidden && !busy()) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (!busy()) swap(fresh);
        failures = 0;
      } catch {
        failures += 1;
      }
      document.getElementById("offline").hidden = failures < 2;
    }
    setTimeout(refresh, every);
  }
  setTimeout(refresh, every);
})();
