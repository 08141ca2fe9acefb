// One Plotly chart that is updated in place: zoom, legend and a drag in progress outlive a refresh and a change of theme.
let loading;
function plotly(url) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => done(window.Plotly);
    script.onerror = () => { loading = undefined; failed(new Error("Plotly did not load")); };
    document.head.appendChild(script);
  });
  return loading;
}

function theme(element, tokens) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  const background = read("--st-background-color");
  const dark = luminance(background) < 0.5;
  const found = { ...(dark ? tokens.dark : tokens.light), "@background": background, "@text": read("--st-text-color") };
  found["@muted"] = dark ? "#a5adb8" : "#57606a";
  found["@grid"] = dark ? "#2a323c" : "#e3e7eb";
  read("--st-chart-categorical-colors").split(",").forEach((colour, i) => { found["@" + i] = colour.trim(); });
  return found;
}

function hex(colour) {
  const canvas = (hex.canvas ??= document.createElement("canvas").getContext("2d"));
  canvas.fillStyle = colour;
  return canvas.fillStyle;
}

function luminance(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex(colour).slice(at, at + 2), 16) / 255);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// "@critical" is a colour of the theme that is on, "@critical/0.2" the same with an opacity.
function painted(part, colours) {
  if (typeof part === "string" && part[0] === "@") {
    const [name, opacity] = part.split("/");
    const colour = colours[name];
    if (!colour) return part;
    return opacity ? hex(colour) + Math.round(Number(opacity) * 255).toString(16).padStart(2, "0") : colour;
  }
  if (Array.isArray(part)) return part.map((value) => painted(value, colours));
  if (part && typeof part === "object") {
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, painted(value, colours)]));
  }
  return part;
}

const charts = new WeakMap();

function draw(element, chart) {
  const { data } = chart;
  const colours = theme(element, data.tokens);
  const figure = painted(data.figure, colours);
  chart.colours = JSON.stringify(colours);
  const layout = {
    ...figure.layout,
    height: data.height,
    autosize: true,
    uirevision: data.view,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colours["@text"], family: getComputedStyle(element).fontFamily, size: 12, ...figure.layout.font },
    legend: { ...figure.layout.legend, uirevision: "kept" },
  };
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis/.test(name)) layout[name] = { automargin: true, ...layout[name] };
  }
  const config = { displaylogo: false, displayModeBar: false, responsive: true, doubleClick: data.zoomable ? false : "reset" };
  return window.Plotly.react(element, figure.data, layout, config).then(() => {
    element.dataset.rendered = String(Number(element.dataset.rendered ?? 0) + 1);
    if (!chart.listening) listen(element, chart);
  });
}

function listen(element, chart) {
  chart.listening = true;
  element.on("plotly_relayout", (event) => {
    if (!chart.data.zoomable || event["xaxis.range[0]"] === undefined) return;
    chart.trigger("range", [event["xaxis.range[0]"], event["xaxis.range[1]"]]);
  });
  element.on("plotly_doubleclick", () => chart.data.zoomable && chart.trigger("back", true));
  // The theme can change while nothing is sent: the colours live in the page's style.
  chart.observer = new MutationObserver(() => recolour(element, chart));
  for (const node of [document.documentElement, document.body, document.head, chart.parent, element.closest("[data-testid=stApp]")]) {
    if (node) chart.observer.observe(node, { attributes: true, childList: node === document.head, attributeFilter: ["class", "style"] });
  }
}

function recolour(element, chart) {
  if (!element.isConnected || JSON.stringify(theme(element, chart.data.tokens)) === chart.colours) return;
  draw(element, chart);
}

function haloChart({ data, parentElement, setTriggerValue }) {
  const element = parentElement.querySelector(".live-chart");
  const chart = charts.get(element) ?? {};
  charts.set(element, chart);
  Object.assign(chart, { data, parent: parentElement, trigger: setTriggerValue });
  element.style.height = data.height + "px";
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", data.alt);
  plotly(data.plotly).then(() => draw(element, chart)).catch((error) => { element.textContent = error.message; });
  return () => {
    chart.observer?.disconnect();
    if (window.Plotly) window.Plotly.purge(element);
    charts.delete(element);
  };
}

window.haloChart = haloChart;
window.dispatchEvent(new Event("halo-chart"));
