"use strict";

// Every page: passwords can be looked at, and a page that the browser kept is asked for again.

for (const button of document.querySelectorAll(".reveal")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  // Not kept as text by the browser's own memory of forms.
  input.form.addEventListener("submit", () => { input.type = "password"; });
}

addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
