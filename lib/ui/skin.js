// Keys of the frame: they press what is on the page, so that a key can never do what a click cannot.
const KEYS = {
  "t": ".st-key-range_popover button",
  "p": ".st-key-pause button",
  "n": ".st-key-next_error button",
  "N": ".st-key-previous_error button",
  "?": ".st-key-keys button",
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable=true]")) return;
  if (event.key === "/") {
    event.preventDefault();
    const search = document.querySelector("input[type=search], .st-key-expr textarea") ?? document.querySelector("[class*=st-key-find] input");
    if (search) search.focus();
    else document.querySelector("[class*=st-key-menu_][class*=_logs] a")?.click();
  } else if (KEYS[event.key]) {
    document.querySelector(KEYS[event.key])?.click();
  }
}

// Streamlit gives the theme's colours to components only: the style sheet needs them for the whole page.
function spread(element) {
  const style = getComputedStyle(element);
  for (const name of ["primary", "background", "border", "text"]) {
    const value = style.getPropertyValue(`--st-${name}-color`);
    if (document.documentElement.style.getPropertyValue(`--halo-${name}`) !== value) {
      document.documentElement.style.setProperty(`--halo-${name}`, value);
    }
  }
  document.documentElement.dataset.halo = luminance(style.getPropertyValue("--st-background-color").trim()) < 0.5 ? "dark" : "light";
}

// A chart keeps the size of the screen on paper: with a view box its drawing shrinks into the narrower card.
function onPrint(event) {
  for (const drawing of document.querySelectorAll(".live-chart .main-svg")) {
    if (event.type === "afterprint") drawing.removeAttribute("viewBox");
    else drawing.setAttribute("viewBox", `0 0 ${drawing.getAttribute("width")} ${drawing.getAttribute("height")}`);
  }
}

export default function ({ parentElement }) {
  const observer = new MutationObserver(() => spread(parentElement));
  const app = document.querySelector("[data-testid=stApp]");
  for (const node of [document.body, document.head, app, parentElement]) {
    if (node) observer.observe(node, { attributes: true, childList: node === document.head, attributeFilter: ["class", "style"] });
  }
  spread(parentElement);
  // Once, and for as long as the page lives: a rerun mounts this anew, and a key in between would be lost.
  if (!window.haloKeys) {
    document.addEventListener("keydown", (window.haloKeys = onKey));
    for (const when of ["beforeprint", "afterprint"]) window.addEventListener(when, onPrint);
  }
  return () => observer.disconnect();
}
