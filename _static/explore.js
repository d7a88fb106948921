"use strict";
// Moves the figures that utils/figure_html.py writes: a picture was drawn for each position of the controls, and
// this shows the one that belongs to where the controls stand. No dependency, no network but the pictures.
{
  const NEAR = "800px"; // load pictures when a figure is this close to the screen
  const explorers = [];

  class Explorer {
    constructor(figure) {
      this.figure = figure;
      this.data = JSON.parse(figure.querySelector("script").textContent);
      this.fields = this.data.controls.map(({ name }) => figure.querySelector(`[data-control="${name}"]`));
      this.sizes = this.data.controls.map(({ labels }) => labels.length);
      this.stage = figure.querySelector(".explore-stage");
      this.picture = this.stage.querySelector("img");
      this.photos = this.stage.querySelector(".explore-photos"); // what dark mode shows as it is
      this.shown = this.stage.querySelectorAll("img");
      this.shown.forEach((image) => (image.decoding = "sync")); // never a blank between two pictures
      this.caption = figure.querySelector("figcaption");
      this.folder = this.picture.getAttribute("src").replace(/[^/]*$/, "");
      this.pictures = new Map(); // name of a picture -> its <img>, or a promise of it
      this.near = this.touched = false;
      this.fields.forEach((field) => field.addEventListener("input", () => this.move()));
      figure.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => this.press(button)));
      figure.querySelector(".explore-controls").hidden = false;
    }

    // --- position: one index for each control; the last control changes fastest -------------------------------

    get position() {
      return this.fields.map((field) =>
        field.type === "checkbox" ? Number(field.checked) : field.selectedIndex ?? Number(field.value));
    }

    set position(position) {
      position.forEach((index, i) => {
        const field = this.fields[i];
        if (field.type === "checkbox") field.checked = Boolean(index);
        else if (field.options) field.selectedIndex = index;
        else field.value = index;
      });
    }

    frameAt(position) {
      return position.reduce((index, at, i) => index * this.sizes[i] + at, 0);
    }

    // --- showing ------------------------------------------------------------------------------------------------

    move({ byHand = true } = {}) {
      if (byHand) this.pause();
      this.touched = true;
      this.show();
      later("address", 250, writeAddress);
      later(this, 60, () => this.loadNeighbours());
    }

    show() {
      const position = this.position;
      const index = this.frameAt(position);
      const state = this.data.controls.map(({ title, labels }, i) => `${title} ${labels[position[i]]}`);
      this.fields.forEach((field, i) => {
        if (field.type !== "range") return;
        const label = this.data.controls[i].labels[position[i]];
        field.setAttribute("aria-valuetext", label);
        field.parentElement.querySelector("output").textContent = label;
      });
      const put = (picture) => {
        if (this.frameAt(this.position) !== index) return; // the reader has moved on
        // A picture that is loaded and decoded elsewhere on the page is shown at once, without a new layout.
        for (const shown of this.shown) if (shown.src !== picture.src) shown.src = picture.src;
        this.picture.alt = `${this.data.title} (${state.join(", ")})`;
        if (this.photos) {
          this.photos.style.clipPath = this.data.photos[this.data.photo[index]];
        }
        this.caption.textContent = this.data.captions[index];
      };
      const picture = this.load(this.data.frames[index]);
      if (picture instanceof Promise) picture.then(put, () => this.fail(index));
      else put(picture);
    }

    fail(index) {
      if (this.frameAt(this.position) === index) this.caption.textContent = "This picture could not be loaded.";
    }

    // --- loading ------------------------------------------------------------------------------------------------

    load(name) {
      if (this.picture.src.endsWith(`/${name}.webp`)) return this.picture;
      if (!this.pictures.has(name)) {
        const picture = new Image();
        picture.src = `${this.folder}${name}.webp`;
        // Decoded before it is needed, a picture is in place within the same event.
        const loading = picture.decode().then(() => (this.pictures.set(name, picture), picture));
        loading.catch(() => this.pictures.delete(name)); // so that the next move tries again
        this.pictures.set(name, loading);
      }
      return this.pictures.get(name);
    }

    // All positions of each control from where the others stand, the nearest first: what one move can reach.
    loadNeighbours() {
      if (!this.near) return;
      const position = this.position;
      const reach = navigator.connection?.saveData ? 1 : Infinity;
      const near = [];
      this.sizes.forEach((size, i) => {
        for (let at = 0; at < size; at++) {
          const distance = Math.abs(at - position[i]);
          if (distance && distance <= reach) near.push([distance, this.frameAt(position.with(i, at))]);
        }
      });
      near.sort(([a], [b]) => a - b).forEach(([, index]) => this.load(this.data.frames[index]));
    }

    // --- steps --------------------------------------------------------------------------------------------------

    press(button) {
      const field = button.closest(".explore-control").querySelector("input");
      const last = Number(field.max);
      const go = (step, byHand = true) => {
        field.value = Math.min(Math.max(step, 0), last);
        this.move({ byHand });
      };
      const action = button.dataset.step;
      if (action === "restart") go(0);
      if (action === "back") go(Number(field.value) - 1);
      if (action === "forward") go(Number(field.value) + 1);
      if (action !== "play") return;
      if (this.playing) return this.pause();
      if (Number(field.value) === last) go(0);
      const tick = () => (Number(field.value) < last ? go(Number(field.value) + 1, false) : this.pause());
      this.playing = setInterval(tick, this.data.interval);
      this.caption.setAttribute("aria-live", "off"); // a screen reader could not keep up
      this.label(button, "Pause");
    }

    pause() {
      if (!this.playing) return;
      clearInterval(this.playing);
      this.playing = null;
      this.caption.setAttribute("aria-live", "polite");
      this.label(this.figure.querySelector('[data-step="play"]'), "Play");
    }

    label(button, name) {
      button.setAttribute("aria-label", name);
      button.title = name;
      button.classList.toggle("is-playing", Boolean(this.playing));
    }
  }

  // --- the state of the page stands in its address: #sigma=2&kind=median --------------------------------------

  // A name that two figures share is told apart by the figure's own: #edges.sigma=2.
  const keyOf = (explorer, name) =>
    explorers.filter(({ data }) => data.controls.some((control) => control.name === name)).length > 1
      ? `${explorer.figure.id}.${name}`
      : name;

  function writeAddress() {
    const state = new URLSearchParams();
    for (const explorer of explorers.filter(({ touched }) => touched)) {
      const position = explorer.position;
      explorer.data.controls.forEach(({ name, labels }, i) => state.set(keyOf(explorer, name), labels[position[i]]));
    }
    history.replaceState(null, "", `#${state}`);
  }

  function readAddress() {
    if (!location.hash.includes("=")) return;
    const state = new URLSearchParams(location.hash.slice(1));
    const named = explorers.filter((explorer) => {
      const position = explorer.data.controls.map(({ name, labels }, i) => {
        const wanted = state.get(keyOf(explorer, name));
        const index = labels.findIndex((label) => label === wanted || (wanted && Number(label) === Number(wanted)));
        return index < 0 ? explorer.position[i] : index;
      });
      explorer.position = position;
      explorer.show();
      explorer.touched = explorer.data.controls.some(({ name }) => state.has(keyOf(explorer, name)));
      return explorer.touched;
    });
    named[0]?.figure.scrollIntoView({ block: "start" });
  }

  // --- start --------------------------------------------------------------------------------------------------

  const timers = new Map();
  function later(key, milliseconds, action) {
    clearTimeout(timers.get(key));
    timers.set(key, setTimeout(action, milliseconds));
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll("figure.explore:has(> script)")) explorers.push(new Explorer(figure));
    // A browser that brings back what a form held brings back the picture too.
    explorers.forEach((explorer) => explorer.show());
    readAddress();
    addEventListener("hashchange", readAddress);
    const watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const explorer = explorers.find(({ figure }) => figure === target);
        explorer.near = isIntersecting;
        if (isIntersecting) explorer.loadNeighbours();
        else explorer.pause();
      }
    }, { rootMargin: NEAR });
    explorers.forEach(({ figure }) => watch.observe(figure));
  });
}
