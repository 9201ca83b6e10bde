// <ostiary-login target="/page">fallback</ostiary-login>: "where are you from?" on a page of the application. Without JavaScript the fallback
// stands there, a link to the login. Of a mail address only the domain leaves the browser.
"use strict";
(function () {
  if (!window.customElements || customElements.get("ostiary-login")) return;
  const BASE = new URL(".", document.currentScript.src);
  const PAUSE = 120;
  const STYLE = `
    :host { display: block; max-width: 30rem; font: inherit; color: inherit; }
    * { box-sizing: border-box; font: inherit; color: inherit; }
    [hidden] { display: none; }
    h2 { font-size: 1.15em; font-weight: 600; margin: 0 0 .5em; }
    p { margin: .25em 0; } .hint { opacity: .8; font-size: .9em; }
    label { display: block; font-weight: 600; margin-block-start: .75em; }
    label.keep { font-weight: 400; display: flex; gap: .5em; align-items: center; min-height: 2.75rem; }
    input[type=search] { width: 100%; min-height: 2.75rem; padding: .4em .75em; border: 1px solid currentColor; border-radius: .4em; background: transparent; }
    ul { list-style: none; margin: .5em 0; padding: 0; max-height: 22rem; overflow-y: auto; }
    button { display: block; width: 100%; min-height: 2.75rem; padding: .4em .75em; text-align: start; background: transparent; border: 1px solid color-mix(in srgb, currentColor 30%, transparent); border-radius: .4em; margin-block: .25em; cursor: pointer; overflow-wrap: anywhere; }
    button:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
    button.first { background: var(--ostiary-accent, #1d4f91); color: var(--ostiary-on-accent, #fff); border-color: transparent; font-weight: 600; text-align: center; }
    small { opacity: .8; }
    :focus-visible { outline: 3px solid var(--ostiary-accent, Highlight); outline-offset: 2px; }`;

  function element(name, properties, ...content) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...content);
    return made;
  }

  class OstiaryLogin extends HTMLElement {
    connectedCallback() {
      if (!this.shadowRoot) this.build();
    }

    async build() {
      const root = this.attachShadow({ mode: "open" });
      // What the page wrote stays until there is something better, and if there never is.
      root.append(element("slot", {}));
      try {
        this.draw(root, await this.ask(""));
      } catch (problem) {
        // The network failed: the link is still there.
      }
    }

    async ask(text) {
      if (this.asking) this.asking.abort();
      const own = (this.asking = new AbortController());
      const address = new URL("widget", BASE);
      address.searchParams.set("q", text);
      const answer = await fetch(address, { headers: { Accept: "application/json" }, signal: own.signal });
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    }

    draw(root, shown) {
      const texts = shown.texts;
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      this.keep = element("input", { type: "checkbox", checked: shown.before.length > 0 });
      this.field = element("input", { id: "q", type: "search", dir: "auto", maxLength: 200, autocomplete: "off", spellcheck: false });
      this.field.setAttribute("aria-describedby", "hint");
      this.status = element("p", { className: "hint" });
      this.status.setAttribute("role", "status");
      this.list = element("ul", {});
      const before = shown.before.map(([id, , , text], at) => this.button(id, text, "", at === 0 ? "first" : ""));
      root.replaceChildren(
        element("h2", { textContent: texts.title }),
        ...before,
        element("label", { htmlFor: "q", textContent: before.length ? texts.other : texts.label }),
        element("p", { id: "hint", className: "hint", textContent: texts.hint }),
        this.field,
        element("label", { className: "keep" }, this.keep, element("span", { textContent: texts.remember })),
        this.status,
        this.list,
        element("slot", {})
      );
      this.field.addEventListener("input", () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.search(), PAUSE);
      });
      root.addEventListener("keydown", (event) => this.move(event));
    }

    async search() {
      const typed = this.field.value;
      // What is before an @ is hers.
      const text = typed.slice(Math.max(0, typed.lastIndexOf("@")));
      if (!text.trim()) {
        if (this.asking) this.asking.abort();
        this.list.replaceChildren();
        this.status.textContent = "";
        return;
      }
      try {
        const found = await this.ask(text);
        this.status.textContent = found.status;
        this.list.replaceChildren(...found.homes.map(([id, name, domain]) => element("li", {}, this.button(id, name, domain, ""))));
      } catch (problem) {
        // Something newer was typed, or the network failed.
      }
    }

    button(entityId, name, domain, kind) {
      const made = element("button", { type: "button", className: kind }, element("bdi", { textContent: name }));
      if (domain) made.append(" ", element("small", {}, element("bdi", { textContent: domain })));
      made.addEventListener("click", () => this.choose(entityId));
      return made;
    }

    choose(entityId) {
      const address = new URL("choose", BASE);
      address.searchParams.set("entityID", entityId);
      address.searchParams.set("target", this.getAttribute("target") || location.pathname + location.search);
      if (this.keep.checked) address.searchParams.set("remember", "yes");
      location.assign(address);
    }

    move(event) {
      const all = Array.from(this.list.querySelectorAll("button"));
      const at = all.indexOf(this.shadowRoot.activeElement);
      if (event.isComposing || (at < 0 && this.shadowRoot.activeElement !== this.field)) return;
      const to = { ArrowDown: Math.min(at + 1, all.length - 1), ArrowUp: at - 1, Escape: -1 }[event.key];
      if (to === undefined || !all.length) return;
      event.preventDefault();
      (to < 0 ? this.field : all[to]).focus();
    }
  }

  customElements.define("ostiary-login", OstiaryLogin);
})();
