// Finds the nearest organisations when the person asks for it. Her position stays in the browser: the list of places comes here.
"use strict";
(function () {
  const box = document.getElementById("nearest");
  if (!box || !navigator.geolocation) return;
  const button = box.querySelector("button");
  const status = box.querySelector("[role=status]");
  const list = box.querySelector("ul");
  const MOST = 5;

  // Kilometres on a sphere (haversine).
  function distance(north, east, otherNorth, otherEast) {
    const radians = Math.PI / 180;
    const a = Math.sin(((otherNorth - north) * radians) / 2) ** 2 +
      Math.cos(north * radians) * Math.cos(otherNorth * radians) * Math.sin(((otherEast - east) * radians) / 2) ** 2;
    return 12742 * Math.asin(Math.sqrt(Math.min(1, a)));
  }

  function element(name, content) {
    const made = document.createElement(name);
    if (content) made.append(content);
    return made;
  }

  function row(place) {
    const [entityId, name, domain] = place;
    const choice = element("button");
    choice.name = box.dataset.field;
    choice.value = entityId;
    const what = element("span", element("strong", element("bdi", name)));
    what.className = "what";
    if (domain) what.append(" ", element("small", element("bdi", domain)));
    choice.append(what);
    return element("li", choice);
  }

  async function show(position) {
    const { latitude, longitude } = position.coords;
    try {
      const answer = await fetch(box.dataset.places, { headers: { Accept: "application/json" } });
      const places = answer.ok ? await answer.json() : [];
      const far = (place) => distance(latitude, longitude, place[3], place[4]);
      const nearest = places.sort((one, other) => far(one) - far(other)).slice(0, MOST);
      list.replaceChildren(...nearest.map(row));
      list.hidden = !nearest.length;
      status.textContent = nearest.length ? box.dataset.found : box.dataset.none;
    } catch {
      status.textContent = box.dataset.none;
    }
  }

  button.addEventListener("click", function () {
    status.textContent = box.dataset.looking;
    navigator.geolocation.getCurrentPosition(show, function () {
      status.textContent = box.dataset.denied;
    }, { maximumAge: 600000, timeout: 15000 });
  });
  box.hidden = false;
})();
