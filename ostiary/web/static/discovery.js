// Searches while the person types. Without it the form's button does the same. Of a mail address only the domain leaves the browser.
"use strict";
(function () {
  const form = document.getElementById("search");
  const input = document.getElementById("q");
  const results = document.getElementById("results");
  if (!form || !input || !results || !form.dataset.suggest) return;
  const PAUSE = 120;
  let timer = 0;
  let asking = null;
  let shown = asked();

  // What is before an @ is hers.
  function asked() {
    return input.value.slice(Math.max(0, input.value.lastIndexOf("@")));
  }

  function address(path, most) {
    const fields = new URLSearchParams();
    for (const field of form.querySelectorAll("input[type=hidden]")) fields.append(field.name, field.value);
    if (asked().trim() || most) fields.append("q", asked());
    return path + "?" + fields;
  }

  function element(name, ...content) {
    const made = document.createElement(name);
    made.append(...content);
    return made;
  }

  function picture(name, logo) {
    const made = element("span");
    made.className = "picture";
    made.setAttribute("aria-hidden", "true");
    if (!logo) {
      made.append(Array.from(name)[0] || "");
    } else {
      const image = element("img");
      Object.assign(image, { src: logo, alt: "", width: 40, height: 40, loading: "lazy" });
      made.append(image);
    }
    return made;
  }

  // The same as discovery.html writes.
  function row([entityId, name, domain, logo]) {
    const choice = element("button");
    choice.name = form.dataset.field;
    choice.value = entityId;
    if (logo !== undefined) choice.append(picture(name, logo));
    const what = element("span", element("strong", element("bdi", name)));
    what.className = "what";
    if (domain) what.append(" ", element("small", element("bdi", domain)));
    choice.append(what);
    return element("li", choice);
  }

  function show(found) {
    // The live region stays in place, so that screen readers speak its new text.
    results.querySelector("[role=status]").textContent = found.status;
    while (results.children.length > 1) results.lastElementChild.remove();
    if (found.homes.length) {
      const list = element("ul", ...found.homes.map(row));
      list.className = "choices";
      results.append(list);
    } else if (found.help) {
      results.append(element("p", found.help));
    }
    const other = document.getElementById("not-listed");
    if (other && !found.homes.length) other.open = true;
  }

  // Whether what stands there is what is asked for.
  async function search() {
    clearTimeout(timer);
    const wanted = asked();
    if (wanted === shown) return true;
    if (asking) asking.abort();
    const own = (asking = new AbortController());
    try {
      const answer = await fetch(address(form.dataset.suggest, true), { headers: { Accept: "application/json" }, signal: own.signal });
      if (!answer.ok) return false;
      const found = await answer.json();
      if (own !== asking) return true;
      show(found);
      shown = wanted;
      history.replaceState(null, "", address(form.action, false));
      return true;
    } catch (problem) {
      // Something newer was typed, or the network failed: the button is still there.
      return problem.name === "AbortError";
    }
  }

  function choices() {
    return Array.from(results.querySelectorAll("ul.choices button"));
  }

  input.addEventListener("input", function () {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE);
  });

  form.addEventListener("submit", async function (event) {
    event.preventDefault();
    if (await search()) {
      // Enter chooses nobody by itself: it leads to the first, and from there once more.
      const first = choices()[0];
      if (first && input.value.trim()) first.focus();
    } else {
      input.value = asked();
      form.submit();
    }
  });

  input.addEventListener("keydown", function (event) {
    const first = choices()[0];
    if (event.key === "ArrowDown" && first && !event.isComposing) {
      event.preventDefault();
      first.focus();
    }
  });

  results.addEventListener("keydown", function (event) {
    const all = choices();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: Math.min(at + 1, all.length - 1), ArrowUp: at - 1, Home: 0, End: all.length - 1, Escape: -1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    (to < 0 ? input : all[to]).focus();
  });
})();
