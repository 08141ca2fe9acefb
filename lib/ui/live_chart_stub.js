// Hands a chart to the frame's script: this part travels with every chart at every refresh, that one once a page.
export default function (chart) {
  let gone = false, leave;
  const mount = () => { if (!gone) leave = window.haloChart(chart); };
  if (window.haloChart) mount();
  else window.addEventListener("halo-chart", mount, { once: true });
  return () => { gone = true; leave?.(); };
}
