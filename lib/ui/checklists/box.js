// A box to tick: shown as ticked only when the server has kept it. A click is one request of its own; no page is drawn for it.
const TRUSTED_MS = 5000; // so long an answer is believed over a page that was being drawn meanwhile

export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(".check-row");
  const [box, title, badge, told, failed] = ["input", ".check-title", ".check-badge", ".check-told", ".check-failed"].map(
    (name) => place.querySelector(name),
  );
  const show = (row) => {
    box.checked = row.done;
    box.disabled = !row.open;
    title.textContent = row.title;
    badge.textContent = row.badge;
    badge.dataset.colour = row.colour;
    told.textContent = row.told;
    place.dataset.seen = row.seen;
  };
  const newer = place.answer && performance.now() < place.until && place.answer.seen > data.row.seen;
  let row = newer ? place.answer : data.row;
  show(row);

  const fail = (words) => {
    failed.textContent = `Not done: ${words}`;
    setTriggerValue("changed", `${performance.now()}`); // what really is, is shown beside it
  };
  const ask = async () => {
    const what = row.done ? "undo" : "tick";
    const answer = await fetch(`${data.address}?what=${what}&seen=${row.seen}`, { method: "POST" });
    const said = await answer.json().catch(() => ({ error: "sign in first, or load the page again" }));
    if (answer.status === 401 && said.ask) return setTriggerValue("asked", what);
    if (!answer.ok) return fail(said.error);
    row = place.answer = said;
    place.until = performance.now() + TRUSTED_MS;
    show(row);
    setTriggerValue("changed", `${said.seen}`);
  };
  box.onclick = (event) => {
    event.preventDefault(); // it stands as it stood until the answer is here
    if (place.ariaBusy === "true") return;
    place.ariaBusy = "true";
    failed.textContent = "";
    ask()
      .catch(() => fail("the dashboard does not answer"))
      .finally(() => (place.ariaBusy = "false"));
  };
}
