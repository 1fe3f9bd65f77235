/** What the page does in the browser: filter the objects, open and close them. Without it all objects are there. */
export const PAGE_SCRIPT = `"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const objects = [...document.querySelectorAll("#objects > details")];
  const status = document.getElementById("shown");
  const words = (element, name) => (element.dataset[name] || "").split(" ");

  function apply() {
    const { cause, kind, risk, text } = Object.fromEntries(new FormData(form));
    const part = text.trim().toLowerCase();
    let shown = 0;
    for (const object of objects) {
      const fits =
        (!cause || words(object, "causes").includes(cause)) &&
        (!kind || object.dataset.kind === kind) &&
        (!risk || words(object, "risks").includes(risk)) &&
        (!part || object.dataset.name.toLowerCase().includes(part));
      object.hidden = !fits;
      if (fits) shown++;
      for (const field of object.querySelectorAll("tbody")) field.hidden = Boolean(cause) && field.dataset.cause !== cause;
    }
    status.textContent = shown === objects.length ? "all " + shown + " shown" : shown + " of " + objects.length + " shown";
  }
  const openAll = (open) => {
    for (const object of objects) if (!object.hidden) object.open = open;
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  document.getElementById("open").addEventListener("click", () => openAll(true));
  document.getElementById("close").addEventListener("click", () => openAll(false));
  for (const button of document.querySelectorAll("button[data-risk]")) {
    button.addEventListener("click", () => {
      form.reset();
      form.elements.risk.value = button.dataset.risk;
      apply();
      document.getElementById("objects-title").focus();
    });
  }
  form.hidden = false;
  // A browser may have kept the fields of the form over a reload.
  apply();
})();
`;
