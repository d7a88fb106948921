"use strict";
// Narrows down the lists of the part Practice: a row stays when it has all the words that are searched for and the
// value that each field asks for. What is chosen stands in the address, so that it can be shared.
{
  class Filter {
    constructor(form) {
      this.form = form;
      this.fields = [...form.querySelectorAll("input, select")];
      this.list = document.getElementById(form.dataset.rows);
      this.sections = [...this.list.querySelectorAll("section")];
      this.rows = [...this.list.querySelectorAll(".rows > li")];
      this.texts = this.rows.map((row) => row.textContent.toLowerCase());
      this.status = form.querySelector('[role="status"]');
      form.addEventListener("input", () => this.apply());
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("reset", () => setTimeout(() => this.apply()));
      addEventListener("hashchange", () => this.read({ scroll: true }));
      form.hidden = false;
      this.read({ scroll: false });
    }

    apply({ write = true } = {}) {
      const chosen = this.fields.filter((field) => field.value.trim());
      const words = this.fields[0].value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = chosen.filter((field) => field.options).map((field) => [`data-${field.name}`, field.value]);
      let count = 0;
      this.rows.forEach((row, i) => {
        const fits = words.every((word) => this.texts[i].includes(word))
          && wanted.every(([name, value]) => row.getAttribute(name).split(" ").includes(value));
        row.hidden = !fits;
        count += fits;
      });
      this.sections.forEach((section) => (section.hidden = !section.querySelector(".rows > li:not([hidden])")));
      this.status.textContent = `${count} of ${this.rows.length} ${this.form.dataset.noun}`;
      if (!write) return;
      const state = new URLSearchParams(chosen.map((field) => [field.name, field.value.trim()]));
      history.replaceState(null, "", chosen.length ? `#${state}` : location.pathname + location.search);
    }

    // An address without "=" leads to a row, which must not be hidden.
    read({ scroll }) {
      const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
      this.fields.forEach((field) => (field.value = state.get(field.name) ?? ""));
      this.fields.forEach((field) => { if (field.options && field.selectedIndex < 0) field.value = ""; });
      this.apply({ write: false });
      if (scroll && [...state].length) this.form.scrollIntoView();
    }
  }

  const start = () => document.querySelectorAll("form.filter").forEach((form) => new Filter(form));
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
}
