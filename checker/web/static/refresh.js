// Keeps the page fresh without a flash: fetches itself every few seconds and swaps <main>. Without JavaScript the
// page reloads itself by <meta http-equiv="refresh">.
"use strict";
(function () {
  const every = 5000;
  let failures = 0;
  async function refresh() {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        document.querySelector("main").replaceChildren(...fresh.querySelector("main").childNodes);
        document.title = fresh.title;
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
