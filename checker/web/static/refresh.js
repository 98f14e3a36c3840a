// Keeps the page fresh without a flash: fetches itself every few seconds and swaps <main>. Without JavaScript the
// page reloads itself by <meta http-equiv="refresh">. While somebody is about to press a button, chooses from a
// list or marks text, nothing is swapped; the focus stays on its link, and tables keep how far they were scrolled.
"use strict";
(function () {
  const every = 5000;
  const main = document.querySelector("main");
  let failures = 0;
  function busy() {
    const active = document.activeElement;
    const marked = document.getSelection();
    const marking = marked && !marked.isCollapsed && main.contains(marked.anchorNode);
    return marking || (main.contains(active) && active.matches("input, select, button, textarea"));
  }
  // Where the focus is, in words that hold after the swap: the nth link to there, or the nth table.
  function focused() {
    const active = document.activeElement;
    if (!main.contains(active) || active === main) return null;
    const href = active.getAttribute("href");
    const like = href === null ? ".scroll" : `a[href="${CSS.escape(href)}"]`;
    return { like, nth: [...main.querySelectorAll(like)].indexOf(active) };
  }
  function swap(fresh) {
    const place = focused();
    const said = main.querySelector("h1").textContent;
    const scrolled = [...main.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
    main.replaceChildren(...fresh.querySelector("main").childNodes);
    main.querySelectorAll(".scroll").forEach((each, index) => (each.scrollLeft = scrolled[index] || 0));
    const again = place && main.querySelectorAll(place.like)[place.nth];
    if (again) again.focus({ preventScroll: true });
    const says = main.querySelector("h1").textContent;
    if (says !== said) document.getElementById("told").textContent = says;
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
