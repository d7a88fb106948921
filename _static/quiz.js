"use strict";
// Checks the answers of the quiz and remembers, in this browser and nowhere else, which were right.
{
  const KEY = "answers-that-run.quiz";
  // A browser may refuse to remember; the quiz works all the same.
  const recall = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch { return {}; } };
  const remember = (results) => { try { localStorage.setItem(KEY, JSON.stringify(results)); } catch { /* refused */ } };

  class Quiz {
    constructor(progress) {
      this.progress = progress;
      this.rows = [...document.querySelectorAll("#quiz .rows > li")];
      this.results = recall();
      this.rows.forEach((row) => {
        const form = row.querySelector("form");
        form.querySelector("button").hidden = false;
        form.addEventListener("submit", (event) => {
          event.preventDefault();
          this.check(row, form);
        });
        // An answer that is changed is no longer the one that was checked.
        form.addEventListener("input", () => this.unmark(form));
      });
      progress.hidden = false;
      progress.querySelector(".forget").addEventListener("click", () => this.forget());
      this.show();
    }

    check(row, form) {
      const options = [...form.elements.option];
      const chosen = options.filter((option) => option.checked);
      const status = form.querySelector('[role="status"]');
      if (!chosen.length) {
        status.textContent = "Choose an answer first.";
        return;
      }
      const right = form.dataset.right.split(" ");
      const isRight = (option) => option.checked === right.includes(option.value);
      const passed = options.every(isRight);
      options.forEach((option) => {
        const mark = right.includes(option.value) ? "is-right" : option.checked ? "is-wrong" : "";
        option.parentElement.className = mark;
      });
      status.textContent = passed ? "✓ Right." : "✗ Not quite: see the reasons below.";
      form.querySelector("details").open = true;
      this.results[row.id] = passed ? "right" : "wrong";
      remember(this.results);
      this.show();
    }

    unmark(form) {
      form.querySelectorAll("label").forEach((label) => (label.className = ""));
      form.querySelector('[role="status"]').textContent = "";
    }

    forget() {
      this.results = {};
      remember(this.results);
      this.rows.forEach((row) => {
        const form = row.querySelector("form");
        form.reset();
        form.querySelector("details").open = false;
        this.unmark(form);
      });
      this.show();
    }

    show() {
      this.rows.forEach((row) => (row.dataset.state = this.results[row.id] ?? "open"));
      this.progress.querySelectorAll("tbody tr").forEach((line) => {
        const rows = this.rows.filter((row) => row.dataset.part === line.dataset.part);
        ["right", "wrong", "open"].forEach((state, i) => {
          const count = rows.filter((row) => row.dataset.state === state).length;
          line.querySelectorAll("td")[i].textContent = count;
          line.querySelectorAll(".bar i")[i].style.flexGrow = count;
        });
      });
    }
  }

  const start = () => document.querySelectorAll(".progress-by-part").forEach((progress) => new Quiz(progress));
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
}
