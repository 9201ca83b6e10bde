// Searches while the person types. Without it the form's button does the same.
"use strict";
(function () {
  const form = document.getElementById("search");
  const input = form.querySelector("input[type=search]");
  let timer = 0;
  let latest = 0;

  async function search() {
    const number = ++latest;
    const address = form.action + "?" + new URLSearchParams(new FormData(form));
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("results");
      if (number !== latest || !answer.ok || !fresh) return;
      // The live region stays in place, so that screen readers speak its new text.
      const shown = document.getElementById("results");
      shown.querySelector("[role=status]").textContent = fresh.querySelector("[role=status]").textContent;
      while (shown.children.length > 1) shown.lastElementChild.remove();
      shown.append(...Array.from(fresh.children).slice(1));
      history.replaceState(null, "", address);
    } catch {
      // The network failed: the button is still there.
    }
  }

  input.addEventListener("input", function () {
    clearTimeout(timer);
    timer = setTimeout(search, 150);
  });
})();
