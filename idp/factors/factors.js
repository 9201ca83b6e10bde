// Passkeys in forms. A form with data-passkey ("get" or "create") asks data-options for what the browser needs, puts the answer of the
// authenticator into its field "credential" and goes on as any other form. Without this file such forms stay hidden.
"use strict";
(() => {
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const withBytes = (list) => (list || []).map((entry) => ({ ...entry, id: toBytes(entry.id) }));

  async function optionsFor(form) {
    const answer = await fetch(form.dataset.options, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      redirect: "error",
    });
    if (!answer.ok) throw new Error(`options: ${answer.status}`);
    const options = await answer.json();
    options.challenge = toBytes(options.challenge);
    if (options.user) {
      options.user.id = toBytes(options.user.id);
      options.excludeCredentials = withBytes(options.excludeCredentials);
    } else {
      options.allowCredentials = withBytes(options.allowCredentials);
    }
    return options;
  }

  function written(credential) {
    const response = credential.response;
    const shown = { clientDataJSON: toText(response.clientDataJSON) };
    if (response.attestationObject) {
      shown.attestationObject = toText(response.attestationObject);
      shown.transports = response.getTransports ? response.getTransports() : [];
    } else {
      shown.authenticatorData = toText(response.authenticatorData);
      shown.signature = toText(response.signature);
      shown.userHandle = response.userHandle ? toText(response.userHandle) : null;
    }
    return JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      response: shown,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  }

  function goOn(form, credential) {
    form.elements.namedItem("credential").value = written(credential);
    // Past our own listener, and past a field that may be called "submit".
    HTMLFormElement.prototype.submit.call(form);
  }

  let waiting = null;
  let asking = Promise.resolve();

  // The browser offers passkeys where the user name is typed.
  async function offerInField(form) {
    if (!PublicKeyCredential.isConditionalMediationAvailable) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable())) return;
    const mine = (waiting = new AbortController());
    const options = optionsFor(form);
    asking = options.catch(() => undefined);
    const publicKey = await options;
    if (mine.signal.aborted) return;
    const credential = await navigator.credentials.get({ publicKey, mediation: "conditional", signal: mine.signal });
    if (credential) goOn(form, credential);
  }

  async function press(form, button, problem) {
    if (waiting) waiting.abort();
    waiting = null;
    problem.hidden = true;
    button.disabled = true;
    try {
      // Each challenge takes the place of the one before, so ours must be the later one.
      await asking;
      const publicKey = await optionsFor(form);
      const ask = form.dataset.passkey === "create" ? "create" : "get";
      goOn(form, await navigator.credentials[ask]({ publicKey }));
    } catch (error) {
      console.info("passkey:", error);
      problem.hidden = false;
      button.disabled = false;
      button.focus();
    }
  }

  const able = window.isSecureContext && window.PublicKeyCredential && navigator.credentials;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!able) continue;
    const button = form.querySelector("button");
    const problem = form.querySelector("[data-problem]");
    form.hidden = false;
    for (const part of document.querySelectorAll("[data-without-passkeys]")) part.hidden = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      press(form, button, problem);
    });
    if (form.hasAttribute("data-in-field")) offerInField(form).catch((error) => console.info("passkey:", error));
  }

  // A code is good once: of a double click only the first half goes out. A page that comes back from the cache is usable again.
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
    window.addEventListener("pageshow", () => delete form.dataset.sent);
  }
})();
